"""Rows of a sandbox in every table there is, made from the tables themselves, and read back for comparison."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import count
from typing import Any

from sqlalchemy import Boolean, Column, Connection, Float, Integer, LargeBinary, insert, select

from app.store import copies

Dump = Mapping[str, tuple[tuple[Any, ...], ...]]


def fill_every_table(conn: Connection, sandbox: str, times: int = 2) -> None:
    """Put ``times`` rows of the sandbox into every table."""
    for name, owner in copies.of_sandbox().items():
        if name == "snapshot":  # its rows name hidden sandboxes
            continue
        for number in range(times):
            conn.execute(insert(owner.table).values(_row(owner, sandbox, number)))


def dump(conn: Connection, sandbox: str, *, without_owner: bool = False, leave_out: Collection[str] = ()) -> Dump:
    """All rows of the sandbox by table, in a fixed order.

    ``without_owner`` leaves out whose they are, ``leave_out`` whole tables.
    """
    found = {}
    for name, owner in copies.of_sandbox().items():
        if name in leave_out:
            continue
        kept = [column for column in owner.table.c if not (without_owner and column is owner)]
        rows = conn.execute(select(*kept).where(owner == sandbox))
        found[name] = tuple(sorted((tuple(row) for row in rows), key=repr))
    return found


_NUMBERS = count(1)


def _row(owner: Column[Any], sandbox: str, number: int) -> dict[str, Any]:
    values = {column.name: _value(column, number) for column in owner.table.c}
    return {**values, owner.name: sandbox}


def _value(column: Column[Any], number: int) -> Any:
    if isinstance(column.type, Integer) and column.primary_key and "sandbox" not in column.table.primary_key.columns:
        return next(_NUMBERS)
    if isinstance(column.type, LargeBinary):
        return b'{"n":%d}' % number
    if isinstance(column.type, Boolean):
        return number % 2 == 0
    if isinstance(column.type, Integer):
        return number
    if isinstance(column.type, Float):
        return 4_000_000_000.0 + number
    if (column.table.name, column.name) == ("signing_key", "state"):
        return "next" if number else "current"
    return f"{column.name[:8]}{number}"
