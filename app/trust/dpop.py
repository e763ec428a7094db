"""DPoP proofs (RFC 9449) as the issuer and the APIs read them alike.

``read_proof`` judges what the proof says of itself and of the request; ``check_window`` its age;
whose key it is, ``ath``, ``nonce`` and replay are judged by the caller, which knows the token. The texts of the
faults are those of NHN's reference validator (trust.md section 4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from app.clock import Moment
from app.trust.cache import BoundedCache
from app.trust.jose import ALGORITHMS, JoseError, Jwt, Key, import_key, is_private, parse, verify

Note = Callable[[str, str], None]
"""Takes the code and the text of a finding."""

_DEFAULT_PORT: Final = {"http": 80, "https": 443}
_MAX_JTI: Final = 512


class ProofFault(ValueError):
    """A proof that is not accepted; ``text`` is safe to show as ``error_description``."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof with a valid signature that was made for this method and URL.

    ``jkt`` is the RFC 7638 thumbprint of its key; ``iat`` seconds since the epoch on the client's clock.
    """

    jkt: str
    jti: str
    iat: float
    nonce: str | None
    claims: Mapping[str, Any]
    key: Key

    @property
    def ath(self) -> str | None:
        value = self.claims.get("ath")
        return value if isinstance(value, str) else None


def read_proof(
    values: tuple[str, ...],
    *,
    method: str,
    url: str,
    cache: BoundedCache[tuple[str, ...], Key] | None = None,
    max_bytes: int = 16_384,
    note: Note | None = None,
) -> Proof:
    """Read the proof in the ``DPoP`` header ``values`` of a ``method`` request to ``url`` (public, without query).

    ``note`` hears of an ``htu`` that fits only after normalisation (ruling C29).
    Raises ``ProofFault`` when there is not exactly one proof, or it is not one for this request.
    """
    if not values:
        raise ProofFault("Missing DPoP proof")
    if len(values) > 1:
        raise ProofFault("Expected exactly one DPoP proof")
    jwt = _parsed(values[0], max_bytes)
    key = _verified_key(jwt, cache)
    claims = jwt.claims
    jti = claims.get("jti")
    if not isinstance(jti, str) or not jti or len(jti) > _MAX_JTI:
        raise ProofFault("Invalid or missing 'jti' value.")
    if claims.get("htm") != method:
        raise ProofFault("Invalid 'htm' value.")
    _check_htu(claims.get("htu"), url, note)
    nonce = claims.get("nonce")
    return Proof(key.thumbprint, jti, _iat(claims), nonce if isinstance(nonce, str) else None, claims, key)


def check_window(proof: Proof, moment: Moment, past: float, ahead: float) -> None:
    """Refuse a proof older than ``past`` or more than ``ahead`` seconds in the future.

    It passes when it is fresh on the sandbox clock or on the real one (ruling R31). Raises ``ProofFault``.
    """
    if not any(-past <= proof.iat - now <= ahead for now in (moment.sandbox, moment.real)):
        raise ProofFault("Invalid 'iat' value.")


def same_url(htu: str, url: str) -> bool:
    """Whether ``htu`` names ``url`` after the normalisation of ruling C29.

    Scheme and host in lower case, default port dropped, an empty path is ``/``, both percent-decoded;
    query and fragment are cut from ``url`` only, so an ``htu`` that has one never fits.
    """
    try:
        theirs, ours = urlsplit(htu), urlsplit(url)
        return not theirs.query and not theirs.fragment and _comparable(theirs) == _comparable(ours)
    except ValueError:
        return False


def _parsed(value: str, max_bytes: int) -> Jwt:
    try:
        jwt = parse(value, max_bytes=max_bytes)
    except JoseError as error:
        raise ProofFault("Malformed DPoP token.") from error
    if jwt.header.get("typ") != "dpop+jwt":
        raise ProofFault("Invalid 'typ' value.")
    if jwt.header.get("alg") not in ALGORITHMS:
        raise ProofFault("Invalid 'alg' value.")
    return jwt


def _verified_key(jwt: Jwt, cache: BoundedCache[tuple[str, ...], Key] | None) -> Key:
    jwk = jwt.header.get("jwk")
    if not isinstance(jwk, dict):
        raise ProofFault("Invalid 'jwk' value.")
    if is_private(jwk):
        raise ProofFault("'jwk' value contains a private key.")
    try:
        key = import_key(jwk, cache)
    except JoseError as error:
        raise ProofFault("Invalid 'jwk' value.") from error
    if not verify(jwt, key):
        raise ProofFault("Invalid signature on DPoP token.")
    return key


def _check_htu(htu: object, url: str, note: Note | None) -> None:
    if not isinstance(htu, str):
        raise ProofFault("Invalid 'htu' value.")
    if htu == url:
        return
    if not same_url(htu, url):
        raise ProofFault("Invalid 'htu' value.")
    if note is not None:
        note("C29", "htu fits the URL of the request only after normalisation")


def _iat(claims: Mapping[str, Any]) -> float:
    if "iat" not in claims:
        raise ProofFault("Missing 'iat' value.")
    iat = claims["iat"]
    if isinstance(iat, bool) or not isinstance(iat, int | float):
        raise ProofFault("Invalid 'iat' value.")
    return float(iat)


def _comparable(parts: SplitResult) -> tuple[str, str, int | None, str]:
    scheme = parts.scheme.lower()
    port = parts.port if parts.port is not None else _DEFAULT_PORT.get(scheme)
    return scheme, (parts.hostname or "").lower(), port, unquote(parts.path) or "/"
