"""Privacy settings: stored, replaced, counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection

from app.clock import ManualClock
from app.store import privacy, resources, tables
from app.store.engine import Store
from app.trust.facts import Setting, SettingKind

QUERY = resources.Query("DiagnosticReport")
BLOCK = Setting(
    "b",
    "PPS",
    SettingKind.SPECIFIC_BLOCK,
    subjects=frozenset({("HPR", "222250102"), ("PID", "16867649135")}),
    objects=frozenset({("Svarrapport", "r1")}),
    level="Soft",
    code="Shield",
    until=5.0,
    active_from=1.0,
    active_to=9.0,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path}/a.db", ManualClock(0.0))
    tables.metadata.create_all(made.engine)
    yield made
    made.close()


def settings(store: Store, service: str | None = None) -> list[privacy.StoredSetting]:
    return store.read_now(lambda conn: privacy.settings_of(conn, "s", "P", service=service))


def test_round_trip(store: Store) -> None:
    store.write_now(lambda conn: privacy.put_setting(conn, "s", "P", BLOCK, 10.0))
    assert settings(store) == [privacy.StoredSetting(BLOCK, 1, 10.0, 10.0)]
    assert settings(store, "PPS") == settings(store)
    assert settings(store, "KJ") == []


def test_each_change_counts_and_no_change_does_not(store: Store) -> None:
    def write(conn: Connection) -> list[tuple[int, float, float]]:
        steps = []
        for now, setting in ((1.0, BLOCK), (2.0, BLOCK), (3.0, replace(BLOCK, level="Hard"))):
            stored = privacy.put_setting(conn, "s", "P", setting, now)
            steps.append((stored.sequence, stored.created, stored.changed))
        return steps

    assert store.write_now(write) == [(1, 1.0, 1.0), (1, 1.0, 1.0), (2, 1.0, 3.0)]


def test_replacing_leaves_only_what_is_given_under_the_base(store: Store) -> None:
    def ids(conn: Connection, base: str, *kept: str) -> list[str]:
        privacy.replace_settings(conn, "s", "P", base, [replace(BLOCK, id=each) for each in kept], 1.0)
        return [each.setting.id for each in privacy.settings_of(conn, "s", "P")]

    assert store.write_now(lambda conn: ids(conn, "a", "a", "a.2", "a.3")) == ["a", "a.2", "a.3"]
    assert store.write_now(lambda conn: ids(conn, "ab", "ab")) == ["a", "a.2", "a.3", "ab"]
    assert store.write_now(lambda conn: ids(conn, "a", "a")) == ["a", "ab"]
    assert store.write_now(lambda conn: ids(conn, "a")) == ["ab"]


def test_remove_tells_whether_there_was_one(store: Store) -> None:
    store.write_now(lambda conn: privacy.put_setting(conn, "s", "P", BLOCK, 1.0))
    assert store.write_now(lambda conn: privacy.remove_setting(conn, "s", "P", "b"))
    assert not store.write_now(lambda conn: privacy.remove_setting(conn, "s", "P", "b"))


def test_a_reservation_takes_the_data_of_its_service_away(store: Store) -> None:
    def write(conn: Connection) -> tuple[bool, bool]:
        for service in ("PPS", "PJD"):
            owner = resources.Owner("s", "P", service)
            new = resources.NewResource("DiagnosticReport", f"r-{service}", 1.0, b"{}")
            resources.put_part(conn, owner, resources.Part("p", "k", 1.0, b""), [new], 1.0)
        later = Setting("r", "PPS", SettingKind.RESERVATION, active_from=50.0)
        privacy.put_setting(conn, "s", "P", later, 10.0)
        before = resources.find(conn, resources.Owner("s", "P", "PPS"), QUERY).total == 1
        privacy.put_setting(conn, "s", "P", replace(later, active_from=None), 10.0)
        return before, resources.find(conn, resources.Owner("s", "P", "PPS"), QUERY).total == 0

    assert store.write_now(write) == (True, True)
    kept = store.read_now(lambda conn: resources.find(conn, resources.Owner("s", "P", "PJD"), QUERY))
    assert kept.total == 1
