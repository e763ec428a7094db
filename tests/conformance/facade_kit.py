"""The FHIR facade over a seeded sandbox: calls with token, proof and headers, and what its answers are judged by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
from fhir.resources.R4B import get_fhir_model_class

from app.services.fhirfacade.profiles import lacking, of_type
from tests.conformance.ki_kit import KiWorld
from tests.support.world import HOST
from tests.unit.trust.gate_kit import ABSENT, proof

R4 = HOST + "/fhir/r4"
FORM = "application/x-www-form-urlencoded"
NIN = "urn:oid:2.16.578.1.12.4.1.4.1"


class Facade:
    """A health worker at the facade of a world."""

    def __init__(self, world: KiWorld) -> None:
        self.world = world

    def send(
        self,
        method: str,
        path: str,
        *,
        patient: str | None = None,
        basis: str | None = None,
        claims: Mapping[str, Any] | None = None,
        headers: Mapping[str, str | None] | None = None,
        **arguments: Any,
    ) -> httpx.Response:
        """``patient`` goes in the header; a header given as None is left out."""
        sent: dict[str, str | None] = dict(self.world.headers(method, R4 + path, patient, **(claims or {})))
        if basis is not None:
            sent["nhn-access-basis"] = basis
        sent.update(headers or {})
        kept = {name: value for name, value in sent.items() if value is not None}
        return self.world.send(method, R4 + path, headers=kept, **arguments)

    def exchange(self, answer: httpx.Response) -> dict[str, Any]:
        """The journal's row of a call."""
        found = self.world.send("GET", f"{HOST}/_sandbox/v1/exchanges/{answer.headers['Sandbox-Exchange']}")
        row: dict[str, Any] = found.json()
        return row

    def search(self, type_: str, patient: str, **more: Any) -> httpx.Response:
        """``POST {type}/_search``; ``form`` adds fields."""
        form = {"patient.identifier": f"{NIN}|{patient}", **more.pop("form", {})}
        return self.send("POST", f"/{type_}/_search", data=form, **more)

    def found(self, type_: str, patient: str, **more: Any) -> list[dict[str, Any]]:
        answer = self.search(type_, patient, **more)
        assert answer.status_code == 200, answer.text
        return [entry["resource"] for entry in answer.json().get("entry", [])]

    def summary(self, patient: str, **more: Any) -> httpx.Response:
        identifier = {"system": NIN, "value": patient}
        body = {"resourceType": "Parameters", "parameter": [{"name": "identifier", "valueIdentifier": identifier}]}
        return self.send("POST", "/Patient/$summary", json=body, **more)


class Citizen:
    """A citizen who logged in, by national number."""

    def __init__(self, world: KiWorld, pid: str) -> None:
        self.world, self.pid = world, pid

    def send(self, method: str, path: str, *, claims: Mapping[str, Any] | None = None) -> httpx.Response:
        """Call ``path`` of the citizen side."""
        url = f"{HOST}/citizen/v1{path}"
        own = {"aud": "sandkasse:citizen", "scope": ["openid", "sandkasse:citizen/read"], "name": ABSENT}
        without = {"pid": self.pid, "hpr": ABSENT, "parent": ABSENT, "child": ABSENT}
        token = self.world.token(**{**own, **without, **(claims or {})})
        headers = {"Authorization": f"DPoP {token}", "DPoP": proof(token, htm=method, htu=url.partition("?")[0])}
        return self.world.send(method, url, headers=headers)

    def information(self, query: str = "") -> httpx.Response:
        return self.send("GET", "/critical-information" + query)

    def log(self, query: str = "") -> list[dict[str, Any]]:
        answer = self.send("GET", "/access-log" + query)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


def sections(answer: httpx.Response) -> dict[str, dict[str, Any]]:
    """The sections of a summary by LOINC code."""
    assert answer.status_code == 200, answer.text
    composition = answer.json()["entry"][0]["resource"]
    return {each["code"]["coding"][0]["code"]: each for each in composition["section"]}


def empty_reasons(answer: httpx.Response) -> dict[str, str | None]:
    """Why each section is empty; None for one with entries."""
    found = sections(answer)
    return {
        code: each["emptyReason"]["coding"][0]["code"] if "emptyReason" in each else None
        for code, each in found.items()
    }


def require_sound(resource: Mapping[str, Any]) -> None:
    """It is valid FHIR, has what the base asks for, and claims the profiles it keeps to and no others."""
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    stated = set(resource.get("meta", {}).get("profile", ()))
    for profile in of_type(resource["resourceType"]):
        faults = lacking(resource, profile)
        if profile.url is None:
            assert faults == []
        else:
            assert (profile.url in stated) is (faults == []), faults


def resources(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    """The answer's own resource and all within."""
    document = answer.json()
    yield document
    for entry in document.get("entry", ()):
        yield entry["resource"]
