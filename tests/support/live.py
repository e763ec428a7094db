"""A logged-in client system against a running service, for the end-to-end and the crash tests."""

from __future__ import annotations

from typing import Any

import httpx

from app.clock import SystemClock
from app.ids import SystemIds
from app.links import login
from app.links.remote import Remote

CLOCK, IDS = SystemClock(), SystemIds()
SEARCH = "/pps/v2/DiagnosticReport/_search"
PATIENT = "14838449698"  # P01


class Session:
    """One token, and a fresh proof for each call."""

    def __init__(self, url: str, http: httpx.Client | None = None) -> None:
        self.url = url
        self._http = http or httpx.Client(timeout=30)
        key = self._http.get(f"{url}/_sandbox/v1/clients/sandkasse-epj/key").json()
        who = login.ClientKey("sandkasse-epj", key)
        self.token = login.Login(self._http, f"{url}/helseid", who, CLOCK, IDS).token(
            login.Wish("nhn:pps/provesvar-read", "nhn:pps", "H01")
        )

    def headers(self, correlation: str, patient: str = PATIENT) -> dict[str, str]:
        target = self.url + SEARCH
        proof = login.make_proof(self.token.key, "POST", target, clock=CLOCK, ids=IDS, token=self.token.value)
        return {
            "Authorization": f"DPoP {self.token.value}",
            "DPoP": proof,
            "person-id": patient,
            "X-Correlation-Id": correlation,
        }

    def search(self, correlation: str, http: httpx.Client | None = None, **form: Any) -> httpx.Response:
        return (http or self._http).post(
            self.url + SEARCH, headers=self.headers(correlation), data=form or {"_count": "5"}
        )


def remote(url: str) -> Remote:
    return Remote(url, None, CLOCK, IDS)
