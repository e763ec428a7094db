"""HelseID Selvbetjening: the cases SB-1 to SB-42 of selvbetjening.md section 7."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from app.sandboxes.state import DEFAULT
from app.store import clients
from app.trust.jose import access_token_hash, import_key, public_members
from app.trust.sts.clients import MACHINE
from tests.conformance.selvbetjening_kit import (
    API,
    APPS,
    CALLBACK,
    CONTROL,
    EPJ_KEY,
    O03,
    O05,
    O06,
    OWN_CLAIM,
    PAREK,
    PORTAL,
    PORTAL_KEY,
    PPS,
    SELV,
    SKY_KEY,
    another_proof_key,
    call,
    came_back,
    confirm,
    decide,
    draft_body,
    drafted,
    known,
    new_key,
    onboarded,
    post_draft,
    problem,
    rekvirering,
    shown,
    token_of,
    written,
)
from tests.conformance.test_helseid import multi_tenant, refused, single_tenant
from tests.support.asgi import World
from tests.support.epj import Epj, changed, claims_of, seeded

Case = Callable[[World], None]
_CASES: list[tuple[str, Case]] = []
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ZONED = re.compile(r"\d{4}-\d\d-\d\dT00:00:00Z")
_DAY = 86_400.0
_RSA_1024 = {
    "kty": "RSA",
    "e": "AQAB",
    "n": "u" * 171,
}


def case(name: str) -> Callable[[Case], Case]:
    def add(function: Case) -> Case:
        _CASES.append((name, function))
        return function

    return add


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, APPS)
    yield made
    made.close()


# drafts


@case("SB-1")
def _(world: World) -> None:
    answer = post_draft(world, new_key())
    assert answer.status_code == 201
    assert list(answer.json()) == ["clientId"]
    assert _GUID.fullmatch(answer.json()["clientId"])
    again = post_draft(
        world, new_key(), redirectUris=None, postLogoutRedirectUris=None, audienceSpecificClientClaims=None
    )
    assert again.status_code == 201, "null means absent"


@case("SB-2")
def _(world: World) -> None:
    problem(post_draft(world, new_key(), key=None), 401)
    problem(post_draft(world, new_key(), key="wrong"), 401)
    assert world.request("DELETE", f"{CONTROL}/templates/epj/api-key").status_code == 204
    problem(post_draft(world, new_key()), 401)


@case("SB-3")
def _(world: World) -> None:
    for value in (EPJ_KEY, f"Bearer {EPJ_KEY}", f"api-key {EPJ_KEY}"):
        problem(post_draft(world, new_key(), key=None, headers={"Authorization": value}), 401)


@case("SB-4")
def _(world: World) -> None:
    jwk = new_key()
    with world.using(profile="strict"):
        problem(post_draft(world, jwk, publicJwk=public_members(jwk)), 400, "text", "publicJwk")
    assert post_draft(world, jwk, publicJwk=public_members(jwk)).status_code == 201
    assert ("SB-4", "note") in world.findings


@case("SB-5")
def _(world: World) -> None:
    jwk = new_key()
    problem(post_draft(world, jwk, publicJwk=json.dumps(jwk)), 400, "Private key members", "publicJwk")
    assert ("B15", "critical") in world.findings
    assert world.trail.withheld == {"request"}


@case("SB-6")
def _(world: World) -> None:
    for bad in (
        _RSA_1024,
        {"kty": "OKP", "crv": "Ed25519", "x": "a"},
        {"kty": "oct"},
        {"kty": "EC", "crv": "P-256"},
        {},
    ):
        problem(post_draft(world, {}, publicJwk=json.dumps(bad)), 400, field="publicJwk")
    problem(post_draft(world, {}, publicJwk="no json"), 400, field="publicJwk")
    for alg in ("none", "HS256", "RS256"):
        problem(post_draft(world, new_key() | {"alg": alg}), 400, "alg", "publicJwk")


@case("SB-7")
def _(world: World) -> None:
    for number in ("31550010", "999999999", O03, "abcdefghi"):
        problem(post_draft(world, new_key(), organizationNumber=number), 400, field="organizationNumber")
    problem(post_draft(world, new_key(), organizationNumber=...), 400, field="organizationNumber")


@case("SB-8")
def _(world: World) -> None:
    answer = post_draft(world, new_key(), apiScopes=[SELV, "nhn:other/scope"])
    problem(answer, 400, "nhn:other/scope", "apiScopes")
    problem(post_draft(world, new_key(), apiScopes=[]), 400, field="apiScopes")


@case("SB-9")
def _(world: World) -> None:
    problem(post_draft(world, new_key(), key=SKY_KEY), 403)


@case("SB-10")
def _(world: World) -> None:
    epj = drafted(world)
    assert not known(epj)
    refused(epj.post("token", {"grant_type": MACHINE, "scope": SELV}, proof=epj.proof()), "invalid_client")
    decide(world, epj.id)
    assert known(epj)


# confirmation


@case("SB-11")
def _(world: World) -> None:
    epj = drafted(world)
    query = "redirectPort=<port>&redirectPath=<path>"
    page = world.request("GET", f"{PORTAL}/confirm-client/{epj.id}?{query}")
    assert page.status_code == 200
    assert "FRISK FJORD" in page.text
    assert PPS in page.text
    back = came_back(confirm(world, epj.id, redirectPort="<port>", redirectPath="<path>"))
    assert back == (CALLBACK, [("status", "Success")])


@case("SB-12")
def _(world: World) -> None:
    epj = drafted(world, postClientConfirmationRedirectUri=...)
    page = world.request("GET", f"{PORTAL}/confirm-client/{epj.id}?redirectPort=1337&redirectPath=/callback")
    assert 'name="redirectPort" value="1337"' in page.text
    answer = confirm(world, epj.id, redirectPort="1337", redirectPath="/callback")
    assert answer.headers["Location"] == "http://localhost:1337/callback?status=Success"


@case("SB-13")
def _(world: World) -> None:
    for uri in (
        "https://vendor.example/callback",
        "http://localhost@vendor.example/",
        "http://localhost:1\\@vendor.example",
    ):
        answer = confirm(world, drafted(world, postClientConfirmationRedirectUri=uri).id)
        assert answer.status_code == 200
        assert "Location" not in answer.headers
    for port, path in (("1337@vendor.example", "/"), ("70000", "/"), ("1337", "/a?b"), ("1337", "/\r\nX: y"), ("", "")):
        epj = drafted(world, postClientConfirmationRedirectUri=...)
        answer = confirm(world, epj.id, redirectPort=port, redirectPath=path)
        assert answer.status_code == 200, (port, path)


@case("SB-14")
def _(world: World) -> None:
    epj = drafted(world)
    came_back(confirm(world, epj.id))
    before = shown(epj)
    for answer in (
        world.request("GET", f"{PORTAL}/confirm-client/{epj.id}"),
        confirm(world, epj.id),
        confirm(world, epj.id, verdict="Rejected"),
    ):
        assert answer.status_code == 409
        assert "<html" in answer.text
    assert decide(world, epj.id).status_code == 409
    assert shown(epj) == before


@case("SB-15")
def _(world: World) -> None:
    epj = drafted(world)
    world.move_sandbox_clock(25 * 3600)
    assert came_back(world.request("GET", f"{PORTAL}/confirm-client/{epj.id}")) == (CALLBACK, [("status", "Failed")])
    assert came_back(confirm(world, epj.id)) == (CALLBACK, [("status", "Failed")])
    assert decide(world, epj.id).status_code == 404
    assert not known(epj)


# the client as it is registered


@case("SB-16")
def _(world: World) -> None:
    epj = onboarded(world, audienceSpecificClientClaims=[{"key": "herid", "value": "990001"}])
    assert shown(epj) == {
        "apiScopes": [
            {"scope": SELV, "status": "ok", "statusReason": None},
            {"scope": PPS, "status": "ok", "statusReason": None},
        ],
        "audienceSpecificClientClaims": [
            {
                "claimType": "herid",
                "activeClaimValue": "990001",
                "pendingClaimValue": None,
                "status": "ok",
                "statusReason": None,
            }
        ],
        "redirectUris": [CALLBACK],
        "postLogoutRedirectUris": [],
        "childOrganizationNumbers": [O03],
    }
    assert claims_of(token_of(epj))["herid"] == "990001"


@case("SB-17")
def _(world: World) -> None:
    epj = rekvirering(world)
    of_scope = {each["scope"]: each for each in shown(epj)["apiScopes"]}
    assert of_scope[PAREK]["status"] == "pending"
    assert of_scope[PAREK]["statusReason"]
    refused(epj.machine(PAREK), "invalid_scope", PAREK)
    token_of(epj)
    answer = world.request("POST", f"{CONTROL}/clients/{epj.id}/approve", json={"scopes": [PAREK]})
    assert answer.status_code == 200
    assert {each["status"] for each in shown(epj)["apiScopes"]} == {"ok"}
    token_of(epj, PAREK)


@case("SB-18")
def _(world: World) -> None:
    epj = changed(world, "sandkasse-maskin", scopes=("nhn:selvbetjening/other",))
    problem(call(epj, "GET", "/v1/client", token=token_of(epj, "nhn:selvbetjening/other")), 403)


@case("SB-19")
def _(world: World) -> None:
    epj = onboarded(world)
    answer = call(epj, "GET", "/v1/client", token=token_of(epj, PPS))
    problem(answer, 401)
    assert answer.headers["WWW-Authenticate"].startswith('DPoP error="invalid_token"')


@case("SB-20")
def _(world: World) -> None:
    epj = onboarded(world)
    token = token_of(epj)
    problem(call(epj, "GET", "/v1/client", token=token, proof=""), 401)
    wrong = call(epj, "GET", "/v1/client", token=token, proof=epj.proof("http://localhost:8000" + API + "/v1/client"))
    problem(wrong, 401, "htm")
    assert 'error="invalid_dpop_proof"' in wrong.headers["WWW-Authenticate"]
    problem(call(epj, "GET", "/v1/client", token=token, scheme="Bearer"), 401)
    problem(world.request("GET", f"{API}/v1/client"), 401)


@case("SB-21")
def _(world: World) -> None:
    epj = rekvirering(world, audienceSpecificClientClaims=[{"key": OWN_CLAIM, "value": "a"}])
    for approve in (False, True):
        if approve:
            world.request("POST", f"{CONTROL}/clients/{epj.id}/approve", json={})
        before = shown(epj)
        assert call(epj, "PUT", "/v1/client", json=written(before)).status_code == 204
        assert shown(epj) == before
    machine = seeded(world)
    before = shown(machine)
    assert call(machine, "PUT", "/v1/client", json=written(before)).status_code == 204
    assert shown(machine) == before


@case("SB-22")
def _(world: World) -> None:
    epj = onboarded(world)
    child = {"assertion_details": single_tenant(O03)}
    form = {"grant_type": MACHINE, "scope": PPS}
    assert epj.token(form, assertion=epj.assertion(**child)).status_code == 200
    body = written(shown(epj))
    del body["childOrganizationNumbers"]
    assert call(epj, "PUT", "/v1/client", json=body).status_code == 204
    assert shown(epj)["childOrganizationNumbers"] == []
    refused(epj.token(form, assertion=epj.assertion(**child)), "access_denied", "HID-1002")


@case("SB-23")
def _(world: World) -> None:
    epj = onboarded(world)
    problem(
        call(epj, "PUT", "/v1/client", json=written(shown(epj)) | {"redirectUris": None}), 400, field="redirectUris"
    )
    fixed = onboarded(world, key=PORTAL_KEY, redirectUris=...)
    before = shown(fixed)
    assert before["redirectUris"]
    assert call(fixed, "PUT", "/v1/client", json=written(before) | {"redirectUris": None}).status_code == 204
    assert shown(fixed) == before
    other = written(before) | {"redirectUris": ["https://vendor.example/"]}
    problem(call(fixed, "PUT", "/v1/client", json=other), 400, field="redirectUris")


@case("SB-24")
def _(world: World) -> None:
    epj = rekvirering(world, audienceSpecificClientClaims=[{"key": OWN_CLAIM, "value": "old"}])
    assert shown(epj)["audienceSpecificClientClaims"][0]["status"] == "pending"
    assert OWN_CLAIM not in claims_of(token_of(epj))
    approve = f"{CONTROL}/clients/{epj.id}/approve"
    assert world.request("POST", approve, json={"claims": [OWN_CLAIM]}).status_code == 200
    body = written(shown(epj)) | {"audienceSpecificClientClaims": [{"key": OWN_CLAIM, "value": "new"}]}
    assert call(epj, "PUT", "/v1/client", json=body).status_code == 204
    (claim,) = shown(epj)["audienceSpecificClientClaims"]
    assert (claim["status"], claim["activeClaimValue"], claim["pendingClaimValue"]) == ("updatePending", "old", "new")
    assert claims_of(token_of(epj))[OWN_CLAIM] == "old"
    assert world.request("POST", approve, json={"claims": [OWN_CLAIM]}).status_code == 200
    assert claims_of(token_of(epj))[OWN_CLAIM] == "new"


# keys


@case("SB-25")
def _(world: World) -> None:
    epj = onboarded(world)
    for key in (new_key("RS256") | {"alg": "PS512", "use": "sig"}, new_key("ES384")):
        answer = call(epj, "POST", "/v1/client-secret", json=public_members(key))
        assert answer.status_code == 200, answer.text
        assert list(answer.json()) == ["expiration"]
        assert _ZONED.fullmatch(answer.json()["expiration"])


@case("SB-26")
def _(world: World) -> None:
    epj = onboarded(world)
    key = public_members(new_key())
    text = call(epj, "POST", "/v1/client-secret", json=json.dumps(key))
    assert text.status_code == 200
    assert text.json() == call(epj, "POST", "/v1/client-secret", json=key).json()


@case("SB-27")
def _(world: World) -> None:
    epj, headers = onboarded(world), {"Content-Type": "application/json; charset=utf-8"}
    body = json.dumps(public_members(new_key()))
    assert call(epj, "POST", "/v1/client-secret", content=body, headers=headers).status_code == 200
    problem(call(epj, "POST", "/v1/client-secret", content=body, headers={"Content-Type": "text/plain"}), 415)


@case("SB-28")
def _(world: World) -> None:
    epj = onboarded(world)
    newer = _rotated(epj)
    assert known(epj)
    assert known(newer)
    token_of(newer)


@case("SB-29")
def _(world: World) -> None:
    epj = onboarded(world)
    world.move_sandbox_clock(100 * _DAY)
    newer = _rotated(epj)
    world.move_sandbox_clock(182 * _DAY)
    assert not known(epj)
    assert shown(newer)
    world.move_sandbox_clock(300 * _DAY)
    assert not known(newer)


@case("SB-30")
def _(world: World) -> None:
    epj, key = onboarded(world), new_key()
    bodies: tuple[Any, ...] = (key, json.dumps(key), [key], {"oth": []}, {"kty": "oct", "k": "c2VjcmV0"})
    for body in bodies:
        problem(call(epj, "POST", "/v1/client-secret", json=body), 400, "Private key members")
        assert ("B15", "critical") in world.findings
        assert world.trail.withheld == {"request"}
    assert len(call(epj, "GET", "/v1/client-secret").json()) == 1


@case("SB-31")
def _(world: World) -> None:
    epj, key = onboarded(world), public_members(new_key())
    first = call(epj, "POST", "/v1/client-secret", json=key).json()["expiration"]
    world.move_sandbox_clock(10 * _DAY)
    second = call(epj, "POST", "/v1/client-secret", json=key).json()["expiration"]
    assert second > first
    rows = [row for row in call(epj, "GET", "/v1/client-secret").json() if row["jwkThumbprint"] == _thumbprint(key)]
    assert [row["expiration"] for row in rows] == [second]


@case("SB-32")
def _(world: World) -> None:
    other, epj = onboarded(world), onboarded(world)
    problem(call(epj, "POST", "/v1/client-secret", json=public_members(other.jwk)), 400, "another client", "publicJwk")
    problem(post_draft(world, seeded(world).jwk), 400, "another client", "publicJwk")


@case("SB-33")
def _(world: World) -> None:
    epj = onboarded(world)
    for body in ("", " ", "null", "[]", "{}", "5", '""', "{", "\ud83d"):
        problem(
            call(
                epj,
                "POST",
                "/v1/client-secret",
                content=body.encode("utf-8", "surrogatepass"),
                headers={"Content-Type": "application/json"},
            ),
            400,
        )


@case("SB-34")
def _(world: World) -> None:
    epj = onboarded(world)
    uploaded = public_members(new_key()) | {"kid": "by-hand"}
    path = f"{CONTROL}/clients/{epj.id}/keys"
    assert world.request("POST", path, json={"publicJwk": uploaded}).status_code == 201
    rows = {row["kid"]: row for row in call(epj, "GET", "/v1/client-secret").json()}
    assert rows["by-hand"] == {
        "expiration": None,
        "kid": "by-hand",
        "jwkThumbprint": _thumbprint(uploaded),
        "origin": "Gui",
        "publicJwk": None,
    }
    assert rows[epj.jwk["kid"]]["origin"] == "Api"
    assert _ZONED.fullmatch(rows[epj.jwk["kid"]]["expiration"])
    machine = call(seeded(world), "GET", "/v1/client-secret").json()
    assert [(row["origin"], row["expiration"]) for row in machine] == [("Gui", None)]


# several organisations


@case("SB-35")
def _(world: World) -> None:
    found = call(seeded(world, "sandkasse-leverandor"), "GET", "/v1/multi-tenant-delegations").json()
    assert [entry["delegator"]["organizationNumber"] for entry in found] == [O05, O06]
    assert found[0]["delegator"] == {
        "organizationNumber": O05,
        "name": "LETT BAKKE LEGESENTER AS",
        "isHelsenettMember": True,
    }
    signed = {
        (entry["delegator"]["organizationNumber"], scope): terms["delegatorHasSigned"]
        for entry in found
        for terms in entry["serviceTerms"]
        for scope in terms["scopes"]
    }
    assert [pair for pair, done in signed.items() if not done] == [(O06, PAREK)]
    assert signed[O05, PAREK]
    assert call(onboarded(world), "GET", "/v1/multi-tenant-delegations").json() == []


@case("SB-36")
def _(world: World) -> None:
    supplier = seeded(world, "sandkasse-leverandor")
    answer = call(supplier, "POST", "/v1/client-secret", json=public_members(new_key()))
    assert answer.status_code == 200
    assert answer.json()["expiration"]


@case("SB-37")
def _(world: World) -> None:
    supplier = seeded(world, "sandkasse-leverandor")

    def ask(parent: str, scope: str) -> dict[str, str]:
        details = {"assertion_details": multi_tenant(f"NO:ORGNR:{parent}")}
        form = {"grant_type": MACHINE, "scope": scope}
        answer = supplier.token(form, assertion=supplier.assertion(**details))
        assert answer.status_code == 200, answer.text
        body: dict[str, str] = answer.json()
        return body

    both = ask(O06, f"{PPS} {PAREK}")
    assert (both["scope"], both["rejected_scope"]) == (PPS, PAREK)
    assert claims_of(both["access_token"])["scope"] == [PPS]
    only = ask(O06, PAREK)
    assert (only["scope"], only["rejected_scope"]) == ("", PAREK)
    assert "aud" not in claims_of(only["access_token"])
    signed = ask(O05, PAREK)
    assert (signed["scope"], signed["rejected_scope"]) == (PAREK, "")


# older versions, and other ways to call


@case("SB-38")
def _(world: World) -> None:
    epj = rekvirering(world)
    for path in ("/v1/client-status", "/v0.1/client-status"):
        body = call(epj, "GET", path).json()
        assert ("DEPRECATED", "deprecated") in world.findings
        assert body["status"] == "Limited"
        assert body["details"]["clientStatus"] == {"active": True, "reason": None}
        assert {"granted": False, "scope": PAREK, "reason": "ApiScopeAccessPending"} in body["details"][
            "apiScopeAccessStatuses"
        ]
    assert call(epj, "POST", "/v0.2/client-secret", json=public_members(new_key())).status_code == 200
    assert ("DEPRECATED", "deprecated") in world.findings
    old = world.request("POST", f"{API}/v0.2/client-drafts", json=draft_body(new_key()), headers={"api-key": EPJ_KEY})
    assert old.status_code == 201


@case("SB-39")
def _(world: World) -> None:
    epj = onboarded(world)
    epj.dpop_jwk = another_proof_key()
    assert call(epj, "GET", "/v1/client").status_code == 200
    epj.dpop_jwk = epj.jwk
    assert call(epj, "GET", "/v1/client").status_code == 200


@case("SB-40")
def _(world: World) -> None:
    with world.using(activation_delay=20.0):
        epj = onboarded(world)
        world.clock.now += 1
        assert not known(epj)
        world.clock.now += 20
        assert known(epj)
        newer = _rotated(epj)
        assert not known(newer)
        world.clock.now += 21
        assert known(newer)


@case("SB-41")
def _(world: World) -> None:
    epj = onboarded(world)
    answer = epj.redeem(epj.log_in(f"openid {SELV}", resource="nhn:selvbetjening"))
    token = answer.json()["access_token"]
    assert "helseid://claims/identity/pid" in claims_of(token)
    assert call(epj, "GET", "/v1/client", token=token).status_code == 200


@case("SB-42")
def _(world: World) -> None:
    epj = onboarded(world)
    token = token_of(epj)
    problem(world.request("GET", f"{API}/v1/nothing"), 404)
    problem(world.request("GET", f"{API}/"), 404)
    wrong = world.request("DELETE", f"{API}/v1/client")
    problem(wrong, 405)
    assert wrong.headers["Allow"]
    problem(call(epj, "PUT", "/v1/client", token=token, content=b"x" * 2_000_000), 413)
    problem(call(epj, "PUT", "/v1/client", token=token, json=[1]), 400)
    problem(
        call(epj, "PUT", "/v1/client", token=token, json={"apiScopes": "x", "redirectUris": [5]}),
        400,
        field="apiScopes",
    )
    with world.using(max_open_drafts=1):
        drafted(world)
        problem(post_draft(world, new_key()), 429)
    world.request("POST", f"{CONTROL}/clients/{epj.id}/block", json={"blocked": True})
    problem(call(epj, "GET", "/v1/client", token=token), 403)
    assert call(epj, "GET", "/v1/client-status", token=token).json()["status"] == "Blocked"
    assert not known(epj)
    world.request("POST", f"{CONTROL}/clients/{epj.id}/block", json={"blocked": False})
    assert known(epj)
    world.run(world.core.store.write(lambda conn: clients.remove(conn, DEFAULT, epj.id)))
    problem(call(epj, "GET", "/v1/client", token=token), 404)


@pytest.mark.parametrize("run", [pytest.param(function, id=name) for name, function in _CASES])
def test_selvbetjening(run: Case, world: World) -> None:
    run(world)


# rules that have no case of their own


def test_ten_keys_live_and_the_oldest_from_the_api_gives_way(world: World) -> None:
    """B9."""
    epj = onboarded(world)
    path = f"{CONTROL}/clients/{epj.id}/keys"
    world.request("POST", path, json={"publicJwk": public_members(new_key()) | {"kid": "by-hand"}})
    token = token_of(epj)
    for number in range(9):
        world.clock.now += 1
        answer = call(
            epj, "POST", "/v1/client-secret", token=token, json=public_members(new_key()) | {"kid": f"k{number}"}
        )
        assert answer.status_code == 200
    kids = [row["kid"] for row in call(epj, "GET", "/v1/client-secret", token=token).json()]
    assert len(kids) == 10
    assert "installer" not in kids
    assert "by-hand" in kids
    assert not known(epj)


def test_bearer_is_taken_from_a_client_that_may_have_unbound_tokens(world: World) -> None:
    """B13."""
    old = changed(world, "sandkasse-gammel", scopes=(SELV,))
    token = old.post("token", {"grant_type": MACHINE, "scope": SELV}).json()["access_token"]
    assert call(old, "GET", "/v1/client", token=token, proof="", scheme="Bearer").status_code == 200
    assert ("B13", "risk") in world.findings
    changed(world, "sandkasse-gammel", scopes=(SELV,), dpop="required")
    problem(call(old, "GET", "/v1/client", token=token, proof="", scheme="Bearer"), 401)


def test_only_a_person_of_the_organisation_confirms_where_that_is_asked(world: World) -> None:
    """B2."""
    epj = drafted(world)
    with world.using(confirming_person="persona"):
        refusal = confirm(world, epj.id, person="H02")
        assert refusal.status_code == 400
        assert 'role="alert"' in refusal.text
        assert came_back(confirm(world, epj.id, person="H01"))[1] == [("status", "Success")]


def test_a_person_may_reject_and_nobody_unknown_decides(world: World) -> None:
    epj = drafted(world)
    assert confirm(world, epj.id, person="H99").status_code == 400
    assert confirm(world, epj.id, verdict="Maybe").status_code == 400
    assert came_back(confirm(world, epj.id, verdict="Rejected"))[1] == [("status", "Rejected")]
    assert not known(epj)
    assert world.request("GET", f"{PORTAL}/confirm-client/unknown").status_code == 404


def test_a_key_that_became_anothers_meanwhile_is_not_confirmed(world: World) -> None:
    jwk = new_key()
    first, second = drafted(world, jwk=jwk), drafted(world, jwk=jwk)
    decide(world, first.id)
    assert decide(world, second.id).json() == {
        "clientId": second.id,
        "status": "Failed",
        "redirect": CALLBACK + "?status=Failed",
    }
    assert not known(second)


def test_a_proof_is_good_for_one_call(world: World) -> None:
    epj = onboarded(world)
    token = token_of(epj)
    url = f"http://localhost:8000{API}/v1/client"
    proof = epj.proof(url, "GET", ath=access_token_hash(token))
    assert call(epj, "GET", "/v1/client", token=token, proof=proof).status_code == 200
    problem(call(epj, "GET", "/v1/client", token=token, proof=proof), 401)


def test_every_change_is_in_the_security_log_and_no_secret(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """B14, B15."""
    key = new_key()
    with caplog.at_level(logging.INFO, logger="sandkasse.security"):
        epj = onboarded(world)
        newer = _rotated(epj)
        call(newer, "PUT", "/v1/client", json=written(shown(newer)))
        call(newer, "POST", "/v1/client-secret", json=key)
        problem(post_draft(world, key, publicJwk=json.dumps(key)), 400)
    lines = [record.getMessage() for record in caplog.records]
    for what in ("draft", "confirmation Success", "key", "update"):
        assert any(line.startswith(f"selvbetjening {what} ") and epj.id in line for line in lines), what
    assert any(_thumbprint(newer.jwk) in line for line in lines)
    for secret in (EPJ_KEY, key["d"], epj.jwk["d"]):
        assert secret not in caplog.text


def _rotated(epj: Epj) -> Epj:
    """The same client with a new key, sent while the old one holds."""
    jwk = new_key() | {"kid": "newer"}
    answer = call(epj, "POST", "/v1/client-secret", json=public_members(jwk))
    assert answer.status_code == 200, answer.text
    return Epj(epj.world, epj.id, jwk)


def _thumbprint(jwk: Mapping[str, Any]) -> str:
    return import_key(public_members(jwk)).thumbprint
