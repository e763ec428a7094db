"""The real server: addresses over http and https, header names on the socket, an orderly end."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import httpx
import pytest

from app.ids import new_uuid
from app.links import login
from app.trust import jose
from tests.support.live import CLOCK, IDS, SEARCH, UNHURRIED, Load, Session, recorded_requests
from tests.support.prepared import seeded
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
def test_the_nonce_header_leaves_the_socket_in_canonical_case(case: str, live: LiveServer) -> None:
    target, body = f"{live.url}/helseid/connect/token", _machine_request(live)
    proof = login.make_proof(jose.generate_key("ES256"), "POST", target, clock=CLOCK, ids=IDS)
    form = "application/x-www-form-urlencoded"
    raw = _raw(live.port, "/helseid/connect/token", {"DPoP": proof, "Content-Type": form}, body)
    assert b'"use_dpop_nonce"' in raw
    assert b"\r\nDPoP-Nonce: " in raw


def test_other_headers_leave_the_socket_in_canonical_case(live: LiveServer) -> None:
    headers = {name: value for name, value in Session(live.url).headers("raw").items() if name != "DPoP"}
    raw = _raw(live.port, SEARCH, headers, b"")
    for name in (b"WWW-Authenticate", b"Content-Type", b"Sandbox-Exchange"):
        assert b"\r\n" + name + b": " in raw


def test_the_log_holds_no_number_and_no_token(live: LiveServer) -> None:
    session = Session(live.url)
    session.search("log")
    httpx.post(live.url + SEARCH, headers={"person-id": "14838449698", "Authorization": "DPoP eyJ.broken"})
    assert "14838449698" not in live.log
    assert session.token.value[:40] not in live.log


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_finishes_running_requests(workers: int, tmp_path: Path) -> None:
    with live_server(seeded(tmp_path), "--workers", str(workers), environment=UNHURRIED) as server:
        load = Load(Session(server.url), clients=4)
        load.start(enough=40)
        assert server.stop() == 0
        load.join()
    assert load.odd == []
    assert not answers(server.port)
    # Every request that was begun got its whole answer: none is in the audit chain that its client did not receive.
    assert len(load.received) >= 40
    assert recorded_requests(server) - load.received == set()


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


def _machine_request(live: LiveServer) -> bytes:
    """A ``client_credentials`` form with a client assertion."""
    name, now = "sandkasse-maskin", int(CLOCK.time())
    key = httpx.get(f"{live.url}/_sandbox/v1/clients/{name}/key").json()
    claims = {"iss": name, "sub": name, "aud": f"{live.url}/helseid", "nbf": now, "exp": now + 30, "jti": new_uuid(IDS)}
    assertion = jose.sign({"typ": "client-authentication+jwt", "alg": "ES256"}, claims, jose.import_key(key))
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
        "scope": "nhn:maternity-record/api",
    }
    return urlencode(form).encode()


def _raw(port: int, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Host: localhost:{port}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        received = b""
        while chunk := sock.recv(65536):
            received += chunk
    return received
