"""JWS reading, key import and signatures (RFC 7515, 7517, 7638)."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.trust import jose
from app.trust.cache import BoundedCache


def compact(header: object, claims: object, signature: str = "AA") -> str:
    return ".".join((jose.b64encode(orjson.dumps(header)), jose.b64encode(orjson.dumps(claims)), signature))


@pytest.fixture(scope="module")
def keys() -> dict[str, dict[str, str]]:
    return {kind: jose.generate_key(kind) for kind in ("RS256", "ES256", "ES384", "ES512")}


@pytest.mark.parametrize("alg", jose.ALGORITHMS)
def test_every_algorithm_signs_and_verifies(alg: str, keys: dict[str, dict[str, str]]) -> None:
    jwk = keys[alg] if alg.startswith("ES") else keys["RS256"]
    token = jose.sign({"alg": alg}, {"a": "æ"}, jose.import_key(jwk))
    jwt = jose.parse(token)
    public = jose.import_key(jose.public_members(jwk))
    assert jwt.claims == {"a": "æ"}
    assert jose.verify(jwt, public)
    assert not jose.verify(jwt, public, algorithms=("HS256",))
    other = jose.import_key(jose.generate_key("ES256"))
    assert not jose.verify(jwt, other)
    changed = jose.parse(token.replace(token.split(".")[1], jose.b64encode(b'{"a":1}')))
    assert not jose.verify(changed, public)


@pytest.mark.parametrize(
    "token",
    [
        "", "a.b", "a.b.c.d", "!!.e30.AA", "e30.!!.AA", "e30.e30.é", compact([], {}), compact({}, "x"),
        compact({"alg": "ES256", "crit": ["b64"]}, {}), compact({"alg": "ES256", "b64": False}, {}),
        jose.b64encode(b"\xff") + ".e30.AA", "x" * 20_000,
    ],
)  # fmt: skip
def test_what_is_no_jwt_is_refused(token: str) -> None:
    with pytest.raises(jose.JoseError):
        jose.parse(token)


@pytest.mark.parametrize("filling", ["", "x" * 2_000])
def test_a_header_is_read_whether_it_can_be_remembered_or_not(filling: str) -> None:
    token = compact({"alg": "ES256", "kid": filling}, {"a": 1}, "AAAA")
    assert [jose.parse(token).header["kid"] for _ in range(2)] == [filling, filling]
    assert jose.parse(token).signing_input == token.removesuffix(".AAAA").encode()


@given(st.binary())
def test_what_is_encoded_is_decoded(data: bytes) -> None:
    assert jose.b64decode(jose.b64encode(data)) == data


@given(st.text())
def test_parsing_never_fails_otherwise(token: str) -> None:
    try:
        jose.parse(token)
    except jose.JoseError as error:
        assert str(error)


@pytest.mark.parametrize("alg", ["none", "HS256", 5, None, "EdDSA"])
def test_other_algorithms_never_verify(alg: object, keys: dict[str, dict[str, str]]) -> None:
    jwt = jose.parse(compact({"alg": alg}, {}))
    assert not jose.verify(jwt, jose.import_key(jose.public_members(keys["ES256"])))


@pytest.mark.parametrize(
    "jwk",
    [
        {}, {"kty": "oct", "k": "AAAA"}, {"kty": "EC", "crv": "P-256"}, {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "x": 5, "y": []}, {"kty": "RSA", "n": "AA", "e": "AQAB"}, {"kty": "RSA", "n": "!", "e": "!"},
        {"kty": ["EC"]},
    ],
)  # fmt: skip
def test_unusable_keys_are_refused(jwk: dict[str, object]) -> None:
    with pytest.raises(jose.JoseError):
        jose.import_key(jwk)


def test_public_keys_are_remembered_and_private_ones_never(keys: dict[str, dict[str, str]]) -> None:
    cache: BoundedCache[tuple[str, ...], jose.Key] = BoundedCache(8)
    public = jose.public_members(keys["ES256"])
    assert jose.import_key(public, cache) is jose.import_key({**public, "kid": "other", "use": "sig"}, cache)
    assert len(cache) == 1
    assert jose.import_key(keys["ES384"], cache).private
    assert len(cache) == 1


def test_thumbprint_is_that_of_rfc7638() -> None:
    # The example key of RFC 7638 section 3.1.
    jwk = {
        "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3"
        "oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6"
        "qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    }  # fmt: skip
    assert jose.import_key(jwk).thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_the_cache_is_bounded_and_forgets() -> None:
    cache: BoundedCache[str, int] = BoundedCache(2)
    cache.put("a", 1, until=5.0)
    cache.put("b", 2)
    assert cache.get("a", 4.0) == 1
    cache.put("c", 3)  # b is the one longest unused
    assert cache.get("b") is None
    assert cache.get("a", 5.0) is None
    cache.clear()
    assert len(cache) == 0
    off: BoundedCache[str, int] = BoundedCache(0)
    off.put("a", 1)
    assert off.get("a") is None


def test_generated_keys_differ() -> None:
    assert jose.generate_key("ES256")["d"] != jose.generate_key("ES256")["d"]
