"""What is wrong with a request to kjernejournal, all at once; and its answers made by fault rules."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from app import main
from tests.conformance.kj_kit import INDICATOR, KJ, LOGIN
from tests.unit.routers.test_service import BASE, P01, Service

P02 = "02917149979"
CREATE = f"{LOGIN}/api/session/create"
CLAIMS: dict[str, Any] = {
    "patient_identifier": {"id": P01},
    "practitioner_authorization": {"code": "LE", "system": "urn:oid:2.16.578.1.12.4.1.1.9060"},
    "access_basis": {"code": "SAMTYKKE"},
}
LAUNCH: dict[str, Any] = {"ehr_code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "claims": CLAIMS}


class Explained(Service):
    async def headers(self, method: str, path: str, persona: str = "H01") -> dict[str, str]:
        order = {"persona": persona, "url": BASE + path, "method": method}
        made: dict[str, str] = (await self.http.post("/_sandbox/v1/tokens", json=order)).json()["headers"]
        return made

    async def rules(self, method: str, path: str, body: Any = None, **headers: str) -> list[str]:
        """The rules that the request breaks."""
        content = "" if body is None else orjson.dumps(body).decode()
        asked = {"method": method, "url": BASE + path, "headers": headers, "body": content}
        answer = await self.http.post("/_sandbox/v1/explain", json={"request": asked})
        assert answer.status_code == 200, answer.text
        return [fault["rule"] for fault in answer.json()["faults"]]


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Explained]:
    made = Explained(tmp_path)
    await main.start(made.core)
    yield made
    await main.checkpoint(made.core)
    made.core.store.close()


async def test_a_good_question_and_one_with_several_faults(service: Explained) -> None:
    url, system = KJ + INDICATOR, {"X-EPJ-System": "EPJ"}
    assert await service.rules("POST", url, {"fnr": P01}, **await service.headers("POST", url), **system) == []
    withdrawn = await service.headers("POST", url, "H08")
    assert await service.rules("POST", url, {"fnr": P01}, **withdrawn) == ["B1b", "C2"]
    assert await service.rules("GET", url) != []
    assert await service.rules("POST", url, {"fnr": "1"}) == ["A1", "B1b"]


async def test_a_launch(service: Explained) -> None:
    system = {"X-SOURCE-SYSTEM": "EPJ 1.0"}
    sent = await service.headers("POST", CREATE)
    assert await service.rules("POST", CREATE, LAUNCH, **sent, **system) == []
    wrong = {"X-SOURCE-SYSTEM": "EPJ_1", "X-EVENT-ID": "a b"}
    refused = {**LAUNCH, "claims": {**CLAIMS, "practitioner_authorization": {"code": "SP", "system": "x"}}}
    assert len(await service.rules("POST", CREATE, refused, **sent, **wrong)) >= 2
    nurse = {**CLAIMS["practitioner_authorization"], "code": "SP"}
    not_held = {**LAUNCH, "claims": {**CLAIMS, "practitioner_authorization": nurse}}
    assert await service.rules("POST", CREATE, not_held, **sent, **system) == ["C2"]
    end = f"{LOGIN}/api/session/end"
    assert await service.rules("POST", end, {}, **await service.headers("POST", end), **system) != []


async def test_legacy_fhir(service: Explained) -> None:
    url = KJ + INDICATOR
    body, sent = {"fnr": P02}, await service.headers("POST", url)
    asked = await service.http.post(url, json=body, headers={**sent, "X-EPJ-System": "EPJ"})
    flag = f"{KJ}/v1/fhir/Flag"
    call = {**await service.headers("GET", flag), "X-EPJ-System": "EPJ", "X-kj-ticket": asked.json()["ticket"]}
    assert await service.rules("GET", flag, **call) == ["F2"]
    assert await service.rules("GET", flag, **call, **{"KJ-SAMTYKKE-SPERRET-KRITISKINFO": "HPAKUTT"}) == []
    assert len(await service.rules("PATCH", flag, **{**call, "X-kj-ticket": "x", "X-EPJ-System": ""})) >= 3


async def test_how_a_refusal_would_pass(service: Explained) -> None:
    url = KJ + INDICATOR
    sent = await service.headers("POST", url)
    ticket = (await service.http.post(url, json={"fnr": P02}, headers={**sent, "X-EPJ-System": "EPJ"})).json()["ticket"]
    flag = f"{KJ}/v1/fhir/Flag"
    call = {**await service.headers("GET", flag), "X-EPJ-System": "EPJ", "X-kj-ticket": ticket}
    refused = await service.http.get(flag, headers=call)
    assert refused.status_code == 403
    told = await service.exchange(refused)
    assert told["summary"] == "GENERAL_BLOCK by rule F2."
    assert [rule["rule"] for rule in told["rules"] if rule["deciding"]] == ["F2"]
    assert ticket not in str(told)


@pytest.mark.parametrize(
    ("path", "status", "shown"),
    [
        (INDICATOR, 503, {"feilkode": "KI-9002"}),
        (INDICATOR, 401, {"feilkode": "AUTH-9001"}),
        ("/v1/fhir/Flag", 500, {"resourceType": "OperationOutcome"}),
    ],
)
async def test_an_answer_of_a_fault_rule_has_the_form_of_the_operation(
    service: Explained, path: str, status: int, shown: dict[str, str]
) -> None:
    rule = {"match": {"service": "kjernejournal"}, "effect": {"kind": "status", "status": status}}
    made = await service.http.post("/_sandbox/v1/faults", json=rule)
    assert made.status_code == 201, made.text
    answer = await service.http.post(KJ + path)
    assert answer.status_code == status
    assert shown.items() <= answer.json().items()
    assert answer.headers["X-EVENT-ID"]


async def test_too_many_calls_is_an_empty_answer(service: Explained) -> None:
    rule = {"match": {"path": "/v1/fhir/*"}, "effect": {"kind": "rate_limit", "retryAfter": 3}}
    assert (await service.http.post("/_sandbox/v1/faults", json=rule)).status_code == 201
    answer = await service.http.get(f"{KJ}/v1/fhir/Flag")
    assert (answer.status_code, answer.content) == (429, b"")
