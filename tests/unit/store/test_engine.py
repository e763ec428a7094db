"""The group-commit writer: all or nothing, once, in order, durable."""

import asyncio
import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Table, func, insert, select

from app.clock import ManualClock
from app.errors import Reason, Refusal
from app.store import tables
from app.store.engine import AuditEntry, Replayed, ReplayKey, Store, Unit, sweep


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path}/a.db", ManualClock(1000.0))
    tables.metadata.create_all(made.engine)
    made.start()
    yield made
    made.close()


def key(name: str, until: float = 2000.0) -> ReplayKey:
    return ReplayKey("s", "dpop", name, until)


def entry(text: str, recorded: float = 1.0) -> AuditEntry:
    def seal(seq: int, previous: bytes) -> tuple[bytes, bytes]:
        body = f"{seq}:{text}".encode()
        return hashlib.sha256(previous + body).digest(), body

    return AuditEntry("s", "PPS", recorded, None, None, False, seal)


def audit_rows(store: Store) -> list[tuple[int, bytes]]:
    return [
        (row[0], row[1])
        for row in store.read_now(
            lambda conn: conn.execute(
                select(tables.audit.c.seq, tables.audit.c.body).order_by(tables.audit.c.seq)
            ).all()
        )
    ]


async def test_a_key_passes_once(store: Store) -> None:
    await store.commit(Unit(replay=(key("a"),)))
    with pytest.raises(Replayed):
        await store.commit(Unit(replay=(key("a"),), audit=(entry("never"),)))
    assert audit_rows(store) == []


async def test_a_refused_unit_tells_which_keys_were_used_and_uses_up_the_others(store: Store) -> None:
    other = ReplayKey("s", "assertion", "b", 2000.0, "used")
    await store.commit(Unit(replay=(key("a"),)))
    with pytest.raises(Replayed) as caught:
        await store.commit(Unit(replay=(key("a"), other)))
    assert caught.value.kinds == {"dpop"}
    with pytest.raises(Replayed) as caught:
        await store.commit(Unit(replay=(key("c"), other)))
    assert caught.value.kinds == {"assertion"}


async def test_the_same_key_twice_at_once_passes_once(store: Store) -> None:
    outcomes = await asyncio.gather(
        *(store.commit(Unit(replay=(key("a"),), audit=(entry(str(n)),))) for n in range(50)), return_exceptions=True
    )
    assert sum(outcome is None for outcome in outcomes) == 1
    assert len(audit_rows(store)) == 1


async def test_numbers_are_gap_free_under_concurrency(store: Store) -> None:
    await asyncio.gather(*(store.commit(Unit(audit=(entry(str(n)),))) for n in range(200)))
    rows = audit_rows(store)
    assert [seq for seq, _ in rows] == list(range(1, 201))
    head = store.read_now(lambda conn: conn.execute(select(tables.audit_head.c.seq)).scalar())
    assert head == 200


async def test_two_stores_share_one_chain(store: Store, tmp_path: Path) -> None:
    other = Store(f"sqlite:///{tmp_path}/a.db", ManualClock(1000.0))
    other.start()
    await asyncio.gather(*(one.commit(Unit(audit=(entry(str(n)),))) for n in range(60) for one in (store, other)))
    assert [seq for seq, _ in audit_rows(store)] == list(range(1, 121))
    await store.commit(Unit(replay=(key("shared"),)))
    with pytest.raises(Replayed):
        await other.commit(Unit(replay=(key("shared"),)))
    other.close()


async def test_work_that_raises_leaves_nothing_and_harms_nobody(store: Store) -> None:
    def good(conn: Connection) -> str:
        conn.execute(insert(tables.installation).values(name="good", value=b"1"))
        return "done"

    def bad(conn: Connection) -> None:
        conn.execute(insert(tables.installation).values(name="bad", value=b"1"))
        raise Refusal(Reason.CONFLICT, "no")

    def broken(conn: Connection) -> None:
        conn.execute(insert(tables.installation).values(name=None, value=b"1"))

    units = [Unit(work=bad, audit=(entry("bad"),)), Unit(work=good, audit=(entry("good"),)), Unit(work=broken)]
    refused, done, failed = await asyncio.gather(*(store.commit(unit) for unit in units), return_exceptions=True)
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.CONFLICT
    assert done == "done"
    assert isinstance(failed, Refusal)
    assert failed.reason is Reason.STORE_UNAVAILABLE
    names = store.read_now(lambda conn: conn.execute(select(tables.installation.c.name)).scalars().all())
    assert list(names) == ["good"]
    assert [body for _, body in audit_rows(store)] == [b"1:good"]


async def test_a_replayed_key_stops_work(store: Store) -> None:
    await store.commit(Unit(replay=(key("a"),), work=lambda conn: None))
    with pytest.raises(Replayed):
        await store.commit(Unit(replay=(key("a"),), work=lambda conn: None))


async def test_nothing_is_told_done_when_the_database_fails(store: Store) -> None:
    tables.audit.drop(store.engine)
    with pytest.raises(Refusal) as refused:
        await store.commit(Unit(audit=(entry("lost"),)))
    assert refused.value.reason is Reason.AUDIT_UNAVAILABLE


async def test_a_failed_read_is_a_refusal_and_the_next_works(store: Store) -> None:
    tables.outbox.drop(store.engine)
    with pytest.raises(Refusal) as refused:
        await store.read(lambda conn: conn.execute(select(tables.outbox)).all())
    assert refused.value.reason is Reason.STORE_UNAVAILABLE
    assert await store.read(lambda conn: conn.execute(select(func.count()).select_from(tables.audit)).scalar()) == 0


async def test_posted_units_are_written_in_order_before_later_commits(store: Store) -> None:
    row: dict[str, Any] = {"sandbox": "s", "id": "1", "service": "x", "at": 1.0, "status": 200, "body": b"{}"}
    store.post(Unit(exchange=row))
    await store.commit(Unit())
    assert store.read_now(lambda conn: conn.execute(select(tables.exchange.c.id)).scalars().all()) == ["1"]


async def test_close_finishes_what_was_handed_in(tmp_path: Path) -> None:
    made = Store(f"sqlite:///{tmp_path}/b.db", ManualClock(1.0))
    tables.metadata.create_all(made.engine)
    made.start()
    for number in range(20):
        made.post(Unit(audit=(entry(str(number)),)))
    made.close()
    with pytest.raises(Refusal):
        made.post(Unit())
    again = Store(f"sqlite:///{tmp_path}/b.db", ManualClock(1.0))
    assert len(audit_rows(again)) == 20
    again.close()


def test_sweep_forgets_expired_keys_and_old_exchanges(store: Store) -> None:
    def fill(conn: Connection) -> None:
        conn.execute(
            insert(tables.replay),
            [{"sandbox": "s", "kind": "dpop", "key": str(n), "until": float(n), "value": ""} for n in range(10)],
        )
        conn.execute(
            insert(tables.exchange),
            [
                {"sandbox": "s", "id": str(n), "service": "x", "at": float(n), "status": 200, "body": b"{}"}
                for n in range(10)
            ],
        )
        sweep(conn, 5.0, 2.0)

    store.write_now(fill)

    def count(table: Table) -> int:
        return store.read_now(lambda conn: conn.execute(select(func.count()).select_from(table)).scalar_one())

    assert count(tables.replay) == 5
    assert count(tables.exchange) == 7


class TestReadTogether:
    """One reading for all who ask in the same turn of the event loop, and never an old one."""

    @staticmethod
    def count(readings: list[int], conn: Connection) -> int:
        found: int = conn.execute(select(func.count()).select_from(tables.replay)).scalar_one()
        readings.append(found)
        return found

    async def test_those_of_one_turn_share_a_reading(self, store: Store) -> None:
        readings: list[int] = []

        async def ask(name: str) -> int:
            return await store.read_together(name, lambda conn: self.count(readings, conn))

        assert await asyncio.gather(*(ask("a") for _ in range(5)), ask("b")) == [0] * 6
        assert len(readings) == 2
        assert await ask("a") == 0
        assert len(readings) == 3

    async def test_what_was_written_before_one_asks_is_seen(self, store: Store) -> None:
        readings: list[int] = []
        seen: list[tuple[int, int]] = []

        async def write_and_ask(number: int) -> None:
            for turn in range(20):
                await store.commit(Unit(replay=(key(f"{number}-{turn}"),)))
                at_least = len(done) + 1
                done.append(number)
                seen.append((at_least, await store.read_together("all", lambda conn: self.count(readings, conn))))

        done: list[int] = []
        await asyncio.gather(*(write_and_ask(number) for number in range(8)))
        assert all(found >= at_least for at_least, found in seen)
        assert len(readings) < len(seen) == 160


class TestAnotherProcessWrites:
    """Another connection stands for it: it has the database's only turn to write."""

    @pytest.fixture
    def other(self, store: Store) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(str(store.url.database), isolation_level=None, check_same_thread=False)) as made:
            made.execute("BEGIN IMMEDIATE")
            yield made

    async def test_a_write_waits_for_it(self, store: Store, other: sqlite3.Connection) -> None:
        asyncio.get_running_loop().call_later(0.05, other.execute, "ROLLBACK")
        await store.commit(Unit(audit=(entry("after"),)))
        assert [body for _, body in audit_rows(store)] == [b"1:after"]

    async def test_one_that_waits_in_vain_is_refused(
        self, store: Store, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("app.store.engine._BUSY_MS", 20)
        with pytest.raises(Refusal) as caught:
            await store.commit(Unit(audit=(entry("never"),)))
        assert caught.value.reason is Reason.AUDIT_UNAVAILABLE
        other.execute("ROLLBACK")
        await store.commit(Unit(audit=(entry("later"),)))
        assert [body for _, body in audit_rows(store)] == [b"1:later"]
