"""A seeded sandbox with prøvesvar behind the resolving middleware, and a caller with token and proofs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

import httpx

from tests.support.world import HOST, World
from tests.unit.trust.gate_kit import ABSENT, claims, proof

Form = Mapping[str, str] | Iterable[tuple[str, str]] | bytes

BASES = {"v1": "/pps", "v2": "/pps/v2", "backdoor": "/pps-backdoor/fhir"}
SCOPES = {"v1": "nhn:pps/provesvar", "v2": "nhn:pps/provesvar-read"}
FORM = "application/x-www-form-urlencoded"

P01, P02, P03, P04 = "14838449698", "02917149979", "21869049848", "30816549910"
P12, P13, P19, P22, P23 = "43909349738", "25854649879", "07819149881", "07877749961", "04849649839"
H01, H02 = "222250101", "222250102"
H02_PID = "16867649135"
STRANGER = "9144889"
"""An HPR number of published examples, not in the register."""


class PpsWorld(World):
    """The world with callers of prøvesvar."""

    audited_as = "PPS"

    def token(self, version: str = "v2", **changes: Any) -> str:
        """An access token for ``version``; keywords replace claims (``ABSENT`` drops one)."""
        made = claims(**{"aud": "nhn:pps", "scope": ["openid", SCOPES[version]], "attest": ABSENT, **changes})
        return self.signed(made)

    def headers(self, version: str, path: str, method: str = "POST", **changes: Any) -> dict[str, str]:
        """What a caller of ``path`` sends by default: token, fresh proof, patient, correlation id."""
        if version == "backdoor":
            return {"x-nilar-patient": P01, "x-nilar-requester-hpr": H01}
        token = self.token(version, **changes)
        url = HOST + BASES[version] + path
        return {
            "Authorization": f"DPoP {token}",
            "DPoP": proof(token, htm=method, htu=url),
            "person-id": P01,
            "X-Request-Id": "request-1",
        }

    def search(
        self,
        form: Form = b"",
        *,
        kind: str = "DiagnosticReport",
        version: str = "v2",
        query: str = "",
        claims: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | Iterable[tuple[str, str]] = (),
        raise_errors: bool = True,
    ) -> httpx.Response:
        """Search; ``headers`` replace the default ones, a value of None leaves one out, pairs are added."""
        path = f"/{kind}/_search"
        sent: dict[str, str] = self.headers(version, path, **(claims or {}))
        more: list[tuple[str, str]] = []
        if isinstance(headers, Mapping):
            for name, value in headers.items():
                sent.pop(name, None)
                if value is not None:
                    sent[name] = value
        else:
            more = list(headers)
        body = form if isinstance(form, bytes) else urlencode(list(form.items() if isinstance(form, Mapping) else form))
        if body:
            sent.setdefault("Content-Type", FORM)
        url = BASES[version] + path + (f"?{query}" if query else "")
        return self.send("POST", url, content=body, headers=[*sent.items(), *more], raise_errors=raise_errors)

    def ingest(self, body: bytes, **headers: str) -> httpx.Response:
        sent = {"Content-Type": "application/xml", **headers}
        return self.send("POST", "/pps-sandbox/svarrapport", content=body, headers=sent)


def matches(answer: httpx.Response, mode: str = "match") -> list[dict[str, Any]]:
    """The resources of the entries with a search mode; the answer must be a searchset."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["resourceType"], body["type"]) == ("Bundle", "searchset")
    return [entry["resource"] for entry in body.get("entry", []) if entry["search"]["mode"] == mode]


def outcome(answer: httpx.Response) -> dict[str, Any]:
    """The issue of the only OperationOutcome, whatever the status; a searchset must have nothing beside it."""
    body = answer.json()
    if body["resourceType"] == "Bundle":
        assert body["total"] == 0
        (entry,) = body["entry"]
        assert entry["search"] == {"mode": "outcome"}
        body = entry["resource"]
    assert body["resourceType"] == "OperationOutcome"
    (issue,) = body["issue"]
    found: dict[str, Any] = issue
    return found


def link(answer: httpx.Response, relation: str) -> str | None:
    return next((each["url"] for each in answer.json()["link"] if each["relation"] == relation), None)


def blocked(answer: httpx.Response, code: str) -> None:
    """200, nothing found, and the PVK code in both systems, the old one first."""
    assert answer.status_code == 200
    issue = outcome(answer)
    assert (issue["severity"], issue["code"]) == ("warning", "suppressed")
    assert issue["details"]["coding"] == [
        {"system": "NilarPvkOutcome", "code": code},
        {"system": "http://nhn.no/fhir/nilar/CodeSystem/pvk-outcome-cs", "code": code},
    ]


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert outcome(answer)["code"] == code


def nothing(answer: httpx.Response) -> None:
    """The answer to a patient without data."""
    assert answer.status_code == 200
    issue = outcome(answer)
    assert (issue["severity"], issue["code"]) == ("information", "not-found")
    assert "details" not in issue
