"""One installation in this process, its clock standing still: what the kits of the services stand on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import httpx
from sqlalchemy import Connection

from app import main
from app.clock import ManualClock
from app.core import Core
from app.ids import SeededIds
from app.sandboxes import manager
from app.sandboxes.state import DEFAULT
from app.settings import Settings
from app.store import audit, privacy
from app.store.engine import Store
from app.trust import issuer_keys
from app.trust.facts import Setting
from app.trust.jose import sign
from tests.support.lent import lent
from tests.support.prepared import NOW, prepared

T = TypeVar("T")

HOST = "http://localhost:8000"


class World:
    """The seeded default sandbox behind the resolving middleware."""

    audited_as: ClassVar[str]
    """The service of the audit chain that ``audit`` reads."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        path = folder / "world.db"
        path.write_bytes(prepared())
        made = Settings(database_url=f"sqlite:///{path}", **settings)
        clock = ManualClock(NOW)
        self.core = Core(made, Store(made.database_url, clock), clock, SeededIds(str(path)))
        self.core.store.start()
        self._runner = asyncio.Runner()
        self._app = lent(self.core, main.compose)

    def close(self) -> None:
        self._runner.close()
        self.core.store.close()

    def run(self, work: Awaitable[T]) -> T:
        async def wait() -> T:
            return await work

        return self._runner.run(wait())

    def write(self, work: Callable[[Connection], T]) -> T:
        return self.run(self.core.store.write(work))

    def configure(self, *, faults: Mapping[str, str] | None = None, **settings: Any) -> None:
        """The sandbox's own settings and faults, until configured again."""
        self.run(manager.configure(self.core, DEFAULT, settings=settings, faults=faults))

    def set(self, person: str, setting: Setting) -> None:
        self.write(lambda conn: privacy.put_setting(conn, DEFAULT, person, setting, NOW))

    def audit(self, **wanted: Any) -> list[dict[str, Any]]:
        """The records of the chain, newest first."""
        return self.run(
            self.core.store.read(lambda conn: audit.query(conn, DEFAULT, service=self.audited_as, **wanted))
        )

    def signed(self, made: Mapping[str, Any]) -> str:
        """An access token of the issuer with these claims."""

        async def key() -> issuer_keys.SigningKey:
            state = await manager.state(self.core, DEFAULT)
            assert state is not None
            return await issuer_keys.signing_key(self.core, state)

        found = self.run(key())
        return sign(found.header("at+jwt"), made, found.key)

    def send(self, method: str, url: str, *, raise_errors: bool = True, **arguments: Any) -> httpx.Response:
        async def sending() -> httpx.Response:
            async with self.client(raise_errors) as client:
                return await client.request(method, url, **arguments)

        return self._runner.run(sending())

    def client(self, raise_errors: bool = True) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=self._lower_case, raise_app_exceptions=raise_errors)
        return httpx.AsyncClient(transport=transport, base_url=HOST)

    async def _lower_case(self, scope: Any, receive: Any, send: Any) -> None:
        """As a socket would: the test client looks header names up as ASGI says they are, in lower case."""

        async def lowered(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [(bytes(name).lower(), value) for name, value in message["headers"]]}
            await send(message)

        await self._app(scope, receive, lowered)
