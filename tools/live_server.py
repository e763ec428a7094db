"""Starts the real service as a user does, on free ports and with a data folder of its own; for tests and benchmarks."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

_PATIENCE = 30.0
_NOT_A_USERS = ("SANDKASSE_", "COV_", "PYTHONDONTWRITEBYTECODE")  # a user's server keeps its bytecode


@dataclass(frozen=True, slots=True)
class LiveServer:
    """A running service. ``started_in`` is the time from its start to its first answer, in seconds."""

    process: subprocess.Popen[bytes]
    port: int
    tls_port: int
    folder: Path
    started_in: float

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def database(self) -> Path:
        return self.folder / "sandkasse.db"

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text(encoding="utf-8")

    def stop(self, number: signal.Signals = signal.SIGTERM, patience: float = _PATIENCE) -> int:
        """Send a signal and wait for the end; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(patience)

    def workers(self) -> list[int]:
        """Ids of the worker processes; none when there is one process for all."""
        return _children(self.process.pid)

    def memory(self) -> int:
        """Resident bytes of the process and its workers."""
        return sum(_resident(pid) for pid in [self.process.pid, *self.workers()])


@contextmanager
def live_server(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[LiveServer]:
    """``sandkasse serve`` on free ports with ``folder`` as its data; killed at the end if it still runs."""
    server = start(folder, *arguments, environment=environment)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            try:
                server.stop()
            except subprocess.TimeoutExpired:
                server.process.kill()
                server.process.wait()


def start(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> LiveServer:
    """As ``live_server``, for callers that end the process themselves. Raises ``RuntimeError`` with its log."""
    port, tls_port = free_ports(2)
    settings = {
        "SANDKASSE_PORT": str(port),
        "SANDKASSE_TLS_PORT": str(tls_port),
        "SANDKASSE_DATA_DIR": str(folder),
        "SANDKASSE_DATABASE_URL": f"sqlite:///{folder}/sandkasse.db",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_A_USERS)}
    command = [sys.executable, "-m", "app.cli", "serve", *arguments]
    begun = time.perf_counter()
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(command, env={**kept, **settings, **(environment or {})}, stdout=log, stderr=log)
    while not answers(port):
        if process.poll() is not None or time.perf_counter() - begun > _PATIENCE:
            process.kill()
            process.wait()
            raise RuntimeError("the server did not start:\n" + (folder / "server.log").read_text(encoding="utf-8"))
        time.sleep(0.01)
    return LiveServer(process, port, tls_port, folder, time.perf_counter() - begun)


def answers(port: int) -> bool:
    """Whether a service on this port says it is healthy."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def free_ports(number: int) -> list[int]:
    """Ports nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


def _children(pid: int) -> list[int]:
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(child) for child in listed.split()]


def _resident(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))
