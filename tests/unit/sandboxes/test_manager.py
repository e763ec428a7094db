"""Sandboxes: made, looked up, changed, emptied; their clock and what it may not do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import orjson
import pytest
from sqlalchemy import Connection, Table, insert, select

from app.clock import ManualClock
from app.core import Core
from app.errors import Reason, Refusal
from app.ids import SeededIds
from app.sandboxes import config, manager
from app.sandboxes.manager import ClockChange
from app.sandboxes.state import SandboxState
from app.settings import Settings
from app.store import registers, sandboxes, tables
from app.store.engine import Store
from app.synthetic import people

T = TypeVar("T")
NOW = 1_795_000_000.0


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    settings = Settings(database_url=f"sqlite:///{tmp_path}/a.db")
    clock = ManualClock(NOW)
    store = Store(settings.database_url, clock)
    tables.metadata.create_all(store.engine)
    store.start()
    yield Core(settings, store, clock, SeededIds("t"))
    store.close()


def run(awaited: Awaitable[T]) -> T:
    async def outer() -> T:
        return await awaited

    return asyncio.run(outer())


def refused(call: Callable[[], Awaitable[object]]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        run(call())
    return caught.value


def advance(core: Core, seconds: float) -> None:
    assert isinstance(core.clock, ManualClock)
    core.clock.now += seconds


def seeder(conn: Connection, state: SandboxState, now: float) -> None:
    people.seed_people(conn, state.id, now)


def count(core: Core, sandbox: str) -> int:
    return len(core.store.read_now(lambda conn: registers.list_persons(conn, sandbox)))


def rows_of(core: Core, table: Table, sandbox: str) -> int:
    return len(core.store.read_now(lambda conn: conn.execute(select(table).where(table.c.sandbox == sandbox)).all()))


def test_a_sandbox_is_found_by_its_name_only(core: Core) -> None:
    made = run(manager.create(core, "team-a", seed="x", seeder=seeder))
    assert run(manager.state(core, "team-a")) == made
    assert run(manager.state(core, "team-b")) is None
    assert (made.id, made.seed, made.seeded_at, made.clock.at(NOW)) == ("team-a", "x", NOW, NOW)
    assert made.settings is core.settings
    assert count(core, "team-a") == 28


@pytest.mark.parametrize("name", ["default", "", "A", "a_b", "a/b", "x" * 41, "é"])
def test_names_that_are_not(core: Core, name: str) -> None:
    refusal = refused(lambda: manager.create(core, name))
    assert (refusal.reason, refusal.extra["pointer"]) == (Reason.CONTENT_INVALID, "/name")


def test_without_a_name_it_gets_one(core: Core) -> None:
    first, second = run(manager.create(core)), run(manager.create(core))
    assert first.id != second.id
    assert [each.id for each in run(manager.list_states(core))] == sorted([first.id, second.id])


def test_a_name_is_taken_once(core: Core) -> None:
    run(manager.create(core, "a"))
    assert refused(lambda: manager.create(core, "a")).reason is Reason.CONFLICT


def test_an_expired_sandbox_is_gone_and_its_name_free(core: Core) -> None:
    run(manager.create(core, "a", expires_in=60, seeder=seeder))
    advance(core, 59)
    assert run(manager.state(core, "a")) is not None
    advance(core, 1)
    assert run(manager.state(core, "a")) is None
    assert run(manager.list_states(core)) == []
    assert refused(lambda: manager.delete(core, "a")).reason is Reason.NOT_FOUND
    run(manager.create(core, "a"))
    assert count(core, "a") == 0


def test_a_seed_that_fails_makes_nothing(core: Core) -> None:
    def broken(conn: Connection, state: SandboxState, now: float) -> None:
        people.seed_people(conn, state.id, now)
        raise LookupError

    with pytest.raises(LookupError):
        run(manager.create(core, "a", seeder=broken))
    assert run(manager.state(core, "a")) is None
    assert count(core, "a") == 0


def test_sandboxes_do_not_see_each_other(core: Core) -> None:
    run(manager.create(core, "a", seeder=seeder))
    run(manager.create(core, "b", seeder=seeder))
    run(manager.delete(core, "a"))
    assert (count(core, "a"), count(core, "b")) == (0, 28)
    for table in tables.OF_SANDBOX:
        assert rows_of(core, table, "a") == 0, table.name


def test_the_default_one_is_ensured_once_and_never_deleted(core: Core) -> None:
    made = run(manager.ensure(core, seeder=seeder))
    advance(core, 10)
    assert run(manager.ensure(core, seeder=seeder)) == made
    assert made.seeded_at == NOW
    assert refused(lambda: manager.delete(core, "default")).reason is Reason.CONFLICT


def test_ensure_agrees_with_the_process_that_was_first(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(manager.ensure(core))
    answers = iter([None, first])

    async def late(_core: Core, _sandbox: str) -> SandboxState | None:
        return next(answers)

    monkeypatch.setattr(manager, "state", late)
    assert run(manager.ensure(core)) == first


def test_ensure_passes_on_a_store_that_fails(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    tables.sandbox.drop(core.store.engine)

    async def unknown(_core: Core, _sandbox: str) -> SandboxState | None:
        return None

    monkeypatch.setattr(manager, "state", unknown)
    assert refused(lambda: manager.ensure(core)).reason is Reason.STORE_UNAVAILABLE


def test_own_settings_are_laid_over_and_taken_off(core: Core) -> None:
    run(manager.create(core, "a", settings={"mode": "ehds", "access_token_seconds": 5}))
    state = run(manager.configure(core, "a", settings={"profile": "strict", "mode": None}))
    assert state.settings.profile == "strict"
    assert state.settings.mode == core.settings.mode
    assert state.settings.access_token_seconds == 5
    assert run(manager.state(core, "a")) == state
    assert core.settings.profile == "lenient"


@pytest.mark.parametrize(
    ("settings", "pointer"),
    [
        ({"admin_key": "x"}, "/settings/admin_key"),
        ({"mode": "loose"}, "/settings/mode"),
        ({"access_token_seconds": 0}, "/settings/access_token_seconds"),
        ({"docs_aliases": "yes"}, "/settings/docs_aliases"),
    ],
)
def test_settings_are_checked(core: Core, settings: dict[str, object], pointer: str) -> None:
    refusal = refused(lambda: manager.create(core, "a", settings=settings))
    assert (refusal.reason, refusal.extra["pointer"]) == (Reason.CONTENT_INVALID, pointer)


def test_every_overridable_setting_exists() -> None:
    assert set(config.OVERRIDABLE) <= set(Settings.model_fields)


def test_faults_are_checked_and_replaced(core: Core) -> None:
    run(manager.create(core, "a", faults={"privacy": "timeout"}))
    assert run(manager.configure(core, "a", settings={"mode": "ehds"})).faults == {"privacy": "timeout"}
    assert run(manager.configure(core, "a", faults={"audit": "down"})).faults == {"audit": "down"}
    assert refused(lambda: manager.configure(core, "a", faults={"audit": "slow"})).reason is Reason.CONTENT_INVALID
    assert refused(lambda: manager.configure(core, "a", faults={"moon": "down"})).reason is Reason.CONTENT_INVALID
    assert refused(lambda: manager.configure(core, "b", faults={})).reason is Reason.NOT_FOUND


def test_reset_empties_fills_and_sets_right(core: Core) -> None:
    run(manager.create(core, "a", settings={"mode": "ehds"}, faults={"privacy": "down"}, seeder=seeder))
    run(manager.move_clock(core, "a", ClockChange(advance=1000.0, frozen=True)))
    core.store.write_now(lambda conn: registers.remove_person(conn, "a", "P01"))
    core.store.write_now(
        lambda conn: conn.execute(
            insert(tables.signing_key).values(owner="a", kid="k", state="current", made=1.0, jwk=b"{}")
        )
    )
    state = run(manager.reset(core, "a", seeder=seeder))
    assert (count(core, "a"), state.settings.mode, state.faults, state.clock.at(NOW)) == (28, "ehds", {}, NOW)
    assert core.store.read_now(lambda conn: conn.execute(select(tables.signing_key)).all()) == []
    run(manager.reset(core, "a"))
    assert count(core, "a") == 0
    assert refused(lambda: manager.reset(core, "b")).reason is Reason.NOT_FOUND


def shows(core: Core, change: ClockChange) -> float:
    return run(manager.move_clock(core, "a", change)).moment(core.clock.time()).sandbox


def test_the_clock_is_set_frozen_advanced_and_let_go(core: Core) -> None:
    run(manager.create(core, "a"))
    assert shows(core, ClockChange(to=NOW + 500)) == NOW + 500
    advance(core, 10)
    assert shows(core, ClockChange()) == NOW + 510
    assert shows(core, ClockChange(frozen=True)) == NOW + 510
    advance(core, 10)
    assert shows(core, ClockChange(advance=5)) == NOW + 515
    assert shows(core, ClockChange(frozen=False)) == NOW + 515
    advance(core, 10)
    assert shows(core, ClockChange(advance=-25)) == NOW + 500
    assert shows(core, ClockChange(to="real")) == NOW + 30


def audit_record(conn: Connection, at: float) -> None:
    conn.execute(insert(tables.audit_head).values(sandbox="a", service="PPS", seq=1, hash=b"", recorded=at))


def token_exchange(conn: Connection, at: float, service: str = "helseid", status: int = 200) -> None:
    body = orjson.dumps({"time": "2026-11-18T11:06:40.000000Z"})  # NOW
    conn.execute(
        insert(tables.exchange).values(
            sandbox="a", id=f"{service}{status}", service=service, at=at, status=status, client="c", body=body
        )
    )


@pytest.mark.parametrize(
    "newest",
    [
        pytest.param(lambda conn: audit_record(conn, NOW), id="R32-audit"),
        pytest.param(lambda conn: token_exchange(conn, 5.0), id="R32-token"),
        pytest.param(lambda conn: sandboxes.mark_token(conn, "a", NOW), id="R32-minted"),
    ],
)
def test_back_past_the_newest_record_only_by_force(core: Core, newest: Callable[[Connection], None]) -> None:
    run(manager.create(core, "a"))
    core.store.write_now(newest)
    assert shows(core, ClockChange(to=NOW + 100)) == NOW + 100
    assert shows(core, ClockChange(to=NOW)) == NOW
    assert refused(lambda: manager.move_clock(core, "a", ClockChange(advance=-1))).reason is Reason.CONFLICT
    assert shows(core, ClockChange()) == NOW
    assert shows(core, ClockChange(advance=-1, force=True)) == NOW - 1
    assert shows(core, ClockChange(advance=0.5)) == NOW - 0.5


def test_what_made_no_token_does_not_hold_the_clock(core: Core) -> None:
    run(manager.create(core, "a"))
    core.store.write_now(lambda conn: token_exchange(conn, 5.0, status=400))
    core.store.write_now(lambda conn: token_exchange(conn, 5.0, service="pps"))
    assert shows(core, ClockChange(advance=-1000)) == NOW - 1000


def test_the_token_mark_is_one_row(core: Core) -> None:
    def mark(conn: Connection) -> float | None:
        sandboxes.mark_token(conn, "a", 1.0)
        sandboxes.mark_token(conn, "a", 2.0)
        return sandboxes.newest_record(conn, "a")

    run(manager.create(core, "a"))
    assert core.store.write_now(mark) == 2.0
    assert rows_of(core, tables.lease, "a") == 1
