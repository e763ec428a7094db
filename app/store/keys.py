"""The issuer's signing keys. Owner ``''`` is the installation; a sandbox owns its own from its first rotation (R28)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, insert, select, update

from app.store import installation
from app.store.tables import sandbox as sandbox_table
from app.store.tables import signing_key as table

INSTALLATION = ""
_STATES = ("current", "next", "expired")


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A private JWK with ``kid``, ``x5t`` and ``x5c``; ``state`` is current, next or expired."""

    kid: str
    state: str
    made: float
    jwk: Mapping[str, Any]


def ring(conn: Connection, sandbox: str) -> Sequence[StoredKey]:
    """The keys that are valid in ``sandbox``, oldest first: its own, else the installation's."""
    rows = conn.execute(
        select(table.c.owner, table.c.kid, table.c.state, table.c.made, table.c.jwk)
        .where(table.c.owner.in_((INSTALLATION, sandbox)), table.c.state.in_(_STATES))
        .order_by(table.c.made, table.c.kid)
    ).all()
    owner = sandbox if any(row.owner == sandbox for row in rows) else INSTALLATION
    return [StoredKey(row.kid, row.state, row.made, orjson.loads(row.jwk)) for row in rows if row.owner == owner]


def make_first(conn: Connection, keys: Sequence[StoredKey]) -> None:
    """Store the installation's first keys; does nothing when another process has done it."""
    mark = keys[0].kid.encode()
    if installation.ensure(conn, "issuer-keys", lambda: mark) == mark:
        _add(conn, INSTALLATION, keys)


def has_keys(conn: Connection) -> bool:
    return conn.execute(select(table.c.kid).where(table.c.owner == INSTALLATION).limit(1)).first() is not None


def rotate(conn: Connection, sandbox: str, new: StoredKey) -> str:
    """The current key of ``sandbox`` expires, the next becomes current, ``new`` the next; the current one's ``kid``."""
    keys = ring(conn, sandbox)
    if not _owns(conn, sandbox):
        _add(conn, sandbox, keys)
    mine = table.c.owner == sandbox
    conn.execute(update(table).where(mine, table.c.state == "current").values(state="expired"))
    conn.execute(update(table).where(mine, table.c.state == "next").values(state="current"))
    _add(conn, sandbox, [new])
    current = next(key.kid for key in ring(conn, sandbox) if key.state == "current")
    conn.execute(update(sandbox_table).where(sandbox_table.c.id == sandbox).values(issuer_key=current))
    return current


def _owns(conn: Connection, sandbox: str) -> bool:
    return conn.execute(select(table.c.kid).where(table.c.owner == sandbox).limit(1)).first() is not None


def _add(conn: Connection, owner: str, keys: Sequence[StoredKey]) -> None:
    conn.execute(
        insert(table),
        [
            {"owner": owner, "kid": key.kid, "state": key.state, "made": key.made, "jwk": orjson.dumps(dict(key.jwk))}
            for key in keys
        ],
    )
