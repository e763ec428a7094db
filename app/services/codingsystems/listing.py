"""What is answered: the overview, one list with its codes, one code. Pure, from list and day (ruling S26).

A list is loaded at 04:00 UTC on the sandbox clock, so that what begins to hold on a day is seen from then on.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import orjson

from app.catalogue.codelists import LISTS, Code, CodeList, Edition
from app.errors import Reason, Refusal

RELOAD_HOUR: Final = 4
"""Hour of the day, UTC, at which changed lists are loaded (kritisk-info.md §4)."""

_TRUE_FALSE: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which codes of a list are asked for. ``include_inactive`` None: only when ``changed_since`` is given."""

    version: str | None = None
    include_inactive: bool | None = None
    changed_since: date | None = None

    @property
    def inactive(self) -> bool:
        # Who asks for changes must also learn which codes have gone.
        return self.changed_since is not None if self.include_inactive is None else self.include_inactive


def loaded(now: float) -> date:
    """The day of the latest load before ``now`` (epoch seconds on the sandbox clock)."""
    return (datetime.fromtimestamp(now, UTC) - timedelta(hours=RELOAD_HOUR)).date()


def overview(day: date) -> bytes:
    """Every list with its current edition, as JSON."""
    return orjson.dumps([_head(found, found.edition(day), day) for found in LISTS.values()])


def listed(id_: str, wanted: Wanted, day: date) -> bytes:
    """One list with its codes, as JSON.

    Raises ``Refusal(NOT_FOUND)`` for a list or version that there is not on ``day``.
    """
    found = _list(id_)
    edition = found.edition(day) if wanted.version is None else _edition(found, wanted.version, day)
    day = _last_day(found, edition, day)
    codes = [
        code
        for code in found.published(day)
        if (wanted.inactive or code.active(day))
        and (wanted.changed_since is None or code.last_changed(day) >= wanted.changed_since)
    ]
    return orjson.dumps({**_head(found, edition, day), "codes": [_code(code, day) for code in codes]})


def single(id_: str, code: str, day: date) -> bytes:
    """One code, in force or not, as JSON. Raises ``Refusal(NOT_FOUND)`` for a list or code that there is not."""
    entry = _list(id_).code(code)
    if entry is None or entry.valid_from > day:
        raise Refusal(Reason.NOT_FOUND, "the code system has no such code", source="S26")
    return orjson.dumps(_code(entry, day))


def tag(body: bytes) -> str:
    """The ETag of an answer: the same bytes, the same tag."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def read_wanted(parameters: dict[str, str]) -> Wanted:
    """The query of a list. Unknown parameters are not looked at. Raises ``Refusal(PARAMETER_INVALID)``."""
    inactive = parameters.get("includeInactive")
    if inactive is not None and inactive not in _TRUE_FALSE:
        raise Refusal(Reason.PARAMETER_INVALID, "includeInactive must be true or false", source="S26")
    since = parameters.get("changedSince")
    return Wanted(
        version=parameters.get("version"),
        include_inactive=None if inactive is None else _TRUE_FALSE[inactive],
        changed_since=None if since is None else _since(since),
    )


def _since(value: str) -> date:
    try:
        instant = datetime.fromisoformat(value)
        return instant.astimezone(UTC).date() if instant.tzinfo is not None else instant.date()
    except (ValueError, OverflowError):
        message = "changedSince must be a date such as 2026-01-15, or a time with its zone"
        raise Refusal(Reason.PARAMETER_INVALID, message, source="S26") from None


def _list(id_: str) -> CodeList:
    found = LISTS.get(id_)
    if found is None:
        raise Refusal(Reason.NOT_FOUND, "there is no such code system", source="S26")
    return found


def _edition(found: CodeList, version: str, day: date) -> Edition:
    for edition in found.editions:
        if edition.version == version and edition.day <= day:
            return edition
    raise Refusal(Reason.NOT_FOUND, "the code system has no such version", source="S26")


def _last_day(found: CodeList, edition: Edition, day: date) -> date:
    """The day up to which an edition tells: the one before the next edition came, at the latest ``day``."""
    later = [each.day for each in found.editions if each.day > edition.day]
    return min(day, later[0] - timedelta(days=1)) if later else day


def _head(found: CodeList, edition: Edition, day: date) -> dict[str, Any]:
    """``count`` is of the codes in force."""
    changed = max([edition.day, *(code.last_changed(day) for code in found.published(day))])
    return {
        "id": found.id,
        "name": found.name,
        "system": found.system,
        "version": edition.version,
        "lastChanged": f"{changed.isoformat()}T{RELOAD_HOUR:02}:00:00Z",
        "count": sum(code.active(day) for code in found.codes.values()),
    }


def _code(code: Code, day: date) -> dict[str, Any]:
    return {
        "code": code.code,
        "display": code.display,
        "active": code.active(day),
        "validFrom": code.valid_from.isoformat(),
        "validTo": None if code.valid_to is None else code.valid_to.isoformat(),
    }
