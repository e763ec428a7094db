"""kill -9 under load: whatever a client received has its record in the audit chain, and the chain is intact."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.support.live import Session, open_store, recorded_requests
from tools.live_server import LiveServer, live_server, start

_CLIENTS = 6
_ENOUGH = 60


@pytest.mark.parametrize("workers", [1, 2])
def test_no_released_answer_is_without_its_record(workers: int, tmp_path: Path) -> None:
    server = start(tmp_path, "--workers", str(workers))
    received = _load_until_killed(server, Session(server.url))
    recorded = recorded_requests(server)

    assert len(received) >= _ENOUGH
    assert received - recorded == set()

    # The same database starts again, and goes on with the same chain.
    with live_server(tmp_path) as again:
        assert Session(again.url).search("afterwards").status_code == 200
        verified = httpx.get(f"{again.url}/_sandbox/v1/audit/verify").json()
        assert [chain for chain in verified["chains"] if not chain["ok"]] == []
    assert "afterwards" in recorded_requests(server)


def test_the_command_finds_a_changed_record(tmp_path: Path) -> None:
    with live_server(tmp_path) as server:
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


def _load_until_killed(server: LiveServer, session: Session) -> set[str]:
    """Correlation ids of the answers that were received whole, with data."""
    received: set[str] = set()

    def ask(client: int) -> None:
        with httpx.Client(timeout=30) as http:
            for number in range(100_000):
                correlation = f"{client}-{number}"
                try:
                    answer = session.search(correlation, http)
                except httpx.TransportError:
                    return
                assert answer.json()["total"] == 73
                received.add(correlation)

    threads = [threading.Thread(target=ask, args=(client,)) for client in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    while len(received) < _ENOUGH and time.monotonic() < deadline:
        time.sleep(0.01)
    for pid in [server.process.pid, *server.workers()]:
        subprocess.run(["kill", f"-{signal.SIGKILL.value}", str(pid)], check=True)
    server.process.wait()
    for thread in threads:
        thread.join()
    return received


def _verify(server: LiveServer) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "audit", "verify"],
        env={"SANDKASSE_DATABASE_URL": f"sqlite:///{server.database}", "PATH": ""},
        capture_output=True,
        text=True,
    )
