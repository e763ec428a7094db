"""The issuer's cases of trust.md section 9, T-01 to T-50, as the rulings correct them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.routers import helseid
from app.trust.jose import b64encode
from app.trust.sts.clients import EXCHANGE, MACHINE, Client
from tests.support.asgi import World
from tests.support.epj import (
    MISSING,
    PAR,
    REDIRECT,
    Epj,
    claims_of,
    jkt,
    registered,
    seeded,
    sent_back,
    some_key,
)

Case = Callable[[World], None]
_CASES: list[tuple[str, Case]] = []

O01, O03, O05, O06, O07, O10 = "315500109", "315500303", "315500508", "315500605", "315500702", "315501008"
PARENT = "helseid://claims/client/claims/orgnr_parent"
CHILD = "helseid://claims/client/claims/orgnr_child"
SUPPLIER = "helseid://claims/client/claims/orgnr_supplier"
PPS = "nhn:pps/provesvar-read"


def case(name: str) -> Callable[[Case], Case]:
    def add(function: Case) -> Case:
        _CASES.append((name, function))
        return function

    return add


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, {"helseid": helseid.create})
    yield made
    made.close()


def refused(answer: httpx.Response, error: str, text: str = "", status: int = 400) -> None:
    """An OAuth error, with a nonce only when that is what is asked for (ruling C5)."""
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert text in answer.json()["error_description"]
    assert ("DPoP-Nonce" in answer.headers) == (error == "use_dpop_nonce")


def granted(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def machine_with(epj: Epj, world: World, **claims: Any) -> httpx.Response:
    return epj.token({"grant_type": "client_credentials", "scope": PPS}, assertion=epj.assertion(**claims))


def with_proof(world: World, **changes: Any) -> httpx.Response:
    epj = seeded(world)
    proof = epj.proof(nonce=epj.nonce(), **changes)
    return epj.post("token", {"grant_type": "client_credentials", "scope": PPS}, proof=proof)


def single_tenant(value: Any, system: str = "urn:oid:2.16.578.1.12.4.1.4.101") -> dict[str, Any]:
    return {
        "type": "helseid_authorization",
        "practitioner_role": {
            "organization": {"identifier": {"system": system, "type": "ENH", "value": value}},
        },
    }


def multi_tenant(value: str) -> dict[str, Any]:
    return single_tenant(value, "urn:oid:1.0.6523")


# ---- client, proof and nonce ----


@case("T-01")
def _(world: World) -> None:
    epj = seeded(world)
    body = granted(epj.machine())
    claims = claims_of(body["access_token"])
    assert body["token_type"] == "DPoP"
    assert claims["cnf"] == {"jkt": jkt(epj.dpop_jwk)}
    assert claims["aud"] == "nhn:pps"
    assert claims["scope"] == [PPS]
    assert claims[PARENT] == O01
    assert "id_token" not in body
    assert "sub" not in claims


@case("T-02")
def _(world: World) -> None:
    epj = seeded(world)
    answer = epj.post("token", {"grant_type": "client_credentials", "scope": PPS}, proof=epj.proof())
    refused(answer, "use_dpop_nonce")


@case("T-03-expired")
def _(world: World) -> None:
    epj = seeded(world)
    old = epj.nonce()
    world.clock.now += 301
    answer = epj.post("token", {"grant_type": "client_credentials"}, proof=epj.proof(nonce=old))
    refused(answer, "use_dpop_nonce")
    assert answer.headers["DPoP-Nonce"] != old


@case("T-03-foreign")
def _(world: World) -> None:
    epj = seeded(world)
    foreign = b64encode(bytes(24))
    refused(epj.post("token", {"grant_type": "client_credentials"}, proof=epj.proof(nonce=foreign)), "use_dpop_nonce")


@case("T-04")
def _(world: World) -> None:
    refused(seeded(world).post("token", {"grant_type": "client_credentials", "scope": PPS}), "invalid_request")


@case("T-05")
def _(world: World) -> None:
    epj = seeded(world)
    nonce = epj.nonce()
    proofs = [epj.proof(nonce=nonce), epj.proof(nonce=nonce)]
    refused(epj.post("token", {"grant_type": "client_credentials"}, proof=proofs), "invalid_dpop_proof")


@case("T-06")
def _(world: World) -> None:
    epj = seeded(world)
    proof = epj.proof(nonce=epj.nonce())
    form = {"grant_type": "client_credentials", "scope": PPS}
    granted(epj.post("token", form, proof=proof))
    refused(epj.post("token", form, proof=proof), "invalid_dpop_proof", "replay")


@case("T-07")
def _(world: World) -> None:
    refused(with_proof(world, url=PAR), "invalid_dpop_proof", "'htu'")


@case("T-08")
def _(world: World) -> None:
    refused(with_proof(world, iat=int(world.clock.now) - 120), "invalid_dpop_proof", "'iat'")


@case("T-09")
def _(world: World) -> None:
    refused(with_proof(world, header={"jwk": dict(some_key())}), "invalid_dpop_proof", "private key")


@case("T-10")
def _(world: World) -> None:
    epj = seeded(world)
    _, body, signature = epj.proof(nonce=epj.nonce()).split(".")
    symmetric = ".".join([b64encode(b'{"alg":"HS256","typ":"dpop+jwt"}'), body, signature])
    refused(epj.post("token", {"grant_type": "client_credentials"}, proof=symmetric), "invalid_dpop_proof", "'alg'")


@case("T-11-get")
def _(world: World) -> None:
    refused(world.request("GET", "/helseid/connect/token"), "invalid_request")


@case("T-11-json")
def _(world: World) -> None:
    refused(world.request("POST", "/helseid/connect/token", json={"grant_type": MACHINE}), "invalid_request")


@case("T-12")
def _(world: World) -> None:
    form = {"client_id": "sandkasse-epj", "client_secret": "secret", "grant_type": MACHINE}
    refused(world.request("POST", "/helseid/connect/token", data=form), "invalid_client")


@case("T-13")
def _(world: World) -> None:
    epj = seeded(world)
    answer = epj.post("token", {"grant_type": MACHINE}, assertion=epj.assertion(jwk=some_key("ES256", 5)))
    refused(answer, "invalid_client")


@case("T-14")
def _(world: World) -> None:
    epj = seeded(world)
    exp = int(world.clock.now) + 120
    granted(machine_with(epj, world, exp=exp))
    assert ("T-14", "risk") in world.findings
    refused(machine_with(epj, world, exp=int(world.clock.now) + 306), "invalid_client", "300")
    nonce = epj.nonce()
    with world.using(profile="strict"):
        answer = epj.post(
            "token", {"grant_type": MACHINE}, assertion=epj.assertion(exp=exp), proof=epj.proof(nonce=nonce)
        )
        refused(answer, "invalid_client", "T-14")


@case("T-15")
def _(world: World) -> None:
    epj = seeded(world)
    refused(
        epj.post("token", {"grant_type": MACHINE}, assertion=epj.assertion(exp=int(world.clock.now) - 6)),
        "invalid_client",
        "expired",
    )


@case("T-16")
def _(world: World) -> None:
    epj = seeded(world)
    aud = epj.issuer + "/connect/token"
    granted(machine_with(epj, world, aud=aud))
    assert ("T-16", "risk") in world.findings
    with world.using(profile="strict"):
        refused(epj.post("token", {"grant_type": MACHINE}, assertion=epj.assertion(aud=aud)), "invalid_client", "T-16")


@case("T-17-iss")
def _(world: World) -> None:
    epj = seeded(world)
    answer = epj.post("token", {"grant_type": MACHINE}, assertion=epj.assertion(iss="sandkasse-maskin"))
    refused(answer, "invalid_client")


@case("T-17-client_id")
def _(world: World) -> None:
    epj = seeded(world)
    refused(epj.post("token", {"grant_type": MACHINE, "client_id": "sandkasse-maskin"}), "invalid_client", "client_id")


@case("T-18")
def _(world: World) -> None:
    epj = seeded(world)
    used = epj.assertion()
    granted(epj.token({"grant_type": MACHINE, "scope": PPS}, assertion=used))
    refused(epj.token({"grant_type": MACHINE, "scope": PPS}, assertion=used), "invalid_client", "before")
    with world.using(profile="strict"):
        challenged = epj.assertion()
        first = epj.post("token", {"grant_type": MACHINE}, assertion=challenged, proof=epj.proof())
        refused(first, "use_dpop_nonce")
        proof = epj.proof(nonce=first.headers["DPoP-Nonce"])
        refused(
            epj.post("token", {"grant_type": MACHINE}, assertion=challenged, proof=proof), "invalid_client", "before"
        )


@case("T-19")
def _(world: World) -> None:
    epj = seeded(world)
    granted(epj.token({"grant_type": MACHINE, "scope": PPS}, assertion=epj.assertion(header={"typ": "JWT"})))
    assert ("T-19", "risk") in world.findings
    with world.using(profile="strict"):
        answer = epj.post("token", {"grant_type": MACHINE}, assertion=epj.assertion(header={"typ": "JWT"}))
        refused(answer, "invalid_client", "T-19")
    other = epj.post("token", {"grant_type": MACHINE}, assertion=epj.assertion(header={"typ": "at+jwt"}))
    refused(other, "invalid_client", "typ")


@case("T-20")
def _(world: World) -> None:
    epj = seeded(world)
    _, body, _ = epj.assertion().split(".")
    unsigned = b64encode(b'{"alg":"none","typ":"client-authentication+jwt"}') + f".{body}."
    refused(epj.post("token", {"grant_type": MACHINE}, assertion=unsigned), "invalid_client")


@case("T-21")
def _(world: World) -> None:
    refused(Epj(world, "nobody", some_key()).post("token", {"grant_type": MACHINE}), "invalid_client", "unknown client")


# ---- scopes and grants ----


@case("T-22")
def _(world: World) -> None:
    refused(seeded(world).machine("nhn:parek/rekvisisjon"), "invalid_scope")


@case("T-23")
def _(world: World) -> None:
    refused(seeded(world).machine("openid " + PPS), "invalid_scope")
    refused(seeded(world).machine("helseid://scopes/identity/pid " + PPS), "invalid_scope")


@case("T-24")
def _(world: World) -> None:
    refused(seeded(world).token({"grant_type": "password"}), "unsupported_grant_type")
    refused(seeded(world).token({"grant_type": MISSING}), "unsupported_grant_type")


@case("T-25")
def _(world: World) -> None:
    refused(seeded(world, "sandkasse-maskin").token({"grant_type": "refresh_token"}), "unauthorized_client")


# ---- PAR and authorize ----


@case("T-26")
def _(world: World) -> None:
    answer = seeded(world).push()
    assert answer.status_code == 201
    assert answer.json()["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
    assert answer.json()["expires_in"] == 60


@case("T-27")
def _(world: World) -> None:
    refused(seeded(world).push(code_challenge=MISSING), "invalid_request", "code_challenge")


@case("T-28")
def _(world: World) -> None:
    refused(seeded(world).push(code_challenge_method="plain"), "invalid_request", "S256")


@case("T-29")
def _(world: World) -> None:
    epj = seeded(world)
    refused(epj.push(redirect_uri="https://example.com/callback"), "invalid_request", "redirect_uri")
    refused(epj.push(redirect_uri="https://localhost.example.com/"), "invalid_request", "redirect_uri")
    refused(epj.push(redirect_uri=MISSING), "unauthorized_client", "redirect_uri")
    assert epj.push(redirect_uri="http://127.0.0.1:50123/any/path").status_code == 201


@case("T-30")
def _(world: World) -> None:
    refused(seeded(world).push(response_type="token"), "unsupported_response_type")


def error_page(answer: httpx.Response) -> None:
    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Location" not in answer.headers


@case("T-31")
def _(world: World) -> None:
    with world.using(profile="strict"):
        error_page(world.request("GET", "/helseid/connect/authorize", params={"client_id": "sandkasse-epj"}))
        query = {"client_id": "sandkasse-gammel", "response_type": "code", "redirect_uri": REDIRECT, "scope": "openid"}
        error_page(world.request("GET", "/helseid/connect/authorize", params=query))


@case("T-32")
def _(world: World) -> None:
    epj = seeded(world)
    uri = epj.push().json()["request_uri"]
    assert epj.authorize(uri).status_code == 302
    error_page(epj.authorize(uri))
    late = epj.push().json()["request_uri"]
    world.clock.now += 61
    error_page(epj.authorize(late))


@case("T-33")
def _(world: World) -> None:
    uri = seeded(world).push().json()["request_uri"]
    other = seeded(world, "sandkasse-leverandor")
    error_page(other.authorize(uri))


# ---- code and refresh ----


@case("T-34")
def _(world: World) -> None:
    epj = seeded(world)
    back = sent_back(epj.authorize(epj.push().json()["request_uri"]))
    assert (back["iss"], back["state"]) == (epj.issuer, "a state")
    body = granted(epj.redeem(back["code"]))
    assert claims_of(body["id_token"])["nonce"] == "a nonce"
    assert claims_of(body["access_token"])["helseid://claims/hpr/hpr_number"] == "222250101"


@case("T-35")
def _(world: World) -> None:
    epj = seeded(world)
    code = epj.log_in()
    refused(epj.redeem(code, code_verifier="x" * 43), "invalid_grant", "code_verifier")
    refused(epj.redeem(code, code_verifier=MISSING), "invalid_grant", "code_verifier")


@case("T-36")
def _(world: World) -> None:
    epj = seeded(world)
    code = epj.log_in()
    refresh = granted(epj.redeem(code))["refresh_token"]
    granted(epj.refresh(refresh))
    refused(epj.redeem(code), "invalid_grant", "before")
    refused(epj.refresh(refresh), "invalid_grant")


@case("T-37")
def _(world: World) -> None:
    epj = seeded(world)
    refused(epj.redeem(epj.log_in(), redirect_uri=REDIRECT + "/other"), "invalid_grant", "redirect_uri")


@case("T-38-refresh")
def _(world: World) -> None:
    epj, other = seeded(world), some_key("ES256", 6)
    body = granted(epj.redeem(epj.log_in()))
    renewed = granted(epj.refresh(body["refresh_token"], jwk=other))
    assert claims_of(renewed["access_token"])["cnf"] == {"jkt": jkt(other)}


@case("T-38-dpop_jkt")
def _(world: World) -> None:
    epj, other = seeded(world), some_key("ES256", 6)
    code = epj.log_in(dpop_jkt=jkt(other))
    refused(epj.redeem(code), "invalid_dpop_proof")
    granted(epj.redeem(code, jwk=other))


@case("T-38-proof")
def _(world: World) -> None:
    epj, other = seeded(world), some_key("ES256", 6)
    pushed = epj.post("par", epj.par_form(), proof=epj.proof(PAR, jwk=other))
    code = sent_back(epj.authorize(pushed.json()["request_uri"]))["code"]
    refused(epj.redeem(code), "invalid_dpop_proof")
    granted(epj.redeem(code, jwk=other))
    both = epj.post("par", epj.par_form(dpop_jkt=jkt(epj.dpop_jwk)), proof=epj.proof(PAR, jwk=other))
    refused(both, "invalid_dpop_proof")


SEVERAL = "openid offline_access nhn:pps/provesvar-read nhn:phr/mhd/read-document"


@case("T-39")
def _(world: World) -> None:
    epj = seeded(world)
    code = epj.log_in(SEVERAL, resource=["nhn:pps", "nhn:phr"])
    first = granted(epj.redeem(code, resource="nhn:pps"))
    assert claims_of(first["access_token"])["aud"] == "nhn:pps"
    second = claims_of(granted(epj.refresh(first["refresh_token"], resource="nhn:phr"))["access_token"])
    assert second["aud"] == "nhn:phr"
    assert second["scope"] == ["openid", "offline_access", "nhn:phr/mhd/read-document"]


@case("T-40")
def _(world: World) -> None:
    epj = seeded(world)
    refused(epj.push(resource="nhn:unknown"), "invalid_target")
    refused(epj.machine(resource="nhn:phr"), "invalid_target")
    body = granted(epj.redeem(epj.log_in(SEVERAL, resource=["nhn:pps"])))
    refused(epj.refresh(body["refresh_token"], resource="nhn:phr"), "invalid_target")


@case("T-41")
def _(world: World) -> None:
    epj = seeded(world)
    refresh = granted(epj.redeem(epj.log_in()))["refresh_token"]
    world.clock.now += 28_801
    refused(epj.refresh(refresh), "invalid_grant")


@case("T-42")
def _(world: World) -> None:
    epj = seeded(world)
    assert epj.push(request=epj.request_object()).status_code == 201
    refused(epj.push(request=epj.request_object(jwk=some_key("ES256", 5))), "invalid_request")
    refused(epj.push(request=epj.request_object(exp=int(world.clock.now) - 60)), "invalid_request", "expired")
    refused(epj.push(request=epj.request_object(iss="sandkasse-maskin")), "invalid_request")
    refused(epj.push(request="no JWT"), "invalid_request")


# ---- token exchange ----


def exchanger(world: World) -> Epj:
    scope = "nhn:test-public-sample-api-1/some-scope"
    audiences = frozenset({"nhn:pps"})
    client = Client("an-api", "An API", frozenset({EXCHANGE}), (scope,), orgnr_parent=O06, audiences=audiences)
    return registered(world, client)


def exchange(api: Epj, token: str) -> httpx.Response:
    return api.token(
        {
            "grant_type": EXCHANGE,
            "subject_token": token,
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "scope": "nhn:test-public-sample-api-1/some-scope",
        }
    )


@case("T-43")
def _(world: World) -> None:
    epj, api = seeded(world), exchanger(world)
    before = granted(epj.redeem(epj.log_in()))["access_token"]
    body = granted(exchange(api, before))
    claims, user = claims_of(body["access_token"]), claims_of(before)
    assert claims["act"] == {"iss": epj.issuer, "client_id": "an-api", PARENT: O06}
    assert claims["aud"] == "nhn:test-public-sample-api-1"
    kept = ("sub", "helseid://claims/identity/pid", "helseid://claims/identity/security_level", PARENT, "auth_time")
    assert [claims[name] for name in kept] == [user[name] for name in kept]
    assert "refresh_token" not in body
    assert "id_token" not in body


@case("T-44-expired")
def _(world: World) -> None:
    epj, api = seeded(world), exchanger(world)
    token = granted(epj.redeem(epj.log_in()))["access_token"]
    world.clock.now += 601
    refused(exchange(api, token), "invalid_request", "subject token")


@case("T-44-audience")
def _(world: World) -> None:
    epj, api = seeded(world), exchanger(world)
    token = granted(epj.machine("nhn:phr/mhd/read-document"))["access_token"]
    refused(exchange(api, token), "invalid_request", "subject token")
    refused(exchange(api, "nonsense"), "invalid_request", "subject token")


# ---- organisations ----


@case("T-45")
def _(world: World) -> None:
    epj = seeded(world, "sandkasse-leverandor")
    token = granted(machine_with(epj, world, assertion_details=multi_tenant(f"NO:ORGNR:{O06}:{O07}")))["access_token"]
    claims = claims_of(token)
    assert (claims[PARENT], claims[CHILD], claims[SUPPLIER]) == (O06, O07, O10)


@case("T-46")
def _(world: World) -> None:
    epj = seeded(world, "sandkasse-leverandor")
    refused(machine_with(epj, world, assertion_details=multi_tenant(f"NO:ORGNR:{O01}:")), "access_denied", "HID-1001")


@case("T-47")
def _(world: World) -> None:
    epj = seeded(world)
    token = granted(machine_with(epj, world, assertion_details=single_tenant(O03)))["access_token"]
    assert claims_of(token)[CHILD] == O03
    refused(machine_with(epj, world, assertion_details=single_tenant(O07)), "access_denied", "HID-1002")


@case("T-48")
def _(world: World) -> None:
    refused(
        machine_with(seeded(world), world, assertion_details=single_tenant("12345678")), "access_denied", "HID-1004"
    )


@case("T-49")
def _(world: World) -> None:
    epj = seeded(world)
    for broken in ({"type": "helseid_authorization"}, {"practitioner_role": 1}, [1], "text", 7, single_tenant(7)):
        refused(machine_with(epj, world, assertion_details=broken), "access_denied", "HID-1007")


@case("T-50")
def _(world: World) -> None:
    epj = seeded(world, "sandkasse-leverandor")
    refused(epj.machine(), "invalid_request", "multi-tenant")
    nonce = epj.nonce()
    with world.using(profile="strict"):
        refused(
            epj.post("token", {"grant_type": MACHINE, "scope": PPS}, proof=epj.proof(nonce=nonce)), "invalid_request"
        )


@pytest.mark.parametrize("run", [pytest.param(function, id=name) for name, function in _CASES])
def test_helseid(run: Case, world: World) -> None:
    run(world)
