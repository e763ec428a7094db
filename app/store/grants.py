"""What the issuer remembers for a while: pushed requests, log-in pages, codes, refresh tokens, sessions.

Each is a lease: it ends at a time on the sandbox clock (ruling R31). A token is never stored as it is shown,
only its SHA-256, so that a copy of the database is no copy of the tokens.
Client assertions stand in the replay table, with what became of them (ruling C2).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, get_args

import orjson
from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.engine.interfaces import Dialect

from app.store import statements
from app.store.engine import ReplayKey, claim
from app.store.statements import Compiled
from app.store.tables import lease, replay

Kind = Literal["par", "login", "code", "refresh", "session"]
ASSERTION = "assertion"
_PROOF = "sts-dpop"


def keep(conn: Connection, sandbox: str, kind: Kind, handle: str, body: Mapping[str, Any], expires: float) -> None:
    """Remember ``body`` under the secret ``handle`` until ``expires`` (sandbox time)."""
    conn.execute(
        insert(lease).values(
            sandbox=sandbox, kind=kind, key=_digest(handle), expires=expires, body=orjson.dumps(dict(body))
        )
    )


def look(conn: Connection, sandbox: str, kind: Kind, handle: str, now: float) -> dict[str, Any] | None:
    """What stands under ``handle`` and has not ended at ``now``. The key ``expires`` holds the end."""
    row = conn.execute(
        select(lease.c.body, lease.c.expires).where(
            lease.c.sandbox == sandbox, lease.c.kind == kind, lease.c.key == _digest(handle), lease.c.expires > now
        )
    ).first()
    return {**orjson.loads(row.body), "expires": row.expires} if row is not None else None


def take(conn: Connection, sandbox: str, kind: Kind, handle: str) -> bool:
    """Remove the lease; False when somebody else was first."""
    done = conn.execute(
        delete(lease).where(lease.c.sandbox == sandbox, lease.c.kind == kind, lease.c.key == _digest(handle))
    )
    return done.rowcount > 0


def redeem(conn: Connection, sandbox: str, code: str, refresh: str | None, until: float) -> bool:
    """Mark a code as used, remembering the refresh token it gave; False when it was used already.

    The mark stays until ``until``, so that a later reuse can revoke that token (RFC 6749 section 4.1.2).
    """
    used = orjson.dumps({"used": True, "refresh": _digest(refresh) if refresh is not None else None})
    unused = (lease.c.sandbox == sandbox, lease.c.kind == "code", lease.c.key == _digest(code))
    body = conn.execute(select(lease.c.body).where(*unused).with_for_update()).scalar()
    if body is None or orjson.loads(body).get("used"):
        return False
    conn.execute(update(lease).where(*unused).values(body=used, expires=until))
    return True


def revoke_of_code(conn: Connection, sandbox: str, code: str) -> None:
    """Remove the refresh token that a used code gave."""
    body = conn.execute(
        select(lease.c.body).where(lease.c.sandbox == sandbox, lease.c.kind == "code", lease.c.key == _digest(code))
    ).scalar()
    key = orjson.loads(body).get("refresh") if body is not None else None
    if isinstance(key, str):
        conn.execute(delete(lease).where(lease.c.sandbox == sandbox, lease.c.kind == "refresh", lease.c.key == key))


def sweep(conn: Connection, sandbox: str, now: float) -> None:
    """Remove what has ended in this sandbox."""
    conn.execute(
        delete(lease).where(lease.c.sandbox == sandbox, lease.c.expires <= now, lease.c.kind.in_(get_args(Kind)))
    )


def assertion_state(conn: Connection, sandbox: str, key: str) -> str | None:
    """What became of the client assertion ``key``: the value given to ``settle_assertion``, or None."""
    place = {"sandbox": sandbox, "kind": ASSERTION, "key": _digest(key)}
    found = statements.rows(conn, _value_of(conn.dialect), place)
    return str(found[0][0]) if found else None


def settle_assertion(
    conn: Connection, sandbox: str, key: str, state: str, until: float, *, expected: str | None
) -> bool:
    """Record ``state`` for an assertion whose state was ``expected``; False when it has changed meanwhile.

    ``until`` is real time.
    """
    if expected is None:
        return bool(claim(conn, [assertion_key(sandbox, key, state, until)]))
    at = (replay.c.sandbox == sandbox, replay.c.kind == ASSERTION, replay.c.key == _digest(key))
    done = conn.execute(update(replay).where(*at, replay.c.value == expected).values(value=state, until=until))
    return done.rowcount > 0


def assertion_key(sandbox: str, key: str, state: str, until: float) -> ReplayKey:
    """What ``settle_assertion`` claims for an assertion that was never seen."""
    return ReplayKey(sandbox, ASSERTION, _digest(key), until, state)


def claim_proof(conn: Connection, sandbox: str, jkt: str, jti: str, until: float) -> bool:
    """Take the ``jti`` of a DPoP proof; False when it was used before. ``until`` is real time."""
    return bool(claim(conn, [proof_key(sandbox, jkt, jti, until)]))


def proof_key(sandbox: str, jkt: str, jti: str, until: float) -> ReplayKey:
    """What ``claim_proof`` claims."""
    return ReplayKey(sandbox, _PROOF, _digest(f"{jkt} {jti}"), until)


@lru_cache(maxsize=4)
def _value_of(dialect: Dialect) -> Compiled:
    where = (replay.c[name] == bindparam(name) for name in ("sandbox", "kind", "key"))
    return statements.compiled(select(replay.c.value).where(*where), dialect)


def _digest(value: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(value.encode()).digest()).rstrip(b"=").decode()
