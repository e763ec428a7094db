"""The Postman collection: it holds every operation, keeps no secret, and its requests are answered."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from app import main
from app.clock import ManualClock
from app.core import Core
from app.directory import BY_NAME, SERVICES
from app.ids import SeededIds
from app.settings import Settings
from app.store.engine import Store
from tests.support.lent import lent
from tools import generate_collection
from tools.pages.control_api import operations

PUBLISHED = Path(__file__).parents[2] / "docs" / generate_collection.NAME
COLLECTION: Mapping[str, Any] = json.loads(PUBLISHED.read_text(encoding="utf-8"))
FOLDERS: Mapping[str, Mapping[str, Any]] = {folder["name"]: folder for folder in COLLECTION["item"]}
HELD = sorted(service.name for service in SERVICES if service.title in FOLDERS)
PPS = BY_NAME["pps-v2"].title
CONTROL = BY_NAME["control"].title


@pytest.fixture(scope="module")
def documents() -> Mapping[str, Any]:
    return generate_collection.descriptions()


def requests() -> Iterator[Mapping[str, Any]]:
    for folder in COLLECTION["item"]:
        yield from (item["request"] for item in folder["item"])


def test_it_is_a_collection_of_version_2_1() -> None:
    assert COLLECTION["info"]["schema"].endswith("/v2.1.0/collection.json")
    assert {each["key"] for each in COLLECTION["variable"]} >= {"baseUrl", "sandbox", "patient"}
    for folder in COLLECTION["item"]:
        assert folder["item"]
        for item in folder["item"]:
            assert set(item) == {"name", "request", "response"}
            assert item["name"]


def test_requests_are_well_formed() -> None:
    for request in requests():
        url = request["url"]
        assert url["raw"].partition("?")[0] == "/".join([*url["host"], *url["path"]])
        assert {each["key"] for each in url.get("variable", ())} == set(re.findall(r"/:(\w+)", url["raw"]))
        for each in request["header"]:
            assert each["key"]
            assert isinstance(each["value"], str)
        body = request.get("body")
        if body is not None and body["mode"] == "raw" and body["options"]["raw"]["language"] == "json":
            json.loads(body["raw"])


@pytest.mark.parametrize("name", HELD)
def test_every_operation_of_every_document_stands_in_it(name: str, documents: Mapping[str, Any]) -> None:
    service = BY_NAME[name]
    root = "{{baseUrl}}{{sandbox}}" + service.mount
    wanted = {
        (method.upper(), root + re.sub(r"\{(\w+)\}", r":\1", path)) for method, path, _ in operations(documents[name])
    }
    held = {
        (item["request"]["method"], item["request"]["url"]["raw"].partition("?")[0])
        for item in FOLDERS[service.title]["item"]
    }
    assert wanted
    assert held == wanted


def test_every_service_with_a_document_has_a_folder(documents: Mapping[str, Any]) -> None:
    assert set(HELD) == set(documents)
    assert set(FOLDERS) == {BY_NAME[name].title for name in documents}


def test_only_variables_that_exist_are_used() -> None:
    used = set(re.findall(r"\{\{([$\w]+)\}\}", json.dumps(COLLECTION)))
    assert used == {each["key"] for each in COLLECTION["variable"]} - {"persona"} | {"$guid"}


def test_it_holds_no_token_and_no_private_key() -> None:
    text = json.dumps(COLLECTION, ensure_ascii=False)
    assert not re.search(r"eyJ[\w-]{5,}", text)
    assert not re.search(r'\\"d\\":', text)


def test_services_that_take_tokens_order_them() -> None:
    for name in HELD:
        service = BY_NAME[name]
        assert ("event" in FOLDERS[service.title]) == service.rule.credential.startswith("helseid")


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_script_puts_the_ordered_headers_on_the_request(tmp_path: Path) -> None:
    stub = """
    const values = {baseUrl: "http://sandbox", sandbox: "/s/s1", persona: "H01", adminKey: "k"};
    const fill = text => text.replace(/{{(\\w+)}}/g, (_, name) => values[name]);
    const seen = {headers: {}};
    const pm = {
      variables: {get: name => values[name], replaceIn: fill},
      request: {method: "POST", url: "{{baseUrl}}{{sandbox}}/pps/v2/x?_count=1",
                headers: {upsert: each => { seen.headers[each.key] = each.value; }}},
      sendRequest: (order, then) => {
        seen.order = order;
        then(null, {code: 201, json: () => ({headers: {Authorization: "DPoP t", DPoP: "p"}})});
      },
    };
    """
    script = "\n".join(FOLDERS[PPS]["event"][0]["script"]["exec"])
    path = tmp_path / "script.js"
    path.write_text(f"{stub}\n{script}\nconsole.log(JSON.stringify(seen));", encoding="utf-8")
    done = subprocess.run(["node", str(path)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["headers"] == {"Authorization": "DPoP t", "DPoP": "p"}
    assert seen["order"]["url"] == "http://sandbox/s/s1/_sandbox/v1/tokens"
    assert seen["order"]["header"]["X-Admin-Key"] == "k"
    order = json.loads(seen["order"]["body"]["raw"])
    assert order == {"url": "http://sandbox/s/s1/pps/v2/x", "method": "POST", "persona": "H01"}


class Runner:
    """Sends requests of the collection as Postman does, with the script's order for a token."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._values = {each["key"]: each["value"] for each in COLLECTION["variable"]}

    async def run(self, folder: str, method: str, path: str, **form: str) -> httpx.Response:
        request = self._found(folder, method, path)
        url = self._filled(request["url"]["raw"])
        for each in request["url"].get("variable", ()):
            url = url.replace(f":{each['key']}", each["value"])
        headers = {each["key"]: self._filled(each["value"]) for each in request["header"] if not each.get("disabled")}
        if "event" in FOLDERS[folder]:
            headers |= await self._credentials(folder, method, url.partition("?")[0])
        body = request.get("body") or {}
        if body.get("mode") == "urlencoded":
            sent = {each["key"]: each["value"] for each in body["urlencoded"] if not each.get("disabled")}
            return await self._http.request(method, url, headers=headers, data={**sent, **form})
        return await self._http.request(method, url, headers=headers, content=self._filled(body.get("raw", "")))

    def _found(self, folder: str, method: str, path: str) -> Mapping[str, Any]:
        for item in FOLDERS[folder]["item"]:
            request: Mapping[str, Any] = item["request"]
            if request["method"] == method and request["url"]["raw"].partition("?")[0].endswith(path):
                return request
        raise AssertionError(f"no {method} {path} in {folder}")

    async def _credentials(self, folder: str, method: str, url: str) -> dict[str, str]:
        machine = "sandkasse-maskin" in "\n".join(FOLDERS[folder]["event"][0]["script"]["exec"])
        who = {"client": "sandkasse-maskin"} if machine else {"persona": self._values["persona"]}
        made = await self._http.post(
            self._filled("{{baseUrl}}{{sandbox}}/_sandbox/v1/tokens"), json={"url": url, "method": method, **who}
        )
        found: dict[str, str] = made.json()["headers"]
        return found

    def _filled(self, text: str) -> str:
        return re.sub(r"\{\{(\w+)\}\}", lambda match: self._values[match[1]], text).replace("{{$guid}}", str(uuid4()))


@pytest_asyncio.fixture
async def runner(tmp_path: Path) -> AsyncIterator[Runner]:
    clock = ManualClock(1_795_000_000.0)
    settings = Settings(database_url=f"sqlite:///{tmp_path}/collection.db")
    core = Core(settings, Store(settings.database_url, clock), clock, SeededIds("collection"))
    app = lent(core, main.compose)
    await main.start(core)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app)) as http:
        yield Runner(http)
    core.store.close()


async def test_its_requests_are_answered(runner: Runner) -> None:
    search = await runner.run(PPS, "POST", "/DiagnosticReport/_search", _count="1")
    assert (search.status_code, search.json()["total"]) == (200, 73), search.text
    who = await runner.run(BY_NAME["trust-probe"].title, "GET", "/whoami")
    assert who.status_code == 200, who.text
    client = await runner.run(BY_NAME["selvbetjening-api"].title, "GET", "/v1/client")
    assert client.status_code == 200, client.text
    keys = await runner.run(BY_NAME["helseid"].title, "GET", "/jwks")
    assert keys.json()["keys"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/sandboxes", 201),
        ("GET", "/persons/:person_id", 200),
        ("POST", "/persons/:person_id/settings", 201),
        ("PATCH", "/practitioners/:practitioner_id", 200),
        ("POST", "/persons/generate", 201),
        ("PUT", "/v1/clock", 200),
        ("POST", "/v1/faults", 201),
        ("POST", "/v1/tokens", 201),
        ("GET", "/v1/exchanges", 200),
        ("GET", "/v1/checks", 200),
        ("POST", "/v1/explain", 200),
    ],
)
async def test_bodies_of_the_control_api_are_taken(runner: Runner, method: str, path: str, status: int) -> None:
    answer = await runner.run(CONTROL, method, path)
    assert answer.status_code == status, answer.text
