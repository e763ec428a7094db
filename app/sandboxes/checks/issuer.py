"""Checks of what a client does at the issuer: login, client assertions, nonces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from app.sandboxes.checks.model import Rule, Verdict, verdict
from app.sandboxes.checks.seen import AUTHORIZE_PATH, ISSUER, PAR_PATH, Seen
from app.trust.sts.assertion import REPLAYED
from app.trust.sts.proof import CHALLENGE

_LONGEST: Final = 60.0
_SKEW: Final = 5.0
_REDIRECTED: Final = (200, 302, 303)


def pushes(seen: Sequence[Seen]) -> Verdict:
    """Authorization requests are pushed; a plain one is taken of some clients, with a finding."""
    return verdict(
        [each for each in _at(seen, PAR_PATH) if each.status == 201],
        [each for each in _at(seen, AUTHORIZE_PATH) if "request_uri=" not in each.url],
        failed="authorization requests were sent to the authorization endpoint without PAR",
    )


def pkce(seen: Sequence[Seen]) -> Verdict:
    """An accepted authorization request had S256, as no other is taken; a refusal names the challenge."""
    asked = [*_at(seen, PAR_PATH), *(each for each in _at(seen, AUTHORIZE_PATH) if "request_uri=" not in each.url)]
    return verdict(
        [each for each in asked if each.status in (201, *_REDIRECTED) and "code_challenge" not in each.detail],
        [each for each in asked if "code_challenge" in each.detail]
        + [each for each in seen if each.is_token_call and "code_verifier" in each.detail],
        failed="authorization requests without a code_challenge of method S256, or codes without its verifier",
    )


def answers_nonce(seen: Sequence[Seen]) -> Verdict:
    """The token call after a challenge is not challenged again."""
    pairs = _after_challenge(seen)
    return verdict(
        [second for _, second in pairs if second.outcome != CHALLENGE],
        [second for _, second in pairs if second.outcome == CHALLENGE],
        failed="token calls after a nonce challenge did not have the nonce of the challenge",
    )


def fresh_assertion(seen: Sequence[Seen]) -> Verdict:
    """The token call after a challenge has another assertion and another proof."""
    pairs = [(first, second) for first, second in _after_challenge(seen) if first.assertion and second.assertion]
    stale = [
        second
        for first, second in pairs
        if first.assertion["ref"] == second.assertion["ref"]
        or (first.proof.get("jti") is not None and first.proof.get("jti") == second.proof.get("jti"))
    ]
    return verdict(
        [second for _, second in pairs if second not in stale],
        stale,
        failed="the client assertion or the proof of the challenged call was sent again",
    )


def assertion_once(seen: Sequence[Seen]) -> Verdict:
    """No assertion is refused as used before."""
    sent = [each for each in seen if each.assertion]
    used = [each for each in sent if REPLAYED in each.detail]
    return verdict(
        [each for each in sent if each not in used], used, failed="client assertions were used more than once"
    )


def assertion_life(seen: Sequence[Seen]) -> Verdict:
    """``exp`` is at most a minute after ``iat``, or after the call where there is no ``iat``."""
    sent = [(each, life) for each in seen if (life := _life(each)) is not None]
    long = [each for each, life in sent if life > _LONGEST + _SKEW]
    return verdict(
        [each for each, _ in sent if each not in long],
        long,
        failed=f"client assertions live longer than {_LONGEST:.0f} seconds",
        passed=f"the longest lives {max((life for _, life in sent), default=0):.0f} seconds",
    )


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "par",
        "Pushes its authorization requests",
        "error",
        "trust.md section 2.3 (T-31), RFC 9126",
        "`/connect/par` answered 201; failed by a call of `/connect/authorize` without `request_uri`.",
        pushes,
    ),
    Rule(
        "pkce",
        "Uses PKCE with S256",
        "error",
        "trust.md section 2.3, RFC 7636",
        "An accepted authorization request; failed by one refused for its `code_challenge`, or a code redeemed without "
        "the right `code_verifier`.",
        pkce,
    ),
    Rule(
        "nonce-answered",
        "Answers a nonce challenge with the nonce",
        "error",
        "trust.md section 2.4, RFC 9449 section 8, C4",
        "The token call after `use_dpop_nonce`; failed when it is challenged again.",
        answers_nonce,
    ),
    Rule(
        "nonce-fresh-assertion",
        "Signs a new assertion and proof after a nonce challenge",
        "warning",
        "trust.md section 2.2 (T-18), C2",
        "The same: failed when assertion or proof has the `jti` of the challenged call.",
        fresh_assertion,
    ),
    Rule(
        "assertion-once",
        "Uses each client assertion once",
        "error",
        "trust.md section 2.2 (T-18)",
        "Any call with a client assertion; failed by one refused as used before.",
        assertion_once,
    ),
    Rule(
        "assertion-life",
        "Makes client assertions that live at most 60 seconds",
        "warning",
        "trust.md section 2.2 (T-14), C9",
        "`exp` and `iat` of the client assertions.",
        assertion_life,
    ),
)


def _at(seen: Iterable[Seen], path: str) -> list[Seen]:
    return [each for each in seen if each.service == ISSUER and each.path == path]


def _after_challenge(seen: Sequence[Seen]) -> list[tuple[Seen, Seen]]:
    """Each challenged token call with the next one of the same grant."""
    calls = [each for each in seen if each.is_token_call]
    pairs = []
    for place, first in enumerate(calls):
        if first.outcome != CHALLENGE:
            continue
        grant = first.form.get("grant_type")
        second = next((each for each in calls[place + 1 :] if each.form.get("grant_type") == grant), None)
        if second is not None:
            pairs.append((first, second))
    return pairs


def _life(each: Seen) -> float | None:
    exp, iat = _number(each.assertion.get("exp")), _number(each.assertion.get("iat"))
    if exp is None:
        return None
    # Without iat the sandbox's clock or the real one may be meant: the nearer one.
    return exp - iat if iat is not None else min(exp - each.at, exp - each.at - each.moved, key=abs)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None
