"""The composed service: addresses, pages, journal and explanations, sandboxes that do not touch each other."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app import main
from app.clock import ManualClock
from app.core import Core
from app.ids import SeededIds
from app.routers.resolver import Resolver
from app.settings import Settings
from app.store import sandboxes
from app.store.engine import Store
from tests.support.lent import lent
from tests.support.prepared import NOW, prepared
from tests.support.rows import dump

BASE = "http://localhost:8000"
SEARCH = "/pps/v2/DiagnosticReport/_search"
P01, P02 = "14838449698", "02917149979"


class Service:
    """The application in this process, with its start and end."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.clock = ManualClock(NOW)
        made = Settings(database_url=f"sqlite:///{folder}/service.db", **settings)
        if not (folder / "service.db").exists():
            (folder / "service.db").write_bytes(prepared())
        self.core = Core(made, Store(made.database_url, self.clock), self.clock, SeededIds("service"))
        self.app: Resolver = lent(self.core, main.compose)
        transport = httpx.ASGITransport(app=self.app, client=("192.0.2.7", 40000))
        self.http = httpx.AsyncClient(transport=transport, base_url=BASE)

    async def search(self, persona: str, number: str, root: str = "", **headers: str) -> httpx.Response:
        url = f"{BASE}{root}{SEARCH}"
        order = {"persona": persona, "url": url, "method": "POST"}
        made = (await self.http.post(f"{root}/_sandbox/v1/tokens", json=order)).json()
        return await self.http.post(
            url, headers={**made["headers"], "person-id": number, "X-Request-Id": "r1", **headers}
        )

    async def exchange(self, answer: httpx.Response, root: str = "") -> dict[str, Any]:
        found: dict[str, Any] = (
            await self.http.get(f"{root}/_sandbox/v1/exchanges/{answer.headers['Sandbox-Exchange']}")
        ).json()
        return found


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    made = Service(tmp_path, trusted_proxies=["192.0.2.7"])
    await main.start(made.core)
    yield made
    await main.checkpoint(made.core)
    made.core.store.close()


async def test_the_first_start_leaves_what_the_next_sandbox_is_copied_from(service: Service) -> None:
    read = service.core.store.read_now
    assert read(lambda conn: sandboxes.count(conn, sandboxes.HIDDEN)) == 1
    (await service.http.post("/_sandbox/v1/sandboxes", json={"name": "next"})).raise_for_status()
    assert read(lambda conn: sandboxes.count(conn, sandboxes.HIDDEN)) == 1
    first = read(lambda conn: dump(conn, "default", without_owner=True))
    copied = read(lambda conn: dump(conn, "next", without_owner=True))
    assert copied["resource"] == first["resource"] != ()


async def test_pages(service: Service) -> None:
    front = await service.http.get("/")
    assert "Pasientens prøvesvar v2" in front.text
    docs = await service.http.get("/docs")
    assert f"{BASE}/openapi/pps-v2.json" in docs.text
    page = await service.http.get("/docs/pps-v2")
    assert 'data-config="http://localhost:8000/docs/pps-v2/explorer.json?lang=nb"' in page.text
    for path in ("/static/swagger/swagger-ui-bundle.js", "/static/sandkasse.css", "/static/explorer/main.js"):
        assert (await service.http.get(path)).status_code == 200
    assert (await service.http.get("/healthz")).json() == {"status": "ok"}


@pytest.mark.parametrize(
    "name", ["helseid", "helseid-ttt", "pps", "pps-v2", "pps-backdoor", "pps-sandbox", "trust-probe", "control"]
)
async def test_each_service_has_its_document(service: Service, name: str) -> None:
    document = (await service.http.get(f"/openapi/{name}.json")).json()
    assert document["openapi"].startswith("3.")
    assert document["servers"][0]["url"].startswith(BASE)
    assert document["paths"]


async def test_a_path_nobody_claims_says_where_to_look(service: Service) -> None:
    for path in ("/nowhere", "/docs/nowhere", "/openapi/nowhere.json"):
        answer = await service.http.get(path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
        assert "/docs" in answer.json()["detail"]


async def test_an_unknown_sandbox_is_a_404(service: Service) -> None:
    answer = await service.http.get("/s/nobody/pps/v2/metadata")
    assert (answer.status_code, answer.json()["title"]) == (404, "Unknown sandbox")
    assert "Sandbox-Exchange" in answer.headers


async def test_forwarded_headers_count_from_a_trusted_proxy_only(service: Service, tmp_path: Path) -> None:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "sandkasse.example"}
    path = "/helseid/.well-known/openid-configuration"
    assert (await service.http.get(path, headers=headers)).json()["issuer"] == "https://sandkasse.example/helseid"
    strangers = httpx.ASGITransport(app=service.app, client=("198.51.100.1", 1))
    async with httpx.AsyncClient(transport=strangers, base_url=BASE) as http:
        assert (await http.get(path, headers=headers)).json()["issuer"] == f"{BASE}/helseid"


async def test_a_granted_search_is_journaled_without_numbers_or_credentials(service: Service) -> None:
    answer = await service.search("H01", P01)
    assert answer.json()["total"] == 73
    told = await service.exchange(answer)
    assert (told["answer"]["status"], told["patient"], told["summary"]) == (200, "P01", "Granted.")
    assert told["token"]["client_id"] == "sandkasse-epj"
    assert told["facts"]["practitioner"]["id"] == "H01"
    assert {rule["rule"] for rule in told["rules"]} >= {"D7", "E1", "F2"}
    shown = str(told)
    assert P01 not in shown
    assert "02828049251" not in shown
    assert "eyJ" not in shown
    sent = dict(told["request"]["headers"])
    assert sent["authorization"] == "DPoP <hidden>"
    assert sent["dpop"] == "<hidden>"
    assert sent["person-id"] == "148384*****"


async def test_a_block_is_explained_by_its_rule(service: Service) -> None:
    told = await service.exchange(await service.search("H01", P02))
    assert told["summary"] == "GENERAL_BLOCK by rule F2."
    assert [rule["rule"] for rule in told["rules"] if rule["deciding"]] == ["F2"]
    assert told["facts"]["settings"][0]["kind"] == "general_block"


async def test_a_refused_token_is_explained(service: Service) -> None:
    answer = await service.http.post(SEARCH, headers={"person-id": P01, "X-Request-Id": "r"})
    told = await service.exchange(answer)
    assert (told["answer"]["status"], told["decision"]["reason"]) == (401, "TOKEN_MISSING")
    refused = await service.http.post("/helseid/connect/token", data={"grant_type": "x"})
    assert (await service.exchange(refused))["summary"].startswith("invalid_client")


async def test_sandboxes_do_not_touch_each_other(service: Service) -> None:
    made = await service.http.post("/_sandbox/v1/sandboxes", json={"name": "mine"})
    assert made.status_code == 201
    block = {"svc": "PPS", "kind": "general_block"}
    assert (await service.http.post("/s/mine/_sandbox/v1/persons/P01/settings", json=block)).status_code == 201
    assert (await service.search("H01", P01, root="/s/mine")).json()["total"] == 0
    assert (await service.search("H01", P01)).json()["total"] == 73
    elsewhere = await service.http.post(
        "/s/mine/_sandbox/v1/tokens", json={"persona": "H01", "url": BASE + SEARCH, "method": "POST"}
    )
    stray = await service.http.post(
        SEARCH, headers={**elsewhere.json()["headers"], "person-id": P01, "X-Request-Id": "r"}
    )
    assert stray.status_code == 401  # another sandbox's issuer (R27)
    assert (await service.http.post("/_sandbox/v1/sandboxes/mine/reset")).status_code == 200
    assert (await service.search("H01", P01, root="/s/mine")).json()["total"] == 73
    assert (await service.http.delete("/_sandbox/v1/sandboxes/mine")).status_code == 204
    assert (await service.http.get("/s/mine/pps/v2/metadata")).status_code == 404


async def test_token_orders_that_cannot_be_filled(service: Service) -> None:
    async def order(**wanted: Any) -> httpx.Response:
        return await service.http.post("/_sandbox/v1/tokens", json=wanted)

    assert (await order(persona="H99")).status_code == 404
    assert (await order(client="nobody")).status_code == 404
    assert (await order(scopes=["nhn:parek/rekvisisjon"], persona="H01")).status_code == 400
    assert (await order(persona="H01", attest={"colour": "red"})).status_code == 400
    machine = (await order()).json()
    assert "helseid://claims/identity/pid" not in machine["claims"]
    probe = (await order(persona="H01", url=f"{BASE}/trust-probe/whoami", method="GET")).json()
    assert probe["claims"]["nhn:tillitsrammeverk:parameters"]["practitioner"]["authorization"]["code"] == "LE"
    supplier = (await order(persona="H01", client="sandkasse-leverandor")).json()
    assert supplier["claims"]["helseid://claims/client/claims/orgnr_supplier"] == "315501008"
    bearer = (await order(persona="H01", url=f"{BASE}/trust-probe/bearer/whoami")).json()
    assert (bearer["token_type"], "DPoP" in bearer["headers"]) == ("Bearer", False)
    given: dict[str, Any] = {"practitioner": {}, "care_relationship": {}}
    assert (await order(persona="H01", attest=given)).status_code == 400


async def test_the_log_holds_no_number_and_no_token(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await service.search("H01", P01)
    await service.search("H08", P02)
    await service.search("H01", P01, **{"access-basis": "FOO"})
    await service.http.post(SEARCH, headers={"person-id": P01, "Authorization": "DPoP eyJhbGciOiJub25lIn0.e30."})
    assert "refused TOKEN_INVALID" in caplog.text
    for secret in (P01, P02, "02828049251", "eyJ"):
        assert secret not in caplog.text


async def test_a_server_makes_every_application_after_its_start(service: Service) -> None:
    steps = list(service.app.complete())
    assert {"pps-v2", "control", "web"} < set(steps)
    assert len(steps) == len(set(steps))
