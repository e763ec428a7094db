"""The kjernejournal portal in a browser, opened as an EHR opens it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from app.services.kjernejournal.sessions import s256
from tests.e2e.browser import check_accessible, screenshot
from tools.live_server import LiveServer

_VERIFIER = "a-verifier-that-is-long-enough-for-the-portal-to-take"
_LOCKED, _PLAIN, _RESERVED = "03836249851", "14838449698", "09895949814"


def opened(live: LiveServer, number: str) -> str:
    """The address the EHR sends the browser to."""
    url = f"{live.url}/kjernejournal-innlogging/api/session/create"
    order = {"persona": "H01", "url": url, "method": "POST"}
    headers: dict[str, str] = httpx.post(f"{live.url}/_sandbox/v1/tokens", json=order).json()["headers"]
    claims: dict[str, Any] = {
        "patient_identifier": {"id": number, "system": "urn:oid:2.16.578.1.12.4.1.4.1"},
        "practitioner_authorization": {"code": "LE", "system": "urn:oid:2.16.578.1.12.4.1.1.9060"},
        "access_basis": {"code": "SAMTYKKE", "system": "SYSTEM_GRUNNLAG"},
    }
    made = httpx.post(
        url,
        headers={**headers, "X-SOURCE-SYSTEM": "Sandkasse EPJ 1.0"},
        json={"ehr_code_challenge": s256(_VERIFIER), "claims": claims},
    )
    assert made.status_code == 200, made.text
    web = f"{live.url}/kjernejournal-portal/hpp-webapp"
    return f"{web}/hentpasient.html?code={made.json()['code']}&ehr_code_verifier={_VERIFIER}"


def test_the_page_of_a_patient(page: Page, live: LiveServer) -> None:
    page.goto(opened(live, _PLAIN))
    expect(page.get_by_role("heading", level=1)).to_have_text("Critical information")
    expect(page.locator("#patient")).to_contain_text("FRODIG BREGNE")
    assert "code=" not in page.url
    assert page.get_by_role("heading", level=2).count() == 6
    check_accessible(page)
    screenshot(page, "kjernejournal")
    page.get_by_role("link", name="Log out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are logged out")
    page.go_back()
    page.reload()
    expect(page.locator("#code")).to_have_text("AUT_105")


@pytest.mark.parametrize(
    ("button", "ground"),
    [("The patient consents", "the patient consents."), ("Emergency, without consent", "emergency, without consent.")],
)
def test_a_padlock_is_opened(page: Page, live: LiveServer, button: str, ground: str) -> None:
    page.goto(opened(live, _LOCKED))
    expect(page.get_by_role("heading", level=2)).to_contain_text("The citizen has restricted the content")
    check_accessible(page)
    page.get_by_role("button", name=button).press("Enter")
    expect(page.get_by_role("status")).to_contain_text(ground)
    assert page.get_by_role("heading", level=2).count() == 6
    check_accessible(page)


def test_a_page_for_the_reserved(page: Page, live: LiveServer) -> None:
    page.goto(opened(live, _RESERVED))
    expect(page.get_by_role("heading", level=1)).to_have_text("The citizen has opted out")
    check_accessible(page)
