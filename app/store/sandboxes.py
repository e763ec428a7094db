"""The rows of the sandboxes themselves: clock, own settings, expiry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import orjson
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import Dialect

from app.store import copies, stamp, statements, tables
from app.store.statements import Compiled

_ISSUERS: Final = ("helseid", "helseid-ttt")
_TOKEN_MARK: Final = "newest-token"
HIDDEN: Final = "~"
"""What the id of a hidden sandbox begins with, which no name may (ruling R64): it holds rows to copy from."""
_NEVER: Final = 253_402_300_799.0  # the last second of the year 9999


@dataclass(frozen=True, slots=True)
class SandboxRow:
    """One sandbox as stored. Times are epoch seconds, ``created`` and ``expires`` on the real clock.

    ``config`` is JSON: the sandbox's own settings and its faults. ``admin_key`` is the SHA-256 (hex) of its own key.
    ``stamp`` is not of the row: what ``stamp.read`` gave when the row was loaded.
    """

    id: str
    created: float
    seed: str
    seeded_at: float | None
    clock_offset: float
    clock_frozen: float | None
    expires: float | None
    issuer_key: str | None
    config: bytes
    admin_key: str | None = None
    stamp: int | None = None


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """A snapshot: its name, when it was taken (real time), and the hidden sandbox that holds its rows."""

    name: str
    at: float
    copy: str


def load(conn: Connection, sandbox: str) -> SandboxRow | None:
    """One sandbox, or None; never a hidden one. On the path of every request: the statement is compiled once."""
    if sandbox.startswith(HIDDEN) or not sandbox.isprintable():  # PostgreSQL takes no NUL
        return None
    found = statements.rows(conn, _by_id(conn.dialect), {"id": sandbox})
    return SandboxRow(*found[0]) if found else None


def lock(conn: Connection, sandbox: str, *, shared: bool = False) -> SandboxRow | None:
    """One sandbox, hidden or not, kept from every other change of its life until the transaction ends.

    ``shared`` lets others read it under a lock of the same kind.
    """
    statement = select(tables.sandbox).where(tables.sandbox.c.id == sandbox)
    found = conn.execute(statement.with_for_update(read=shared)).first()
    return SandboxRow(*found) if found is not None else None


def all_rows(conn: Connection) -> list[SandboxRow]:
    """Every sandbox by name, the expired ones too, without the hidden ones."""
    columns = tables.sandbox.c
    shown = func.substr(columns.id, 1, 1) != HIDDEN
    return [SandboxRow(*row) for row in conn.execute(select(tables.sandbox).where(shown).order_by(columns.id))]


def count(conn: Connection, beginning: str) -> int:
    """How many sandboxes, hidden ones too, have an id that begins so."""
    begins = func.substr(tables.sandbox.c.id, 1, len(beginning)) == beginning
    found: int = conn.execute(select(func.count()).select_from(tables.sandbox).where(begins)).scalar_one()
    return found


def expired(conn: Connection, now: float, limit: int) -> list[str]:
    """Up to ``limit`` sandboxes, hidden ones too, whose time is over; locked, without those another process has."""
    columns = tables.sandbox.c
    statement = select(columns.id).where(columns.expires <= now).order_by(columns.expires).limit(limit)
    return list(conn.execute(statement.with_for_update(skip_locked=True)).scalars())


def add(conn: Connection, row: SandboxRow) -> bool:
    """Add a sandbox; False, and nothing done, when there is one of that name."""
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(tables.sandbox).values(_values(row)).on_conflict_do_nothing()
    return conn.execute(statement.returning(tables.sandbox.c.id)).first() is not None


def change(conn: Connection, sandbox: str, **values: Any) -> None:
    """Set columns of a sandbox's row."""
    conn.execute(update(tables.sandbox).where(tables.sandbox.c.id == sandbox).values(**values))


def remove(conn: Connection, sandbox: str) -> None:
    """Take away a sandbox with all it holds, its snapshots too."""
    for taken in snapshots(conn, sandbox):
        remove(conn, taken.copy)
    copies.clear(conn, sandbox, *copies.Rule)
    conn.execute(delete(tables.sandbox).where(tables.sandbox.c.id == sandbox))


def snapshots(conn: Connection, sandbox: str) -> list[SnapshotRow]:
    """The snapshots of a sandbox, oldest first."""
    columns = tables.snapshot.c
    statement = select(columns.name, columns.at, columns.copy).where(columns.sandbox == sandbox)
    return [SnapshotRow(*row) for row in conn.execute(statement.order_by(columns.at, columns.name))]


def add_snapshot(conn: Connection, sandbox: str, row: SnapshotRow) -> None:
    conn.execute(insert(tables.snapshot).values(sandbox=sandbox, name=row.name, at=row.at, copy=row.copy))


def remove_snapshot(conn: Connection, sandbox: str, row: SnapshotRow) -> None:
    """Take away a snapshot with its rows."""
    remove(conn, row.copy)
    columns = tables.snapshot.c
    conn.execute(delete(tables.snapshot).where(columns.sandbox == sandbox, columns.name == row.name))


def newest_record(conn: Connection, sandbox: str) -> float | None:
    """When the newest token or audit record was made, on the sandbox clock (ruling R32).

    Tokens of the issuer are found through the journal, those of the control API through their mark.
    """
    head, exchange, lease = tables.audit_head.c, tables.exchange.c, tables.lease.c
    audited = conn.execute(select(func.max(head.recorded)).where(head.sandbox == sandbox)).scalar()
    issued = conn.execute(
        select(exchange.body)
        .where(
            exchange.sandbox == sandbox,
            exchange.service.in_(_ISSUERS),
            exchange.client.is_not(None),
            exchange.status == 200,
        )
        .order_by(exchange.seq.desc())
        .limit(1)
    ).scalar()
    minted = conn.execute(
        select(lease.body).where(lease.sandbox == sandbox, lease.kind == _TOKEN_MARK, lease.key == _TOKEN_MARK)
    ).scalar()
    times = [
        audited,
        None if issued is None else datetime.fromisoformat(orjson.loads(issued)["time"]).timestamp(),
        None if minted is None else orjson.loads(minted),
    ]
    return max((float(at) for at in times if at is not None), default=None)


def mark_token(conn: Connection, sandbox: str, at: float) -> None:
    """Remember that a token was made outside the issuer's own addresses, at ``at`` on the sandbox clock."""
    lease = tables.lease.c
    conn.execute(
        delete(tables.lease).where(lease.sandbox == sandbox, lease.kind == _TOKEN_MARK, lease.key == _TOKEN_MARK)
    )
    conn.execute(
        insert(tables.lease).values(
            sandbox=sandbox, kind=_TOKEN_MARK, key=_TOKEN_MARK, expires=_NEVER, body=orjson.dumps(at)
        )
    )


@lru_cache(maxsize=4)
def _by_id(dialect: Dialect) -> Compiled:
    found = select(tables.sandbox, stamp.column()).where(tables.sandbox.c.id == bindparam("id"))
    return statements.compiled(found, dialect)


def _values(row: SandboxRow) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in tables.sandbox.c}
