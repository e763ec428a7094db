"""Requests made ready before a timed run: a fresh DPoP proof in each, tokens used again, as bytes on the wire."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date, timedelta
from urllib.parse import urlencode

import httpx

from app.clock import SystemClock
from app.ids import SystemIds, new_uuid
from app.links import login
from app.links.remote import Remote
from app.services.provesvar.seed_reports import KINDS, Place
from app.services.provesvar.writer import svarrapport_xml
from app.trust import jose

_CLOCK, _IDS = SystemClock(), SystemIds()
_SEARCH = "/pps/v2/DiagnosticReport/_search"
_PERSONAS = ("H01", "H02")
_SCOPE, _AUDIENCE = "nhn:pps/provesvar-read", "nhn:pps"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


_PATIENT, _REPORTS = "P13", 20  # somebody the seed gives none


def _give_reports(url: str, number: str) -> None:
    """Send the patient's reports in as a laboratory does; sent again they change nothing."""
    for position in range(_REPORTS):
        place = Place(_PATIENT, number, "FNR", position, date(2026, 1, 1) + timedelta(days=position))
        for spec in KINDS["CLIN"](place):
            message = svarrapport_xml(spec)
            answer = httpx.post(
                f"{url}/pps-sandbox/svarrapport", content=message, headers={"Content-Type": "application/xml"}
            )
            answer.raise_for_status()


class Searches:
    """PPS v2 searches for all reports of a patient who has 20."""

    def __init__(self, url: str) -> None:
        self._url = url
        with Remote(url, None, _CLOCK, _IDS) as remote:
            key = remote.control("GET", "/clients/sandkasse-epj/key")
            self._patient = remote.control("GET", f"/persons/{_PATIENT}")["nin"]
            _give_reports(url, self._patient)
        with httpx.Client(timeout=30) as http:
            client = login.ClientKey("sandkasse-epj", key)
            who = login.Login(http, f"{url}/helseid", client, _CLOCK, _IDS)
            self._tokens = [who.token(login.Wish(_SCOPE, _AUDIENCE, persona)) for persona in _PERSONAS]

    def make(self, number: int) -> Sequence[bytes]:
        keys = [jose.import_key(token.key) for token in self._tokens]
        heads = [
            (jose.public_members(token.key), jose.access_token_hash(token.value), token.value) for token in self._tokens
        ]
        now, target = int(time.time()), self._url + _SEARCH
        made = []
        for place in range(number):
            jwk, ath, value = heads[place % len(heads)]
            claims = {"jti": new_uuid(_IDS), "htm": "POST", "htu": target, "iat": now, "ath": ath}
            proof = jose.sign({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}, claims, keys[place % len(keys)])
            headers = {
                "Authorization": f"DPoP {value}",
                "DPoP": proof,
                "person-id": self._patient,
                "X-Correlation-Id": f"bench-{place}",
            }
            made.append(post(self._url, _SEARCH, headers, b""))
        return made


class Tokens:
    """``client_credentials`` calls: a fresh assertion and a fresh proof in each, the nonce learnt once."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._target = f"{url}/helseid/connect/token"
        with Remote(url, None, _CLOCK, _IDS) as remote:
            self._client = remote.control("GET", "/clients/sandkasse-maskin/key")
        self._proof = jose.generate_key("ES256")

    def make(self, number: int) -> Sequence[bytes]:
        nonce = self._nonce()
        return [self._one(nonce) for _ in range(number)]

    def _nonce(self) -> str:
        head, body = self._parts(None)
        answer = httpx.post(self._target, headers=head, content=body)
        return answer.headers["DPoP-Nonce"]

    def _one(self, nonce: str) -> bytes:
        head, body = self._parts(nonce)
        return post(self._url, "/helseid/connect/token", head, body)

    def _parts(self, nonce: str | None) -> tuple[dict[str, str], bytes]:
        now, name = int(time.time()), "sandkasse-maskin"
        claims = {"iss": name, "sub": name, "aud": f"{self._url}/helseid", "iat": now, "nbf": now, "exp": now + 60}
        header = {"typ": "client-authentication+jwt", "alg": "ES256", "kid": self._client.get("kid", "")}
        assertion = jose.sign(header, {**claims, "jti": new_uuid(_IDS)}, jose.import_key(self._client))
        form = {
            "grant_type": "client_credentials",
            "client_id": name,
            "client_assertion_type": _ASSERTION,
            "client_assertion": assertion,
            "scope": "nhn:maternity-record/api",
        }
        proof = login.make_proof(self._proof, "POST", self._target, clock=_CLOCK, ids=_IDS, nonce=nonce)
        return {"DPoP": proof, "Content-Type": "application/x-www-form-urlencoded"}, urlencode(form).encode()


def post(url: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    """A POST as bytes."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {url.partition('//')[2]}", f"Content-Length: {len(body)}"]
    if "Content-Type" not in headers:
        lines.append("Content-Type: application/x-www-form-urlencoded")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def get(path: str) -> bytes:
    """A GET as bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
