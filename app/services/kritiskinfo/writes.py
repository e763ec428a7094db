"""Changes of records, prepared for ``trust.amend``: checked against the rules first, and against the store again when
they are carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from app import identity
from app.errors import Reason, Refusal
from app.services.kritiskinfo import records, rules
from app.services.kritiskinfo.records import Record
from app.services.kritiskinfo.rules import Context
from app.store import registers
from app.store.engine import Connection
from app.trust.amend import Change
from app.trust.facts import Facts, Person
from app.trust.principal import Access
from app.trust.trail import Trail

Prepare = Callable[[Connection, Facts, Person], Change[Record]]


def creating(trail: Trail, access: Access, resource: Mapping[str, Any], id_: str) -> Prepare:
    """A new record with the id ``id_``."""
    sandbox, now = access.sandbox, access.moment.sandbox

    def prepare(conn: Connection, _facts: Facts, person: Person) -> Change[Record]:
        draft = rules.new(resource, _context(conn, trail, access, person))
        return Change(
            (_place(draft.type, id_, 1),),
            lambda within: records.create(within, sandbox, person.id, draft, id=id_, now=now),
        )

    return prepare


def changing(trail: Trail, access: Access, resource: Mapping[str, Any], id_: str, expected: int) -> Prepare:
    """The next version of a record that was read in version ``expected``."""
    sandbox, now, type_ = access.sandbox, access.moment.sandbox, resource["resourceType"]

    def prepare(conn: Connection, _facts: Facts, person: Person) -> Change[Record]:
        before = records.require_current(records.current(conn, sandbox, person.id, type_, id_), expected)
        draft = rules.changed(resource, _context(conn, trail, access, person), before)
        return Change(
            (_place(type_, id_, expected + 1),),
            lambda within: records.update(within, sandbox, person.id, draft, id=id_, expected=expected, now=now),
        )

    return prepare


def deleting(access: Access, type_: str, id_: str, version: int | None) -> Prepare:
    """Mark a record as entered in error. ``version`` is the one the caller names, which must be the latest."""
    sandbox, now = access.sandbox, access.moment.sandbox

    def prepare(conn: Connection, _facts: Facts, person: Person) -> Change[Record]:
        found = records.current(conn, sandbox, person.id, type_, id_)
        if found is not None and found.state != "deleted" and version is not None and version > found.version:
            raise Refusal(Reason.NOT_FOUND, "the record has no such version", source="ruling S18")
        last = records.require_current(found, version)
        return Change(
            (_place(type_, id_, last.version + 1),),
            lambda within: records.delete(within, sandbox, person.id, type_, id_, expected=last.version, now=now),
        )

    return prepare


def _place(type_: str, id_: str, version: int) -> str:
    return f"{type_}/{id_}/_history/{version}"


def _context(conn: Connection, trail: Trail, access: Access, person: Person) -> Context:
    settings = trail.call.sandbox.settings
    numbers = frozenset(number for number, _ in registers.identifiers_of(conn, access.sandbox, person.id))
    aliases = identity.aliases_for(settings.docs_aliases)
    organisations = (access.principal.orgnr_parent, access.principal.orgnr_child)
    return Context(
        now=access.moment.sandbox,
        born=rules.birth(person.birth_date),
        is_patient=lambda number: aliases.get(number, number) in numbers,
        hpr=access.principal.hpr,
        role=access.role,
        organisations=frozenset(orgnr for orgnr in organisations if orgnr),
        note=trail.note,
    )
