"""Whom the console is open to, and which forms it takes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from app.routers.console.guard import FORM_COOKIE, SESSION_COOKIE

from .test_console import BASE, PAGES, Console

KEY = "installation-key-of-a-test"


@pytest_asyncio.fixture
async def locked(tmp_path: Path) -> AsyncIterator[Console]:
    made = Console(tmp_path, host="0.0.0.0", admin_key=KEY)
    made.core.store.start()
    yield made
    await made.http.aclose()
    made.core.store.close()


@pytest_asyncio.fixture
async def open_console(tmp_path: Path) -> AsyncIterator[Console]:
    made = Console(tmp_path)
    made.core.store.start()
    yield made
    await made.http.aclose()
    made.core.store.close()


async def log_in(console: Console, key: str = KEY, root: str = "", **fields: str) -> int:
    answer = await console.send("/console/login", "/console/login", root, key=key, **fields)
    return answer.status_code


async def test_without_a_session_every_page_leads_to_the_login(locked: Console) -> None:
    for path in PAGES:
        if path != "/console/login":
            answer = await locked.get(path)
            assert answer.status_code == 303
            assert answer.headers["Location"] == f"{BASE}/console/login?next={path}"
            assert "P01" not in answer.text


async def test_posts_and_partials_without_a_session(locked: Console) -> None:
    posted = await locked.send("/console/login", "/patients/P01/settings", switch="PPS-general_block")
    assert (posted.status_code, "/console/login" in posted.headers["Location"]) == (303, True)
    rows = await locked.get("/console/journal/rows", **{"HX-Request": "true"})
    assert (rows.status_code, "/console/login" in rows.headers["HX-Redirect"]) == (401, True)
    kept = await locked.http.get("/_sandbox/v1/persons/P01/settings", headers={"X-Admin-Key": KEY})
    assert kept.json()["settings"] == []


async def test_the_key_opens_a_session_that_is_not_the_key(locked: Console) -> None:
    assert await log_in(locked, "wrong") == 401
    assert await log_in(locked, "") == 401
    assert await log_in(locked, next="/patients") == 303
    cookie = locked.http.cookies[SESSION_COOKIE]
    assert KEY not in cookie
    assert (await locked.get("/patients")).status_code == 200
    assert (await locked.send("/patients/P01", "/patients/P01/settings", switch="PPS-general_block")).status_code == 303


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(locked: Console) -> None:
    answer = await locked.send("/console/login", "/console/login", key=KEY)
    cookie = answer.headers["Set-Cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "max-age=28800" in cookie


async def test_a_session_ends(locked: Console) -> None:
    assert await log_in(locked) == 303
    locked.clock.now += 8 * 3600 + 1
    assert (await locked.get("/patients")).status_code == 303
    assert await log_in(locked) == 303
    before = locked.http.cookies[SESSION_COOKIE]
    left = await locked.send("/patients", "/console/logout")
    assert left.headers["Location"] == f"{BASE}/console/login"
    locked.http.cookies.set(SESSION_COOKIE, before)
    assert (await locked.get("/patients")).status_code == 303


async def test_a_session_outlives_a_reset(locked: Console) -> None:
    assert await log_in(locked) == 303
    assert (await locked.send("/sandboxes", "/sandboxes/default/reset")).status_code == 303
    assert (await locked.get("/patients")).status_code == 200


async def test_a_sandboxs_own_key_opens_that_sandbox_only(locked: Console) -> None:
    assert await log_in(locked) == 303
    page = await locked.send("/sandboxes", "/sandboxes", name="mine")
    key = re.search(r"<pre[^>]*><code>([\w-]+)</code>", page.text)
    assert key is not None
    assert (await locked.send("/sandboxes", "/sandboxes", name="other")).status_code == 201
    assert (await locked.get("/s/mine/patients")).status_code == 200
    locked.http.cookies.clear()
    assert await log_in(locked, key[1]) == 401
    assert await log_in(locked, key[1], "/s/other") == 401
    assert await log_in(locked, key[1], "/s/mine") == 303
    assert SESSION_COOKIE not in locked.http.cookies
    assert (await locked.get("/s/mine/patients")).status_code == 200
    for elsewhere in ("/patients", "/s/other/patients"):
        assert (await locked.get(elsewhere)).status_code == 303
    own = (await locked.get("/s/mine/sandboxes")).text
    assert "/s/mine/" in own
    assert "other" not in own.replace('class="other"', "")
    for path in ("/sandboxes/other/reset", "/sandboxes/other/delete", "/sandboxes/default/reset"):
        assert (await locked.send("/sandboxes", path, "/s/mine")).status_code == 404
    assert (await locked.send("/sandboxes", "/sandboxes", "/s/mine", name="third")).status_code == 401
    session = locked.http.cookies[f"{SESSION_COOKIE}-mine"]
    locked.http.cookies.set(f"{SESSION_COOKIE}-other", session)
    assert (await locked.get("/s/other/patients")).status_code == 303
    locked.http.cookies.set(SESSION_COOKIE, session)
    assert (await locked.get("/patients")).status_code == 303


async def test_a_new_key_ends_the_sessions_of_the_old(locked: Console) -> None:
    admin = {"X-Admin-Key": KEY}
    made = (await locked.http.post("/_sandbox/v1/sandboxes", json={"name": "mine"}, headers=admin)).json()
    assert await log_in(locked, made["adminKey"], "/s/mine") == 303
    assert (await locked.get("/s/mine/patients")).status_code == 200
    await locked.http.post("/_sandbox/v1/sandboxes/mine/key", headers=admin)
    assert (await locked.get("/s/mine/patients")).status_code == 303


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "", "/a\r\nX: y"]
)
async def test_the_login_leads_nowhere_else(locked: Console, wanted: str) -> None:
    answer = await locked.send("/console/login", "/console/login", key=KEY, next=wanted)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"{BASE}/")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8001"},
        {"Origin": ""},
    ],
)
async def test_forms_of_other_sites_are_refused(open_console: Console, headers: dict[str, str]) -> None:
    page = await open_console.get("/clock")
    token = re.search(r'name="csrf" value="([0-9a-f]+)"', page.text)
    assert token is not None
    answer = await open_console.http.post("/clock", data={"csrf": token[1], "step": "day"}, headers=headers)
    assert (answer.status_code, 'role="alert"' in answer.text) == (403, True)
    clock = (await open_console.http.get("/_sandbox/v1/clock")).json()
    assert clock["now"] == clock["real"]


@pytest.mark.parametrize("token", ["", "0" * 64, None])
async def test_forms_without_the_token_are_refused(open_console: Console, token: str | None) -> None:
    await open_console.get("/clock")
    data = {"step": "day"} if token is None else {"step": "day", "csrf": token}
    assert (await open_console.http.post("/clock", data=data)).status_code == 403
    open_console.http.cookies.delete(FORM_COOKIE)
    assert (await open_console.http.post("/clock", data=data)).status_code == 403


async def test_a_token_belongs_to_its_browser_and_session(locked: Console) -> None:
    before = await locked.get("/console/login")
    token = re.search(r'name="csrf" value="([0-9a-f]+)"', before.text)
    assert token is not None
    assert await log_in(locked) == 303
    answer = await locked.http.post("/clock", data={"csrf": token[1], "step": "day"})
    assert answer.status_code == 403


async def test_bodies_that_are_no_form(open_console: Console) -> None:
    await open_console.get("/clock")
    for content, media, status in (
        (b"{}", "application/json", 415),
        (b"\xff\xfe=1", "application/x-www-form-urlencoded", 400),
        (b"a=" + b"x" * 2_000_000, "application/x-www-form-urlencoded", 413),
    ):
        answer = await open_console.http.post("/clock", content=content, headers={"Content-Type": media})
        assert (answer.status_code, 'role="alert"' in answer.text) == (status, True)
