"""Requests a second, latency and memory of the service, each beside a bare FastAPI route in the same run.

    python -m bench.run [--quick]

Takes thirteen minutes, with ``--quick`` one and a half.

For 1 and 2 workers and 1, 8 and 64 connections: the bare route; a PPS v2 search for 20 reports with the full chain
(access token, fresh ES256 DPoP proof, policy, audit synced to disk before the answer); a token minted with
``client_credentials`` (fresh assertion and proof, RS256). At the most connections also critical information, with a
token and fresh proofs: ``status``, ``read`` of a patient's conditions with audit, ``write`` of new records, each
checked against the rules and flushed to disk with its audit record. SQLite, journal off. Proofs are signed before the
clock starts, so the proof window is ``relaxed``; everything else is the default.

Absolute figures depend on the machine, which the generator shares and whose speed changes within seconds: compare
ratios. Each burst is compared with one of the bare route just before it; what is shown is the median of these ratios
and, in brackets, their quartiles, with rate and latencies of the burst whose rate is the median. Exits with 1 when an
answer was not 2xx.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app import server
from app.settings import Settings
from bench import load, options
from bench.requests import CriticalInformation, Searches, Tokens, get
from tools.live_server import answers, free_ports, live_server

_ENVIRONMENT = {"SANDKASSE_PROOF_WINDOW": "relaxed", "SANDKASSE_JOURNAL": "false", "SANDKASSE_LOG_LEVEL": "error"}
_MOST_A_SECOND = {1: 1500, 8: 2500, 64: 4500}


@dataclass(frozen=True, slots=True)
class Plan:
    seconds: float
    rounds: int
    workers: Sequence[int] = (1, 2)
    connections: Sequence[int] = (1, 8, 64)


def main(arguments: Sequence[str]) -> int:
    plan = Plan(1.0, 1) if options.quick("bench.run", __doc__, arguments) else Plan(2.0, 8)
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}"
    )
    print(
        f"{'workers':>7} {'conns':>5}  {'what':<8} {'req/s':>8} {'ratio':>6} {'(quartiles)':<11} "
        f"{'p50 ms':>8} {'p99 ms':>8} {'p99/p50':>7}"
    )
    errors = sum(_measure(plan, workers) for workers in plan.workers)
    if errors:
        print(f"{errors} answers were not 2xx")
    return 1 if errors else 0


def _measure(plan: Plan, workers: int) -> int:
    errors = 0
    with (
        tempfile.TemporaryDirectory(prefix="sandkasse-bench-") as folder,
        bare_server(workers) as bare_port,
        live_server(Path(folder), "--workers", str(workers), environment=_ENVIRONMENT) as live,
    ):
        info = CriticalInformation(live.url)
        kinds: dict[str, Callable[[int], Sequence[bytes]]] = {
            "search": Searches(live.url).make,
            "token": Tokens(live.url).make,
        }
        crowded: dict[str, Callable[[int], Sequence[bytes]]] = {
            "status": info.status,
            "read": info.read,
            "write": info.write,
        }
        idle = live.memory()
        for make in (kinds | crowded).values():  # every worker has its caches filled
            load.drive(live.port, 16, 2.0, make(600))
        for connections in plan.connections:
            asked = kinds | crowded if connections == max(plan.connections) else kinds
            bare, results = list[load.Result](), {name: list[load.Result]() for name in asked}
            ratios: dict[str, list[float]] = {name: [] for name in asked}
            for _ in range(plan.rounds):
                for name, make in asked.items():
                    requests = make(int(_MOST_A_SECOND[connections] * plan.seconds))
                    bare.append(load.drive(bare_port, connections, plan.seconds / 2, [get("/")], repeat=True))
                    results[name].append(load.drive(live.port, connections, plan.seconds, requests))
                    ratios[name].append(results[name][-1].rate / bare[-1].rate)
            _show(workers, connections, "bare", bare, [1.0])
            for name, measured in results.items():
                _show(workers, connections, name, measured, ratios[name])
                errors += sum(result.errors for result in measured)
        print(f"{workers:>7}        memory   {idle >> 20} MB at rest, {live.memory() >> 20} MB after")
    return errors


def _show(workers: int, connections: int, what: str, bursts: Sequence[load.Result], ratios: Sequence[float]) -> None:
    middle = sorted(bursts, key=lambda burst: burst.rate)[(len(bursts) - 1) // 2]
    low, _, high = statistics.quantiles(ratios, method="inclusive") if len(ratios) > 1 else [ratios[0]] * 3
    statuses = [burst.statuses for burst in bursts if burst.errors]
    print(
        f"{workers:>7} {connections:>5}  {what:<8} {middle.rate:>8.0f} {statistics.median(ratios):>6.2f} "
        f"({low:.2f}-{high:.2f}) {middle.p50:>8.2f} {middle.p99:>8.2f} {middle.p99 / middle.p50:>7.1f}"
        + (f"  {statuses}" if statuses else ""),
        flush=True,
    )


@contextmanager
def bare_server(workers: int) -> Iterator[int]:
    """The bare route in as many processes, on one socket."""
    (port,) = free_ports(1)
    sock = server.listen(Settings(port=port)).plain
    command = [sys.executable, "-m", "bench.bare", str(sock.fileno())]
    processes = [subprocess.Popen(command, pass_fds=[sock.fileno()]) for _ in range(workers)]
    sock.close()
    while not answers(port):
        pass
    try:
        yield port
    finally:
        for process in processes:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
