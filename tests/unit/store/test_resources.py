"""Parts of resources: replaced whole, with history; found within one patient only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, func, select

from app.fhir.search import Token, read_date
from app.store import resources, tables
from app.store.resources import IndexRow, NewResource, Owner, Part, Query, TokenTest

OWNER = Owner("default", "P01", "PPS")
OTHER = Owner("default", "P02", "PPS")
ELSEWHERE = Owner("another", "P01", "PPS")


@pytest.fixture
def conn() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    tables.metadata.create_all(engine)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def part(name: str, body: bytes = b"{}") -> Part:
    return Part(name, f"key-{name}", 1.0, body)


def report(id_: str, effective: float = 0.0, *index: IndexRow, body: bytes = b"{}") -> NewResource:
    when = IndexRow("date", low=effective, high=effective + 1)
    return NewResource("DiagnosticReport", id_, effective, body, (when, *index))


def ids(conn: Connection, query: Query, owner: Owner = OWNER, hidden: Any = ()) -> list[str]:
    return [row.id for row in resources.find(conn, owner, query, hidden).rows]


ALL = Query("DiagnosticReport")


def test_newest_first_then_id(conn: Connection) -> None:
    resources.put_part(conn, OWNER, part("a"), [report("b", 5.0), report("a", 5.0), report("c", 9.0)], 1.0)
    assert ids(conn, ALL) == ["c", "a", "b"]


@pytest.mark.parametrize("owner", [OTHER, ELSEWHERE, Owner("default", "P01", "PJD")])
def test_nobody_elses(conn: Connection, owner: Owner) -> None:
    resources.put_part(conn, owner, part("a"), [report("b")], 1.0)
    assert resources.find(conn, OWNER, ALL) == resources.Found([], 0)


@pytest.mark.parametrize(
    ("count", "skip", "shown", "total"),
    [(2, 0, 2, 5), (2, 4, 1, 5), (2, 5, 0, 5), (5, 0, 5, 5), (9, 0, 5, 5), (0, 0, 0, 5), (3, 99, 0, 5)],
)
def test_page_and_total(conn: Connection, count: int, skip: int, shown: int, total: int) -> None:
    resources.put_part(conn, OWNER, part("a"), [report(str(i), float(i)) for i in range(5)], 1.0)
    found = resources.find(conn, OWNER, Query("DiagnosticReport", count=count, skip=skip))
    assert (len(found.rows), found.total) == (shown, total)


def test_hidden_parts_are_not_counted(conn: Connection) -> None:
    resources.put_part(conn, OWNER, part("a"), [report("1")], 1.0)
    resources.put_part(conn, OWNER, part("b"), [report("2")], 1.0)
    found = resources.find(conn, OWNER, ALL, {"a"})
    assert ([row.id for row in found.rows], found.total) == (["2"], 1)


def tokens(*found: Token) -> Query:
    return Query("DiagnosticReport", tokens=(TokenTest("_tag", found),))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([Token(None, "A")], ["1", "2"]),
        ([Token("s", "A")], ["1"]),
        ([Token("", "A")], ["2"]),
        ([Token("s", None)], ["1", "3"]),
        ([Token(None, "B"), Token("", "A")], ["2", "3"]),
        ([Token(None, "C")], []),
    ],
)
def test_tokens(conn: Connection, wanted: list[Token], expected: list[str]) -> None:
    made = [
        report("1", 0.0, IndexRow("_tag", "A", "s")),
        report("2", 0.0, IndexRow("_tag", "A", "")),
        report("3", 0.0, IndexRow("_tag", "B", "s")),
        report("4", 0.0, IndexRow("identifier", "A", "s")),
    ]
    resources.put_part(conn, OWNER, part("a"), made, 1.0)
    assert ids(conn, tokens(*wanted)) == expected


def test_dates_are_alternatives_within_and_conditions_between(conn: Connection) -> None:
    days = {day: read_date(f"2026-01-{day}").low for day in ("10", "11", "12")}
    resources.put_part(conn, OWNER, part("a"), [report(day, low) for day, low in days.items()], 1.0)
    either = (read_date("2026-01-10"), read_date("2026-01-12"))
    assert ids(conn, Query("DiagnosticReport", dates=(either,))) == ["12", "10"]
    both = (either, (read_date("gt2026-01-10"),))
    assert ids(conn, Query("DiagnosticReport", dates=both)) == ["12"]


def edges(conn: Connection) -> None:
    request = NewResource("ServiceRequest", "r", 0.0, b"{}")
    made = [report("1", 0.0, IndexRow("based-on", "r", "ServiceRequest")), request]
    resources.put_part(conn, OWNER, part("a"), made, 1.0)
    resources.put_part(conn, OWNER, part("b"), [report("2", 0.0, IndexRow("based-on", "r", "ServiceRequest"))], 1.0)
    resources.put_part(conn, OTHER, part("c"), [NewResource("ServiceRequest", "r", 0.0, b"other")], 1.0)


def test_references_are_followed_both_ways(conn: Connection) -> None:
    edges(conn)
    forward = resources.referred_to(conn, OWNER, "DiagnosticReport", ["based-on"], ["1", "2"])
    assert [(row.type, row.id, row.body) for row in forward] == [("ServiceRequest", "r", b"{}")]
    back = resources.referring_to(conn, OWNER, "DiagnosticReport", ["based-on"], ["r"])
    assert [row.id for row in back] == ["1", "2"]


def test_references_into_hidden_parts_lead_nowhere(conn: Connection) -> None:
    edges(conn)
    assert resources.referred_to(conn, OWNER, "DiagnosticReport", ["based-on"], ["2"], {"a"}) == []
    assert [row.id for row in resources.referring_to(conn, OWNER, "DiagnosticReport", ["based-on"], ["r"], {"a"})] == [
        "2"
    ]


def versions(conn: Connection, table: Any = tables.resource) -> dict[str, int]:
    return {row[0]: row[1] for row in conn.execute(select(table.c.id, table.c.version))}


def test_replacing_keeps_what_is_the_same_and_remembers_the_rest(conn: Connection) -> None:
    resources.put_part(conn, OWNER, part("a"), [report("same"), report("changed"), report("gone")], 1.0)
    resources.put_part(conn, OWNER, part("a"), [report("same"), report("changed", body=b"2"), report("new")], 2.0)
    assert versions(conn) == {"same": 1, "changed": 2, "new": 1}
    assert versions(conn, tables.resource_history) == {"changed": 1, "gone": 1}
    updated = {row[0]: row[1] for row in conn.execute(select(tables.resource.c.id, tables.resource.c.updated))}
    assert updated == {"same": 1.0, "changed": 2.0, "new": 2.0}
    resources.put_part(conn, OWNER, part("a"), [report("gone")], 3.0)
    assert versions(conn) == {"gone": 2}


def test_replacing_leaves_no_old_search_values(conn: Connection) -> None:
    resources.put_part(conn, OWNER, part("a"), [report("1", 0.0, IndexRow("_tag", "A"))], 1.0)
    resources.put_part(conn, OWNER, part("a"), [report("1", 0.0, IndexRow("_tag", "B"))], 2.0)
    assert ids(conn, tokens(Token(None, "A"))) == []
    assert ids(conn, tokens(Token(None, "B"))) == ["1"]


def test_a_deleted_part_goes_to_the_history(conn: Connection) -> None:
    resources.put_part(conn, OWNER, part("a"), [report("1", 0.0, IndexRow("_tag", "A"))], 1.0)
    assert resources.delete_part(conn, OWNER, "a")
    assert not resources.delete_part(conn, OWNER, "a")
    for table in (tables.resource, tables.search_index, tables.part):
        assert conn.execute(select(func.count()).select_from(table)).scalar() == 0
    assert versions(conn, tables.resource_history) == {"1": 1}
    resources.put_part(conn, OWNER, part("a"), [report("1")], 2.0)
    assert versions(conn) == {"1": 2}


def test_parts(conn: Connection) -> None:
    resources.put_part(conn, OWNER, part("b", b"B"), [report("2")], 1.0)
    resources.put_part(conn, OWNER, part("a", b"A"), [report("1")], 1.0)
    assert resources.parts(conn, OWNER) == [("a", b"A"), ("b", b"B")]
    assert resources.parts(conn, OTHER) == []
    owned = resources.part_by_key(conn, "default", "PPS", "key-a")
    assert owned == resources.OwnedPart("P01", part("a", b"A"))
    assert resources.part_by_key(conn, "another", "PPS", "key-a") is None
    assert resources.part_of(conn, "default", "PPS", "DiagnosticReport", ["1", "9"]) == {"1": "a"}


def test_a_message_is_new_once_for_each_sender(conn: Connection) -> None:
    assert not resources.seen(conn, "default", "PPS", "lab", "m", 1.0)
    assert resources.seen(conn, "default", "PPS", "lab", "m", 2.0)
    assert not resources.seen(conn, "default", "PPS", "other lab", "m", 2.0)
    assert not resources.seen(conn, "another", "PPS", "lab", "m", 2.0)


def test_a_dump_is_the_same_in_another_sandbox(conn: Connection) -> None:
    resources.put_part(conn, OWNER, part("a"), [report("1", 4.0, IndexRow("_tag", "A"))], 1.0)
    resources.seen(conn, "default", "PPS", "lab", "m", 1.0)
    resources.load(conn, "another", resources.dump(conn, "default", "PPS"), 7.0)
    assert ids(conn, tokens(Token(None, "A")), ELSEWHERE) == ["1"]
    assert resources.parts(conn, ELSEWHERE) == resources.parts(conn, OWNER)
    assert resources.seen(conn, "another", "PPS", "lab", "m", 8.0)
    stamps = select(tables.resource.c.updated).where(tables.resource.c.sandbox == "another")
    assert conn.execute(stamps).scalars().all() == [7.0]


def test_more_ids_than_a_statement_takes(conn: Connection) -> None:
    many = [report(f"{i:04d}", 0.0, IndexRow("based-on", "r", "ServiceRequest")) for i in range(1201)]
    resources.put_part(conn, OWNER, part("a"), [*many, NewResource("ServiceRequest", "r", 0.0, b"{}")], 1.0)
    wanted = [resource.id for resource in many]
    assert len(resources.referred_to(conn, OWNER, "DiagnosticReport", ["based-on"], wanted)) == 1
    assert len(resources.part_of(conn, "default", "PPS", "DiagnosticReport", wanted)) == 1201
    resources.put_part(conn, OWNER, part("a"), [], 2.0)
    assert ids(conn, ALL) == []


def test_the_same_statements_serve_postgresql(postgres: Callable[[], str]) -> None:
    engine = create_engine(postgres())
    with engine.begin() as connection:
        tables.metadata.create_all(connection)
        edges(connection)
        tagged = report("3", 5.0, IndexRow("_tag", "A", "s"))
        resources.put_part(connection, OWNER, part("d"), [tagged], 1.0)
        resources.put_part(connection, OWNER, part("d"), [report("3", 5.0, IndexRow("_tag", "A", "s"), body=b"2")], 2.0)
        assert ids(connection, ALL) == ["3", "1", "2"]
        assert ids(connection, ALL, hidden={"d"}) == ["1", "2"]
        wanted = (Token("s", "A"), Token(None, "B"), Token("t", None))
        dates = ((read_date("lt1971"), read_date("gt2020")),)
        query = Query("DiagnosticReport", ("3", "1"), (TokenTest("_tag", wanted),), dates, count=1)
        assert resources.find(connection, OWNER, query) == resources.Found(
            [resources.Row("DiagnosticReport", "3", b"2")], 1
        )
        forward = resources.referred_to(connection, OWNER, "DiagnosticReport", ["based-on"], ["1", "2"])
        assert [row.id for row in forward] == ["r"]
        back = resources.referring_to(connection, OWNER, "DiagnosticReport", ["based-on"], ["r"], {"a"})
        assert [row.id for row in back] == ["2"]
        assert resources.part_by_key(connection, "default", "PPS", "key-d") is not None
        assert resources.delete_part(connection, OWNER, "d")
    engine.dispose()
