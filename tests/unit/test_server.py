"""What the server does by itself: logging, sockets, and ends that are no orderly ones."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from app import server
from app.settings import Settings
from tools.live_server import free_ports


def test_a_log_line_is_json_with_utc_time_and_the_error() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        record = logging.LogRecord("sandkasse", logging.ERROR, __file__, 1, "å %s", ("ja",), sys.exc_info())
    record.created = 0.0
    line = json.loads(server.JsonFormatter().format(record))
    assert {name: line[name] for name in ("time", "level", "logger", "message")} == {
        "time": "1970-01-01T00:00:00.000000Z",
        "level": "error",
        "logger": "sandkasse",
        "message": "å ja",
    }
    assert "ValueError: broken" in line["error"]


def test_a_port_that_is_taken_is_told() -> None:
    first = server.listen(Settings(port=_free()))
    taken = first.plain.getsockname()[1]
    with pytest.raises(server.CannotServe, match=f"port {taken}"):
        server.listen(Settings(port=taken))
    first.plain.close()


def test_a_host_that_cannot_be_found_is_told() -> None:
    with pytest.raises(server.CannotServe, match=r"no\.such\.invalid"):
        server.listen(Settings(host="no.such.invalid", port=_free()))


def test_both_sockets_are_handed_to_workers() -> None:
    ports = _free(), _free()
    listening = server.listen(Settings(port=ports[0], tls=True, tls_port=ports[1]))
    assert listening.secure is not None
    assert listening.fds == (listening.plain.fileno(), listening.secure.fileno())
    listening.plain.close()
    listening.secure.close()


def test_selvbetjening_may_have_a_socket_of_its_own() -> None:
    ports = _free(), _free()
    listening = server.listen(Settings(port=ports[0], selvbetjening_port=ports[1]))
    assert listening.selvbetjening is not None
    assert listening.fds == (listening.plain.fileno(), listening.selvbetjening.fileno())
    assert listening.selvbetjening.getsockname()[1] == ports[1]
    listening.plain.close()
    listening.selvbetjening.close()


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Told when memory is settled; for real it would be for the whole test process."""
    told: list[str] = []
    monkeypatch.setattr(server, "_SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(server, "_settle_memory", lambda: told.append("settled"))
    return told


def test_everything_is_made_before_memory_is_settled(settled: list[str]) -> None:
    def steps() -> Iterator[None]:
        for name in ("a", "b"):
            settled.append(name)
            yield

    asyncio.run(server._settle(steps))
    assert settled == ["a", "b", "settled"]


def test_an_application_that_cannot_be_made_is_told(settled: list[str], caplog: pytest.LogCaptureFixture) -> None:
    def steps() -> Iterator[None]:
        raise ValueError("no route")
        yield

    asyncio.run(server._settle(steps))
    assert "cannot be made" in caplog.text
    assert "no route" in caplog.text
    assert settled == ["settled"]


def _free() -> int:
    return free_ports(1)[0]
