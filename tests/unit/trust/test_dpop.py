"""Proofs as such: each fault with the text of NHN's reference validator (trust.md section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from app.clock import Moment
from app.trust.cache import BoundedCache
from app.trust.dpop import Proof, ProofFault, check_window, judge_proof, read_proof, same_url
from app.trust.jose import Key, b64encode, generate_key, import_key, public_members, sign

URL = "http://localhost:8000/pps/v2/DiagnosticReport/_search"
JWK = generate_key("ES256")
KEY = import_key(JWK)
MISSING: Any = object()
HEADLESS = b64encode(b'{"typ":"dpop+jwt"}')
NONE = b64encode(b'{"typ":"dpop+jwt","alg":"none"}')


def proof(header: Mapping[str, Any] | None = None, **claims: Any) -> str:
    head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": public_members(JWK), **(header or {})}
    body = {"jti": "one", "htm": "POST", "htu": URL, "iat": 1000, **claims}
    return sign(
        {name: value for name, value in head.items() if value is not MISSING},
        {name: value for name, value in body.items() if value is not MISSING},
        KEY,
    )


def read(*values: str, **more: Any) -> Proof:
    """As the wire reads it; the first of all the faults that explanations tell of must be the wire's (R63)."""
    faults: list[Exception] = []
    judge_proof(values, faults.append, method="POST", url=URL, **{**more, "note": None})
    try:
        found = read_proof(values, method="POST", url=URL, **more)
    except ProofFault as fault:
        assert str(faults[0]) == fault.text
        raise
    assert faults == []
    return found


def test_a_good_proof() -> None:
    cache: BoundedCache[tuple[str, ...], Key] = BoundedCache(10)
    found = read(proof(nonce="n", ath="a"), cache=cache)
    assert (found.jkt, found.jti, found.iat, found.nonce, found.ath) == (KEY.thumbprint, "one", 1000.0, "n", "a")
    assert len(cache) == 1
    assert read(proof(nonce=7)).nonce is None
    assert read(proof(ath=["a"])).ath is None


FAULTS = {
    "unparsable": ("no JWT", "Malformed DPoP token."),
    "not ASCII": ("å.å.å", "Malformed DPoP token."),
    "typ": (proof({"typ": "JWT"}), "Invalid 'typ' value."),
    "alg absent": (HEADLESS + ".e30.", "Invalid 'alg' value."),
    "alg none": (NONE + ".e30.", "Invalid 'alg' value."),
    "jwk absent": (proof({"jwk": MISSING}), "Invalid 'jwk' value."),
    "jwk text": (proof({"jwk": "key"}), "Invalid 'jwk' value."),
    "jwk broken": (proof({"jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}}), "Invalid 'jwk' value."),
    "jwk private": (proof({"jwk": JWK}), "'jwk' value contains a private key."),
    "other key": (
        proof({"jwk": public_members(generate_key("ES256"))}),
        "Invalid signature on DPoP token.",
    ),
    "alg of other family": (proof({"jwk": public_members(generate_key("ES384"))}), "Invalid signature on DPoP token."),
    "jti absent": (proof(jti=MISSING), "Invalid or missing 'jti' value."),
    "jti empty": (proof(jti=""), "Invalid or missing 'jti' value."),
    "jti number": (proof(jti=1), "Invalid or missing 'jti' value."),
    "jti long": (proof(jti="x" * 513), "Invalid or missing 'jti' value."),
    "htm": (proof(htm="GET"), "Invalid 'htm' value."),
    "htu absent": (proof(htu=MISSING), "Invalid 'htu' value."),
    "htu other": (proof(htu=URL + "/x"), "Invalid 'htu' value."),
    "htu query": (proof(htu=URL + "?a=b"), "Invalid 'htu' value."),
    "htu broken": (proof(htu="http://[::1/"), "Invalid 'htu' value."),
    "iat absent": (proof(iat=MISSING), "Missing 'iat' value."),
    "iat text": (proof(iat="1000"), "Invalid 'iat' value."),
    "iat bool": (proof(iat=True), "Invalid 'iat' value."),
}


@pytest.mark.parametrize(("value", "text"), FAULTS.values(), ids=FAULTS)
def test_faults(value: str, text: str) -> None:
    with pytest.raises(ProofFault) as caught:
        read(value)
    assert caught.value.text == text


def test_exactly_one() -> None:
    with pytest.raises(ProofFault, match="Missing DPoP proof"):
        read()
    with pytest.raises(ProofFault, match="exactly one"):
        read(proof(), proof())
    with pytest.raises(ProofFault, match="Malformed"):
        read(proof(), max_bytes=100)


def test_htu_normalised_is_noted() -> None:
    notes: list[str] = []
    other = proof(htu="HTTP://LOCALHOST:8000/pps/v2/Diagnostic%52eport/_search")
    assert read(other, note=lambda code, _text: notes.append(code)).jti == "one"
    assert read(other).jti == "one"
    assert notes == ["C29"]


@pytest.mark.parametrize(
    ("htu", "url", "same"),
    [
        ("https://a:443/x", "https://a/x", True),
        ("http://a", "http://a/", True),
        ("http://a/x", "http://a/x?q=1", True),
        ("http://a/x?q=1", "http://a/x?q=1", False),
        ("http://a/x#f", "http://a/x", False),
        ("https://a/x", "http://a/x", False),
        ("http://a:99999/x", "http://a/x", False),
    ],
)
def test_same_url(htu: str, url: str, same: bool) -> None:
    assert same_url(htu, url) is same


@pytest.mark.parametrize(
    ("moment", "good"),
    [
        (Moment(1000, 1000), True),
        (Moment(1006, 1006), True),
        (Moment(995, 995), True),
        (Moment(1007, 1007), False),
        (Moment(994, 994), False),
        (Moment(1000, 5000), True),
        (Moment(5000, 1000), True),
    ],
)
def test_window_on_either_clock(moment: Moment, good: bool) -> None:
    """Ruling R31."""
    made = read(proof())
    if good:
        check_window(made, moment, 6, 5)
    else:
        with pytest.raises(ProofFault, match="'iat'"):
            check_window(made, moment, 6, 5)
