"""The signing explorer in a browser: it logs in, signs, calls, and shows why the answer was what it was."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Locator, Page, Response, Route, expect
from typer.testing import CliRunner

from app.cli import app
from tests.e2e.browser import check_accessible, screenshot
from tests.support.prepared import seeded
from tools.live_server import LiveServer, live_server

_SEARCH: Final = "search_DiagnosticReport"
_ADMIN_KEY: Final = "a-key-for-this-test"


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    environment = {"SANDKASSE_ADMIN_KEY": _ADMIN_KEY}
    with live_server(seeded(tmp_path_factory.mktemp("keyed")), environment=environment) as running:
        yield running


def _open(page: Page, root: str, service: str, language: str = "en") -> None:
    page.goto(f"{root}/docs/{service}?lang={language}")
    expect(page.locator(".opblock").first).to_be_visible()
    page.wait_for_load_state("networkidle")


def _log_in(page: Page, told: str = "Logged in as") -> None:
    page.get_by_role("button", name="Log in").click()
    state = page.get_by_role("status")
    expect(state).to_contain_text(re.compile("^(?!Logging in)(?!$)"))
    assert told in state.inner_text(), page.get_by_role("alert").all_inner_texts()


def _operation(page: Page, name: str) -> Locator:
    operation = page.locator(f".opblock[id$='-{name}']")
    if "is-open" not in (operation.get_attribute("class") or ""):
        operation.locator(".opblock-summary-control").click()
    return operation


def _execute(page: Page, operation: Locator) -> Response:
    """Press Execute; the answer to the operation itself, not to the calls the page makes around it."""
    path = operation.locator(".opblock-summary-path").first.get_attribute("data-path")
    with page.expect_response(lambda answer: urlsplit(answer.url).path.endswith(str(path))) as sent:
        operation.get_by_role("button", name="Execute").click()
    return sent.value


def _journalled(root: str, answer: Response) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{root}/_sandbox/v1/exchanges/{answer.headers['sandbox-exchange']}").json()
    return found


def test_a_granted_search_is_signed_and_explained(page: Page, live: LiveServer) -> None:
    _open(page, live.url, "pps-v2")
    check_accessible(page)
    _log_in(page)
    expect(page.locator("#token pre")).to_contain_text('"nhn:tillitsrammeverk:parameters"', use_inner_text=False)
    search = _operation(page, _SEARCH)
    search.locator("tr[data-property-name='_count'] input[type=text]").fill("2")
    answer = _execute(page, search)
    assert answer.status == 200
    assert answer.json()["total"] == 73
    told = page.locator("#calls li").first
    expect(told).to_contain_text("POST /pps/v2/DiagnosticReport/_search gave 200")
    expect(told).to_contain_text("Granted")
    exchange = answer.headers["sandbox-exchange"]
    expect(told.get_by_role("link")).to_have_attribute("href", f"{live.url}/exchanges/{exchange}")
    expect(search.locator(".explanation")).to_contain_text("Granted")
    row = _journalled(live.url, answer)
    assert row["client"] == "sandkasse-epj"
    assert row["patient"] == "P01"
    assert row["attest"]["care_relationship"]["purpose_of_use"]["code"] == "TREAT"
    check_accessible(page)
    page.get_by_role("heading", level=1).scroll_into_view_if_needed()
    screenshot(page, "explorer")


def test_each_call_has_a_proof_of_its_own_and_one_token(page: Page, live: LiveServer) -> None:
    _open(page, live.url, "pps-v2")
    _log_in(page)
    search = _operation(page, _SEARCH)
    first, second = (_execute(page, search).request.headers for _ in range(2))
    assert first["authorization"] == second["authorization"]
    assert first["dpop"] != second["dpop"]
    assert first["x-request-id"] != second["x-request-id"]


def test_a_block_is_explained_and_an_emergency_opens_it(page: Page, live: LiveServer) -> None:
    _open(page, live.url, "pps-v2")
    _log_in(page)
    page.get_by_label("Patient", exact=True).select_option("P02")
    expect(page.get_by_role("status")).to_contain_text("The next call logs in again")
    search = _operation(page, _SEARCH)
    blocked = _execute(page, search)
    assert blocked.json()["total"] == 0
    expect(page.locator("#calls li").first).to_contain_text("GENERAL_BLOCK")
    expect(search.locator(".explanation")).to_contain_text("by rule F2: ")
    check_accessible(page)
    search.locator(".explanation").scroll_into_view_if_needed()
    screenshot(page, "explorer-blocked")
    page.get_by_label("Attest", exact=True).select_option("emergency")
    opened = _execute(page, search)
    assert opened.request.headers["access-basis"] == "FORHOYET_AKUTT"
    assert opened.json()["total"] > 0
    assert _journalled(live.url, opened)["attest"]["care_relationship"]["purpose_of_use"]["code"] == "ETREAT"


def test_a_typed_value_goes_before_the_panel(page: Page, live: LiveServer) -> None:
    _open(page, live.url, "pps-v2")
    _log_in(page)
    search = _operation(page, _SEARCH)
    search.locator("tr[data-param-name='X-Request-Id'] input").fill("typed-by-hand")
    search.locator("tr[data-property-name='_count'] input[type=text]").fill("2")
    answer = _execute(page, search)
    assert answer.request.headers["x-request-id"] == "typed-by-hand"
    assert answer.request.post_data == "_count=2&_skip=0"


def test_without_a_token_the_service_says_so(page: Page, live: LiveServer) -> None:
    _open(page, live.url, "pps-v2")
    assert _execute(page, _operation(page, _SEARCH)).status == 401
    expect(page.locator("#calls li").first).to_contain_text("TOKEN_MISSING")


def test_a_login_that_fails_tells_why(page: Page, live: LiveServer) -> None:
    _open(page, live.url, "pps-v2")
    page.get_by_label("Security level").select_option("3")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("ATT-9")
    check_accessible(page)


def test_the_login_waits_until_there_is_something_to_choose(page: Page, live: LiveServer) -> None:
    held: list[Route] = []
    page.route("**/_sandbox/v1/clients", lambda route: held.append(route))
    page.goto(f"{live.url}/docs/pps-v2?lang=en")
    while not held:
        page.wait_for_timeout(20)
    button = page.get_by_role("button", name="Log in")
    expect(button).to_be_disabled()
    held.pop().continue_()
    expect(button).to_be_enabled()
    _log_in(page)


def test_a_sandbox_without_clients_says_how_to_get_one(page: Page, live: LiveServer) -> None:
    httpx.post(f"{live.url}/_sandbox/v1/sandboxes", json={"name": "tom", "content": "empty"}).raise_for_status()
    _open(page, f"{live.url}/s/tom", "pps-v2")
    advice = "sandkasse client import nhn-samples --sandbox tom"
    expect(page.get_by_role("status")).to_contain_text(advice)
    expect(page.get_by_role("button", name="Log in")).to_be_disabled()
    check_accessible(page)
    assert CliRunner().invoke(app, [*advice.split()[1:], "--url", live.url]).exit_code == 0
    page.reload()
    expect(page.get_by_role("button", name="Log in")).to_be_enabled()


def test_a_named_sandbox_has_its_own_explorer(page: Page, live: LiveServer) -> None:
    httpx.post(f"{live.url}/_sandbox/v1/sandboxes", json={"name": "nettleser"}).raise_for_status()
    root = f"{live.url}/s/nettleser"
    _open(page, root, "pps-v2")
    _log_in(page)
    answer = _execute(page, _operation(page, _SEARCH))
    assert answer.json()["total"] == 73
    assert answer.url.startswith(f"{root}/pps/v2/")
    exchange = answer.headers["sandbox-exchange"]
    expect(page.locator("#calls li").first.get_by_role("link")).to_have_attribute(
        "href", f"{root}/exchanges/{exchange}"
    )
    assert _journalled(root, answer)["summary"] == "Granted."
    assert httpx.get(f"{live.url}/_sandbox/v1/exchanges/{exchange}").status_code == 404


def test_the_page_serves_any_service_of_the_directory(page: Page, live: LiveServer) -> None:
    _open(page, live.url, "trust-probe")
    _log_in(page)
    page.locator(".opblock-summary-control").click()
    seen = _execute(page, page.locator(".opblock")).json()
    assert seen["organisation"]["child"] == "315500303"
    assert seen["patient"] == {"known": True}
    assert seen["attest"]["care_relationship"]["decision_ref"]["user_selected"] is True


def test_a_bearer_token_is_without_a_proof(page: Page, live: LiveServer) -> None:
    _open(page, live.url, "pps")
    page.get_by_label("Token", exact=True).select_option("Bearer")
    expect(page.get_by_label("Client", exact=True)).to_have_value("sandkasse-gammel")
    _log_in(page)
    answer = _execute(page, _operation(page, _SEARCH))
    assert answer.status == 200
    assert answer.request.headers["authorization"].startswith("Bearer ")
    assert "dpop" not in answer.request.headers


def test_a_machine_logs_in_where_no_person_is_wanted(page: Page, live: LiveServer) -> None:
    _open(page, live.url, "selvbetjening-api")
    _log_in(page, told="nhn:selvbetjening")
    claims = json.loads(page.locator("#token pre").text_content() or "")["claims"]
    assert claims["scope"] == ["nhn:selvbetjening/client"]
    assert "helseid://claims/identity/pid" not in claims


def test_a_service_without_tokens_asks_for_the_patient_only(page: Page, live: LiveServer) -> None:
    _open(page, live.url, "pps-backdoor")
    expect(page.get_by_role("button", name="Log in")).to_have_count(0)
    page.get_by_label("Patient", exact=True).select_option("P22")
    answer = _execute(page, _operation(page, _SEARCH))
    assert answer.status == 200
    assert _journalled(live.url, answer)["patient"] == "P22"


def test_the_admin_key_is_asked_for_where_it_is_needed(page: Page, keyed: LiveServer) -> None:
    _open(page, keyed.url, "pps-v2")
    expect(page.get_by_role("alert")).to_contain_text("admin key")
    page.get_by_label("Admin key").fill(_ADMIN_KEY)
    page.get_by_role("button", name="Use the key").click()
    expect(page.get_by_label("Patient", exact=True)).to_have_value("P01")
    _log_in(page)
    assert _execute(page, _operation(page, _SEARCH)).status == 200
    expect(page.locator("#calls li").first).to_contain_text("Granted")
    _open(page, keyed.url, "control")
    answer = _execute(page, _operation(page, "list_persons_persons_get"))
    assert answer.status == 200
    assert json.loads(answer.text())["persons"]


def test_a_client_without_a_key_here_brings_its_own(page: Page, live: LiveServer) -> None:
    control = f"{live.url}/_sandbox/v1"
    jwk = httpx.get(f"{control}/clients/sandkasse-epj/key").json()
    public = {name: value for name, value in jwk.items() if name != "d"}
    entry = httpx.get(f"{control}/clients/sandkasse-epj").json()
    own = {**entry, "id": "egen-klient", "name": "Egen klient", "jwks": [public]}
    httpx.post(f"{control}/clients", json=own).raise_for_status()
    _open(page, live.url, "pps-v2")
    page.get_by_label("Client", exact=True).select_option("egen-klient")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("private key")
    page.get_by_label("private key").fill(json.dumps(jwk))
    _log_in(page)
    assert _journalled(live.url, _execute(page, _operation(page, _SEARCH)))["client"] == "egen-klient"
    httpx.delete(f"{control}/clients/egen-klient").raise_for_status()


@pytest.mark.parametrize(
    "service", ["helseid", "helseid-ttt", "pps", "pps-backdoor", "pps-sandbox", "control", "selvbetjening-api"]
)
def test_the_other_pages_are_accessible(page: Page, live: LiveServer, service: str) -> None:
    _open(page, live.url, service)
    check_accessible(page)


def test_the_page_speaks_norwegian(page: Page, live: LiveServer) -> None:
    _open(page, live.url, "pps-v2", language="nb")
    expect(page.get_by_role("heading", name="Logg inn og prøv")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text(re.compile("^Ikke innlogget"))
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", name="Log in and try")).to_be_visible()


def test_the_list_of_services(page: Page, live: LiveServer) -> None:
    page.goto(f"{live.url}/docs")
    check_accessible(page)
    page.get_by_role("link", name="Pasientens prøvesvar v2", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Pasientens prøvesvar v2")
