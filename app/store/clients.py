"""Registered clients of a sandbox, and the private keys made for the seeded ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, delete, insert, select
from sqlalchemy.engine.interfaces import Dialect

from app.store import installation, statements
from app.store.statements import Compiled
from app.store.tables import client as table
from app.trust.jose import generate_key, public_members
from app.trust.sts.clients import SEEDED, Client, load_client, with_key

_ALGORITHM = "ES256"  # ruling R24


def find(conn: Connection, sandbox: str, client_id: str) -> Client | None:
    """The client, None when there is none. ``client_id`` may be any text somebody sent."""
    if not client_id.isprintable():  # PostgreSQL takes no NUL
        return None
    found = statements.rows(conn, _by_id(conn.dialect), {"sandbox": sandbox, "id": client_id})
    return load_client(orjson.loads(found[0][0])) if found else None


def listed(conn: Connection, sandbox: str) -> Sequence[Client]:
    """Every client of the sandbox, by id."""
    rows = conn.execute(select(table.c.body).where(table.c.sandbox == sandbox).order_by(table.c.id)).scalars()
    return [load_client(orjson.loads(body)) for body in rows]


def put(conn: Connection, sandbox: str, client: Client) -> None:
    """Register the client, or replace the one with its id."""
    remove(conn, sandbox, client.id)
    conn.execute(insert(table).values(sandbox=sandbox, id=client.id, body=orjson.dumps(client.dump())))


def remove(conn: Connection, sandbox: str, client_id: str) -> bool:
    """Take the client out; whether there was one."""
    done = conn.execute(delete(table).where(table.c.sandbox == sandbox, table.c.id == client_id))
    return done.rowcount > 0


def seed(conn: Connection, sandbox: str) -> None:
    """Register the seeded clients in ``sandbox``; all sandboxes of an installation share their keys.

    A vendor's test run that makes a sandbox for each test keeps one key.
    """
    for client in SEEDED:
        key = orjson.loads(installation.ensure(conn, _name(client.id), _new_key))
        put(conn, sandbox, with_key(client, public_members(key)))


def private_key(conn: Connection, client_id: str) -> Mapping[str, Any] | None:
    """The private JWK of a seeded client (ruling R24), or None for any other client."""
    body = installation.value(conn, _name(client_id))
    return orjson.loads(body) if body is not None else None


@lru_cache(maxsize=4)
def _by_id(dialect: Dialect) -> Compiled:
    where = (table.c.sandbox == bindparam("sandbox"), table.c.id == bindparam("id"))
    return statements.compiled(select(table.c.body).where(*where), dialect)


def _name(client_id: str) -> str:
    return "client-key/" + client_id[:60]


def _new_key() -> bytes:
    return orjson.dumps({**generate_key(_ALGORITHM), "alg": _ALGORITHM, "use": "sig", "kid": "sandkasse"})
