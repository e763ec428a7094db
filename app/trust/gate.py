"""The gate of an API: who calls, proven by an access token and, where it is bound, a DPoP proof.

Stage A of the decision table (personvern.md section 7) in the order of ruling R5: scheme, token, proof, scope,
person, level, organisation. The rows from B4 on belong to the policy, which the release applies.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from app.core import Core
from app.directory import AccessRule, Scheme
from app.errors import Reason, Refusal
from app.store.engine import ReplayKey
from app.trust import attest, tokens
from app.trust.dpop import REPLAY_TEXT, Proof, ProofFault, Refuse, at_once, check_window, judge_proof
from app.trust.jose import ALGORITHMS, b64encode
from app.trust.principal import Attest, Channel, Principal
from app.trust.tokens import Token, TokenFault
from app.trust.trail import Trail
from app.values import per_request

REPLAY_KIND: Final = "dpop"
PROOF_AHEAD: Final = 5.0
PROOF_PAST: Final[Mapping[str, float]] = MappingProxyType({"strict": 6.0, "relaxed": 60.0})
"""Seconds a proof may lie ahead, and back, by the setting ``proof_window`` (trust.md section 4, ruling R20)."""

_REPLAY_SLACK: Final = 5.0
_REPLAY_FROZEN: Final = 86_400.0
_SCHEMES: Final[Mapping[str, Scheme]] = MappingProxyType({"bearer": "Bearer", "dpop": "DPoP"})
_ERROR: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.TOKEN_MISSING: "",
        Reason.DPOP_INVALID: "invalid_dpop_proof",
        Reason.SCOPE_MISSING: "insufficient_scope",
    }
)
_DESCRIPTION: Final[Mapping[Reason, str]] = MappingProxyType({Reason.ATTEST_STALE: "attestation_has_expired"})  # R15
_ALGS: Final = " ".join(ALGORITHMS)
_QUOTABLE: Final = {ord('"'): "'", ord("\\"): "/"}


@per_request
class Credentials:
    """Every ``Authorization`` and every ``DPoP`` header value of a request, in order."""

    authorization: tuple[str, ...] = ()
    dpop: tuple[str, ...] = ()


@per_request
class Authenticated:
    """Who called. ``replay`` must be claimed durably before anything is answered."""

    principal: Principal
    attest: Attest | None
    replay: ReplayKey | None


async def authenticate(
    core: Core, trail: Trail, rule: AccessRule, credentials: Credentials, method: str
) -> Authenticated:
    """Prove who calls and that ``rule`` lets such a caller in.

    The trail learns the client, the claims, the findings and the proof's single-use key. An attest that is there
    but broken counts as absent where ``rule`` demands one (row B4) and attests nobody where it is optional (row B7).

    Raises ``Refusal`` with TOKEN_MISSING, TOKEN_INVALID, AUDIENCE_WRONG, DPOP_INVALID, SCOPE_MISSING,
    USER_REQUIRED, PID_MISSING, LEVEL_TOO_LOW or ORG_MISSING; ``detail`` is the ``error_description``.
    """
    scheme, raw = _credential(rule, credentials.authorization, at_once)
    assert raw is not None  # without one, it was refused
    try:
        token = await tokens.accept(core, trail.call, raw, rule.audiences)
        trail.client_id, trail.claims = token.principal.client_id, token.shown
        proof = _judge_binding(core, trail, rule, token, scheme, credentials.dpop, method, at_once)
        if proof is not None:
            trail.replay = _first_use(core, trail, proof)
    except (TokenFault, ProofFault) as fault:
        if isinstance(fault, TokenFault) and fault.token is not None:
            trail.client_id, trail.claims = fault.token.principal.client_id, fault.token.shown
        raise refusal_of(fault, scheme) from fault
    _judge_entitlement(rule, scheme, token, at_once)
    return Authenticated(token.principal, _usable_attest(trail, rule, token), trail.replay)


async def examine(
    core: Core, trail: Trail, rule: AccessRule, credentials: Credentials, method: str, refuse: Refuse
) -> Authenticated | None:
    """As ``authenticate``, giving every fault to ``refuse`` and claiming nothing (ruling R63).

    None when there is no token that can be read.
    """
    scheme, raw = _credential(rule, credentials.authorization, refuse)
    if raw is None:
        return None
    token = await tokens.examine(core, trail.call, raw, rule.audiences, refuse)
    if token is None:
        return None
    trail.client_id, trail.claims = token.principal.client_id, token.shown
    proof = _judge_binding(core, trail, rule, token, scheme, credentials.dpop, method, refuse)
    if proof is not None and _used(core, trail, proof) is not None:
        refuse(ProofFault(REPLAY_TEXT, "jti", proof.jti, "a jti that was never used"))
    _judge_entitlement(rule, scheme, token, refuse)
    return Authenticated(token.principal, _usable_attest(trail, rule, token), None)


def refusal_of(fault: TokenFault | ProofFault, scheme: Scheme) -> Refusal:
    """The refusal that a fault of a token or a proof is on the wire."""
    reason = fault.reason if isinstance(fault, TokenFault) else Reason.DPOP_INVALID
    return Refusal(reason, fault.text, source="trust 4", extra={"scheme": scheme})


def challenge(refusal: Refusal, rule: AccessRule) -> tuple[str, ...]:
    """The ``WWW-Authenticate`` values for a refused call, one for each scheme of ``rule`` (ruling R2).

    The error stands at the scheme the caller used; at every one when that is not known. RFC 6750 section 3,
    RFC 9449 section 7.1.
    """
    used = refusal.extra.get("scheme")
    error = _ERROR.get(refusal.reason, "invalid_token")
    return tuple(
        _challenge(scheme, error if used is None or used == scheme else "", refusal) for scheme in rule.schemes
    )


def _challenge(scheme: Scheme, error: str, refusal: Refusal) -> str:
    parts = []
    if error:
        text = _DESCRIPTION.get(refusal.reason, refusal.detail)
        parts += [f'error="{error}"', f'error_description="{_quoted(text)}"']
        if "scope" in refusal.extra:
            parts.append(f'scope="{refusal.extra["scope"]}"')
    if scheme == "DPoP":
        parts.append(f'algs="{_ALGS}"')
    return f"{scheme} {', '.join(parts)}" if parts else scheme


def _quoted(text: str) -> str:
    """The characters RFC 6750 section 3 allows in ``error_description``."""
    return "".join(char if " " <= char <= "~" else "?" for char in text.translate(_QUOTABLE))


def _credential(rule: AccessRule, values: tuple[str, ...], refuse: Refuse) -> tuple[Scheme, str | None]:
    """The scheme and token of the only ``Authorization`` header; scheme names in any case (ruling C38)."""
    if not values:
        refuse(Refusal(Reason.TOKEN_MISSING, "No access token was sent", source="trust 4"))
        return rule.schemes[0], None
    if len(values) > 1:
        refuse(Refusal(Reason.TOKEN_INVALID, "More than one Authorization header was sent", source="R7"))
    name, _, raw = values[0].strip().partition(" ")
    scheme = _SCHEMES.get(name.lower())
    if scheme is None:
        # RFC 6750 section 3.1: a method we do not know is no attempt to authenticate.
        refuse(Refusal(Reason.TOKEN_MISSING, "No access token was sent", source="trust 4"))
        return rule.schemes[0], None
    if scheme not in rule.schemes:
        refuse(Refusal(Reason.TOKEN_INVALID, f"Expected a valid {rule.schemes[0]} token", source="trust 4"))
    return scheme, raw.strip()


def _judge_binding(
    core: Core,
    trail: Trail,
    rule: AccessRule,
    token: Token,
    scheme: Scheme,
    values: tuple[str, ...],
    method: str,
    refuse: Refuse,
) -> Proof | None:
    """The proof of a bound token, or None of one that is sent as Bearer."""
    if scheme == "DPoP":
        return _prove(core, trail, rule, token, values, method, refuse)
    _judge_bearer(trail, rule, token, refuse)
    return None


def _judge_bearer(trail: Trail, rule: AccessRule, token: Token, refuse: Refuse) -> None:
    """A token bound to a key is no Bearer token (T-77), but for the operations of ruling C27."""
    if not token.bound:
        return
    if rule.bearer_with_cnf == "refuse" or trail.call.sandbox.settings.profile == "strict":
        text = "The access token is bound to a DPoP key and cannot be used as a Bearer token"
        refuse(TokenFault(text, found="Bearer", expected="DPoP, with a proof"))
    else:
        trail.note("C27", "a DPoP-bound access token was sent as Bearer", level="risk")


def _prove(
    core: Core,
    trail: Trail,
    rule: AccessRule,
    token: Token,
    values: tuple[str, ...],
    method: str,
    refuse: Refuse,
) -> Proof | None:
    """Check the proof against request, token and clock."""
    call = trail.call
    if token.jkt is None:
        refuse(TokenFault(token.binding_fault, expected="cnf with the jkt of the proof's key"))
    proof = judge_proof(
        values,
        refuse,
        method=method,
        url=call.url,
        cache=core.keys,
        max_bytes=call.sandbox.settings.max_jwt_bytes,
        note=trail.note,
    )
    if proof is None:
        return None
    trail.proof = dict(proof.claims)
    if token.jkt is not None and not _same(proof.jkt, token.jkt):
        text = "Failed to validate the 'cnf' claim value against the DPoP proof's public key"
        refuse(ProofFault(text, "jwk", proof.jkt, token.jkt))
    _judge_ath(trail, rule, token, proof, refuse)
    check_window(proof, call.moment, PROOF_PAST[call.sandbox.settings.proof_window], PROOF_AHEAD, refuse)
    return proof


def _judge_ath(trail: Trail, rule: AccessRule, token: Token, proof: Proof, refuse: Refuse) -> None:
    if "ath" not in proof.claims and rule.ath == "optional" and trail.call.sandbox.settings.profile == "lenient":
        trail.note("C28", "the DPoP proof has no ath", level="risk")
    elif not _same(proof.ath or "", token.ath):
        refuse(ProofFault("Invalid 'ath' value.", "ath", proof.ath, token.ath))


def _first_use(core: Core, trail: Trail, proof: Proof) -> ReplayKey:
    """The proof's key. This process's memory only refuses; that it is the first use, the store decides."""
    call = trail.call
    # On a frozen clock a proof stays fresh, so it is remembered for longer than its window.
    past = PROOF_PAST[call.sandbox.settings.proof_window]
    window = _REPLAY_FROZEN if call.sandbox.clock.frozen_at is not None else past + PROOF_AHEAD + _REPLAY_SLACK
    until = call.moment.real + window
    place = _place(trail, proof)
    if core.proofs.get(place, call.moment.real) is not None:
        raise ProofFault(REPLAY_TEXT)
    core.proofs.put(place, True, until)
    return ReplayKey(call.sandbox.id, REPLAY_KIND, place[2], until)


def _used(core: Core, trail: Trail, proof: Proof) -> bool | None:
    return core.proofs.get(_place(trail, proof), trail.call.moment.real)


def _place(trail: Trail, proof: Proof) -> tuple[str, str, str]:
    # 192 bits of a hash: no client can find two proofs with one key, and the thumbprint's length is fixed.
    key = b64encode(hashlib.sha256(f"{proof.jkt}.{proof.jti}".encode()).digest()[:24])
    return REPLAY_KIND, trail.call.sandbox.id, key


def _judge_entitlement(rule: AccessRule, scheme: Scheme, token: Token, refuse: Refuse) -> None:
    """Rows A5 to A8 and the pid: what a token of ours may still lack."""
    principal, extra = token.principal, {"scheme": scheme}
    wanted = [scope for audience, scope in rule.grants if audience == token.audience]
    if principal.scopes.isdisjoint(wanted):
        refuse(
            Refusal(
                Reason.SCOPE_MISSING,
                "The access token lacks the scope of this service",
                source="A5",
                extra={**extra, "scope": " ".join(wanted)},
            )
        )
    missing = sorted(rule.scopes - principal.scopes) if rule.every_scope else []
    if missing and not principal.scopes.isdisjoint(wanted):
        text = f"The access token lacks {' and '.join(missing)}"
        refuse(Refusal(Reason.SCOPE_MISSING, text, source="S5", extra={**extra, "scope": " ".join(missing)}))
    if rule.user and principal.channel is Channel.MACHINE:
        refuse(Refusal(Reason.USER_REQUIRED, "The access token stands for no person", source="A8", extra=extra))
    if rule.user and principal.pid is None:
        refuse(Refusal(Reason.PID_MISSING, "The access token lacks the claim pid", source="A8", extra=extra))
    if principal.channel is Channel.PERSONNEL and principal.level < rule.min_level:
        text = f"The person must have logged in at security level {rule.min_level}"
        refuse(Refusal(Reason.LEVEL_TOO_LOW, text, source="A6", extra=extra))
    if rule.orgnr_parent and principal.orgnr_parent is None:
        text = "The access token lacks the claim orgnr_parent"
        refuse(Refusal(Reason.ORG_MISSING, text, source="A7", extra=extra))
    if rule.orgnr_child and principal.orgnr_child is None:
        text = "The access token lacks the claim orgnr_child"
        refuse(Refusal(Reason.ORG_MISSING, text, source="A7", extra=extra))


def _usable_attest(trail: Trail, rule: AccessRule, token: Token) -> Attest | None:
    if rule.attest == "ignore":
        return None
    reading = token.attest
    if reading.fault is None:
        return reading.attest
    trail.note("ATTEST", f"the attest in the access token is unusable: {reading.fault}", level="risk")
    return None if rule.attest == "required" else attest.UNREADABLE


def _same(one: str, other: str) -> bool:
    """Equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())
