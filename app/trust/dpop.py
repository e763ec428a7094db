"""DPoP proofs (RFC 9449) as the issuer and the APIs read them alike.

``read_proof`` judges what the proof says of itself and of the request; ``check_window`` its age;
whose key it is, ``ath``, ``nonce`` and replay are judged by the caller, which knows the token. The texts of the
faults are those of NHN's reference validator (trust.md section 4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from app.clock import Moment
from app.trust.cache import BoundedCache
from app.trust.jose import ALGORITHMS, JoseError, Jwt, Key, import_key, is_private, parse, public_members, verify
from app.values import per_request

Note = Callable[[str, str], None]
"""Takes the code and the text of a finding."""

Refuse = Callable[[Exception], None]
"""Takes a fault: raises it, as on the wire, or keeps it, to tell everything that is wrong (ruling R63)."""

REPLAY_TEXT: Final = "Detected a DPoP proof token replay."
_DEFAULT_PORT: Final = {"http": 80, "https": 443}
_MAX_JTI: Final = 512


class ProofFault(ValueError):
    """A proof that is not accepted; ``text`` is safe to show as ``error_description``.

    ``member`` names what is wrong, ``found`` and ``expected`` tell how, for explanations only.
    """

    def __init__(self, text: str, member: str = "", found: object = None, expected: object = None) -> None:
        super().__init__(text)
        self.text = text
        self.member = member
        self.found = found
        self.expected = expected


def at_once(fault: Exception) -> None:
    """What the wire does with a fault: the first one ends the reading. Raises ``fault``."""
    raise fault


@per_request
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
    proof = judge_proof(values, at_once, method=method, url=url, cache=cache, max_bytes=max_bytes, note=note)
    assert proof is not None  # every reading without a proof has a fault
    return proof


def judge_proof(
    values: tuple[str, ...],
    refuse: Refuse,
    *,
    method: str,
    url: str | None,
    cache: BoundedCache[tuple[str, ...], Key] | None = None,
    max_bytes: int = 16_384,
    note: Note | None = None,
) -> Proof | None:
    """As ``read_proof``, giving each fault to ``refuse`` in the order the wire judges them (ruling R63).

    When ``refuse`` returns, the reading goes on as far as it can; None when too little is left to go on with.
    Without ``url`` the request is unknown and ``htm`` and ``htu`` are not judged.
    """
    if not values:
        refuse(ProofFault("Missing DPoP proof", "DPoP", expected="one DPoP header"))
        return None
    if len(values) > 1:
        refuse(ProofFault("Expected exactly one DPoP proof", "DPoP", len(values), 1))
    try:
        jwt = parse(values[0], max_bytes=max_bytes)
    except JoseError as error:
        refuse(ProofFault("Malformed DPoP token.", "DPoP", str(error), "a compact JWT"))
        return None
    key = _verified_key(jwt, cache, refuse)
    claims = jwt.claims
    jti = claims.get("jti")
    if not isinstance(jti, str) or not jti or len(jti) > _MAX_JTI:
        refuse(ProofFault("Invalid or missing 'jti' value.", "jti", jti, f"1 to {_MAX_JTI} characters"))
        jti = ""
    if url is not None:
        if claims.get("htm") != method:
            refuse(ProofFault("Invalid 'htm' value.", "htm", claims.get("htm"), method))
        _check_htu(claims.get("htu"), url, note, refuse)
    nonce, iat = claims.get("nonce"), _iat(claims, refuse)
    if key is None or iat is None:
        return None
    return Proof(key.thumbprint, jti, iat, nonce if isinstance(nonce, str) else None, claims, key)


def check_window(proof: Proof, moment: Moment, past: float, ahead: float, refuse: Refuse = at_once) -> None:
    """Refuse a proof older than ``past`` or more than ``ahead`` seconds in the future.

    It passes when it is fresh on the sandbox clock or on the real one (ruling R31). Raises ``ProofFault``.
    """
    iat = proof.iat
    if not (-past <= iat - moment.sandbox <= ahead or -past <= iat - moment.real <= ahead):
        refuse(
            ProofFault(
                "Invalid 'iat' value.",
                "iat",
                proof.iat,
                f"at most {past:g} s before and {ahead:g} s after {moment.real:.0f}",
            )
        )


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


def _verified_key(jwt: Jwt, cache: BoundedCache[tuple[str, ...], Key] | None, refuse: Refuse) -> Key | None:
    """The key in the header when it can be read; type and algorithm come first, the signature last."""
    typ, alg, jwk = jwt.header.get("typ"), jwt.header.get("alg"), jwt.header.get("jwk")
    if typ != "dpop+jwt":
        refuse(ProofFault("Invalid 'typ' value.", "typ", typ, "dpop+jwt"))
    if alg not in ALGORITHMS:
        refuse(ProofFault("Invalid 'alg' value.", "alg", alg, " ".join(ALGORITHMS)))
    if not isinstance(jwk, dict):
        refuse(ProofFault("Invalid 'jwk' value.", "jwk", expected="the public key as a JWK"))
        return None
    if is_private(jwk):
        refuse(ProofFault("'jwk' value contains a private key.", "jwk", "private members", "public members only"))
        jwk = public_members(jwk)
    try:
        key = import_key(jwk, cache)
    except JoseError as error:
        refuse(ProofFault("Invalid 'jwk' value.", "jwk", str(error), "a public RSA or EC key"))
        return None
    if not verify(jwt, key):
        refuse(ProofFault("Invalid signature on DPoP token.", "signature", "not made by the key in jwk", "a valid one"))
    return key


def _check_htu(htu: object, url: str, note: Note | None, refuse: Refuse) -> None:
    if htu == url:
        return
    if not isinstance(htu, str) or not same_url(htu, url):
        refuse(ProofFault("Invalid 'htu' value.", "htu", htu, url))
        return
    if note is not None:
        note("C29", "htu fits the URL of the request only after normalisation")


def _iat(claims: Mapping[str, Any], refuse: Refuse) -> float | None:
    iat = claims.get("iat")
    if "iat" not in claims:
        refuse(ProofFault("Missing 'iat' value.", "iat", expected="seconds since 1970"))
        return None
    if isinstance(iat, bool) or not isinstance(iat, int | float):
        refuse(ProofFault("Invalid 'iat' value.", "iat", iat, "seconds since 1970"))
        return None
    return float(iat)


def _comparable(parts: SplitResult) -> tuple[str, str, int | None, str]:
    scheme = parts.scheme.lower()
    port = parts.port if parts.port is not None else _DEFAULT_PORT.get(scheme)
    return scheme, (parts.hostname or "").lower(), port, unquote(parts.path) or "/"
