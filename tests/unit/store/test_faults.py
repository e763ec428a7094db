"""Hits of fault rules, counted on both databases and by several writers at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.clock import ManualClock
from app.store import faults, tables
from app.store.engine import Connection, Store
from app.store.faults import Hits


def made(url: str) -> Store:
    store = Store(url, ManualClock(0.0))
    tables.metadata.create_all(store.engine)
    return store


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        opened = made(f"sqlite:///{tmp_path}/a.db")
    else:
        fresh: Callable[[], str] = request.getfixturevalue("postgres")
        opened = made(fresh())
    yield opened
    opened.close()


def test_calls_and_hits(store: Store) -> None:
    def calls(conn: Connection) -> list[dict[str, Hits]]:
        first = faults.saw(conn, "s", ["b", "a"])
        faults.took_effect(conn, "s", ["a"])
        return [first, faults.saw(conn, "s", ["a"]), faults.saw(conn, "other", ["a"])]

    first, second, other = store.write_now(calls)
    assert first == {"a": Hits(1, 0), "b": Hits(1, 0)}
    assert (second, other) == ({"a": Hits(2, 1)}, {"a": Hits(1, 0)})
    assert store.write_now(lambda conn: faults.counts(conn, "s")) == {"a": Hits(2, 1), "b": Hits(1, 0)}


def test_forget(store: Store) -> None:
    store.write_now(lambda conn: faults.saw(conn, "s", ["a", "b"]))
    store.write_now(lambda conn: faults.saw(conn, "other", ["a"]))
    store.write_now(lambda conn: faults.forget(conn, "s", {"a"}))
    assert store.write_now(lambda conn: faults.counts(conn, "s")) == {"b": Hits(1, 0)}
    assert store.write_now(lambda conn: faults.counts(conn, "other")) == {"a": Hits(1, 0)}


def test_two_processes_share_the_counts(store: Store) -> None:
    """Of eighty calls by two writers, exactly five take effect, and no two are the same call."""
    url = store.engine.url.render_as_string(hide_password=False)
    other = Store(url, ManualClock(0.0))

    def call(conn: Connection) -> int | None:
        counts = faults.saw(conn, "s", ["a", "b"])["a"]
        if counts.hits == 5:
            return None
        faults.took_effect(conn, "s", ["a"])
        return counts.seen

    with ThreadPoolExecutor(4) as pool:
        met = list(pool.map(lambda number: (store, other)[number % 2].write_now(call), range(80)))
    other.close()
    assert sorted(seen for seen in met if seen is not None) == [1, 2, 3, 4, 5]
    assert store.write_now(lambda conn: faults.counts(conn, "s")) == {"a": Hits(80, 5), "b": Hits(80, 0)}
