"""The login page in a browser, as a person meets it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

from app.clock import SystemClock
from app.ids import SystemIds, new_uuid
from app.trust import jose
from tests.e2e.browser import check_accessible, screenshot
from tools.live_server import LiveServer

_CLIENT = "sandkasse-epj"
_VERIFIER = "a-verifier-that-is-long-enough-for-the-issuer-to-take"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Asked:
    """A pushed request: where to send the person, and where the application waits."""

    address: str
    callback: str


@pytest.fixture
def asked(live: LiveServer) -> Asked:
    issuer, callback = f"{live.url}/helseid", f"{live.url}/healthz"
    key = httpx.get(f"{live.url}/_sandbox/v1/clients/{_CLIENT}/key").json()
    now = int(SystemClock().time())
    claims = {"iss": _CLIENT, "sub": _CLIENT, "aud": issuer, "iat": now, "exp": now + 30, "jti": new_uuid(SystemIds())}
    header = {"typ": "client-authentication+jwt", "alg": key.get("alg", "ES256"), "kid": key["kid"]}
    pushed = httpx.post(
        f"{issuer}/connect/par",
        data={
            "client_id": _CLIENT,
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": jose.sign(header, claims, jose.import_key(key)),
            "response_type": "code",
            "redirect_uri": callback,
            "scope": "openid helseid://scopes/identity/pid",
            "state": "somewhere",
            "code_challenge": jose.b64encode(hashlib.sha256(_VERIFIER.encode()).digest()),
            "code_challenge_method": "S256",
        },
    ).json()
    query = urlencode({"client_id": _CLIENT, "request_uri": pushed["request_uri"]})
    return Asked(f"{issuer}/connect/authorize?{query}", callback)


def test_a_person_is_chosen_and_the_application_gets_its_code(page: Page, asked: Asked) -> None:
    page.goto(asked.address)
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    check_accessible(page)
    screenshot(page, "login")
    page.get_by_role("radio", name="MUNTER TRESKO").check()
    page.get_by_label("Security level").select_option("4")
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(re.compile("^" + re.escape(asked.callback)))
    answer = parse_qs(urlsplit(page.url).query)
    assert answer["state"] == ["somewhere"]
    assert answer["code"][0]


def test_a_number_that_is_nobodys_is_told_and_another_choice_helps(page: Page, asked: Asked) -> None:
    page.goto(asked.address)
    page.get_by_role("radio", name="None of these").check()
    page.get_by_label("National identity number").fill("12345678901")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("no synthetic person")
    expect(page.get_by_label("National identity number")).to_be_focused()
    check_accessible(page)
    page.get_by_label("National identity number").fill("02828049251")
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(re.compile("[?&]code="))


def test_one_who_cancels_goes_back_without_a_code(page: Page, asked: Asked) -> None:
    page.goto(asked.address)
    page.get_by_role("button", name="Cancel").click()
    expect(page).to_have_url(re.compile("[?&]error=access_denied"))


def test_a_request_nobody_made_is_an_error_page(page: Page, live: LiveServer) -> None:
    query = urlencode({"client_id": _CLIENT, "request_uri": "urn:ietf:params:oauth:request_uri:unknown"})
    page.goto(f"{live.url}/helseid/connect/authorize?{query}")
    expect(page.get_by_role("heading", level=1)).to_have_text("The login cannot be completed")
    check_accessible(page)
