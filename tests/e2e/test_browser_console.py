"""The console in a browser: calls that come in while one looks, switches, both colour schemes, and no script at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import check_accessible, screenshot
from tools.live_server import LiveServer

_SEARCH = "/pps/v2/DiagnosticReport/_search"
_P01, _P02 = "14838449698", "02917149979"
_PAGES = (
    "/",
    "/patients",
    "/patients/P02",
    "/clients",
    "/clients/sandkasse-epj",
    "/clients/sandkasse-epj/checks",
    "/clock",
    "/faults",
    "/sandboxes",
    "/rules",
    "/addresses",
)


@dataclass(frozen=True, slots=True)
class Place:
    """A sandbox of these tests' own."""

    url: str

    def search(self, number: str, **headers: str) -> httpx.Response:
        """A call by H01 about a patient."""
        order = {"persona": "H01", "url": self.url + _SEARCH, "method": "POST"}
        made = httpx.post(f"{self.url}/_sandbox/v1/tokens", json=order).json()
        sent = {**made["headers"], "person-id": number, "X-Request-Id": "r1", **headers}
        return httpx.post(self.url + _SEARCH, headers=sent)

    def exchange(self, answer: httpx.Response) -> str:
        return f"{self.url}/exchanges/{answer.headers['Sandbox-Exchange']}"


@pytest.fixture
def place(live: LiveServer) -> Iterator[Place]:
    made = httpx.post(f"{live.url}/_sandbox/v1/sandboxes", json={"expiresIn": 3600}).json()
    yield Place(made["base"])
    httpx.delete(f"{live.url}/_sandbox/v1/sandboxes/{made['name']}")


def test_a_call_appears_while_one_looks_and_is_explained(page: Page, place: Place) -> None:
    page.goto(f"{place.url}/")
    expect(page.get_by_role("heading", name="No calls yet")).to_be_visible()
    place.search(_P02)
    row = page.locator("#rows tr").first
    expect(row).to_contain_text("GENERAL_BLOCK")
    expect(page.get_by_role("heading", name="No calls yet")).to_be_hidden()
    expect(page.locator("#live")).to_have_text("New calls: 1")
    place.search(_P01)
    expect(page.locator("#rows tr")).to_have_count(2)
    expect(row).to_contain_text("P01")
    screenshot(page, "console-journal")
    page.locator("#rows tr").nth(1).get_by_role("link").first.click()
    expect(page.locator("[aria-current=step]")).to_contain_text("F2")
    expect(page.get_by_role("heading", name="How would it pass?")).to_be_visible()
    expect(page.locator(".ways")).to_contain_text("FORHOYET_SAMTYKKE")
    assert _P02 not in page.content()
    check_accessible(page)
    screenshot(page, "console-exchange")
    page.locator("[aria-current=step] a").click()
    expect(page.locator("tr:target")).to_contain_text("GENERAL_BLOCK")


def test_the_journal_can_be_held_still(page: Page, place: Place) -> None:
    page.goto(f"{place.url}/")
    page.get_by_label("Update live").uncheck()
    place.search(_P01)
    page.wait_for_timeout(4000)
    expect(page.locator("#rows tr")).to_have_count(0)
    page.get_by_label("Update live").check()
    expect(page.locator("#rows tr")).to_have_count(1)


def test_a_switch_by_keyboard(page: Page, place: Place) -> None:
    page.goto(f"{place.url}/patients/P01")
    switch = page.get_by_role("switch", name="Block for all personnel PPS")
    expect(switch).to_have_attribute("aria-checked", "false")
    switch.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("The setting is set.")
    expect(switch).to_have_attribute("aria-checked", "true")
    assert place.search(_P01).json()["total"] == 0
    screenshot(page, "console-patient")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    assert place.search(_P01).json()["total"] == 73


def test_a_command_is_copied(page: Page, place: Place) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{place.url}/patients/P01")
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == f"sandkasse curl {place.url}{_SEARCH} --patient P01 -d _count=10"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible(page: Page, place: Place, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    refused = place.search(_P02)
    for path in (*_PAGES, place.exchange(refused).removeprefix(place.url)):
        page.goto(place.url + path)
        check_accessible(page)


def test_nothing_is_wider_than_a_telephone(page: Page, place: Place) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    refused = place.search(_P02)
    for path in (*_PAGES, place.exchange(refused).removeprefix(place.url)):
        page.goto(place.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


def test_the_first_tab_stop_leads_past_the_menu(page: Page, place: Place) -> None:
    page.goto(f"{place.url}/patients")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_the_language_is_remembered(page: Page, place: Place) -> None:
    page.goto(f"{place.url}/clock")
    page.get_by_role("link", name="Bokmål").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Klokke")
    page.goto(f"{place.url}/faults")
    expect(page.get_by_role("heading", level=1)).to_have_text("Feil")


def test_without_scripts(browser: Browser, place: Place) -> None:
    place.search(_P02)
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    page.goto(f"{place.url}/")
    expect(page.locator("#rows tr")).to_have_count(1)
    page.get_by_label("Reason").fill("nothing")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_role("heading", name="No call matches")).to_be_visible()
    expect(page.get_by_label("Update live")).to_be_hidden()
    page.goto(f"{place.url}/clock")
    page.get_by_role("button", name="+ 14 days").click()
    expect(page.get_by_role("status")).to_have_text("The clock is set.")
    page.goto(f"{place.url}/faults")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("alert")).to_contain_text("the rule would match every call")
    context.close()
