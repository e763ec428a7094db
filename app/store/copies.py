"""Copies of what a sandbox holds: for new sandboxes, clones, snapshots and restores.

A copy is rows of another sandbox in the same tables, so that making one is a few ``INSERT … SELECT``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    Delete,
    Insert,
    String,
    Table,
    bindparam,
    delete,
    insert,
    literal_column,
    select,
)
from sqlalchemy.engine.interfaces import Dialect

from app.store import stamp, statements, tables
from app.store.statements import Compiled


class Rule(Enum):
    """What becomes of a table's rows when its sandbox is copied, restored or reset. Deletion takes them all."""

    STATE = "state"
    """Copied; replaced by a restore; emptied by a reset."""
    HISTORY = "history"
    """What happened in this sandbox: in no copy; a restore leaves it; emptied by a reset."""
    SAVED = "saved"
    """In no copy; neither a restore nor a reset touches it."""


RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "person": Rule.STATE,
        "person_identifier": Rule.STATE,
        "practitioner": Rule.STATE,
        "organisation": Rule.STATE,
        "setting": Rule.STATE,
        "resource": Rule.STATE,
        "rendition": Rule.STATE,
        "resource_history": Rule.STATE,
        "search_index": Rule.STATE,
        "part": Rule.STATE,
        "received": Rule.STATE,
        "content": Rule.STATE,
        "client": Rule.STATE,
        "client_template": Rule.STATE,
        "client_draft": Rule.STATE,
        "fault_hit": Rule.STATE,  # the nth call is counted on from where the copy was made
        "signing_key": Rule.STATE,
        "audit": Rule.HISTORY,
        "audit_head": Rule.HISTORY,
        "audit_checkpoint": Rule.HISTORY,
        "exchange": Rule.HISTORY,
        "replay": Rule.HISTORY,
        "lease": Rule.HISTORY,  # log-ins and refresh tokens are good with the issuer that gave them, and go on there
        "outbox": Rule.HISTORY,
        "snapshot": Rule.SAVED,
    }
)
"""Every table with rows of a sandbox has a rule."""


def copy(conn: Connection, source: str, target: str) -> None:
    """Copy the state of ``source`` as it is at one moment into ``target``, which has none."""
    stamp.moved(conn)
    values = {"source": source, "target": target}
    if conn.dialect.name == "sqlite":
        for statement in _copies(conn.dialect):
            statements.run(conn, statement, values)
    else:
        statements.rows(conn, _copy_at_once(conn.dialect), values)


def clear(conn: Connection, sandbox: str, *rules: Rule) -> None:
    """Take away the rows of the tables under ``rules``."""
    stamp.moved(conn)
    for statement in _clearing(conn.dialect, rules):
        statements.run(conn, statement, {"sandbox": sandbox})


def of_sandbox() -> Mapping[str, Column[Any]]:
    """The column that names the sandbox, for every table with rows of one."""
    found: dict[str, Column[Any]] = {table.name: table.c.sandbox for table in tables.OF_SANDBOX}
    return {**found, tables.signing_key.name: tables.signing_key.c.owner}


@lru_cache(maxsize=4)
def _copies(dialect: Dialect) -> Sequence[Compiled]:
    return [statements.compiled(_insert(column), dialect) for column in _under(Rule.STATE)]


@lru_cache(maxsize=4)
def _copy_at_once(dialect: Dialect) -> Compiled:
    """One statement sees one moment, whatever others commit meanwhile; on SQLite the writer holds the lock."""
    copies = [
        _insert(column).returning(literal_column("1").label("one")).cte(f"copy_{column.table.name}")
        for column in _under(Rule.STATE)
    ]
    return statements.compiled(select(literal_column("1")).add_cte(*copies), dialect)


@lru_cache(maxsize=16)
def _clearing(dialect: Dialect, rules: tuple[Rule, ...]) -> Sequence[Compiled]:
    return [statements.compiled(_delete(column), dialect) for column in _under(*rules)]


def _under(*rules: Rule) -> Sequence[Column[Any]]:
    return [column for name, column in of_sandbox().items() if RULES[name] in rules]


def _insert(column: Column[Any]) -> Insert:
    table = _table(column)
    rest = [other for other in table.c if other is not column]
    source = select(bindparam("target", type_=String), *rest).where(column == bindparam("source", type_=String))
    return insert(table).from_select([column, *rest], source)


def _delete(column: Column[Any]) -> Delete:
    return delete(_table(column)).where(column == bindparam("sandbox", type_=String))


def _table(column: Column[Any]) -> Table:
    assert isinstance(column.table, Table)
    return column.table
