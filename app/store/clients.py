"""Registered clients of a sandbox, and the private keys made for the seeded ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, delete, insert, select

from app.store import installation
from app.store.tables import client as table
from app.trust.jose import generate_key, public_members
from app.trust.sts.clients import SEEDED, Client, load_client, with_key

_ALGORITHM = "ES256"  # ruling R24


def find(conn: Connection, sandbox: str, client_id: str) -> Client | None:
    """The client, None when there is none. ``client_id`` may be any text somebody sent."""
    if not client_id.isprintable():  # PostgreSQL takes no NUL
        return None
    body = conn.execute(select(table.c.body).where(table.c.sandbox == sandbox, table.c.id == client_id)).scalar()
    return load_client(orjson.loads(body)) if body is not None else None


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


def _name(client_id: str) -> str:
    return "client-key/" + client_id[:60]


def _new_key() -> bytes:
    return orjson.dumps({**generate_key(_ALGORITHM), "alg": _ALGORITHM, "use": "sig", "kid": "sandkasse"})
