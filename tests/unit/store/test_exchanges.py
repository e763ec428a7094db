"""The journal's rows: their order, what narrows a list, and how much is kept."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.clock import ManualClock
from app.errors import Reason, Refusal
from app.store import exchanges, retention, tables
from app.store.engine import Connection, Store, Unit
from app.store.exchanges import Wanted
from app.store.retention import Limits, Retention

ANY = Wanted()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/j.db"
    made: str = request.getfixturevalue("postgres")()
    return made


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    made = open_store(url)
    tables.metadata.create_all(made.engine)
    made.start()
    yield made
    made.close()


def open_store(url: str, **options: Any) -> Store:
    return Store(url, ManualClock(1_000.0), **options)


def row(name: str, sandbox: str = "s", **values: Any) -> dict[str, Any]:
    return {"sandbox": sandbox, "id": name, "service": "pps", "at": 1.0, "status": 200, "body": b"{}", **values}


def fill(store: Store, *rows: dict[str, Any]) -> None:
    store.write_now(lambda conn: exchanges.add(conn, rows))


def ids(page: exchanges.Page) -> list[str]:
    return [each.id for each in page.rows]


def test_newest_first_and_on_from_the_cursor_in_order(store: Store) -> None:
    fill(store, row("B"), row("A"), row("C", "other"))
    page = store.read_now(lambda conn: exchanges.newest(conn, "s", ANY, 10))
    assert ids(page) == ["A", "B"]
    fill(store, row("0"), row("D"), row("E"))
    after = store.read_now(lambda conn: exchanges.newer(conn, "s", ANY, page.cursor, 2))
    assert ids(after) == ["0", "D"]  # an id may be smaller than one already read
    rest = store.read_now(lambda conn: exchanges.newer(conn, "s", ANY, after.cursor, 2))
    assert (ids(rest), rest.cursor) == (["E"], store.read_now(lambda conn: exchanges.end(conn, "s")))
    assert store.read_now(lambda conn: exchanges.newer(conn, "s", ANY, rest.cursor, 2)).cursor == rest.cursor


def test_the_cursor_passes_rows_that_do_not_match(store: Store) -> None:
    fill(store, row("A"), row("B", status=500), row("C"))
    page = store.read_now(lambda conn: exchanges.newer(conn, "s", Wanted(status=500), 0, 5))
    assert ids(page) == ["B"]
    assert page.cursor == store.read_now(lambda conn: exchanges.place(conn, "s", "C"))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(service="helseid"), ["B"]),
        (Wanted(status=403), ["B"]),
        (Wanted(reason="X"), ["A"]),
        (Wanted(client="c"), ["A"]),
        (Wanted(patient="P01"), ["A"]),
        (Wanted(method="GET"), ["B"]),
        (Wanted(operation="search"), ["A"]),
        (Wanted(path="/Diag*"), ["A"]),
        (Wanted(path="/diag*/_sear?h"), ["A"]),
        (Wanted(path="/DiagnosticReport/?search"), ["A"]),
        (Wanted(path="/Diag%"), []),
        (Wanted(path="/a_b\\*"), ["B"]),
        (Wanted(path="/a?b*"), ["B"]),
        (Wanted(path="/aXb\\*"), []),
        (Wanted(since=2.0), ["B"]),
        (Wanted(until=2.0), ["A"]),
        (Wanted(service="pps", status=403), []),
    ],
)
def test_what_narrows(store: Store, wanted: Wanted, found: list[str]) -> None:
    one = {"reason": "X", "client": "c", "patient": "P01", "method": "POST", "operation": "search"}
    fill(
        store,
        row("A", path="/DiagnosticReport/_search", **one),
        row("B", service="helseid", status=403, method="GET", path="/a_b\\c", at=2.0),
    )
    assert ids(store.read_now(lambda conn: exchanges.newest(conn, "s", wanted, 9))) == found
    assert ids(store.read_now(lambda conn: exchanges.newer(conn, "s", wanted, 0, 9))) == found
    assert [each.id for _, each in store.read_now(lambda conn: list(exchanges.bodies(conn, "s", wanted, 9)))] == found


def test_numbers_are_not_used_again(store: Store) -> None:
    fill(store, row("A"), row("B"))
    cursor = store.read_now(lambda conn: exchanges.end(conn, "s"))
    store.write_now(lambda conn: exchanges.clear(conn, "s"))
    assert store.read_now(lambda conn: exchanges.newer(conn, "s", ANY, cursor, 9)).cursor == cursor
    fill(store, row("C"))
    assert ids(store.read_now(lambda conn: exchanges.newer(conn, "s", ANY, cursor, 9))) == ["C"]


def test_bodies_are_the_newest_in_order(store: Store) -> None:
    fill(store, row("A", body=b"1"), row("B", body=b"2"), row("C", body=b"3"))
    assert [body for body, _ in store.read_now(lambda conn: list(exchanges.bodies(conn, "s", ANY, 2)))] == [b"2", b"3"]


async def test_a_reader_misses_nothing_of_writers_in_other_processes(store: Store, url: str) -> None:
    """Each writer hands in ids in any order; the reader only ever asks for what is after its cursor."""
    others = [open_store(url) for _ in range(3)]
    each = 150

    def write(number: int, other: Store) -> None:
        other.start()
        for count in range(each):
            other.post(Unit(exchange=row(f"{each - count:04d}-{number}")))
        other.close()

    threads = [threading.Thread(target=write, args=pair) for pair in enumerate(others)]
    for thread in threads:
        thread.start()
    seen: list[str] = []
    cursor = 0
    while len(seen) < each * len(others):
        alive = any(thread.is_alive() for thread in threads)
        page = store.read_now(lambda conn, at=cursor: exchanges.newer(conn, "s", ANY, at, 7))  # type: ignore[misc]
        seen += ids(page)
        cursor = page.cursor
        await asyncio.sleep(0)
        assert alive or page.rows or len(seen) == each * len(others), "something was passed over"
    for thread in threads:
        thread.join()
    assert sorted(seen) == sorted(f"{each - count:04d}-{number}" for number in range(3) for count in range(each))


def test_a_row_is_not_seen_before_one_with_a_smaller_number(store: Store, url: str) -> None:
    """Two processes: the second must wait until the first, who drew its number before, has committed."""
    other = open_store(url)
    late = threading.Thread(target=fill, args=(other, row("B")))
    with store.engine.begin() as first:
        exchanges.add(first, [row("A")])
        late.start()
        late.join(0.3)
        assert late.is_alive()
        assert store.read_now(lambda conn: exchanges.newer(conn, "s", ANY, 0, 9)).cursor == 0
    late.join(10)
    assert ids(store.read_now(lambda conn: exchanges.newer(conn, "s", ANY, 0, 9))) == ["A", "B"]
    other.close()


class TestRetention:
    def kept(self, store: Store, sandbox: str = "s") -> list[str]:
        page = store.read_now(lambda conn: exchanges.newest(conn, sandbox, ANY, 1000))
        return ids(page)[::-1]

    def test_the_newest_rows_stay(self, store: Store) -> None:
        keeper = Retention(Limits(rows=3))
        for number in range(10):

            def add(conn: Connection, name: str = str(number)) -> None:
                keeper.added(conn, exchanges.add(conn, [row(name), row(name, "other")]))

            store.write_now(add)
        assert self.kept(store) == self.kept(store, "other") == ["7", "8", "9"]

    def test_bytes_count(self, store: Store) -> None:
        keeper = Retention(Limits(rows=100, size=40))

        def add(conn: Connection) -> None:
            for name in "ABCDEF":
                keeper.added(conn, exchanges.add(conn, [row(name, body=b"x" * 15)]))

        store.write_now(add)
        assert self.kept(store) == ["E", "F"]

    def test_a_limit_is_passed_by_a_twentieth_before_it_is_kept(self, store: Store) -> None:
        keeper = Retention(Limits(rows=100))

        def add(conn: Connection, names: range) -> None:
            for name in names:
                keeper.added(conn, exchanges.add(conn, [row(str(name))]))

        store.write_now(lambda conn: add(conn, range(105)))
        assert len(self.kept(store)) == 105
        store.write_now(lambda conn: add(conn, range(105, 106)))
        assert self.kept(store) == [str(name) for name in range(6, 106)]

    def test_rows_of_another_process_are_counted_in_time(self, store: Store) -> None:
        keeper = Retention(Limits(rows=600))

        def add(conn: Connection) -> None:
            keeper.added(conn, exchanges.add(conn, [row("first")]))
            exchanges.add(conn, [row(f"theirs-{number}") for number in range(700)])
            for number in range(520):
                keeper.added(conn, exchanges.add(conn, [row(f"mine-{number}")]))

        store.write_now(add)
        assert len(self.kept(store)) <= 630

    def test_old_rows_go_and_the_pass_is_bounded(self, store: Store) -> None:
        fill(store, *(row(str(number), at=float(number)) for number in range(10)))
        store.write_now(lambda conn: retention.forget_old(conn, 5.0, most=3))
        assert self.kept(store)[0] == "3"
        store.write_now(lambda conn: retention.forget_old(conn, 5.0, most=3))
        store.write_now(lambda conn: retention.forget_old(conn, 5.0, most=3))
        assert self.kept(store) == ["5", "6", "7", "8", "9"]

    async def test_the_writer_prunes(self, url: str) -> None:
        store = open_store(url, limits=Limits(rows=5))
        tables.metadata.create_all(store.engine)
        store.start()
        for number in range(30):
            store.post(Unit(exchange=row(f"{number:02d}")))
        await store.flush()
        assert self.kept(store) == ["25", "26", "27", "28", "29"]
        store.close()


class TestBell:
    async def test_a_written_row_wakes_those_of_its_sandbox(self, store: Store) -> None:
        with store.bell.listen("s") as mine, store.bell.listen("other") as theirs:
            store.post(Unit(exchange=row("A")))
            async with asyncio.timeout(5):
                await mine.rest(5)
            rang = asyncio.create_task(theirs.rest(0.05))
            done, _ = await asyncio.wait([rang], timeout=0.01)
            assert not done
            await rang
        assert store.bell.listeners == 0

    async def test_so_many_and_no_more(self, url: str) -> None:
        store = open_store(url, listeners=1)
        with store.bell.listen("s"), pytest.raises(Refusal) as refused, store.bell.listen("s"):
            pass
        assert refused.value.reason is Reason.STORE_UNAVAILABLE
        with store.bell.listen("s"):
            assert store.bell.listeners == 1
        store.close()

    async def test_closing_wakes_all(self, store: Store) -> None:
        with store.bell.listen("s") as listener:
            store.bell.close()
            async with asyncio.timeout(5):
                await listener.rest(10)
        assert store.bell.closed
