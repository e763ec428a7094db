"""The whole application in this process, with the means to load a scenario and make its calls."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import httpx

from app import main
from app.clock import ManualClock
from app.core import Core
from app.ids import SeededIds
from app.routers.resolver import Resolver
from app.sandboxes.scenario import TryCall
from app.settings import Settings
from app.store.engine import Store
from tests.support.lent import lent
from tests.support.prepared import NOW, prepared

__all__ = ["BASE", "NOW", "Service"]

BASE = "http://localhost:8000"
_PATIENT_HEADER = "person-id"


class Service:
    """The whole application in this process."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        made = Settings(database_url=f"sqlite:///{folder}/s.db", **settings)
        if not (folder / "s.db").exists():
            (folder / "s.db").write_bytes(prepared())
        self.clock = ManualClock(NOW)
        self.core = Core(made, Store(made.database_url, self.clock), self.clock, SeededIds("t"))
        self._app: Resolver = lent(self.core, main.compose)
        self._runner = asyncio.Runner()
        self.run(main.start(self.core))

    def close(self) -> None:
        self.core.store.close()
        self._runner.close()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)

    def call(self, method: str, path: str, root: str = "", **options: Any) -> httpx.Response:
        answer: httpx.Response = self.run(self._send(method, root + path, options))
        return answer

    async def send(self, method: str, path: str, root: str, body: Any) -> httpx.Response:
        """As ``call``, for several at once."""
        return await self._send(method, root + path, {"json": body})

    async def _send(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as http:
            return await http.request(method, path, **options)

    def control(self, method: str, path: str, body: Any = None, root: str = "") -> Any:
        answer = self.call(method, f"/_sandbox/v1{path}", root, **({} if body is None else {"json": body}))
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def sandbox(self, name: str, scenario: Any, seed: str = "a seed") -> str:
        self.control("POST", "/sandboxes", {"name": name, "scenario": scenario, "seed": seed})
        return f"/s/{name}"

    def tried(self, root: str, call: TryCall) -> tuple[httpx.Response, dict[str, Any]]:
        """Make one call of a scenario; its answer and what the journal says of it."""
        headers: dict[str, str] = {"X-Correlation-Id": "try-it"}
        if call.method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if call.who is not None:
            order = {"url": BASE + root + call.path, "method": call.method, **call.token}
            order |= {} if call.who == "machine" else {"persona": call.who}
            order |= {} if call.client is None else {"client": call.client}
            headers |= self.control("POST", "/tokens", order, root)["headers"]
        if call.patient is not None:
            headers[_PATIENT_HEADER] = self.control("GET", f"/persons/{call.patient}", root=root)["nin"]
        for name, value in call.headers.items():
            headers.pop(name, None)
            if value is not None:
                headers[name] = value
        if call.wait:
            self.control("PATCH", "/clock", {"advance": call.wait.total_seconds()}, root)
        answer = self.call(call.method, call.path, root, headers=headers, content=call.body or None)
        told = self.control("GET", f"/exchanges/{answer.headers['Sandbox-Exchange']}", root=root)
        return answer, told
