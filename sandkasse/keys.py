"""Keys that sign: a client's own, and the one its proofs are bound to."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

_CURVE: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_OF_CURVE: Final = {curve: alg for alg, curve in _CURVE.items()}
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class SigningKey:
    """A private JWK ready to sign.

    >>> key = SigningKey.generate()
    >>> key.alg, sorted(key.public)
    ('ES256', ['crv', 'kty', 'x', 'y'])
    """

    def __init__(self, jwk: Mapping[str, Any], alg: str | None = None) -> None:
        """``alg`` wins over the JWK's own; without either it follows from the key. Raises ``ValueError``."""
        self.jwk: Final = dict(jwk)
        members: dict[str, str | list[str]] = {
            name: value for name, value in self.jwk.items() if isinstance(value, str) and name in _MEMBERS
        }
        self._key: ECKey | RSAKey
        if members.get("kty") == "RSA":
            self._key = RSAKey.import_key(members)
        elif members.get("kty") == "EC":
            self._key = ECKey.import_key(members)
        else:
            raise ValueError("the JWK must be of type RSA or EC")
        if not self._key.is_private:
            raise ValueError("the JWK has no private part")
        self.alg: Final = alg or str(self.jwk.get("alg") or _OF_CURVE.get(str(self.jwk.get("crv")), "RS256"))

    @classmethod
    def generate(cls, alg: str = "ES256") -> SigningKey:
        """A new key: ``ES256``, ``ES384`` and ``ES512`` have their curve, all others are RSA of 2048 bits."""
        if alg in _CURVE:
            return cls(ECKey.generate_key(_CURVE[alg], auto_kid=False).as_dict(private=True), alg)
        return cls(RSAKey.generate_key(2048, auto_kid=False).as_dict(private=True), alg)

    @property
    def kid(self) -> str | None:
        kid = self.jwk.get("kid")
        return kid if isinstance(kid, str) else None

    @property
    def public(self) -> dict[str, Any]:
        """The JWK without its private members: what may be registered and shown."""
        return public_part(self.jwk)

    def sign(self, claims: Mapping[str, Any], **header: Any) -> str:
        """``claims`` as a compact JWT; ``alg`` is added to the header."""
        full = {"alg": self.alg, **header}
        return jws.serialize_compact(full, json.dumps(dict(claims)), self._key, [self.alg])


def public_part(jwk: Mapping[str, Any]) -> dict[str, Any]:
    """A JWK without its private members."""
    return {name: value for name, value in jwk.items() if name not in _PRIVATE}


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def hashed(text: str) -> str:
    """base64url of SHA-256: the ``ath`` of a token (RFC 9449), the challenge of a verifier (RFC 7636)."""
    return base64url(hashlib.sha256(text.encode()).digest())


_MEMBERS: Final = frozenset({"kty", "n", "e", "crv", "x", "y"}) | _PRIVATE
