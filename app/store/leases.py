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
