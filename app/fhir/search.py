"""Values of FHIR search parameters: dates with prefix and precision, tokens, lists, counts (R4, search chapter).

Knows no service. Every reader raises ``ValueError`` with a short text for the developer; the text never
repeats the value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

OSLO: Final = ZoneInfo("Europe/Oslo")
PREFIXES: Final = ("eq", "ne", "gt", "lt", "ge", "le")

_YEARS: Final = range(1000, 9999)
_DATE: Final = re.compile(
    r"(?P<prefix>[a-z]{2})?"
    r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2})"
    r"(?:T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,9}))?)?"
    r"(?P<zone>Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])?)?)?)?"
)
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_COMMA: Final = re.compile(r"(?<!\\),")
_GUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class DateTest:
    """A date comparison: ``prefix`` against the half-open interval ``[low, high)`` in epoch seconds."""

    prefix: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Token:
    """A token. ``system`` None: any; ``""``: none. ``code`` None: every code of the system."""

    system: str | None
    code: str | None


def read_date(value: str) -> DateTest:
    """``[prefix]yyyy[-mm[-dd[Thh:mm[:ss[.fff]][zone]]]]``; without a zone, Norwegian time (ruling R46)."""
    match = _DATE.fullmatch(value)
    if match is None:
        raise ValueError("must be a date such as 2017, 2017-09, 2017-09-20 or 2017-09-20T08:00:00+02:00")
    prefix = match["prefix"] or "eq"
    if prefix not in PREFIXES:
        raise ValueError(f"the prefix must be one of {', '.join(PREFIXES)}")
    if int(match["year"]) not in _YEARS:
        raise ValueError("the year is out of range")
    try:
        low, high = _interval(match)
    except ValueError as error:
        raise ValueError("the date does not exist") from error
    return DateTest(prefix, low, high)


def read_token(value: str, *, colon: bool = False) -> Token:
    """``code``, ``system|code``, ``|code`` or ``system|``; with ``colon`` also ``system:code`` (last colon)."""
    system, bar, code = value.rpartition("|")
    if not bar and colon:
        system, bar, code = value.rpartition(":")
    if not bar:
        system, code = "", value
    if not system and not code:
        raise ValueError("must be a code, or a system and a code")
    return Token(system if bar else None, code or None)


def read_guid(value: str) -> str:
    """A GUID in its usual form, lower-cased."""
    found = value.lower()
    if _GUID.fullmatch(found) is None:
        raise ValueError("must be a GUID")
    return found


def read_count(value: str) -> int:
    """A whole number from 0."""
    if _NUMBER.fullmatch(value) is None:
        raise ValueError("must be a whole number from 0")
    return int(value)


def split_list(value: str) -> list[str]:
    """The values of a comma-separated list; ``\\,`` stands for a comma within one."""
    return [re.sub(r"\\([,|$\\])", r"\1", each) for each in _COMMA.split(value)]


def _interval(match: re.Match[str]) -> tuple[float, float]:
    year, month, day = int(match["year"]), int(match["month"] or 1), int(match["day"] or 1)
    start = datetime(year, month, day)
    if match["hour"] is not None:
        return _instant(start, match)
    if match["day"] is not None:
        end = start + timedelta(days=1)
    elif match["month"] is not None:
        end = (start + timedelta(days=32)).replace(day=1)
    else:
        end = start.replace(year=year + 1)
    return start.replace(tzinfo=OSLO).timestamp(), end.replace(tzinfo=OSLO).timestamp()


def _instant(day: datetime, match: re.Match[str]) -> tuple[float, float]:
    start = day.replace(hour=int(match["hour"]), minute=int(match["minute"]), second=int(match["second"] or 0))
    zone = match["zone"]
    local = start.replace(tzinfo=datetime.fromisoformat(f"2000-01-01T00:00:00{zone}").tzinfo if zone else OSLO)
    low = local.timestamp()
    if match["second"] is None:
        return low, low + 60
    fraction = match["fraction"] or ""
    low += int(fraction.ljust(6, "0")[:6]) / 1_000_000 if fraction else 0
    return low, low + 10.0 ** -len(fraction)
