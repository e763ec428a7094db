"""How often each fault rule of a sandbox has been met and has taken effect, counted across processes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.store.tables import fault_hit


@dataclass(frozen=True, slots=True)
class Hits:
    """``seen`` calls were what the rule matches; on ``hits`` of them it took effect."""

    seen: int = 0
    hits: int = 0


def saw(conn: Connection, sandbox: str, rules: Collection[str]) -> dict[str, Hits]:
    """Count a call for each of ``rules``; their counts with it. They are locked until the transaction ends."""
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    # In one order everywhere, so that two processes never wait for each other.
    first = [{"sandbox": sandbox, "rule": rule, "seen": 1, "hits": 0} for rule in sorted(rules)]
    statement = (
        dialect.insert(fault_hit)
        .values(first)
        .on_conflict_do_update(index_elements=["sandbox", "rule"], set_={"seen": fault_hit.c.seen + 1})
        .returning(fault_hit.c.rule, fault_hit.c.seen, fault_hit.c.hits)
    )
    return {rule: Hits(seen, hits) for rule, seen, hits in conn.execute(statement)}


def took_effect(conn: Connection, sandbox: str, rules: Collection[str]) -> None:
    """Count a hit for each of ``rules``."""
    conn.execute(update(fault_hit).where(*_of(sandbox, rules)).values(hits=fault_hit.c.hits + 1))


def counts(conn: Connection, sandbox: str) -> dict[str, Hits]:
    """The counts of every rule that was ever met."""
    columns = fault_hit.c
    rows = conn.execute(select(columns.rule, columns.seen, columns.hits).where(columns.sandbox == sandbox))
    return {rule: Hits(seen, hits) for rule, seen, hits in rows}


def forget(conn: Connection, sandbox: str, rules: Collection[str]) -> None:
    """Begin the counts of ``rules`` anew."""
    conn.execute(delete(fault_hit).where(*_of(sandbox, rules)))


def _of(sandbox: str, rules: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    return fault_hit.c.sandbox == sandbox, fault_hit.c.rule.in_(list(rules))
