"""One running sandbox for all processes of a test run: started by whoever comes first, stopped when all have left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Final

import httpx

from sandkasse.errors import KitError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0
_LEAVE_SECONDS: Final = 600.0
_POLL_SECONDS: Final = 0.05
_OWN: Final = ("SANDKASSE_URL", "SANDKASSE_HOST", "SANDKASSE_PORT", "SANDKASSE_DATABASE_URL", "SANDKASSE_DATA_DIR")


class CannotStart(KitError):
    """No server could be started; the text has the end of its log, or says what is missing."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where an installation is, and the key of its control API if it has one."""

    url: str
    admin_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the processes tell each other: the server, who started it, and who uses it (process ids)."""

    url: str
    pid: int
    starter: int
    users: tuple[int, ...]


@contextmanager
def running(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Server]:
    """The server at ``SANDKASSE_URL``; else one shared with every process that names the same ``folder``.

    Raises ``CannotStart``.
    """
    known = os.environ if environment is None else environment
    url = known.get("SANDKASSE_URL")
    if url:
        if not _answers(url.rstrip("/")):
            raise CannotStart(f"no sandbox answers at {url}, which SANDKASSE_URL names")
        yield Server(url.rstrip("/"), known.get("SANDKASSE_ADMIN_KEY"))
        return
    process: subprocess.Popen[bytes] | None = None
    with _locked(folder):
        shared = _read(folder)
        if shared is None or not _answers(shared.url):
            process, place = _start(folder, known)
            shared = _Shared(place, process.pid, os.getpid(), ())
        _write(folder, shared, (*shared.users, os.getpid()))
    try:
        yield Server(shared.url)
    finally:
        _leave(folder)
        if process is not None:
            _stop_when_alone(folder, process)


def _start(folder: Path, environment: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], str]:
    data = folder / "sandkasse"
    data.mkdir(exist_ok=True)
    port = _free_port()
    settings = {
        "SANDKASSE_HOST": "127.0.0.1",
        "SANDKASSE_PORT": str(port),
        "SANDKASSE_DATA_DIR": str(data),
        "SANDKASSE_DATABASE_URL": f"sqlite:///{data}/sandkasse.db",
    }
    kept = {name: value for name, value in environment.items() if name not in _OWN}
    log = data / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen([_command(), "serve"], env={**kept, **settings}, stdout=output, stderr=output)
    url, deadline = f"http://localhost:{port}", time.monotonic() + _START_SECONDS
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise CannotStart("the server did not start:\n" + log.read_text(encoding="utf-8", errors="replace")[-4000:])
        time.sleep(_POLL_SECONDS)
    return process, url


def _command() -> str:
    """The installed command. Never ``python -m``: the tested project may have modules of the same names."""
    beside = shutil.which("sandkasse", path=sysconfig.get_path("scripts"))
    found = beside or shutil.which("sandkasse")
    if found is None:
        raise CannotStart("the command `sandkasse` is not installed here; install it, or set SANDKASSE_URL")
    return found


def _leave(folder: Path) -> None:
    with _locked(folder):
        shared = _read(folder)
        if shared is None:
            return
        users = list(shared.users)
        with suppress(ValueError):
            users.remove(os.getpid())
        left = [user for user in users if _alive(user)]
        if not left and not _alive(shared.starter):  # it died and cannot stop its server
            with suppress(OSError):
                os.kill(shared.pid, signal.SIGTERM)
        _write(folder, shared, tuple(left))


def _stop_when_alone(folder: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _LEAVE_SECONDS
    while not _forgotten(folder, time.monotonic() > deadline):
        time.sleep(_POLL_SECONDS)
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _forgotten(folder: Path, anyway: bool) -> bool:
    """Whether nobody uses the server, or nobody shall; then whoever comes next starts another."""
    with _locked(folder):
        shared = _read(folder)
        if shared is not None and not anyway and any(_alive(user) for user in shared.users):
            return False
        _note(folder).unlink(missing_ok=True)
        return True


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def _alive(pid: int) -> bool:
    if sys.platform == "win32":  # asking would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _note(folder: Path) -> Path:
    return folder / "sandkasse-server.json"


def _read(folder: Path) -> _Shared | None:
    try:
        body = json.loads(_note(folder).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return _Shared(body["url"], body["pid"], body["starter"], tuple(body["users"]))


def _write(folder: Path, shared: _Shared, users: tuple[int, ...]) -> None:
    _note(folder).write_text(json.dumps({**asdict(shared), "users": users}), encoding="utf-8")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time; the system lets go when a process dies."""
    with (folder / "sandkasse-server.lock").open("a+b") as file:
        _lock(file)
        try:
            yield
        finally:
            _unlock(file)


if sys.platform == "win32":

    def _lock(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)

    def _unlock(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX)

    def _unlock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
