"""Selvbetjening on a running server: the example's installer and rotation job, its own port, and the commands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.trust.jose import generate_key, public_members
from tests.support.prepared import seeded
from tools.live_server import LiveServer, free_ports, live_server

_EXAMPLE = Path(__file__).parents[2] / "examples" / "selvbetjening_key_rotation.py"
_ORGANISATION = "315500109"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveServer, str]]:
    """A service with two workers, and the address of its own port."""
    (port,) = free_ports(1)
    arguments = ("--selvbetjening-port", str(port), "--workers", "2")
    with live_server(seeded(tmp_path_factory.mktemp("selvbetjening")), *arguments) as running:
        yield running, f"http://localhost:{port}"


def _command(url: str, api: str, state: Path, *words: str) -> list[str]:
    places = ["--api", api, "--portal", f"{url}/selvbetjening", "--helseid", f"{url}/helseid", "--state", str(state)]
    return [sys.executable, str(_EXAMPLE), *places, *words]


def _press(line: str) -> httpx.Response:
    """What the person in the browser does."""
    page = line.removeprefix("Confirm the client here: ").strip()
    assert httpx.get(page).status_code == 200
    return httpx.post(page, data={"person": "H01", "verdict": "Success"}, follow_redirects=True)


@pytest.mark.parametrize("at_root", [False, True])
def test_the_example_installs_and_rotates(own: tuple[LiveServer, str], tmp_path: Path, at_root: bool) -> None:
    server, root = own
    api = root if at_root else f"{server.url}/selvbetjening-api"
    state = tmp_path / "client.json"
    words = ("install", "--api-key", "sbx-epj-dev-key", "--organisation", _ORGANISATION, "--no-browser")
    installer = subprocess.Popen(
        _command(server.url, api, state, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    watch = threading.Timer(60, installer.kill)
    watch.start()
    try:
        assert installer.stdout is not None
        landed = _press(installer.stdout.readline())
        assert re.fullmatch(r"http://localhost:\d+/callback\?status=Success", str(landed.url))
        out, err = installer.communicate(timeout=60)
    finally:
        watch.cancel()
    assert (installer.returncode, err) == (0, "")
    assert "nhn:selvbetjening/client: ok" in out
    before = json.loads(state.read_text())
    assert state.stat().st_mode & 0o077 == 0

    def rotate(days: str) -> str:
        done = subprocess.run(
            _command(server.url, api, state, "rotate", "--days", days), capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert "The key is good until" in rotate("30")
    assert json.loads(state.read_text()) == before
    assert "The new key is good until" in rotate("200")
    after = json.loads(state.read_text())
    assert after["clientId"] == before["clientId"]
    assert after["jwk"] != before["jwk"]
    assert "pendingJwk" not in after


def test_the_own_port_serves_the_api_and_nothing_else(own: tuple[LiveServer, str]) -> None:
    server, root = own
    refusal = httpx.get(f"{root}/v1/client")
    assert (refusal.status_code, refusal.json()["instance"]) == (401, "/v1/client")
    assert httpx.get(f"{root}/healthz").status_code == 404
    assert httpx.get(f"{root}/helseid/.well-known/openid-configuration").status_code == 404
    assert httpx.get(f"{server.url}/v1/client").json()["title"] == "Not found"


def _run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_a_draft_is_confirmed_from_the_command_line(live: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDKASSE_URL", live.url)

    def draft() -> str:
        body = {
            "organizationNumber": _ORGANISATION,
            "publicJwk": json.dumps(public_members(generate_key("ES256"))),
            "apiScopes": ["nhn:selvbetjening/client"],
            "postClientConfirmationRedirectUri": "http://localhost:1337/callback",
        }
        answer = httpx.post(
            f"{live.url}/selvbetjening-api/v1/client-drafts", json=body, headers={"api-key": "sbx-epj-dev-key"}
        )
        return str(answer.json()["clientId"])

    one, two = draft(), draft()
    assert _run("draft", "confirm", one).stdout == "Success  http://localhost:1337/callback?status=Success\n"
    assert _run("draft", "confirm", two, "--reject").stdout.startswith("Rejected")
    again = _run("draft", "confirm", one)
    assert (again.exit_code, "before" in again.output) == (1, True)
    listed = {line.split()[0]: line.split()[1] for line in _run("draft", "list").stdout.splitlines()}
    assert (listed[one], listed[two]) == ("CONFIRMED", "REJECTED")
