"""The rows of the sandboxes themselves: clock, own settings, expiry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import orjson
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.engine.interfaces import Dialect

from app.store import statements, tables
from app.store.statements import Compiled

_ISSUERS: Final = ("helseid", "helseid-ttt")
_TOKEN_MARK: Final = "newest-token"
_NEVER: Final = 253_402_300_799.0  # the last second of the year 9999


@dataclass(frozen=True, slots=True)
class SandboxRow:
    """One sandbox as stored. Times are epoch seconds, ``created`` and ``expires`` on the real clock.

    ``config`` is JSON: the sandbox's own settings and its faults.
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


def load(conn: Connection, sandbox: str) -> SandboxRow | None:
    """One sandbox, or None. On the path of every request: the statement is compiled once."""
    found = statements.rows(conn, _by_id(conn.dialect), {"id": sandbox})
    return SandboxRow(*found[0]) if found else None


def all_rows(conn: Connection) -> list[SandboxRow]:
    """Every sandbox by name, the expired ones too."""
    return [SandboxRow(*row) for row in conn.execute(select(tables.sandbox).order_by(tables.sandbox.c.id))]


def add(conn: Connection, row: SandboxRow) -> None:
    conn.execute(insert(tables.sandbox).values(_values(row)))


def change(conn: Connection, sandbox: str, **values: Any) -> None:
    """Set columns of a sandbox's row."""
    conn.execute(update(tables.sandbox).where(tables.sandbox.c.id == sandbox).values(**values))


def empty(conn: Connection, sandbox: str) -> None:
    """Take away everything in a sandbox, its own issuer keys too; the sandbox's row stays."""
    for table in tables.OF_SANDBOX:
        conn.execute(delete(table).where(table.c.sandbox == sandbox))
    conn.execute(delete(tables.signing_key).where(tables.signing_key.c.owner == sandbox))


def remove(conn: Connection, sandbox: str) -> None:
    """Take away a sandbox with all it holds."""
    empty(conn, sandbox)
    conn.execute(delete(tables.sandbox).where(tables.sandbox.c.id == sandbox))


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
        .order_by(exchange.at.desc())
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
    return statements.compiled(select(tables.sandbox).where(tables.sandbox.c.id == bindparam("id")), dialect)


def _values(row: SandboxRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}
