"""What was read is used again exactly as long as nothing stored has changed, whoever changes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.clock import ManualClock
from app.core import Core
from app.ids import SeededIds
from app.settings import Settings
from app.store import privacy, stamp, tables
from app.store.engine import Connection, Store
from app.synthetic import people
from app.trust import recall
from app.trust.facts import Facts, Setting, SettingKind
from app.trust.recall import Data

NOW = 1_795_000_000.0


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    settings, clock = Settings(database_url=f"sqlite:///{tmp_path}/a.db"), ManualClock(NOW)
    made = Core(settings, Store(settings.database_url, clock), clock, SeededIds("recall"))
    tables.metadata.create_all(made.store.engine)
    made.store.write_now(lambda conn: people.seed_people(conn, "s", NOW))
    yield made
    made.store.close()


class Settled:
    """Work that counts the settings of P01, and how often it had to read."""

    def __init__(self, *, remember: bool = True) -> None:
        self.reads = 0
        self._remember = remember

    def __call__(self, data: Data) -> int:
        return data.get("settings", self._read, lambda _count: self._remember)

    def _read(self, conn: Connection) -> int:
        self.reads += 1
        return len(privacy.settings_of(conn, "s", "P01"))


def block(store: Store, name: str) -> None:
    setting = Setting(name, "PPS", SettingKind.GENERAL_BLOCK)
    store.write_now(lambda conn: privacy.put_setting(conn, "s", "P01", setting, NOW))


async def test_the_second_time_nothing_is_read(core: Core) -> None:
    work, standing = Settled(), core.store.read_now(stamp.read)
    assert [await recall.over(core, standing, work) for _ in range(3)] == [0, 0, 0]
    assert work.reads == 1


async def test_what_another_process_changes_is_seen_at_the_next_stamp(core: Core) -> None:
    other, work = Store(core.settings.database_url, ManualClock(NOW)), Settled()
    assert await recall.over(core, core.store.read_now(stamp.read), work) == 0
    block(other, "one")
    assert await recall.over(core, core.store.read_now(stamp.read), work) == 1
    block(core.store, "two")
    assert await recall.over(core, core.store.read_now(stamp.read), work) == 2
    other.close()


async def test_what_was_read_later_is_not_taken_for_what_stood_before(core: Core) -> None:
    work, early = Settled(), core.store.read_now(stamp.read)
    block(core.store, "one")
    assert [await recall.over(core, early, work) for _ in range(2)] == [1, 1]
    assert work.reads == 2


@pytest.mark.parametrize("remember", [True, False])
async def test_without_a_stamp_or_a_wish_it_is_read_every_time(core: Core, remember: bool) -> None:
    work = Settled(remember=remember)
    standing = None if remember else core.store.read_now(stamp.read)
    for _ in range(3):
        await recall.over(core, standing, work)
    assert work.reads == 3


def test_facts_of_a_moment_have_the_settings_in_force_then() -> None:
    always = Setting("a", "PPS", SettingKind.GENERAL_BLOCK)
    soon = Setting("b", "PPS", SettingKind.GENERAL_BLOCK, active_from=NOW + 10, active_to=NOW + 20)
    facts = Facts(settings=(always, soon))
    assert facts.at(NOW).settings == (always,)
    assert facts.at(NOW + 10) is facts
    assert facts.at(NOW + 20).settings == (always,)
