"""Values that hold for a while, the first to come deciding (ruling S47)."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from app.store.tables import lease


def bind(conn: Connection, sandbox: str, kind: str, key: str, body: bytes, now: float, expires: float) -> bytes:
    """What ``key`` is bound to: ``body``, unless it was bound before and that has not expired (sandbox time)."""
    where = (lease.c.sandbox == sandbox, lease.c.kind == kind, lease.c.key == key)
    known = conn.execute(select(lease.c.body, lease.c.expires).where(*where).with_for_update()).first()
    if known is not None and known[1] > now:
        bound: bytes = known[0]
        return bound
    conn.execute(delete(lease).where(*where))
    conn.execute(insert(lease).values(sandbox=sandbox, kind=kind, key=key, expires=expires, body=body))
    return body


def held(conn: Connection, sandbox: str, kind: str, key: str, now: float) -> bytes | None:
    """What ``key`` is bound to; None when it is bound to nothing, or no longer."""
    return conn.execute(
        select(lease.c.body).where(
            lease.c.sandbox == sandbox, lease.c.kind == kind, lease.c.key == key, lease.c.expires > now
        )
    ).scalar()


def take(conn: Connection, sandbox: str, kind: str, key: str, now: float) -> bytes | None:
    """Unbind ``key`` and give what it was bound to; of several who try, one gets it."""
    where = (lease.c.sandbox == sandbox, lease.c.kind == kind, lease.c.key == key)
    row = conn.execute(delete(lease).where(*where).returning(lease.c.body, lease.c.expires)).first()
    return row[0] if row is not None and row[1] > now else None


def let_go(conn: Connection, sandbox: str, kind: str, *, key: str | None = None, expired: float | None = None) -> None:
    """Unbind ``key``, or everything of the kind that had expired at ``expired``."""
    where = [lease.c.sandbox == sandbox, lease.c.kind == kind]
    where += [lease.c.key == key] if key is not None else []
    where += [lease.c.expires <= expired] if expired is not None else []
    if len(where) > 2:
        conn.execute(delete(lease).where(*where))
