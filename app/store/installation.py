"""Secrets and values of the installation as a whole: made at first start, shared by all its processes."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from app.store.tables import installation


def value(conn: Connection, name: str) -> bytes | None:
    """The stored value, or None."""
    found: bytes | None = conn.execute(select(installation.c.value).where(installation.c.name == name)).scalar()
    return found


def ensure(conn: Connection, name: str, make: Callable[[], bytes]) -> bytes:
    """The stored value, made now if there is none. Two processes that race agree on the first one."""
    known = value(conn, name)
    if known is not None:
        return known
    made = make()
    try:
        with conn.begin_nested():
            conn.execute(insert(installation).values(name=name, value=made))
    except IntegrityError:
        return value(conn, name) or made
    return made
