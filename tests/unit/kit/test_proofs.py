"""Keys, proofs and assertions, read by the server's own readers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

from app.trust import jose
from app.trust.dpop import read_proof
from sandkasse.keys import SigningKey, hashed
from sandkasse.proofs import BearerAuth, ClientAssertion, DPoPAuth, Fresh, make_proof

KEY = SigningKey.generate()
URL = "https://pps.example/v2/DiagnosticReport"


class TestKeys:
    @pytest.mark.parametrize("alg", jose.ALGORITHMS)
    def test_each_algorithm_signs(self, alg: str) -> None:
        key = SigningKey.generate(alg)
        jwt = jose.parse(key.sign({"a": 1}, typ="x"))
        assert jose.verify(jwt, jose.import_key(key.public))
        assert (jwt.header["alg"], jwt.header["typ"], jwt.claims["a"]) == (alg, "x", 1)

    @pytest.mark.parametrize("kind", ["RS256", "ES256", "ES512"])
    def test_a_key_without_alg_is_told_by_its_members(self, kind: str) -> None:
        assert SigningKey(jose.generate_key(kind)).alg == kind

    def test_the_alg_of_the_jwk_counts_and_an_explicit_one_wins(self) -> None:
        jwk = {**jose.generate_key("RS256"), "alg": "PS256"}
        assert (SigningKey(jwk).alg, SigningKey(jwk, "PS512").alg) == ("PS256", "PS512")

    def test_nothing_private_is_public(self) -> None:
        jwk = {**KEY.jwk, "kid": "mine"}
        assert SigningKey(jwk).public == {name: value for name, value in jwk.items() if name != "d"}
        assert SigningKey(jwk).kid == "mine"

    @pytest.mark.parametrize("jwk", [KEY.public, {"kty": "oct", "k": "AA"}, {}], ids=["public", "symmetric", "empty"])
    def test_what_cannot_sign_is_no_signing_key(self, jwk: dict[str, str]) -> None:
        with pytest.raises(ValueError, match="JWK"):
            SigningKey(jwk)


class TestProof:
    def test_the_server_reads_it(self) -> None:
        fresh = Fresh(lambda: 1_795_000_000.9, lambda size: b"\1" * size)
        proof = read_proof(
            (make_proof(KEY, "POST", URL + "?a=b#c", token="t", nonce="n", fresh=fresh),), method="POST", url=URL
        )
        assert (proof.iat, proof.nonce, proof.ath) == (1_795_000_000, "n", jose.access_token_hash("t"))

    def test_it_names_no_token_and_no_nonce_where_there_is_none(self) -> None:
        claims = jose.parse(make_proof(KEY, "GET", URL)).claims
        assert set(claims) == {"jti", "htm", "htu", "iat"}


Handler = Callable[[httpx.Request], httpx.Response]


def _demands_nonce(seen: list[str | None]) -> Handler:
    def answer(request: httpx.Request) -> httpx.Response:
        (proof,) = request.headers.get_list("DPoP")
        nonce = jose.parse(proof).claims.get("nonce")
        seen.append(nonce)
        assert request.headers["Authorization"] == "DPoP t"
        if nonce == "n1":
            return httpx.Response(200, content=request.content)
        challenge = {"WWW-Authenticate": 'DPoP error="use_dpop_nonce"', "DPoP-Nonce": "n1"}
        return httpx.Response(401, headers=challenge)

    return answer


class TestDPoPAuth:
    def test_a_demanded_nonce_is_sent_and_kept(self) -> None:
        seen: list[str | None] = []
        with httpx.Client(transport=httpx.MockTransport(_demands_nonce(seen)), auth=DPoPAuth("t", KEY)) as http:
            assert http.post(URL, data={"a": "b"}).content == b"a=b"
            assert http.get(URL).status_code == 200
        assert seen == [None, "n1", "n1"]

    def test_the_same_for_async(self) -> None:
        seen: list[str | None] = []

        async def ask() -> int:
            transport = httpx.MockTransport(_demands_nonce(seen))
            async with httpx.AsyncClient(transport=transport, auth=DPoPAuth("t", KEY.jwk)) as http:
                return (await http.get(URL)).status_code

        assert asyncio.run(ask()) == 200
        assert seen == [None, "n1"]

    def test_a_nonce_belongs_to_one_origin(self) -> None:
        seen: list[str | None] = []
        with httpx.Client(transport=httpx.MockTransport(_demands_nonce(seen)), auth=DPoPAuth("t", KEY)) as http:
            http.get(URL)
            http.get("https://other.example/")
        assert seen == [None, "n1", None, "n1"]

    def test_a_nonce_beside_an_answer_is_for_the_next_call(self) -> None:
        proofs: list[str] = []

        def answer(request: httpx.Request) -> httpx.Response:
            proofs.append(request.headers["DPoP"])
            return httpx.Response(200, headers={"DPoP-Nonce": f"n{len(proofs)}"})

        with httpx.Client(transport=httpx.MockTransport(answer), auth=DPoPAuth("t", KEY)) as http:
            http.get(URL)
            http.get(URL)
        assert [jose.parse(each).claims.get("nonce") for each in proofs] == [None, "n1"]

    @pytest.mark.parametrize(
        "headers",
        [{}, {"DPoP-Nonce": "n1", "WWW-Authenticate": 'DPoP error="invalid_token"'}],
        ids=["plain", "another error"],
    )
    def test_another_401_is_not_tried_again(self, headers: dict[str, str]) -> None:
        calls: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            calls.append(request)
            return httpx.Response(401, headers=headers)

        with httpx.Client(transport=httpx.MockTransport(answer), auth=DPoPAuth("t", KEY)) as http:
            assert http.get(URL).status_code == 401
        assert len(calls) == 1

    def test_each_call_has_a_proof_of_its_own_for_its_own_url(self) -> None:
        proofs: list[tuple[str, str, str]] = []

        def answer(request: httpx.Request) -> httpx.Response:
            claims = jose.parse(request.headers["DPoP"]).claims
            proofs.append((claims["jti"], claims["htm"], claims["htu"]))
            return httpx.Response(200)

        auth = DPoPAuth("t", KEY)
        with httpx.Client(transport=httpx.MockTransport(answer), auth=auth, base_url=URL) as http:
            http.get("/a", params={"q": "1"})
            auth.token = "renewed"
            http.delete("/b")
        assert [each[1:] for each in proofs] == [("GET", URL + "/a"), ("DELETE", URL + "/b")]
        assert proofs[0][0] != proofs[1][0]

    def test_a_bearer_token_is_sent_without_proof(self) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            assert "DPoP" not in request.headers
            return httpx.Response(200, text=request.headers["Authorization"])

        with httpx.Client(transport=httpx.MockTransport(answer), auth=BearerAuth("t")) as http:
            assert http.get(URL).text == "Bearer t"


class TestAssertion:
    def test_each_is_new_and_short_lived(self) -> None:
        assertion = ClientAssertion("mine", SigningKey({**KEY.jwk, "kid": "k1"}), "https://issuer.example")
        first, second = (jose.parse(assertion.form()["client_assertion"]) for _ in range(2))
        assert (first.header["typ"], first.header["kid"]) == ("client-authentication+jwt", "k1")
        assert (first.claims["iss"], first.claims["sub"], first.claims["aud"]) == ("mine", "mine", assertion.audience)
        assert first.claims["exp"] - first.claims["nbf"] == 30
        assert first.claims["jti"] != second.claims["jti"]
        assert "assertion_details" not in first.claims

    def test_details_go_along(self) -> None:
        form = ClientAssertion("mine", KEY, "https://issuer.example").form([{"type": "x"}])
        assert jose.parse(form["client_assertion"]).claims["assertion_details"] == [{"type": "x"}]

    def test_secrets_are_not_printed(self) -> None:
        assert "d" not in KEY.public
        assert KEY.jwk["d"] not in repr(ClientAssertion("mine", KEY, "a"))


def test_a_verifier_is_hashed_as_the_standard_says() -> None:
    # RFC 7636, appendix B
    assert hashed("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
