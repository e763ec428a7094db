"""Everything that is wrong with a request, not only the first thing: for explanations, never for the wire (R63).

The same checks judge as on the wire. There the first fault is raised; here each is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from app.core import Core
from app.directory import BY_NAME, SERVICES, AccessRule
from app.errors import Reason, Refusal
from app.store.engine import Connection
from app.trust import policy, release, tokens
from app.trust.dpop import ProofFault, check_window, judge_proof
from app.trust.gate import PROOF_AHEAD, PROOF_PAST
from app.trust.policy import Decision, Op, Outcome, RequestRule, ServicePolicy
from app.trust.policy.table import REQUEST_RULES
from app.trust.principal import Access
from app.trust.release import Source
from app.trust.sts import assertion
from app.trust.sts.context import Context
from app.trust.sts.errors import StsError
from app.trust.tokens import Token, TokenFault
from app.trust.trail import Trail

_PROOF_RULE: Final = "A3"
_SEVERITY: Final = MappingProxyType({Outcome.ERROR: "error", Outcome.DENY: "error", Outcome.EMPTY: "withheld"})
_BY_ID: Final[Mapping[str, RequestRule]] = MappingProxyType({rule.id: rule for rule in REQUEST_RULES})
_MALFORMED: Final = (
    Reason.ROUTE_UNKNOWN,
    Reason.METHOD_NOT_ALLOWED,
    Reason.CONTENT_TYPE_INVALID,
    Reason.BODY_TOO_LARGE,
    Reason.BODY_INVALID,
    Reason.PARAMETER_INVALID,
    Reason.PARAMETER_NOT_SUPPORTED,
)
_RULE_OF: Final[Mapping[Reason, RequestRule]] = MappingProxyType(
    dict.fromkeys(_MALFORMED, _BY_ID["B1"])  # row B1 takes what no row of its own names
    | {rule.reason: rule for rule in reversed(REQUEST_RULES) if rule.reason is not None}
)

_PROOF_SOURCE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "DPoP": "RFC 9449 4.3, checks 1 and 2",
        "typ": "RFC 9449 4.3, check 4",
        "alg": "RFC 9449 4.3, check 5",
        "signature": "RFC 9449 4.3, check 6",
        "jwk": "RFC 9449 4.3, check 7",
        "htm": "RFC 9449 4.3, check 8",
        "htu": "RFC 9449 4.3, check 9",
        "nonce": "RFC 9449 4.3, check 10",
        "iat": "RFC 9449 4.3, check 11, trust.md section 4",
        "ath": "RFC 9449 4.3, check 12",
        "jti": "RFC 9449 4.2 and 11.1",
    }
)


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong.

    ``rule`` is a row of the decision table, or the part of the issuer that refuses; ``severity`` is ``error``,
    or ``withheld`` where the answer would be a good one without data. ``expected`` is what would pass.
    """

    rule: str
    severity: str
    text: str
    reason: str | None = None
    found: Any = None
    expected: Any = None
    source: str = ""


class Flaws:
    """Collects what the checks refuse, in the order they judge."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], Flaw] = {}

    def refuse(self, fault: Exception) -> None:
        """A fault of one of the checks; any other error is raised."""
        self.add(_flaw(fault))

    def add(self, flaw: Flaw) -> None:
        self._found.setdefault((flaw.rule, flaw.text, str(flaw.found)), flaw)

    @property
    def rules(self) -> frozenset[str]:
        """The rules that something was found against."""
        return frozenset(flaw.rule for flaw in self._found.values())

    def listed(self) -> tuple[Flaw, ...]:
        return tuple(self._found.values())


@dataclass(frozen=True, slots=True)
class Asked:
    """A service request as far as it could be read: enough to decide it without releasing anything."""

    access: Access
    policy: ServicePolicy
    op: Op
    source: Source


async def examine_decision(core: Core, trail: Trail, asked: Asked, flaws: Flaws) -> Decision:
    """Judge the request by every row of the table; nothing is audited, bound or released.

    The decision is the one that the rows of the policy give; what the gate found stands in ``flaws`` alone.
    """
    asked = replace(asked, policy=release.settled(asked.policy, trail))
    trail.access, trail.policy, trail.op = asked.access, asked.policy, asked.op

    def judge(conn: Connection) -> tuple[Decision, policy.Request]:
        trail.facts = facts = release.facts_of(conn, asked.access, asked.policy)
        request = policy.Request(
            access=asked.access,
            facts=facts,
            service=asked.policy,
            op=asked.op,
            mode=trail.call.sandbox.settings.mode,
        )
        decision = policy.decide(request)
        if facts.patient is None:
            return decision, request
        stored = asked.source.objects(conn, facts.patient)
        verdicts = policy.filter_objects(stored, request)
        trail.dropped = tuple((item.key, item.rule, item.reason.value) for item in verdicts.dropped)
        return policy.conclude(request, decision, verdicts, len(stored)), request

    decision, request = await core.store.read(judge)
    trail.rule = decision.rule
    for row in policy.explain(request):
        # A row of stage A repeats what the gate has found with more detail.
        if row.fired and row.outcome is not None and row.outcome in _SEVERITY and row.rule not in flaws.rules:
            flaws.add(_row(row.rule, row.outcome, request))
    if decision.reason is not None and decision.rule is not None and decision.rule not in flaws.rules:
        text = f"{len(trail.dropped)} stored objects would be withheld" if trail.dropped else decision.reason.value
        flaws.add(Flaw(decision.rule, "withheld", text, decision.reason.value, source="personvern.md section 7"))
    return decision


async def examine_token(
    core: Core, trail: Trail, raw: str, rule: AccessRule | None, flaws: Flaws
) -> tuple[Token | None, AccessRule | None]:
    """A token alone. Without ``rule`` it is judged for the service its audience belongs to."""
    if rule is None:
        silent = Flaws()
        read = await tokens.examine(core, trail.call, raw, frozenset(), silent.refuse)
        rule = None if read is None else _rule_of_audience(read.audience)
    wanted = frozenset() if rule is None else rule.audiences
    return await tokens.examine(core, trail.call, raw, wanted, flaws.refuse), rule


def examine_proof(
    core: Core, trail: Trail, raw: str, flaws: Flaws, *, method: str = "", url: str | None = None
) -> Mapping[str, Any]:
    """A proof alone, or for one request; gives what could be read of it."""
    settings = trail.call.sandbox.settings
    proof = judge_proof(
        (raw,), flaws.refuse, method=method, url=url, cache=core.keys, max_bytes=settings.max_jwt_bytes, note=trail.note
    )
    if proof is None:
        return {}
    check_window(proof, trail.call.moment, PROOF_PAST[settings.proof_window], PROOF_AHEAD, flaws.refuse)
    return {"jkt": proof.jkt, "claims": dict(proof.claims)}


async def examine_assertion(core: Core, trail: Trail, raw: str, flaws: Flaws) -> Mapping[str, Any]:
    """A client assertion alone; gives its client and claims. Nothing is used up."""
    caller = await assertion.examine(Context(core, trail), raw, None, flaws.refuse)
    return {} if caller is None else {"client": caller.client.id, "claims": dict(caller.claims)}


def _rule_of_audience(audience: str | None) -> AccessRule | None:
    named = (service.name for service in SERVICES if audience in service.rule.audiences)
    return next((BY_NAME[name].rule for name in named), None)


def _flaw(fault: Exception) -> Flaw:
    match fault:
        case ProofFault():
            source = _PROOF_SOURCE.get(fault.member, "trust.md section 4")
            return Flaw(
                f"{_PROOF_RULE} {fault.member}",
                "error",
                fault.text,
                Reason.DPOP_INVALID.value,
                fault.found,
                fault.expected,
                source,
            )
        case TokenFault():
            row = _RULE_OF[fault.reason]
            return Flaw(
                row.id, "error", fault.text, fault.reason.value, fault.found, fault.expected, "trust.md section 4"
            )
        case StsError():
            return Flaw(
                f"STS {fault.error}",
                "error",
                fault.description,
                fault.error,
                fault.found,
                fault.expected,
                "trust.md section 2",
            )
        case Refusal():
            known = _RULE_OF.get(fault.reason)
            return Flaw(
                known.id if known is not None else fault.reason.value,
                "error",
                fault.detail,
                fault.reason.value,
                expected=fault.extra.get("scope"),
                source=fault.source or (known.source if known is not None else ""),
            )
    raise fault


def _row(rule_id: str, outcome: Outcome, request: policy.Request) -> Flaw:
    rule = _BY_ID[rule_id]
    flaw = Flaw(
        rule.id,
        _SEVERITY[outcome],
        rule.text,
        rule.reason.value if rule.reason is not None else None,
        source=f"personvern.md {rule.source}",
    )
    tell = _TOLD.get(rule_id)
    if tell is None:
        return flaw
    found, expected = tell(request)
    return replace(flaw, found=found, expected=expected)


def _ids(values: Iterable[str | None]) -> str:
    return ", ".join(value for value in values if value) or "none"


def _age(request: policy.Request) -> tuple[object, object]:
    attest, limit = request.access.attest, request.service.attest_max_age
    now = request.access.moment.sandbox
    return None if attest is None else attest.toa, f"toa between {now - limit:.0f} and {now:.0f}"


def _actor(request: policy.Request) -> tuple[object, object]:
    attest, principal = request.access.attest, request.access.principal
    found = None if attest is None else _ids((attest.legal_entity, attest.point_of_care, attest.hpr))
    return found, _ids((principal.orgnr_parent, principal.orgnr_child, principal.hpr))


def _purpose(request: policy.Request) -> tuple[object, object]:
    attest = request.access.attest
    return None if attest is None else attest.purpose, " ".join(sorted(request.service.purposes_allowed))


def _authorisations(request: policy.Request) -> tuple[object, object]:
    known = request.facts.practitioner
    found = None if known is None else " ".join(sorted(known.authorizations)) or "no authorisation"
    return found, "an authorisation that is valid now"


_TOLD: Final[Mapping[str, Callable[[policy.Request], tuple[object, object]]]] = MappingProxyType(
    {
        "A6": lambda request: (request.access.principal.level, request.service.min_level),
        "B4": lambda _request: (None, "the claim nhn:tillitsrammeverk:parameters in the access token"),
        "B5": _age,
        "B7": _actor,
        "C1": lambda request: (request.access.principal.hpr, "an HPR number in the token"),
        "C2": _authorisations,
        "C4": _purpose,
        "D1": lambda _request: ("not in the register", "a person of this sandbox"),
    }
)
"""What a row saw and wanted, where a value says it better than the row's text."""
