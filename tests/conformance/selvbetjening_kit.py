"""An installer and a client for the Selvbetjening cases: drafts, confirmations, and calls with a token of one's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from app.routers import control, helseid, helseid_ttt, selvbetjening, selvbetjening_portal
from app.trust.jose import access_token_hash, generate_key, public_members
from tests.support.asgi import BASE, World
from tests.support.epj import Epj, some_key

API = "/selvbetjening-api"
PORTAL = "/selvbetjening"
CONTROL = "/_sandbox/v1"
SELV = "nhn:selvbetjening/client"
PPS = "nhn:pps/provesvar-read"
PAREK = "nhn:parek/rekvisisjon"
O01, O03, O05, O06 = "315500109", "315500303", "315500508", "315500605"
CALLBACK = "http://localhost:1337/callback"
EPJ_KEY, REK_KEY, SKY_KEY, PORTAL_KEY = (
    "sbx-epj-dev-key",
    "sbx-rekvirering-dev-key",
    "sbx-sky-dev-key",
    "sbx-portal-dev-key",
)
OWN_CLAIM = "nhn:selvbetjening/client/claims/sandkasse-id"
APPS = {
    "helseid": helseid.create,
    "helseid-ttt": helseid_ttt.create,
    "selvbetjening-api": selvbetjening.create,
    "selvbetjening": selvbetjening_portal.create,
    "control": control.create,
}


def draft_body(jwk: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    body = {
        "organizationNumber": O01,
        "publicJwk": json.dumps(public_members(jwk)),
        "apiScopes": [SELV, PPS],
        "redirectUris": [CALLBACK],
        "childOrganizationNumbers": [O03],
        "postClientConfirmationRedirectUri": CALLBACK,
    } | members
    return {name: value for name, value in body.items() if value is not ...}


def new_key(kind: str = "ES256") -> dict[str, Any]:
    return {**generate_key(kind), "alg": kind, "kid": "installer"}


def post_draft(
    world: World, jwk: Mapping[str, Any], *, key: str | None = EPJ_KEY, headers: Mapping[str, str] = {}, **members: Any
) -> httpx.Response:
    sent = {**({} if key is None else {"api-key": key}), **headers}
    return world.request("POST", f"{API}/v1/client-drafts", json=draft_body(jwk, **members), headers=sent)


def drafted(world: World, **members: Any) -> Epj:
    """A client whose draft nobody has confirmed yet."""
    jwk = members.pop("jwk", None) or new_key()
    answer = post_draft(world, jwk, **members)
    assert answer.status_code == 201, answer.text
    return Epj(world, answer.json()["clientId"], jwk)


def onboarded(world: World, **members: Any) -> Epj:
    """A client that was drafted and confirmed."""
    epj = drafted(world, **members)
    answer = decide(world, epj.id)
    assert answer.json()["status"] == "Success", answer.text
    return epj


def rekvirering(world: World, **members: Any) -> Epj:
    """A client for machines only, from the template with scopes and claims that are granted by hand."""
    asked = {"key": REK_KEY, "apiScopes": [SELV, PAREK], "redirectUris": ..., **members}
    return onboarded(world, **asked)


def decide(world: World, client_id: str, **body: Any) -> httpx.Response:
    return world.request("POST", f"{CONTROL}/drafts/{client_id}/confirm", json={"status": "Success", **body})


def confirm(world: World, client_id: str, **form: str) -> httpx.Response:
    """Press the button on the page."""
    full = {"person": "H01", "verdict": "Success", **form}
    return world.request("POST", f"{PORTAL}/confirm-client/{client_id}", data=full)


def known(epj: Epj) -> bool:
    """Whether the issuer takes the client's assertion: then it asks for a nonce."""
    answer = epj.post("token", {"grant_type": "client_credentials", "scope": SELV}, proof=epj.proof())
    error = answer.json()["error"]
    assert error in ("use_dpop_nonce", "invalid_client"), answer.text
    return bool(error == "use_dpop_nonce")


def token_of(epj: Epj, scope: str = SELV) -> str:
    answer = epj.machine(scope)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def call(
    epj: Epj,
    method: str,
    path: str,
    *,
    token: str | None = None,
    proof: str | None = None,
    scheme: str = "DPoP",
    jwk: Any = None,
    **sent: Any,
) -> httpx.Response:
    """A call to the API with a token of the client and a fresh proof."""
    url = f"{BASE}{API}{path}"
    value = token or token_of(epj)
    shown = epj.proof(url, method, jwk=jwk, ath=access_token_hash(value)) if proof is None else proof
    headers = {"Authorization": f"{scheme} {value}", **({"DPoP": shown} if shown else {}), **sent.pop("headers", {})}
    return epj.world.request(method, url, headers=headers, **sent)


def shown(epj: Epj) -> Any:
    """E3."""
    answer = call(epj, "GET", "/v1/client")
    assert answer.status_code == 200, answer.text
    return answer.json()


def written(current: Mapping[str, Any]) -> dict[str, Any]:
    """What E3 showed as E4 takes it: the pending value before the active one."""
    return {
        "apiScopes": [each["scope"] for each in current["apiScopes"]],
        "audienceSpecificClientClaims": [
            {"key": each["claimType"], "value": each["pendingClaimValue"] or each["activeClaimValue"]}
            for each in current["audienceSpecificClientClaims"]
        ],
        **{name: current[name] for name in ("redirectUris", "postLogoutRedirectUris", "childOrganizationNumbers")},
    }


def problem(answer: httpx.Response, status: int, text: str = "", field: str | None = None) -> Any:
    """SB-42: a problem with five members whose status is the answer's own."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert {"type", "title", "status", "detail", "instance"} <= set(body)
    assert all(isinstance(body[name], str) for name in ("type", "title", "detail", "instance"))
    assert body["status"] == status
    assert type(body["status"]) is int
    assert text in json.dumps(body, ensure_ascii=False)
    if field is not None:
        assert field in body["errors"]
    return body


def came_back(answer: httpx.Response) -> tuple[str, list[tuple[str, str]]]:
    """Where a redirect leads, and its parameters."""
    assert answer.status_code == 302, answer.text
    parts = urlsplit(answer.headers["Location"])
    return f"{parts.scheme}://{parts.netloc}{parts.path}", parse_qsl(parts.query, keep_blank_values=True)


def another_proof_key() -> Mapping[str, Any]:
    return some_key("RS256", 7)
