"""kill -9 under load: whatever a client received has its record in the audit chain, and the chain is intact."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.live import UNHURRIED, Load, Session, open_store, recorded_requests
from tests.support.prepared import seeded
from tools.live_server import LiveServer, live_server, start

_ENOUGH = 60


@pytest.mark.parametrize("workers", [1, 2])
def test_no_released_answer_is_without_its_record(workers: int, tmp_path: Path) -> None:
    server = start(tmp_path, "--workers", str(workers), environment=UNHURRIED)
    load = Load(Session(server.url), clients=6)
    load.start(_ENOUGH)
    _kill(server)
    load.join()

    assert load.odd == []
    assert len(load.received) >= _ENOUGH
    assert load.received - recorded_requests(server) == set()

    # The same database starts again, and goes on with the same chain.
    with live_server(tmp_path) as again:
        assert Session(again.url).search("afterwards").status_code == 200
        verified = httpx.get(f"{again.url}/_sandbox/v1/audit/verify").json()
        assert [chain for chain in verified["chains"] if not chain["ok"]] == []
    assert "afterwards" in recorded_requests(server)


def test_the_command_finds_a_changed_record(tmp_path: Path) -> None:
    with live_server(seeded(tmp_path)) as server:
        session = Session(server.url)
        for number in range(3):
            session.search(f"record-{number}")
    assert _verify(server).returncode == 0

    store = open_store(server)
    changed = "UPDATE audit SET body = CAST(replace(CAST(body AS TEXT), 'record-1', 'record-9') AS BLOB)"
    store.write_now(lambda conn: conn.exec_driver_sql(changed))
    store.close()

    done = _verify(server)
    assert done.returncode == 1
    assert "BROKEN default/PPS" in done.stdout
    assert "HASH_MISMATCH at 2" in done.stdout


def _kill(server: LiveServer) -> None:
    for pid in [server.process.pid, *server.workers()]:
        subprocess.run(["kill", f"-{signal.SIGKILL.value}", str(pid)], check=True)
    server.process.wait()


def _verify(server: LiveServer) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "audit", "verify"],
        env={"SANDKASSE_DATABASE_URL": f"sqlite:///{server.database}", "PATH": ""},
        capture_output=True,
        text=True,
    )
