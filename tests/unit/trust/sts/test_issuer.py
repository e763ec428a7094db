"""The issuer beyond the numbered cases: login page, sessions, keys, clocks, other sandboxes, bad input."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from app.routers import helseid
from app.sandboxes.state import SandboxState
from app.store import clients, grants
from app.trust import issuer_keys
from app.trust.jose import b64encode, parse, sign
from app.trust.sts import nonce
from app.trust.sts.clients import MACHINE
from app.trust.sts.context import Context
from app.trust.sts.login import Hint, log_in
from app.trust.sts.tokens import mint
from tests.conformance.test_helseid import PPS, granted, refused
from tests.conformance.test_real_clients import PROBE, attest
from tests.support.asgi import World
from tests.support.epj import (
    ISSUER,
    MISSING,
    REDIRECT,
    TOKEN,
    VERIFIER,
    Epj,
    changed,
    claims_of,
    registered,
    seeded,
    sent_back,
    some_key,
)

H03 = "10909049240"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, {"helseid": helseid.create})
    yield made
    made.close()


def login_page(epj: Epj, **form: Any) -> tuple[httpx.Response, str]:
    page = epj.authorize(epj.push(login_hint=MISSING, **form).json()["request_uri"])
    assert page.status_code == 200, page.text
    handle = re.search(r'name="login" value="([^"]+)"', page.text)
    assert handle is not None
    return page, handle[1]


def choose(world: World, handle: str, **form: str) -> httpx.Response:
    return world.request("POST", "/helseid/connect/login", data={"login": handle, **form})


# ---- the login page ----


def test_a_practitioner_is_chosen_on_the_page(world: World) -> None:
    epj = seeded(world)
    page, handle = login_page(epj)
    assert '<html lang="nb">' in page.text
    assert "ÅRVÅKEN LEGEROT" in page.text
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    back = sent_back(choose(world, handle, person="H03", level="3", network="internett"))
    claims = claims_of(granted(epj.redeem(back["code"]))["access_token"])
    assert claims["helseid://claims/identity/pid"] == H03
    assert claims["helseid://claims/identity/security_level"] == "3"
    assert claims["helseid://claims/identity/network"] == "internett"


def test_the_page_speaks_english_when_asked(world: World) -> None:
    epj = seeded(world)
    uri = epj.push(login_hint=MISSING).json()["request_uri"]
    page = epj.authorize(uri, **{"Accept-Language": "de, en-GB;q=0.8"})
    assert '<html lang="en">' in page.text
    assert '<html lang="en">' in login_page(epj, ui_locales="en")[0].text


def test_a_typed_number_goes_before_the_choice(world: World) -> None:
    epj = seeded(world)
    _, handle = login_page(epj)
    back = sent_back(choose(world, handle, person="H01", pid=f"{H03[:6]} {H03[6:]}"))
    assert claims_of(granted(epj.redeem(back["code"]))["access_token"])["helseid://claims/identity/pid"] == H03


def test_a_wrong_number_shows_the_page_again(world: World) -> None:
    epj = seeded(world)
    _, handle = login_page(epj)
    again = choose(world, handle, pid="12345678901")
    assert again.status_code == 400
    assert 'role="alert"' in again.text
    assert "code" in sent_back(choose(world, handle, person="H01"))
    assert choose(world, handle, person="H01").status_code == 400


def test_cancel_goes_back_as_an_error(world: World) -> None:
    _, handle = login_page(seeded(world))
    back = sent_back(choose(world, handle, cancel="1"))
    assert (back["error"], back["state"], back["iss"]) == ("access_denied", "a state", ISSUER)
    assert choose(world, handle, person="H01").status_code == 400


def test_an_old_page_is_refused(world: World) -> None:
    _, handle = login_page(seeded(world))
    world.clock.now += 901
    assert choose(world, handle, person="H01").status_code == 400


def test_the_sandbox_login_header(world: World) -> None:
    """Ruling R26."""
    epj = seeded(world)
    uri = epj.push(login_hint=MISSING).json()["request_uri"]
    back = sent_back(epj.authorize(uri, **{"Sandbox-Login": "hpr:222250103 level:2"}))
    claims = claims_of(granted(epj.redeem(back["code"]))["access_token"])
    assert claims["helseid://claims/identity/security_level"] == "2"


@pytest.mark.parametrize("hint", ["H99", "hpr:1", "12345678901", "H01 level:5", "H01 network:x", "H01 x:y", "   "])
def test_an_unknown_hint_is_login_required(world: World, hint: str) -> None:
    epj = seeded(world)
    back = sent_back(epj.authorize(epj.push(login_hint=hint).json()["request_uri"]))
    assert (back["error"], back["state"]) == ("login_required", "a state")


def test_prompt_none_without_a_hint(world: World) -> None:
    epj = seeded(world)
    back = sent_back(epj.authorize(epj.push(login_hint=MISSING, prompt="none").json()["request_uri"]))
    assert back["error"] == "login_required"


def test_an_ordinary_number_never_logs_in(world: World) -> None:
    """Ruling R26. The number is made here and shown nowhere."""
    epj = seeded(world)
    ordinary = _ordinary_number()
    back = sent_back(epj.authorize(epj.push(login_hint=ordinary).json()["request_uri"]))
    assert back["error"] == "login_required"
    assert ordinary not in back["error_description"]


def _ordinary_number() -> str:
    for serial in range(100, 500):
        nine = f"010180{serial}"
        first = (11 - sum(map(int.__mul__, map(int, nine), (3, 7, 6, 1, 8, 9, 4, 5, 2))) % 11) % 11
        second = (11 - sum(map(int.__mul__, map(int, f"{nine}{first}"), (5, 4, 3, 2, 7, 6, 5, 4, 3, 2))) % 11) % 11
        if first < 10 and second < 10:
            return f"{nine}{first}{second}"
    raise AssertionError


def test_people_who_are_not_practitioners(world: World) -> None:
    epj = seeded(world)
    claims = claims_of(granted(epj.redeem(epj.log_in(login_hint="P01")))["access_token"])
    assert claims["helseid://claims/identity/pid"] == "14838449698"
    assert "helseid://claims/hpr/hpr_number" not in claims
    withdrawn = claims_of(granted(epj.redeem(epj.log_in(login_hint="H08")))["access_token"])
    assert "helseid://claims/hpr/hpr_number" not in withdrawn


# ---- the authorization request ----


def test_fragment_and_errors_of_a_plain_request(world: World) -> None:
    """Ruling C34."""
    old = seeded(world, "sandkasse-gammel")
    form = {name: value for name, value in old.par_form("openid " + PPS).items() if value is not MISSING}
    url = ISSUER + "/connect/authorize"
    query = {"client_id": old.id, **form, "response_mode": "fragment"}
    answer = world.request("GET", url, params=query)
    assert "#code=" in answer.headers["Location"]
    assert ("T-31", "risk") in world.findings
    granted(old.redeem(sent_back(answer)["code"]))
    bad = sent_back(world.request("POST", url, data=query | {"scope": "nhn:unknown/scope"}))
    assert (bad["error"], bad["state"]) == ("invalid_scope", "a state")
    assert world.request("GET", url, params=query | {"redirect_uri": "https://example.com/"}).status_code == 400


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"scope": "nhn:unknown/scope"}, "invalid_scope"),
        ({"scope": MISSING}, "invalid_scope"),
        ({"response_mode": "web_message"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"state": "x" * 9000}, "invalid_request"),
        ({"login_hint": "x" * 201}, "invalid_request"),
        ({"state": ["a", "b"]}, "invalid_request"),
        ({"request_uri": "urn:x"}, "invalid_request"),
        ({"redirect_uri": "http://localhost/#f"}, "invalid_request"),
        ({"redirect_uri": "http://localhost@example.com/"}, "invalid_request"),
        ({"redirect_uri": "http://[::1"}, "invalid_request"),
    ],
)
def test_refused_at_par(world: World, form: dict[str, Any], error: str) -> None:
    refused(seeded(world).push(**form), error)


def test_par_is_for_clients_that_log_people_in(world: World) -> None:
    refused(seeded(world, "sandkasse-maskin").push(), "unauthorized_client")
    refused(changed(world, "sandkasse-epj", grants=frozenset({"authorization_code"})).push(), "invalid_scope")


def test_the_request_object_wins(world: World) -> None:
    """Ruling C19."""
    epj = seeded(world)
    signed = epj.request_object(state="signed", scope="openid " + PPS, nbf=MISSING)
    back = sent_back(epj.authorize(epj.push(request=signed).json()["request_uri"]))
    assert back["state"] == "signed"
    assert "refresh_token" not in granted(epj.redeem(back["code"]))
    form = epj.request_object(client_id=MISSING, header={"typ": "oauth-authz-req+jwt"})
    assert epj.push(request=form).status_code == 201
    refused(epj.push(request=epj.request_object(header={"typ": "at+jwt"})), "invalid_request", "typ")


def test_an_attest_is_judged_at_par_and_at_the_login(world: World) -> None:
    """Ruling R18."""
    epj = seeded(world)
    broken = attest() | {"care_relation": {}}
    refused(epj.push(PROBE, request=epj.request_object(authorization_details=broken)), "access_denied", "HID-1007")
    good = epj.request_object(authorization_details=[attest()])
    uri = epj.push(PROBE, request=good, login_hint="H01 level:3").json()["request_uri"]
    back = sent_back(epj.authorize(uri))
    assert back["error"] == "access_denied"
    assert back["error_description"].startswith("ATT-9")


# ---- grants ----


def test_a_code_needs_no_refresh_and_may_be_narrowed(world: World) -> None:
    epj = seeded(world)
    body = granted(epj.redeem(epj.log_in(f"openid profile {PPS}"), scope=f"{PPS} nhn:phr/mhd/read-document"))
    assert body["scope"] == PPS
    assert "refresh_token" not in body
    assert ("C13", "note") in world.findings


def test_faults_of_code_and_refresh(world: World) -> None:
    epj, other = seeded(world), seeded(world, "sandkasse-gammel")
    refused(epj.redeem("unknown"), "invalid_grant")
    refused(epj.redeem(MISSING), "invalid_request")
    refused(other.redeem(epj.log_in()), "invalid_grant", "another client")
    refresh = granted(epj.redeem(epj.log_in()))["refresh_token"]
    refused(epj.refresh(refresh, scope="nhn:phr/mhd/read-document"), "invalid_scope")
    refused(epj.refresh(MISSING), "invalid_request")
    refused(other.refresh(refresh), "invalid_grant", "another client")
    late = epj.log_in()
    world.clock.now += 61
    refused(epj.redeem(late), "invalid_grant")


def test_refresh_tokens_may_rotate(world: World) -> None:
    epj = seeded(world)
    first = granted(epj.redeem(epj.log_in()))["refresh_token"]
    with world.using(rotate_refresh_tokens=True):
        second = granted(epj.refresh(first))["refresh_token"]
        assert second != first
        refused(epj.refresh(first), "invalid_grant")
        granted(epj.refresh(second))


def test_two_requests_at_once_with_one_code_or_assertion(world: World) -> None:
    epj = seeded(world)
    code, fresh = epj.log_in(), epj.nonce()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
    form["code_verifier"] = VERIFIER
    same = [epj.authenticated({"grant_type": MACHINE, "scope": PPS})] * 2
    forms = [epj.authenticated(form), epj.authenticated(form), *same]

    async def both() -> list[httpx.Response]:
        return await asyncio.gather(
            *(
                world._request("POST", TOKEN, {"data": dict(one), "headers": {"DPoP": epj.proof(nonce=fresh)}})
                for one in forms
            )
        )

    statuses = [answer.status_code for answer in world.run(both())]
    assert sorted(statuses[:2]) == [200, 400]
    assert sorted(statuses[2:]) == [200, 400]


def test_several_audiences_without_resource(world: World) -> None:
    """Ruling R21."""
    claims = claims_of(granted(seeded(world).machine(f"{PPS} nhn:phr/mhd/read-document"))["access_token"])
    assert claims["aud"] == ["nhn:pps", "nhn:phr"]


def test_a_client_may_have_scopes_outside_the_directory(world: World) -> None:
    epj = changed(world, "sandkasse-maskin", scopes=("ks:fiks/api", "odd"))
    assert claims_of(granted(epj.machine("ks:fiks/api"))["access_token"])["aud"] == "ks:fiks"
    assert "aud" not in claims_of(granted(epj.machine("odd"))["access_token"])


def test_client_claims_and_life(world: World) -> None:
    epj = changed(world, "sandkasse-epj", access_token_seconds=30)
    body = granted(epj.machine(f"helseid://scopes/client/info {PPS}"))
    assert body["expires_in"] == 30
    assert claims_of(body["access_token"])["helseid://claims/client/claims/client_tenancy"] == "single-tenant"


def test_the_journal_id(world: World) -> None:
    epj = seeded(world)
    guid = "b6f4c1d0-0000-4000-8000-000000000001"
    details = {"type": "nhn:sfm:journal-id", "value": {"journal_id": guid}}
    form = {"grant_type": MACHINE, "scope": PPS}
    body = granted(epj.token(form, assertion=epj.assertion(assertion_details=details)))
    assert claims_of(body["access_token"])["nhn:sfm:journal_id"] == guid


def test_advertised_grants_nobody_has(world: World) -> None:
    refused(seeded(world).token({"grant_type": "implicit"}), "unauthorized_client")
    refused(world.request("POST", "/helseid/connect/ciba"), "unauthorized_client")


# ---- sessions ----


def test_userinfo_refusals(world: World) -> None:
    epj = seeded(world)
    url = ISSUER + "/connect/userinfo"
    none = world.request("GET", url)
    refused(none, "invalid_token", status=401)
    assert none.headers["WWW-Authenticate"].startswith("Bearer error=")
    refused(world.request("GET", url, headers={"Authorization": "Bearer x.y.z"}), "invalid_token", status=401)
    machine = granted(epj.machine())["access_token"]
    refused(world.request("GET", url, headers={"Authorization": f"DPoP {machine}"}), "insufficient_scope", status=403)


def test_introspection(world: World) -> None:
    epj = seeded(world)
    token = granted(epj.machine())["access_token"]
    active = granted(epj.post("introspect", {"token": token}))
    assert (active["active"], active["scope"], active["client_id"]) == (True, PPS, epj.id)
    assert granted(epj.post("introspect", {"token": "x"})) == {"active": False}
    refused(epj.post("introspect", {}), "invalid_request")
    refused(world.request("POST", "/helseid/connect/introspect", data={"token": token}), "invalid_client")


def test_revocation(world: World) -> None:
    epj, other = seeded(world), seeded(world, "sandkasse-gammel")
    refresh = granted(epj.redeem(epj.log_in()))["refresh_token"]
    assert other.post("revocation", {"token": refresh}).status_code == 200
    granted(epj.refresh(refresh))
    assert epj.post("revocation", {"token": refresh}).status_code == 200
    refused(epj.refresh(refresh), "invalid_grant")
    assert epj.post("revocation", {"token": "unknown"}).status_code == 200
    refused(epj.post("revocation", {}), "invalid_request")
    used = epj.assertion()
    assert epj.post("revocation", {"token": "x"}, assertion=used).status_code == 200
    refused(epj.post("revocation", {"token": "x"}, assertion=used), "invalid_client")
    refused(epj.post("introspect", {"token": "x"}, assertion=used), "invalid_client")


def test_logout(world: World) -> None:
    """Ruling C36."""
    epj = seeded(world)
    body = granted(epj.redeem(epj.log_in()))
    world.clock.now += 400
    url = ISSUER + "/connect/endsession"
    assert world.request("GET", url).status_code == 200
    assert world.request("GET", url, params={"id_token_hint": body["access_token"]}).status_code == 400
    hint = body["id_token"]
    query = f"{url}?id_token_hint={hint}&post_logout_redirect_uri=http://localhost:7000/out?a=b&state=s%20s"
    assert world.request("GET", query).headers["Location"] == "http://localhost:7000/out?a=b&state=s%20s"
    form = {"id_token_hint": hint, "post_logout_redirect_uri": "http://127.0.0.1/out"}
    assert world.request("POST", url, data=form).headers["Location"] == "http://127.0.0.1/out"
    assert world.request("POST", url, data={"id_token_hint": hint}).status_code == 200
    assert (
        world.request("GET", url, params=form | {"post_logout_redirect_uri": "https://example.com"}).status_code == 400
    )
    gone = world.request("GET", ISSUER + "/connect/userinfo", headers={"Authorization": f"DPoP {body['access_token']}"})
    refused(gone, "invalid_token", status=401)
    assert world.request("GET", ISSUER + "/connect/checksession").status_code == 200


# ---- keys ----


def test_rotation(world: World) -> None:
    """Rulings C24, R28 and case T-108."""
    epj = seeded(world)
    jwks, expired = ISSUER + "/.well-known/openid-configuration/jwks", ISSUER + "/connect/expiredjwks"
    before = granted(epj.machine())["access_token"]
    old, following = [key["kid"] for key in world.request("GET", jwks).json()["keys"]]
    signer = header_of(before)["kid"]
    assert world.request("GET", expired).json() == {"keys": []}
    current = world.run(issuer_keys.rotate(world.core, world.sandbox))
    assert current in {old, following} - {signer}
    assert header_of(granted(epj.machine())["access_token"])["kid"] == current
    assert [key["kid"] for key in world.request("GET", expired).json()["keys"]] == [signer]
    assert len(world.request("GET", jwks).json()["keys"]) == 2
    assert granted(epj.post("introspect", {"token": before}))["active"]
    other = SandboxState("other", world.settings)
    assert world.run(issuer_keys.signing_key(world.core, other)).kid == signer
    world.run(issuer_keys.rotate(world.core, world.sandbox))
    assert set(world.run(issuer_keys.verification_keys(world.core, world.sandbox))) >= {signer, current}
    world.run(issuer_keys.ensure(world.core))
    assert len(world.run(issuer_keys.verification_keys(world.core, other))) == 2


def header_of(token: str) -> dict[str, Any]:
    return dict(parse(token).header)


def test_the_secret_is_made_once(world: World) -> None:
    first = world.run(issuer_keys.secret(world.core))
    world.core.misc.clear()
    assert world.run(issuer_keys.secret(world.core)) == first
    assert len(first) == 32


def test_mint(world: World) -> None:
    world.request("GET", ISSUER + "/connect/checksession")
    trail = world.trail

    async def make() -> Any:
        subject = await log_in(Context(world.core, trail), Hint("H01"))
        client = await world.core.store.read(lambda conn: clients.find(conn, "default", "sandkasse-epj"))
        assert client is not None
        scopes = ("openid", "nhn:pps/provesvar-read", "sandkasse:probe/read")
        return await mint(
            world.core,
            trail,
            client=client,
            subject=subject,
            scopes=scopes,
            audience=("sandkasse:probe",),
            structures=(attest(),),
            jkt="thumb",
        )

    minted = world.run(make())
    assert minted.claims["aud"] == "sandkasse:probe"
    assert minted.claims["cnf"] == {"jkt": "thumb"}
    assert minted.claims["nhn:tillitsrammeverk:parameters"]["toa"] == int(world.clock.now)
    assert minted.expires_in == 600


# ---- clocks and sandboxes ----


def test_a_moved_clock(world: World) -> None:
    """Ruling R31: clients sign with the real clock or with the sandbox's."""
    epj = seeded(world)
    world.move_sandbox_clock(86_400.0)
    claims = claims_of(granted(epj.machine())["access_token"])
    assert claims["iat"] == int(world.clock.now) + 86_400
    there = int(world.clock.now) + 86_400
    moved = epj.assertion(iat=there, nbf=there, exp=there + 30)
    proof = epj.proof(nonce=epj.nonce(), iat=there)
    granted(epj.post("token", {"grant_type": MACHINE, "scope": PPS}, assertion=moved, proof=proof))
    refused(epj.post("token", {"grant_type": MACHINE}, assertion=epj.assertion(exp=there - 3600)), "invalid_client")


def test_another_sandbox_knows_nothing(world: World) -> None:
    """Ruling R27: assertion audience, nonce and client are of one sandbox."""
    epj = seeded(world)
    fresh, token = epj.nonce(), granted(epj.machine())["access_token"]
    world.sandbox = replace(world.sandbox, id="other")
    world.run(world.core.store.write(lambda conn: clients.seed(conn, "other")))
    epj.issuer = "http://localhost:8000/s/other/helseid"
    refused(epj.post("token", {"grant_type": MACHINE}, assertion=epj.assertion(aud=ISSUER)), "invalid_client", "aud")
    own = epj.proof(f"{epj.issuer}/connect/token", nonce=fresh)
    refused(epj.post("token", {"grant_type": MACHINE, "scope": PPS}, proof=own), "use_dpop_nonce")
    body = granted(epj.machine())
    assert claims_of(body["access_token"])["iss"] == epj.issuer
    assert granted(epj.post("introspect", {"token": token})) == {"active": False}


def test_issuer_aliases(world: World) -> None:
    """Ruling R27: any name of the same sandbox will do as audience."""
    epj = seeded(world)
    form = {"grant_type": MACHINE, "scope": PPS}
    granted(epj.token(form, assertion=epj.assertion(aud="http://helseid.localhost:8000")))
    granted(epj.token(form, assertion=epj.assertion(aud=["https://helseid-sts.test.nhn.no"])))
    refused(epj.token(form, assertion=epj.assertion(aud=[ISSUER, TOKEN])), "invalid_client", "aud")
    refused(epj.token(form, assertion=epj.assertion(aud="https://example.com/helseid")), "invalid_client", "aud")


# ---- bad input ----

JUNK = ["", ".", "..", "a.b.c", "e30.e30.", "å.ø.æ", "x" * 20_000, b64encode(b"[]") + ".e30.e30", "\x00.\x00.\x00"]


@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
@pytest.mark.parametrize("name", ["client_assertion", "request", "code", "refresh_token", "subject_token", "scope"])
def test_junk_is_never_a_server_error(world: World, name: str, junk: str) -> None:
    epj = seeded(world)
    answers = [
        epj.post("par", epj.par_form(**{name: junk})),
        epj.post("token", {"grant_type": "authorization_code", name: junk}, proof=epj.proof()),
    ]
    assert {answer.status_code for answer in answers} <= {201, 400}
    assert all(answer.headers["Content-Type"] == "application/json" for answer in answers)


@pytest.mark.parametrize(
    ("claims", "header"),
    [
        ({"jti": 5}, {}),
        ({"jti": "x" * 600}, {}),
        ({"jti": MISSING}, {}),
        ({"exp": MISSING}, {}),
        ({"exp": True}, {}),
        ({"exp": "soon"}, {}),
        ({"exp": 1e300}, {}),
        ({"nbf": [1]}, {}),
        ({"nbf": 1_795_000_100}, {}),
        ({"iss": None, "sub": None}, {}),
        ({"iss": ["a"], "sub": ["a"]}, {}),
        ({"aud": {"a": 1}}, {}),
        ({"aud": MISSING}, {}),
        ({}, {"typ": ["JWT"]}),
        ({}, {"crit": ["x"]}),
    ],
)
def test_odd_assertions(world: World, claims: dict[str, Any], header: dict[str, Any]) -> None:
    epj = seeded(world)
    refused(
        epj.post("token", {"grant_type": MACHINE}, assertion=epj.assertion(header=header, **claims)), "invalid_client"
    )


def test_odd_requests(world: World) -> None:
    url = "/helseid/connect/token"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    refused(world.request("POST", url, content=b"\xff=\xff", headers=kind), "invalid_request")
    refused(world.request("POST", url, content=b"a=" + b"x" * 1_100_000, headers=kind), "invalid_request", status=413)
    refused(world.request("POST", url, content=b"&".join([b"a=1"] * 2000), headers=kind), "invalid_request")
    refused(world.request("PUT", url), "invalid_request")
    refused(world.request("GET", "/helseid/nothing"), "invalid_request", status=404)
    twice = [("Sandbox-Login", "H01"), ("Sandbox-Login", "H02")]
    page = world.request("GET", "/helseid/connect/authorize?client_id=x", headers=twice)
    assert page.status_code == 400


def test_clients_with_broken_keys(world: World) -> None:
    """A key in the registry that cannot be imported is passed over."""
    jwk = some_key("ES256", 9)
    broken = {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}
    epj = registered(world, replace_keys(world, (broken, jwk)))
    granted(epj.machine())


def replace_keys(world: World, jwks: tuple[Any, ...]) -> Any:
    client = world.run(world.core.store.read(lambda conn: clients.find(conn, "default", "sandkasse-maskin")))
    assert client is not None
    return replace(client, jwks=jwks)


# ---- small parts ----


def test_nonce() -> None:
    made = nonce.issue(b"secret", "default", 1000.0)
    assert nonce.valid(b"secret", "default", made, 1000.0, 300)
    assert nonce.valid(b"secret", "default", made, 1300.0, 300)
    assert not nonce.valid(b"secret", "default", made, 1301.0, 300)
    assert not nonce.valid(b"secret", "default", made, 990.0, 300)
    assert not nonce.valid(b"other", "default", made, 1000.0, 300)
    assert not nonce.valid(b"secret", "other", made, 1000.0, 300)
    assert not nonce.valid(b"secret", "default", "å", 1000.0, 300)
    assert not nonce.valid(b"secret", "default", "", 1000.0, 300)


def test_leases_end_and_are_swept(world: World) -> None:
    def work(conn: Any) -> list[Any]:
        grants.keep(conn, "default", "par", "handle", {"a": 1}, 100.0)
        seen = [grants.look(conn, "default", "par", "handle", now) for now in (99.0, 100.0)]
        grants.sweep(conn, "default", 100.0)
        return [*seen, grants.take(conn, "default", "par", "handle")]

    assert world.run(world.core.store.write(work)) == [{"a": 1, "expires": 100.0}, None, False]


# ---- what else may go wrong at the front ----


def test_authorize_without_a_known_client(world: World) -> None:
    url = ISSUER + "/connect/authorize"
    assert world.request("GET", url).status_code == 400
    assert world.request("GET", url, params={"client_id": "nobody"}).status_code == 400
    assert world.request("GET", url, params={"client_id": "a\x00b"}).status_code == 400
    assert world.trail.client_id is None
    assert world.request("GET", url, params={"client_id": "sandkasse-epj", "request_uri": "urn:x"}).status_code == 400


def test_one_request_uri_used_twice_at_once(world: World) -> None:
    epj = seeded(world)
    for hint in ("H01", "H99", MISSING):
        uri = epj.push(login_hint=hint).json()["request_uri"]
        arguments = {"params": {"client_id": epj.id, "request_uri": uri}}

        async def both(arguments: dict[str, Any] = arguments) -> list[httpx.Response]:
            url = ISSUER + "/connect/authorize"
            return await asyncio.gather(*(world._request("GET", url, dict(arguments)) for _ in range(2)))

        answers = world.run(both())
        assert sorted(answer.status_code == 400 for answer in answers) == [False, True]


def test_a_plain_request_without_a_login(world: World) -> None:
    old = seeded(world, "sandkasse-gammel")
    form = {name: value for name, value in old.par_form("openid").items() if name != "login_hint"}
    url = ISSUER + "/connect/authorize"
    assert 'name="login"' in world.request("GET", url, params={"client_id": old.id, **form}).text
    answer = world.request("GET", url, params={"client_id": old.id, **form, "prompt": "none"})
    assert sent_back(answer)["error"] == "login_required"


def test_the_registration_may_go_away_under_a_login_page(world: World) -> None:
    epj = seeded(world)
    _, handle = login_page(epj)
    world.run(world.core.store.write(lambda conn: clients.remove(conn, "default", epj.id)))
    assert choose(world, handle, person="H01").status_code == 400


def test_an_attest_may_fail_after_the_login_page(world: World) -> None:
    epj = seeded(world)
    signed = epj.request_object(authorization_details=[attest()])
    _, handle = login_page(epj, scope=PROBE, request=signed)
    back = sent_back(choose(world, handle, person="H01", level="3"))
    assert back["error"] == "access_denied"


def test_the_attest_of_a_request_object_stays(world: World) -> None:
    """T-53: its receive time, too, stays that of the request object (ruling R14)."""
    epj = seeded(world)
    code = epj.log_in(PROBE, request=epj.request_object(authorization_details=[attest()]))
    received = int(world.clock.now)
    world.clock.now += 30
    first = granted(epj.redeem(code))
    world.clock.now += 300
    second = claims_of(granted(epj.refresh(first["refresh_token"]))["access_token"])
    assert second["nhn:tillitsrammeverk:parameters"]["toa"] == received


def test_registered_addresses(world: World) -> None:
    uri = "https://epj.example.com/back?x=1"
    epj = changed(world, "sandkasse-epj", redirect_uris=(uri,), post_logout_redirect_uris=("https://epj.example.com/",))
    answer = epj.authorize(epj.push(redirect_uri=uri).json()["request_uri"])
    assert answer.headers["Location"].startswith(uri + "&code=")
    body = granted(epj.redeem(sent_back(answer)["code"], redirect_uri=uri))
    query = {"id_token_hint": body["id_token"], "post_logout_redirect_uri": "https://epj.example.com/", "state": "s"}
    out = world.request("GET", ISSUER + "/connect/endsession", params=query)
    assert out.headers["Location"] == "https://epj.example.com/?state=s"


def test_the_other_documents(world: World) -> None:
    assert world.request("GET", ISSUER + "/connect/availableidps").json()[0]["identityProvider"] == "testidp-oidc"
    document = world.request("GET", ISSUER + "/.well-known/oauth-authorization-server").json()
    assert document["issuer"] == ISSUER
    assert "/connect/token" in helseid.create(world.core).openapi()["paths"]


def test_dpop_jkt_must_be_a_thumbprint(world: World) -> None:
    refused(seeded(world).push(dpop_jkt="x"), "invalid_request", "dpop_jkt")


def test_tokens_of_ours_that_are_wrong(world: World) -> None:
    """The test-token service signs anything with the issuer's key."""
    epj = seeded(world)
    key = world.run(issuer_keys.signing_key(world.core, world.sandbox))
    now = int(world.clock.now)
    good: dict[str, Any] = {
        "iss": ISSUER,
        "exp": now + 60,
        "aud": ["nhn:pps", 5],
        "sub": "s",
        "amr": "pwd",
        "auth_time": "x",
    }

    def made(header: dict[str, Any], **claims: Any) -> str:
        return sign(key.header("at+jwt") | header, good | claims, key.key)

    def active(token: str) -> bool:
        return bool(granted(epj.post("introspect", {"token": token}))["active"])

    assert active(made({}))
    assert not active(made({"kid": 5}))
    assert not active(made({"kid": "foreign"}))
    assert not active(made({}, iss=5))
    assert not active(made({}, iss="https://example.com"))
    assert not active(made({}, exp="soon"))
    exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
    api = changed(
        world, "sandkasse-maskin", grants=frozenset({exchange}), audiences=frozenset({"nhn:pps"}), orgnr_parent=None
    )
    kind = "urn:ietf:params:oauth:token-type:access_token"
    form = {"grant_type": exchange, "subject_token_type": kind, "scope": PPS}
    odd = granted(api.token(form | {"subject_token": made({})}))
    assert claims_of(odd["access_token"])["auth_time"] == 0
    del good["sub"]
    machine = granted(api.token(form | {"subject_token": made({})}))
    assert "sub" not in claims_of(machine["access_token"])
    assert machine["token_type"] == "DPoP"
    refused(api.token(form), "invalid_request", "subject_token")


def test_junk_in_a_request_object_is_left_out(world: World) -> None:
    epj = seeded(world)
    signed = epj.request_object(scope=7, resource=[], state=[1])
    assert epj.push(request=signed).status_code == 201


def test_par_with_a_used_assertion(world: World) -> None:
    epj = seeded(world)
    used = epj.assertion()
    form = epj.par_form()
    assert epj.post("par", form, assertion=used).status_code == 201
    refused(epj.post("par", form, assertion=used), "invalid_client", "before")

    async def both() -> list[httpx.Response]:
        data = dict(epj.authenticated(form))
        return await asyncio.gather(*(world._request("POST", ISSUER + "/connect/par", {"data": data}) for _ in "ab"))

    assert sorted(answer.status_code for answer in world.run(both())) == [201, 400]


# ---- one write ----


def sent_at_once(world: World, epj: Epj, *pairs: tuple[str, str]) -> list[str]:
    """The outcomes of token requests with an assertion and a proof each, sent together."""
    form = {"grant_type": "client_credentials", "scope": PPS}

    async def one(assertion: str, proof: str) -> str:
        sent = urlencode(epj.authenticated(form, assertion)).encode()
        headers = {"DPoP": proof, "Content-Type": "application/x-www-form-urlencoded"}
        transport = httpx.ASGITransport(app=world._call)
        async with httpx.AsyncClient(transport=transport) as client:
            answer = (await client.post(TOKEN, content=sent, headers=headers)).json()
        return str(answer.get("error", "granted"))

    async def together() -> list[str]:
        return list(await asyncio.gather(*(one(*pair) for pair in pairs)))

    return world.run(together())


def test_an_assertion_used_twice_at_once_is_used_once(world: World) -> None:
    epj = seeded(world)
    nonce, assertion = epj.nonce(), epj.assertion()
    pairs = [(assertion, epj.proof(nonce=nonce)) for _ in range(5)]
    assert sorted(sent_at_once(world, epj, *pairs)) == ["granted", *["invalid_client"] * 4]


def test_a_proof_used_twice_at_once_is_used_once_and_its_assertions_are_used_up(world: World) -> None:
    epj = seeded(world)
    nonce = epj.nonce()
    proof, assertions = epj.proof(nonce=nonce), [epj.assertion() for _ in range(5)]
    outcomes = sent_at_once(world, epj, *((assertion, proof) for assertion in assertions))
    assert sorted(outcomes) == ["granted", *["invalid_dpop_proof"] * 4]
    again = sent_at_once(world, epj, *((assertion, epj.proof(nonce=nonce)) for assertion in assertions))
    assert again == ["invalid_client"] * 5
