"""One server for all processes of a test run."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandkasse import server
from sandkasse.server import CannotStart, Server, running

_FAKE = """#!{python}
import os, signal, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

if os.environ.get("FAKE_FAILS"):
    sys.exit("nothing works")

class Health(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
HTTPServer(("127.0.0.1", int(os.environ["SANDKASSE_PORT"])), Health).serve_forever()
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A command that starts a server of nothing."""
    command = tmp_path / "fake"
    command.write_text(_FAKE.format(python=sys.executable))
    command.chmod(0o755)
    monkeypatch.setattr(server, "_command", lambda: str(command))
    return tmp_path


def _up(url: str) -> bool:
    return server._answers(url)


def test_it_is_started_used_and_stopped(fake: Path) -> None:
    with running(fake, {}) as made:
        assert _up(made.url)
        assert made.admin_key is None
    assert not _up(made.url)
    assert not server._note(fake).exists()


def test_who_comes_later_uses_the_same_and_the_starter_waits_for_them(fake: Path) -> None:
    later = threading.Event()

    def leave_later(second: Any) -> None:
        later.wait(10)
        second.__exit__(None, None, None)

    with running(fake, {}) as first:
        second = running(fake, {})
        assert second.__enter__() == first
        leaving = threading.Thread(target=leave_later, args=(second,))
        leaving.start()
        assert server._read(fake) is not None
        threading.Timer(0.3, later.set).start()
        begun = time.monotonic()
    leaving.join()
    assert time.monotonic() - begun >= 0.25
    assert not _up(first.url)


def test_who_died_is_not_waited_for(fake: Path) -> None:
    with running(fake, {}) as made:
        shared = server._read(fake)
        assert shared is not None
        server._write(fake, shared, (*shared.users, 2**22 + 1))  # no process has that number
    assert not _up(made.url)


def test_the_last_one_stops_the_server_of_a_starter_that_died(fake: Path) -> None:
    process, url = server._start(fake, {})
    server._write(fake, server._Shared(url, process.pid, 2**22 + 1, ()), ())
    with running(fake, {}) as made:
        assert made.url == url
    assert process.wait(10) == 0


def test_one_that_is_gone_is_replaced(fake: Path) -> None:
    server._write(fake, server._Shared("http://localhost:1", 2**22 + 1, 2**22 + 1, ()), ())
    with running(fake, {}) as made:
        assert made.url != "http://localhost:1"
        assert _up(made.url)


def test_the_settings_of_the_environment_reach_it_but_its_place(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, str] = {}
    original: Any = subprocess.Popen

    def popen(*arguments: Any, env: dict[str, str], **options: Any) -> Any:
        seen.update(env)
        return original(*arguments, env=env, **options)

    monkeypatch.setattr(subprocess, "Popen", popen)
    with running(fake, {"SANDKASSE_PROFILE": "strict", "SANDKASSE_PORT": "1", "SANDKASSE_HOST": "0.0.0.0"}):
        assert (seen["SANDKASSE_PROFILE"], seen["SANDKASSE_HOST"]) == ("strict", "127.0.0.1")
        assert seen["SANDKASSE_PORT"] != "1"


def test_a_server_that_is_named_is_used_and_left(fake: Path) -> None:
    with running(fake, {}) as made:
        named = {"SANDKASSE_URL": made.url + "/", "SANDKASSE_ADMIN_KEY": "k"}
        with running(fake, named) as same:
            assert same == Server(made.url, "k")
            assert "k" not in repr(same).replace("sandkasse", "")
        assert httpx.get(made.url).status_code == 200


def test_a_named_server_that_does_not_answer(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="SANDKASSE_URL"), running(tmp_path, {"SANDKASSE_URL": "http://localhost:1"}):
        pass


def test_one_that_does_not_start_tells_its_log(fake: Path) -> None:
    with pytest.raises(CannotStart, match="nothing works"), running(fake, {"FAKE_FAILS": "yes"}):
        pass


def test_the_command_is_the_installed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Path(server._command()).name.startswith("sandkasse")
    monkeypatch.setattr(shutil, "which", lambda *_args, **_options: None)
    with pytest.raises(CannotStart, match="not installed"):
        server._command()
