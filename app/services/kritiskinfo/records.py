"""The records of critical information: one store behind every surface that shows or changes them.

Versions are only ever added. Of one patient no two versions have the same ``lastUpdated``, also when the clock stands
still, so that polling misses nothing (ruling S15). The functions that write run inside the writer's transaction, under
the lock of the patient; what they raise leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final, Literal

import orjson

from app.errors import Reason, Refusal
from app.fhir.search import OSLO
from app.services.kritiskinfo import status
from app.services.kritiskinfo.categories import LIMITED_TREATMENT, NO_RESUSCITATION
from app.services.kritiskinfo.status import instant
from app.store import registers
from app.store import versions as stored
from app.store.engine import Connection
from app.store.resources import Owner
from app.store.versions import Latest, Version

SERVICE: Final = "KJ"
"""What stored records, settings, policy and audit know the service by; both surfaces share it."""

State = Literal["active", "inactive", "refuted", "deleted"]
"""As stored; that a record has expired follows from ``expires`` (``status.expired``)."""

_MILLI: Final = 1000
_EXCLUSIVE: Final[Mapping[int, int]] = {
    LIMITED_TREATMENT: NO_RESUSCITATION,
    NO_RESUSCITATION: LIMITED_TREATMENT,
}


@dataclass(frozen=True, slots=True)
class Head:
    """A version without its content. ``updated`` is epoch seconds on the sandbox clock, in whole milliseconds."""

    type: str
    id: str
    version: int
    updated: float
    category: int
    state: State
    expires: date | None

    @property
    def key(self) -> str:
        """``Type/id``, which the policy and the audit know the record by."""
        return f"{self.type}/{self.id}"

    @property
    def place(self) -> str:
        """``Type/id/_history/n``."""
        return f"{self.key}/_history/{self.version}"


@dataclass(frozen=True, slots=True)
class Record(Head):
    """A version as stored: ``body`` is the JSON that every surface gives."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """What a caller wants stored: checked content, to which ``id`` and ``meta`` are still to be added."""

    type: str
    category: int
    state: State
    expires: date | None
    content: Mapping[str, Any]


def today(now: float) -> date:
    """The date in Norway at an instant (ruling S15)."""
    return datetime.fromtimestamp(now, OSLO).date()


# reading


def latest(
    conn: Connection, sandbox: str, person_id: str, type: str | None = None, *, deleted: bool = False
) -> list[Record]:
    """The latest version of each record, refuted and expired ones too, last changed first, then by id (ruling S21).

    With ``deleted`` also of the deleted ones.
    """
    found = [_record(each) for each in stored.latest(conn, _owner(sandbox, person_id), type)]
    return found if deleted else [record for record in found if record.state != "deleted"]


def heads(conn: Connection, sandbox: str, person_id: str) -> list[Head]:
    """The latest version of every record, the deleted ones too, without content: for ``status.summary``."""
    return [_head(memo) for memo in stored.memos(conn, _owner(sandbox, person_id))]


def current(conn: Connection, sandbox: str, person_id: str, type: str, id: str) -> Record | None:
    """The latest version of the patient's record, deleted or not."""
    found = stored.one(conn, _owner(sandbox, person_id), type, id)
    return None if found is None else _record(found)


def find(conn: Connection, sandbox: str, type: str, id: str) -> tuple[str, Record] | None:
    """The latest version of a record, whoever it is about, with that person's id."""
    owner = stored.owner_of(conn, sandbox, SERVICE, f"{type}/{id}")
    found = None if owner is None else stored.one(conn, owner, type, id)
    return None if owner is None or found is None else (owner.patient, _record(found))


def versions(conn: Connection, sandbox: str, person_id: str, type: str, id: str) -> list[Record]:
    """All versions of a record, newest first; none when the patient has no such record.

    An earlier version has the category, state and expiry of the latest.
    """
    found = stored.one(conn, _owner(sandbox, person_id), type, id)
    if found is None:
        return []
    last = _record(found)
    before = stored.earlier(conn, _owner(sandbox, person_id), type, id)
    return [last, *(replace(last, version=each.version, updated=each.updated, body=each.body) for each in before)]


# writing


def create(conn: Connection, sandbox: str, person_id: str, draft: Draft, *, id: str, now: float) -> Record:
    """Store the first version of a record. ``now`` is epoch seconds on the sandbox clock.

    Raises ``Refusal(CONFLICT)`` when category 8 or 11 is in force and the other one is brought.
    """
    known = _locked(conn, sandbox, person_id)
    _require_not_both(known, draft, id, now)
    return _store(conn, sandbox, person_id, draft, id, 1, _next_instant(known, now))


def update(
    conn: Connection, sandbox: str, person_id: str, draft: Draft, *, id: str, expected: int, now: float
) -> Record:
    """Store the next version of a record whose latest version is ``expected``.

    Raises ``Refusal``: NOT_FOUND, GONE, or CONFLICT for another version (key ``version``) or for categories 8 and
    11 together (key ``exclusive``).
    """
    known = _locked(conn, sandbox, person_id)
    require_current(current(conn, sandbox, person_id, draft.type, id), expected)
    _require_not_both(known, draft, id, now)
    return _store(conn, sandbox, person_id, draft, id, expected + 1, _next_instant(known, now))


def delete(conn: Connection, sandbox: str, person_id: str, type: str, id: str, *, expected: int, now: float) -> Record:
    """Mark a record as entered in error, by one more version. Raises as ``update``."""
    known = _locked(conn, sandbox, person_id)
    last = require_current(current(conn, sandbox, person_id, type, id), expected)
    content = entered_in_error(orjson.loads(last.body))
    draft = Draft(type, last.category, "deleted", last.expires, content)
    return _store(conn, sandbox, person_id, draft, id, expected + 1, _next_instant(known, now))


def require_current(record: Record | None, expected: int | None) -> Record:
    """The record, when it is there and at the version the caller has read; ``expected`` None: at any.

    Raises ``Refusal``: NOT_FOUND, GONE for a deleted record, or CONFLICT.
    """
    if record is None:
        raise Refusal(Reason.NOT_FOUND, "the patient has no such record", source="ruling S24")
    if record.state == "deleted":
        raise deleted(record)
    if expected is not None and record.version != expected:
        raise Refusal(
            Reason.CONFLICT,
            f"the record is at version {record.version}; version {expected} was read",
            source="kritisk-info.md §3",
            extra={"key": "version"},
        )
    return record


# the deleted form


_STATUS_ELEMENT: Final[Mapping[str, str]] = {
    "AllergyIntolerance": "verificationStatus",
    "Condition": "verificationStatus",
    "Procedure": "status",
    "DeviceUseStatement": "status",
    "Flag": "status",
    "Consent": "status",
}
_VERIFICATION: Final[Mapping[str, str]] = {
    "AllergyIntolerance": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification",
    "Condition": "http://terminology.hl7.org/CodeSystem/condition-ver-status",
}
ENTERED_IN_ERROR: Final = "entered-in-error"


def entered_in_error(resource: Mapping[str, Any]) -> dict[str, Any]:
    """The resource with the status of a deleted one; FHIR then allows no clinical status (ait-2, con-5)."""
    type_ = resource["resourceType"]
    marked = {name: value for name, value in resource.items() if name != "clinicalStatus"}
    return {**marked, _STATUS_ELEMENT[type_]: _error_status(type_)}


def deleted(record: Record) -> Refusal:
    """The refusal to show or change a deleted record; ``extra["body"]`` is what remains of it (ruling S20)."""
    return Refusal(
        Reason.GONE, "the record was deleted", source="ruling S20", extra={"key": "gone", "body": gone(record).decode()}
    )


def gone(record: Record) -> bytes:
    """What is shown of a version of a deleted record: no content, nobody's name (ruling S20)."""
    resource = orjson.loads(record.body)
    kept = ("versionId", "lastUpdated", "profile")
    meta = {name: value for name, value in resource["meta"].items() if name in kept}
    return orjson.dumps(
        {
            "resourceType": record.type,
            "id": record.id,
            "meta": meta,
            _STATUS_ELEMENT[record.type]: _error_status(record.type),
        }
    )


def _error_status(type_: str) -> object:
    system = _VERIFICATION.get(type_)
    return ENTERED_IN_ERROR if system is None else {"coding": [{"system": system, "code": ENTERED_IN_ERROR}]}


# helpers


def _owner(sandbox: str, person_id: str) -> Owner:
    return Owner(sandbox, person_id, SERVICE)


def _locked(conn: Connection, sandbox: str, person_id: str) -> list[Head]:
    """The heads of all the patient's records, which nobody else can change until the transaction ends."""
    if registers.person_by_id(conn, sandbox, person_id, lock=True) is None:
        raise Refusal(Reason.PATIENT_UNKNOWN, "the patient is not in the register")
    return heads(conn, sandbox, person_id)


def _next_instant(known: list[Head], now: float) -> float:
    last = max((round(head.updated * _MILLI) for head in known), default=0)
    return max(int(now * _MILLI), last + 1) / _MILLI


def _require_not_both(known: list[Head], draft: Draft, id_: str, now: float) -> None:
    """Categories 8 and 11 exclude each other while both are in force; an expired 8 does not hinder (ruling S23)."""
    other, day = _EXCLUSIVE.get(draft.category), today(now)
    if other is None or draft.state != "active" or (draft.category == LIMITED_TREATMENT and _past(draft, day)):
        return
    for head in known:
        if head.category == other and head.id != id_ and head.state == "active" and not status.expired(head, day):
            raise Refusal(
                Reason.CONFLICT,
                f"the patient has a record of category {other}, which must be ended first",
                source="kritisk-info.md §3.2",
                extra={"key": "exclusive", "location": "Consent.category"},
            )


def _past(draft: Draft, day: date) -> bool:
    return draft.expires is not None and draft.expires <= day


def _store(
    conn: Connection, sandbox: str, person_id: str, draft: Draft, id_: str, version: int, updated: float
) -> Record:
    meta = {**draft.content.get("meta", {}), "versionId": str(version), "lastUpdated": instant(updated)}
    rest = {name: value for name, value in draft.content.items() if name not in ("resourceType", "id", "meta")}
    body = orjson.dumps({"resourceType": draft.type, "id": id_, "meta": meta, **rest})
    record = Record(draft.type, id_, version, updated, draft.category, draft.state, draft.expires, body)
    stored.put(conn, _owner(sandbox, person_id), Version(draft.type, id_, version, updated, body), _memo(record))
    return record


def _memo(record: Record) -> bytes:
    return orjson.dumps(
        {
            "type": record.type,
            "id": record.id,
            "version": record.version,
            "updated": record.updated,
            "category": record.category,
            "state": record.state,
            "expires": record.expires.isoformat() if record.expires is not None else None,
        }
    )


def _head(memo: bytes) -> Head:
    return Head(**_told(memo))


def _record(found: Latest) -> Record:
    return Record(**_told(found.memo), body=found.version.body)


def _told(memo: bytes) -> dict[str, Any]:
    told: dict[str, Any] = orjson.loads(memo)
    expires = told["expires"]
    return {**told, "expires": date.fromisoformat(expires) if expires is not None else None}
