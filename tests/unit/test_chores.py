"""What a running service does by itself: sandboxes whose time is over are taken away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select

from app import main
from app.clock import ManualClock
from app.core import Core
from app.errors import Reason, Refusal
from app.ids import SeededIds
from app.routers.wire import Message
from app.sandboxes import manager
from app.settings import Settings
from app.store import tables
from app.store.engine import Store


async def test_expired_sandboxes_are_taken_away_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "_MINUTE", 0.01)
    settings = Settings(database_url=f"sqlite:///{tmp_path}/a.db", seed_on_start=False)
    clock = ManualClock(1_795_000_000.0)
    core = Core(settings, Store(settings.database_url, clock), clock, SeededIds("t"))
    to_app, to_server = asyncio.Queue[Message](), asyncio.Queue[Message]()
    running = asyncio.create_task(main.compose(core)({"type": "lifespan"}, to_app.get, to_server.put))
    await to_app.put({"type": "lifespan.startup"})
    assert (await to_server.get())["type"] == "lifespan.startup.complete"

    def names() -> list[str]:
        return core.store.read_now(lambda conn: list(conn.execute(select(tables.sandbox.c.id)).scalars()))

    await manager.create(core, "a", expires_in=60)
    assert set(names()) == {"a", "default"}
    clock.now += 60
    for _ in range(200):
        if names() == ["default"]:
            break
        await asyncio.sleep(0.01)
    assert names() == ["default"]
    await to_app.put({"type": "lifespan.shutdown"})
    assert (await to_server.get())["type"] == "lifespan.shutdown.complete"
    await running


async def test_a_store_that_does_not_answer_is_asked_again(tmp_path: Path) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path}/a.db")
    clock = ManualClock(0.0)
    core = Core(settings, Store(settings.database_url, clock), clock, SeededIds("t"))
    asked = asyncio.Semaphore(0)

    async def work(_core: Core) -> None:
        asked.release()
        raise Refusal(Reason.STORE_UNAVAILABLE, "the store does not answer")

    task = asyncio.create_task(main._every(0.001, work, core))
    for _ in range(3):
        await asyncio.wait_for(asked.acquire(), 10)
    assert not task.done()
    task.cancel()
    core.store.close()
