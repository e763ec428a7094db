"""The stamp moves with every change of content, whoever makes it, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, text

from app.clock import ManualClock
from app.store import clients, copies, grants, leases, privacy, registers, sandboxes, stamp, tables
from app.store.engine import AuditEntry, ReplayKey, Store, Unit
from app.store.sandboxes import SandboxRow
from app.synthetic import people
from app.trust.facts import Setting, SettingKind
from app.trust.sts.clients import SEEDED

NOW = 1_795_000_000.0
BLOCK = Setting("b", "PPS", SettingKind.GENERAL_BLOCK)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path}/a.db", ManualClock(NOW))
    tables.metadata.create_all(made.engine)
    made.write_now(lambda conn: people.seed_people(conn, "s", NOW))
    made.write_now(lambda conn: sandboxes.add(conn, SandboxRow("s", NOW, "x", None, 0.0, None, None, None, b"{}")))
    made.start()
    yield made
    made.close()


def standing(store: Store) -> int:
    found = store.read_now(stamp.read)
    assert found is not None
    return found


def test_there_is_none_before_anything_is_stored(tmp_path: Path) -> None:
    empty = Store(f"sqlite:///{tmp_path}/b.db", ManualClock(NOW))
    tables.metadata.create_all(empty.engine)
    assert empty.read_now(stamp.read) is None
    empty.close()


CHANGES: dict[str, Callable[[Connection], object]] = {
    "setting": lambda conn: privacy.put_setting(conn, "s", "P01", BLOCK, NOW),
    "person": lambda conn: registers.remove_person(conn, "s", "P02"),
    "client": lambda conn: clients.put(conn, "s", SEEDED[0]),
    "copy": lambda conn: copies.copy(conn, "s", "t"),
    "clear": lambda conn: copies.clear(conn, "s", copies.Rule.STATE),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_of_content_moves_it(store: Store, name: str) -> None:
    before = standing(store)
    await store.write(CHANGES[name])
    assert standing(store) == before + 1


def test_so_does_a_change_without_the_writer(store: Store) -> None:
    before = standing(store)
    store.write_now(CHANGES["setting"])
    assert standing(store) == before + 1


async def test_what_only_happens_leaves_it(store: Store) -> None:
    before = standing(store)
    entry = AuditEntry("s", "PPS", NOW, None, None, False, lambda seq, previous: (b"h" * 32, b"{}"))
    await store.commit(Unit(replay=(ReplayKey("s", "dpop", "k", NOW + 1),), audit=(entry,)))
    await store.write(lambda conn: leases.bind(conn, "s", "attest", "k", b"x", NOW, NOW + 1))
    await store.write(lambda conn: grants.settle_assertion(conn, "s", "k", "used", NOW + 1, expected=None))
    await store.write(lambda conn: sandboxes.change(conn, "s", clock_offset=5.0))
    assert standing(store) == before


async def test_a_change_undone_leaves_it(store: Store) -> None:
    before = standing(store)

    def undone(conn: Connection) -> None:
        CHANGES["setting"](conn)
        raise KeyError

    with pytest.raises(KeyError):
        store.write_now(undone)
    store.write_now(lambda conn: sandboxes.change(conn, "s", seed="y"))
    assert standing(store) == before


def test_a_row_is_loaded_with_it(store: Store) -> None:
    loaded = store.read_now(lambda conn: sandboxes.load(conn, "s"))
    assert loaded is not None
    assert loaded.stamp == standing(store)


def test_every_table_moves_it_unless_it_is_named(store: Store) -> None:
    assert set(tables.metadata.tables) >= stamp.STILL
    before = standing(store)
    values = {"sandbox": "s", "sha256": "0", "chunk": 0, "media_type": "a/b", "body": b""}
    store.write_now(lambda conn: conn.execute(insert(tables.content).values(values)))
    store.write_now(lambda conn: conn.execute(text("SELECT 1")))
    assert standing(store) == before + 1
