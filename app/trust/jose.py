"""JWS as HelseID uses it: compact JWTs, nine asymmetric algorithms, keys as JWK.

Keys and signatures are joserfc's and cryptography's; here stands only what is read, refused and remembered.
RFC 7515, 7517, 7518, 7638, 7519.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from joserfc.errors import JoseError as _LibraryError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from app.trust.cache import BoundedCache
from app.values import per_request

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Asymmetric algorithms HelseID allows for assertions, request objects and proofs (trust.md section 2)."""

_CURVE_OF: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_ECDSA_OF: Final = {
    "ES256": ec.ECDSA(hashes.SHA256()),
    "ES384": ec.ECDSA(hashes.SHA384()),
    "ES512": ec.ECDSA(hashes.SHA512()),
}
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MIN_RSA_BITS: Final = 2048  # real-clients.md C11


class JoseError(ValueError):
    """A JWT or key that cannot be read; the text is safe to show (it never holds token content)."""


@per_request
class Jwt:
    """A compact JWT taken apart, its signature not yet verified."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signing_input: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Key:
    """An imported key with its RFC 7638 thumbprint. ``private`` tells whether it can sign."""

    native: RSAKey | ECKey
    kty: str
    curve: str | None
    thumbprint: str
    private: bool

    def fits(self, alg: str) -> bool:
        """Whether the key's family and curve go with ``alg``."""
        if alg.startswith("ES"):
            return self.kty == "EC" and self.curve == _CURVE_OF.get(alg)
        return self.kty == "RSA" and alg in ALGORITHMS


def parse(token: str, *, max_bytes: int = 16_384) -> Jwt:
    """Take a compact JWT apart. Raises ``JoseError`` when it is none, too large, or asks for ``crit`` or ``b64``."""
    if len(token) > max_bytes:
        raise JoseError("the JWT is too large")
    parts = token.split(".")
    if len(parts) != 3:
        raise JoseError("not a compact JWT")
    # A client's headers are the same every time, but for the keys it makes.
    header = _remembered_header(parts[0]) if len(parts[0]) <= _LONGEST_REMEMBERED else _json_object(parts[0])
    if "crit" in header or "b64" in header:
        # RFC 7515 section 4.1.11: an extension that is not understood must be refused.
        raise JoseError("the JWT header demands an extension")
    claims = _json_object(parts[1])
    return Jwt(header, claims, token[: -len(parts[2]) - 1].encode(), b64decode(parts[2]))


def import_key(jwk: Mapping[str, Any], cache: BoundedCache[tuple[str, ...], Key] | None = None) -> Key:
    """Import a JWK, public or private, remembering public ones by their members.

    Raises ``JoseError`` for an unsupported type or curve, broken members or RSA below 2048 bits.
    """
    private = is_private(jwk)
    identity = _identity(jwk)
    if cache is not None and not private:
        known = cache.get(identity)
        if known is not None:
            return known
    members: dict[str, str | list[str]] = {
        name: value for name, value in jwk.items() if name in _KEY_MEMBERS and isinstance(value, str)
    }
    try:
        if members.get("kty") == "RSA":
            rsa = RSAKey.import_key(members)
            if rsa.raw_value.key_size < _MIN_RSA_BITS:
                raise JoseError(f"RSA keys need at least {_MIN_RSA_BITS} bits")
            key = Key(rsa, "RSA", None, rsa.thumbprint(), private)
        else:
            elliptic = ECKey.import_key(members)
            if elliptic.curve_name not in _CURVE_OF.values():
                raise JoseError("EC keys must be P-256, P-384 or P-521")
            key = Key(elliptic, "EC", elliptic.curve_name, elliptic.thumbprint(), private)
    except JoseError:
        raise
    except (_LibraryError, ValueError, TypeError, KeyError) as error:
        raise JoseError("the JWK cannot be read") from error
    if cache is not None and not private:
        cache.put(identity, key)
    return key


def is_private(jwk: Mapping[str, Any]) -> bool:
    """Whether a JWK holds private or symmetric members."""
    return not _PRIVATE_MEMBERS.isdisjoint(jwk)


def verify(jwt: Jwt, key: Key, *, algorithms: tuple[str, ...] = ALGORITHMS) -> bool:
    """Whether ``key`` made the signature, with the header's ``alg``, which must be among ``algorithms``."""
    alg = jwt.header.get("alg")
    if not isinstance(alg, str) or alg not in algorithms or not key.fits(alg):
        return False
    if isinstance(key.native, ECKey):
        return _verify_ec(jwt, key.native.public_key, alg)
    return bool(JWSRegistry.algorithms[alg].verify(jwt.signing_input, jwt.signature, key.native))


def _verify_ec(jwt: Jwt, key: EllipticCurvePublicKey, alg: str) -> bool:
    """As the library does it (RFC 7518 section 3.4), without making the algorithm anew for every proof."""
    half, signature = (key.key_size + 7) // 8, jwt.signature
    if len(signature) != 2 * half:
        return False
    der = encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
    try:
        key.verify(der, jwt.signing_input, _ECDSA_OF[alg])
    except InvalidSignature:
        return False
    return True


def sign(header: Mapping[str, Any], claims: Mapping[str, Any], key: Key) -> str:
    """Sign ``claims`` as a compact JWT with ``header['alg']``."""
    signing_input = b64encode(orjson.dumps(dict(header))) + "." + b64encode(orjson.dumps(dict(claims)))
    signature = JWSRegistry.algorithms[str(header["alg"])].sign(signing_input.encode(), key.native)
    return f"{signing_input}.{b64encode(signature)}"


def generate_key(kind: str) -> dict[str, str]:
    """A new private JWK: ``RS256`` gives RSA-2048, ``ES256``, ``ES384`` and ``ES512`` their curve.

    Keys come from the system's randomness, never from an injected source.
    """
    if kind.startswith("ES"):
        return _text_members(ECKey.generate_key(_CURVE_OF[kind], private=True).as_dict(private=True))
    return _text_members(RSAKey.generate_key(2048, private=True).as_dict(private=True))


def public_members(jwk: Mapping[str, Any]) -> dict[str, Any]:
    """The JWK without its private members."""
    return {name: value for name, value in jwk.items() if name not in _PRIVATE_MEMBERS}


def b64encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64decode(text: str) -> bytes:
    """Decode base64url without padding. Raises ``JoseError``."""
    try:
        padded = text.encode("ascii").translate(_STANDARD) + b"=" * (-len(text) % 4)
        return binascii.a2b_base64(padded, strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise JoseError("not base64url") from error


def access_token_hash(token: str) -> str:
    """The ``ath`` of an access token (RFC 9449 section 4.2)."""
    return b64encode(hashlib.sha256(token.encode()).digest())


_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_LONGEST_REMEMBERED: Final = 1000  # characters of a header
_KEY_MEMBERS: Final = frozenset({"kty", "n", "e", "crv", "x", "y"} | _PRIVATE_MEMBERS)


def _identity(jwk: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple([str(jwk.get(name, "")) for name in ("kty", "crv", "x", "y", "n", "e")])


def _json_object(segment: str) -> dict[str, Any]:
    try:
        value = orjson.loads(b64decode(segment))
    except orjson.JSONDecodeError as error:
        raise JoseError("the JWT holds no JSON") from error
    if not isinstance(value, dict):
        raise JoseError("the JWT holds no JSON object")
    return value


_remembered_header = lru_cache(maxsize=512)(_json_object)


def _text_members(jwk: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in jwk.items() if isinstance(value, str) and name != "kid"}
