"""Prepared content: made once a day, copied from then on, the same as filling directly."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, select

from app.clock import ManualClock
from app.core import Core
from app.sandboxes import content, manager
from app.sandboxes.content import Prepared
from app.sandboxes.state import SandboxState
from app.store import clients, sandboxes, tables
from app.synthetic import seed
from tests.support.rows import dump, fill_every_table

T = TypeVar("T")
NOW = 1_795_000_000.0
DAY = 86_400.0


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def rows(core: Core, sandbox: str) -> Any:
    return core.store.read_now(lambda conn: dump(conn, sandbox, without_owner=True))


def templates(core: Core) -> list[str]:
    found = core.store.read_now(lambda conn: list(conn.execute(select(tables.sandbox.c.id)).scalars()))
    return [name for name in found if name.startswith("~")]


@dataclass
class Counting:
    """A seeder that knows whom it filled."""

    filled: list[str] = field(default_factory=list)

    def __call__(self, conn: Connection, state: SandboxState, real: float) -> None:
        self.filled.append(state.id)
        clients.seed(conn, state.id)


def test_a_copy_is_what_direct_seeding_gives(any_core: Core) -> None:
    run(manager.create(any_core, "direct", seeder=seed.fill))
    run(manager.create(any_core, "first", seeder=seed.SEEDED))
    assert isinstance(any_core.clock, ManualClock)
    any_core.clock.now += 3600
    run(manager.create(any_core, "later", seed="of-its-own", seeder=seed.SEEDED))
    run(manager.create(any_core, "direct-later", seeder=seed.fill))
    directly = rows(any_core, "direct")
    assert len(directly["resource"]) > 500
    assert len(directly["person"]) == 28
    for name in ("first", "later", "direct-later"):
        assert rows(any_core, name) == directly, name
    state = run(manager.state(any_core, "later"))
    assert state is not None
    assert (state.seed, state.seeded_at) == ("of-its-own", NOW + 3600)


def test_it_is_made_once_and_used_for_resets_too(core: Core) -> None:
    made = Counting()
    prepared = Prepared("x", made, any_seed=True)
    for name in ("a", "b"):
        run(manager.create(core, name, seeder=prepared))
    run(manager.reset(core, "a", seeder=prepared))
    assert made.filled == templates(core)
    assert len(made.filled) == 1
    assert rows(core, "a") == rows(core, "b")
    assert [each.id for each in run(manager.list_states(core))] == ["a", "b"]


def test_a_new_day_has_its_own_and_the_old_one_goes(core: Core) -> None:
    made = Counting()
    prepared = Prepared("x", made, any_seed=True)
    run(manager.create(core, "a", seeder=prepared))
    assert isinstance(core.clock, ManualClock)
    core.clock.now += DAY
    run(manager.create(core, "b", seeder=prepared))
    assert len(made.filled) == 2
    assert run(manager.sweep(core)) in (0, 1)  # the creation may have done it
    assert templates(core) == [made.filled[1]]
    assert rows(core, "a") == rows(core, "b")


def test_another_seed_is_filled_directly_when_it_matters(core: Core) -> None:
    made = Counting()
    prepared = Prepared("x", made)
    run(manager.create(core, "a", seed="mine", seeder=prepared))
    assert (made.filled, templates(core)) == (["a"], [])
    run(manager.create(core, "b", seeder=prepared))
    assert made.filled[1:] == templates(core)


def test_other_content_has_its_own(core: Core) -> None:
    one, other = Counting(), Counting()
    run(manager.create(core, "a", seeder=Prepared("x", one)))
    run(manager.create(core, "b", seeder=Prepared("y", other)))
    assert sorted(one.filled + other.filled) == sorted(templates(core))
    assert len(templates(core)) == 2


def test_so_many_are_kept_and_no_more(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "MOST", 2)
    made = Counting()
    for name in ("a", "b", "c", "d"):
        run(manager.create(core, name, seeder=Prepared(name, made)))
    assert sorted(name for name in made.filled if name.startswith("~")) == sorted(templates(core))
    assert made.filled[2:] == ["c", "d"]


def test_content_that_changes_the_sandbox_itself_is_never_copied(core: Core) -> None:
    def moves(conn: Connection, state: SandboxState, real: float) -> None:
        fill_every_table(conn, state.id)
        sandboxes.change(conn, state.id, clock_offset=500.0)

    prepared = Prepared("x", moves)
    for name in ("a", "b"):
        assert run(manager.create(core, name, seeder=prepared)).clock.offset == 500.0
        assert len(rows(core, name)["person"]) == 2
    (template,) = templates(core)
    assert all(found == () for found in rows(core, template).values())
