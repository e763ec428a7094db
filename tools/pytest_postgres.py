"""pytest plugin: the fixture ``postgres`` gives URLs of fresh PostgreSQL databases.

The server is the one ``SANDKASSE_TEST_POSTGRES`` names (a URL whose user may create databases), else one started
for the test run from ``initdb`` and ``pg_ctl``; where neither is found the tests are skipped and say so.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

ENVIRONMENT = "SANDKASSE_TEST_POSTGRES"
_DEBIAN = "/usr/lib/postgresql"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    named = os.environ.get(ENVIRONMENT)
    if named:
        yield named
        return
    folder = program_folder()
    if folder is None:
        pytest.skip(f"no PostgreSQL: neither {ENVIRONMENT} nor initdb and pg_ctl")
    with tempfile.TemporaryDirectory(prefix="sandkasse-pg-", dir="/tmp") as place:
        yield from _run_server(folder, Path(place))


@pytest.fixture
def postgres(postgres_server: str) -> Iterator[Callable[[], str]]:
    """Each call makes an empty database and gives its SQLAlchemy URL; all are dropped after the test."""
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    made: list[str] = []

    def create() -> str:
        name = f"sandkasse_{os.getpid()}_{os.urandom(4).hex()}"
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        made.append(name)
        return make_url(postgres_server).set(database=name).render_as_string(hide_password=False)

    yield create
    with admin.connect() as connection:
        for name in made:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


def program_folder() -> Path | None:
    """The folder of a real ``initdb`` with ``pg_ctl`` beside it: Debian's newest, else what the path has."""
    versions = sorted(Path(_DEBIAN).glob("*/bin"), key=lambda path: int(path.parent.name.partition(".")[0]))
    found = shutil.which("initdb")
    candidates = [*reversed(versions), *([Path(found).resolve().parent] if found else [])]
    return next((path for path in candidates if (path / "initdb").is_file() and (path / "pg_ctl").is_file()), None)


def _run_server(programs: Path, place: Path) -> Iterator[str]:
    data, port = place / "data", _free_port()
    as_user = _unprivileged(place)
    _call([*as_user, str(programs / "initdb"), "-A", "trust", "-U", "postgres", "-N", "-D", str(data)])
    options = f"-p {port} -k {place} -c listen_addresses=127.0.0.1 -c fsync=off"
    control = [*as_user, str(programs / "pg_ctl"), "-D", str(data), "-w"]
    _call([*control, "-l", str(place / "log"), "-o", options, "start"])
    try:
        yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
    finally:
        _call([*control, "-m", "immediate", "stop"])


def _unprivileged(place: Path) -> list[str]:
    """The server refuses to run as root: hand the folder to another user and start it as that one."""
    if os.geteuid() != 0:
        return []
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = "postgres" if "postgres" in names else "nobody"
    shutil.chown(place, user)
    return ["runuser", "-u", user, "--"]


def _call(command: Sequence[str]) -> None:
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
