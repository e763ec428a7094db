"""``/sandboxes``: snapshots, clones, scenarios, and the keys that open one sandbox and no other."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, select

from app.clock import ManualClock
from app.core import Core
from app.errors import Reason, Refusal
from app.ids import SeededIds
from app.routers import control
from app.routers.control import Ports
from app.routers.resolver import Resolver
from app.routers.wire import App
from app.sandboxes import manager
from app.sandboxes.content import Seeder
from app.sandboxes.state import SandboxState
from app.settings import Settings
from app.store import clients, registers, tables
from app.store.engine import Store
from app.synthetic import people

NOW = 1_795_000_000.0
ROOT = "http://localhost:8000"
BASE = ROOT + "/_sandbox/v1"
INSTALLATION = "the-key-of-the-installation"


def seeder(conn: Connection, state: SandboxState, real: float) -> None:
    people.seed_people(conn, state.id, real)
    clients.seed(conn, state.id)


def scenario(wanted: str | Mapping[str, Any]) -> Seeder:
    if wanted == "unknown" or (isinstance(wanted, Mapping) and "people" not in wanted):
        raise Refusal(Reason.CONTENT_INVALID, "no such scenario", extra={"pointer": "/scenario"})

    def fill(conn: Connection, state: SandboxState, real: float) -> None:
        clients.seed(conn, state.id)

    return fill


@dataclass
class Desk:
    core: Core
    clock: ManualClock
    app: Resolver
    control: App

    def call(self, method: str, path: str, body: Any = None, key: str | None = None, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, headers={"X-Admin-Key": key} if key else {}) as client:
                extra = {} if body is None else {"json": body}
                return await client.request(
                    method, path if path.startswith("http") else BASE + path, **extra, **options
                )

        return asyncio.run(send())

    def get(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def persons(self, sandbox: str) -> int:
        return len(self.core.store.read_now(lambda conn: registers.list_persons(conn, sandbox)))


@contextmanager
def opened(folder: Path, ports: Ports, **settings: Any) -> Iterator[Desk]:
    chosen = Settings(database_url=f"sqlite:///{folder}/a.db", **settings)
    clock = ManualClock(NOW)
    store = Store(chosen.database_url, clock)
    tables.metadata.create_all(store.engine)
    store.start()
    core = Core(chosen, store, clock, SeededIds("t"))
    asyncio.run(manager.ensure(core))
    api = control.create(core, ports)
    yield Desk(core, clock, Resolver(core, {"control": api, "web": api}, api), api)
    store.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with opened(tmp_path, Ports(seeder=seeder, scenario=scenario)) as made:
        yield made


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Desk]:
    with opened(tmp_path, Ports(seeder=seeder), host="0.0.0.0", admin_key=INSTALLATION) as made:
        yield made


def problem(answer: httpx.Response, status: int, pointer: str | None = None) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body.get("pointer") == pointer
    return str(body["detail"])


class TestSnapshots:
    def test_their_life(self, desk: Desk) -> None:
        desk.call("POST", "/sandboxes", {"name": "a", "settings": {"mode": "ehds"}})
        taken = desk.call("POST", "/sandboxes/a/snapshots", {"name": "first"})
        assert (taken.status_code, taken.json()) == (201, {"name": "first", "at": "2026-11-18T11:06:40.000000Z"})
        assert taken.headers["location"] == BASE + "/sandboxes/a/snapshots/first"
        inside = ROOT + "/s/a/_sandbox/v1"
        assert desk.call("DELETE", inside + "/persons/P01").status_code == 204
        desk.call("PATCH", inside + "/clock", {"advance": "P1D"})
        back = desk.call("POST", "/sandboxes/a/snapshots/first/restore")
        assert back.status_code == 200
        assert back.json() == desk.get("/sandboxes/a")
        assert back.json()["clock"]["now"] == "2026-11-18T11:06:40.000000Z"
        assert desk.call("GET", inside + "/persons/P01").status_code == 200
        assert desk.get("/sandboxes/a/snapshots") == {"snapshots": [taken.json()]}
        assert desk.call("DELETE", "/sandboxes/a/snapshots/first").status_code == 204
        problem(desk.call("DELETE", "/sandboxes/a/snapshots/first"), 404)
        problem(desk.call("POST", "/sandboxes/a/snapshots/first/restore"), 404)

    def test_without_a_body_it_gets_a_name(self, desk: Desk) -> None:
        name = desk.call("POST", "/sandboxes/default/snapshots").json()["name"]
        assert desk.call("POST", f"/sandboxes/default/snapshots/{name}/restore").status_code == 200

    @pytest.mark.parametrize(
        ("body", "status", "pointer"),
        [
            ({"name": "first"}, 409, "/name"),
            ({"name": "A"}, 400, "/name"),
            ({"name": "~t"}, 400, "/name"),
            ({"at": 1}, 400, "/at"),
        ],
    )
    def test_what_is_refused(self, desk: Desk, body: Any, status: int, pointer: str) -> None:
        desk.call("POST", "/sandboxes/default/snapshots", {"name": "first"})
        problem(desk.call("POST", "/sandboxes/default/snapshots", body), status, pointer)
        assert len(desk.get("/sandboxes/default/snapshots")["snapshots"]) == 1


class TestClones:
    def test_it_goes_on_from_where_the_other_is(self, desk: Desk) -> None:
        desk.call("POST", "/sandboxes", {"name": "a", "seed": "x", "settings": {"mode": "ehds"}})
        desk.call("DELETE", ROOT + "/s/a/_sandbox/v1/persons/P01")
        made = desk.call("POST", "/sandboxes/a/clone", {"name": "b", "expiresIn": 60})
        assert made.status_code == 201
        assert made.headers["location"] == BASE + "/sandboxes/b"
        assert made.json()["base"] == ROOT + "/s/b"
        assert made.json()["settings"] == {"mode": "ehds"}
        assert made.json()["seed"] == "x"
        assert made.json()["expires"] == "2026-11-18T11:07:40.000000Z"
        assert "adminKey" not in made.json()
        assert (desk.persons("a"), desk.persons("b")) == (27, 27)
        assert desk.call("POST", "/sandboxes/a/clone").json()["name"].startswith("s-")

    @pytest.mark.parametrize(
        ("body", "status", "pointer"),
        [
            ({"name": "a"}, 409, "/name"),
            ({"name": "default"}, 400, "/name"),
            ({"expiresIn": 0}, 400, "/expiresIn"),
            ({"seed": "x"}, 400, "/seed"),
        ],
    )
    def test_what_is_refused(self, desk: Desk, body: Any, status: int, pointer: str) -> None:
        desk.call("POST", "/sandboxes", {"name": "a", "content": "empty"})
        problem(desk.call("POST", "/sandboxes/a/clone", body), status, pointer)
        assert len(desk.get("/sandboxes")["sandboxes"]) == 2


class TestScenarios:
    @pytest.mark.parametrize("wanted", ["known", {"people": []}])
    def test_a_scenario_fills_it(self, desk: Desk, wanted: Any) -> None:
        made = desk.call("POST", "/sandboxes", {"name": "a", "scenario": wanted})
        assert made.status_code == 201
        assert desk.persons("a") == 0
        assert desk.call("POST", "/sandboxes/a/reset").status_code == 200
        assert desk.persons("a") == 28
        assert desk.call("POST", "/sandboxes/a/reset", {"scenario": wanted}).status_code == 200
        assert desk.persons("a") == 0

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"scenario": "unknown"}, "/scenario"),
            ({"scenario": {}}, "/scenario"),
            ({"scenario": 5}, "/scenario"),
            ({"scenario": []}, "/scenario"),
            ({"scenario": "known", "content": "seeded"}, "/content"),
            ({"content": "full"}, "/content"),
            ({"expiresIn": -1}, "/expiresIn"),
            ({"seed": "x" * 201}, "/seed"),
            ({"name": "~t-1"}, "/name"),
            ({"faults": {"moon": "down"}}, "/faults/moon"),
        ],
    )
    def test_what_is_refused_makes_nothing(self, desk: Desk, body: Any, pointer: str) -> None:
        problem(desk.call("POST", "/sandboxes", {"name": "a", **body}), 400, pointer)
        assert [each["name"] for each in desk.get("/sandboxes")["sandboxes"]] == ["default"]

    def test_an_installation_without_any(self, tmp_path: Path) -> None:
        with opened(tmp_path, Ports()) as desk:
            problem(desk.call("POST", "/sandboxes", {"scenario": "known"}), 501)


class TestOwnKeys:
    def made(self, desk: Desk, name: str) -> str:
        answer = desk.call("POST", "/sandboxes", {"name": name, "content": "empty"}, INSTALLATION)
        assert answer.status_code == 201
        return str(answer.json()["adminKey"])

    def test_on_loopback_there_is_none(self, desk: Desk) -> None:
        assert "adminKey" not in desk.call("POST", "/sandboxes", {"content": "empty"}).json()

    def test_it_is_shown_once_and_stored_as_its_hash(self, guarded: Desk) -> None:
        key = self.made(guarded, "a")
        assert len(key) == 43
        shown = guarded.call("GET", "/sandboxes/a", key=INSTALLATION)
        assert key not in shown.text
        assert "adminKey" not in shown.json()
        stored = guarded.core.store.read_now(lambda conn: conn.execute(select(tables.sandbox.c.admin_key)).scalars())
        digest = hashlib.sha256(key.encode()).hexdigest()
        assert digest in set(stored)
        assert digest not in repr(asyncio.run(manager.state(guarded.core, "a")))

    def test_what_it_opens(self, guarded: Desk) -> None:
        key, other = self.made(guarded, "a"), self.made(guarded, "b")
        for path in ("/clock", "/persons", "/audit"):
            assert guarded.call("GET", ROOT + "/s/a/_sandbox/v1" + path, key=key).status_code == 200
            problem(guarded.call("GET", ROOT + "/s/a/_sandbox/v1" + path, key=other), 401)
            problem(guarded.call("GET", ROOT + "/s/a/_sandbox/v1" + path), 401)
            problem(guarded.call("GET", path, key=key), 401)
        assert guarded.call("POST", "/sandboxes/a/reset", {"content": "empty"}, key).status_code == 200
        clone = guarded.call("POST", "/sandboxes/a/clone", {"name": "c"}, key)
        assert clone.status_code == 201
        problem(guarded.call("GET", "/sandboxes/c", key=key), 401)
        assert guarded.call("GET", "/sandboxes/c", key=clone.json()["adminKey"]).status_code == 200
        for path in ("/sandboxes/b", "/sandboxes/default", "/sandboxes/nowhere", "/sandboxes/", "/sandboxes//a"):
            problem(guarded.call("GET", path, key=key), 401)
        problem(guarded.call("POST", "/sandboxes", {"content": "empty"}, key), 401)

    def test_a_new_one_closes_the_old(self, guarded: Desk) -> None:
        old = self.made(guarded, "a")
        new = guarded.call("POST", "/sandboxes/a/key", key=old).json()["adminKey"]
        problem(guarded.call("GET", "/sandboxes/a", key=old), 401)
        assert guarded.call("GET", "/sandboxes/a", key=new).status_code == 200
        problem(guarded.call("POST", "/sandboxes/default/key", key=INSTALLATION), 409)
        problem(guarded.call("POST", "/sandboxes/nowhere/key", key=INSTALLATION), 404)

    def test_it_stays_through_reset_and_restore_and_ends_with_the_sandbox(self, guarded: Desk) -> None:
        key = self.made(guarded, "a")
        guarded.call("POST", "/sandboxes/a/snapshots", {"name": "s"}, key)
        key = guarded.call("POST", "/sandboxes/a/key", key=key).json()["adminKey"]
        guarded.call("POST", "/sandboxes/a/reset", key=key)
        assert guarded.call("POST", "/sandboxes/a/snapshots/s/restore", key=key).status_code == 200
        assert guarded.call("GET", "/sandboxes/a", key=key).status_code == 200
        assert guarded.call("DELETE", "/sandboxes/a", key=key).status_code == 204
        problem(guarded.call("GET", "/sandboxes/a", key=key), 401)
        self.made(guarded, "a")
        problem(guarded.call("GET", "/sandboxes/a", key=key), 401)

    def test_the_key_is_asked_for_first(self, guarded: Desk) -> None:
        problem(guarded.call("POST", "/sandboxes", content=b"{", headers={"Content-Type": "application/json"}), 401)
        problem(guarded.call("POST", "/sandboxes", content=b"x" * 2_000_000), 401)
        problem(guarded.call("GET", "/no-such-operation"), 401)
        problem(guarded.call("GET", "/clock", headers=[("X-Admin-Key", INSTALLATION), ("X-Admin-Key", "x")]), 400)

    def test_a_sandbox_whose_store_does_not_answer_is_503(self, guarded: Desk) -> None:
        key = self.made(guarded, "a")
        with guarded.core.store.engine.begin() as connection:
            tables.sandbox.drop(connection)
        assert guarded.call("GET", "/sandboxes/a", key=key).status_code == 503
