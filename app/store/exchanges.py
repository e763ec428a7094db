"""The request journal: one row an exchange, its explanation as JSON.

Rows have a number, ``seq``, in the order they came to be seen: whoever has read up to a number misses nothing by
asking for what is greater, also when a slow request, or another process, hands in its row late. Ids of exchanges
do not have that property; they tell when a request began.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import orjson
from sqlalchemy import BindParameter, ColumnElement, Connection, Select, bindparam, delete, func, insert, select
from sqlalchemy.engine.interfaces import Dialect

from app.store import statements
from app.store.statements import Compiled
from app.store.tables import exchange

_ABSENT: Final[Mapping[str, None]] = dict.fromkeys(
    ("reason", "client", "patient", "method", "path", "operation", "rule", "millis", "summary")
)
_LOCKS: Final = 0x4A524E4C  # the class of PostgreSQL advisory locks that order a sandbox's rows
_EQUAL: Final = ("service", "status", "reason", "client", "patient", "method", "operation")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which exchanges; what is None does not narrow. ``since`` and ``until`` are real time, epoch seconds.

    ``path`` is a pattern over the path below the service's address, ``*`` and ``?`` for any characters and any
    one, in any case.
    """

    service: str | None = None
    status: int | None = None
    reason: str | None = None
    client: str | None = None
    patient: str | None = None
    method: str | None = None
    operation: str | None = None
    path: str | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """What a list shows of an exchange. ``at`` is real time, ``millis`` how long it took."""

    seq: int
    id: str
    service: str
    method: str | None
    path: str | None
    operation: str | None
    status: int
    reason: str | None
    rule: str | None
    client: str | None
    patient: str | None
    at: float
    millis: float | None
    summary: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, and the number to go on from."""

    rows: tuple[Row, ...]
    cursor: int


def add(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Append rows; gives them as they were stored. Called by the writer, last before it commits."""
    full = [{**_ABSENT, **row, "size": len(row["body"])} for row in rows]
    if conn.dialect.name == "postgresql":
        # A number is drawn before its row is seen: within a sandbox, one process at a time draws and commits.
        for key in sorted({zlib.crc32(row["sandbox"].encode()) - 2**31 for row in full}):
            conn.exec_driver_sql("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCKS, key))
    statements.run_many(conn, _insert(conn.dialect), full)
    return full


def get(conn: Connection, sandbox: str, exchange_id: str) -> dict[str, Any] | None:
    """One exchange with its explanation, or None."""
    body = conn.execute(
        select(exchange.c.body).where(exchange.c.sandbox == sandbox, exchange.c.id == exchange_id)
    ).scalar()
    return None if body is None else orjson.loads(body)


def place(conn: Connection, sandbox: str, exchange_id: str) -> int | None:
    """The number of an exchange's row; None when it is not here, or not any more."""
    return conn.execute(
        select(exchange.c.seq).where(exchange.c.sandbox == sandbox, exchange.c.id == exchange_id)
    ).scalar()


def end(conn: Connection, sandbox: str) -> int:
    """The greatest number in the sandbox; 0 when there are no rows."""
    return conn.execute(select(func.max(exchange.c.seq)).where(exchange.c.sandbox == sandbox)).scalar() or 0


def newest(conn: Connection, sandbox: str, wanted: Wanted, limit: int) -> Page:
    """The newest rows first, without bodies. What is newer than the page has greater numbers than its cursor."""
    last = end(conn, sandbox)
    statement = _rows(sandbox, wanted).where(exchange.c.seq <= last).order_by(exchange.c.seq.desc()).limit(limit)
    return Page(tuple(Row(*row) for row in conn.execute(statement)), last)


def newer(conn: Connection, sandbox: str, wanted: Wanted, cursor: int, limit: int) -> Page:
    """The first rows after ``cursor``, in the order they came. The next page begins at this page's cursor."""
    last = end(conn, sandbox)
    statement = (
        _rows(sandbox, wanted)
        .where(exchange.c.seq > cursor, exchange.c.seq <= last)
        .order_by(exchange.c.seq)
        .limit(limit)
    )
    rows = tuple(Row(*row) for row in conn.execute(statement))
    return Page(rows, rows[-1].seq if len(rows) == limit else max(last, cursor))


def bodies(conn: Connection, sandbox: str, wanted: Wanted, limit: int) -> Iterator[tuple[bytes, Row]]:
    """The newest ``limit`` exchanges with their explanations (JSON), the oldest of them first."""
    some = (
        select(exchange.c.seq)
        .where(*_conditions(sandbox, wanted))
        .order_by(exchange.c.seq.desc())
        .limit(limit)
        .subquery()
    )
    statement = select(exchange.c.body, *_shown()).join(some, some.c.seq == exchange.c.seq).order_by(exchange.c.seq)
    for body, *row in conn.execute(statement):
        yield body, Row(*row)


def clear(conn: Connection, sandbox: str) -> None:
    """Remove every row of the sandbox. Their numbers are not used again."""
    conn.execute(delete(exchange).where(exchange.c.sandbox == sandbox))


def _rows(sandbox: str, wanted: Wanted) -> Select[Any]:
    return select(*_shown()).where(*_conditions(sandbox, wanted))


def _shown() -> list[ColumnElement[Any]]:
    return [exchange.c[name] for name in Row.__dataclass_fields__]


def _conditions(sandbox: str, wanted: Wanted) -> list[ColumnElement[bool]]:
    columns = exchange.c
    found: list[ColumnElement[bool]] = [columns.sandbox == sandbox]
    found += [columns[name] == value for name in _EQUAL if (value := getattr(wanted, name)) is not None]
    if wanted.path is not None:
        found.append(columns.path.ilike(_like(wanted.path), escape="\\"))
    if wanted.since is not None:
        found.append(columns.at >= wanted.since)
    if wanted.until is not None:
        found.append(columns.at < wanted.until)
    return found


def _like(pattern: str) -> str:
    plain = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return plain.replace("*", "%").replace("?", "_")


@lru_cache(maxsize=4)
def _insert(dialect: Dialect) -> Compiled:
    named: dict[str, BindParameter[Any]] = {
        column.name: bindparam(column.name) for column in exchange.c if column.name != "seq"
    }
    return statements.repeatable(insert(exchange).values(named), dialect)
