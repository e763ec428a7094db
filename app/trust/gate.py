"""The gate of an API: who calls, proven by an access token and, where it is bound, a DPoP proof.

Stage A of the decision table (personvern.md section 7) in the order of ruling R5: scheme, token, proof, scope,
person, level, organisation. The rows from B4 on belong to the policy, which the release applies.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from app.core import Core
from app.directory import AccessRule, Scheme
from app.errors import Reason, Refusal
from app.store.engine import ReplayKey
from app.trust import attest, tokens
from app.trust.dpop import Proof, ProofFault, check_window, read_proof
from app.trust.jose import ALGORITHMS, b64encode
from app.trust.principal import Attest, Channel, Principal
from app.trust.tokens import Token, TokenFault
from app.trust.trail import Trail

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


@dataclass(frozen=True, slots=True)
class Credentials:
    """Every ``Authorization`` and every ``DPoP`` header value of a request, in order."""

    authorization: tuple[str, ...] = ()
    dpop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
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
    scheme, raw = _credential(rule, credentials.authorization)
    try:
        token = await tokens.accept(core, trail.call, raw, rule.audiences)
        trail.client_id, trail.claims = token.principal.client_id, token.shown
        if scheme == "DPoP":
            trail.replay = _prove(core, trail, rule, token, credentials.dpop, method)
        else:
            _refuse_bound(trail, rule, token)
    except TokenFault as fault:
        raise Refusal(fault.reason, fault.text, source="trust 4", extra={"scheme": scheme}) from fault
    except ProofFault as fault:
        raise Refusal(Reason.DPOP_INVALID, fault.text, source="trust 4", extra={"scheme": scheme}) from fault
    _refuse_unentitled(rule, scheme, token)
    return Authenticated(token.principal, _usable_attest(trail, rule, token), trail.replay)


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


def _credential(rule: AccessRule, values: tuple[str, ...]) -> tuple[Scheme, str]:
    """The scheme and token of the only ``Authorization`` header; scheme names in any case (ruling C38)."""
    if not values:
        raise Refusal(Reason.TOKEN_MISSING, "No access token was sent", source="trust 4")
    if len(values) > 1:
        raise Refusal(Reason.TOKEN_INVALID, "More than one Authorization header was sent", source="R7")
    name, _, raw = values[0].strip().partition(" ")
    scheme = _SCHEMES.get(name.lower())
    if scheme is None:
        # RFC 6750 section 3.1: a method we do not know is no attempt to authenticate.
        raise Refusal(Reason.TOKEN_MISSING, "No access token was sent", source="trust 4")
    if scheme not in rule.schemes:
        raise Refusal(Reason.TOKEN_INVALID, f"Expected a valid {rule.schemes[0]} token", source="trust 4")
    return scheme, raw.strip()


def _refuse_bound(trail: Trail, rule: AccessRule, token: Token) -> None:
    """A token bound to a key is no Bearer token (T-77), but for the operations of ruling C27."""
    if not token.bound:
        return
    if rule.bearer_with_cnf == "refuse" or trail.call.sandbox.settings.profile == "strict":
        raise TokenFault("The access token is bound to a DPoP key and cannot be used as a Bearer token")
    trail.note("C27", "a DPoP-bound access token was sent as Bearer", level="risk")


def _prove(core: Core, trail: Trail, rule: AccessRule, token: Token, values: tuple[str, ...], method: str) -> ReplayKey:
    """Check the proof against request, token and clock; gives its single-use key."""
    call = trail.call
    if token.jkt is None:
        raise TokenFault(token.binding_fault)
    proof = read_proof(
        values,
        method=method,
        url=call.url,
        cache=core.keys,
        max_bytes=call.sandbox.settings.max_jwt_bytes,
        note=trail.note,
    )
    if not _same(proof.jkt, token.jkt):
        raise ProofFault("Failed to validate the 'cnf' claim value against the DPoP proof's public key")
    _check_ath(trail, rule, token, proof)
    past = PROOF_PAST[call.sandbox.settings.proof_window]
    check_window(proof, call.moment, past, PROOF_AHEAD)
    return _first_use(core, trail, proof, past)


def _check_ath(trail: Trail, rule: AccessRule, token: Token, proof: Proof) -> None:
    if "ath" not in proof.claims and rule.ath == "optional" and trail.call.sandbox.settings.profile == "lenient":
        trail.note("C28", "the DPoP proof has no ath", level="risk")
    elif not _same(proof.ath or "", token.ath):
        raise ProofFault("Invalid 'ath' value.")


def _first_use(core: Core, trail: Trail, proof: Proof, past: float) -> ReplayKey:
    """The proof's key. This process's memory only refuses; that it is the first use, the store decides."""
    call = trail.call
    # On a frozen clock a proof stays fresh, so it is remembered for longer than its window.
    window = _REPLAY_FROZEN if call.sandbox.clock.frozen_at is not None else past + PROOF_AHEAD + _REPLAY_SLACK
    until = call.moment.real + window
    # 192 bits of a hash: no client can find two proofs with one key, and the thumbprint's length is fixed.
    key = b64encode(hashlib.sha256(f"{proof.jkt}.{proof.jti}".encode()).digest()[:24])
    place = (REPLAY_KIND, call.sandbox.id, key)
    if core.proofs.get(place, call.moment.real) is not None:
        raise ProofFault("Detected a DPoP proof token replay.")
    core.proofs.put(place, True, until)
    return ReplayKey(call.sandbox.id, REPLAY_KIND, key, until)


def _refuse_unentitled(rule: AccessRule, scheme: Scheme, token: Token) -> None:
    """Rows A5 to A8 and the pid: what a token of ours may still lack."""
    principal, extra = token.principal, {"scheme": scheme}
    wanted = [scope for audience, scope in rule.grants if audience == token.audience]
    if principal.scopes.isdisjoint(wanted):
        raise Refusal(
            Reason.SCOPE_MISSING,
            "The access token lacks the scope of this service",
            source="A5",
            extra={**extra, "scope": " ".join(wanted)},
        )
    if rule.user and principal.channel is Channel.MACHINE:
        raise Refusal(Reason.USER_REQUIRED, "The access token stands for no person", source="A8", extra=extra)
    if rule.user and principal.pid is None:
        raise Refusal(Reason.PID_MISSING, "The access token lacks the claim pid", source="A8", extra=extra)
    if principal.channel is Channel.PERSONNEL and principal.level < rule.min_level:
        text = f"The person must have logged in at security level {rule.min_level}"
        raise Refusal(Reason.LEVEL_TOO_LOW, text, source="A6", extra=extra)
    if rule.orgnr_parent and principal.orgnr_parent is None:
        raise Refusal(Reason.ORG_MISSING, "The access token lacks the claim orgnr_parent", source="A7", extra=extra)
    if rule.orgnr_child and principal.orgnr_child is None:
        raise Refusal(Reason.ORG_MISSING, "The access token lacks the claim orgnr_child", source="A7", extra=extra)


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
