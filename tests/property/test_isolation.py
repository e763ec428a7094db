"""What is done in one sandbox is neither seen nor felt in another: over all tables, and all control operations."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.clock import ManualClock
from app.core import Core
from app.ids import SeededIds, new_hex
from app.main import compose
from app.routers.resolver import Resolver
from app.sandboxes import manager, snapshots
from app.sandboxes.manager import ClockChange
from app.settings import Settings
from app.store import keys as key_store
from app.store import tables
from app.store.engine import Store
from app.store.keys import StoredKey
from app.synthetic import seed
from app.trust import issuer_keys
from tests.support.rows import Dump, dump, fill_every_table

T = TypeVar("T")
NOW = 1_795_000_000.0
ROOT = "http://localhost:8000"
KEY = "the-key-of-the-installation"

Work = Callable[[Core], Coroutine[Any, Any, object]]

WORK: Mapping[str, Work] = {
    "reset": lambda core: manager.reset(core, "a", seeder=lambda conn, state, _real: fill_every_table(conn, state.id)),
    "empty": lambda core: manager.reset(core, "a"),
    "snapshot": lambda core: snapshots.take(core, "a"),
    "restore": lambda core: snapshots.restore(core, "a", "first"),
    "forget": lambda core: _forget_newest(core),
    "clone": lambda core: snapshots.clone(core, "a"),
    "configure": lambda core: manager.configure(core, "a", settings={"mode": "ehds"}, faults={"audit": "down"}),
    "clock": lambda core: manager.move_clock(core, "a", ClockChange(advance=-5000.0, force=True)),
    "key": lambda core: manager.set_key(core, "a", "k"),
    "rotate": lambda core: _rotate(core),
    "sweep": manager.sweep,
    "recreate": lambda core: _recreate(core),
}


async def _forget_newest(core: Core) -> None:
    if kept := [each.name for each in await snapshots.listed(core, "a") if each.name != "first"]:
        await snapshots.forget(core, "a", kept[-1])


async def _rotate(core: Core) -> None:
    new = StoredKey(new_hex(core.ids), "next", NOW, {})
    await core.store.write(lambda conn: key_store.rotate(conn, "a", new))


async def _recreate(core: Core) -> None:
    await manager.delete(core, "a")
    await manager.create(core, "a", expires_in=600)
    await snapshots.take(core, "a", "first")


@contextmanager
def installation(**chosen: Any) -> Iterator[Core]:
    with tempfile.TemporaryDirectory(prefix="sandkasse-test-") as folder:
        yield from _opened(Settings(database_url=f"sqlite:///{folder}/a.db", **chosen))


def _opened(values: Settings) -> Iterator[Core]:
    clock = ManualClock(NOW)
    store = Store(values.database_url, clock)
    tables.metadata.create_all(store.engine)
    store.start()
    core = Core(values, store, clock, SeededIds("t"))
    try:
        yield core
    finally:
        store.close()


def rows(core: Core, sandbox: str) -> tuple[Dump, object]:
    """Everything that is the sandbox's: its rows in all tables, and its own."""
    held = core.store.read_now(lambda conn: dump(conn, sandbox))
    return held, asyncio.run(manager.state(core, sandbox))


@given(steps=st.lists(st.sampled_from(sorted(WORK)), min_size=1, max_size=8))
@settings(max_examples=15)
def test_no_work_on_one_sandbox_changes_a_row_of_another(steps: Sequence[str]) -> None:
    async def work(core: Core) -> None:
        first = [StoredKey(state, state, NOW, {}) for state in ("current", "next")]
        await core.store.write(lambda conn: key_store.make_first(conn, first))
        await manager.create(core, "a", expires_in=600)
        await manager.create(core, "b", settings={"profile": "strict"}, faults={"privacy": "down"})
        for name in ("a", "b"):
            await core.store.write(partial(fill_every_table, sandbox=name))
            await snapshots.take(core, name, "first")

    async def steps_of(core: Core) -> None:
        for step in steps:
            await WORK[step](core)
        await core.store.flush()

    with installation() as core:
        asyncio.run(work(core))
        before = rows(core, "b")
        assert all(len(found) >= 1 for found in before[0].values())
        asyncio.run(steps_of(core))
        assert rows(core, "b") == before
        asyncio.run(manager.delete(core, "a"))
        assert rows(core, "b") == before
        assert not any(rows(core, "a")[0].values())
        asyncio.run(snapshots.restore(core, "b", "first"))
        assert rows(core, "b") == before


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    body: Any

    @property
    def text(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Desk:
    core: Core
    app: Resolver

    def rows(self, sandbox: str, leave_out: Sequence[str] = ()) -> Dump:
        return self.core.store.read_now(lambda conn: dump(conn, sandbox, leave_out=leave_out))

    async def send(self, method: str, url: str, body: Any = None, key: str | None = None) -> httpx.Response:
        headers = {"X-Admin-Key": key} if key else {}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), headers=headers) as client:
            return await client.request(method, url, **({} if body is None else {"json": body}))


_IDS = {"name": "a", "snapshot": "first", "exchange": "01AAAAAAAAAAAAAAAAAAAAAAAA"}
_STREAMS = ("/exchanges/stream",)  # never end
_AT_ROOT_ONLY = "/sandboxes"
_HEAVY = ("resource", "search_index")  # compared at the end


def operations(app: Any) -> list[Operation]:
    """Every operation of the control API, with the first example of its body."""
    document = app.openapi()
    found = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            body = next((_example(document, media) for media in content.values()), None)
            found.append(Operation(method.upper(), path, body))
    return found


def _example(document: Mapping[str, Any], media: Mapping[str, Any]) -> Any:
    if "example" in media:
        return media["example"]
    if "examples" in media:
        first = next(iter(media["examples"].values())) if isinstance(media["examples"], dict) else media["examples"][0]
        return first.get("value", first) if isinstance(first, dict) else first
    schema = _resolved(document, media.get("schema", {}))
    for each in [schema, *(_resolved(document, option) for option in schema.get("anyOf", schema.get("oneOf", ())))]:
        if each.get("examples"):
            return each["examples"][0]
    return {}


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Mapping[str, Any] = document["components"]["schemas"][name] if name else schema
    return found


def filled(path: str, **ids: str) -> str:
    known = {"person": "P01", "person_id": "P01", "practitioner": "H01", "client_id": "sandkasse-epj", **_IDS, **ids}
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda match: known.get(match[1], "P01"), path)


@pytest.fixture
def desk() -> Iterator[tuple[Desk, list[Operation]]]:
    with installation(host="0.0.0.0", admin_key=KEY) as core:
        asyncio.run(issuer_keys.ensure(core))
        app = compose(core)
        control = app._apps["control"]
        found = [each for each in operations(control) if each.path not in _STREAMS]
        yield Desk(core, app), found


async def _seeded(desk: Desk) -> Mapping[str, str]:
    """The sandboxes a and b; gives their own keys."""
    await manager.ensure(desk.core)
    made = {}
    for name in ("a", "b"):
        body = {"name": name, "expiresIn": 600}
        made[name] = (await desk.send("POST", ROOT + "/_sandbox/v1/sandboxes", body, KEY)).json()["adminKey"]
        await snapshots.take(desk.core, name, "first")
    return made


def test_no_operation_in_one_sandbox_is_seen_in_another(desk: tuple[Desk, list[Operation]]) -> None:
    """Every operation is called in a; after each, every row of b is what it was, and so is every answer of b."""
    work, found = desk
    inside = [each for each in found if not each.path.startswith(_AT_ROOT_ONLY)]
    about = [each for each in found if each.path.startswith(_AT_ROOT_ONLY + "/{name}")]
    assert len(inside) > 30

    async def answers() -> dict[str, tuple[int, str]]:
        told = {}
        for each in inside:
            if each.method == "GET":
                answer = await work.send("GET", ROOT + "/s/b/_sandbox/v1" + filled(each.path), key=KEY)
                told[each.path] = (answer.status_code, answer.text)
        return told

    async def walk() -> None:
        await _seeded(work)
        before, told = work.rows("b"), await answers()
        done = 0
        for each in [*inside, *sorted(about, key=lambda operation: operation.method == "DELETE")]:
            place = ROOT + ("/s/a/_sandbox/v1" if each in inside else "/_sandbox/v1")
            answer = await work.send(each.method, place + filled(each.path), each.body, KEY)
            assert answer.status_code < 500 or answer.status_code == 501, (each.text, answer.text)
            done += answer.is_success
            await work.core.store.flush()
            assert work.rows("b", leave_out=_HEAVY).items() <= before.items(), each.text
        assert done > len(found) / 2
        assert work.rows("b") == before
        assert await answers() == told

    asyncio.run(walk())


def test_no_key_opens_what_is_not_its_sandboxs(desk: tuple[Desk, list[Operation]]) -> None:
    """Every operation, at the root and in both sandboxes, with no key, with a's key, and with nonsense."""
    work, found = desk

    async def walk() -> None:
        own = await _seeded(work)
        before = work.rows("b")
        for each in found:
            for url in (
                ROOT + "/_sandbox/v1" + filled(each.path, name="b"),
                ROOT + "/s/b/_sandbox/v1" + filled(each.path),
                ROOT + "/s/b/_sandbox/v1" + filled(each.path, name="b"),
            ):
                for key in (None, own["a"], "nonsense"):
                    answer = await work.send(each.method, url, each.body, key)
                    assert answer.status_code == 401, (each.text, url, key)
            if not each.path.startswith(_AT_ROOT_ONLY):
                url = ROOT + "/s/a/_sandbox/v1" + filled(each.path)
                assert (await work.send(each.method, url, each.body, None)).status_code == 401
                assert (await work.send(each.method, url, each.body, own["a"])).status_code != 401, each.text
        assert work.rows("b") == before

    asyncio.run(walk())


def test_what_is_seeded_is_enough_to_see_a_leak() -> None:
    """The default content is in every table the walk relies on."""
    with installation() as core:
        asyncio.run(manager.create(core, "a", seeder=seed.SEEDED))
        held, _ = rows(core, "a")
        for name in ("person", "practitioner", "organisation", "setting", "resource", "search_index", "client"):
            assert held[name], name
