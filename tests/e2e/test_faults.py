"""Faults that need a real connection: reset, cut short, dribbling."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support.live import Session, recorded_requests
from tools.live_server import LiveServer

METADATA = "/pps/v2/metadata"
RESET = (httpx.ReadError, httpx.RemoteProtocolError)
"""A reset that meets the body on its way out is lost on the client's write: it then reads the end of the connection."""


@pytest.fixture(autouse=True)
def _repaired(live: LiveServer) -> Iterator[None]:
    yield
    assert httpx.delete(f"{live.url}/_sandbox/v1/faults").status_code == 204


def test_reset_before_the_work(live: LiveServer) -> None:
    session = Session(live.url)
    rule = add(live, {"path": "/DiagnosticReport/_search"}, {"kind": "reset"})
    with pytest.raises(RESET, match=r"reset by peer|disconnected"):
        session.search("reset-before")
    assert "reset-before" not in recorded_requests(live)
    told = met(live, rule)
    assert (told["answer"]["status"], told["decision"]["outcome"]) == (0, "FAULT")
    assert told["request"]["body"] == "<withheld>"


def test_reset_after_the_work_is_audited_as_released(live: LiveServer) -> None:
    session = Session(live.url)
    rule = add(live, {"path": "/DiagnosticReport/_search"}, {"kind": "reset", "after": True})
    with pytest.raises(httpx.ReadError, match="reset by peer"):
        session.search("reset-after")
    assert "reset-after" in recorded_requests(live)
    told = met(live, rule)
    assert (told["answer"]["status"], told["decision"]["outcome"]) == (0, "PERMIT")


def test_reset_within_the_body(live: LiveServer) -> None:
    rule = add(live, {"path": "/metadata"}, {"kind": "reset", "afterBytes": 100})
    received, error = read_all(live.url + METADATA)
    assert isinstance(error, httpx.ReadError)
    assert (len(received), met(live, rule)["answer"]["size"]) == (100, 100)


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_truncated(live: LiveServer, secure: bool) -> None:
    url = f"https://localhost:{live.tls_port}" if secure else live.url
    whole, error = read_all(url + METADATA, live)
    assert error is None
    rule = add(live, {"path": "/metadata"}, {"kind": "truncate", "bytes": 40})
    received, error = read_all(url + METADATA, live)
    assert isinstance(error, httpx.RemoteProtocolError)
    assert received == whole[:40]
    told = met(live, rule)
    assert told["notes"]["fault"] == [{"rule": rule, "effect": "truncate", "sent": 40, "of": len(whole)}]
    assert dict(told["answer"]["headers"])["content-length"] == str(len(whole))


def test_a_truncated_answer_without_a_body_comes_whole(live: LiveServer) -> None:
    add(live, {"path": "/metadata"}, {"kind": "truncate", "fraction": 0.5})
    assert httpx.head(live.url + METADATA).status_code == 405


def test_slow(live: LiveServer) -> None:
    whole, _ = read_all(live.url + METADATA)
    add(live, {"path": "/metadata"}, {"kind": "slow", "bytesPerSecond": len(whole) * 2})
    begun = time.perf_counter()
    received, error = read_all(live.url + METADATA)
    assert (received, error) == (whole, None)
    assert time.perf_counter() - begun >= 0.4


def test_a_client_that_does_not_wait_ends_a_slow_answer(live: LiveServer) -> None:
    rule = add(live, {"path": "/metadata"}, {"kind": "slow", "bytesPerSecond": 10})
    with httpx.stream("GET", live.url + METADATA) as answer:
        assert answer.status_code == 200
    told = met(live, rule)
    assert told["answer"]["size"] < 100


def test_the_server_goes_on_and_the_log_is_quiet(live: LiveServer) -> None:
    add(live, {"path": "/metadata", "count": 3}, {"kind": "reset"})
    for _ in range(3):
        with pytest.raises(httpx.ReadError):
            httpx.get(live.url + METADATA)
    assert httpx.get(live.url + METADATA).status_code == 200
    assert "ASGI" not in live.log
    assert "Traceback" not in live.log


def test_a_call_that_hangs_keeps_nobody_waiting(live: LiveServer) -> None:
    session = Session(live.url)
    add(live, {"path": "/metadata"}, {"kind": "latency", "ms": 3000})
    with ThreadPoolExecutor(4) as pool, httpx.Client() as http:
        begun = time.perf_counter()
        hanging = [pool.submit(httpx.get, live.url + METADATA) for _ in range(4)]
        assert session.search("beside", http).status_code == 200
        assert not any(call.done() for call in hanging)
        assert [call.result().status_code for call in hanging] == [200] * 4
        assert time.perf_counter() - begun >= 3.0


def add(live: LiveServer, match: dict[str, Any], effect: dict[str, Any]) -> str:
    """Add a rule with an id that no other test has."""
    rule = f"r-{time.time_ns()}"
    body = {"id": rule, "match": match, "effect": effect}
    assert httpx.post(f"{live.url}/_sandbox/v1/faults", json=body).status_code == 201
    return rule


def met(live: LiveServer, rule: str) -> dict[str, Any]:
    """The journal's exchange that the rule took effect on."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        for row in httpx.get(f"{live.url}/_sandbox/v1/exchanges", params={"limit": 3}).json()["exchanges"]:
            told: dict[str, Any] = httpx.get(f"{live.url}/_sandbox/v1/exchanges/{row['id']}").json()
            if [each["rule"] for each in told["notes"].get("fault", ())] == [rule]:
                return told
        time.sleep(0.05)
    raise AssertionError(f"no exchange met {rule}")


def read_all(url: str, live: LiveServer | None = None) -> tuple[bytes, httpx.TransportError | None]:
    """What came of the body, and how it ended."""
    verify: ssl.SSLContext | bool = True
    if url.startswith("https") and live is not None:
        verify = ssl.create_default_context(cafile=str(live.folder / "tls" / "ca.pem"))
    received = b""
    with httpx.Client(verify=verify) as http, http.stream("GET", url) as answer:
        try:
            for piece in answer.iter_raw():
                received += piece
        except httpx.TransportError as error:
            return received, error
    return received, None
