"""Test tokens and DPoP proofs, sound or broken in one chosen way (trust.md section 6).

Every fault is one row of ``FAULTS`` with what an API must answer, so that a batch of them is a contract test.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

from app.ids import new_hex, new_uuid
from app.trust.issuer_keys import SigningKey
from app.trust.jose import ALGORITHMS, Key, access_token_hash, b64encode, public_members
from app.trust.sts.ttt_claims import World, token_claims
from app.trust.sts.ttt_request import (
    ATTEST_FAULTS,
    EXTRA_PROOF_FAULTS,
    PROOF_FAULTS,
    TOKEN_FAULTS,
    ProofRequest,
    TokenRequest,
    TttError,
    read_key,
)


@dataclass(frozen=True, slots=True)
class Keys:
    """The issuer's signing key, a key that is not the issuer's, and the JWK proofs are made with by default."""

    signing: SigningKey
    foreign: Key
    proof: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Built:
    """A token and, when one was asked for, a proof."""

    token: str
    proof: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """A way to break a token or its proof, and what an API answers: status and the error of ``WWW-Authenticate``.

    ``error`` is None where no OAuth error is prescribed. ``case`` is the conformance case of trust.md section 9.
    """

    name: str
    change: Callable[[TokenRequest], TokenRequest]
    status: int
    error: str | None
    case: str


def needs_foreign_key(request: TokenRequest) -> bool:
    """Whether ``Keys.foreign`` will be used; making it takes a moment."""
    return request.batch or not {"signJwtWithInvalidSigningKey", "multiSignature"}.isdisjoint(request.faults)


def build(request: TokenRequest, world: World, keys: Keys) -> Built:
    """Make the token, with the faults asked for, and the proof that goes with it. Raises ``TttError``."""
    return rebuild(token_claims(request, world), request, world, keys)


def rebuild(given: Mapping[str, Any], request: TokenRequest, world: World, keys: Keys) -> Built:
    """A token of the ``given`` claims with the faults and the proof of ``request``. Raises ``TttError``."""
    claims = dict(given)
    jwk = (request.proof.jwk if request.proof is not None else None) or keys.proof
    key = read_key(jwk, "privateKeyForProofCreation")
    if request.proof is not None:
        invalid = PROOF_FAULTS[request.proof.fault] == "SetAnInvalidJktValueInToken"
        claims["cnf"] = {"jkt": b64encode(world.ids.random(32)) if invalid else key.thumbprint}
    _break_claims(claims, request, world)
    token = _signed(claims, request, world, keys)
    if request.proof is None:
        return Built(token)
    return Built(token, _proof(request.proof, request.faults, token, jwk, key, world))


def batch(request: TokenRequest, world: World, keys: Keys) -> list[dict[str, Any]]:
    """One entry for every fault that ``request`` can have, the sound token first. Raises ``TttError``."""
    return [
        {
            "fault": fault.name,
            "accessTokenJwt": built.token,
            "dPoPProof": built.proof,
            "expectedStatus": fault.status,
            "expectedError": fault.error,
            "case": fault.case,
        }
        for fault in faults_for(request, world.attest_max_age)
        for built in [build(fault.change(request), world, keys)]
    ]


def faults_for(request: TokenRequest, attest_max_age: int) -> list[Fault]:
    """The rows that apply: proof faults only with a proof, attest faults only with an attest."""
    rows = [Fault("none", lambda asked: asked, 200, None, "T-74"), *_TOKEN_ROWS]
    if request.proof is not None:
        rows += _PROOF_ROWS
    if request.attest is not None:
        rows += [*_ATTEST_ROWS, _stale(attest_max_age)]
    return rows


def fault_named(name: str) -> Fault:
    """The row of that name among those of tokens and proofs. Raises ``TttError`` with the names there are."""
    rows = {fault.name: fault for fault in (*_TOKEN_ROWS, *_PROOF_ROWS)}
    if name not in rows:
        raise TttError(f"no fault of that name; known are {', '.join(rows)}")
    return rows[name]


def is_proof_fault(name: str) -> bool:
    """Whether the fault of that name is one of the proof."""
    return any(fault.name == name for fault in _PROOF_ROWS)


# ---- the table of faults ----

_INVALID_TOKEN: Final = "invalid_token"
_INVALID_PROOF: Final = "invalid_dpop_proof"


def _named(name: str) -> Callable[[TokenRequest], TokenRequest]:
    return lambda request: replace(request, faults=request.faults | {name})


def _proof_fault(number: int) -> Callable[[TokenRequest], TokenRequest]:
    return lambda request: (
        request if request.proof is None else replace(request, proof=replace(request.proof, fault=number))
    )


def _environment(number: int) -> Callable[[TokenRequest], TokenRequest]:
    return lambda request: replace(request, issuer_environment=number)


def _stale(attest_max_age: int) -> Fault:
    return Fault(
        "toaAgeSeconds",
        lambda request: replace(request, toa_age=attest_max_age + 60),
        401,
        _INVALID_TOKEN,
        "T-80",
    )


_CASE_OF_TOKEN_FAULT: Final[Mapping[str, str]] = {
    "signJwtWithInvalidSigningKey": "T-78",
    "setInvalidIssuer": "T-81",
    "setInvalidAudience": "T-82",
    "setExpirationTimeAsExpired": "T-79",
    "notYetValid": "T-79",
    "algNone": "T-84",
    "hs256WithPublicKey": "T-84",
    "unknownKid": "T-78",
    "missingAudience": "T-82",
    "multipleAudiences": "T-82",
    "wrongTyp": "T-83",
    "scopeAsString": "T-86",
    "multiSignature": "T-78",
}
_CASE_OF_PROOF_FAULT: Final = (
    "", "T-93", "T-92", "T-94", "T-94", "T-91", "T-88", "T-89", "T-97", "T-88", "T-89", "T-88", "T-90", "T-90",
)  # fmt: skip
_ANSWER_OF_ATTEST_FAULT: Final[Mapping[str, tuple[int, str]]] = {
    "identifierMismatch": (403, "T-102"),
    "unknownAuthorization": (403, "V-30"),
    "unknownPurposeOfUse": (403, "T-63"),
    "userSelectedAsString": (403, "T-65"),
    # ATT-43 binds the issuer, which refuses it at T-64; no rule lets an API refuse a token that has it.
    "bothServiceAndDetailsMissing": (200, "T-64"),
    "legalEntityMismatch": (403, "T-103"),
}

_TOKEN_ROWS: Final = (
    *(
        Fault(name, _named(name), 200, None, case)
        if name == "scopeAsString"
        else Fault(name, _named(name), 401, _INVALID_TOKEN, case)
        for name in TOKEN_FAULTS
        for case in [_CASE_OF_TOKEN_FAULT[name]]
    ),
    Fault("issuerEnvironment:IntTest", _environment(1), 401, _INVALID_TOKEN, "T-81"),
    Fault("issuerEnvironment:Development", _environment(2), 401, _INVALID_TOKEN, "T-81"),
)
_PROOF_ROWS: Final = (
    *(
        Fault(
            "invalidDPoPProofParameters:" + PROOF_FAULTS[number],
            _proof_fault(number),
            401,
            _INVALID_PROOF,
            _CASE_OF_PROOF_FAULT[number],
        )
        for number in range(1, len(PROOF_FAULTS))
    ),
    *(
        Fault(name, _named(name), 401, _INVALID_PROOF, case)
        for name, case in zip(EXTRA_PROOF_FAULTS, ("T-93", "T-92", "T-91"), strict=True)
    ),
)
_ATTEST_ROWS: Final = tuple(
    Fault(name, _named(name), status, None, case)
    for name in ATTEST_FAULTS
    for status, case in [_ANSWER_OF_ATTEST_FAULT[name]]
)


# ---- the token ----

_OTHER_ISSUERS: Final = ("", "https://helseid-sts.inttest.invalid", "https://helseid-sts.utvikling.invalid")
_INVALID_ISSUER: Final = "https://helseid-sts.invalid"
_INVALID_AUDIENCE: Final = "sandkasse:invalid-audience"
_SECOND_AUDIENCE: Final = "sandkasse:another-audience"
_HOUR: Final = 3600


def _break_claims(claims: dict[str, Any], request: TokenRequest, world: World) -> None:
    faults = request.faults
    if request.issuer_environment:
        claims["iss"] = _OTHER_ISSUERS[request.issuer_environment]
    if "setInvalidIssuer" in faults:
        claims["iss"] = _INVALID_ISSUER
    if "setExpirationTimeAsExpired" in faults:
        claims["exp"] = world.now - _HOUR
        claims["nbf"] = claims["iat"] = claims["exp"] - request.lifetime
    if "notYetValid" in faults:
        claims["nbf"] = world.now + _HOUR
        claims["exp"] = claims["nbf"] + request.lifetime
    if "setInvalidAudience" in faults:
        claims["aud"] = _INVALID_AUDIENCE
    if "multipleAudiences" in faults:
        claims["aud"] = [request.audience, _SECOND_AUDIENCE]
    if "missingAudience" in faults:
        del claims["aud"]
    if "scopeAsString" in faults:
        scope = claims.get("scope", [])
        claims["scope"] = scope if isinstance(scope, str) else " ".join(scope)


def _signed(claims: Mapping[str, Any], request: TokenRequest, world: World, keys: Keys) -> str:
    faults, key = request.faults, keys.signing.key
    header: dict[str, Any] = keys.signing.header("id+jwt" if "wrongTyp" in faults else request.typ)
    if "unknownKid" in faults:
        header["kid"] = new_hex(world.ids, 20)
    if "algNone" in faults:
        return _compact({**header, "alg": "none"}, claims, lambda _: b"")
    if "hs256WithPublicKey" in faults:
        # RFC 8725 section 2.1: the public key taken for a shared secret.
        return _compact({**header, "alg": "HS256"}, claims, lambda data: hmac.digest(_pem(key), data, hashlib.sha256))
    if "multiSignature" in faults:
        return _general(header, claims, (key, keys.foreign))
    signer = keys.foreign if "signJwtWithInvalidSigningKey" in faults else key
    return _compact(header, claims, lambda data: _signature("RS256", data, signer))


def _compact(header: Mapping[str, Any], claims: Mapping[str, Any], sign: Callable[[bytes], bytes]) -> str:
    content = f"{_segment(header)}.{_segment(claims)}"
    return f"{content}.{b64encode(sign(content.encode()))}"


def _general(header: Mapping[str, Any], claims: Mapping[str, Any], keys: tuple[Key, ...]) -> str:
    """JWS JSON serialisation, which may have several signatures (RFC 7515 section 7.2.1); JWTs may not (RFC 7519)."""
    protected, payload = _segment(header), _segment(claims)
    signatures = [
        {"protected": protected, "signature": b64encode(_signature("RS256", f"{protected}.{payload}".encode(), key))}
        for key in keys
    ]
    return orjson.dumps({"payload": payload, "signatures": signatures}).decode()


def _segment(value: Mapping[str, Any]) -> str:
    return b64encode(orjson.dumps(dict(value)))


def _signature(alg: str, data: bytes, key: Key) -> bytes:
    return bytes(JWSRegistry.algorithms[alg].sign(data, key.native))


def _pem(key: Key) -> bytes:
    assert isinstance(key.native, RSAKey)
    return bytes(key.native.as_pem(private=False))


# ---- the proof ----

_ALG_OF_CURVE: Final[Mapping[str | None, str]] = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_KEY_MEMBERS: Final = ("kty", "crv", "x", "y", "n", "e")


def _proof(
    request: ProofRequest, faults: frozenset[str], token: str, jwk: Mapping[str, Any], key: Key, world: World
) -> str:
    fault = PROOF_FAULTS[request.fault]
    alg = _alg(jwk, key)
    public = {name: value for name, value in public_members(jwk).items() if name in _KEY_MEMBERS}
    header: dict[str, Any] = {"typ": "dpop+jwt", "alg": alg, "jwk": public}
    claims: dict[str, Any] = {
        "jti": new_uuid(world.ids),
        "htm": _other_method(request.htm) if "wrongHtm" in faults else request.htm,
        "htu": request.htu + "/another" if "wrongHtu" in faults else request.htu,
        "iat": world.now,
        "ath": access_token_hash("another token" if "wrongAth" in faults else token),
    }

    def sign(data: bytes) -> bytes:
        return _signature(alg, data, key)

    if fault in _REMOVED_CLAIM:
        del claims[_REMOVED_CLAIM[fault]]
    elif fault in _REMOVED_HEADER:
        del header[_REMOVED_HEADER[fault]]
    elif fault in _IAT_SHIFT:
        claims["iat"] += _IAT_SHIFT[fault]
    elif fault == "SetPrivateKeyInJwkHeader":
        header["jwk"] = {name: value for name, value in jwk.items() if isinstance(value, str)}
    elif fault == "SetInvalidTypHeaderValue":
        header["typ"] = "invalid+jwt"
    elif fault == "SetAlgHeaderToASymmetricAlgorithm":
        secret = world.ids.random(32)
        header["alg"] = "HS256"
        return _compact(header, claims, lambda data: hmac.digest(secret, data, hashlib.sha256))
    elif fault == "SetAnInvalidSignature":
        return _compact(header, claims, lambda data: sign(b"x" + data))
    return _compact(header, claims, sign)


_REMOVED_CLAIM: Final[Mapping[str, str]] = {
    "DontSetHtuClaimValue": "htu",
    "DontSetHtmClaimValue": "htm",
    "DontSetAthClaimValue": "ath",
    "DontSetJtiClaim": "jti",
}
_REMOVED_HEADER: Final[Mapping[str, str]] = {"DontSetAlgHeader": "alg", "DontSetJwkHeader": "jwk"}
_IAT_SHIFT: Final[Mapping[str, int]] = {"SetIatValueInThePast": -_HOUR, "SetIatValueInTheFuture": _HOUR}


def _other_method(method: str) -> str:
    return "DELETE" if method != "DELETE" else "GET"


def _alg(jwk: Mapping[str, Any], key: Key) -> str:
    named = jwk.get("alg")
    if isinstance(named, str) and named in ALGORITHMS and key.fits(named):
        return named
    return _ALG_OF_CURVE.get(key.curve, "RS256")
