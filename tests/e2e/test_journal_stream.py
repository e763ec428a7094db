"""The journal of a running service with two processes: its stream misses nothing and does not hold up a stop."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.live import UNHURRIED, Session
from tests.support.prepared import seeded
from tools.live_server import LiveServer, live_server

_STREAM = "/_sandbox/v1/exchanges/stream?service=pps-v2"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder: Path = tmp_path_factory.mktemp("stream")
    with live_server(seeded(folder), "--workers", "2", environment=UNHURRIED) as running:
        yield running


def _events(lines: Iterator[str], many: int) -> list[str]:
    found: list[str] = []
    while len(found) < many:
        line = next(lines)
        if line.startswith("data: "):
            found.append(json.loads(line.removeprefix("data: "))["id"])
    return found


def test_the_stream_has_every_exchange_of_every_process(two: LiveServer) -> None:
    session = Session(two.url)
    with httpx.Client(timeout=30) as http, http.stream("GET", two.url + _STREAM) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        assert next(lines) == "retry: 1000"
        with ThreadPoolExecutor(4) as pool:
            made = [
                answer.headers["Sandbox-Exchange"]
                for answer in pool.map(lambda number: session.search(f"s-{number}"), range(40))
            ]
        assert sorted(_events(lines, len(made))) == sorted(made)
    again = {"Last-Event-ID": made[0]}
    with httpx.Client(timeout=30) as http, http.stream("GET", two.url + _STREAM, headers=again) as stream:
        listed = http.get(two.url + f"/_sandbox/v1/exchanges?service=pps-v2&after={made[0]}&limit=1000").json()
        later = [row["id"] for row in listed["exchanges"]]
        assert _events(stream.iter_lines(), len(later)) == later


def test_a_waiting_call_is_answered_by_another_process_in_time(two: LiveServer) -> None:
    session = Session(two.url)
    with httpx.Client(timeout=30) as http, ThreadPoolExecutor(4) as pool:
        body = {"match": {"service": "pps-v2", "status": 200}, "count": 4, "timeout": 20}
        cursor = http.get(two.url + "/_sandbox/v1/exchanges?limit=1").json()["cursor"]
        waiting = [
            pool.submit(http.post, two.url + "/_sandbox/v1/exchanges/expect", json={**body, "after": cursor})
            for _ in range(3)
        ]
        for number in range(4):
            session.search(f"e-{number}")
        assert [each.result().json()["satisfied"] for each in waiting] == [True] * 3


def test_a_stop_ends_open_streams(tmp_path: Path) -> None:
    with live_server(seeded(tmp_path)) as server, httpx.Client(timeout=30) as http:
        with http.stream("GET", server.url + _STREAM) as stream, ThreadPoolExecutor(1) as pool:
            assert next(stream.iter_lines()) == "retry: 1000"
            waiting = pool.submit(httpx.get, server.url + "/_sandbox/v1/exchanges?wait=30", timeout=40)
            time.sleep(0.3)
            started = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - started < 5
            assert waiting.result().json()["exchanges"] == []
        assert "ERROR" not in server.log
