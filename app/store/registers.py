"""Persons, health workers and organisations of a sandbox, and the facts of one request in one round trip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import orjson
from sqlalchemy import (
    BindParameter,
    ColumnClause,
    Connection,
    Integer,
    LargeBinary,
    String,
    Table,
    bindparam,
    case,
    cast,
    delete,
    exists,
    insert,
    literal_column,
    null,
    select,
    union_all,
    update,
)
from sqlalchemy.engine.interfaces import Dialect

from app.errors import Reason, Refusal
from app.store import privacy, statements, tables
from app.store.statements import Compiled
from app.trust.facts import Facts, OrganisationRecord, Person, PractitionerRecord

EVERY_SERVICE: Final = "*"
"""Service name of a setting that holds for all services, such as the citizen's own log-in."""

_CACHED: Final = 4096
_KEPT: Final = frozenset({"audit", "exchange"})
_OLD, _CURRENT, _SETTING, _BY_PID, _BY_HPR, _PARENT, _CHILD, _DATA = range(8)


def gather(
    conn: Connection,
    sandbox: str,
    service: str,
    nin: str | None,
    pid: str | None,
    hpr: str | None,
    orgs: tuple[str | None, str | None],
    now: float,
) -> Facts:
    """As ``gather_lasting``, with the settings that are in force at ``now`` (epoch seconds on the sandbox clock)."""
    return gather_lasting(conn, sandbox, service, nin, pid, hpr, orgs).at(now)


def gather_lasting(
    conn: Connection,
    sandbox: str,
    service: str,
    nin: str | None,
    pid: str | None,
    hpr: str | None,
    orgs: tuple[str | None, str | None],
) -> Facts:
    """What registers and settings say, in one SQL statement (design section 5).

    ``nin`` is the patient's number, also a discontinued one (then ``Person.redirected``, rule D2);
    ``orgs`` the parent and child organisation numbers. Settings are those of ``service`` and of every
    service, in force or not: ``Facts.at`` gives those of a moment. A health worker is looked up by
    ``pid`` first, then by ``hpr`` (ruling R41).
    """
    values = {
        "sandbox": sandbox,
        "service": service,
        "nin": nin,
        "pid": pid,
        "hpr": hpr,
        "parent": orgs[0],
        "child": orgs[1],
    }
    patient: Person | None = None
    workers: list[PractitionerRecord | None] = [None, None]
    units: list[OrganisationRecord | None] = [None, None]
    settings = []
    has_data = False
    for kind, body in statements.rows(conn, _statement(conn.dialect), values):
        if kind == _SETTING:
            settings.append(privacy.decode(body).setting)
        elif kind <= _CURRENT:
            patient = _person(body)
            if kind == _OLD:
                patient = replace(patient, redirected=True)
        elif kind <= _BY_HPR:
            workers[kind - _BY_PID] = _practitioner(body)
        elif kind <= _CHILD:
            units[kind - _PARENT] = _organisation(body)
        else:
            has_data = True
    gp = patient.extra.get("gp_hpr") if patient is not None else None
    return Facts(
        patient=patient,
        practitioner=workers[0] or workers[1],
        parent_org=units[0],
        child_org=units[1],
        settings=tuple(settings),
        has_data=has_data,
        gp_hpr=gp if isinstance(gp, str) else None,
    )


def person_by_nin(conn: Connection, sandbox: str, nin: str) -> Person | None:
    """The person a current or discontinued number belongs to."""
    people, numbers = tables.person.c, tables.person_identifier.c
    row = conn.execute(
        select(people.body, numbers.current)
        .join(tables.person_identifier, (numbers.sandbox == people.sandbox) & (numbers.person == people.id))
        .where(people.sandbox == sandbox, numbers.value == nin)
    ).first()
    if row is None:
        return None
    found = _person(row[0])
    return found if row[1] else replace(found, redirected=True)


def person_by_id(conn: Connection, sandbox: str, person_id: str, *, lock: bool = False) -> Person | None:
    """The person with an id; ``lock`` keeps others from changing it until the transaction ends."""
    body = _body(conn, tables.person, sandbox, person_id, lock)
    return None if body is None else _person(body)


def list_persons(conn: Connection, sandbox: str) -> list[Person]:
    columns = tables.person.c
    rows = conn.execute(select(columns.body).where(columns.sandbox == sandbox).order_by(columns.id))
    return [_person(row[0]) for row in rows]


def patients_of(conn: Connection, sandbox: str, hpr: str) -> list[Person]:
    """Those who have the health worker with an HPR number as their general practitioner, by id."""
    return [person for person in list_persons(conn, sandbox) if person.extra.get("gp_hpr") == hpr]


def numbers(conn: Connection, sandbox: str) -> set[str]:
    """Every number somebody in the sandbox has or had, health workers too."""
    people, workers = tables.person_identifier.c, tables.practitioner.c
    taken = union_all(
        select(people.value).where(people.sandbox == sandbox), select(workers.pid).where(workers.sandbox == sandbox)
    )
    return set(conn.execute(taken).scalars())


def add_persons(conn: Connection, sandbox: str, records: Sequence[Person]) -> None:
    """Store many persons whose ids and numbers nobody in the sandbox has: two statements for them all."""
    if not records:
        return
    conn.execute(
        insert(tables.person_identifier),
        [{"sandbox": sandbox, "value": each.nin, "person": each.id, "current": True} for each in records],
    )
    conn.execute(
        insert(tables.person),
        [
            {"sandbox": sandbox, "id": each.id, "nin": each.nin, "body": _write(each, without="redirected")}
            for each in records
        ],
    )


def identifiers_of(conn: Connection, sandbox: str, person_id: str) -> tuple[tuple[str, bool], ...]:
    """Every number of a person with whether it is the current one; the current one first."""
    columns = tables.person_identifier.c
    rows = conn.execute(
        select(columns.value, columns.current)
        .where(columns.sandbox == sandbox, columns.person == person_id)
        .order_by(columns.current.desc(), columns.value)
    )
    return tuple((row[0], row[1]) for row in rows)


def put_person(conn: Connection, sandbox: str, record: Person, *, previous: Sequence[str] = ()) -> None:
    """Store a person. A number the person had before, or named in ``previous``, leads to it as discontinued.

    Raises ``Refusal(CONFLICT)`` when one of the numbers belongs to somebody else.
    """
    columns = tables.person_identifier.c
    numbers = (record.nin, *previous)
    owners = conn.execute(select(columns.person).where(columns.sandbox == sandbox, columns.value.in_(numbers)))
    if any(owner != record.id for (owner,) in owners):
        raise Refusal(Reason.CONFLICT, "the national identity number belongs to another person of the sandbox")
    known = {value for value, _ in identifiers_of(conn, sandbox, record.id)}
    if known:
        conn.execute(
            update(tables.person_identifier)
            .where(columns.sandbox == sandbox, columns.person == record.id)
            .values(current=columns.value == record.nin)
        )
    fresh = [value for value in dict.fromkeys(numbers) if value not in known]
    if fresh:
        rows = [
            {"sandbox": sandbox, "value": value, "person": record.id, "current": value == record.nin} for value in fresh
        ]
        conn.execute(insert(tables.person_identifier), rows)
    _replace(
        conn,
        tables.person,
        {"sandbox": sandbox, "id": record.id},
        {"nin": record.nin, "body": _write(record, without="redirected")},
    )


def remove_person(conn: Connection, sandbox: str, person_id: str) -> bool:
    """Take a person away with settings and clinical data; what the audit and the journal hold stays."""
    if person_by_id(conn, sandbox, person_id) is None:
        return False
    for table in tables.OF_SANDBOX:
        if table.name in _KEPT:
            continue
        for name in ("person", "patient"):
            if name in table.c:
                conn.execute(delete(table).where(table.c.sandbox == sandbox, table.c[name] == person_id))
    columns = tables.person.c
    conn.execute(delete(tables.person).where(columns.sandbox == sandbox, columns.id == person_id))
    return True


def practitioner_by_pid(conn: Connection, sandbox: str, pid: str) -> PractitionerRecord | None:
    return _one_practitioner(conn, sandbox, "pid", pid)


def practitioner_by_hpr(conn: Connection, sandbox: str, hpr: str) -> PractitionerRecord | None:
    return _one_practitioner(conn, sandbox, "hpr", hpr)


def practitioner_by_id(
    conn: Connection, sandbox: str, practitioner_id: str, *, lock: bool = False
) -> PractitionerRecord | None:
    body = _body(conn, tables.practitioner, sandbox, practitioner_id, lock)
    return None if body is None else _practitioner(body)


def list_practitioners(conn: Connection, sandbox: str) -> list[PractitionerRecord]:
    rows = conn.execute(
        select(tables.practitioner.c.body)
        .where(tables.practitioner.c.sandbox == sandbox)
        .order_by(tables.practitioner.c.id)
    )
    return [_practitioner(row[0]) for row in rows]


def put_practitioner(conn: Connection, sandbox: str, record: PractitionerRecord) -> None:
    """Store a health worker. Raises ``Refusal(CONFLICT)`` when pid or HPR number is another's."""
    columns = tables.practitioner.c
    taken = conn.execute(
        select(columns.id).where(
            columns.sandbox == sandbox,
            columns.id != record.id,
            (columns.pid == record.pid) | (columns.hpr == record.hpr),
        )
    ).first()
    if taken is not None:
        raise Refusal(Reason.CONFLICT, "the national identity number or HPR number belongs to another practitioner")
    _replace(
        conn,
        tables.practitioner,
        {"sandbox": sandbox, "id": record.id},
        {"pid": record.pid, "hpr": record.hpr, "body": _write(record)},
    )


def remove_practitioner(conn: Connection, sandbox: str, practitioner_id: str) -> bool:
    columns = tables.practitioner.c
    gone = conn.execute(delete(tables.practitioner).where(columns.sandbox == sandbox, columns.id == practitioner_id))
    return gone.rowcount > 0


def organisation(conn: Connection, sandbox: str, orgnr: str) -> OrganisationRecord | None:
    """The organisation with a number (``orgnr``), or None."""
    columns = tables.organisation.c
    body = conn.execute(select(columns.body).where(columns.sandbox == sandbox, columns.orgnr == orgnr)).scalar()
    return None if body is None else _organisation(body)


def organisation_by_id(
    conn: Connection, sandbox: str, organisation_id: str, *, lock: bool = False
) -> OrganisationRecord | None:
    body = _body(conn, tables.organisation, sandbox, organisation_id, lock)
    return None if body is None else _organisation(body)


def list_organisations(conn: Connection, sandbox: str) -> list[OrganisationRecord]:
    columns = tables.organisation.c
    rows = conn.execute(select(columns.body).where(columns.sandbox == sandbox).order_by(columns.id))
    return [_organisation(row[0]) for row in rows]


def put_organisation(conn: Connection, sandbox: str, record: OrganisationRecord) -> None:
    """Store an organisation. Raises ``Refusal(CONFLICT)`` when the number is another's."""
    columns = tables.organisation.c
    owner = conn.execute(select(columns.id).where(columns.sandbox == sandbox, columns.orgnr == record.orgnr)).scalar()
    if owner is not None and owner != record.id:
        raise Refusal(Reason.CONFLICT, "the organisation number belongs to another organisation")
    conn.execute(delete(tables.organisation).where(columns.sandbox == sandbox, columns.id == record.id))
    conn.execute(
        insert(tables.organisation).values(
            sandbox=sandbox,
            orgnr=record.orgnr,
            id=record.id,
            body=_write(record),
        )
    )


def remove_organisation(conn: Connection, sandbox: str, organisation_id: str) -> bool:
    columns = tables.organisation.c
    gone = conn.execute(delete(tables.organisation).where(columns.sandbox == sandbox, columns.id == organisation_id))
    return gone.rowcount > 0


def _one_practitioner(conn: Connection, sandbox: str, column: str, value: str) -> PractitionerRecord | None:
    table = tables.practitioner
    body = conn.execute(
        select(table.c.body).where(table.c.sandbox == sandbox, table.c[column] == value).order_by(table.c.id)
    ).scalar()
    return None if body is None else _practitioner(body)


def _body(conn: Connection, table: Table, sandbox: str, id_: str, lock: bool) -> bytes | None:
    found = select(table.c.body).where(table.c.sandbox == sandbox, table.c.id == id_)
    body: bytes | None = conn.execute(found.with_for_update() if lock else found).scalar()
    return body


def _replace(conn: Connection, table: Table, key: dict[str, str], values: dict[str, Any]) -> None:
    where = [table.c[name] == value for name, value in key.items()]
    if conn.execute(update(table).where(*where).values(values)).rowcount == 0:
        conn.execute(insert(table).values({**key, **values}))


@lru_cache(maxsize=4)
def _statement(dialect: Dialect) -> Compiled:
    """The facts statement, compiled once for a dialect."""
    settings, people, numbers = tables.setting.c, tables.person.c, tables.person_identifier.c
    workers, units, stored = tables.practitioner.c, tables.organisation.c, tables.resource.c
    sandbox, service = _text("sandbox"), _text("service")
    # As a scalar sub-query the person is one primary-key probe; a CTE would be built for each arm.
    whose = select(numbers.person).where(numbers.sandbox == sandbox, numbers.value == _text("nin")).scalar_subquery()
    facts = union_all(
        select(case((numbers.current, _mark(_CURRENT)), else_=_mark(_OLD)), people.body)
        .select_from(
            tables.person_identifier.join(
                tables.person, (people.sandbox == numbers.sandbox) & (people.id == numbers.person)
            )
        )
        .where(numbers.sandbox == sandbox, numbers.value == _text("nin")),
        select(_mark(_SETTING), settings.body).where(
            settings.sandbox == sandbox,
            settings.person == whose,
            settings.service.in_([service, literal_column(f"'{EVERY_SERVICE}'")]),
        ),
        select(_mark(_BY_PID), workers.body).where(workers.sandbox == sandbox, workers.pid == _text("pid")),
        select(_mark(_BY_HPR), workers.body).where(workers.sandbox == sandbox, workers.hpr == _text("hpr")),
        select(_mark(_PARENT), units.body).where(units.sandbox == sandbox, units.orgnr == _text("parent")),
        select(_mark(_CHILD), units.body).where(units.sandbox == sandbox, units.orgnr == _text("child")),
        select(_mark(_DATA), cast(null(), LargeBinary)).where(
            exists().where(stored.sandbox == sandbox, stored.patient == whose, stored.service == service)
        ),
    )
    return statements.compiled(facts, dialect)


def _mark(kind: int) -> ColumnClause[int]:
    return literal_column(str(kind), Integer())


def _text(name: str) -> BindParameter[str]:
    return bindparam(name, type_=String())


@lru_cache(maxsize=_CACHED)
def _person(body: bytes) -> Person:
    data = _read(body, "parents", "fullmakt_to")
    data["extra"] = MappingProxyType(data.get("extra", {}))
    return Person(**data)


@lru_cache(maxsize=_CACHED)
def _practitioner(body: bytes) -> PractitionerRecord:
    return PractitionerRecord(**_read(body, "authorizations"))


@lru_cache(maxsize=_CACHED)
def _organisation(body: bytes) -> OrganisationRecord:
    return OrganisationRecord(**_read(body, "delegated_by"))


def _read(body: bytes, *sets: str) -> dict[str, Any]:
    data: dict[str, Any] = orjson.loads(body)
    for name in sets:
        data[name] = frozenset(data[name])
    return data


def _write(record: Person | PractitionerRecord | OrganisationRecord, *, without: str | None = None) -> bytes:
    members = {each.name: getattr(record, each.name) for each in fields(record) if each.name != without}
    return orjson.dumps(members, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)
