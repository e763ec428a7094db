"""Two test suites at work in one installation: opposite settings, ten thousand calls, nothing of one seen in the other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandkasse import Sandbox
from tests.support.length import LONG
from tests.support.live import SEARCH, UNHURRIED, Session
from tests.support.prepared import seeded
from tools.live_server import LiveServer, live_server

PARTS, ROUNDS, CALLS, CLIENTS = (5, 2, 500, 8) if LONG else (1, 2, 200, 8)
"""Ten thousand calls in the long run: in each part two suites make two rounds of five hundred."""
RESULTS_OF_P01 = 73


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder: Path = tmp_path_factory.mktemp("suites")
    # Tokens are reused for the whole run, which may last longer than a token lives on a loaded machine.
    options = {**UNHURRIED, "SANDKASSE_ACCESS_TOKEN_SECONDS": "3600", "SANDKASSE_JOURNAL_KEEP": "100000"}
    with live_server(seeded(folder), "--workers", "2", environment=options) as running:
        yield running


@pytest.mark.parametrize("part", range(PARTS))
def test_two_suites_do_not_meet(two_workers: LiveServer, part: int) -> None:
    with (
        Sandbox.create(two_workers.url, f"suite-a{part}") as one,
        Sandbox.create(two_workers.url, f"suite-b{part}") as other,
    ):

        async def both() -> None:
            await asyncio.gather(
                suite(one, two_workers, begins_blocked=False), suite(other, two_workers, begins_blocked=True)
            )

        asyncio.run(both())
        for sandbox, mark in ((one, one.name), (other, other.name)):
            seen = sandbox.journal.list(service="pps-v2", limit=1000)
            assert {row.patient for row in seen} == {"P01"}
            assert len(seen) == min(1000, ROUNDS * CLIENTS * (CALLS // CLIENTS + 1))
            told = sandbox.journal.explain(seen[0].id)
            assert f"/s/{mark}/" in told.body["request"]["url"]
            assert told.body["sandbox"] == mark


async def suite(sandbox: Sandbox, server: LiveServer, *, begins_blocked: bool) -> None:
    """Rounds of calls; before each the patient's block is turned over, so that every answer tells whose it is."""
    name = sandbox.name
    session = await asyncio.to_thread(Session, f"{server.url}/s/{name}")
    setting = None
    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=CLIENTS)) as http:
        for number in range(ROUNDS):
            blocked = (number % 2 == 0) == begins_blocked
            if blocked:
                setting = await asyncio.to_thread(sandbox.settings.block, "P01")
            elif setting is not None:
                await asyncio.to_thread(sandbox.settings.remove, setting)
            await asyncio.gather(*(client(http, session, name, f"{number}-{each}", blocked) for each in range(CLIENTS)))


async def client(http: httpx.AsyncClient, session: Session, name: str, mark: str, blocked: bool) -> None:
    for call in range(CALLS // CLIENTS + 1):
        answer = await http.post(session.url + SEARCH, headers=session.headers(f"{mark}-{call}"), data={"_count": "1"})
        assert answer.status_code == 200, answer.text
        bundle = answer.json()
        assert bundle["total"] == (0 if blocked else RESULTS_OF_P01), f"{name} saw the other's setting"
        assert f"/s/{name}/" in bundle["link"][0]["url"]
