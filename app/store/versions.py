"""Records that change version by version: the latest of each, every earlier one, and what the service remembers of it.

A record is one resource with its part; the part's id is that of the record, its key ``Type/id``. Writing is
``resources.put_part``, under the lock of the patient (``registers.person_by_id``).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, select

from app.store.resources import NewResource, Owner, Part, put_part
from app.store.tables import part, resource, resource_history

_SAME: Final = and_(
    part.c.sandbox == resource.c.sandbox,
    part.c.patient == resource.c.patient,
    part.c.service == resource.c.service,
    part.c.id == resource.c.part_of,
)


class Version(NamedTuple):
    """A stored version: ``updated`` in epoch seconds on the sandbox clock, ``body`` as it was written."""

    type: str
    id: str
    version: int
    updated: float
    body: bytes


class Latest(NamedTuple):
    """The latest version with what the service remembers of it."""

    version: Version
    memo: bytes


def latest(conn: Connection, owner: Owner, type_: str | None = None) -> list[Latest]:
    """The latest version of every record of the patient, last changed first, then by id."""
    statement = select(*_COLUMNS, part.c.body).select_from(resource.join(part, _SAME)).where(*_owned(owner))
    if type_ is not None:
        statement = statement.where(resource.c.type == type_)
    rows = conn.execute(statement.order_by(resource.c.updated.desc(), resource.c.id))
    return [Latest(Version(*row[:5]), row[5]) for row in rows]


def memos(conn: Connection, owner: Owner) -> list[bytes]:
    """What is remembered of every record of the patient, without reading the records."""
    columns = part.c
    rows = conn.execute(
        select(columns.body).where(
            columns.sandbox == owner.sandbox, columns.patient == owner.patient, columns.service == owner.service
        )
    )
    return [row[0] for row in rows]


def owner_of(conn: Connection, sandbox: str, service: str, key: str) -> Owner | None:
    """Whose record has the key."""
    found = conn.execute(
        select(part.c.patient).where(part.c.sandbox == sandbox, part.c.service == service, part.c.key == key)
    ).scalar()
    return None if found is None else Owner(sandbox, found, service)


def one(conn: Connection, owner: Owner, type_: str, id_: str) -> Latest | None:
    """The latest version of one record."""
    statement = select(*_COLUMNS, part.c.body).select_from(resource.join(part, _SAME))
    row = conn.execute(statement.where(*_owned(owner), resource.c.type == type_, resource.c.id == id_)).first()
    return None if row is None else Latest(Version(*row[:5]), row[5])


def earlier(conn: Connection, owner: Owner, type_: str, id_: str) -> list[Version]:
    """Every version before the latest, newest first."""
    columns = resource_history.c
    rows = conn.execute(
        select(columns.type, columns.id, columns.version, columns.updated, columns.body)
        .where(
            columns.sandbox == owner.sandbox,
            columns.patient == owner.patient,
            columns.service == owner.service,
            columns.type == type_,
            columns.id == id_,
        )
        .order_by(columns.version.desc())
    )
    return [Version(*row) for row in rows]


def put(conn: Connection, owner: Owner, version: Version, memo: bytes) -> None:
    """Store the next version of a record; the one before it goes to the history."""
    key = f"{version.type}/{version.id}"
    put_part(
        conn,
        owner,
        Part(version.id, key, version.updated, memo),
        [NewResource(version.type, version.id, version.updated, version.body)],
        version.updated,
    )


_COLUMNS: Final = (
    resource.c.type,
    resource.c.id,
    resource.c.version,
    resource.c.updated,
    resource.c.body,
)


def _owned(owner: Owner) -> tuple[ColumnElement[bool], ...]:
    columns = resource.c
    return columns.sandbox == owner.sandbox, columns.patient == owner.patient, columns.service == owner.service
