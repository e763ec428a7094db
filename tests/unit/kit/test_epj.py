"""The client of the kit at the real issuer, and what it makes of refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from app.trust import jose
from sandkasse import AsyncEpjClient, AsyncSandbox, EpjClient, LoginFailed, Sandbox, SigningKey, Started

PPS = "nhn:pps/provesvar-read"


def client(sandbox: Sandbox, client_id: str = "sandkasse-epj", **options: Any) -> EpjClient:
    return EpjClient(sandbox.issuer, client_id, sandbox.clients.key(client_id), **options)


class TestAtTheIssuer:
    def test_a_person(self, sandbox: Sandbox) -> None:
        with client(sandbox) as epj:
            tokens = epj.login(f"openid offline_access {PPS}", hint="hpr:222250102", resource="nhn:pps")
            claims = jose.parse(tokens.access_token).claims
            assert claims["cnf"]["jkt"] == jose.import_key(tokens.key.public).thumbprint if tokens.key else False
            assert (claims["aud"], tokens.token_type, tokens.expires_in) == ("nhn:pps", "DPoP", 600)
            assert tokens.refresh_token
            assert tokens.id_token
            again = epj.refresh(tokens, scope=PPS)
            assert (again.scope, again.access_token != tokens.access_token) == (PPS, True)
            assert tokens.access_token not in repr(tokens)
            assert tokens.refresh_token not in repr(tokens)

    def test_scopes_that_tell_of_the_user_are_added(self, sandbox: Sandbox) -> None:
        with client(sandbox) as epj:
            assert "helseid://scopes/hpr/hpr_number" in epj.login(PPS, hint="H01", resource="nhn:pps").scope

    def test_a_machine(self, sandbox: Sandbox) -> None:
        with client(sandbox, "sandkasse-maskin") as machine:
            made = machine.machine("nhn:selvbetjening/client", resource="nhn:selvbetjening")
            assert jose.parse(made.access_token).claims["client_id"] == "sandkasse-maskin"

    def test_a_bearer_token(self, sandbox: Sandbox) -> None:
        with client(sandbox, "sandkasse-gammel", bound=False) as old:
            made = old.login("sandkasse:probe/read", hint="H01", resource="sandkasse:probe")
            assert (made.token_type, made.key) == ("Bearer", None)
            assert made.auth().__class__.__name__ == "BearerAuth"

    def test_the_nonce_is_asked_for_once(self, sandbox: Sandbox) -> None:
        with client(sandbox) as epj:
            epj.login(PPS, hint="H01", resource="nhn:pps")
            epj.login(PPS, hint="H02", resource="nhn:pps")
        answers = [row.status for row in sandbox.journal.list(service="helseid", path="/connect/token")]
        assert answers.count(200) == 2
        assert answers.count(400) == 1
        assert sandbox.journal.last_refused() is None, "asking for a nonce is no refusal"

    def test_async(self, async_sandbox: AsyncSandbox) -> None:
        async def work() -> tuple[str, str]:
            key = await async_sandbox.clients.key()
            async with AsyncEpjClient(async_sandbox.issuer, "sandkasse-epj", key) as epj:
                tokens = await epj.login(PPS, hint="H01", resource="nhn:pps")
                return tokens.token_type, (await epj.begin(PPS)).url

        kind, url = asyncio.run(work())
        assert kind == "DPoP"
        assert url.startswith(async_sandbox.issuer)


ISSUER = "https://issuer.example"
METADATA = {
    "pushed_authorization_request_endpoint": f"{ISSUER}/par",
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
}
TOKENS = {"access_token": "a", "token_type": "DPoP", "expires_in": 60}


class Issuer:
    """Answers as told, and keeps what was asked."""

    def __init__(self, **answers: httpx.Response) -> None:
        self._answers = {
            "openid-configuration": httpx.Response(200, json=METADATA),
            "par": httpx.Response(201, json={"request_uri": "urn:x"}),
            "token": httpx.Response(200, json=TOKENS),
            **answers,
        }
        self.asked: list[tuple[str, Mapping[str, list[str]]]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        form = parse_qs(request.content.decode())
        self.asked.append((name, form))
        if name == "authorize" and name not in self._answers:
            return httpx.Response(302, headers={"Location": f"https://x/?code=c&state={self.state}"})
        return self._answers[name]

    @property
    def state(self) -> str:
        return next(form["state"][0] for name, form in self.asked if name == "par")

    def client(self) -> EpjClient:
        return EpjClient(
            ISSUER + "/", "mine", SigningKey.generate(), http=httpx.Client(transport=httpx.MockTransport(self))
        )


class TestWhatItSends:
    def test_each_request(self) -> None:
        issuer = Issuer()
        epj = issuer.client()
        epj.login(PPS, hint="H01", resource=("a", "b"), details=[{"type": "x"}])
        names = [name for name, _ in issuer.asked]
        assert names == ["openid-configuration", "par", "authorize", "token"]
        pushed, redeemed = issuer.asked[1][1], issuer.asked[3][1]
        assert (pushed["resource"], redeemed["resource"]) == (["a", "b"], ["a"])
        assert (pushed["login_hint"], pushed["code_challenge_method"]) == (["H01"], ["S256"])
        assert redeemed["redirect_uri"] == pushed["redirect_uri"]
        first, second = (jose.parse(form["client_assertion"][0]).claims for form in (pushed, redeemed))
        assert first["jti"] != second["jti"]
        assert ("assertion_details" in first, second["assertion_details"]) == (False, [{"type": "x"}])
        epj.machine(PPS)
        assert [name for name, _ in issuer.asked][4:] == ["token"], "the metadata is read once"

    def test_what_holds_for_the_whole_login_is_in_a_request_object(self) -> None:
        issuer = Issuer()
        issuer.client().begin(PPS, grant_details=[{"type": "x"}])
        jwt = jose.parse(issuer.asked[1][1]["request"][0])
        assert jwt.header["typ"] == "oauth-authz-req+jwt"
        assert (jwt.claims["client_id"], jwt.claims["authorization_details"]) == ("mine", [{"type": "x"}])


class TestRefusals:
    @pytest.mark.parametrize(
        ("answers", "said"),
        [
            ({"par": httpx.Response(400, json={"error": "invalid_request", "error_description": "why"})},
             "invalid_request: why"),
            ({"authorize": httpx.Response(200, text="a page")}, "authorize answered 200 and no redirect"),
            ({"authorize": httpx.Response(302, headers={"Location": "https://x/?error=access_denied"})},
             "access_denied"),
            ({"authorize": httpx.Response(302, headers={"Location": "https://x/?code=c&state=other"})},
             "belongs to another login"),
            ({"openid-configuration": httpx.Response(502, text="<html>")}, "answered 502 and no JSON object"),
            ({"token": httpx.Response(200, json=[])}, "no JSON object"),
            ({"token": httpx.Response(500, json={})}, "500"),
        ],
        ids=["par", "page", "denied", "state", "html", "list", "bare"],
    )  # fmt: skip
    def test_it_says_what_the_issuer_said(self, answers: dict[str, httpx.Response], said: str) -> None:
        with pytest.raises(LoginFailed, match=said):
            Issuer(**answers).client().login(PPS, hint="H01")

    def test_a_nonce_is_given_one_chance(self) -> None:
        issuer = Issuer(token=httpx.Response(400, json={"error": "use_dpop_nonce"}, headers={"DPoP-Nonce": "n"}))
        with pytest.raises(LoginFailed, match="use_dpop_nonce"):
            issuer.client().machine(PPS)
        assert [name for name, _ in issuer.asked].count("token") == 2

    def test_secrets_of_a_started_login_are_not_printed(self) -> None:
        assert "geheim" not in repr(Started("u", "s", "geheim", "r"))
