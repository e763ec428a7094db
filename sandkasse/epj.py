"""A client system at an issuer of HelseID's shape, the sandbox's or a national test environment's.

    epj = EpjClient("http://localhost:8000/helseid", "sandkasse-epj", key)
    tokens = epj.login("nhn:pps/provesvar-read", hint="H01", resource="nhn:pps")
    httpx.post(url, auth=tokens.auth(), ...)

The whole way is walked: pushed authorization request, PKCE, client assertion, DPoP with nonce. Where a person must log
in in a browser, ``begin`` gives the address to send them to and ``finish`` takes what came back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from sandkasse.attest import Details
from sandkasse.calls import Ask, Async, Steps, Sync, operation
from sandkasse.errors import KitError
from sandkasse.keys import SigningKey, hashed
from sandkasse.proofs import NONCE, SYSTEM, BearerAuth, ClientAssertion, DPoPAuth, Fresh, make_proof

USER_SCOPES: Final = (
    "openid helseid://scopes/identity/pid helseid://scopes/hpr/hpr_number helseid://scopes/identity/security_level"
)
LOOPBACK: Final = "http://localhost:1/callback"  # loopback needs no registration (trust.md section 2.3)
_SECONDS: Final = 30.0
_USE_NONCE: Final = "use_dpop_nonce"
_OBJECT_TYP: Final = "oauth-authz-req+jwt"


class LoginFailed(KitError):
    """The issuer said no: its ``error`` and ``description``."""

    def __init__(self, error: str, description: str = "") -> None:
        self.error = error
        self.description = description
        super().__init__(f"{error}: {description}".strip(": "))


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the issuer gave. ``key`` is what the access token is bound to; None for a Bearer token."""

    access_token: str = field(repr=False)
    token_type: str
    expires_in: int
    scope: str = ""
    refresh_token: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)
    key: SigningKey | None = field(default=None, repr=False)

    def auth(self, *, fresh: Fresh = SYSTEM) -> httpx.Auth:
        """What proves the token to a service, for ``httpx``."""
        return BearerAuth(self.access_token) if self.key is None else DPoPAuth(self.access_token, self.key, fresh=fresh)


@dataclass(frozen=True, slots=True)
class Started:
    """A login on its way: send the user to ``url``."""

    url: str
    state: str
    verifier: str = field(repr=False)
    redirect_uri: str
    resource: str | None = None


class _EpjSteps:
    """The ways to a token, each step by step."""

    issuer: str
    client: ClientAssertion
    _key: SigningKey
    _bound: bool
    _redirect_uri: str
    _metadata: Mapping[str, Any] | None = None
    _nonce: str | None = None

    @operation
    def login(
        self,
        scope: str,
        *,
        hint: str,
        resource: str | Sequence[str] = (),
        details: Sequence[Details] = (),
        grant_details: Sequence[Details] = (),
    ) -> Steps[Tokens]:
        """Log a person in without a page; ``hint`` is a practitioner's id, a number or ``hpr:…`` (sandbox only).

        The token is for ``resource``, of several for the first; ``refresh`` gives tokens for the others.
        ``details`` (attest, organisation) go with the token request and hold for that token; ``grant_details`` go in
        a signed request object and hold for every token of the login. Raises ``LoginFailed``.
        """
        started = yield from self._begin(scope, hint, resource, grant_details)
        shown = yield Ask("GET", started.url)
        location = shown.headers.get("Location")
        if location is None:
            raise LoginFailed(f"authorize answered {shown.status_code} and no redirect")
        return (yield from self._finish(started, location, details))

    @operation
    def begin(
        self,
        scope: str,
        *,
        hint: str | None = None,
        resource: str | Sequence[str] = (),
        grant_details: Sequence[Details] = (),
    ) -> Steps[Started]:
        """Push the request; send the user to ``url`` of what comes back. Raises ``LoginFailed``."""
        return (yield from self._begin(scope, hint, resource, grant_details))

    @operation
    def finish(self, started: Started, came_back: str, *, details: Sequence[Details] = ()) -> Steps[Tokens]:
        """Exchange the code of ``came_back``, the URL the user was sent back to. Raises ``LoginFailed``."""
        return (yield from self._finish(started, came_back, details))

    @operation
    def machine(self, scope: str, *, resource: str | None = None, details: Sequence[Details] = ()) -> Steps[Tokens]:
        """A token for the client itself, without a person. Raises ``LoginFailed``."""
        return (yield from self._redeem({"grant_type": "client_credentials", "scope": scope}, resource, details))

    @operation
    def refresh(
        self, tokens: Tokens, *, resource: str | None = None, scope: str | None = None, details: Sequence[Details] = ()
    ) -> Steps[Tokens]:
        """A new token of the same login, for another ``resource`` if one is named. Raises ``LoginFailed``."""
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token or ""}
        return (yield from self._redeem(form | ({"scope": scope} if scope else {}), resource, details))

    def _begin(
        self, scope: str, hint: str | None, resource: str | Sequence[str], grant_details: Sequence[Details]
    ) -> Steps[Started]:
        resources = [resource] if isinstance(resource, str) else [*resource]
        metadata = yield from self._discovered()
        fresh = self.client.fresh
        verifier, state = fresh.secret(), fresh.secret(12)
        wanted: dict[str, str | list[str]] = {
            "response_type": "code",
            "redirect_uri": self._redirect_uri,
            "scope": scope if "openid" in scope.split() else f"{USER_SCOPES} {scope}",
            "state": state,
            "code_challenge": hashed(verifier),
            "code_challenge_method": "S256",
            **({"resource": resources} if resources else {}),
            **({"login_hint": hint} if hint else {}),
        }
        if grant_details:
            claims = {"client_id": self.client.client_id, "authorization_details": list(grant_details)}
            wanted["request"] = self.client.signed(wanted | claims, _OBJECT_TYP)
        answer = yield Ask(
            "POST", metadata["pushed_authorization_request_endpoint"], form={**self.client.form(), **wanted}
        )
        query = {"client_id": self.client.client_id, "request_uri": _read(answer)["request_uri"]}
        url = f"{metadata['authorization_endpoint']}?{urlencode(query)}"
        return Started(url, state, verifier, self._redirect_uri, resources[0] if resources else None)

    def _finish(self, started: Started, came_back: str, details: Sequence[Details]) -> Steps[Tokens]:
        said = {name: values[0] for name, values in parse_qs(urlsplit(came_back).query).items()}
        if "error" in said:
            raise LoginFailed(said["error"], said.get("error_description", ""))
        if "code" not in said or said.get("state") != started.state:
            raise LoginFailed("the answer has no code, or belongs to another login")
        form = {
            "grant_type": "authorization_code",
            "code": said["code"],
            "redirect_uri": started.redirect_uri,
            "code_verifier": started.verifier,
        }
        return (yield from self._redeem(form, started.resource, details))

    def _redeem(self, form: Mapping[str, str], resource: str | None, details: Sequence[Details]) -> Steps[Tokens]:
        url = (yield from self._discovered())["token_endpoint"]
        wanted = {**form, **({"resource": resource} if resource else {})}
        answer = yield self._token_request(url, wanted, details)
        self._nonce = answer.headers.get(NONCE, self._nonce)
        if _USE_NONCE in answer.text:
            answer = yield self._token_request(url, wanted, details)
            self._nonce = answer.headers.get(NONCE, self._nonce)
        body = _read(answer)
        return Tokens(
            access_token=body["access_token"],
            token_type=body["token_type"],
            expires_in=int(body["expires_in"]),
            scope=body.get("scope", ""),
            refresh_token=body.get("refresh_token"),
            id_token=body.get("id_token"),
            key=self._key if self._bound else None,
        )

    def _token_request(self, url: str, form: Mapping[str, str], details: Sequence[Details]) -> Ask:
        """With an assertion and a proof of its own: neither may be sent twice."""
        headers = {}
        if self._bound:
            headers["DPoP"] = make_proof(self._key, "POST", url, nonce=self._nonce, fresh=self.client.fresh)
        return Ask("POST", url, form={**form, **self.client.form(details)}, headers=headers)

    def _discovered(self) -> Steps[Mapping[str, Any]]:
        if self._metadata is None:
            self._metadata = _read((yield Ask("GET", f"{self.issuer}/.well-known/openid-configuration")))
        return self._metadata

    def _set_up(
        self,
        issuer: str,
        client_id: str,
        key: SigningKey | Mapping[str, Any],
        redirect_uri: str,
        bound: bool,
        fresh: Fresh,
    ) -> None:
        signing = key if isinstance(key, SigningKey) else SigningKey(key)
        self.issuer = issuer.rstrip("/")
        self.client = ClientAssertion(client_id, signing, self.issuer, fresh)
        self._redirect_uri = redirect_uri
        self._bound = bound
        self._key = SigningKey.generate()


class EpjClient(_EpjSteps, Sync):
    """A client system: ``key`` is its registered private JWK; without ``bound`` it asks for Bearer tokens."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        key: SigningKey | Mapping[str, Any],
        *,
        redirect_uri: str = LOOPBACK,
        bound: bool = True,
        http: httpx.Client | None = None,
        fresh: Fresh = SYSTEM,
    ) -> None:
        self._set_up(issuer, client_id, key, redirect_uri, bound, fresh)
        self._own = http is None
        self._http = http or httpx.Client(timeout=_SECONDS)

    def close(self) -> None:
        """Close the connections if they are its own."""
        if self._own:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class AsyncEpjClient(_EpjSteps, Async):
    """``EpjClient`` for asyncio: the same methods, awaited."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        key: SigningKey | Mapping[str, Any],
        *,
        redirect_uri: str = LOOPBACK,
        bound: bool = True,
        http: httpx.AsyncClient | None = None,
        fresh: Fresh = SYSTEM,
    ) -> None:
        self._set_up(issuer, client_id, key, redirect_uri, bound, fresh)
        self._own = http is None
        self._http = http or httpx.AsyncClient(timeout=_SECONDS)

    async def close(self) -> None:
        """Close the connections if they are its own."""
        if self._own:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()


def _read(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except json.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise LoginFailed(f"{answer.request.url} answered {answer.status_code} and no JSON object")
    if answer.status_code >= 400:
        raise LoginFailed(str(body.get("error", answer.status_code)), str(body.get("error_description", "")))
    return body
