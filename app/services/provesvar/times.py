"""Times of a svarrapport (KITH ``TS``) and of FHIR (``dateTime``): precision kept, Europe/Oslo when no zone is given.

A value covers the half-open interval ``[low, high)`` in seconds since the epoch: a day, a second, a millisecond.
A date without a time stays a date (it must not be shifted to UTC, pps.md §9.3).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

OSLO = ZoneInfo("Europe/Oslo")


@dataclass(frozen=True, slots=True)
class When:
    """``text`` is the FHIR dateTime; ``instant`` the same as a FHIR instant (midnight in Oslo for a date)."""

    text: str
    instant: str
    low: float
    high: float


def parse_when(value: str) -> When:
    """A dateTime, date, year-month or year of the years 1900-2199. Raises ValueError for anything else."""
    for pattern, reader in _FORMS:
        match = pattern.fullmatch(value)
        if match is not None:
            return reader(match)
    raise ValueError("not a date or time")


def _moment(match: re.Match[str]) -> When:
    head, fraction, zone = match["head"], (match["fraction"] or "")[:7], match["zone"] or ""
    start = _checked(datetime.fromisoformat(head))
    start = start.replace(tzinfo=OSLO) if not zone else start.replace(tzinfo=datetime.fromisoformat(head + zone).tzinfo)
    digits = fraction.lstrip(".")
    micro = int(digits.ljust(6, "0")) if digits else 0
    low = start.timestamp() + micro / 1_000_000
    text = f"{head}{fraction}{zone or _offset(start)}"
    return When(text, text, low, low + 10.0 ** -len(digits))


def _day(match: re.Match[str]) -> When:
    start = _checked(datetime.fromisoformat(match["day"]))
    return _span(match["day"], start, start + timedelta(days=1))


def _month(match: re.Match[str]) -> When:
    start = _checked(datetime(int(match["year"]), int(match["month"]), 1))
    return _span(match["text"], start, (start + timedelta(days=32)).replace(day=1))


def _year(match: re.Match[str]) -> When:
    start = _checked(datetime(int(match["year"]), 1, 1))
    return _span(match["year"], start, start.replace(year=start.year + 1))


def _span(text: str, start: datetime, end: datetime) -> When:
    local = start.replace(tzinfo=OSLO)
    return When(text, start.isoformat() + _offset(local), local.timestamp(), end.replace(tzinfo=OSLO).timestamp())


def _checked(value: datetime) -> datetime:
    # Before 1900 the zone's offset has seconds, which FHIR cannot express.
    if not 1900 <= value.year < 2200:
        raise ValueError("year out of range")
    return value


def _offset(value: datetime) -> str:
    minutes = int((value.utcoffset() or timedelta()).total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def local_text(seconds: float) -> str:
    """``2025-01-10T10:00:00``: Norwegian local time without zone, as KITH messages write it."""
    return datetime.fromtimestamp(seconds, UTC).astimezone(OSLO).strftime("%Y-%m-%dT%H:%M:%S")


_ZONE = r"Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00"
_FORMS = (
    (
        re.compile(
            r"(?P<head>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})"
            rf"(?P<fraction>\.[0-9]{{1,40}})?(?P<zone>{_ZONE})?"
        ),
        _moment,
    ),
    (re.compile(rf"(?P<day>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})(?:{_ZONE})?"), _day),
    (re.compile(rf"(?P<text>(?P<year>[0-9]{{4}})-(?P<month>[0-9]{{2}}))(?:{_ZONE})?"), _month),
    (re.compile(rf"(?P<year>[0-9]{{4}})(?:{_ZONE})?"), _year),
)
