"""The console: every page in both languages, its forms, its filters, and hostile names that stay text."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from functools import partial
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
import pytest_asyncio

from app import main
from app.clock import ManualClock
from app.core import Core
from app.ids import SeededIds
from app.services.selvbetjening import templates
from app.settings import Settings
from app.store import drafts as draft_store
from app.store.engine import Connection, Store
from app.trust.jose import generate_key, public_members
from app.web.console_texts import TEXTS, texts_in
from tests.support.lent import lent
from tests.support.prepared import prepared

BASE = "http://localhost:8000"
SEARCH = "/pps/v2/DiagnosticReport/_search"
P01, P02, P03, P23 = "14838449698", "02917149979", "21869049848", "04849649839"
HOSTILE = '<script>alert("x")</script>'
PAGES = [
    "/",
    "/rules",
    "/patients",
    "/patients/P02",
    "/patients/P08",
    "/patients/P25",
    "/clients",
    "/clients/sandkasse-epj",
    "/clients/sandkasse-epj/checks",
    "/clock",
    "/faults",
    "/sandboxes",
    "/addresses",
    "/console/login",
]


class Console:
    """A browser without scripts: it keeps cookies, reads forms from pages and sends them."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.clock = ManualClock(1_795_000_000.0)
        (folder / "console.db").write_bytes(prepared())
        made = Settings(database_url=f"sqlite:///{folder}/console.db", **settings)
        self.core = Core(made, Store(made.database_url, self.clock), self.clock, SeededIds("console"))
        transport = httpx.ASGITransport(app=lent(self.core, main.compose))
        self.http = httpx.AsyncClient(transport=transport, base_url=BASE, headers={"Accept-Language": "en"})

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(path, headers=headers)

    async def send(self, page_: str, path_: str, root: str = "", **fields: str) -> httpx.Response:
        """Load a page for its token, and post a form from it."""
        shown = await self.get(root + page_)
        token = re.search(r'name="csrf" value="([0-9a-f]+)"', shown.text)
        assert token is not None
        return await self.http.post(
            root + path_, data={"csrf": token[1], **fields}, headers={"Origin": BASE, "Sec-Fetch-Site": "same-origin"}
        )

    async def search(self, persona: str, number: str, root: str = "", **headers: str) -> httpx.Response:
        url = f"{BASE}{root}{SEARCH}"
        keyed = {"X-Admin-Key": self.core.settings.admin_key or ""}
        order = {"persona": persona, "url": url, "method": "POST"}
        made = (await self.http.post(f"{root}/_sandbox/v1/tokens", json=order, headers=keyed)).json()
        return await self.http.post(
            url, headers={**made["headers"], "person-id": number, "X-Request-Id": "r1", **headers}
        )

    async def told(self, answer: httpx.Response, root: str = "", **headers: str) -> str:
        page = await self.get(f"{root}/exchanges/{answer.headers['Sandbox-Exchange']}", **headers)
        assert page.status_code == 200
        return page.text


@pytest_asyncio.fixture
async def console(tmp_path: Path) -> AsyncIterator[Console]:
    made = Console(tmp_path)
    made.core.store.start()
    yield made
    await made.http.aclose()
    made.core.store.close()


class Outline(HTMLParser):
    """What a page is made of, for checks of its structure."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def outline(html: str) -> Outline:
    made = Outline()
    made.feed(html)
    return made


# pages


async def test_every_page_in_both_languages(console: Console) -> None:
    for path, language in product(PAGES, ("nb", "en")):
        page = await console.get(path, **{"Accept-Language": language})
        assert page.status_code == 200, path
        assert page.headers["Content-Language"] == language
        assert f'<html lang="{language}">' in page.text
        found = outline(page.text)
        assert len(found.all("h1")) == len(found.all("main")) == 1
        assert found.all("nav")
        assert found.all("a")[0]["href"] == "#main"


async def test_nothing_inline_and_nothing_from_elsewhere(console: Console) -> None:
    for path in PAGES:
        refuse_inline(await console.get(path))


def refuse_inline(page: httpx.Response) -> None:
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    found = outline(page.text)
    assert not found.all("style")
    for name, attributes in found.tags:
        assert "style" not in attributes
        assert not [each for each in attributes if each.startswith("on")]
        if name in ("script", "link", "img"):
            assert urlsplit(str(attributes.get("src") or attributes.get("href"))).netloc in ("", "localhost:8000")
    assert all("src" in each for each in found.all("script"))


async def test_every_field_has_a_label_and_every_id_is_unique(console: Console) -> None:
    for path in PAGES:
        refuse_unlabelled(outline((await console.get(path)).text))


def refuse_unlabelled(found: Outline) -> None:
    ids = [str(each["id"]) for _, each in found.tags if "id" in each]
    assert len(ids) == len(set(ids))
    labelled = {each.get("for") for each in found.all("label")}
    for field in (*found.all("input"), *found.all("select"), *found.all("textarea")):
        if field.get("type") not in ("hidden", "checkbox"):
            assert field.get("id") in labelled
    for name, attributes in found.tags:
        if name == "form" and attributes.get("method") == "post":
            assert str(attributes["action"]).startswith(BASE)


async def test_bokmaal_unless_english_is_asked_for(console: Console) -> None:
    assert (await console.get("/clock", **{"Accept-Language": "fr"})).headers["Content-Language"] == "nb"
    chosen = await console.get("/clock?lang=nb", **{"Accept-Language": "en"})
    assert chosen.headers["Content-Language"] == "nb"
    assert (await console.get("/clock", **{"Accept-Language": "en"})).headers["Content-Language"] == "nb"
    assert (await console.get("/clock?lang=en", **{"Accept-Language": "nb"})).headers["Content-Language"] == "en"
    assert (await console.get("/clock?lang=xx")).headers["Content-Language"] == "en"


async def test_pages_that_are_not_there(console: Console) -> None:
    for path in ("/exchanges/01NOBODY", "/patients/P99", "/clients/nobody", "/clients/nobody/checks"):
        page = await console.get(path)
        assert (page.status_code, outline(page.text).all("main") != []) == (404, True)


async def test_the_static_files_are_ours(console: Console) -> None:
    for name, media in (("console.css", "text/css"), ("console.js", "javascript"), ("htmx.min.js", "javascript")):
        answer = await console.get(f"/static/{name}")
        assert (answer.status_code, media in answer.headers["Content-Type"]) == (200, True)


# journal


async def test_an_empty_journal_says_how_to_begin(console: Console) -> None:
    page = await console.get("/")
    assert "No calls yet" in page.text
    assert f"sandkasse curl {BASE}{SEARCH} --patient P01" in page.text


async def test_calls_and_what_they_are_narrowed_to(console: Console) -> None:
    granted = await console.search("H01", P01)
    refused = await console.search("H01", P02)
    await console.http.post(SEARCH)
    everything = (await console.get("/")).text
    for answer in (granted, refused):
        assert f"/exchanges/{answer.headers['Sandbox-Exchange']}" in everything
    assert P01 not in everything
    for query, there in (
        ("reason=GENERAL_BLOCK", {"P02"}),
        ("patient=P01", {"P01"}),
        ("status=401", set()),
        ("status=4xx", set()),
        ("text=general", {"P02"}),
        ("client=sandkasse-epj&status=200", {"P01", "P02"}),
        ("service=helseid", set()),
        ("text=%3Cscript%3E", set()),
    ):
        page = (await console.get(f"/?{query}")).text
        assert {each for each in ("P01", "P02") if f"/patients/{each}" in page} == there, query
    assert "TOKEN_MISSING" in (await console.get("/?status=4xx")).text
    assert "No call matches" in (await console.get("/?service=helseid")).text
    assert (await console.get("/?status=<script>")).status_code == 200


async def test_new_rows_come_once(console: Console) -> None:
    address = re.search(r'hx-get="([^"]+)"', (await console.get("/?patient=P01")).text)
    assert address is not None
    after = address[1].replace("&amp;", "&")
    assert "patient=P01" in after
    assert (await console.get(after)).status_code == 204
    await console.search("H01", P02)
    await console.core.store.flush()
    assert (await console.get(after)).status_code == 204
    answer = await console.search("H01", P01)
    await console.core.store.flush()
    fresh = await console.get(after)
    assert answer.headers["Sandbox-Exchange"] in fresh.text
    assert 'hx-swap-oob="afterbegin:#rows"' in fresh.text
    again = re.search(r'hx-get="([^"]+)"', fresh.text)
    assert again is not None
    assert (await console.get(again[1].replace("&amp;", "&"))).status_code == 204


async def test_what_makes_no_sense_is_a_page_not_a_crash(console: Console) -> None:
    rows = "/console/journal/rows"
    for path in (
        f"{rows}?after=-1",
        f"{rows}?after=x",
        f"{rows}?after={2**70}",
        f"{rows}?service={'x' * 300}",
        "/patients/%00",
        "/exchanges/%00",
        "/?client=%00",
    ):
        page = await console.get(path)
        assert (page.status_code, 'role="alert"' in page.text) == (400, True), path
    assert (await console.send("/patients/P01", "/patients/P01/settings", remove="\0")).status_code == 400
    for status in ("9" * 40, "٢٠٠", "-1", "000"):
        assert (await console.get(f"/?status={quote(status)}")).status_code == 200


# exchange


async def test_a_refusal_shows_its_way_through_the_rules(console: Console) -> None:
    page = await console.told(await console.search("H01", P02))
    deciding = page.index('class="step decided"')
    assert "#F2" in page[deciding : deciding + 200]
    assert page.index('class="step unreached"') > deciding
    assert 'href="http://localhost:8000/rules#F2"' in page
    assert "How would it pass?" in page
    assert "Send the access basis FORHOYET_SAMTYKKE." in page
    assert P02 not in page
    assert "eyJ" not in page
    assert "DPoP proof" in page
    assert "&#34;htu&#34;" in page
    assert page.count("<h2") >= 6


async def test_what_was_granted_needs_no_advice(console: Console) -> None:
    assert "How would it pass?" not in await console.told(await console.search("H01", P01))


async def test_a_refusal_before_the_policy_says_what_to_do(console: Console) -> None:
    assert "Send an access token in the Authorization header" in await console.told(await console.http.post(SEARCH))
    wrong = await console.search("H01", P01, **{"access-basis": "NONSENSE"})
    assert "Send a value of the list of access bases" in await console.told(wrong)


async def test_advice_follows_the_registers(console: Console) -> None:
    answer = await console.search("H02", P03)
    page = await console.told(answer)
    assert "Log in H01" in page
    assert "withdraws the block of named personnel" in page
    settings = (await console.http.get("/_sandbox/v1/persons/P03/settings")).json()["settings"]
    for each in settings:
        await console.http.delete(f"/_sandbox/v1/persons/P03/settings/{each['id']}")
    assert "as they are now, it would pass" in await console.told(answer)


async def test_what_was_withheld_is_listed(console: Console) -> None:
    page = await console.told(await console.search("H01", P23))
    assert "Withheld: 1" in page
    assert "OBJECT_RESTRICTED_SOFT" in page
    assert "Send the access basis FORHOYET_AKUTT." in page


async def test_ways_as_json(console: Console) -> None:
    answer = await console.search("H01", P02)
    exchange = answer.headers["Sandbox-Exchange"]
    told = (await console.http.get(f"/_sandbox/v1/exchanges/{exchange}/ways")).json()
    assert told["ways"][0]["changes"][0]["value"] == {"accessBasis": "FORHOYET_SAMTYKKE"}
    assert told["ways"][0]["released"] == 2
    assert P02 not in str(told)
    granted = (await console.search("H01", P01)).headers["Sandbox-Exchange"]
    assert (await console.http.get(f"/_sandbox/v1/exchanges/{granted}/ways")).json()["needed"] is False
    assert (await console.http.get("/_sandbox/v1/exchanges/none/ways")).status_code == 404


async def test_the_way_that_is_shown_really_passes(console: Console) -> None:
    assert (await console.search("H01", P02)).json()["total"] == 0
    passed = await console.search("H01", P02, **{"access-basis": "FORHOYET_SAMTYKKE"})
    assert passed.json()["total"] > 0


async def test_old_attests_and_elevation_without_need(console: Console) -> None:
    page = await console.told(await console.search("H01", P01, **{"access-basis": "FORHOYET_AKUTT"}))
    assert "Leave out the access basis FORHOYET_AKUTT." in page
    withdrawn = await console.told(await console.search("H08", P01))
    assert "HPR gives H08 a valid authorisation LE." in withdrawn


async def test_an_exchange_at_the_probe_and_the_backdoor(console: Console) -> None:
    order = {"persona": "H08", "url": f"{BASE}/trust-probe/whoami", "method": "GET"}
    made = (await console.http.post("/_sandbox/v1/tokens", json=order)).json()
    headers = {**made["headers"], "person-id": P01}
    assert "How would it pass?" in await console.told(await console.http.get("/trust-probe/whoami", headers=headers))
    backdoor = await console.http.post(
        "/pps-backdoor/fhir/DiagnosticReport/_search",
        headers={"x-nilar-patient": P02, "x-nilar-requester-hpr": "222250101", "x-nilar-correlation-id": "c"},
    )
    assert "FORHOYET_SAMTYKKE" in await console.told(backdoor)
    unknown = await console.search("H01", "14838449426")
    assert unknown.status_code in (200, 400)
    assert "How would it pass?" in await console.told(unknown)


# patients


async def test_patients_are_found_by_what_they_are_for(console: Console) -> None:
    assert "/patients/P22" in (await console.get("/patients?text=pts+hard")).text
    assert "/patients/P01" not in (await console.get("/patients?text=pts+hard")).text
    assert "Nobody found." in (await console.get("/patients?text=zzz")).text
    assert "/patients/P01" not in (await console.get("/patients?only=settings")).text
    assert "/patients/P11" not in (await console.get("/patients?only=results&text=nobody")).text
    assert P01 not in (await console.get("/patients")).text


async def test_a_switch_changes_the_next_answer(console: Console) -> None:
    assert (await console.search("H01", P01)).json()["total"] == 73
    on = await console.send("/patients/P01", "/patients/P01/settings", switch="PPS-general_block")
    assert (on.status_code, on.headers["Location"]) == (303, f"{BASE}/patients/P01?done=set")
    assert (await console.search("H01", P01)).json()["total"] == 0
    page = (await console.get("/patients/P01?done=set")).text
    assert 'aria-checked="true"' in page
    assert "The setting is set." in page
    stored = re.search(r'name="remove" value="([^"]+)"', page)
    assert stored is not None
    off = await console.send("/patients/P01", "/patients/P01/settings", remove=stored[1])
    assert off.headers["Location"].endswith("done=removed")
    assert (await console.search("H01", P01)).json()["total"] == 73


async def test_settings_aimed_at_somebody(console: Console) -> None:
    path = "/patients/P01/settings"
    block = {"kind": "specific_block", "svc": "PPS", "who": "H02"}
    assert (await console.send("/patients/P01", path, **block)).status_code == 303
    assert (await console.search("H02", P01)).json()["total"] == 0
    assert (await console.search("H01", P01)).json()["total"] == 73
    assert (await console.send("/patients/P01", path, kind="org_block", svc="PPS", who="O02")).status_code == 303
    assert (await console.send("/patients/P01", path, kind="pts_safety", days="14")).status_code == 303
    settings = (await console.http.get("/_sandbox/v1/persons/P01/settings")).json()["settings"]
    assert {each["kind"] for each in settings} == {"specific_block", "org_block", "pts_safety"}


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "specific_block", "svc": "PPS", "who": "H99"},
        {"kind": "specific_block", "svc": "<x>", "who": "H01"},
        {"kind": "pts_safety", "days": "0"},
        {"kind": "pts_safety", "days": "١٤"},
        {"kind": HOSTILE},
        {},
        {"switch": "nonsense"},
    ],
)
async def test_settings_that_make_no_sense(console: Console, fields: dict[str, str]) -> None:
    page = await console.send("/patients/P01", "/patients/P01/settings", **fields)
    assert (page.status_code, 'role="alert"' in page.text, HOSTILE in page.text) == (400, True, False)
    assert "<h1>P01 FRODIG BREGNE</h1>" in page.text
    gone = await console.send("/patients/P01", "/patients/P99/settings", switch="PPS-general_block")
    assert gone.status_code == 404


async def test_commands_hold_the_number_in_a_header_only(console: Console) -> None:
    page = (await console.get("/patients/P02")).text
    assert f"sandkasse curl {BASE}{SEARCH} --patient P02" in page
    assert f"x-nilar-patient: {P02}" in page
    assert not re.search(r"https?://\S*\d{11}", page)


# hostile names


async def test_hostile_names_stay_text(console: Console) -> None:
    person = {"given": HOSTILE, "family": '"><img src=x onerror=alert(1)>', "birthDate": "1984-03-14", "gender": "male"}
    assert (await console.http.put("/_sandbox/v1/persons/X1", json=person)).status_code == 201
    client = {"id": HOSTILE, "name": HOSTILE, "scopes": [HOSTILE], "redirect_uris": ["javascript:alert(1)"]}
    assert (await console.http.post("/_sandbox/v1/clients", json=client)).status_code == 201
    refused = await console.http.post(
        SEARCH, headers={"User-Agent": HOSTILE, "Authorization": f"DPoP {HOSTILE}"}, data={"_id": HOSTILE}
    )
    listing = (await console.get("/clients")).text
    link = re.search(r'href="(http://localhost:8000/clients/[^"]*script[^"]*)"', listing)
    assert link is not None
    for page in (
        await console.get("/patients"),
        await console.get("/patients/X1"),
        await console.get(f"/exchanges/{refused.headers['Sandbox-Exchange']}"),
        await console.get("/", **{"Accept-Language": HOSTILE}),
        await console.get(f"/?text={HOSTILE}&service={HOSTILE}&reason={HOSTILE}"),
        await console.get(f"/console/login?next={HOSTILE}"),
        await console.get(link[1]),
        await console.get(link[1] + "/checks"),
        await console.get("/clients"),
    ):
        assert page.status_code == 200
        assert "<script>" not in page.text
        assert "<img" not in page.text


# clients


async def test_a_client_is_registered_with_a_pasted_key(console: Console) -> None:
    key = {**generate_key("ES256"), "kid": "mine"}
    fields = {"id": "my-epj", "name": "My EPJ", "scopes": "openid nhn:pps/provesvar-read", "jwk": json.dumps(key)}
    made = await console.send("/clients", "/clients", orgnr_parent="315500109", **fields)
    assert made.headers["Location"] == f"{BASE}/clients/my-epj?done=client"
    stored = (await console.http.get("/_sandbox/v1/clients/my-epj")).json()
    assert stored["scopes"] == ["openid", "nhn:pps/provesvar-read"]
    assert "d" not in stored["jwks"][0]
    again = await console.send("/clients", "/clients", **fields)
    assert (again.status_code, "there is a client with that id" in again.text) == (409, True)
    second = json.dumps({"keys": [{**generate_key("ES256"), "kid": "second"}]})
    added = await console.send("/clients/my-epj", "/clients/my-epj/keys", jwk=second)
    assert added.status_code == 303
    page = (await console.get("/clients/my-epj")).text
    assert "second" in page
    assert (await console.send("/clients/my-epj", "/clients/my-epj/keys", remove="0")).status_code == 303
    assert [each["kid"] for each in (await console.http.get("/_sandbox/v1/clients/my-epj")).json()["jwks"]] == [
        "second"
    ]
    gone = await console.send("/clients/my-epj", "/clients/my-epj/delete")
    assert gone.headers["Location"].endswith("/clients?done=client_gone")
    assert (await console.get("/clients/my-epj")).status_code == 404


@pytest.mark.parametrize("jwk", ["", "{", "[]", '"x"', "{}", '{"kty":"EC"}', '{"keys":[]}', '{"keys":[1]}', HOSTILE])
async def test_keys_that_cannot_be_used(console: Console, jwk: str) -> None:
    page = await console.send("/clients/sandkasse-epj", "/clients/sandkasse-epj/keys", jwk=jwk)
    assert (page.status_code, 'role="alert"' in page.text, HOSTILE in page.text) == (400, True, False)


async def test_findings_and_checks_of_a_client(console: Console) -> None:
    order = {"persona": "H01", "url": f"{BASE}/pps/DiagnosticReport/_search", "method": "POST"}
    made = (await console.http.post("/_sandbox/v1/tokens", json=order)).json()
    await console.http.post(
        "/pps/DiagnosticReport/_search",
        headers={**made["headers"], "person-id": P01, "X-Request-Id": "r"},
        data={"nonsense": "1"},
    )
    page = (await console.get("/clients/sandkasse-epj")).text
    assert "the search parameter nonsense was ignored" in page
    checks = (await console.get("/clients/sandkasse-epj/checks")).text
    assert "Passed" in checks
    assert "Not seen" in checks


async def test_drafts_are_settled(console: Console) -> None:
    missing = await console.send("/clients", "/drafts/00000000-0000-0000-0000-000000000000", verdict="Success")
    assert (missing.status_code, 'role="alert"' in missing.text) == (404, True)
    wanted = {"Success": "11111111-0000-4000-8000-000000000000", "Rejected": "22222222-0000-4000-8000-000000000000"}
    for draft_id in wanted.values():
        await console.core.store.write(partial(draft, draft_id=draft_id))
    page = (await console.get("/clients")).text
    for verdict, draft_id in wanted.items():
        assert f"/drafts/{draft_id}" in page
        assert (await console.send("/clients", f"/drafts/{draft_id}", verdict=verdict)).status_code == 303
        assert (await console.send("/clients", f"/drafts/{draft_id}", verdict=verdict)).status_code == 409
    page = (await console.get("/clients")).text
    assert "CONFIRMED" in page
    assert "REJECTED" in page
    found = [await console.get(f"/clients/{draft_id}") for draft_id in wanted.values()]
    assert [each.status_code for each in found] == [200, 404]


def draft(conn: Connection, draft_id: str) -> None:
    """File a draft as an installer's order leaves it."""
    template = next(each for each, _ in templates.listed(conn, "default") if each.tenancy == "single-tenant")
    key = public_members(generate_key("ES256"))
    body = {
        "template": template.id,
        "organizationNumber": "315500109",
        "publicJwk": {**key, "alg": "ES256", "kid": draft_id[:8]},
        "apiScopes": ["nhn:pps/provesvar-read"],
        "claims": [],
        "redirectUris": [],
        "postLogoutRedirectUris": [],
        "childOrganizationNumbers": [],
        "postClientConfirmationRedirectUri": None,
    }
    draft_store.add_draft(conn, "default", draft_store.DraftRow(draft_id, "DRAFT", 1_795_000_000.0, body))


# clock, faults, sandboxes


async def test_the_clock_moves(console: Console) -> None:
    assert (await console.send("/clock", "/clock", step="day")).headers["Location"].endswith("/clock?done=clock")
    shown = (await console.http.get("/_sandbox/v1/clock")).json()
    assert shown["now"] > shown["real"]
    await console.send("/clock", "/clock", action="freeze")
    assert (await console.http.get("/_sandbox/v1/clock")).json()["frozen"] is True
    assert "Start the clock" in (await console.get("/clock")).text
    await console.send("/clock", "/clock", action="real", force="yes")
    assert (await console.http.get("/_sandbox/v1/clock")).json()["frozen"] is False
    await console.send("/clock", "/clock", now="2027-01-01T12:00")
    assert (await console.http.get("/_sandbox/v1/clock")).json()["now"].startswith("2027-01-01T11:00:00")
    await console.search("H01", P01)
    back = await console.send("/clock", "/clock", now="2026-12-01T12:00")
    assert (back.status_code, "send force" in back.text) == (409, True)


@pytest.mark.parametrize("now", ["", "x", "0000-00-00T00:00", "9999-12-31T23:59:59", "2026-11-21T25:00"])
async def test_times_that_are_none(console: Console, now: str) -> None:
    page = await console.send("/clock", "/clock", now=now)
    assert page.status_code in (303, 400)
    assert (await console.get("/clock")).status_code == 200
    assert (await console.get("/")).status_code == 200


async def test_dependencies_and_rules(console: Console) -> None:
    await console.send("/faults", "/faults/dependencies", privacy="down")
    down = await console.search("H01", P01)
    assert down.status_code >= 500
    assert "Remove the fault that makes the privacy look-up unavailable" in await console.told(down)
    await console.send("/faults", "/faults/dependencies")
    added = await console.send("/faults", "/faults/rules", service="pps-v2", effect="status", value="503", count="1")
    assert added.status_code == 303
    assert (await console.search("H01", P01)).status_code == 503
    assert (await console.search("H01", P01)).status_code == 200
    page = (await console.get("/faults")).text
    rule = re.search(r'name="remove" value="(r\d+)"', page)
    assert rule is not None
    await console.send("/faults", "/faults/rules", remove=rule[1])
    assert "No rules." in (await console.get("/faults")).text


@pytest.mark.parametrize(
    "fields",
    [
        {"effect": "status"},
        {"service": "pps-v2", "effect": "nonsense"},
        {"service": "pps-v2", "effect": "status", "value": "1e400"},
        {"service": "pps-v2", "effect": "status", "value": "nan"},
        {"service": "pps-v2", "effect": "status", "value": "99"},
        {"service": HOSTILE, "effect": "reset"},
        {"service": "pps-v2", "effect": "reset", "nth": "x"},
        {"service": "pps-v2", "effect": "latency", "value": "-1"},
        {"patient": P01, "effect": "reset"},
    ],
)
async def test_faults_that_make_no_sense(console: Console, fields: dict[str, str]) -> None:
    page = await console.send("/faults", "/faults/rules", **fields)
    assert (page.status_code, 'role="alert"' in page.text, HOSTILE in page.text) == (400, True, False)
    assert "No rules." in page.text


async def test_every_effect_on_offer_is_one_the_sandbox_knows(console: Console) -> None:
    effects = re.findall(r'<option value="(\w+)"[^>]*>', (await console.get("/faults")).text.split('name="effect"')[1])
    assert len(effects) == 10
    for effect in effects:
        answer = await console.send("/faults", "/faults/rules", service="helseid", path="/nowhere", effect=effect)
        assert answer.status_code == 303, effect
    assert (await console.send("/faults", "/faults/rules", remove="*")).status_code == 303


async def test_sandboxes_are_made_kept_and_taken_away(console: Console) -> None:
    made = await console.send("/sandboxes", "/sandboxes", name="mine", content="seeded", hours="2")
    assert (made.status_code, f"{BASE}/s/mine/" in made.text) == (201, True)
    assert (await console.get("/s/mine/patients")).status_code == 200
    assert f"{BASE}/s/mine/patients/P01" in (await console.get("/s/mine/patients")).text
    taken = await console.send("/sandboxes", "/sandboxes/mine/snapshot", root="/s/mine", name="before")
    assert taken.headers["Location"] == f"{BASE}/s/mine/sandboxes?done=sandbox"
    await console.send("/patients/P01", "/patients/P01/settings", root="/s/mine", switch="PPS-general_block")
    assert (await console.search("H01", P01, root="/s/mine")).json()["total"] == 0
    assert (await console.search("H01", P01)).json()["total"] == 73
    await console.send("/sandboxes", "/sandboxes/mine/restore", root="/s/mine", snapshot="before")
    assert (await console.search("H01", P01, root="/s/mine")).json()["total"] == 73
    cloned = await console.send("/sandboxes", "/sandboxes/mine/clone", name="twin")
    assert (cloned.status_code, f"{BASE}/s/twin/" in cloned.text) == (201, True)
    assert (await console.send("/sandboxes", "/sandboxes/twin/reset")).status_code == 303
    forgot = await console.send("/sandboxes", "/sandboxes/mine/forget", root="/s/mine", snapshot="before")
    assert forgot.status_code == 303
    gone = await console.send("/sandboxes", "/sandboxes/mine/delete", root="/s/mine")
    assert gone.headers["Location"] == f"{BASE}/sandboxes?done=sandbox"
    assert (await console.get("/s/mine/")).status_code == 404
    assert (await console.send("/sandboxes", "/sandboxes/twin/delete")).status_code == 303


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/sandboxes", {"name": HOSTILE}, 400),
        ("/sandboxes", {"name": "default"}, 400),
        ("/sandboxes", {"hours": "0"}, 400),
        ("/sandboxes/nobody/reset", {}, 404),
        ("/sandboxes/default/delete", {}, 409),
        ("/sandboxes/default/nonsense", {}, 404),
        ("/sandboxes/default/restore", {"snapshot": "none"}, 404),
        ("/sandboxes/default/snapshot", {"name": HOSTILE}, 400),
    ],
)
async def test_sandboxes_that_cannot_be(console: Console, path: str, fields: dict[str, str], status: int) -> None:
    page = await console.send("/sandboxes", path, **fields)
    assert (page.status_code, 'role="alert"' in page.text, "<script>" in page.text) == (status, True, False)


# texts


def test_each_text_is_in_both_languages() -> None:
    for key, (nb, en) in TEXTS.items():
        assert nb.strip(), key
        assert en.strip(), key
        assert re.findall(r"{\w+}", nb) == re.findall(r"{\w+}", en)
    assert texts_in("nb")("new_calls", count=3) == "Nye kall: 3"


def test_every_key_the_pages_name_has_a_text() -> None:
    folder = Path(__file__).parents[3] / "app"
    named: set[str] = set()
    for file in (*folder.glob("web/templates/console/*.html"), *folder.glob("routers/console/*.py")):
        named |= set(re.findall(r'\bt\("(\w+)"[,)]', file.read_text("utf-8")))
    assert len(named) > 100
    assert named <= set(TEXTS)
