"""A seeded sandbox with kjernejournal behind the resolving middleware, and its callers: an EHR, a machine, a browser."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import orjson
from sqlalchemy import Connection

from app.sandboxes.state import DEFAULT
from app.services.kjernejournal.sessions import s256
from app.services.kritiskinfo import records
from app.services.kritiskinfo.records import Draft, Record
from app.store import audit, privacy, registers
from tests.conformance.pps_kit import PpsWorld
from tests.support.world import HOST
from tests.unit.trust.gate_kit import ABSENT, PARENT, attest, claims, proof

KJ, LOGIN, PORTAL = "/kjernejournal", "/kjernejournal-innlogging", "/kjernejournal-portal/hpp-webapp"
INDICATOR = "/v1/helseindikator"
AUDIENCE = "nhn:kjernejournal"
API = f"{AUDIENCE}/api"
BOTH = (f"{AUDIENCE}/innlogging", f"{AUDIENCE}/tillitsrammeverk")
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
O09 = "315500907"
_NOTHING: Mapping[str, str | None] = {}
MACHINE: Mapping[str, Any] = {"pid": ABSENT, "sub": ABSENT, "hpr": ABSENT, "level": ABSENT, "name": ABSENT}
"""Changes that make the claims of a person those of a client alone."""


class KjWorld(PpsWorld):
    """The world with callers of kjernejournal; of critical information it holds only what a test writes."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, **settings)
        self.write(_without_records)

    def kj_token(self, *scopes: str, **changes: Any) -> str:
        """An access token for kjernejournal; keywords replace claims."""
        made = {"aud": AUDIENCE, "scope": ["openid", *(scopes or (API,))], "attest": ABSENT, **changes}
        return self.signed(claims(self.now, **made))

    @property
    def now(self) -> float:
        return self.core.clock.time()

    def call(
        self,
        method: str,
        url: str,
        *,
        token: str | None = None,
        scheme: str = "DPoP",
        headers: Mapping[str, str | None] | None = None,
        proof_claims: Mapping[str, Any] | None = None,
        **arguments: Any,
    ) -> httpx.Response:
        """A call with token and proof; a header of None is left out."""
        token = token or self.kj_token()
        sent: dict[str, str] = {"Authorization": f"{scheme} {token}"}
        if scheme == "DPoP":
            htu = HOST + url.partition("?")[0]
            sent["DPoP"] = proof(token, now=self.now, **{"htm": method, "htu": htu, **(proof_claims or {})})
        for name, value in (headers or {}).items():
            sent.pop(name, None)
            if value is not None:
                sent[name] = value
        return self.send(method, url, headers=sent, **arguments)

    def indicator(self, number: str, *, path: str = INDICATOR, **more: Any) -> httpx.Response:
        """Ask for the symbol; ``body`` adds to the question."""
        headers = {"X-EPJ-System": "Sandkasse EPJ 1.0", **more.pop("headers", {})}
        return self.call("POST", KJ + path, json={"fnr": number, **more.pop("body", {})}, headers=headers, **more)

    def ticket(self, number: str, **more: Any) -> str:
        found: str = self.indicator(number, **more).json()["ticket"]
        return found

    def fhir(
        self,
        path: str,
        ticket: str | None,
        method: str = "GET",
        *,
        headers: Mapping[str, str | None] = _NOTHING,
        **more: Any,
    ) -> httpx.Response:
        """A call of the legacy FHIR surface."""
        sent = {"X-EPJ-System": "Sandkasse EPJ 1.0", "X-kj-ticket": ticket, **headers}
        return self.call(method, f"{KJ}/v1/fhir/{path}", headers=sent, **more)

    def launch(self, number: str, *, role: str = "LE", basis: str = "SAMTYKKE", **more: Any) -> httpx.Response:
        """``session/create`` as the published client sends it."""
        body = {
            "ehr_code_challenge": s256(VERIFIER),
            "claims": {
                "patient_identifier": {
                    "id": number,
                    "system": "urn:oid:2.16.578.1.12.4.1.4.1",
                    "authority": "https://www.skatteetaten.no",
                },
                "practitioner_authorization": {
                    "code": role,
                    "system": "urn:oid:2.16.578.1.12.4.1.1.9060",
                    "assigner": "https://www.helsedirektoratet.no/",
                },
                "access_basis": {"code": basis, "system": "SYSTEM_GRUNNLAG", "assigner": "https://nhn.no"},
            },
        }
        return self.session("create", body, **more)

    def session(self, operation: str, body: Mapping[str, Any], **more: Any) -> httpx.Response:
        """A call of the session API; ``content_type`` false sends none."""
        token = more.pop("token", None) or self.portal_token()
        headers: dict[str, str | None] = {"X-SOURCE-SYSTEM": "Sandkasse EPJ 1.0", "X-EVENT-ID": "event-1"}
        if more.pop("content_type", True):
            headers["Content-Type"] = "application/json"
        headers |= more.pop("headers", {})
        url = f"{LOGIN}/api/session/{operation}"
        return self.call("POST", url, token=token, headers=headers, content=orjson.dumps(body), **more)

    def portal_token(self, *scopes: str, **changes: Any) -> str:
        made = {"attest": attest(toa=int(self.now)), **changes}
        return self.kj_token(*(scopes or BOTH), **made)

    def enter(self, code: str, verifier: str = VERIFIER) -> httpx.Response:
        """What the browser does with a code."""
        return self.send("GET", f"{PORTAL}/hentpasient.html?code={code}&ehr_code_verifier={verifier}")

    def browser(self, number: str, **more: Any) -> dict[str, str]:
        """The cookie header of a browser that has the portal open."""
        answer = self.launch(number, **more)
        assert answer.status_code == 200, answer.text
        entered = self.enter(answer.json()["code"])
        assert entered.status_code == 302, entered.text
        return {"Cookie": entered.headers["set-cookie"].partition(";")[0]}

    def page(self, cookie: Mapping[str, str], path: str = "/") -> httpx.Response:
        return self.send("GET", PORTAL + path, headers=dict(cookie))

    def audited(self) -> list[dict[str, Any]]:
        """The audit rows of kjernejournal, oldest first."""
        rows = self.run(self.core.store.read(lambda conn: audit.query(conn, DEFAULT, service="KJ")))
        return sorted(rows, key=lambda row: int(row["seq"]))

    def record(self, person: str, resource: Mapping[str, Any] | None = None, **draft: Any) -> Record:
        """Store a record of a person, as critical information does."""
        content = dict(resource or allergy())
        made = {"category": 1, "state": "active", "expires": None, **draft}
        return self.write(
            lambda conn: records.create(
                conn,
                DEFAULT,
                person,
                Draft(content["resourceType"], content=content, **made),
                id=f"record-{person}-{made['category']}",
                now=self.now,
            )
        )


def allergy() -> dict[str, Any]:
    """A drug reaction in the form of kjernejournal."""
    base = "http://nhn.no/kj/fhir"
    return {
        "resourceType": "AllergyIntolerance",
        "meta": {"profile": [f"{base}/StructureDefinition/KjAllergyIntolerance"]},
        "contained": [
            {
                "resourceType": "PractitionerRole",
                "id": "recorderRef",
                "practitioner": {
                    "identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.4", "value": "222250101"},
                    "display": "Legerot, Årvåken",
                },
                "organization": {
                    "identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.101", "value": PARENT},
                    "display": "Frisk fjord",
                },
            }
        ],
        "extension": [
            {
                "url": f"{base}/StructureDefinition/KjSourceOfInformation",
                "valueCoding": {"system": f"{base}/CodeSystem/SourceOfInformation", "code": "1", "display": "Tester"},
            }
        ],
        "category": ["medication"],
        "criticality": "high",
        "code": {"coding": [{"system": f"{base}/CodeSystem/ATC", "code": "J01CE02", "display": "Penicillin V"}]},
        "onsetDateTime": "2021-05-01",
        "recordedDate": "2026-02-03T09:15:00+01:00",
        "recorder": {"reference": "#recorderRef"},
        "note": [{"text": "Etter første tablett"}],
        "reaction": [{"manifestation": [{"coding": [{"code": "101", "display": "Anafylaktisk reaksjon"}]}]}],
    }


def flag() -> dict[str, Any]:
    """A change of routine in the form of kjernejournal."""
    base = "http://nhn.no/kj/fhir"
    return {
        "resourceType": "Flag",
        "meta": {"profile": [f"{base}/StructureDefinition/KjFlag"]},
        "status": "active",
        "category": [{"coding": [{"system": f"{base}/CodeSystem/CategoryOfCriticalInformation", "code": "9"}]}],
        "code": {"text": "Skal til eget mottak"},
    }


def feil(answer: httpx.Response, status: int, code: str) -> None:
    """A refusal in plain JSON, with the event id that every answer has."""
    assert answer.status_code == status, answer.text
    assert answer.json()["feilkode"] == code
    assert answer.json()["feilmelding"]
    assert answer.headers["X-EVENT-ID"]


def two_issues(answer: httpx.Response, status: int, code: str) -> None:
    """A refusal of the legacy FHIR surface."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    first, second = body["issue"]
    assert {each["severity"] for each in (first, second)} == {"error"}
    assert {each["code"] for each in (first, second)} == {"processing"}
    assert first["diagnostics"] == code
    assert second["diagnostics"]
    assert answer.headers["X-EVENT-ID"]


def findings(world: KjWorld, answer: httpx.Response) -> list[tuple[str, str]]:
    """Code and level of what was noted about the exchange of an answer."""
    world.run(world.core.store.flush())
    exchange = answer.headers["Sandbox-Exchange"]
    told = world.send("GET", f"/_sandbox/v1/exchanges/{exchange}").json()
    return [(each["code"], each["level"]) for each in told["findings"]]


def _without_records(conn: Connection) -> None:
    for person in registers.list_persons(conn, DEFAULT):
        privacy.purge(conn, DEFAULT, person.id, records.SERVICE)
