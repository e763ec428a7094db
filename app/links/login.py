"""Logs a synthetic person in at a running issuer and gets a token, as a client system does it.

The whole way: pushed request, authorize with ``login_hint`` instead of a page (ruling R26), code, DPoP nonce, token;
or ``client_credentials`` for a machine. Used by ``sandkasse token`` and ``sandkasse curl``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx

from app.clock import RealClock
from app.ids import IdSource, new_token, new_uuid
from app.trust import jose

_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_SECONDS: Final = 30
_REDIRECT: Final = "http://localhost:1/callback"  # loopback needs no registration (trust.md section 2.3)
_ATTEST_TYPE: Final = "nhn:tillitsrammeverk:parameters"
_OID: Final = "urn:oid:2.16.578.1.12.4.1"


class LoginFailed(Exception):
    """The issuer said no. The text is its own error and description."""


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A registered client with its private JWK."""

    client_id: str
    jwk: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted: a token for ``scope`` at ``audience``, for the person ``hint`` names, or for the machine.

    ``structures`` go into the client assertion; a token that is not ``bound`` is a Bearer token.
    """

    scope: str
    audience: str
    hint: str | None
    structures: tuple[Mapping[str, Any], ...] = ()
    bound: bool = True


@dataclass(frozen=True, slots=True)
class Token:
    """An access token with the key it is bound to."""

    value: str
    scheme: str
    expires_in: int
    key: Mapping[str, Any]


class Login:
    """One client system on its way to a token."""

    def __init__(self, http: httpx.Client, issuer: str, client: ClientKey, clock: RealClock, ids: IdSource) -> None:
        self._http = http
        self._issuer = issuer
        self._client = client
        self._clock = clock
        self._ids = ids
        self._proof_key = jose.generate_key("ES256")

    def token(self, wish: Wish) -> Token:
        """Log in and get the token. Raises ``LoginFailed``, ``httpx.HTTPError``."""
        metadata = _json(self._http.get(f"{self._issuer}/.well-known/openid-configuration"))
        if wish.hint is None:
            form = {"grant_type": "client_credentials", "scope": wish.scope, "resource": wish.audience}
        else:
            verifier = new_token(self._ids)
            code = self._code(metadata, wish, verifier)
            form = {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": _REDIRECT,
                "code_verifier": verifier,
                "resource": wish.audience,
            }
        answer = self._redeem(metadata["token_endpoint"], form, wish)
        return Token(answer["access_token"], answer["token_type"], int(answer["expires_in"]), self._proof_key)

    def _code(self, metadata: Mapping[str, Any], wish: Wish, verifier: str) -> str:
        state = new_token(self._ids, 12)
        pushed = self._http.post(
            metadata["pushed_authorization_request_endpoint"],
            data={
                **self._authentication(()),
                "response_type": "code",
                "redirect_uri": _REDIRECT,
                "scope": f"openid helseid://scopes/identity/pid helseid://scopes/hpr/hpr_number "
                f"helseid://scopes/identity/security_level {wish.scope}",
                "resource": wish.audience,
                "state": state,
                "code_challenge": jose.b64encode(hashlib.sha256(verifier.encode()).digest()),
                "code_challenge_method": "S256",
                "login_hint": str(wish.hint),
            },
        )
        query = {"client_id": self._client.client_id, "request_uri": _json(pushed)["request_uri"]}
        shown = self._http.get(metadata["authorization_endpoint"], params=query, follow_redirects=False)
        answer = parse_qs(urlsplit(shown.headers.get("Location", "")).query)
        if "code" not in answer or answer.get("state") != [state]:
            said = " ".join(answer.get("error", []) + answer.get("error_description", []))
            raise LoginFailed(said or f"authorize answered {shown.status_code} and no code")
        code: str = answer["code"][0]
        return code

    def _redeem(self, url: str, form: Mapping[str, str], wish: Wish) -> dict[str, Any]:
        nonce: str | None = None
        for _ in range(2):  # the first call learns the nonce
            proof = make_proof(self._proof_key, "POST", url, clock=self._clock, ids=self._ids, nonce=nonce)
            data = {**form, **self._authentication(wish.structures)}
            answer = self._http.post(url, data=data, headers={"DPoP": proof} if wish.bound else {})
            nonce = answer.headers.get("DPoP-Nonce")
            if answer.status_code == 200 or nonce is None:
                break
        return _json(answer)

    def _authentication(self, structures: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        now, client = int(self._clock.time()), self._client
        claims: dict[str, Any] = {
            "iss": client.client_id,
            "sub": client.client_id,
            "aud": self._issuer,
            "iat": now,
            "nbf": now,
            "exp": now + _ASSERTION_SECONDS,
            "jti": new_uuid(self._ids),
        }
        if structures:
            claims["assertion_details"] = list(structures)
        header = {"typ": "client-authentication+jwt", "alg": client.jwk.get("alg", "ES256")}
        if "kid" in client.jwk:
            header["kid"] = client.jwk["kid"]
        assertion = jose.sign(header, claims, jose.import_key(client.jwk))
        return {"client_id": client.client_id, "client_assertion_type": _ASSERTION_TYPE, "client_assertion": assertion}


def make_proof(
    key: Mapping[str, Any],
    method: str,
    url: str,
    *,
    clock: RealClock,
    ids: IdSource,
    nonce: str | None = None,
    token: str | None = None,
) -> str:
    """A DPoP proof (RFC 9449 section 4.2) for one request; ``url`` may have a query, which is cut."""
    claims: dict[str, Any] = {
        "jti": new_uuid(ids),
        "htm": method,
        "htu": url.partition("?")[0].partition("#")[0],
        "iat": int(clock.time()),
    }
    if nonce is not None:
        claims["nonce"] = nonce
    if token is not None:
        claims["ath"] = jose.access_token_hash(token)
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": jose.public_members(key)}
    return jose.sign(header, claims, jose.import_key(key))


def with_attest(wish: Wish, client: Mapping[str, Any], decision: str) -> Wish:
    """The wish with an ordinary attest: someone of the client's organisation treats a patient (trust.md section 1.4).

    ``client`` is the registration as the control API gives it. The sub-unit is named as a structure of its own,
    too, so that the token carries it (trust.md section 3.4).
    """
    parent = client["orgnr_parent"] or next(iter(client["delegations"]), "")
    child = next(iter(client["children"]), None)
    structures: list[dict[str, Any]] = [_attest(parent, child or parent, decision)]
    if client["tenancy"] == "multi-tenant":
        structures.append(_organisation("urn:oid:1.0.6523", f"NO:ORGNR:{parent}:{child or ''}"))
    elif child is not None:
        structures.append(_organisation(f"{_OID}.4.101", child))
    return replace(wish, structures=tuple(structures))


def public_part(jwk: Mapping[str, Any]) -> dict[str, Any]:
    """The JWK as it may leave this machine."""
    return jose.public_members(jwk)


def _attest(legal_entity: str, point_of_care: str, decision: str) -> dict[str, Any]:
    def unit(number: str) -> dict[str, str]:
        return {"id": number, "system": f"{_OID}.4.101"}

    return {
        "type": _ATTEST_TYPE,
        "practitioner": {"legal_entity": unit(legal_entity), "point_of_care": unit(point_of_care)},
        "care_relationship": {
            "healthcare_service": {"code": "S03", "system": f"{_OID}.1.8655"},
            "purpose_of_use": {"code": "TREAT", "system": "urn:oid:2.16.840.1.113883.1.11.20448"},
            "decision_ref": {"id": decision, "user_selected": False},
        },
        "patients": [],
    }


def _organisation(system: str, value: str) -> dict[str, Any]:
    identifier = {"system": system, "type": "ENH", "value": value}
    return {"type": "helseid_authorization", "practitioner_role": {"organization": {"identifier": identifier}}}


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise LoginFailed(f"{answer.request.url} answered {answer.status_code} and no JSON object")
    if answer.status_code >= 400:
        said = f"{body.get('error', answer.status_code)}: {body.get('error_description', '')}"
        raise LoginFailed(said.strip(": "))
    return body
