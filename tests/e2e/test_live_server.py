"""The real server: addresses over http and https, header names on the socket, an orderly end."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.live import SEARCH, Session, recorded_requests
from tools.live_server import LiveServer, answers, free_ports, live_server, start

_METADATA = "/helseid/.well-known/openid-configuration"


@pytest.fixture
def context(live: LiveServer) -> ssl.SSLContext:
    """Trusts the local authority and nothing else."""
    return ssl.create_default_context(cafile=str(live.folder / "tls" / "ca.pem"))


@pytest.fixture
def trusting(live: LiveServer, context: ssl.SSLContext) -> Iterator[httpx.Client]:
    with httpx.Client(verify=context, base_url=f"https://localhost:{live.tls_port}", timeout=30) as client:
        yield client


@pytest.mark.parametrize("case", ["RC-36"])
def test_metadata_over_https_names_only_https_addresses_of_the_same_host(
    case: str, live: LiveServer, trusting: httpx.Client
) -> None:
    metadata = trusting.get(_METADATA).json()
    assert metadata["issuer"] == f"https://localhost:{live.tls_port}/helseid"
    urls = [value for value in metadata.values() if isinstance(value, str) and "://" in value]
    assert len(urls) > 5
    for url in urls:
        parts = urlsplit(url)
        assert (parts.scheme, parts.netloc) == ("https", f"localhost:{live.tls_port}")
    assert trusting.get(metadata["jwks_uri"]).json()["keys"]


def test_http_stays_on_beside_https(live: LiveServer) -> None:
    assert httpx.get(live.url + _METADATA).json()["issuer"] == f"{live.url}/helseid"


def test_a_whole_search_over_https(live: LiveServer, context: ssl.SSLContext) -> None:
    session = Session(f"https://localhost:{live.tls_port}", context)
    answer = session.search("over-tls")
    assert (answer.status_code, answer.json()["total"]) == (200, 73)
    assert answer.json()["link"][0]["url"].startswith(f"https://localhost:{live.tls_port}/pps/v2/")


def test_old_tls_is_refused(live: LiveServer) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that is what is tried
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", live.tls_port), timeout=10) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(plain, server_hostname="localhost")


@pytest.mark.parametrize("case", ["RC-5"])
def test_header_names_leave_the_socket_in_canonical_case(case: str, live: LiveServer) -> None:
    session = Session(live.url)
    lines = [f"POST {SEARCH} HTTP/1.1", f"Host: localhost:{live.port}", "Content-Length: 0", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in session.headers("raw").items() if name != "DPoP"]
    raw = _raw(live.port, lines)
    assert b"\r\nWWW-Authenticate: " in raw
    head = raw.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    names = [line.partition(b":")[0].decode() for line in head]
    assert [name for name in names if name != name.title() and name != "WWW-Authenticate"] == []


def test_the_log_holds_no_number_and_no_token(live: LiveServer) -> None:
    session = Session(live.url)
    session.search("log")
    httpx.post(live.url + SEARCH, headers={"person-id": "14838449698", "Authorization": "DPoP eyJ.broken"})
    assert "14838449698" not in live.log
    assert session.token.value[:40] not in live.log


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_finishes_running_requests(workers: int, tmp_path: Path) -> None:
    received: set[str] = set()

    def ask(client: int) -> None:
        with httpx.Client(timeout=30) as http:
            for number in range(100_000):
                correlation = f"{client}-{number}"
                try:
                    answer = session.search(correlation, http)
                except httpx.TransportError:
                    return  # nobody took the request any more
                assert answer.json()["total"] == 73
                received.add(correlation)

    with live_server(tmp_path, "--workers", str(workers)) as server:
        session = Session(server.url)
        threads = [threading.Thread(target=ask, args=(client,)) for client in range(4)]
        for thread in threads:
            thread.start()
        while len(received) < 40:
            time.sleep(0.01)
        assert server.stop() == 0
        for thread in threads:
            thread.join()
    assert not answers(server.port)
    # Every request that was begun got its whole answer: none is in the audit chain that its client did not receive.
    assert recorded_requests(server) - received == set()


def test_a_second_server_on_the_same_port_says_so(live: LiveServer, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"Cannot listen on 127\.0\.0\.1 port"):
        start(tmp_path, "--port", str(live.port), environment={"SANDKASSE_PORT": str(live.port)})


def test_a_dead_worker_is_replaced(tmp_path: Path) -> None:
    with live_server(tmp_path, "--workers", "2") as server:
        time.sleep(5.5)  # a worker that dies sooner is taken for one that cannot start
        before = server.workers()
        subprocess.run(["kill", "-9", str(before[0])], check=True)
        deadline = time.monotonic() + 15
        while len(set(server.workers()) - set(before)) == 0 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(set(server.workers()) - set(before)) == 1
        assert Session(server.url).search("after").status_code == 200
        assert server.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"SANDKASSE_HOST": "0.0.0.0"}, "set SANDKASSE_ADMIN_KEY"),
        ({"SANDKASSE_PORT": "70000"}, "SANDKASSE_PORT"),
        ({"SANDKASSE_PROFILE": "lax"}, "SANDKASSE_PROFILE"),
    ],
)
def test_what_cannot_start_says_why_in_a_line(environment: dict[str, str], said: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=said) as caught:
        start(tmp_path, environment={"SANDKASSE_PORT": str(free_ports(1)[0]), **environment})
    assert "Traceback" not in str(caught.value)


def _raw(port: int, lines: list[str]) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall("\r\n".join([*lines, "", ""]).encode())
        received = b""
        while chunk := sock.recv(65536):
            received += chunk
    return received
