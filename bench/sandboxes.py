"""How long the life of a sandbox takes, and what a thousand of them cost, beside a bare route in the same run.

    python -m bench.sandboxes [--quick]

Each figure is the median time of one call after another from one client, in milliseconds, and how many times that of
the bare route it is. The thousand sandboxes have the default people and results. SQLite, journal on, one process.
Absolute figures depend on the machine: compare ratios. Exits with 1 when a call failed.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from app.clock import SystemClock
from app.ids import SystemIds, new_uuid
from app.links.remote import Remote
from bench import options
from bench.run import bare_server
from tools.live_server import LiveServer, live_server

_CLOCK, _IDS = SystemClock(), SystemIds()
_EDGE = 50  # creations compared at the beginning and the end


@dataclass(frozen=True, slots=True)
class Plan:
    rounds: int
    live: int
    searches: int


class Failed(Exception):
    """A call was not answered as it should be."""


def main(arguments: Sequence[str]) -> int:
    plan = Plan(10, 100, 5) if options.quick("bench.sandboxes", __doc__, arguments) else Plan(40, 1000, 20)
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}"
    )
    print(f"{'what':<28} {'ms':>8} {'ratio':>7} {'slowest':>8}")
    with (
        tempfile.TemporaryDirectory(prefix="sandkasse-bench-") as folder,
        bare_server(1) as bare_port,
        live_server(Path(folder), environment={"SANDKASSE_LOG_LEVEL": "error"}) as live,
        httpx.Client(timeout=30) as http,
    ):
        try:
            _measure(plan, live, Table(_median(_bare(http, bare_port, plan.rounds * 5))), http)
        except Failed as error:
            print(error)
            return 1
    return 0


@dataclass
class Table:
    """Prints medians, each beside that of the bare route."""

    yardstick: float

    def show(self, what: str, times: Sequence[float]) -> None:
        median = _median(times)
        print(f"{what:<28} {median:>8.1f} {median / self.yardstick:>7.1f} {max(times):>8.1f}", flush=True)


def _measure(plan: Plan, live: LiveServer, table: Table, http: httpx.Client) -> None:
    call = Caller(http, live.url + "/_sandbox/v1/sandboxes")
    table.show("bare route", [table.yardstick])
    table.show("first with default content", [call.timed("POST", "", 201, {"name": "first"})])
    table.show("create empty", call.each(plan.rounds, "POST", "", 201, {"content": "empty"}))
    table.show("create default", call.each(plan.rounds, "POST", "", 201, {}))
    table.show("reset", call.each(plan.rounds, "POST", "/first/reset", 200, {}))
    names = [f"n{number}" for number in range(min(plan.rounds, 20))]
    table.show("snapshot", [call.timed("POST", "/first/snapshots", 201, {"name": name}) for name in names])
    table.show("restore", call.each(plan.rounds, "POST", "/first/snapshots/n0/restore", 200))
    table.show("delete snapshot", [call.timed("DELETE", f"/first/snapshots/{name}", 204) for name in names])
    clones = [f"clone-{number}" for number in range(plan.rounds)]
    table.show("clone", [call.timed("POST", "/first/clone", 201, {"name": name}) for name in clones])
    table.show("delete", [call.timed("DELETE", f"/{name}", 204) for name in clones])
    _many(plan, live, table, call)


def _many(plan: Plan, live: LiveServer, table: Table, call: Caller) -> None:
    few = _searches(live, "first", plan.searches)
    rest, size = live.memory(), _size(live.database)
    names = [f"live-{number}" for number in range(plan.live)]
    times = [call.timed("POST", "", 201, {"name": name}) for name in names]
    table.show(f"create, first {_EDGE} of {plan.live}", times[:_EDGE])
    table.show(f"create, last {_EDGE} of {plan.live}", times[-_EDGE:])
    table.show(f"list {plan.live}", call.each(plan.rounds, "GET", "", 200))
    table.show("search, few sandboxes", few)
    table.show(f"search, one of {plan.live}", _searches(live, names[len(names) // 2], plan.searches))
    table.show("delete, one of many", [call.timed("DELETE", f"/{name}", 204) for name in names[: plan.rounds]])
    print(f"memory {rest >> 20} MB before, {live.memory() >> 20} MB after; ", end="")
    print(f"database {(_size(live.database) - size) / plan.live / 1e6:.2f} MB a sandbox")


@dataclass
class Caller:
    """Calls of the control API, timed. Each raises ``Failed`` when its status is another."""

    http: httpx.Client
    base: str

    def timed(self, method: str, path: str, status: int, body: Any = None) -> float:
        return _timed(lambda: self.http.request(method, self.base + path, json=body), status)

    def each(self, rounds: int, method: str, path: str, status: int, body: Any = None) -> list[float]:
        return [self.timed(method, path, status, body) for _ in range(rounds)]


def _searches(live: LiveServer, name: str, number: int) -> list[float]:
    """PPS searches in a sandbox by somebody logged in there; signing is not timed."""
    target = f"{live.url}/s/{name}/pps/v2/DiagnosticReport/_search"
    form = {"Content-Type": "application/x-www-form-urlencoded", "X-Correlation-Id": new_uuid(_IDS)}
    times = []
    with Remote.behind(target, None, _CLOCK, _IDS) as remote:
        who = remote.patient_header(target, "P01")
        for _ in range(number + 1):
            proven = remote.credentials(target, "POST", "H01", "sandkasse-epj", None, attest=False)
            headers = {**form, **who, **proven}
            times.append(_timed(partial(remote.request, "POST", target, headers, b"_count=20"), 200))
    return times[1:]


def _bare(http: httpx.Client, port: int, rounds: int) -> list[float]:
    return [_timed(lambda: http.get(f"http://localhost:{port}/"), 200) for _ in range(rounds)]


def _timed(call: Callable[[], httpx.Response], status: int) -> float:
    begun = time.perf_counter()
    answer = call()
    took = (time.perf_counter() - begun) * 1000
    if answer.status_code != status:
        raise Failed(f"{answer.request.method} {answer.request.url} answered {answer.status_code}: {answer.text[:300]}")
    return took


def _median(times: Sequence[float]) -> float:
    return statistics.median(times)


def _size(database: Path) -> int:
    return sum(path.stat().st_size for path in database.parent.glob(database.name + "*"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
