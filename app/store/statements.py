"""Statements that run on every request: compiled once for a dialect, run on the driver's own cursor.

The library's result objects cost more than a typical read or insert of ours (measured in ``bench/``). Everything else
goes the ordinary way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, TypeVar

from sqlalchemy import ClauseElement, Connection, Insert, Table, insert
from sqlalchemy.engine.interfaces import Dialect

T = TypeVar("T")
_MOST_ROWS: Final = 64


@dataclass(frozen=True, slots=True)
class Compiled:
    """The text of a statement, with the order of its arguments where the driver wants them by place."""

    text: str
    order: tuple[str, ...] | None
    row: str | None = None  # of an insert: the values of one row, to be repeated

    def arguments(self, values: Mapping[str, Any]) -> Any:
        return values if self.order is None else tuple([values[name] for name in self.order])


def compiled(statement: ClauseElement, dialect: Dialect) -> Compiled:
    """Compile a statement whose parameters are all named."""
    made = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    order = getattr(made, "positiontup", None)
    return Compiled(str(made), None if order is None else tuple(order))


def rows(conn: Connection, statement: Compiled, values: Mapping[str, Any]) -> Sequence[Any]:
    """Run a query; the rows as the driver gives them."""
    if conn.dialect.name != "sqlite":
        return conn.exec_driver_sql(statement.text, statement.arguments(values)).fetchall()
    found: list[Any] = _driver(conn).execute(statement.text, statement.arguments(values)).fetchall()
    return found


def run(conn: Connection, statement: Compiled, values: Mapping[str, Any]) -> None:
    """Run a statement that gives no rows."""
    run_many(conn, statement, [values])


def run_many(conn: Connection, statement: Compiled, values: Sequence[Mapping[str, Any]]) -> None:
    """Run a statement once for each set of values."""
    if conn.dialect.name != "sqlite":
        conn.exec_driver_sql(statement.text, [statement.arguments(each) for each in values])
    elif statement.row is None:
        _driver(conn).executemany(statement.text, [statement.arguments(each) for each in values])
    else:
        for some in _halving(values):
            arguments = [value for each in some for value in statement.arguments(each)]
            _driver(conn).execute(_repeated(statement.text, statement.row, len(some)), arguments)


def among(
    conn: Connection, table: Table, names: tuple[str, ...], keys: Sequence[tuple[Any, ...]]
) -> set[tuple[Any, ...]]:
    """Those of ``keys`` (values of the columns ``names``) that are in ``table``. SQLite only."""
    columns, row = ", ".join(names), f"({', '.join('?' * len(names))})"
    # CROSS JOIN: for each key one look into the index, never the other way round (sqlite.org/optoverview.html).
    same = " AND ".join(f"stored.{name} = wanted.{name}" for name in names)
    # All the names are of our own tables.
    tail = f") SELECT wanted.* FROM wanted CROSS JOIN {table.name} AS stored ON {same}"  # noqa: S608
    known: set[tuple[Any, ...]] = set()
    for some in _halving(keys):
        arguments = [value for key in some for value in key]
        text = _repeated(f"WITH wanted ({columns}) AS (VALUES {row}", row, len(some)) + tail
        known.update(_driver(conn).execute(text, arguments))
    return known


def _halving(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """In pieces of 64, 32, 16 …: many rows by one step of the driver, with few different texts to prepare.

    The driver lets other threads in at every step, and waits for its turn after it.
    """
    place, size = 0, _MOST_ROWS
    while place < len(items):
        while size > len(items) - place:
            size //= 2
        yield items[place : place + size]
        place += size


@lru_cache(maxsize=128)
def _repeated(text: str, row: str, times: int) -> str:
    return text + f", {row}" * (times - 1)


@lru_cache(maxsize=64)
def insert_into(table: Table, dialect: Dialect) -> Compiled:
    """The insert of one whole row."""
    return repeatable(insert(table), dialect)


def repeatable(statement: Insert, dialect: Dialect) -> Compiled:
    """An insert of one row that ``run_many`` may run for many rows at once."""
    made = compiled(statement, dialect)
    return replace(made, row=made.text.partition(" VALUES ")[2])


def _driver(conn: Connection) -> Any:
    return conn.connection.driver_connection
