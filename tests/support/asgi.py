"""A world to test a service in: a database file of its own, seeded people and clients, a clock that stands still.

``World`` wraps a service's application as the resolving middleware does (it lays the ``Trail``), and drives it
without a server. Tests stay synchronous: ``world.run`` runs a coroutine on the world's own event loop.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import httpx
from fastapi import FastAPI

from app import addresses
from app.clock import ClockState, ManualClock
from app.core import Core
from app.ids import SystemIds
from app.sandboxes import manager
from app.sandboxes.state import DEFAULT, Call, SandboxState
from app.services.selvbetjening import templates
from app.settings import Settings
from app.store import clients, tables
from app.store.engine import Store
from app.synthetic.people import seed_people
from app.trust import issuer_keys
from app.trust.trail import Trail
from tests.support.lent import lent

T = TypeVar("T")
NOW = 1_795_000_000.0
BASE = "http://localhost:8000"


class World:
    """One installation with its default sandbox. ``trails`` holds the trail of every request, newest last."""

    def __init__(self, folder: Path, apps: Mapping[str, Callable[[Core], FastAPI]], **settings: Any) -> None:
        path = folder / "world.db"
        path.write_bytes(_template())
        self.clock = ManualClock(NOW)
        self.settings = Settings(database_url=f"sqlite:///{path}", **settings)
        self.core = Core(self.settings, Store(self.settings.database_url, self.clock), self.clock, SystemIds())
        self.sandbox = SandboxState(DEFAULT, self.settings)
        self.trails: list[Trail] = []
        self.core.store.start()
        self._runner = asyncio.Runner()
        self._apps = {name: lent(self.core, create) for name, create in apps.items()}
        self._transport = httpx.ASGITransport(app=self._call)

    def close(self) -> None:
        self._runner.close()
        self.core.store.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def request(self, method: str, url: str, **arguments: Any) -> httpx.Response:
        """Send a request; ``url`` is a path below the default address, or complete."""
        return self.run(self._request(method, url if "://" in url else BASE + url, arguments))

    @property
    def trail(self) -> Trail:
        return self.trails[-1]

    @property
    def findings(self) -> list[tuple[str, str]]:
        """Code and level of the findings of the last request."""
        return [(finding.code, finding.level) for finding in self.trail.findings]

    def move_sandbox_clock(self, offset: float) -> None:
        """Set the sandbox's clock ``offset`` seconds ahead of the real one."""
        self.sandbox = replace(self.sandbox, clock=ClockState(offset))

    @contextmanager
    def using(self, **settings: Any) -> Iterator[None]:
        """Settings of the sandbox's own for a while."""
        before = self.sandbox
        self.sandbox = replace(before, settings=before.settings.model_copy(update=settings))
        yield
        self.sandbox = before

    async def _request(self, method: str, url: str, arguments: dict[str, Any]) -> httpx.Response:
        async with httpx.AsyncClient(transport=self._transport) as client:
            return await client.request(method, url, **arguments)

    async def _call(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        host = next(value.decode() for name, value in scope["headers"] if name == b"host")
        where = addresses.resolve(scope["scheme"], host, scope["path"])
        call = Call(
            sandbox=self.sandbox,
            service=where.service,
            tail=where.tail,
            base=where.base,
            root=where.root,
            url=where.base + ("" if where.tail == "/" else where.tail),
            issuer=addresses.address("helseid", where),
            host=host,
            form=where.form,
            exchange="01TEST",
            moment=self.sandbox.moment(self.clock.time()),
        )
        self.trails.append(Trail(call))
        inner = dict(scope) | {
            "path": where.tail,
            "raw_path": where.tail.encode(),
            "root_path": "",
            "sandkasse": self.trails[-1],
        }
        await self._apps[where.service](inner, receive, send)


@cache
def _template() -> bytes:
    """A seeded database, made once for a test run: making RSA keys is what takes the time."""
    with tempfile.TemporaryDirectory(prefix="sandkasse-test-") as folder:
        path = Path(folder) / "template.db"
        clock = ManualClock(NOW)
        settings = Settings(database_url=f"sqlite:///{path}")
        core = Core(settings, Store(settings.database_url, clock), clock, SystemIds())
        tables.metadata.create_all(core.store.engine)
        core.store.start()
        asyncio.run(_fill(core))
        core.store.close()
        return path.read_bytes()


async def _fill(core: Core) -> None:
    await issuer_keys.ensure(core)
    await manager.ensure(core)
    await core.store.write(lambda conn: seed_people(conn, DEFAULT, NOW))
    await core.store.write(lambda conn: clients.seed(conn, DEFAULT))
    await core.store.write(lambda conn: templates.seed(conn, DEFAULT))
