"""The composed service in this process with a client that logs in and searches for real, to look at its journal.

Everything secret that passed is remembered, so that a test can look for it where it may not be.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx

from app import main
from app.clock import SystemClock
from app.core import Core
from app.ids import SystemIds, new_token, new_uuid
from app.links import login
from app.settings import Settings
from app.store.engine import Store
from app.trust import jose
from tests.support.lent import lent

BASE = "http://localhost:8000"
CONTROL = BASE + "/_sandbox/v1"
SEARCH = BASE + "/pps/v2/DiagnosticReport/_search"
ISSUER = BASE + "/helseid"
CLIENT = "sandkasse-epj"
P01, P02 = "14838449698", "02917149979"
REDIRECT = "http://localhost:1/callback"
CLOCK, IDS = SystemClock(), SystemIds()
_FIELDS = frozenset({"client_assertion", "code", "code_verifier", "refresh_token", "request_uri", "login"})
_MEMBERS = frozenset({"access_token", "id_token", "refresh_token", "request_uri", "d"})


class Epj:
    """A client system at the service; ``secrets`` is what nobody may find in the journal."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.secrets: set[str] = {P01, P02}
        http.event_hooks = {"request": [self._asked], "response": [self._answered]}
        self.key = http.get(f"{CONTROL}/clients/{CLIENT}/key").json()
        self.token: login.Token | None = None

    def log_in(self, hint: str | None = "H01") -> login.Token:
        """Log in as the command line does."""
        made = login.Login(self.http, ISSUER, login.ClientKey(CLIENT, self.key), CLOCK, IDS)
        self.token = made.token(login.Wish("nhn:pps/provesvar-read", "nhn:pps", hint))
        return self.token

    def log_in_by_page(self) -> None:
        """Push a request, choose a person on the page and get the code in a form, as a browser does."""
        verifier = new_token(IDS)
        now = int(CLOCK.time())
        claims = {"iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "iat": now, "exp": now + 30, "jti": new_uuid(IDS)}
        header = {"typ": "client-authentication+jwt", "alg": self.key.get("alg", "ES256"), "kid": self.key["kid"]}
        form = {
            "client_id": CLIENT,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": jose.sign(header, claims, jose.import_key(self.key)),
            "response_type": "code",
            "response_mode": "form_post",
            "redirect_uri": REDIRECT,
            "scope": "openid nhn:pps/provesvar-read",
            "code_challenge": jose.b64encode(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
        }
        pushed = self.http.post(f"{ISSUER}/connect/par", data=form).json()
        query = {"client_id": CLIENT, "request_uri": pushed["request_uri"]}
        page = self.http.get(f"{ISSUER}/connect/authorize", params=query).text
        handle = re.search(r'name="login" value="([^"]+)"', page)
        assert handle is not None
        self.secrets.add(handle[1])
        answered = self.http.post(f"{ISSUER}/connect/login", data={"login": handle[1], "pid": "02828049251"}).text
        code = re.search(r'name="code" value="([^"]+)"', answered)
        assert code is not None, answered
        self.secrets |= {code[1], "02828049251"}

    def search(self, patient: str = P01, url: str = SEARCH, **headers: str) -> httpx.Response:
        """Search with a fresh proof; logs in first when nobody has."""
        token = self.token or self.log_in()
        proof = login.make_proof(token.key, "POST", url, clock=CLOCK, ids=IDS, token=token.value)
        sent = {"Authorization": f"DPoP {token.value}", "DPoP": proof, "person-id": patient, "X-Request-Id": "r"}
        return self.http.post(url, headers={**sent, **headers}, data={"_count": "1"})

    def _asked(self, request: httpx.Request) -> None:
        if not request.url.path.startswith("/_sandbox"):
            for name in ("authorization", "dpop", "cookie", "x-admin-key"):
                self.secrets |= set(request.headers.get(name, "").split())
        self._keep(parse_qsl(request.url.query.decode()) + parse_qsl(request.read().decode()))

    def _answered(self, response: httpx.Response) -> None:
        response.read()
        self._keep(parse_qs(urlsplit(response.headers.get("location", "")).query).items())
        for name, value in response.headers.multi_items():
            if name == "set-cookie":
                self.secrets.add(value.partition("=")[2].partition(";")[0])
        if response.content and "json" in response.headers.get("content-type", ""):
            body = response.json()
            self.secrets |= {str(body[name]) for name in _MEMBERS if isinstance(body, dict) and name in body}

    def _keep(self, fields: Any) -> None:
        for name, value in fields:
            if name in _FIELDS:
                self.secrets |= {value} if isinstance(value, str) else set(value)

    @property
    def pieces(self) -> set[str]:
        """Every secret, and of a JWT each part."""
        parts = {part for secret in self.secrets for part in secret.split(".")}
        return {each for each in self.secrets | parts if len(each) >= 11}


class _InProcess(httpx.BaseTransport):
    """Asks an ASGI application on an event loop of its own, for clients that are not asynchronous."""

    def __init__(self, app: Any, loop: asyncio.Runner) -> None:
        self._asgi = httpx.ASGITransport(app=app)
        self._loop = loop

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._loop.run(self._answer(request))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = await self._asgi.handle_async_request(request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())


@contextmanager
def epj(folder: Path, **settings: Any) -> Iterator[Epj]:
    """The service started, and stopped at the end."""
    chosen = Settings(database_url=f"sqlite:///{folder}/journaled.db", proof_window="relaxed", **settings)
    core = Core(chosen, Store(chosen.database_url, CLOCK), CLOCK, IDS)
    with asyncio.Runner() as loop:
        app = lent(core, main.compose)
        loop.run(main.start(core))
        with httpx.Client(transport=_InProcess(app, loop)) as http:
            yield Epj(http)
        core.store.close()
