"""A client of the issuer for tests: assertions, proofs, the nonce dance and the login, each part replaceable."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from app.ids import SystemIds, new_token, new_uuid
from app.sandboxes.state import DEFAULT
from app.store import clients
from app.trust.jose import b64encode, generate_key, import_key, parse, public_members, sign
from app.trust.sts.clients import Client
from tests.support.asgi import BASE, World

ISSUER = BASE + "/helseid"
TOKEN = ISSUER + "/connect/token"
PAR = ISSUER + "/connect/par"
REDIRECT = "http://localhost:5000/callback"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MISSING: Any = object()
_IDS = SystemIds()


@cache
def some_key(kind: str = "ES256", number: int = 0) -> Mapping[str, str]:
    """A key made for the test run; another ``number`` gives another key."""
    return generate_key(kind)


@dataclass
class Epj:
    """A client with its keys. ``alg`` must fit the key."""

    world: World
    id: str
    jwk: Mapping[str, Any]
    alg: str = "ES256"
    dpop_jwk: Mapping[str, Any] = field(default_factory=lambda: some_key("ES256", 1))
    issuer: str = ISSUER

    def assertion(self, *, header: Mapping[str, Any] | None = None, jwk: Any = None, **claims: Any) -> str:
        """A client assertion; a claim or header member given as ``MISSING`` is left out."""
        now = int(self.world.clock.time())
        full = {
            "iss": self.id,
            "sub": self.id,
            "aud": self.issuer,
            "iat": now,
            "nbf": now,
            "exp": now + 30,
            "jti": new_uuid(_IDS),
        }
        return _sign({"alg": self.alg, "typ": "client-authentication+jwt"}, header, full, claims, jwk or self.jwk)

    def request_object(self, *, header: Mapping[str, Any] | None = None, jwk: Any = None, **claims: Any) -> str:
        return self.assertion(header=header, jwk=jwk, **{"client_id": self.id, **claims})

    def proof(
        self,
        url: str = TOKEN,
        method: str = "POST",
        *,
        nonce: str | None = None,
        header: Mapping[str, Any] | None = None,
        jwk: Any = None,
        **claims: Any,
    ) -> str:
        key = jwk or self.dpop_jwk
        full: dict[str, Any] = {"jti": new_uuid(_IDS), "htm": method, "htu": url, "iat": int(self.world.clock.time())}
        if nonce is not None:
            full["nonce"] = nonce
        alg = "RS256" if key["kty"] == "RSA" else "ES256"
        return _sign({"alg": alg, "typ": "dpop+jwt", "jwk": public_members(key)}, header, full, claims, key)

    def nonce(self) -> str:
        """A nonce from a challenge."""
        proof = self.proof(f"{self.issuer}/connect/token")
        answer = self.post("token", {"grant_type": "client_credentials"}, proof=proof)
        assert answer.json()["error"] == "use_dpop_nonce", answer.text
        return answer.headers["DPoP-Nonce"]

    def authenticated(self, form: Mapping[str, Any], assertion: str | None = None) -> list[tuple[str, str]]:
        full: dict[str, Any] = {
            "client_id": self.id,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion or self.assertion(),
            **form,
        }
        return [
            (name, one)
            for name, value in full.items()
            if value is not MISSING
            for one in ([value] if isinstance(value, str) else value)
        ]

    def post(
        self,
        endpoint: str,
        form: Mapping[str, Any],
        *,
        assertion: str | None = None,
        proof: str | Sequence[str] | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> httpx.Response:
        proofs = [proof] if isinstance(proof, str) else list(proof or ())
        return self.world.request(
            "POST",
            f"{self.issuer}/connect/{endpoint}",
            content=_encoded(self.authenticated(form, assertion)),
            headers=[
                ("Content-Type", "application/x-www-form-urlencoded"),
                *(("DPoP", one) for one in proofs),
                *headers,
            ],
        )

    def token(self, form: Mapping[str, Any], *, assertion: str | None = None, jwk: Any = None) -> httpx.Response:
        """A token request with a nonce."""
        nonce = self.nonce()
        return self.post(
            "token", form, assertion=assertion, proof=self.proof(f"{self.issuer}/connect/token", nonce=nonce, jwk=jwk)
        )

    def machine(self, scope: str = "nhn:pps/provesvar-read", **form: Any) -> httpx.Response:
        """A client_credentials request."""
        return self.token({"grant_type": "client_credentials", "scope": scope} | form)

    def par_form(self, scope: str = "openid profile offline_access nhn:pps/provesvar-read", **form: Any) -> Any:
        return {
            "response_type": "code",
            "redirect_uri": REDIRECT,
            "scope": scope,
            "state": "a state",
            "nonce": "a nonce",
            "code_challenge": challenge(VERIFIER),
            "code_challenge_method": "S256",
            "login_hint": "H01",
        } | form

    def push(self, scope: str = "openid profile offline_access nhn:pps/provesvar-read", **form: Any) -> httpx.Response:
        """A pushed authorization request."""
        return self.post("par", self.par_form(scope, **form))

    def authorize(self, request_uri: str, **headers: str) -> httpx.Response:
        query = {"client_id": self.id, "request_uri": request_uri}
        return self.world.request("GET", f"{self.issuer}/connect/authorize", params=query, headers=headers)

    def log_in(self, scope: str = "openid profile offline_access nhn:pps/provesvar-read", **form: Any) -> str:
        """Push and authorize; gives the code."""
        pushed = self.push(scope, **form)
        assert pushed.status_code == 201, pushed.text
        answer = sent_back(self.authorize(pushed.json()["request_uri"]))
        assert "code" in answer, answer
        return answer["code"]

    def redeem(self, code: str, *, jwk: Any = None, assertion: str | None = None, **form: Any) -> httpx.Response:
        """Exchange a code for tokens."""
        full = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
        return self.token(full | form, jwk=jwk, assertion=assertion)

    def refresh(
        self, refresh_token: str, *, jwk: Any = None, assertion: str | None = None, **form: Any
    ) -> httpx.Response:
        full = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return self.token(full | form, jwk=jwk, assertion=assertion)


VERIFIER = new_token(_IDS, 40)


def challenge(verifier: str) -> str:
    return b64encode(hashlib.sha256(verifier.encode()).digest())


def seeded(world: World, client_id: str = "sandkasse-epj") -> Epj:
    """A seeded client with the key the installation made for it."""
    jwk = world.run(world.core.store.read(lambda conn: clients.private_key(conn, client_id)))
    assert jwk is not None
    return Epj(world, client_id, jwk)


def registered(world: World, client: Client, kind: str = "ES256", alg: str | None = None) -> Epj:
    """A client put into the registry with a key of ``kind``."""
    jwk = some_key(kind, 9)
    keyed = client if client.jwks else Client(**{**_members(client), "jwks": (public_members(jwk),)})
    world.run(world.core.store.write(lambda conn: clients.put(conn, DEFAULT, keyed)))
    return Epj(world, client.id, jwk, alg or kind)


def changed(world: World, client_id: str, **members: Any) -> Epj:
    """A seeded client, registered anew with other members."""
    epj = seeded(world, client_id)
    client = world.run(world.core.store.read(lambda conn: clients.find(conn, DEFAULT, client_id)))
    assert client is not None
    registered(world, Client(**{**_members(client), **members}))
    return epj


def claims_of(token: str) -> Mapping[str, Any]:
    return parse(token).claims


def jkt(jwk: Mapping[str, Any]) -> str:
    return import_key(public_members(jwk)).thumbprint


def sent_back(answer: httpx.Response) -> dict[str, str]:
    """The parameters a redirect or a form_post page sends to the client."""
    if answer.status_code == 302:
        parts = urlsplit(answer.headers["Location"])
        return dict(parse_qsl(parts.query or parts.fragment))
    assert answer.status_code == 200, answer.text
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', answer.text))


def _members(client: Client) -> dict[str, Any]:
    return {name: getattr(client, name) for name in Client.__dataclass_fields__}


def _encoded(pairs: Sequence[tuple[str, str]]) -> bytes:
    return str(httpx.QueryParams(tuple(pairs))).encode()


def _sign(
    header: Mapping[str, Any],
    other_header: Mapping[str, Any] | None,
    claims: Mapping[str, Any],
    other_claims: Mapping[str, Any],
    jwk: Mapping[str, Any],
) -> str:
    full_header = {name: value for name, value in {**header, **(other_header or {})}.items() if value is not MISSING}
    full = {name: value for name, value in {**claims, **other_claims}.items() if value is not MISSING}
    return sign(full_header, full, import_key(jwk))
