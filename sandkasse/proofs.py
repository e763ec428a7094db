"""What a client signs for each request: its DPoP proof, and the assertion that tells the issuer who it is."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from sandkasse.keys import SigningKey, base64url, hashed

NONCE: Final = "DPoP-Nonce"
_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_TYP: Final = "client-authentication+jwt"
_ASSERTION_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Fresh:
    """Where a client takes the time (seconds since the epoch) and random bytes from. Replaceable in tests."""

    time: Callable[[], float] = time.time
    random: Callable[[int], bytes] = secrets.token_bytes

    def now(self) -> int:
        return int(self.time())

    def uuid(self) -> str:
        return str(uuid.UUID(bytes=self.random(16), version=4))

    def secret(self, size: int = 32) -> str:
        """A URL-safe secret of ``size`` random bytes."""
        return base64url(self.random(size))


SYSTEM: Final = Fresh()


def make_proof(
    key: SigningKey, method: str, url: str, *, token: str | None = None, nonce: str | None = None, fresh: Fresh = SYSTEM
) -> str:
    """A DPoP proof for one request (RFC 9449 section 4.2). ``url`` may have a query, which is cut.

    >>> proof = make_proof(SigningKey.generate(), "GET", "https://example.no/a?b=c")
    >>> proof.count(".")
    2
    """
    claims: dict[str, Any] = {
        "jti": fresh.uuid(),
        "htm": method,
        "htu": url.partition("?")[0].partition("#")[0],
        "iat": fresh.now(),
    }
    if token is not None:
        claims["ath"] = hashed(token)
    if nonce is not None:
        claims["nonce"] = nonce
    return key.sign(claims, typ="dpop+jwt", jwk=key.public)


class DPoPAuth(httpx.Auth):
    """Proves possession of a token's key: a fresh proof with ``ath`` for every request, sync and async.

    When the service demands a nonce, the request is sent once more with it, and the nonce is kept for that origin.
    ``token`` may be set anew after a refresh.

    >>> auth = DPoPAuth("a token", SigningKey.generate())
    >>> client = httpx.Client(auth=auth)
    """

    def __init__(self, token: str, key: SigningKey | Mapping[str, Any], *, fresh: Fresh = SYSTEM) -> None:
        self.token = token
        self._key = key if isinstance(key, SigningKey) else SigningKey(key)
        self._fresh = fresh
        self._nonces: dict[tuple[str, str, int | None], str] = {}

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        origin = (request.url.scheme, request.url.host, request.url.port)
        answer = yield self._proven(request, self._nonces.get(origin))
        nonce = answer.headers.get(NONCE)
        if nonce is None:
            return
        self._nonces[origin] = nonce
        if answer.status_code == 401 and "use_dpop_nonce" in answer.headers.get("WWW-Authenticate", ""):
            yield self._proven(request, nonce)

    def _proven(self, request: httpx.Request, nonce: str | None) -> httpx.Request:
        request.headers["Authorization"] = f"DPoP {self.token}"
        request.headers["DPoP"] = make_proof(
            self._key, request.method, str(request.url), token=self.token, nonce=nonce, fresh=self._fresh
        )
        return request


class BearerAuth(httpx.Auth):
    """A token that is bound to no key."""

    def __init__(self, token: str) -> None:
        self.token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self.token}"
        yield request


@dataclass(frozen=True, slots=True)
class ClientAssertion:
    """Proves a client to the issuer ``audience`` (RFC 7523): each call signs a new one, good once and for seconds.

    >>> form = ClientAssertion("my-epj", SigningKey.generate(), "https://issuer.example").form()
    >>> sorted(form)
    ['client_assertion', 'client_assertion_type', 'client_id']
    """

    client_id: str
    key: SigningKey
    audience: str
    fresh: Fresh = field(default=SYSTEM, repr=False)

    def form(self, details: Sequence[Mapping[str, Any]] = ()) -> dict[str, str]:
        """The parameters that authenticate one request; ``details`` (attest, organisation) hold for its token only."""
        claims = {"assertion_details": list(details)} if details else {}
        return {
            "client_id": self.client_id,
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": self.signed(claims),
        }

    def signed(self, claims: Mapping[str, Any], typ: str = _ASSERTION_TYP) -> str:
        """A JWT from the client to the issuer with ``claims`` added: an assertion, or a request object."""
        now = self.fresh.now()
        full = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience,
            "iat": now,
            "nbf": now,
            "exp": now + _ASSERTION_SECONDS,
            "jti": self.fresh.uuid(),
            **claims,
        }
        kid = {"kid": self.key.kid} if self.key.kid else {}
        return self.key.sign(full, typ=typ, **kid)
