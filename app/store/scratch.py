"""A database in memory, for one piece of work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from app.clock import ManualClock
from app.store import tables
from app.store.engine import Connection, Store

T = TypeVar("T")
SCRATCH: Final = "scratch"
"""Name of a sandbox there."""


def in_memory(work: Callable[[Connection], T], now: float) -> T:
    """What ``work`` gives, done in an empty database that is gone afterwards. ``now`` is epoch seconds on its clock."""

    def act(conn: Connection) -> T:
        tables.metadata.create_all(conn)
        return work(conn)

    store = Store("sqlite://", ManualClock(now))
    try:
        return store.write_now(act)
    finally:
        store.close()
