"""The search against a model that knows no SQL: every patient's resources in a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from app.fhir.search import PREFIXES, DateTest, Token, read_date
from app.store import resources, tables
from app.store.resources import Code, Comparison, IndexRow, NewResource, Owner, Part, Query, TokenTest

TYPE = "Observation"
OWNERS = (Owner("s", "p1", "PPS"), Owner("s", "p2", "PPS"), Owner("t", "p1", "PPS"))


@dataclass(frozen=True)
class Item:
    """A stored resource as the model sees it."""

    owner: Owner
    part: str
    id: str
    low: float
    high: float
    tags: frozenset[tuple[str, str]]


# The definitions of FHIR R4 on half-open intervals, written out one by one.
MODEL: Mapping[str, Callable[[Item, Comparison], bool]] = {
    "eq": lambda item, test: test.low <= item.low and item.high <= test.high,
    "ne": lambda item, test: not (test.low <= item.low and item.high <= test.high),
    "gt": lambda item, test: item.high > test.high,
    "lt": lambda item, test: item.low < test.low,
    "ge": lambda item, test: item.high > test.high or (test.low <= item.low and item.high <= test.high),
    "le": lambda item, test: item.low < test.low or (test.low <= item.low and item.high <= test.high),
}


def found_by_model(items: list[Item], owner: Owner, query: Query, hidden: frozenset[str]) -> list[str]:
    kept = [
        item
        for item in items
        if item.owner == owner
        and item.part not in hidden
        and (query.ids is None or item.id in query.ids)
        and all(any(carries(item, token) for token in test.tokens) for test in query.tokens)
        and all(any(MODEL[test.prefix](item, test) for test in tests) for tests in query.dates)
    ]
    return [item.id for item in sorted(kept, key=lambda item: (-item.low, item.id))]


def carries(item: Item, token: Code) -> bool:
    return any(
        (token.system is None or token.system == system) and (token.code is None or token.code == code)
        for system, code in item.tags
    )


def part_of(owner: Owner, name: str) -> str:
    return f"{owner.sandbox}{owner.patient}{name}"


TAGS = st.tuples(st.sampled_from(["", "s1", "s2"]), st.sampled_from(["A", "B", "C"]))
TIMES = st.integers(0, 6).map(float)
ITEMS = st.lists(
    st.builds(
        lambda owner, part, id_, low, length, tags: Item(owner, part_of(owner, part), id_, low, low + length, tags),
        st.sampled_from(OWNERS),
        st.sampled_from(["x", "y"]),
        st.sampled_from([f"{i}" for i in range(6)]),
        TIMES,
        st.sampled_from([0.5, 1.0, 2.0]),
        st.frozensets(TAGS, max_size=3),
    ),
    max_size=14,
    unique_by=lambda item: (item.owner, item.id),
)
TOKENS = st.one_of(
    st.builds(Token, st.none(), st.sampled_from(["A", "B", "D"])),
    st.builds(Token, st.sampled_from(["", "s1"]), st.sampled_from(["A", "C"])),
    st.builds(Token, st.sampled_from(["", "s2"]), st.none()),
)
DATES = st.builds(
    lambda prefix, low, length: DateTest(prefix, low, low + length),
    st.sampled_from(PREFIXES),
    TIMES,
    st.sampled_from([1.0, 3.0]),
)
TOKEN_TESTS = st.builds(TokenTest, st.just("_tag"), st.lists(TOKENS, min_size=1, max_size=3).map(tuple))
QUERIES = st.builds(
    Query,
    type=st.just(TYPE),
    ids=st.none() | st.lists(st.sampled_from(["0", "1", "9"]), max_size=3).map(tuple),
    tokens=st.lists(TOKEN_TESTS, max_size=2).map(tuple),
    dates=st.lists(st.lists(DATES, min_size=1, max_size=2).map(tuple), max_size=2).map(tuple),
    count=st.integers(0, 5),
    skip=st.integers(0, 5),
)


@settings(max_examples=150, deadline=None)
@given(items=ITEMS, query=QUERIES, owner=st.sampled_from(OWNERS), hide=st.booleans())
def test_search_is_the_model(items: list[Item], query: Query, owner: Owner, hide: bool) -> None:
    hidden = frozenset({part_of(owner, "x")}) if hide else frozenset()
    engine = create_engine("sqlite://")
    with engine.begin() as conn:
        tables.metadata.create_all(conn)
        for part in sorted({item.part for item in items}):
            own = [item for item in items if item.part == part]
            resources.put_part(conn, own[0].owner, Part(part, part, 0.0, b"{}"), [stored(item) for item in own], 0.0)
        found = resources.find(conn, owner, query, hidden)
    engine.dispose()
    expected = found_by_model(items, owner, query, hidden)
    assert found.total == len(expected)
    assert [row.id for row in found.rows] == expected[query.skip : query.skip + query.count]


def stored(item: Item) -> NewResource:
    index = [IndexRow("_tag", code, system) for system, code in item.tags]
    return NewResource(TYPE, item.id, item.low, b"{}", (IndexRow("date", low=item.low, high=item.high), *index))


@given(st.dates(date(1000, 1, 1), date(9998, 12, 31)))
def test_a_day_is_inside_its_month_and_year(day: date) -> None:
    text = day.isoformat()
    whole, month, year = (read_date(value) for value in (text, text[:7], text[:4]))
    assert year.low <= month.low <= whole.low < whole.high <= month.high <= year.high


@given(st.text(max_size=30))
def test_any_text_is_a_date_or_a_fault(text: str) -> None:
    try:
        found = read_date(text)
    except ValueError:
        return
    assert found.low < found.high
