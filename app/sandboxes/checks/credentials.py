"""Checks of access tokens and DPoP proofs: fresh where they must be, reused where they may be."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Final

from app.errors import Reason
from app.sandboxes.checks.model import Rule, Verdict, verdict
from app.sandboxes.checks.seen import Seen

_WASTE: Final = 2
_LEFT: Final = 30.0
_OFF: Final = 3.0


def proof_once(seen: Sequence[Seen]) -> Verdict:
    """No two calls have the same proof."""
    first: dict[str, Seen] = {}
    again = []
    for each in seen:
        jti = each.proof.get("jti")
        if isinstance(jti, str) and jti and first.setdefault(jti, each) is not each:
            again.append(each)
    # One proof alone shows nothing.
    once = list(first.values()) if len(first) > 1 else []
    return verdict(once, again, failed="calls had the DPoP proof of an earlier call")


def proof_clock(seen: Sequence[Seen]) -> Verdict:
    """``iat`` of a proof is near the time it came, on the real clock or the sandbox's."""
    off = {each.id: _age(each) for each in seen if _age(each) is not None}
    proofs = [each for each in seen if each.id in off]
    bad = [each for each in proofs if abs(off[each.id] or 0.0) > _OFF]
    worst = max((value for value in off.values() if value is not None), key=abs, default=0.0)
    told = f"at most {abs(worst):.1f} s {'old' if worst >= 0 else 'ahead'}"
    return verdict(
        [each for each in proofs if each not in bad],
        bad,
        failed=f"proofs were more than {_OFF:.0f} s old or ahead when they came, {told}",
        passed=told,
    )


def token_reuse(seen: Sequence[Seen]) -> Verdict:
    """A session or machine client goes on with the token it has while that is good."""
    used: dict[Hashable, Seen] = {}
    reused: list[Seen] = []
    wasted: list[Seen] = []
    for each in seen:
        if not each.is_api_call or each.token_id is None or each.status == 401:
            continue
        last = used.get(_what_for(each))
        if last is not None and last.token_id == each.token_id:
            reused.append(each)
        elif last is not None and _seconds_left(last, each) > _LEFT:
            wasted.append(each)
        used[_what_for(each)] = each
    # A token may be asked for anew once, after a restart for instance.
    bad = wasted if len(wasted) >= _WASTE else []
    return verdict(
        reused, bad, failed=f"calls had a new token though the one before was good for more than {_LEFT:.0f} s"
    )


def one_audience(seen: Sequence[Seen]) -> Verdict:
    """Each token is for one API."""
    issued = [each for each in seen if each.issued.get("aud") is not None]
    several = [each for each in issued if isinstance(each.issued["aud"], list) and len(each.issued["aud"]) > 1]
    refused = [each for each in seen if each.reason == Reason.AUDIENCE_WRONG]
    return verdict(
        [each for each in issued if each not in several],
        [*several, *refused],
        failed="tokens had several audiences, or were sent to another API than they are for",
    )


def after_401(seen: Sequence[Seen]) -> Verdict:
    """The call after a 401 does not carry what was refused."""
    recovered: list[Seen] = []
    repeated: list[Seen] = []
    for place, each in enumerate(seen):
        if each.status != 401 or each.is_token_call:
            continue
        later = next((other for other in seen[place + 1 :] if other.service == each.service), None)
        if later is None or (each.fault and later.status == 401):
            continue  # a fault rule says 401 to any token
        same = later.status == 401 and later.reason == each.reason and later.token_id == each.token_id
        (repeated if same else recovered).append(later)
    return verdict(
        recovered, repeated, failed="calls after a 401 were refused for the same reason, with the same token"
    )


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "proof-once",
        "Makes a new DPoP proof for each request",
        "error",
        "trust.md section 4 (T-06), RFC 9449 section 11.1",
        "`jti` of the proofs of at least two calls; failed when one comes again.",
        proof_once,
    ),
    Rule(
        "proof-clock",
        "Keeps its clock right",
        "warning",
        "trust.md section 4 (R20)",
        "`iat` of each proof against the time the call came; national APIs take a proof for few seconds.",
        proof_clock,
    ),
    Rule(
        "token-reuse",
        "Uses a token until it expires",
        "warning",
        "trust.md section 2.3, RFC 6749 section 1.4",
        "API calls of one session, audience, scopes and attest: failed when the token changes twice or more while the "
        "one before is good.",
        token_reuse,
    ),
    Rule(
        "audience-single",
        "Asks for tokens of one audience",
        "error",
        "trust.md sections 2.3 and 4",
        "`aud` of the tokens issued; failed by several in one, or a token sent to another API.",
        one_audience,
    ),
    Rule(
        "after-401",
        "Gets a new token after a 401",
        "error",
        "trust.md section 4, RFC 6750 section 3.1",
        "The next call to the service after a 401; failed when it is refused for the same reason with the same token.",
        after_401,
    ),
)


def _what_for(each: Seen) -> Hashable:
    """What the token was got for: who, where and with which attest."""
    token: Any = each.token
    attest = token.get("nhn:tillitsrammeverk:parameters")
    return (str(token.get("sid")), str(token.get("aud")), str(token.get("scope")), str(attest))


def _seconds_left(last: Seen, each: Seen) -> float:
    exp = last.token.get("exp")
    return exp - (each.at + each.moved) if isinstance(exp, int | float) else 0.0


def _age(each: Seen) -> float | None:
    iat = each.proof.get("iat")
    if isinstance(iat, bool) or not isinstance(iat, int | float):
        return None
    # iat is in whole seconds: a proof made in this second is not late.
    real = each.at - iat
    age = min(real, real + each.moved, key=abs)
    return 0.0 if 0.0 <= age < 1.0 else age
