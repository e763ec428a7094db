"""What published clients send the issuer, and must get: RC cases of real-clients.md section 6 that end at the issuer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from app.routers import helseid
from app.routers.resolver import Resolver
from app.routers.wire import KeepingCase
from app.trust.dpop import read_proof
from app.trust.sts.clients import MACHINE, Client
from tests.conformance.test_helseid import (
    CHILD,
    O03,
    O06,
    PARENT,
    PPS,
    granted,
    machine_with,
    multi_tenant,
    refused,
    single_tenant,
)
from tests.support.asgi import World
from tests.support.epj import (
    ISSUER,
    MISSING,
    TOKEN,
    Epj,
    changed,
    claims_of,
    registered,
    seeded,
    sent_back,
    some_key,
)

Case = Callable[[World], None]
_CASES: list[tuple[str, Case]] = []
ATTEST = "nhn:tillitsrammeverk:parameters"
O01 = "315500109"
PROBE = "openid offline_access sandkasse:probe/read"


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


def attest(**practitioner: Any) -> dict[str, Any]:
    org = {"id": O01, "system": "urn:oid:2.16.578.1.12.4.1.4.101"}
    service = {"code": "S03", "system": "urn:oid:2.16.578.1.12.4.1.1.8655"}
    purpose = {"code": "TREAT", "system": "urn:oid:2.16.840.1.113883.1.11.20448"}
    return {
        "type": ATTEST,
        "practitioner": {"legal_entity": org, "point_of_care": org, **practitioner},
        "care_relationship": {
            "healthcare_service": service,
            "purpose_of_use": purpose,
            "decision_ref": {"id": "b7e1", "user_selected": False},
        },
        "patients": [],
    }


def challenged(epj: Epj, assertion: str) -> str:
    answer = epj.post("token", {"grant_type": MACHINE, "scope": PPS}, assertion=assertion, proof=epj.proof())
    refused(answer, "use_dpop_nonce")
    return answer.headers["DPoP-Nonce"]


def again(epj: Epj, assertion: str, nonce: str) -> httpx.Response:
    form = {"grant_type": MACHINE, "scope": PPS}
    return epj.post("token", form, assertion=assertion, proof=epj.proof(nonce=nonce))


@case("RC-1")
def _(world: World) -> None:
    epj = seeded(world)
    assertion = epj.assertion()
    nonce = challenged(epj, assertion)
    assert challenged(epj, assertion)
    granted(again(epj, assertion, nonce))
    assert ("C2", "note") in world.findings


@case("RC-2")
def _(world: World) -> None:
    epj = seeded(world)
    assertion = epj.assertion()
    nonce = challenged(epj, assertion)
    granted(again(epj, assertion, nonce))
    refused(again(epj, assertion, nonce), "invalid_client", "before")


@case("RC-3")
def _(world: World) -> None:
    epj = seeded(world)
    nonce = challenged(epj, epj.assertion(jti="one"))
    refused(again(epj, epj.assertion(jti="one", extra=1), nonce), "invalid_client", "before")


@case("RC-4")
def _(world: World) -> None:
    refused(seeded(world).machine("nhn:parek/rekvisisjon"), "invalid_scope")


@case("RC-5")
def _(world: World) -> None:
    with served(world) as port:
        epj = seeded(world)
        epj.issuer = f"http://127.0.0.1:{port}/helseid"
        form = epj.authenticated({"grant_type": MACHINE})
        body = str(httpx.QueryParams(tuple(form))).encode()
        proof = epj.proof(epj.issuer + "/connect/token")
        head = (
            f"POST /helseid/connect/token HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\nDPoP: {proof}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(head.encode() + body)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"\r\nDPoP-Nonce: " in answer


@contextmanager
def served(world: World) -> Iterator[int]:
    """The issuer behind the resolving middleware on a real socket."""
    resolver = Resolver(world.core, {"helseid": helseid.create(world.core), "web": FastAPI()}, FastAPI())
    config = uvicorn.Config(KeepingCase(resolver), http="httptools", log_level="error", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@case("RC-6")
def _(world: World) -> None:
    epj = seeded(world)
    code = epj.log_in()
    form = {"grant_type": "authorization_code", "code": code}
    refused(epj.post("token", form, proof=epj.proof()), "use_dpop_nonce")
    granted(epj.redeem(code))


@case("RC-7")
def _(world: World) -> None:
    epj = seeded(world)
    granted(epj.machine(client_id=MISSING))
    assert epj.push(client_id=MISSING).status_code == 201


@case("RC-8")
def _(world: World) -> None:
    epj = seeded(world, "sandkasse-maskin")
    body = granted(epj.token({"grant_type": MACHINE}))
    assert PPS in body["scope"].split()
    assert not {"openid", "helseid://scopes/client/info"} & set(body["scope"].split())
    assert len(claims_of(body["access_token"])["aud"]) > 1
    assert ("C13", "note") in world.findings


@case("RC-9")
def _(world: World) -> None:
    granted(machine_with(seeded(world), world, iat=str(int(world.clock.now))))
    assert world.findings == [("C9", "note")]


@case("RC-10")
def _(world: World) -> None:
    epj = seeded(world)

    def assertion() -> str:
        return epj.assertion(header={"typ": MISSING}, aud=TOKEN, iat=MISSING, nbf=MISSING)

    granted(epj.token({"grant_type": MACHINE, "scope": PPS}, assertion=assertion()))
    assert [level for _, level in world.findings].count("risk") == 2
    with world.using(profile="strict"):
        refused(epj.post("token", {"grant_type": MACHINE}, assertion=assertion()), "invalid_client")


@case("RC-11")
def _(world: World) -> None:
    granted(machine_with(seeded(world), world, aud=ISSUER + "/"))
    assert world.findings == [("C7", "note")]


@case("RC-12")
def _(world: World) -> None:
    answer = machine_with(seeded(world), world, authorization_details=single_tenant(O03))
    assert claims_of(granted(answer)["access_token"])[CHILD] == O03
    assert world.findings == [("C14", "note")]


@case("RC-13")
def _(world: World) -> None:
    epj = seeded(world)
    refresh = granted(epj.redeem(epj.log_in(PROBE)))["refresh_token"]
    carried = granted(epj.refresh(refresh, assertion=epj.assertion(authorization_details=[attest()])))
    assert claims_of(carried["access_token"])[ATTEST]["practitioner"]["identifier"]["name"] == "ÅRVÅKEN LEGEROT"
    assert ATTEST not in claims_of(granted(epj.refresh(refresh))["access_token"])


@case("RC-14")
def _(world: World) -> None:
    both = {"authorization_details": single_tenant(O03), "assertion_details": single_tenant(O03)}
    refused(machine_with(seeded(world), world, **both), "access_denied", "HID-DOUBLE-STRUCTURE")


@case("RC-15")
def _(world: World) -> None:
    epj = seeded(world, "sandkasse-leverandor")
    for value in (f"NO:ORGNR:{O06}", f"NO:ORGNR:{O06}:"):
        claims = claims_of(granted(machine_with(epj, world, assertion_details=multi_tenant(value)))["access_token"])
        assert claims[PARENT] == O06
        assert CHILD not in claims


@case("RC-16")
def _(world: World) -> None:
    epj = seeded(world, "sandkasse-leverandor")
    body = granted(epj.redeem(epj.log_in()))
    assert PARENT not in claims_of(body["access_token"])
    named = epj.assertion(assertion_details=multi_tenant(f"NO:ORGNR:{O06}:"))
    renewed = granted(epj.refresh(body["refresh_token"], assertion=named))
    assert claims_of(renewed["access_token"])[PARENT] == O06


@case("RC-17")
def _(world: World) -> None:
    epj = seeded(world)
    first = granted(epj.redeem(epj.log_in()))
    world.clock.now += 100
    second = granted(epj.refresh(first["refresh_token"]))
    assert second["refresh_token"] == first["refresh_token"]
    assert (second["rt_expires_in"], second["expires_in"]) == (28_700, 600)
    assert claims_of(second["id_token"])["sub"] == claims_of(first["id_token"])["sub"]
    assert isinstance(second["scope"], str)


@case("RC-18")
def _(world: World) -> None:
    answer = world.request("GET", "/helseid/.well-known/openid-configuration")
    document = answer.json()
    assert answer.headers["Content-Type"] == "application/json"
    assert document["issuer"] == ISSUER
    assert document["subject_types_supported"] == ["public"]
    assert "form_post" in document["response_modes_supported"]
    assert document["id_token_signing_alg_values_supported"] == ["RS256"]
    assert not {"none", "HS256"} & set(document["token_endpoint_auth_signing_alg_values_supported"])
    assert len(document["token_endpoint_auth_signing_alg_values_supported"]) == 9
    urls = {name: value for name, value in document.items() if isinstance(value, str) and name != "issuer"}
    assert len(urls) == 13
    assert all(url.startswith(ISSUER + "/") for url in urls.values())
    keys = world.request("GET", document["jwks_uri"]).json()["keys"]
    assert len(keys) == 2
    assert all({"kty", "use", "alg", "kid", "x5t", "x5c", "n", "e"} == set(key) for key in keys)


@case("RC-19")
def _(world: World) -> None:
    epj = seeded(world)
    scope = "openid profile helseid://scopes/identity/pid helseid://scopes/hpr/hpr_number nhn:pps/provesvar-read"
    body = granted(epj.redeem(epj.log_in(scope)))
    url = ISSUER + "/connect/userinfo"
    bearer = {"Authorization": f"bearer {body['access_token']}"}
    user = granted(world.request("GET", url, headers=bearer))
    assert world.findings == [("C26", "note")]
    assert user["sub"] == claims_of(body["id_token"])["sub"]
    assert user["name"] == "ÅRVÅKEN LEGEROT"
    assert user["helseid://claims/hpr/hpr_details"]["approvals"]
    proof = epj.proof(url, "POST")
    assert granted(world.request("POST", url, headers=bearer | {"DPoP": proof})) == user
    dpop = {"Authorization": f"DPoP {body['access_token']}", "DPoP": epj.proof(url, "GET")}
    assert granted(world.request("GET", url, headers=dpop)) == user


@case("RC-20")
def _(world: World) -> None:
    epj = seeded(world)
    answer = epj.authorize(epj.push(response_mode="form_post").json()["request_uri"])
    assert answer.headers["Content-Type"].startswith("text/html")
    assert '<form method="post" action="http://localhost:5000/callback"' in answer.text
    back = sent_back(answer)
    assert set(back) == {"code", "state", "iss", "session_state"}
    assert back["state"] == "a state"
    granted(epj.redeem(back["code"]))
    denied = sent_back(epj.authorize(epj.push(response_mode="form_post", login_hint="H99").json()["request_uri"]))
    assert (denied["error"], denied["state"]) == ("login_required", "a state")


@case("RC-21")
def _(world: World) -> None:
    epj = seeded(world)
    code = epj.log_in(login_hint=MISSING, test_pid="02828049251", acr_values="Level4 idp:testidp-oidc")
    claims = claims_of(granted(epj.redeem(code))["access_token"])
    assert claims["helseid://claims/identity/pid"] == "02828049251"
    assert claims["helseid://claims/identity/security_level"] == "4"
    page = epj.authorize(epj.push(login_hint=MISSING, test_pid="02828049251").json()["request_uri"])
    assert page.status_code == 200


@case("RC-22")
def _(world: World) -> None:
    form = {"client_id": "sandkasse-epj", "response_type": "code", "scope": "openid"}
    answer = world.request("POST", "/helseid/connect/par", data=form)
    refused(answer, "invalid_client")
    assert answer.headers["Content-Type"] == "application/json"
    assert world.trail.client_id is None


@case("RC-23")
def _(world: World) -> None:
    epj = seeded(world)
    proof = epj.proof("HTTP://LocalHost:8000/helseid/connect/%74oken", nonce=epj.nonce())
    granted(epj.post("token", {"grant_type": MACHINE, "scope": PPS}, proof=proof))
    assert world.findings == [("C29", "note")]
    notes: list[str] = []
    read_proof(
        (epj.proof("http://localhost:8000/a|b"),),
        method="POST",
        url="http://localhost:8000/a%7Cb",
        note=lambda code, _: notes.append(code),
    )
    assert notes == ["C29"]


@case("RC-26")
def _(world: World) -> None:
    epj = seeded(world)
    refresh = granted(epj.redeem(epj.log_in(PROBE)))["refresh_token"]
    misspelt = attest(auhtorization={"code": "LE", "system": "urn:oid:2.16.578.1.12.4.1.1.9060"})
    body = granted(epj.refresh(refresh, assertion=epj.assertion(assertion_details=misspelt)))
    assert "authorization" not in claims_of(body["access_token"])[ATTEST]["practitioner"]
    assert ("C18", "note") in world.findings


def with_key(world: World, kind: str, alg: str, registered_alg: str | None = None) -> Epj:
    jwk: dict[str, Any] = {**some_key(kind, 9), **({"alg": registered_alg} if registered_alg else {})}
    public: Mapping[str, Any] = {
        name: jwk[name] for name in ("kty", "crv", "x", "y", "n", "e", "alg", "kid") if name in jwk
    }
    client = Client("other", grants=frozenset({MACHINE}), scopes=(PPS,), orgnr_parent=O01, jwks=(public,))
    epj = registered(world, client, kind)
    epj.alg = alg
    return epj


@case("RC-29")
def _(world: World) -> None:
    granted(with_key(world, "RS256", "RS512", "PS256").machine())
    assert world.findings == [("C11", "note")]


@case("RC-30")
def _(world: World) -> None:
    epj = seeded(world)
    foreign = world.request("GET", "/helseid/.well-known/openid-configuration/jwks").json()["keys"][0]["kid"]
    granted(epj.token({"grant_type": MACHINE, "scope": PPS}, assertion=epj.assertion(header={"kid": foreign})))
    assert world.findings == [("C10", "note")]


@case("RC-31")
def _(world: World) -> None:
    for kind, alg in (("ES512", "ES512"), ("ES384", "ES384"), ("RS256", "PS512")):
        granted(with_key(world, kind, alg).machine())
        assert world.findings == []


@case("RC-32")
def _(world: World) -> None:
    epj = seeded(world)
    stale = epj.nonce()
    world.clock.now += 3600
    answer = epj.post("token", {"grant_type": MACHINE, "scope": PPS}, proof=epj.proof(nonce=stale))
    refused(answer, "use_dpop_nonce")
    assert answer.headers["DPoP-Nonce"] != stale


@case("RC-35")
def _(world: World) -> None:
    ahead = int(world.clock.now) + 2
    granted(machine_with(seeded(world), world, iat=ahead, nbf=ahead, exp=ahead + 60))
    assert world.findings == []


@pytest.mark.parametrize("run", [pytest.param(function, id=name) for name, function in _CASES])
def test_real_clients(run: Case, world: World) -> None:
    run(world)


def test_an_unbound_token_is_bearer(world: World) -> None:
    """Ruling C25: clients that send no proof."""
    old = seeded(world, "sandkasse-gammel")
    body = granted(old.post("token", {"grant_type": MACHINE, "scope": PPS}))
    assert body["token_type"] == "Bearer"
    assert "cnf" not in claims_of(body["access_token"])
    assert world.findings == [("C25", "note")]


def test_a_client_may_have_its_own_profile(world: World) -> None:
    """Ruling C1."""
    strict = changed(world, "sandkasse-maskin", profile="strict")
    assert world.settings.profile == "lenient"
    refused(
        strict.post(
            "token", {"grant_type": MACHINE, "client_id": "sandkasse-maskin"}, assertion=strict.assertion(aud=TOKEN)
        ),
        "invalid_client",
    )
