"""The load generator: its own process, raw sockets kept open, requests made ready before the clock starts.

    python -m bench.load PORT CONNECTIONS SECONDS < requests

Reads length-prefixed requests from standard input, sends each once, and prints one JSON line with what it saw.
"""

from __future__ import annotations

import asyncio
import json
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import uvloop

_LENGTH = struct.Struct("!I")


@dataclass(frozen=True, slots=True)
class Result:
    """One timed run; times in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    statuses: dict[str, int]

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    @property
    def errors(self) -> int:
        return sum(count for status, count in self.statuses.items() if not status.startswith("2"))


def drive(port: int, connections: int, seconds: float, requests: Sequence[bytes], *, repeat: bool = False) -> Result:
    """Run a generator process. Each request is sent at most once, or over and over with ``repeat``."""
    command = [sys.executable, "-m", "bench.load", str(port), str(connections), str(seconds), str(int(repeat))]
    payload = b"".join(_LENGTH.pack(len(request)) + request for request in requests)
    done = subprocess.run(command, input=payload, capture_output=True, check=True, timeout=seconds + 10)
    return Result(**json.loads(done.stdout))


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the one before is complete."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._held = bytearray()
        self._wanted = 0
        self._begun = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._next()

    def data_received(self, data: bytes) -> None:
        self._held += data
        if not self._wanted:
            end = self._held.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._held[:end]).lower()
            place = head.find(b"content-length:")
            length = int(head[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
            self._wanted = end + 4 + length
        if len(self._held) >= self._wanted:
            self._run.answered(bytes(self._held[9:12]), time.perf_counter() - self._begun)
            self._held.clear()
            self._wanted = 0
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._run.closed()

    def _next(self) -> None:
        assert self._transport is not None
        request = self._run.next()
        if request is None:
            self._transport.close()
            return
        self._begun = time.perf_counter()
        self._transport.write(request)


class _Run:
    def __init__(self, requests: Iterator[bytes], connections: int, seconds: float) -> None:
        self._requests = requests
        self._open = connections
        self._until = time.perf_counter() + seconds
        self.times: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.done = asyncio.Event()

    def next(self) -> bytes | None:
        return next(self._requests, None) if time.perf_counter() < self._until else None

    def answered(self, status: bytes, seconds: float) -> None:
        self.statuses[status.decode()] += 1
        self.times.append(seconds)

    def closed(self) -> None:
        self._open -= 1
        if self._open == 0:
            self.done.set()


async def _main(port: int, connections: int, seconds: float, repeat: bool) -> None:
    requests = list(_read(sys.stdin.buffer.read()))
    source = _over_and_over(requests) if repeat else iter(requests)
    run = _Run(source, connections, seconds)
    loop = asyncio.get_running_loop()
    begun = time.perf_counter()
    for _ in range(connections):
        await loop.create_connection(lambda: _Connection(run), "127.0.0.1", port)
    await run.done.wait()
    spent = time.perf_counter() - begun
    times = sorted(run.times) or [0.0]
    result = {
        "requests": len(run.times),
        "seconds": spent,
        "p50": 1000 * times[len(times) // 2],
        "p99": 1000 * times[int(len(times) * 0.99)],
        "statuses": dict(run.statuses),
    }
    print(json.dumps(result))


def _read(data: bytes) -> Iterator[bytes]:
    place = 0
    while place < len(data):
        (length,) = _LENGTH.unpack_from(data, place)
        place += _LENGTH.size
        yield data[place : place + length]
        place += length


def _over_and_over(requests: Sequence[bytes]) -> Iterator[bytes]:
    while True:
        yield from requests


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4] == "1"))
