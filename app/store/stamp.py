"""A number that moves with every change of what answers are made from, in the change's own transaction.

Whoever reads the same number twice knows that everything stored was the same at both times, whichever process wrote
last. It is one for the whole installation: a change in one sandbox makes the others read again, no more.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, Engine, ScalarSelect, String, UpdateBase, event, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import Dialect

from app.store import statements
from app.store.statements import Compiled
from app.store.tables import stamp as table

_CONTENT: Final = literal_column("'content'", String())
_MOVED: Final = "stamp-moved"
STILL: Final = frozenset(
    {
        "audit",
        "audit_head",
        "audit_checkpoint",
        "exchange",
        "replay",
        "lease",
        "outbox",
        "fault_hit",
        "snapshot",
        "sandbox",  # read anew for every request
        "installation",  # written once
        "stamp",
    }
)
"""Tables that no remembered answer is made from. A change of any other moves the stamp."""


def watch(engine: Engine) -> None:
    """Move the stamp in every transaction of ``engine`` that changes content."""

    @event.listens_for(engine, "before_execute")
    def _before_execute(conn: Connection, statement: Any, *_rest: Any) -> None:
        if isinstance(statement, UpdateBase) and getattr(statement.table, "name", None) not in STILL:
            moved(conn)

    @event.listens_for(engine, "commit")
    def _commit(conn: Connection) -> None:
        if conn.info.pop(_MOVED, False):
            statements.run(conn, _next(conn.dialect), {})

    @event.listens_for(engine, "rollback")
    def _rollback(conn: Connection) -> None:
        conn.info.pop(_MOVED, None)


def moved(conn: Connection) -> None:
    """Say that content changes in this transaction, where it is changed past the library (``statements``)."""
    conn.info[_MOVED] = True


def read(conn: Connection) -> int | None:
    """The stamp as it is in this snapshot; None when nothing was ever stored."""
    found = statements.rows(conn, _read(conn.dialect), {})
    return int(found[0][0]) if found else None


def column() -> ScalarSelect[int]:
    """The stamp as a column of another query."""
    return select(table.c.value).where(table.c.name == _CONTENT).scalar_subquery()


@lru_cache(maxsize=4)
def _read(dialect: Dialect) -> Compiled:
    return statements.compiled(select(table.c.value).where(table.c.name == _CONTENT), dialect)


@lru_cache(maxsize=4)
def _next(dialect: Dialect) -> Compiled:
    kind = postgresql if dialect.name == "postgresql" else sqlite
    first = kind.insert(table).values(name=_CONTENT, value=literal_column("1")).inline()
    return statements.compiled(
        first.on_conflict_do_update(index_elements=["name"], set_={"value": table.c.value + literal_column("1")}),
        dialect,
    )
