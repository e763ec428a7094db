"""What the signing explorer is told about each service, and that the page can fill in all a service demands."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, get_args

import httpx
import pytest
import pytest_asyncio

from app import main
from app.clock import ManualClock
from app.core import Core
from app.directory import BY_NAME
from app.ids import SeededIds
from app.routers.fills import FILL, Fill
from app.settings import Settings
from app.store.engine import Store
from tests.support.lent import lent

BASE = "http://localhost:8000"
SERVED = sorted(BY_NAME)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    clock = ManualClock(1_795_000_000.0)
    settings = Settings(database_url=f"sqlite:///{tmp_path_factory.mktemp('explorer')}/explorer.db")
    core = Core(settings, Store(settings.database_url, clock), clock, SeededIds("explorer"))
    app = lent(core, main.compose)
    await main.start(core)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE) as client:
        yield client
    await main.checkpoint(core)
    core.store.close()


@pytest.mark.parametrize("name", SERVED)
async def test_the_page_is_told_what_the_directory_says(http: httpx.AsyncClient, name: str) -> None:
    told = (await http.get(f"/docs/{name}/explorer.json")).json()
    rule = BY_NAME[name].rule
    assert told["credential"] == rule.credential
    assert told["schemes"] == list(rule.schemes)
    assert [(each["audience"], each["scope"]) for each in told["grants"]] == list(rule.grants)
    assert told["addresses"]["service"] == BASE + BY_NAME[name].mount
    document = (await http.get(f"/openapi/{name}.json")).json()
    assert document["x-sandkasse"].items() <= told.items()


async def test_a_named_sandbox_is_told_its_own_addresses(http: httpx.AsyncClient) -> None:
    await http.post("/_sandbox/v1/sandboxes", json={"name": "egen"})
    told = (await http.get("/s/egen/docs/pps-v2/explorer.json")).json()
    assert all(address.startswith(f"{BASE}/s/egen") for address in told["addresses"].values())


@pytest.mark.parametrize("name", SERVED)
async def test_no_demanded_header_is_left_to_be_guessed(http: httpx.AsyncClient, name: str) -> None:
    document = (await http.get(f"/openapi/{name}.json")).json()
    for parameter in _headers(document):
        fill = parameter.get(FILL)
        assert fill is None or fill in get_args(Fill)
        schema = parameter.get("schema", {})
        known = fill or "example" in parameter or "default" in schema or "enum" in schema
        assert known or not parameter.get("required"), parameter["name"]


@pytest.mark.parametrize("path", ["/docs", "/docs/pps-v2", "/docs/control"])
async def test_pages_run_no_script_but_ours(http: httpx.AsyncClient, path: str) -> None:
    page = await http.get(path)
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy
    assert "<script>" not in page.text
    assert "onclick" not in page.text


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/docs/pps-v2", {"login", "patient", "persona", "admin-part"}),
        ("/docs/pps-backdoor", {"patient", "admin-part"}),
        ("/docs/control", {"admin-part"}),
        ("/docs/helseid", set()),
        ("/docs/selvbetjening-api", {"login", "admin-part"}),
    ],
)
async def test_a_page_asks_for_what_its_service_needs(http: httpx.AsyncClient, path: str, parts: set[str]) -> None:
    page = (await http.get(path)).text
    assert {part for part in ("login", "patient", "persona", "admin-part") if f'id="{part}"' in page} == parts


@pytest.mark.parametrize(
    ("query", "header", "language"),
    [("", "en-GB,en;q=0.9", "en"), ("", "", "nb"), ("?lang=en", "nb", "en"), ("?lang=xx", "en", "en")],
)
async def test_the_language(http: httpx.AsyncClient, query: str, header: str, language: str) -> None:
    page = await http.get(f"/docs/pps-v2{query}", headers={"Accept-Language": header})
    assert page.headers["Content-Language"] == language
    assert f'<html lang="{language}">' in page.text


@pytest.mark.parametrize("path", ["/docs/nobody", "/docs/nobody/explorer.json", "/openapi/nobody.json"])
async def test_a_service_that_is_not_there(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def _headers(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for item in document["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict):
                yield from (each for each in operation.get("parameters", ()) if each["in"] == "header")
