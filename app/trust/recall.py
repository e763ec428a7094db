"""What was read for one request, kept for the next as long as nothing stored has changed (``app.store.stamp``).

Work is done from memory alone, or else from the database in one snapshot: never from a mixture of the two moments.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Protocol, TypeVar

from app.core import Core
from app.store import stamp
from app.store.engine import Connection

T = TypeVar("T")
V = TypeVar("V")


class Data(Protocol):
    """Where work gets its data from.

    ``read`` gives what belongs to ``key`` when it is not in memory; ``remember`` tells whether that is worth keeping.
    """

    def get(self, key: Hashable, read: Callable[[Connection], V], remember: Callable[[V], bool] = ...) -> V: ...


async def over(core: Core, standing: int | None, work: Callable[[Data], T]) -> T:
    """Do ``work``, which must be pure, over the data as they are at the stamp ``standing`` or later.

    Raises what ``work`` raises, and ``Refusal(STORE_UNAVAILABLE)`` when the database is needed and does not answer.
    """
    if standing is not None:
        try:
            return work(_Memory(core, standing))
        except _Absent:
            pass  # the usual first time
    snapshot, done = await core.store.read(lambda conn: _read(conn, work))
    for key, value in snapshot.kept:
        core.recalled.put(key, (snapshot.stamp, value))
    return done


def always(_value: object) -> bool:
    """Worth remembering whatever it is."""
    return True


class _Absent(Exception):
    """Not in memory, or of another moment."""


class _Memory:
    def __init__(self, core: Core, standing: int) -> None:
        self._known = core.recalled
        self._standing = standing

    def get(self, key: Hashable, _read: Callable[[Connection], V], _remember: Callable[[V], bool] = always) -> V:
        found = self._known.get(key)
        if found is None or found[0] != self._standing:
            raise _Absent
        value: V = found[1]
        return value


class _Snapshot:
    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.stamp = stamp.read(conn)
        self.kept: list[tuple[Hashable, Any]] = []

    def get(self, key: Hashable, read: Callable[[Connection], V], remember: Callable[[V], bool] = always) -> V:
        value = read(self._conn)
        if remember(value):
            self.kept.append((key, value))
        return value


def _read(conn: Connection, work: Callable[[Data], T]) -> tuple[_Snapshot, T]:
    snapshot = _Snapshot(conn)
    return snapshot, work(snapshot)
