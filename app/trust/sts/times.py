"""The time claims of a JWT that a client signed (ruling C9), judged by either clock (ruling R31)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.clock import Moment
from app.trust.sts.context import Tolerance

_SKEW: Final = 5.0
_ADVISED: Final = 60.0
_LONGEST: Final = 300.0


def check_times(claims: Mapping[str, Any], moment: Moment, tolerance: Tolerance) -> float:
    """Check ``exp``, ``nbf`` and ``iat``; gives the real time after which the JWT is worthless.

    Raises ``StsError`` with the tolerance's error when it has expired, is not yet valid, lives longer than
    300 seconds, or lacks ``exp``.
    """
    exp = _date(claims, "exp", tolerance)
    nbf = _date(claims, "nbf", tolerance)
    iat = _date(claims, "iat", tolerance)
    if exp is None:
        tolerance.refuse("the JWT lacks exp", expected="exp, at most 60 seconds ahead")
        return moment.real
    if nbf is None or iat is None:
        tolerance.note("C9", "the JWT lacks " + " and ".join(n for n, v in (("nbf", nbf), ("iat", iat)) if v is None))
    now = next((now for now in (moment.real, moment.sandbox) if _fault(exp, nbf, now) is None), None)
    if now is None:
        tolerance.refuse(
            _fault(exp, nbf, moment.real) or "", found={"exp": exp, "nbf": nbf}, expected=f"now: {moment.real:.0f}"
        )
        return moment.real
    if exp > now + _ADVISED + _SKEW:
        tolerance.risk("T-14", "the JWT lives longer than 60 seconds")
    if now == moment.real:
        return exp + _SKEW
    # Valid on a moved clock only, which may stand still: remember it for long.
    return moment.real + 86_400


def _fault(exp: float, nbf: float | None, now: float) -> str | None:
    if exp < now - _SKEW:
        return "the JWT has expired"
    if exp > now + _LONGEST + _SKEW:
        return "the JWT lives longer than 300 seconds"
    if nbf is not None and nbf > now + _SKEW:
        return "the JWT is not valid yet"
    return None


def _date(claims: Mapping[str, Any], name: str, tolerance: Tolerance) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, str) and 0 < len(value) <= 12 and value.isascii() and value.isdigit():
        tolerance.note("C9", f"{name} is a string; RFC 7519 wants a number")
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        tolerance.refuse(f"{name} is no NumericDate", found=value, expected="seconds since 1970")
        return None
    return float(value)
