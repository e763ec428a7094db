"""How much of the journal is kept: so many rows and so many bytes of each sandbox, and nothing older than so long.

The writer prunes in the transaction that brings a sandbox over its limit, oldest rows first. What a sandbox holds is
counted once and then added to, so that an insert costs two sums; what other processes add is seen at the next count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, delete, func, select

from app.store.tables import exchange

_SLACK: Final = 20  # a twentieth over the limit before it is pruned to the limit: pruning row by row costs more
_COUNT_AGAIN: Final = 512
_MOST_SANDBOXES: Final = 10_000
_AT_ONCE: Final = 2_000


@dataclass(frozen=True, slots=True)
class Limits:
    """``rows`` and ``size`` (bytes) are of one sandbox; ``seconds`` is real time; None: no limit."""

    rows: int = 10_000
    size: int | None = None
    seconds: float | None = None


@dataclass(slots=True)
class _Held:
    rows: int
    size: int
    since: int = 0  # rows added since they were counted


class Retention:
    """What this process knows of how much each sandbox holds. Used by the writer's thread only."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._held: dict[str, _Held] = {}

    def added(self, conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take note of rows just inserted, and prune the sandboxes that have too much."""
        for sandbox in dict.fromkeys(row["sandbox"] for row in rows):
            mine = [row["size"] for row in rows if row["sandbox"] == sandbox]
            held = self._known(conn, sandbox, len(mine), sum(mine))
            if held.rows > _with_slack(self.limits.rows) or (
                self.limits.size is not None and held.size > _with_slack(self.limits.size)
            ):
                prune(conn, sandbox, self.limits)
                self._held[sandbox] = _count(conn, sandbox)

    def _known(self, conn: Connection, sandbox: str, rows: int, size: int) -> _Held:
        held = self._held.get(sandbox)
        if held is None or held.since > _COUNT_AGAIN:
            if len(self._held) >= _MOST_SANDBOXES:
                self._held.clear()
            held = self._held[sandbox] = _count(conn, sandbox)
            return held
        held.rows += rows
        held.size += size
        held.since += rows
        return held


def prune(conn: Connection, sandbox: str, limits: Limits) -> None:
    """Remove the oldest rows of a sandbox, so that what stays is within the limits of number and size."""
    newest_first = exchange.c.seq.desc()
    running = (
        select(
            exchange.c.seq,
            func.row_number().over(order_by=newest_first).label("place"),
            func.sum(exchange.c.size).over(order_by=newest_first).label("total"),
        )
        .where(exchange.c.sandbox == sandbox)
        .subquery()
    )
    over = running.c.place > limits.rows
    if limits.size is not None:
        over = over | (running.c.total > limits.size)
    last = conn.execute(select(func.max(running.c.seq)).where(over)).scalar()
    if last is not None:
        conn.execute(delete(exchange).where(exchange.c.sandbox == sandbox, exchange.c.seq <= last))


def forget_old(conn: Connection, before: float, most: int = _AT_ONCE) -> None:
    """Remove rows of any sandbox that began before ``before`` (real time), the oldest ``most`` at a time.

    Rows are looked at in the order they came, up to the first that is young enough: a row that took long may
    stay until the next time.
    """
    oldest = select(exchange.c.seq, exchange.c.at).order_by(exchange.c.seq).limit(most).subquery()
    young = select(func.min(oldest.c.seq)).where(oldest.c.at >= before).scalar_subquery()
    last = conn.execute(select(func.max(oldest.c.seq)).where((young.is_(None)) | (oldest.c.seq < young))).scalar()
    if last is not None:
        conn.execute(delete(exchange).where(exchange.c.seq <= last))


def _count(conn: Connection, sandbox: str) -> _Held:
    of_it = select(func.count(), func.coalesce(func.sum(exchange.c.size), 0)).where(exchange.c.sandbox == sandbox)
    rows, size = conn.execute(of_it).one()
    return _Held(int(rows), int(size))


def _with_slack(limit: int) -> int:
    return limit + limit // _SLACK
