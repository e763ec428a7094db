"""Selvbetjening in the composed service: its addresses, its portal's pages, and what the journal keeps out."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateNumbers, RSAPublicNumbers
from lxml import etree

from app import main
from app.services.selvbetjening import configuration
from app.trust.jose import generate_key, import_key, public_members
from tests.unit.routers.test_service import BASE, Service

KEY = {**generate_key("ES256"), "kid": "k1"}
O01 = "315500109"
HEADERS = {"api-key": "sbx-epj-dev-key"}


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    made = Service(tmp_path, selvbetjening_port=8001)
    await main.start(made.core)
    yield made
    made.core.store.close()


def draft(**members: Any) -> dict[str, Any]:
    body = {"organizationNumber": O01, "publicJwk": json.dumps(public_members(KEY))}
    return {**body, "apiScopes": ["nhn:selvbetjening/client"], **members}


@pytest.mark.parametrize(
    "address",
    [
        BASE + "/selvbetjening-api",
        "http://selvbetjening-api.localhost:8000",
        "https://api.selvbetjening.test.nhn.no",
        "https://ext.selvbetjening.test.nhn.no",
        "http://localhost:8001",
        "http://127.0.0.1:8001",
    ],
)
async def test_the_api_has_four_forms_of_address(service: Service, address: str) -> None:
    answer = await service.http.post(f"{address}/v1/client-drafts", json=draft(), headers=HEADERS)
    assert answer.status_code == 201
    refusal = await service.http.get(f"{address}/v1/client")
    assert (refusal.status_code, refusal.json()["instance"]) == (401, "/v1/client")


async def test_a_client_of_a_named_sandbox_is_known_there_only(service: Service) -> None:
    await service.http.post("/_sandbox/v1/sandboxes", json={"name": "mine"})
    for address in (f"{BASE}/s/mine/selvbetjening-api", "http://localhost:8001/s/mine"):
        answer = await service.http.post(f"{address}/v1/client-drafts", json=draft(), headers=HEADERS)
        assert answer.status_code == 201
    assert len((await service.http.get("/s/mine/_sandbox/v1/drafts")).json()["drafts"]) == 2
    assert (await service.http.get("/_sandbox/v1/drafts")).json()["drafts"] == []


@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize("where", ["draft", "secret"])
async def test_a_private_key_that_was_posted_is_nowhere(
    service: Service, where: str, escaped: bool, caplog: pytest.LogCaptureFixture
) -> None:
    text = json.dumps(KEY)
    if escaped:
        text = text.replace('"d"', '"\\u0064"')  # the same JSON, written so that no pattern finds it
    if where == "draft":
        answer = await service.http.post(
            "/selvbetjening-api/v1/client-drafts", json=draft(publicJwk=text), headers=HEADERS
        )
    else:
        answer = await _with_token(service, "POST", "/selvbetjening-api/v1/client-secret", content=text)
    assert answer.status_code == 400
    told = await service.exchange(answer)
    assert told["request"]["body"] == "<withheld>"
    assert ("B15", "critical") in [(each["code"], each["level"]) for each in told["findings"]]
    assert KEY["d"] not in str(told)
    assert KEY["d"] not in caplog.text
    assert KEY["d"] not in answer.text


async def test_the_api_key_is_not_in_the_journal(service: Service) -> None:
    answer = await service.http.post("/selvbetjening-api/v1/client-drafts", json=draft(), headers=HEADERS)
    told = await service.exchange(answer)
    assert dict(told["request"]["headers"])["api-key"] == "<hidden>"
    assert HEADERS["api-key"] not in str(told)
    assert told["notes"]["change"]["what"] == "draft"
    assert "k1" in told["request"]["body"], "a public key may be seen"


async def test_a_refused_call_is_explained(service: Service) -> None:
    answer = await service.http.post(
        "/selvbetjening-api/v1/client-drafts", json=draft(), headers={"api-key": "someone-elses"}
    )
    told = await service.exchange(answer)
    assert told["decision"]["reason"] == "API_KEY_INVALID"
    assert "someone-elses" not in str(told)
    asked = {"request": {"method": "GET", "url": f"{BASE}/selvbetjening-api/v1/client", "headers": {}}}
    explained = (await service.http.post("/_sandbox/v1/explain", json=asked)).json()
    assert explained["ok"] is False
    assert explained["faults"]


@pytest.mark.parametrize("status", [400, 401, 429, 503, 418])
async def test_a_fault_rule_answers_in_the_services_own_form(service: Service, status: int) -> None:
    rule = {"match": {"service": "selvbetjening-api"}, "effect": {"kind": "status", "status": status}}
    assert (await service.http.post("/_sandbox/v1/faults", json=rule)).status_code == 201
    answer = await service.http.get("/selvbetjening-api/v1/client")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert set(answer.json()) == {"type", "title", "status", "detail", "instance"}
    assert answer.json()["status"] == status
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


async def test_the_portal_makes_a_client_with_a_file(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "RSA_BITS", 2048)
    assert (await service.http.get("/selvbetjening/")).status_code == 200
    assert (await service.http.get("/selvbetjening/clients/new")).status_code == 200
    form = {"template": "epj", "organizationNumber": O01, "redirectUris": "https://a.example/x\nhttp://localhost:1/y"}
    answer = await service.http.post("/selvbetjening/clients", data=form)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Disposition"].startswith("attachment")
    file = answer.json()
    assert file["authority"] == f"{BASE}/helseid"
    assert file["redirectUris"] == ["https://a.example/x", "http://localhost:1/y"]
    assert file["rsaKeySizeBits"] == 2048
    jwk = json.loads(file["privateJwk"])
    assert import_key(jwk).private
    assert _from_xml(file["rsaPrivateKey"]) == _numbers(jwk)
    told = await service.exchange(answer)
    assert told["answer"]["body"] == "<withheld>"
    client = (await service.http.get(f"/_sandbox/v1/clients/{file['clientId']}")).json()
    assert "d" not in client["jwks"][0]
    assert client["keys"][0]["origin"] == "Gui"
    assert "nhn:phr/mhd/read-document" in client["pending_scopes"]


@pytest.mark.parametrize(
    ("form", "status", "text"),
    [
        ({"template": "epj", "organizationNumber": "1"}, 400, "nine digits"),
        ({"template": "epj", "organizationNumber": "999999999"}, 400, "not known"),
        ({"template": "epj", "organizationNumber": O01, "redirectUris": "http://a.example/"}, 400, "https"),
        ({"template": "nobody", "organizationNumber": O01}, 404, "html"),
        ({"template": "skytjeneste", "organizationNumber": O01}, 403, "html"),
    ],
)
async def test_the_portal_says_what_is_wrong(service: Service, form: dict[str, str], status: int, text: str) -> None:
    answer = await service.http.post("/selvbetjening/clients", data=form)
    assert answer.status_code == status
    assert text in answer.text


async def test_the_key_of_the_test_token_service_is_shown_on_loopback_only(service: Service, tmp_path: Path) -> None:
    page = await service.http.get("/selvbetjening/ttt", headers={"Accept-Language": "en"})
    assert "<code>sandkasse</code>" in page.text
    assert 'lang="en"' in page.text
    (tmp_path / "open").mkdir()
    shared = Service(tmp_path / "open", host="0.0.0.0", admin_key="k", ttt_key="the-key")
    await main.start(shared.core)
    assert "the-key" not in (await shared.http.get("/selvbetjening/ttt")).text
    shared.core.store.close()


async def test_the_portal_escapes_and_frames_nothing(service: Service) -> None:
    made = (await service.http.post("/selvbetjening-api/v1/client-drafts", json=draft(), headers=HEADERS)).json()[
        "clientId"
    ]
    page = await service.http.get(
        f"/selvbetjening/confirm-client/{made}", params={"redirectPort": '"><script>x</script>'}
    )
    assert "<script" not in page.text
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert (await service.http.get("/selvbetjening/static/login.css")).status_code == 200
    assert (await service.http.put("/selvbetjening/ttt")).status_code == 405


async def test_a_form_of_another_site_decides_nothing(service: Service) -> None:
    made = (await service.http.post("/selvbetjening-api/v1/client-drafts", json=draft(), headers=HEADERS)).json()
    form, foreign = {"person": "H01", "verdict": "Success"}, {"Sec-Fetch-Site": "cross-site"}
    path = f"/selvbetjening/confirm-client/{made['clientId']}"
    assert (await service.http.post(path, data=form, headers=foreign)).status_code == 403
    assert (await service.http.get("/_sandbox/v1/drafts")).json()["drafts"][0]["state"] == "DRAFT"
    own = {"Sec-Fetch-Site": "same-origin"}
    assert (await service.http.post(path, data=form, headers=own)).status_code == 200
    assert (await service.http.post("/selvbetjening/clients", data={}, headers=foreign)).status_code == 403


@pytest.mark.parametrize("name", ["selvbetjening-api", "selvbetjening"])
async def test_it_has_its_document(service: Service, name: str) -> None:
    document = (await service.http.get(f"/openapi/{name}.json")).json()
    assert document["paths"]
    assert not [path for path in document["paths"] if path.startswith("/v0")]


async def _with_token(service: Service, method: str, path: str, **sent: Any) -> httpx.Response:
    order = {
        "client": "sandkasse-maskin",
        "scopes": ["nhn:selvbetjening/client"],
        "url": BASE + path,
        "method": method,
    }
    made = (await service.http.post("/_sandbox/v1/tokens", json=order)).json()
    headers = {**made["headers"], "Content-Type": "application/json"}
    return await service.http.request(method, path, headers=headers, **sent)


def _from_xml(text: str) -> RSAPrivateNumbers:
    root = etree.fromstring(text)
    value = {each.tag: int.from_bytes(base64.b64decode(each.text or ""), "big") for each in root}
    public = RSAPublicNumbers(value["Exponent"], value["Modulus"])
    return RSAPrivateNumbers(value["P"], value["Q"], value["D"], value["DP"], value["DQ"], value["InverseQ"], public)


def _numbers(jwk: dict[str, Any]) -> RSAPrivateNumbers:
    private: Any = import_key(jwk).native.raw_value
    numbers: RSAPrivateNumbers = private.private_numbers()
    return numbers
