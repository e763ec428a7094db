"""What ``/status`` and helseindikator tell of a patient's records: pure, from the records alone (rulings S22, S23)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Protocol

import orjson

from app.services.kritiskinfo.categories import category
from app.trust.facts import SettingKind
from app.trust.policy import Request
from app.trust.policy.blocks import person_blocked
from app.trust.policy.reading import active_settings


class Head(Protocol):
    """What is needed of a record (``records.Record`` has it)."""

    @property
    def type(self) -> str: ...

    @property
    def updated(self) -> float: ...

    @property
    def category(self) -> int: ...

    @property
    def state(self) -> str: ...

    @property
    def expires(self) -> date | None: ...


@dataclass(frozen=True, slots=True)
class Summary:
    """``has``: a record that is neither deleted nor refuted; ``has_active``: one that has not expired either.

    Times are epoch seconds on the sandbox clock, of any change, deletion included. ``dates`` is by the member names
    of ``dateChanged``, ``kategorier`` by the codes of helseindikator; both have only what was ever changed.
    """

    has: bool
    has_active: bool
    last_changed: float | None
    dates: Mapping[str, float]
    kategorier: Mapping[str, float]


def summary(records: Iterable[Head], today: date) -> Summary:
    """Sum up the latest versions of a patient's records, the deleted ones among them (``records.heads``).

    ``today`` is the date in Norway (ruling S15).
    """
    dates: dict[str, float] = {}
    kategorier: dict[str, float] = {}
    has = has_active = False
    for record in records:
        row = category(record.type, record.category)
        dates[row.status_date] = max(record.updated, dates.get(row.status_date, record.updated))
        kategorier[row.kategori] = max(record.updated, kategorier.get(row.kategori, record.updated))
        if record.state not in ("deleted", "refuted"):
            has = True
            has_active = has_active or in_force(record, today)
    return Summary(has, has_active, max(dates.values(), default=None), dates, kategorier)


def in_force(record: Head, today: date) -> bool:
    """Neither deleted, refuted nor expired; a Consent never leaves ``active`` by expiry (ruling S23)."""
    return record.state == "active" and (record.type == "Consent" or not expired(record, today))


def expired(record: Head, today: date) -> bool:
    """Whether the date the record is good until has come: that day counts as expired (ruling S23)."""
    return record.expires is not None and record.expires <= today


@dataclass(frozen=True, slots=True)
class Privacy:
    """What the patient has set, as ``/status`` tells it. ``blocked`` is for the asking health worker alone."""

    reserved: bool
    kjernejournal_restricted: bool
    module_restricted: bool
    blocked: bool


def privacy(request: Request) -> Privacy:
    """The settings in force on everything the service holds, for who asks."""
    whole = [setting for setting in active_settings(request) if not setting.objects]
    module = request.service.module
    return Privacy(
        reserved=any(setting.kind is SettingKind.RESERVATION for setting in whole),
        kjernejournal_restricted=any(setting.kind is SettingKind.GENERAL_BLOCK for setting in whole),
        module_restricted=any(
            setting.kind is SettingKind.MODULE_RESTRICTION and setting.code in (None, module) for setting in whole
        ),
        blocked=person_blocked(request),
    )


def body(nin: str, found: Summary, told: Privacy, *, machine: bool) -> bytes:
    """The answer of ``/status`` (ruling S22): of a reserved patient nothing but that."""
    if told.reserved:
        found = Summary(False, False, None, {}, {})
    answer: dict[str, Any] = {
        "patientNIN": nin,
        "hasCriticalInformation": found.has,
        "hasActiveCriticalInformation": found.has_active,
    }
    if found.last_changed is not None:
        answer["lastChangedDateTime"] = instant(found.last_changed)
    answer["dateChanged"] = {name: instant(at) for name, at in sorted(found.dates.items())}
    answer["hasKjernejournalReservation"] = told.reserved
    answer["hasKjernejournalRestriction"] = told.kjernejournal_restricted
    answer["hasCriticalInformationRestriction"] = told.module_restricted
    if not machine:
        answer["isHprNumberBlocked"] = told.blocked
    return orjson.dumps(answer)


def instant(seconds: float) -> str:
    """``2026-02-03T09:15:00.000Z``, to the millisecond as in ``meta.lastUpdated``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
