"""A logged-in client system against a running service, for the end-to-end and the crash tests."""

from __future__ import annotations

import ssl
import threading
import time

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
UNHURRIED = {"SANDKASSE_PROOF_WINDOW": "relaxed"}  # a loaded machine may take longer than a proof is good for


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


class Load:
    """Clients that search one after the other until nobody answers any more.

    ``received`` are the correlation ids of answers that came whole; ``odd`` what came instead of a patient's reports.
    """

    def __init__(self, session: Session, clients: int) -> None:
        self.received: set[str] = set()
        self.odd: list[str] = []
        self._session = session
        self._threads = [threading.Thread(target=self._ask, args=(client,)) for client in range(clients)]

    def start(self, enough: int, patience: float = 60.0) -> None:
        """Begin, and wait until that many answers have come."""
        for thread in self._threads:
            thread.start()
        deadline = time.monotonic() + patience
        while len(self.received) < enough and time.monotonic() < deadline and not self.odd:
            time.sleep(0.01)

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _ask(self, client: int) -> None:
        with httpx.Client(timeout=60) as http:
            for number in range(100_000):
                correlation = f"{client}-{number}"
                try:
                    answer = self._session.search(correlation, http)
                except httpx.TransportError:
                    return  # nobody took the request any more
                if answer.status_code != 200 or answer.json()["total"] != 73:
                    self.odd.append(f"{answer.status_code} {answer.text[:500]}")
                    return
                self.received.add(correlation)
