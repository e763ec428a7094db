"""A logged-in client system against a running service, for the end-to-end and the crash tests."""

from __future__ import annotations

import ssl

import httpx

from app.clock import SystemClock
from app.ids import SystemIds
from app.links import login
from app.sandboxes.state import DEFAULT
from app.store import audit as chains
from app.store.engine import Store
from app.trust import audit
from tools.live_server import LiveServer

CLOCK, IDS = SystemClock(), SystemIds()
SEARCH = "/pps/v2/DiagnosticReport/_search"
PATIENT = "14838449698"  # P01


def recorded_requests(server: LiveServer) -> set[str]:
    """Correlation ids in the audit chain of prøvesvar, which must be intact; read from the database itself."""
    store = open_store(server)
    try:
        assert store.read_now(lambda conn: audit.verify(conn, DEFAULT, "PPS")).fault is None
        records = store.read_now(lambda conn: chains.query(conn, DEFAULT, limit=1_000_000))
    finally:
        store.close()
    return {record["requestId"] for record in records}


def open_store(server: LiveServer) -> Store:
    """The database of a service, running or not. To be closed."""
    return Store(f"sqlite:///{server.database}", CLOCK)


class Session:
    """One token, and a fresh proof for each call."""

    def __init__(self, url: str, verify: ssl.SSLContext | bool = True) -> None:
        self.url = url
        self._verify = verify
        with httpx.Client(timeout=30, verify=verify) as http:
            key = http.get(f"{url}/_sandbox/v1/clients/sandkasse-epj/key").json()
            who = login.ClientKey("sandkasse-epj", key)
            wish = login.Wish("nhn:pps/provesvar-read", "nhn:pps", "H01")
            self.token = login.Login(http, f"{url}/helseid", who, CLOCK, IDS).token(wish)

    def headers(self, correlation: str, patient: str = PATIENT) -> dict[str, str]:
        target = self.url + SEARCH
        proof = login.make_proof(self.token.key, "POST", target, clock=CLOCK, ids=IDS, token=self.token.value)
        return {
            "Authorization": f"DPoP {self.token.value}",
            "DPoP": proof,
            "person-id": patient,
            "X-Correlation-Id": correlation,
        }

    def search(self, correlation: str, http: httpx.Client | None = None) -> httpx.Response:
        form, headers = {"_count": "5"}, self.headers(correlation)
        if http is not None:
            return http.post(self.url + SEARCH, headers=headers, data=form)
        with httpx.Client(timeout=30, verify=self._verify) as own:
            return own.post(self.url + SEARCH, headers=headers, data=form)
