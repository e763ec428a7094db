"""A seeded sandbox with critical information behind the resolving middleware, and a caller with token and proofs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from app.routers.critical_information import PREFIX
from app.services.kritiskinfo import samples
from app.services.kritiskinfo.samples import Place, Resource, Writer
from tests.support.world import HOST, World
from tests.unit.trust.gate_kit import ABSENT, claims, proof

MOUNT = "/critical-information"
BASE = MOUNT + PREFIX
K = HOST + BASE
FHIR = "application/fhir+json; charset=UTF-8"
SCOPE = "nhn:critical-information/api"

# The patients of section 8 of the specification (ruling S30).
A, B, C8, C11, D = "01660199981", "14838449698", "25854649879", "11919949904", "09895949814"
E, F, G, H, I, J = "03836249851", "21869049848", "02917149979", "43909349738", "06868549848", "05928849688"  # noqa: E741
DECEASED = "27873849911"

H01, H02, H03, H05 = "222250101", "222250102", "222250103", "222250105"
PIDS = {H01: "02828049251", H02: "16867649135", H03: "10909049240", H05: "24929249018"}
DOCTOR = Writer(H01, "LEGEROT, ÅRVÅKEN", "LE", "315500303", "FRISK FJORD SYKEHUS, SOMATIKK")
OTHER_DOCTOR = Writer(H02, "TRESKO, MUNTER", "LE", "315500400", "RAUS DAL SYKEHUS, PSYKISK HELSEVERN")
NURSE = Writer(H03, "GRØFT, VENNLIG", "SP", "315500303", "FRISK FJORD SYKEHUS, SOMATIKK")
MACHINE: Mapping[str, Any] = {"pid": ABSENT, "hpr": ABSENT, "level": ABSENT, "sub": ABSENT}
"""Changes that make the claims those of a token without a person."""


def role(code: str = "LE", system: str = "urn:oid:2.16.578.1.12.4.1.1.9060") -> str:
    return quote(orjson.dumps({"system": system, "code": code}).decode())


def place(nin: str = B, writer: Writer = DOCTOR) -> Place:
    return Place(nin, writer)


class KiWorld(World):
    """The world with callers of critical information."""

    audited_as = "KJ"

    def token(self, **changes: Any) -> str:
        """An access token; keywords replace claims (``ABSENT`` drops one)."""
        base = {"aud": "nhn:critical-information", "scope": ["openid", SCOPE], "attest": ABSENT}
        if "hpr" in changes and "pid" not in changes:
            base["pid"] = PIDS[changes["hpr"]]
        return self.signed(claims(**{**base, **changes}))

    def headers(self, method: str, path: str, patient: str | None = B, **changes: Any) -> dict[str, str]:
        """What a health worker's call has by default: token, fresh proof, role, system, basis, patient."""
        token = self.token(**changes)
        url = (path if path.startswith("http") else K + path).partition("?")[0]
        sent = {
            "Authorization": f"DPoP {token}",
            "DPoP": proof(token, htm=method, htu=url),
            "nhn-user-role": role(),
            "nhn-source-system": "Prøve-EPJ 1.0".encode("ascii", "ignore").decode(),
            "nhn-access-basis": "SAMTYKKE",
        }
        return sent if patient is None else {**sent, "nhn-patient-nin": patient}

    def call(
        self,
        method: str,
        path: str,
        *,
        patient: str | None = B,
        basis: str | None = None,
        body: Any = None,
        claims: Mapping[str, Any] | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> httpx.Response:
        """A call below the base of the API; ``headers`` replace the default ones, None leaves one out."""
        sent: dict[str, str | None] = dict(self.headers(method, path, patient, **(claims or {})))
        if basis is not None:
            sent["nhn-access-basis"] = basis
        content = body if isinstance(body, bytes | None) else orjson.dumps(body)
        if content is not None:
            sent["Content-Type"] = FHIR
        sent.update(headers or {})
        kept = {name: value for name, value in sent.items() if value is not None}
        return self.send(method, BASE + path, content=content, headers=kept)

    def get(self, path: str, patient: str = B, **more: Any) -> httpx.Response:
        return self.call("GET", path, patient=patient, **more)

    def post(self, body: Resource, patient: str = B, **more: Any) -> httpx.Response:
        return self.call("POST", f"/{body['resourceType']}", patient=patient, body=body, **more)

    def put(self, body: Resource, patient: str = B, **more: Any) -> httpx.Response:
        return self.call("PUT", f"/{body['resourceType']}/{body['id']}", patient=patient, body=body, **more)

    def delete(self, path: str, patient: str = B, **more: Any) -> httpx.Response:
        return self.call("DELETE", path, patient=patient, **more)

    def created(self, body: Resource, patient: str = B, **more: Any) -> dict[str, Any]:
        answer = self.post(body, patient, **more)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def status(self, nin: str, *, person: str | None = None, **more: Any) -> httpx.Response:
        """``POST /status``: of a machine, or of the health worker with HPR number ``person``."""
        if person is not None:
            return self.call("POST", "/status", patient=nin, body={"nin": nin}, claims={"hpr": person}, **more)
        bare: dict[str, str | None] = {"nhn-user-role": None, "nhn-access-basis": None}
        return self.call(
            "POST",
            "/status",
            patient=None,
            body={"nin": nin},
            claims=MACHINE,
            headers={**bare, **more.pop("headers", {})},
        )


def bundle(answer: httpx.Response, kind: str = "searchset") -> list[dict[str, Any]]:
    """The resources of a Bundle."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["resourceType"], body["type"], body["total"]) == ("Bundle", kind, len(body.get("entry", [])))
    return [entry["resource"] for entry in body.get("entry", [])]


def told(answer: httpx.Response) -> dict[str, Any]:
    """The body of a good ``/status``."""
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refused(answer: httpx.Response, status: int, code: str = "", issue: str = "", location: str = "") -> dict[str, Any]:
    """An OperationOutcome with the status, the service's code in body and headers, and the path at fault."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    (found,) = body["issue"]
    own = found["details"]["coding"][0]
    assert own["system"] == "http://nhn.no/hit/fhir/error/CodeSystem/ErrorCode"
    assert answer.headers["nhn-error-code"] == answer.headers["X-KJ-Feilkode"] == own["code"]
    if code:
        assert own["code"] == code, found
    if issue:
        assert found["code"] == issue
    if location:
        assert found["location"] == [location], found
    whole: dict[str, Any] = body
    return whole


def changed(body: Mapping[str, Any], writer: Writer = DOCTOR, **members: Any) -> Resource:
    return samples.changed(body, writer, **members)
