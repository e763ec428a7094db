"""Judging a request by the table: ``decide`` → search → ``filter_objects`` → ``conclude``.

Pure and total: no I/O, no clock, no exception for any value of the declared types. The rows of both modes
are the same (R63): ``first`` stops at the row that decides, ``all`` judges every row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from app.errors import Reason
from app.trust.policy.blocks import elevation_is_judged
from app.trust.policy.model import (
    READ_OPS,
    Dropped,
    FilterResult,
    Needs,
    ObjectFacts,
    ObjectRule,
    ObjectVerdict,
    Obligation,
    Outcome,
    Request,
    RequestRule,
    RuleResult,
    Scene,
    Stage,
    Verdict,
)
from app.trust.policy.objects import scene as make_scene
from app.trust.policy.table import OBJECT_RULES, REQUEST_RULES
from app.trust.principal import Channel
from app.values import per_request

DecideMode = Literal["first", "all"]

_AUDIT = frozenset({Obligation.AUDIT})
_FOR_RELEASE_ONLY = frozenset(
    {
        Obligation.BREAK_GLASS,
        Obligation.LOG_ELEVATED,
        Obligation.SHOW_IN_CITIZEN_LOG,
        Obligation.NOTIFY_CITIZEN,
        Obligation.MASK_ADDRESS,
    }
)
_RELEASING = frozenset({Outcome.PERMIT, Outcome.PARTIAL})
_SKIPPED_WITHOUT_TOKEN = frozenset({Stage.AUTHENTICITY, Stage.ACTOR})
_CHOSEN: Mapping[str, Outcome | None] = MappingProxyType(
    {"empty": Outcome.EMPTY, "deny": Outcome.DENY, "error": Outcome.ERROR, "continue": None}
)
_NEEDLESS = next(rule for rule in REQUEST_RULES if rule.id == "F3")
_KEEP = ObjectVerdict(Verdict.KEEP)
_NOTHING_JUDGED = FilterResult()


@per_request
class Decision:
    """What becomes of a request to one source.

    ``reason`` and ``rule`` name the row that decided; ``None`` for a plain PERMIT. ``obligations`` always
    hold AUDIT. ``concealed``: the answer must not differ from that to a patient without data (R10, R38).
    The trace is worked out when asked for, so that the wire pays nothing for it.
    """

    outcome: Outcome
    reason: Reason | None = None
    rule: str | None = None
    obligations: frozenset[Obligation] = _AUDIT
    concealed: bool = False
    request: Request | None = field(default=None, repr=False, compare=False)
    mode: DecideMode = field(default="first", repr=False, compare=False)
    object_rows: tuple[RuleResult, ...] = field(default=(), repr=False, compare=False)

    @property
    def releases(self) -> bool:
        """Whether patient data may leave."""
        return self.outcome in _RELEASING

    @property
    def obligation_names(self) -> tuple[str, ...]:
        """The obligations as records name them, sorted."""
        return _names(self.obligations)

    @property
    def trace(self) -> tuple[RuleResult, ...]:
        """The rows looked at up to and including the deciding one; in mode ``all`` every row."""
        if self.request is None:
            return self.object_rows
        rows = explain(self.request)
        if self.mode == "first":
            deciding = next((at for at, row in enumerate(rows) if row.rule == self.rule), len(rows))
            rows = rows[: deciding + 1]
        return rows + self.object_rows


def decide(request: Request, *, mode: DecideMode = "first") -> Decision:
    """Judge the request by the rows of its channel, in order; the first row with an outcome decides.

    Row F3 takes part only when ``request.elevated_adds`` is known; otherwise ``conclude`` judges it.
    """
    obligations = _AUDIT
    for rule in _rules_at_stake(request):
        if rule.when(request):
            outcome = _outcome(rule, request)
            obligations |= rule.obligations
            if outcome is not None:
                return Decision(
                    outcome=outcome,
                    reason=rule.reason,
                    rule=rule.id,
                    obligations=obligations - _FOR_RELEASE_ONLY,
                    concealed=rule.hidden_in_ehds and request.ehds and outcome is Outcome.EMPTY,
                    request=request,
                    mode=mode,
                )
    return Decision(Outcome.PERMIT, obligations=obligations, request=request, mode=mode)


def explain(request: Request) -> tuple[RuleResult, ...]:
    """Every row that applies to the request's channel, judged independently of the others (R63)."""
    return tuple(_judge(rule, request) for rule in _rules(request))


def filter_objects(objects: Iterable[ObjectFacts], request: Request) -> FilterResult:
    """Judge each object by rows G1–G7, or H14–H19 for a citizen. Of several rows the strictest wins.

    The keys must be unique; of two objects with one key the stricter verdict holds.
    """
    items = tuple(objects)
    if not items:
        return _NOTHING_JUDGED
    scene = make_scene(request, items)
    plain = not scene.settings and not scene.everything_denied
    verdicts: dict[str, ObjectVerdict] = {}
    obligations: frozenset[Obligation] = frozenset()
    fired: dict[str, RuleResult] = {}
    opened = False
    for item in items:
        if plain and _is_plain(item):
            verdicts.setdefault(item.key, _KEEP)
            continue
        verdict, keeping = _judge_object(item, scene)
        verdicts[item.key] = _stricter(verdicts.get(item.key, verdict), verdict)
        if verdict.verdict is Verdict.KEEP and keeping:
            obligations |= keeping
            opened = True
        if verdict.rule is not None:
            fired.setdefault(verdict.rule, _object_row(verdict))
    withheld = [
        Dropped(key, verdict.rule, verdict.reason)
        for key, verdict in verdicts.items()
        if verdict.rule is not None and verdict.reason is not None
    ]
    return FilterResult(
        verdicts=MappingProxyType(verdicts),
        obligations=obligations,
        dropped=tuple(entry for entry in withheld if verdicts[entry.key].verdict is Verdict.DROP),
        masked=tuple(entry for entry in withheld if verdicts[entry.key].verdict is Verdict.MASK),
        opened=opened,
        rows=tuple(fired.values()),
    )


def conclude(request: Request, decision: Decision, result: FilterResult, total_stored: int) -> Decision:
    """The final decision, after the objects are judged: row F3, then PERMIT, PARTIAL, EMPTY or DENY.

    ``total_stored`` is how many objects the service holds of the patient, searched for or not (R34). A
    decision that already refuses is returned as it is.
    """
    if not decision.releases:
        return decision
    request = _with_elevation(request, result, total_stored)
    obligations = decision.obligations | result.obligations
    if _NEEDLESS.when(request):
        outcome = _outcome(_NEEDLESS, request)
        if outcome is not None:
            return replace(
                decision,
                outcome=outcome,
                reason=_NEEDLESS.reason,
                rule=_NEEDLESS.id,
                obligations=obligations - _FOR_RELEASE_ONLY,
                request=request,
                object_rows=result.rows,
            )
    first = next(iter(result.dropped or result.masked), None)
    if first is None:
        if request is decision.request and not result.obligations and not result.rows:
            return decision
        return replace(decision, obligations=obligations, request=request, object_rows=result.rows)
    outcome = _outcome_of_objects(request, result)
    return replace(
        decision,
        outcome=outcome,
        reason=first.reason,
        rule=first.rule,
        obligations=obligations if outcome in _RELEASING else obligations - _FOR_RELEASE_ONLY,
        concealed=outcome is Outcome.EMPTY,
        request=request,
        object_rows=result.rows,
    )


@lru_cache(maxsize=256)
def _names(obligations: frozenset[Obligation]) -> tuple[str, ...]:
    return tuple(sorted(obligation.value for obligation in obligations))


def _rows_for(channel: Channel, token_required: bool) -> tuple[RequestRule, ...]:
    return tuple(
        rule
        for rule in REQUEST_RULES
        if channel in rule.channels and (token_required or rule.stage not in _SKIPPED_WITHOUT_TOKEN)
    )


_WITH_TOKEN = {channel: _rows_for(channel, True) for channel in Channel}
_WITHOUT_TOKEN = {channel: _rows_for(channel, False) for channel in Channel}
_OBJECT_ROWS = {channel: tuple(rule for rule in OBJECT_RULES if channel in rule.channels) for channel in Channel}
_STAGE_OF = {rule.id: (rule.stage, rule.text) for rule in OBJECT_RULES}


def _rules(request: Request) -> tuple[RequestRule, ...]:
    table = _WITH_TOKEN if request.service.token_required else _WITHOUT_TOKEN
    return table[request.access.principal.channel]


def _rules_at_stake(request: Request) -> tuple[RequestRule, ...]:
    """The rows that can fire at all: most requests have no fault, and most patients no settings."""
    return _able(
        request.access.principal.channel,
        request.service.token_required,
        request.token_fault is not None,
        bool(request.request_faults),
        bool(request.facts.settings),
    )


@lru_cache(maxsize=64)
def _able(
    channel: Channel, token_required: bool, token_fault: bool, request_fault: bool, settings: bool
) -> tuple[RequestRule, ...]:
    given = {Needs.TOKEN_FAULT: token_fault, Needs.REQUEST_FAULT: request_fault, Needs.SETTING: settings}
    return tuple(rule for rule in _rows_for(channel, token_required) if rule.needs is None or given[rule.needs])


def _judge(rule: RequestRule, request: Request) -> RuleResult:
    fired = rule.when(request)
    outcome = _outcome(rule, request) if fired else None
    return RuleResult(rule.id, rule.stage, fired, outcome, rule.reason if outcome is not None else None, rule.text)


def _outcome(rule: RequestRule, request: Request) -> Outcome | None:
    """The outcome a fired row gives here; ``None`` lets the request go on. Only a reader can get EMPTY."""
    reading, service = request.op in READ_OPS, request.service
    if rule.hidden_in_ehds and request.ehds and reading:
        return Outcome.EMPTY
    outcome = rule.outcome if rule.choice is None else _CHOSEN[getattr(service, rule.choice)]
    if outcome is not Outcome.EMPTY:
        return outcome
    refused = service.reads_refused and request.op == "read"
    return Outcome.EMPTY if reading and not refused else Outcome.DENY


def _is_plain(item: ObjectFacts) -> bool:
    """Nothing on the object that any row asks about."""
    return not (
        item.confidentiality or item.requisition_reserved or item.outside_search or item.delay_until is not None
    )


def _judge_object(item: ObjectFacts, scene: Scene) -> tuple[ObjectVerdict, frozenset[Obligation]]:
    """The strictest verdict, of equals the first; with the obligations of the openings, should it be kept."""
    best, obligations = _KEEP, frozenset[Obligation]()
    for rule in _OBJECT_ROWS[scene.request.access.principal.channel]:
        if not rule.when(item, scene):
            continue
        verdict = ObjectVerdict(_verdict(rule, scene.request), rule.id, rule.reason)
        obligations |= rule.obligations
        best = verdict if best.rule is None else _stricter(best, verdict)
    return best, obligations


def _verdict(rule: ObjectRule, request: Request) -> Verdict:
    """S31: a service may show that something is blocked; in ehds mode none does."""
    if rule.verdict is not None:
        return rule.verdict
    return Verdict.DROP if request.ehds else request.service.blocked_object


_STRICTNESS = {Verdict.KEEP: 0, Verdict.MASK: 1, Verdict.DROP: 2}


def _stricter(first: ObjectVerdict, second: ObjectVerdict) -> ObjectVerdict:
    return second if _STRICTNESS[second.verdict] > _STRICTNESS[first.verdict] else first


def _object_row(verdict: ObjectVerdict) -> RuleResult:
    rule = verdict.rule or ""
    stage, text = _STAGE_OF[rule]
    return RuleResult(rule, stage, True, None, verdict.reason, text)


def _with_elevation(request: Request, result: FilterResult, total_stored: int) -> Request:
    """The request with what row F3 needs to know; unchanged for the great majority without elevation."""
    if not elevation_is_judged(request):
        return request
    released = any(verdict.verdict is not Verdict.DROP for verdict in result.verdicts.values())
    nothing_left = bool(result.verdicts) and not released and len(result.verdicts) >= total_stored
    adds = result.opened if request.elevated_adds is None else request.elevated_adds
    has_data = (request.facts.has_data or total_stored > 0) and not nothing_left
    return replace(request, elevated_adds=adds, facts=replace(request.facts, has_data=has_data))


def _outcome_of_objects(request: Request, result: FilterResult) -> Outcome:
    """Something was withheld: PARTIAL if anything is left, else EMPTY; a read by id is refused (section 7, G).

    To a citizen, and in ehds mode, a withheld object is not there.
    """
    left = {verdict.verdict for verdict in result.verdicts.values()} - {Verdict.DROP}
    by_id = request.op == "read" and request.access.principal.channel is not Channel.CITIZEN and not request.ehds
    if by_id:
        return Outcome.PARTIAL if Verdict.KEEP in left else Outcome.DENY
    return Outcome.PARTIAL if left else Outcome.EMPTY
