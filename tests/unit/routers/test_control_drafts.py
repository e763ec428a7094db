"""The control API's drafts, templates and grants, through the resolving middleware."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from app import main
from app.trust.jose import generate_key, public_members
from tests.unit.routers.test_selvbetjening import HEADERS, draft
from tests.unit.routers.test_service import Service

C = "/_sandbox/v1"
TEMPLATE: dict[str, Any] = {
    "id": "mine",
    "name": "Mine",
    "apiScopes": ["nhn:selvbetjening/client", "nhn:pps/provesvar"],
}


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    made = Service(tmp_path)
    await main.start(made.core)
    yield made
    made.core.store.close()


async def _drafted(service: Service, key: str = HEADERS["api-key"], **members: Any) -> str:
    answer = await service.http.post(
        "/selvbetjening-api/v1/client-drafts", json=draft(**members), headers={"api-key": key}
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["clientId"])


async def test_a_draft_is_listed_and_confirmed(service: Service) -> None:
    made = await _drafted(service)
    (row,) = (await service.http.get(f"{C}/drafts")).json()["drafts"]
    assert (row["id"], row["state"], row["template"]) == (made, "DRAFT", "epj")
    assert row["made"] < row["expires"]
    body = {"status": "Success", "redirectPort": "1337", "redirectPath": "/callback"}
    done = await service.http.post(f"{C}/drafts/{made}/confirm", json=body)
    expected = {"clientId": made, "status": "Success", "redirect": "http://localhost:1337/callback?status=Success"}
    assert done.json() == expected
    again = await service.http.post(f"{C}/drafts/{made}/confirm", json={})
    assert (again.status_code, again.headers["content-type"]) == (409, "application/problem+json")
    client = (await service.http.get(f"{C}/clients/{made}")).json()
    assert (client["template"], client["orgnr_parent"], client["keys"][0]["origin"]) == ("epj", "315500109", "Api")


async def test_a_client_can_be_sent_back_as_it_was_shown(service: Service) -> None:
    made = await _drafted(service)
    await service.http.post(f"{C}/drafts/{made}/confirm", json={})
    client = (await service.http.get(f"{C}/clients/{made}")).json()
    assert (await service.http.post(f"{C}/clients", json=client)).status_code == 200
    assert (await service.http.get(f"{C}/clients/{made}")).json() == client


async def test_without_an_address_nobody_is_redirected(service: Service) -> None:
    made = await _drafted(service)
    done = await service.http.post(f"{C}/drafts/{made}/confirm", json={"status": "Rejected"})
    assert done.json() == {"clientId": made, "status": "Rejected", "redirect": None}
    assert (await service.http.get(f"{C}/clients/{made}")).status_code == 404


@pytest.mark.parametrize("path", ["/drafts/x/confirm", "/clients/x/approve", "/clients/x/block"])
async def test_what_is_not_there_is_a_404(service: Service, path: str) -> None:
    assert (await service.http.post(C + path, json={})).status_code == 404


async def test_unknown_members_and_values_are_refused(service: Service) -> None:
    made = await _drafted(service)
    for body in ({"status": "Failed"}, {"other": 1}):
        answer = await service.http.post(f"{C}/drafts/{made}/confirm", json=body)
        assert (answer.status_code, answer.json()["pointer"]) == (400, f"/{next(iter(body))}")
    assert (await service.http.get(f"{C}/drafts")).json()["drafts"][0]["state"] == "DRAFT"


async def test_only_what_waits_is_approved(service: Service) -> None:
    scopes = ["nhn:selvbetjening/client", "nhn:parek/rekvisisjon"]
    made = await _drafted(service, "sbx-rekvirering-dev-key", apiScopes=scopes)
    await service.http.post(f"{C}/drafts/{made}/confirm", json={})
    wrong = await service.http.post(f"{C}/clients/{made}/approve", json={"scopes": [scopes[0]]})
    assert (wrong.status_code, wrong.json()["pointer"]) == (400, "/scopes")
    none = await service.http.post(f"{C}/clients/{made}/approve", json={"claims": []})
    assert none.json()["pending_scopes"] == scopes[1:]
    done = await service.http.post(f"{C}/clients/{made}/approve", json={})
    assert (done.json()["scopes"], done.json()["pending_scopes"]) == (scopes, [])


async def test_a_template_opens_with_its_new_key_only(service: Service) -> None:
    made = await service.http.post(f"{C}/templates", json=TEMPLATE)
    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    first = made.json()["apiKey"]
    await _drafted(service, first)
    second = (await service.http.post(f"{C}/templates", json=TEMPLATE)).json()["apiKey"]
    listed = {each["id"]: each for each in (await service.http.get(f"{C}/templates")).json()["templates"]}
    assert listed["mine"]["hasApiKey"] is True
    assert set(listed) == {"epj", "rekvirering", "skytjeneste", "nettportal", "mine"}
    assert first not in str(listed)
    assert second not in str(listed)
    old = await service.http.post("/selvbetjening-api/v1/client-drafts", json=draft(), headers={"api-key": first})
    assert old.status_code == 401
    assert (await service.http.delete(f"{C}/templates/mine/api-key")).status_code == 204
    assert (await service.http.delete(f"{C}/templates/mine/api-key")).status_code == 404


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"id": "Å"}, "/id"),
        ({"apiScopes": []}, "/apiScopes"),
        ({"manualScopes": ["nhn:other/x"]}, "/manualScopes"),
        ({"manualClaims": ["herid"]}, "/manualClaims"),
        ({"redirectUris": ["http://vendor.example/"]}, "/redirectUris"),
        ({"apiKey": "mine"}, "/apiKey"),
        ({"grants": ["password"]}, "/grants/0"),
    ],
)
async def test_a_template_that_does_not_hold_together_is_refused(
    service: Service, change: dict[str, Any], pointer: str
) -> None:
    answer = await service.http.post(f"{C}/templates", json={**TEMPLATE, **change})
    assert (answer.status_code, answer.json()["pointer"]) == (400, pointer)


async def test_a_key_that_is_private_or_anothers_is_refused(service: Service) -> None:
    path, key = f"{C}/clients/sandkasse-maskin/keys", generate_key("ES256")
    private = await service.http.post(path, json={"publicJwk": key})
    assert (private.status_code, private.json()["pointer"]) == (400, "/publicJwk")
    assert key["d"] not in private.text
    theirs = (await service.http.get(f"{C}/clients/sandkasse-epj")).json()["jwks"][0]
    assert (await service.http.post(path, json={"publicJwk": theirs})).status_code == 400
    added = await service.http.post(path, json={"publicJwk": public_members(key)})
    assert (added.status_code, len(added.json()["jwks"])) == (201, 2)
    assert added.json()["keys"][1]["expires"] is None


async def test_drafts_and_templates_are_a_sandboxs_own(service: Service) -> None:
    await service.http.post(f"{C}/sandboxes", json={"name": "mine"})
    made = await _drafted(service)
    assert (await service.http.post(f"/s/mine{C}/drafts/{made}/confirm", json={})).status_code == 404
    key = (await service.http.post(f"/s/mine{C}/templates", json=TEMPLATE)).json()["apiKey"]
    answer = await service.http.post("/selvbetjening-api/v1/client-drafts", json=draft(), headers={"api-key": key})
    assert answer.status_code == 401
    await service.http.post(f"{C}/sandboxes/default/reset", json={})
    assert (await service.http.get(f"{C}/drafts")).json()["drafts"] == []
