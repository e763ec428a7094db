"""Snapshots and clones: what they hold, what they leave, and that they are of one sandbox only."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, func, insert, select

from app.clock import ManualClock
from app.core import Core
from app.errors import Reason, Refusal
from app.sandboxes import keys, manager, snapshots
from app.sandboxes.manager import ClockChange
from app.store import copies, registers, tables
from app.store.copies import Rule
from app.trust.facts import Person
from tests.support.rows import dump, fill_every_table

T = TypeVar("T")
NOW = 1_795_000_000.0
STATE = [name for name, rule in copies.RULES.items() if rule is Rule.STATE]
HISTORY = [name for name, rule in copies.RULES.items() if rule is Rule.HISTORY]


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def refused(work: Coroutine[Any, Any, object]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        run(work)
    return caught.value


def filled(core: Core, name: str = "a") -> None:
    run(manager.create(core, name, seed="x", settings={"mode": "ehds"}, faults={"privacy": "down"}))
    core.store.write_now(lambda conn: fill_every_table(conn, name))


def rows(core: Core, sandbox: str) -> dict[str, tuple[tuple[Any, ...], ...]]:
    return dict(core.store.read_now(lambda conn: dump(conn, sandbox, without_owner=True)))


def hidden(core: Core) -> int:
    """Hidden sandboxes, and rows of any."""

    def counted(conn: Connection) -> int:
        shown = func.substr(tables.sandbox.c.id, 1, 1) == "~"
        own: int = conn.execute(select(func.count()).select_from(tables.sandbox).where(shown)).scalar_one()
        for owner in copies.of_sandbox().values():
            statement = select(func.count()).select_from(owner.table).where(func.substr(owner, 1, 1) == "~")
            own += conn.execute(statement).scalar_one()
        return own

    return core.store.read_now(counted)


def test_every_table_of_a_sandbox_has_a_rule() -> None:
    assert set(copies.RULES) == set(copies.of_sandbox())
    with_owner = {table.name for table in tables.metadata.tables.values() if {"sandbox", "owner"} & set(table.c.keys())}
    assert set(copies.RULES) == with_owner


def test_a_clone_has_the_state_and_nothing_of_what_happened(any_core: Core) -> None:
    filled(any_core)
    run(manager.move_clock(any_core, "a", ClockChange(advance=1000.0, frozen=True, force=True)))
    before = rows(any_core, "a")
    source = run(manager.state(any_core, "a"))
    made = run(snapshots.clone(any_core, "a", "b", expires_in=60, key="own"))
    assert source is not None
    assert (made.seed, made.settings.mode, made.faults, made.clock) == ("x", "ehds", {"privacy": "down"}, source.clock)
    assert made.expires == NOW + 60
    assert keys.opens("own", made)
    clone = rows(any_core, "b")
    assert {name: clone[name] for name in STATE} == {name: before[name] for name in STATE}
    assert all(len(clone[name]) == 2 for name in STATE)
    assert all(clone[name] == () for name in [*HISTORY, "snapshot"])
    assert rows(any_core, "a") == before


def test_a_clone_without_a_name_gets_one_and_a_taken_name_is_refused(core: Core) -> None:
    filled(core)
    assert run(snapshots.clone(core, "a")).id.startswith("s-")
    assert refused(snapshots.clone(core, "a", "a")).extra == {"pointer": "/name"}
    assert refused(snapshots.clone(core, "a", "~x")).reason is Reason.CONTENT_INVALID
    assert refused(snapshots.clone(core, "nowhere")).reason is Reason.NOT_FOUND


def test_a_restore_brings_the_state_back_and_leaves_what_happened(any_core: Core) -> None:
    filled(any_core)
    taken = run(snapshots.take(any_core, "a", "first"))
    before, state = rows(any_core, "a"), run(manager.state(any_core, "a"))
    run(manager.configure(any_core, "a", settings={"mode": "national"}, faults={}))
    run(manager.move_clock(any_core, "a", ClockChange(advance=9000.0, force=True)))
    any_core.store.write_now(
        lambda conn: registers.put_person(conn, "a", Person(id="P99", nin="14838449698", nin_system="FNR"))
    )
    any_core.store.write_now(
        lambda conn: conn.execute(
            insert(tables.audit_head).values(sandbox="a", service="new", seq=1, hash=b"", recorded=NOW + 9000)
        )
    )
    changed = rows(any_core, "a")
    assert changed != before
    assert run(snapshots.restore(any_core, "a", "first")) == state
    after = rows(any_core, "a")
    assert {name: after[name] for name in STATE} == {name: before[name] for name in STATE}
    assert {name: after[name] for name in HISTORY} == {name: changed[name] for name in HISTORY}
    assert run(snapshots.listed(any_core, "a")) == [taken]


def test_snapshots_outlive_a_reset_and_end_with_their_sandbox(core: Core) -> None:
    filled(core)
    before = rows(core, "a")
    run(snapshots.take(core, "a", "first"))
    run(manager.reset(core, "a"))
    assert all(rows(core, "a")[name] == () for name in [*STATE, *HISTORY])
    run(snapshots.restore(core, "a", "first"))
    assert {name: rows(core, "a")[name] for name in STATE} == {name: before[name] for name in STATE}
    run(snapshots.take(core, "a"))
    assert hidden(core) > 0
    run(manager.delete(core, "a"))
    assert hidden(core) == 0


def test_an_expired_sandbox_goes_with_its_snapshots(any_core: Core) -> None:
    run(manager.create(any_core, "a", expires_in=60))
    any_core.store.write_now(lambda conn: fill_every_table(conn, "a"))
    run(snapshots.take(any_core, "a"))
    run(manager.create(any_core, "b"))
    assert run(manager.sweep(any_core)) == 0
    assert isinstance(any_core.clock, ManualClock)
    any_core.clock.now += 60
    assert run(manager.sweep(any_core)) == 1
    assert hidden(any_core) == 0
    assert all(found == () for found in rows(any_core, "a").values())
    assert run(manager.state(any_core, "b")) is not None


def test_more_expired_ones_than_one_transaction_takes(core: Core) -> None:
    for number in range(20):
        run(manager.create(core, f"a{number}", expires_in=60))
    assert isinstance(core.clock, ManualClock)
    core.clock.now += 60
    assert run(manager.sweep(core)) > 8
    assert run(manager.sweep(core)) == 0
    assert core.store.read_now(lambda conn: conn.execute(select(tables.sandbox)).all()) == []


def test_a_snapshot_is_deleted_with_its_rows(core: Core) -> None:
    filled(core)
    run(snapshots.take(core, "a", "first"))
    run(snapshots.take(core, "a", "second"))
    run(snapshots.forget(core, "a", "first"))
    assert [each.name for each in run(snapshots.listed(core, "a"))] == ["second"]
    assert refused(snapshots.forget(core, "a", "first")).reason is Reason.NOT_FOUND
    assert refused(snapshots.restore(core, "a", "first")).reason is Reason.NOT_FOUND
    run(snapshots.forget(core, "a", "second"))
    assert hidden(core) == 0


def test_a_sandbox_has_so_many_snapshots_and_no_more(core: Core) -> None:
    run(manager.create(core, "a"))
    for number in range(snapshots.MOST):
        run(snapshots.take(core, "a", f"s{number}"))
    assert refused(snapshots.take(core, "a", "s0")).extra == {"pointer": "/name"}
    refusal = refused(snapshots.take(core, "a", "more"))
    assert (refusal.reason, "20" in refusal.detail) == (Reason.CONFLICT, True)
    run(snapshots.forget(core, "a", "s0"))
    assert run(snapshots.take(core, "a", "more")).name == "more"


@pytest.mark.parametrize("name", ["", "A", "~s-1", "x" * 41])
def test_names_that_no_snapshot_has(core: Core, name: str) -> None:
    run(manager.create(core, "a"))
    assert refused(snapshots.take(core, "a", name)).extra == {"pointer": "/name"}
    assert refused(snapshots.take(core, "nowhere")).reason is Reason.NOT_FOUND
    assert refused(snapshots.listed(core, "nowhere")).reason is Reason.NOT_FOUND


def test_a_hidden_sandbox_is_reached_by_no_name(core: Core) -> None:
    filled(core)
    run(snapshots.take(core, "a", "first"))
    names = core.store.read_now(lambda conn: list(conn.execute(select(tables.sandbox.c.id)).scalars()))
    (copy,) = [name for name in names if name.startswith("~")]
    assert run(manager.state(core, copy)) is None
    assert [each.id for each in run(manager.list_states(core))] == ["a"]
    for work in (
        manager.reset(core, copy),
        manager.delete(core, copy),
        manager.configure(core, copy),
        manager.move_clock(core, copy, ClockChange()),
        manager.set_key(core, copy, "k"),
        snapshots.take(core, copy),
        snapshots.clone(core, copy),
    ):
        assert refused(work).reason is Reason.NOT_FOUND


def test_many_at_once_leave_one_whole_state(any_core: Core) -> None:
    """Resets, restores, clones and snapshots of one sandbox at the same time: each sees all of it or nothing."""

    async def all_at_once() -> None:
        for number in range(3):
            await asyncio.gather(
                manager.reset(any_core, "a", seeder=lambda conn, state, _real: fill_every_table(conn, state.id)),
                snapshots.restore(any_core, "a", "first"),
                snapshots.take(any_core, "a", f"n{number}"),
                snapshots.clone(any_core, "a", f"c{number}"),
            )

    filled(any_core)
    run(snapshots.take(any_core, "a", "first"))
    before = rows(any_core, "a")
    run(all_at_once())
    for name in ("a", "c0", "c1", "c2"):
        found = rows(any_core, name)
        assert {table: found[table] for table in STATE} == {table: before[table] for table in STATE}, name
