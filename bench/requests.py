"""Requests made ready before a timed run: a fresh DPoP proof in each, tokens used again, as bytes on the wire."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import orjson

from app.clock import SystemClock
from app.directory import BY_NAME
from app.ids import SystemIds, new_uuid
from app.links import login
from app.links.remote import Remote
from app.services.kritiskinfo import samples
from app.services.kritiskinfo.samples import Place, Writer
from app.services.provesvar.seed_reports import KINDS
from app.services.provesvar.seed_reports import Place as ReportPlace
from app.services.provesvar.writer import svarrapport_xml
from app.trust import jose

_CLOCK, _IDS = SystemClock(), SystemIds()
_SEARCH = "/pps/v2/DiagnosticReport/_search"
_PERSONAS = ("H01", "H02")
_SCOPE, _AUDIENCE = "nhn:pps/provesvar-read", "nhn:pps"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


_PATIENT, _REPORTS = "P13", 20  # somebody the seed gives none
_INFORMED, _WRITTEN_ABOUT = "P13", 200
_DOCTOR = Writer("222250101", "LEGEROT, ÅRVÅKEN", "LE", "315500303", "FRISK FJORD SYKEHUS, SOMATIKK")
_NHN_HEADERS = {
    "nhn-user-role": quote('{"system":"urn:oid:2.16.578.1.12.4.1.1.9060","code":"LE"}'),
    "nhn-source-system": "bench 1.0",
    "nhn-access-basis": "SAMTYKKE",
}


def _give_reports(url: str, number: str) -> None:
    """Send the patient's reports in as a laboratory does; sent again they change nothing."""
    for position in range(_REPORTS):
        place = ReportPlace(_PATIENT, number, "FNR", position, date(2026, 1, 1) + timedelta(days=position))
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
        wishes = [login.Wish(_SCOPE, _AUDIENCE, persona) for persona in _PERSONAS]
        self._tokens = [BoundToken(token) for token in _log_in(url, key, wishes)]

    def make(self, number: int) -> Sequence[bytes]:
        now, target = int(time.time()), self._url + _SEARCH
        made = []
        for place in range(number):
            headers = {
                **self._tokens[place % len(self._tokens)].headers("POST", target, now),
                "person-id": self._patient,
                "X-Correlation-Id": f"bench-{place}",
            }
            made.append(post(self._url, _SEARCH, headers, b""))
        return made


class CriticalInformation:
    """Calls to critical information by one doctor: ``status`` and ``read`` about a patient who has most of it, and
    ``write`` of new records about many others.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        with Remote(url, None, _CLOCK, _IDS) as remote:
            key = remote.control("GET", "/clients/sandkasse-epj/key")
            client = remote.control("GET", "/clients/sandkasse-epj")
            self._patient = remote.control("GET", f"/persons/{_INFORMED}")["nin"]
            made = remote.control("POST", "/persons/generate", {"count": _WRITTEN_ABOUT, "ageFrom": 20, "ageTo": 80})
            self._others = [person["nin"] for person in made["persons"]]
        audience, scope = BY_NAME["critical-information"].rule.grants[0]
        (token,) = _log_in(url, key, [login.with_unit(login.Wish(scope, audience, _PERSONAS[0]), client)])
        self._token = BoundToken(token)

    def status(self, number: int) -> Sequence[bytes]:
        body = orjson.dumps({"nin": self._patient})
        return self._calls("POST", "status", [(self._patient, body)] * number)

    def read(self, number: int) -> Sequence[bytes]:
        return self._calls("GET", "Condition", [(self._patient, b"")] * number)

    def write(self, number: int) -> Sequence[bytes]:
        bodies = [(nin, orjson.dumps(samples.other_allergy(Place(nin, _DOCTOR)))) for nin in self._others]
        return self._calls("POST", "AllergyIntolerance", [bodies[place % len(bodies)] for place in range(number)])

    def _calls(self, method: str, tail: str, patients: Sequence[tuple[str, bytes]]) -> Sequence[bytes]:
        path = f"/critical-information/api/critical-information/v1/{tail}"
        now = int(time.time())
        return [
            request(
                method,
                self._url,
                path,
                {
                    **self._token.headers(method, self._url + path, now),
                    **_NHN_HEADERS,
                    "nhn-patient-nin": nin,
                    "Content-Type": "application/fhir+json",
                },
                body,
            )
            for nin, body in patients
        ]


class BoundToken:
    """An access token with the key its proofs are signed with."""

    def __init__(self, token: login.Token) -> None:
        self._value = token.value
        self._key = jose.import_key(token.key)
        self._header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": jose.public_members(token.key)}
        self._ath = jose.access_token_hash(token.value)

    def headers(self, method: str, target: str, now: int) -> dict[str, str]:
        """The credentials of one call, with a fresh proof."""
        claims = {"jti": new_uuid(_IDS), "htm": method, "htu": target, "iat": now, "ath": self._ath}
        return {"Authorization": f"DPoP {self._value}", "DPoP": jose.sign(self._header, claims, self._key)}


def _log_in(url: str, key: Mapping[str, Any], wishes: Sequence[login.Wish]) -> list[login.Token]:
    with httpx.Client(timeout=30) as http:
        client = login.ClientKey("sandkasse-epj", key)
        who = login.Login(http, f"{url}/helseid", client, _CLOCK, _IDS)
        return [who.token(wish) for wish in wishes]


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
    return request("POST", url, path, headers, body)


def request(method: str, url: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    """A call as bytes."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {url.partition('//')[2]}", f"Content-Length: {len(body)}"]
    if "Content-Type" not in headers:
        lines.append("Content-Type: application/x-www-form-urlencoded")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def get(path: str) -> bytes:
    """A GET as bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
