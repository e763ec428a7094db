"""Statements that run on every request: compiled once for a dialect, run on the driver's own cursor.

The library's result objects cost more than a typical read or insert of ours (measured in ``bench/``). Everything else
goes the ordinary way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ClauseElement, Connection, Table, insert
from sqlalchemy.engine.interfaces import Dialect


@dataclass(frozen=True, slots=True)
class Compiled:
    """The text of a statement, with the order of its arguments where the driver wants them by place."""

    text: str
    order: tuple[str, ...] | None

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
    arguments = [statement.arguments(each) for each in values]
    if conn.dialect.name != "sqlite":
        conn.exec_driver_sql(statement.text, arguments)
    else:
        _driver(conn).executemany(statement.text, arguments)


@lru_cache(maxsize=64)
def insert_into(table: Table, dialect: Dialect) -> Compiled:
    """The insert of one whole row."""
    return compiled(insert(table), dialect)


def _driver(conn: Connection) -> Any:
    return conn.connection.driver_connection
