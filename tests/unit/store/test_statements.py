"""The statements on the driver's own cursor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.clock import ManualClock
from app.store import migrate, statements, tables
from app.store.engine import Connection, ReplayKey, Store, claim


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'a.db'}", ManualClock(0.0))
    migrate.prepare(opened)
    yield opened
    opened.close()


@pytest.mark.parametrize("number", [1, 2, 3, 63, 64, 65, 200])
def test_many_keys_are_claimed_in_few_steps_and_each_once(store: Store, number: int) -> None:
    keys = [ReplayKey("default", "test", str(place), 1.0, "kept") for place in range(number)]
    first = store.write_now(lambda conn: claim(conn, keys[::2]))
    second = store.write_now(lambda conn: claim(conn, keys))
    assert first == {(key.sandbox, key.kind, key.key) for key in keys[::2]}
    assert second == {(key.sandbox, key.kind, key.key) for key in keys[1::2]}
    stored = store.read_now(lambda conn: conn.execute(tables.replay.select()).all())
    assert {(row.key, row.until, row.value) for row in stored} == {(key.key, 1.0, "kept") for key in keys}


def test_known_keys_are_looked_up_by_the_index(store: Store) -> None:
    seen: list[str] = []

    def look(text: str) -> None:
        if text.startswith("WITH wanted"):
            seen.append(text)

    def ask(conn: Connection) -> list[str]:
        driver = conn.connection.driver_connection
        assert driver is not None
        driver.set_trace_callback(look)
        names = ("sandbox", "kind", "key")
        assert (
            statements.among(conn, tables.replay, names, [("default", "test", "a"), ("default", "test", "b")]) == set()
        )
        driver.set_trace_callback(None)
        return [str(row[3]) for row in driver.execute(f"EXPLAIN QUERY PLAN {seen[0]}")]

    plan = store.read_now(ask)
    assert any(step.startswith("SEARCH stored USING PRIMARY KEY") for step in plan)
    assert not any(step.startswith("SCAN stored") for step in plan)


async def test_one_statement_reads_need_no_snapshot(store: Store) -> None:
    assert await store.read_one(lambda conn: conn.exec_driver_sql("SELECT 7").scalar()) == 7
    assert store.read_now(lambda conn: conn.exec_driver_sql("SELECT 8").scalar()) == 8
