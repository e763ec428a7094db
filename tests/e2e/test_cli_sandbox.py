"""``sandkasse sandbox`` against a running service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.commands.sandbox import seconds
from tests.support.prepared import seeded
from tools.live_server import LiveServer, live_server

KEY = "the-key-of-the-installation"


def run(live: LiveServer, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["sandbox", *arguments, "--url", live.url])


def stdout(live: LiveServer, *arguments: str) -> str:
    done = run(live, *arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def name(live: LiveServer) -> Iterator[str]:
    made = json.loads(stdout(live, "create", "--json", "--expires-in", "1h"))
    yield made["name"]
    run(live, "delete", made["name"])


def test_from_the_first_to_the_last(live: LiveServer) -> None:
    made = stdout(live, "create", "cli-a", "--seed", "x", "--setting", "mode=ehds", "--setting", "nonce_seconds=60")
    assert made == f"{live.url}/s/cli-a\n"
    shown = next(line for line in stdout(live, "list").splitlines() if line.startswith("cli-a "))
    assert shown.endswith("ends never")
    assert next(each for each in json.loads(stdout(live, "list", "--json")) if each["name"] == "cli-a")["settings"] == {
        "mode": "ehds",
        "nonce_seconds": 60,
    }
    assert stdout(live, "snapshot", "cli-a", "first") == "first\n"
    person = f"{live.url}/s/cli-a/_sandbox/v1/persons/P01"
    assert httpx.delete(person).status_code == 204
    assert stdout(live, "clone", "cli-a", "cli-b", "--expires-in", "90s") == f"{live.url}/s/cli-b\n"
    assert stdout(live, "restore", "cli-a", "first") == "cli-a is as it was at first\n"
    assert httpx.get(person).status_code == 200
    assert httpx.get(person.replace("cli-a", "cli-b")).status_code == 404
    assert stdout(live, "snapshots", "cli-a").startswith("first ")
    assert stdout(live, "delete", "cli-a", "--snapshot", "first") == "first of cli-a is gone\n"
    assert stdout(live, "snapshots", "cli-a") == ""
    assert stdout(live, "reset", "cli-a", "--empty") == "cli-a is as new\n"
    assert httpx.get(person).status_code == 404
    for each in ("cli-a", "cli-b"):
        assert stdout(live, "delete", each) == f"{each} is gone\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "A"], "a name has 1-40"),
        (["create", "--expires-in", "soon"], "90s, 30m, 12h or 7d"),
        (["create", "--setting", "mode"], "name=value"),
        (["create", "--setting", "mode=loose"], "mode"),
        (["create", "--empty", "--scenario", "x"], "exclude each other"),
        (["create", "--scenario", "no-such-file.yaml"], "no-such-file.yaml"),
        (["reset", "nowhere"], "no sandbox of that name"),
        (["restore", "default", "nothing"], "no snapshot of that name"),
        (["delete", "default"], "not deleted"),
        (["delete", "../clients"], "404"),
        (["key", "default"], "installation's key"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(live: LiveServer, arguments: list[str], said: str) -> None:
    done = run(live, *arguments)
    assert done.exit_code == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_yaml_that_is_none(live: LiveServer, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: [", encoding="utf-8")
    done = run(live, "create", "--scenario", str(tmp_path / "x.yaml"))
    assert (done.exit_code, "x.yaml: line 1" in done.stderr) == (1, True)


def test_snapshots_get_a_name(live: LiveServer, name: str) -> None:
    kept = stdout(live, "snapshot", name).strip()
    assert stdout(live, "snapshots", name).startswith(kept + " ")


def test_a_sandbox_s_own_key(tmp_path: Path) -> None:
    with live_server(seeded(tmp_path), environment={"SANDKASSE_ADMIN_KEY": KEY}) as live:
        refused = run(live, "create", "a")
        assert (refused.exit_code, "X-Admin-Key" in refused.stderr) == (1, True)
        shown = stdout(live, "create", "a", "--empty", "--admin-key", KEY)
        key = shown.splitlines()[1].removeprefix("admin key: ")
        assert run(live, "create", "b", "--admin-key", key).exit_code == 1
        assert stdout(live, "reset", "a", "--empty", "--admin-key", key) == "a is as new\n"
        new = stdout(live, "key", "a", "--admin-key", key).strip()
        assert run(live, "reset", "a", "--admin-key", key).exit_code == 1
        assert stdout(live, "delete", "a", "--admin-key", new) == "a is gone\n"
        assert not [secret for secret in (KEY, key, new) if secret in live.log]


@pytest.mark.parametrize(
    ("text", "length"), [("90", 90.0), ("1.5", 1.5), ("90s", 90.0), ("30m", 1800.0), ("2h", 7200.0), ("7d", 604_800.0)]
)
def test_lengths_of_time(text: str, length: float) -> None:
    assert seconds(text) == length
