"""The stored resources of a patient: written a part at a time, found by search values and by references.

Every access begins with ``(sandbox, patient, service)``, so that its time depends on that patient's data
alone, however much the store holds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    tuple_,
)
from sqlalchemy.engine.interfaces import Dialect

from app.store import statements, tables
from app.store.statements import Compiled

DATE: Final = "date"
_OF_SERVICE: Final = (
    tables.resource,
    tables.resource_history,
    tables.search_index,
    tables.part,
    tables.received,
)
_WHEN_STORED: Final = ("updated", "at")
_CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose data, in which service."""

    sandbox: str
    patient: str
    service: str


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One search value. A reference has the target's id as ``value`` and its type as ``system``.

    A date has ``low`` and ``high`` (epoch seconds, half-open) and no value.
    """

    param: str
    value: str = ""
    system: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class NewResource:
    """A resource to store: ``effective`` in epoch seconds, ``body`` the bytes that will leave."""

    type: str
    id: str
    effective: float
    body: bytes
    index: tuple[IndexRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A unit of resources that come and go together. ``body`` is what the service must remember of it."""

    id: str
    key: str
    generated: float
    body: bytes


@dataclass(frozen=True, slots=True)
class OwnedPart:
    """A part with the person it is about."""

    patient: str
    part: Part


class Code(Protocol):
    """A code to look for. ``system`` None: any; ``code`` None: every code of the system."""

    @property
    def system(self) -> str | None: ...

    @property
    def code(self) -> str | None: ...


class Comparison(Protocol):
    """How a stored interval compares: ``prefix`` (eq, ne, gt, lt, ge, le) with ``[low, high)`` in epoch seconds."""

    @property
    def prefix(self) -> str: ...

    @property
    def low(self) -> float: ...

    @property
    def high(self) -> float: ...


class Row(NamedTuple):
    """A stored resource as it is read."""

    type: str
    id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class TokenTest:
    """Some value of ``param`` is one of ``tokens``."""

    param: str
    tokens: tuple[Code, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for: all of ``ids`` (None: any), ``tokens`` and ``dates`` must hold.

    Each element of ``dates`` is a list of alternatives. The answer is ordered by effective time, newest
    first, then id.
    """

    type: str
    ids: tuple[str, ...] | None = None
    tokens: tuple[TokenTest, ...] = ()
    dates: tuple[tuple[Comparison, ...], ...] = ()
    count: int = 50
    skip: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A page and how many there are on all pages."""

    rows: Sequence[Row]
    total: int


def find(conn: Connection, owner: Owner, query: Query, hidden: Collection[str] = ()) -> Found:
    """The page of ``query``, without the resources of the parts in ``hidden``.

    One statement, two when the page alone does not tell the total.
    """
    shape = _shape(query, bool(hidden))
    values = _values(owner, query, hidden)
    rows: list[Row] = []
    if query.count:
        rows = [Row(query.type, row[0], row[1]) for row in _page_of(conn, shape, values)]
        if len(rows) < query.count and (rows or not query.skip):
            return Found(rows, query.skip + len(rows))
    return Found(rows, _total_of(conn, shape, values))


def referred_to(
    conn: Connection,
    owner: Owner,
    source: str,
    params: Collection[str],
    ids: Collection[str],
    hidden: Collection[str] = (),
) -> list[Row]:
    """What the resources ``ids`` of type ``source`` refer to by ``params``, each once, by type and id."""
    return _follow(conn, _REFERRED, owner, source, params, ids, hidden)


def referring_to(
    conn: Connection,
    owner: Owner,
    source: str,
    params: Collection[str],
    targets: Collection[str],
    hidden: Collection[str] = (),
) -> list[Row]:
    """The resources of type ``source`` that refer to one of the ids ``targets`` by ``params``, each once, by id."""
    return _follow(conn, _REFERRING, owner, source, params, targets, hidden)


def parts(conn: Connection, owner: Owner) -> list[tuple[str, bytes]]:
    """Id and remembered bytes of every part of the patient, by id."""
    rows = conn.execute(_PARTS, {"sandbox": owner.sandbox, "patient": owner.patient, "service": owner.service})
    return [(row[0], row[1]) for row in rows]


def counts(conn: Connection, sandbox: str, service: str) -> dict[str, int]:
    """How many parts are stored of each patient, by the patient's id."""
    columns = tables.part.c
    statement = select(columns.patient, func.count()).where(columns.sandbox == sandbox, columns.service == service)
    return {row[0]: row[1] for row in conn.execute(statement.group_by(columns.patient))}


def part_by_key(conn: Connection, sandbox: str, service: str, key: str) -> OwnedPart | None:
    """The part with the service's own key, whoever it is about; locked until the transaction ends."""
    columns = tables.part.c
    row = conn.execute(
        select(columns.patient, columns.id, columns.key, columns.generated, columns.body)
        .where(columns.sandbox == sandbox, columns.service == service, columns.key == key)
        .with_for_update()
    ).first()
    return None if row is None else OwnedPart(row[0], Part(row[1], row[2], row[3], row[4]))


def part_of(conn: Connection, sandbox: str, service: str, type_: str, ids: Collection[str]) -> dict[str, str]:
    """The part each of ``ids`` belongs to, for those that are stored, whoever they are about."""
    columns = tables.resource.c
    found: dict[str, str] = {}
    for some in _chunks(sorted(ids)):
        rows = conn.execute(
            select(columns.id, columns.part_of).where(
                columns.sandbox == sandbox, columns.service == service, columns.type == type_, columns.id.in_(some)
            )
        )
        found.update((row[0], row[1]) for row in rows)
    return found


def put_part(conn: Connection, owner: Owner, part: Part, resources: Sequence[NewResource], now: float) -> None:
    """Store a part; one with the same id is replaced whole.

    A resource that changed or is no longer there goes to the history; one with the same bytes keeps its
    version. ``now`` is epoch seconds on the sandbox clock.
    """
    known = _clear(conn, owner, part.id)
    before = {(row.type, row.id): row for row in known}
    after = {(resource.type, resource.id): resource for resource in resources}
    past = _past_versions(conn, owner, [key for key in after if key not in before])
    _archive(conn, owner, [row for key, row in before.items() if key not in after or after[key].body != row.body])
    rows = []
    for key, resource in after.items():
        old = before.get(key)
        same = old is not None and old.body == resource.body
        version = old.version + (not same) if old is not None else past.get(key, 0) + 1
        rows.append(
            {
                **_own(owner),
                "type": resource.type,
                "id": resource.id,
                "version": version,
                "part_of": part.id,
                "effective": resource.effective,
                "updated": old.updated if old is not None and same else now,
                "body": resource.body,
            }
        )
    if rows:
        conn.execute(insert(tables.resource), rows)
    index = [
        {**_own(owner), "type": resource.type, "id": resource.id, **_index_values(row)}
        for resource in after.values()
        for row in dict.fromkeys(resource.index)
    ]
    if index:
        conn.execute(insert(tables.search_index), index)
    conn.execute(
        insert(tables.part).values(**_own(owner), id=part.id, key=part.key, generated=part.generated, body=part.body)
    )


def delete_part(conn: Connection, owner: Owner, part_id: str) -> bool:
    """Take a part away; its resources go to the history. Tells whether there was one."""
    known = _clear(conn, owner, part_id)
    _archive(conn, owner, known)
    return bool(known)


@dataclass(frozen=True, slots=True)
class Dump:
    """All rows of a service in one sandbox, by table, without the sandbox; the times they were stored if asked for."""

    rows: tuple[tuple[Table, tuple[Mapping[str, Any], ...]], ...]


def dump(conn: Connection, sandbox: str, service: str, *, times: bool = False) -> Dump:
    """The resources, parts and accepted messages of a sandbox, to be loaded into others; ``times`` as they are here."""
    left_out = {"sandbox"} if times else {"sandbox", *_WHEN_STORED}
    found = []
    for table in _OF_SERVICE:
        kept = [column for column in table.c if column.name not in left_out]
        rows = conn.execute(select(*kept).where(table.c.sandbox == sandbox, table.c.service == service))
        found.append((table, tuple(MappingProxyType(dict(row._mapping)) for row in rows)))
    return Dump(tuple(found))


def load(conn: Connection, sandbox: str, content: Dump, now: float) -> None:
    """Put dumped rows into a sandbox that has none of them.

    ``now``, in epoch seconds on its clock, is when those that were dumped without a time are stored.
    """
    for table, rows in content.rows:
        stamps = {name: now for name in _WHEN_STORED if name in table.c}
        if rows:
            conn.execute(insert(table), [{**stamps, **row, "sandbox": sandbox} for row in rows])


def seen(conn: Connection, sandbox: str, service: str, sender: str, message: str, now: float) -> bool:
    """Whether the sender's message was accepted before; remembers it as accepted when not (ruling R52)."""
    columns = tables.received.c
    known = conn.execute(
        select(columns.at).where(
            columns.sandbox == sandbox,
            columns.service == service,
            columns.sender == sender,
            columns.message == message,
        )
    ).first()
    if known is not None:
        return True
    conn.execute(
        insert(tables.received).values(sandbox=sandbox, service=service, sender=sender, message=message, at=now)
    )
    return False


# writing


class _Stored(NamedTuple):
    type: str
    id: str
    version: int
    updated: float
    body: bytes


def _clear(conn: Connection, owner: Owner, part_id: str) -> list[_Stored]:
    """Remove a part's rows and give its resources as they were."""
    gone = conn.execute(delete(tables.part).where(*_owned(tables.part.c, owner), tables.part.c.id == part_id))
    if gone.rowcount == 0:
        return []
    columns = tables.resource.c
    where = (*_owned(columns, owner), columns.part_of == part_id)
    known = [
        _Stored(*row)
        for row in conn.execute(
            select(columns.type, columns.id, columns.version, columns.updated, columns.body).where(*where)
        )
    ]
    conn.execute(delete(tables.resource).where(*where))
    index = tables.search_index.c
    for type_, ids in _by_type((row.type, row.id) for row in known).items():
        for some in _chunks(ids):
            conn.execute(
                delete(tables.search_index).where(*_owned(index, owner), index.type == type_, index.id.in_(some))
            )
    return known


def _archive(conn: Connection, owner: Owner, rows: Sequence[_Stored]) -> None:
    if rows:
        conn.execute(insert(tables.resource_history), [{**_own(owner), **row._asdict()} for row in rows])


def _past_versions(conn: Connection, owner: Owner, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    columns = tables.resource_history.c
    found: dict[tuple[str, str], int] = {}
    for some in _chunks([id_ for _, id_ in keys]):
        rows = conn.execute(
            select(columns.type, columns.id, func.max(columns.version))
            .where(*_owned(columns, owner), columns.id.in_(some))
            .group_by(columns.type, columns.id)
        )
        found.update({(row[0], row[1]): row[2] for row in rows})
    return found


def _own(owner: Owner) -> dict[str, Any]:
    return {"sandbox": owner.sandbox, "patient": owner.patient, "service": owner.service}


def _index_values(row: IndexRow) -> dict[str, Any]:
    return {"param": row.param, "value": row.value, "system": row.system, "low": row.low, "high": row.high}


def _owned(columns: Any, owner: Owner) -> tuple[ColumnElement[bool], ...]:
    return columns.sandbox == owner.sandbox, columns.patient == owner.patient, columns.service == owner.service


def _by_type(keys: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for type_, id_ in keys:
        found.setdefault(type_, []).append(id_)
    return found


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


# finding


@dataclass(frozen=True, slots=True)
class _TokenShape:
    plain: bool
    pairs: bool
    systems: bool


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the text of a statement depends on; the values are bound."""

    ids: bool
    hidden: bool
    tokens: tuple[_TokenShape, ...]
    dates: tuple[tuple[str, ...], ...]


_PLAIN: Final = _Shape(ids=False, hidden=False, tokens=(), dates=())


def _shape(query: Query, hidden: bool) -> _Shape:
    if not (hidden or query.tokens or query.dates or query.ids is not None):
        return _PLAIN
    return _Shape(
        query.ids is not None,
        hidden,
        tuple(
            _TokenShape(
                any(token.system is None for token in test.tokens),
                any(token.system is not None and token.code is not None for token in test.tokens),
                any(token.code is None for token in test.tokens),
            )
            for test in query.tokens
        ),
        tuple(tuple(test.prefix for test in tests) for tests in query.dates),
    )


def _values(owner: Owner, query: Query, hidden: Collection[str]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "sandbox": owner.sandbox,
        "patient": owner.patient,
        "service": owner.service,
        "type": query.type,
        "count": query.count,
        "skip": query.skip,
    }
    if query.ids is not None:
        values["ids"] = query.ids
    if hidden:
        values["hidden"] = sorted(hidden)
    for i, test in enumerate(query.tokens):
        values[f"param{i}"] = test.param
        values[f"plain{i}"] = [token.code for token in test.tokens if token.system is None]
        values[f"pairs{i}"] = [
            (token.system, token.code) for token in test.tokens if token.system is not None and token.code is not None
        ]
        values[f"systems{i}"] = [token.system for token in test.tokens if token.code is None]
    for i, tests in enumerate(query.dates):
        for j, date in enumerate(tests):
            values[f"low{i}_{j}"], values[f"high{i}_{j}"] = date.low, date.high
    return values


def _page_of(conn: Connection, shape: _Shape, values: dict[str, Any]) -> Sequence[Any]:
    """The rows of a page. Of the search without conditions the text is ready made, which saves a third of the time."""
    if shape is not _PLAIN:
        return conn.execute(_page(shape), values).all()
    return statements.rows(conn, _plain_page(conn.dialect), values)


@lru_cache(maxsize=4)
def _plain_page(dialect: Dialect) -> Compiled:
    return statements.compiled(_page(_PLAIN), dialect)


def _total_of(conn: Connection, shape: _Shape, values: dict[str, Any]) -> int:
    if shape is not _PLAIN:
        return int(conn.execute(_total(shape), values).scalar_one())
    return int(statements.rows(conn, _plain_total(conn.dialect), values)[0][0])


@lru_cache(maxsize=4)
def _plain_total(dialect: Dialect) -> Compiled:
    return statements.compiled(_total(_PLAIN), dialect)


@lru_cache(maxsize=256)
def _page(shape: _Shape) -> Select[Any]:
    columns = tables.resource.c
    return (
        select(columns.id, columns.body)
        .where(*_conditions(shape))
        .order_by(columns.effective.desc(), columns.id)
        .limit(bindparam("count"))
        .offset(bindparam("skip"))
    )


@lru_cache(maxsize=256)
def _total(shape: _Shape) -> Select[Any]:
    return select(func.count()).select_from(tables.resource).where(*_conditions(shape))


def _conditions(shape: _Shape) -> Iterator[ColumnElement[bool]]:
    columns = tables.resource.c
    yield from _same_owner(columns)
    yield columns.type == bindparam("type")
    if shape.ids:
        yield columns.id.in_(bindparam("ids", expanding=True))
    if shape.hidden:
        yield columns.part_of.not_in(bindparam("hidden", expanding=True))
    index = tables.search_index.c
    own = (*_same_owner(index), index.type == bindparam("type"))
    for i, token in enumerate(shape.tokens):
        yield columns.id.in_(
            select(index.id).where(*own, index.param == bindparam(f"param{i}"), or_(*_token_alternatives(token, i)))
        )
    if shape.dates:
        tests = [
            or_(*(_DATE_TESTS[prefix](index, f"low{i}_{j}", f"high{i}_{j}") for j, prefix in enumerate(prefixes)))
            for i, prefixes in enumerate(shape.dates)
        ]
        yield columns.id.in_(select(index.id).where(*own, index.param == DATE, *tests))


def _token_alternatives(token: _TokenShape, i: int) -> Iterator[ColumnElement[bool]]:
    index = tables.search_index.c
    if token.plain:
        yield index.value.in_(bindparam(f"plain{i}", expanding=True))
    if token.pairs:
        yield tuple_(index.system, index.value).in_(bindparam(f"pairs{i}", expanding=True))
    if token.systems:
        yield index.system.in_(bindparam(f"systems{i}", expanding=True))


def _same_owner(columns: Any) -> tuple[ColumnElement[bool], ...]:
    return (
        columns.sandbox == bindparam("sandbox"),
        columns.patient == bindparam("patient"),
        columns.service == bindparam("service"),
    )


_DateTest = Callable[[Any, str, str], ColumnElement[bool]]

# FHIR R4 search, "prefixes": the stored value is [low, high), the asked one [bound low, bound high).
_DATE_TESTS: Final[Mapping[str, _DateTest]] = MappingProxyType(
    {
        "eq": lambda c, low, high: and_(c.low >= bindparam(low), c.high <= bindparam(high)),
        "ne": lambda c, low, high: or_(c.low < bindparam(low), c.high > bindparam(high)),
        "gt": lambda c, _, high: c.high > bindparam(high),
        "lt": lambda c, low, _: c.low < bindparam(low),
        "ge": lambda c, low, high: or_(c.low >= bindparam(low), c.high > bindparam(high)),
        "le": lambda c, low, high: or_(c.high <= bindparam(high), c.low < bindparam(low)),
    }
)


# following references


def _follow(
    conn: Connection,
    statement: Select[Any],
    owner: Owner,
    source: str,
    params: Collection[str],
    ids: Collection[str],
    hidden: Collection[str],
) -> list[Row]:
    found: dict[tuple[str, str], Row] = {}
    values = {**_own(owner), "type": source, "params": sorted(params), "hidden": sorted(hidden)}
    for some in _chunks(sorted(ids)):
        for row in conn.execute(statement, {**values, "ids": some}):
            found[row[0], row[1]] = Row(row[0], row[1], row[2])
    return [found[key] for key in sorted(found)]


def _following(*, forward: bool) -> Select[Any]:
    resource, index = tables.resource.c, tables.search_index.c
    keys = (index.system, index.value) if forward else (index.type, index.id)
    edges = select(*keys).where(
        *_same_owner(index),
        index.type == bindparam("type"),
        index.param.in_(bindparam("params", expanding=True)),
        (index.id if forward else index.value).in_(bindparam("ids", expanding=True)),
    )
    return select(resource.type, resource.id, resource.body).where(
        *_same_owner(resource),
        tuple_(resource.type, resource.id).in_(edges),
        resource.part_of.not_in(bindparam("hidden", expanding=True)),
    )


_REFERRED: Final = _following(forward=True)
_REFERRING: Final = _following(forward=False)
_PARTS: Final = (
    select(tables.part.c.id, tables.part.c.body).where(*_same_owner(tables.part.c)).order_by(tables.part.c.id)
)
