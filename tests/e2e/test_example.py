"""The example client, run as a user runs it, against a running service."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from sandkasse import Sandbox
from tools.live_server import LiveServer

_EXAMPLE = Path(__file__).parents[2] / "examples" / "epj_provesvar.py"


@pytest.fixture
def key(live: LiveServer, tmp_path: Path) -> Path:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(httpx.get(f"{live.url}/_sandbox/v1/clients/sandkasse-epj/key").json()))
    return path


def _run(live: LiveServer, key: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    addresses = ["--helseid", f"{live.url}/helseid", "--pps", f"{live.url}/pps/v2", "--key", str(key)]
    return subprocess.run([sys.executable, str(_EXAMPLE), *addresses, *arguments], capture_output=True, text=True)


def test_it_reads_pages_and_opens_a_block(live: LiveServer, key: Path) -> None:
    done = _run(live, key, "--login-hint", "H01")
    assert (done.returncode, done.stderr) == (0, "")
    assert "73 reports on 3 pages" in done.stdout
    assert "blocked by the patient (General)" in done.stdout
    assert "2 reports on 1 pages" in done.stdout


def test_a_named_person_stays_blocked(live: LiveServer, key: Path) -> None:
    done = _run(live, key, "--login-hint", "H02", "21869049848")
    assert "nothing is shown: Specific" in done.stdout


def test_a_login_that_fails_says_what_the_issuer_said(live: LiveServer, key: Path) -> None:
    done = _run(live, key, "--login-hint", "H99")
    assert done.returncode == 1
    assert "login_required" in done.stderr


def test_its_attest_reaches_the_audit_record(live: LiveServer, key: Path) -> None:
    _run(live, key, "--login-hint", "H01")
    newest = httpx.get(f"{live.url}/_sandbox/v1/audit", params={"patient": "P01"}).json()["records"][0]
    assert "decision" in json.dumps(newest).lower()


def test_the_client_checks_have_nothing_to_say_against_it(live: LiveServer, tmp_path: Path) -> None:
    with Sandbox.create(live.url) as sandbox:
        key = tmp_path / "key.json"
        key.write_text(json.dumps(httpx.get(f"{live.url}/_sandbox/v1/clients/sandkasse-epj/key").json()))
        addresses = ["--helseid", sandbox.issuer, "--pps", sandbox.url("pps-v2"), "--key", str(key)]
        done = subprocess.run(
            [sys.executable, str(_EXAMPLE), *addresses, "--login-hint", "H01"], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        report = httpx.get(f"{sandbox.url('control')}/checks", params={"client": "sandkasse-epj"}).json()
        states = {result["id"]: result["state"] for result in report["results"]}
        assert [name for name, state in states.items() if state == "failed"] == []
        assert states["attest-per-patient"] == states["after-block"] == "passed"
