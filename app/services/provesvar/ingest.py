"""How prøvesvar come in: from a svarrapport to stored bytes (pps.md §9).

What arrives is read, checked and mapped first; all of it is then stored in one transaction, or nothing is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import orjson

from app import identity
from app.clock import Moment
from app.ids import IdSource, new_uuid
from app.sandboxes.state import SandboxState
from app.services.provesvar.apprec import apprec
from app.services.provesvar.index import references, search_values
from app.services.provesvar.mapping import to_reports
from app.services.provesvar.report import MappedReport, Resource, merge, stored_shape, stored_version
from app.services.provesvar.rules import SERVICE
from app.services.provesvar.svarrapport import MessageFault, Svarrapport, party_id, read
from app.settings import Settings
from app.store import privacy, registers, resources
from app.store.engine import Connection, Store
from app.store.resources import IndexRow, NewResource, OwnedPart, Owner, Part
from app.trust.facts import Person, SettingKind

_SENDER: Final = 120
_VALUE: Final = 255


class Fate(StrEnum):
    """What became of a message or a report."""

    STORED = "STORED"
    REPLACED = "REPLACED"
    CANCELLED = "CANCELLED"
    OLDER = "OLDER"  # a newer version is stored (#89)
    DUPLICATE = "DUPLICATE"  # accepted before (#88, R52)
    PATIENT_RESERVED = "PATIENT_RESERVED"
    REQUISITION_RESERVED = "REQUISITION_RESERVED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The AppRec that answers a message, and what became of its reports. ``code`` is of list 8221 when refused."""

    body: bytes
    accepted: bool
    fates: tuple[Fate, ...]
    report_ids: tuple[str, ...] = ()
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message read and mapped, with everything that needs no database done."""

    message: Svarrapport
    sender: str
    reports: tuple[MappedReport, ...]


@dataclass(frozen=True, slots=True)
class Applied:
    """The fates of a message's reports, in order, and the ids they are stored under."""

    fates: tuple[Fate, ...]
    report_ids: tuple[str, ...]


async def receive(store: Store, sandbox: SandboxState, body: bytes, *, moment: Moment, ids: IdSource) -> Receipt:
    """Take a svarrapport in. Faults of content give an AppRec with status 2 (ruling R53).

    Raises ``Refusal``: BODY_TOO_LARGE, STORE_UNAVAILABLE.
    """
    try:
        prepared = prepare(body, sandbox.settings)
    except MessageFault as fault:
        return Receipt(apprec(fault, 2, ids=ids, moment=moment), False, (Fate.REFUSED,), code=fault.code)
    applied = await store.write(lambda conn: apply(conn, sandbox.id, prepared, now=moment.sandbox, ids=ids))
    receipt = apprec(prepared.message, 1, ids=ids, moment=moment)
    return Receipt(receipt, True, applied.fates, applied.report_ids)


def prepare(body: bytes, settings: Settings) -> Prepared:
    """Read, check and map a message.

    Raises ``MessageFault``, and ``Refusal(BODY_TOO_LARGE)`` above the setting ``max_message_bytes``.
    """
    aliases = identity.aliases_for(settings.docs_aliases)
    message = read(
        body,
        max_bytes=settings.max_message_bytes,
        identify=lambda number: identity.parse(number, rule=settings.nin_rule, aliases=aliases),
    )
    return mapped(message)


def mapped(message: Svarrapport) -> Prepared:
    """A message that was read, mapped."""
    return Prepared(message, _bounded(party_id(message.report.provider), _SENDER), to_reports(message))


def apply(conn: Connection, sandbox: str, prepared: Prepared, *, now: float, ids: IdSource) -> Applied:
    """Store what was prepared; runs inside one transaction. ``now`` is epoch seconds on the sandbox clock."""
    if resources.seen(conn, sandbox, SERVICE, prepared.sender, prepared.message.msg_id, now):
        return Applied((Fate.DUPLICATE,) * len(prepared.reports), ())
    fates: list[Fate] = []
    stored: list[str] = []
    for report in prepared.reports:
        fate = _store(conn, sandbox, report, now, ids)
        fates.append(fate)
        if fate in (Fate.STORED, Fate.REPLACED, Fate.CANCELLED):
            stored.append(report.report_id)
    return Applied(tuple(fates), tuple(stored))


def store_report(conn: Connection, sandbox: str, person: Person, report: MappedReport, now: float) -> None:
    """Store ``report`` as the whole of its part; a report that was another person's is moved (key: pps.md §9.5)."""
    _put(conn, sandbox, person, report, resources.part_by_key(conn, sandbox, SERVICE, report.report_id), now)


def _put(
    conn: Connection, sandbox: str, person: Person, report: MappedReport, known: OwnedPart | None, now: float
) -> None:
    owner = Owner(sandbox, person.id, SERVICE)
    if known is not None and known.patient != person.id:
        resources.delete_part(conn, replace(owner, patient=known.patient), known.part.id)
    part = Part(report.report_id, report.report_id, report.generated, stored_shape(report))
    resources.put_part(conn, owner, part, [_row(resource, person) for resource in report.resources], now)


def _store(conn: Connection, sandbox: str, report: MappedReport, now: float, ids: IdSource) -> Fate:
    if report.reserved:
        return Fate.REQUISITION_RESERVED
    person = registers.person_by_nin(conn, sandbox, report.patient)
    if person is not None and is_reserved(conn, sandbox, person, now):
        return Fate.PATIENT_RESERVED
    known = resources.part_by_key(conn, sandbox, SERVICE, report.report_id)
    result = merge(stored_version(known.part.body) if known is not None else None, report)
    if result.report is None:
        return Fate.OLDER
    person = person or person_of(conn, sandbox, report.patient, ids)
    _put(conn, sandbox, person, result.report, known, now)
    return _FATES[result.outcome.value]


def is_reserved(conn: Connection, sandbox: str, person: Person, now: float) -> bool:
    """Whether the person has reserved against registration in this service (pps.md §4.2)."""
    return any(
        stored.setting.kind is SettingKind.RESERVATION and stored.setting.active(now)
        for service in (SERVICE, registers.EVERY_SERVICE)
        for stored in privacy.settings_of(conn, sandbox, person.id, service=service)
    )


def person_of(conn: Connection, sandbox: str, number: str, ids: IdSource) -> Person:
    """The person with a valid synthetic number; one nobody has gets a register entry (ruling R51).

    The new id says nothing of the number.
    """
    known = registers.person_by_nin(conn, sandbox, number)
    if known is not None:
        return known
    parsed = identity.parse(number)
    person = Person(id=new_uuid(ids), nin=parsed.value, nin_system=parsed.system)
    registers.put_person(conn, sandbox, person)
    return person


def _row(resource: Resource, person: Person) -> NewResource:
    """The bytes and search values of a resource, about the person by current number (R50)."""
    if "subject" in resource:
        subject = {"identifier": {"system": person.nin_system, "value": person.nin}}
        resource = {**resource, "subject": subject}
    index = [
        IndexRow(found.param, _bounded(found.value), _bounded(found.system), found.low, found.high)
        for found in search_values(resource)
    ]
    for param, target in references(resource):
        type_, _, id_ = target.partition("/")
        index.append(IndexRow(param, id_, type_))
    effective = next((row.low for row in index if row.low is not None), 0.0)
    return NewResource(resource["resourceType"], resource["id"], effective, orjson.dumps(resource), tuple(index))


def _bounded(text: str, size: int = _VALUE) -> str:
    """``text``, or a digest of it when the column has no room."""
    return text if len(text) <= size else hashlib.sha256(text.encode()).hexdigest()


_FATES: Final = {"NEW": Fate.STORED, "REPLACED": Fate.REPLACED, "CANCELLED": Fate.CANCELLED}
