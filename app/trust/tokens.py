"""Access tokens as an API reads them: signature, ``typ``, ``iss``, ``aud`` and time (trust.md sections 3 and 4).

A verified token is remembered with the values made from it. What depends on the call (the issuer's name, the
audience asked for, the clock, the keys in force) is judged every time, remembered or not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.addresses import is_address_of
from app.core import Core
from app.errors import Reason
from app.sandboxes.state import Call, SandboxState
from app.trust import attest, issuer_keys
from app.trust.dpop import Refuse, at_once
from app.trust.jose import JoseError, b64encode, parse, verify
from app.trust.principal import Channel, Principal

LEEWAY: Final = 5.0
"""Seconds that ``exp`` and ``nbf`` may be passed by (trust.md section 4, rule 5)."""

ALGORITHMS: Final = (issuer_keys.ALGORITHM,)
TYPES: Final = frozenset({"at+jwt", "JWT"})

MISSING_CNF: Final = "Missing 'cnf' claim in access token"
MISSING_JKT: Final = "Missing 'jkt' value in 'cnf' claim in access token"
INVALID_JKT: Final = "Invalid 'jkt' value in 'cnf' claim in access token"

_IDENTITY: Final = "helseid://claims/identity/"
_CLIENT: Final = "helseid://claims/client/claims/"
_HPR: Final = "helseid://claims/hpr/hpr_number"
_LEVELS: Final[Mapping[object, int]] = {"2": 2, "3": 3, "4": 4}
_THUMBPRINT_LENGTH: Final = 43  # SHA-256 in base64url (RFC 7638, RFC 9449 section 6.1)


class TokenFault(ValueError):
    """An access token that is not accepted; ``text`` is safe to show as ``error_description``.

    ``found`` and ``expected`` tell how it is wrong, for explanations only.
    """

    def __init__(
        self, text: str, reason: Reason = Reason.TOKEN_INVALID, *, found: object = None, expected: object = None
    ) -> None:
        super().__init__(text)
        self.text = text
        self.reason = reason
        self.found = found
        self.expected = expected
        self.token: Token | None = None  # the one at fault, when it is otherwise one of the sandbox's own


@dataclass(frozen=True, slots=True)
class Token:
    """A token whose signature and ``typ`` hold, with what its claims say; times in epoch seconds.

    ``audience`` is the only one, None when there are none or several. ``binding_fault`` tells why there is
    no ``jkt``. ``shown`` are the claims for the journal, without any patient. ``ath`` is RFC 9449's hash.
    """

    claims: Mapping[str, Any]
    shown: dict[str, Any]
    principal: Principal
    attest: attest.Reading
    issuer: str | None
    audience: str | None
    not_before: float
    expires: float
    bound: bool
    jkt: str | None
    binding_fault: str
    ath: str
    kid: str
    thumbprint: str


async def accept(core: Core, call: Call, raw: str, audiences: frozenset[str]) -> Token:
    """Verify an access token for a service known as any of ``audiences``.

    Raises ``TokenFault`` with TOKEN_INVALID or AUDIENCE_WRONG, in the order of ruling R5.
    """
    token = await _verified(core, call, raw)
    try:
        _judge(core, call, token, audiences, at_once)
    except TokenFault as fault:
        if _is_our_issuer(core, call, token.issuer):
            fault.token = token  # the journal can tell whose it was
        raise
    return token


async def examine(core: Core, call: Call, raw: str, audiences: frozenset[str], refuse: Refuse) -> Token | None:
    """As ``accept``, giving every fault to ``refuse`` (ruling R63); None when the token cannot be read."""
    digest = hashlib.sha256(raw.encode()).digest()
    token = await _read(core, call.sandbox, raw, b64encode(digest), refuse)
    if token is not None:
        _judge(core, call, token, audiences, refuse)
    return token


def _judge(core: Core, call: Call, token: Token, audiences: frozenset[str], refuse: Refuse) -> None:
    """What depends on the call: issuer, audience and time."""
    if not _is_our_issuer(core, call, token.issuer):
        text = "The issuer of the access token is not the one of this service"
        refuse(TokenFault(text, found=token.issuer, expected=call.issuer))
    if token.audience is None or token.audience not in audiences:
        text = "The access token is not issued for this service alone"
        found = token.claims.get("aud")
        refuse(TokenFault(text, Reason.AUDIENCE_WRONG, found=found, expected=" or ".join(sorted(audiences))))
    now = call.moment.sandbox  # tokens are made by the sandbox, on its clock (ruling R31)
    if token.expires < now - LEEWAY:
        refuse(TokenFault("The access token has expired", found=token.expires, expected=f"exp after {now:.0f}"))
    if token.not_before > now + LEEWAY:
        text = "The access token is not valid yet"
        refuse(TokenFault(text, found=token.not_before, expected=f"nbf at most {now:.0f}"))


async def _verified(core: Core, call: Call, raw: str) -> Token:
    digest = hashlib.sha256(raw.encode()).digest()
    place = call.sandbox.id.encode() + b"/" + digest
    now = call.moment.sandbox
    known = core.tokens.get(place, now)
    if isinstance(known, Token):
        # The signature counts only while the key it was checked with is in force.
        key = (await issuer_keys.verification_keys(core, call.sandbox)).get(known.kid)
        if key is not None and key.thumbprint == known.thumbprint:
            return known
    token = await _read(core, call.sandbox, raw, b64encode(digest), at_once)
    assert token is not None  # every reading without a token has a fault
    core.tokens.put(place, token, token.expires + LEEWAY)
    return token


async def _read(core: Core, sandbox: SandboxState, raw: str, ath: str, refuse: Refuse) -> Token | None:
    try:
        jwt = parse(raw, max_bytes=sandbox.settings.max_jwt_bytes)
    except JoseError as error:
        refuse(TokenFault("The access token cannot be read", found=str(error), expected="a compact JWT"))
        return None
    kid, thumbprint = jwt.header.get("kid"), ""
    if not isinstance(kid, str):
        refuse(TokenFault("The access token names no key", found=kid, expected="the kid of a key of the issuer"))
        kid = ""
    else:
        key = (await issuer_keys.verification_keys(core, sandbox)).get(kid)
        if key is None:
            # Another process may have rotated the keys since they were last read (T-108).
            key = (await issuer_keys.verification_keys(core, sandbox, refresh=True)).get(kid)
        if key is None:
            refuse(
                TokenFault("The key of the access token is unknown", found=kid, expected="a kid of the issuer's JWKS")
            )
        else:
            thumbprint = key.thumbprint
            if not verify(jwt, key, algorithms=ALGORITHMS):
                text = "The signature of the access token is invalid"
                refuse(TokenFault(text, found=jwt.header.get("alg"), expected=" or ".join(ALGORITHMS)))
    if jwt.header.get("typ") not in TYPES:
        text = "The typ of the access token is not accepted"
        refuse(TokenFault(text, found=jwt.header.get("typ"), expected=" or ".join(sorted(TYPES))))
    return _token(jwt.claims, ath, kid, thumbprint, refuse)


def _token(claims: Mapping[str, Any], ath: str, kid: str, thumbprint: str, refuse: Refuse) -> Token:
    jkt, binding_fault = _binding(claims.get("cnf"))
    return Token(
        claims=claims,
        shown=_without_patients(claims),
        principal=principal_of(claims, jkt),
        attest=attest.read(claims),
        issuer=_text(claims, "iss"),
        audience=_only_audience(claims.get("aud")),
        not_before=_seconds(claims, "nbf", float("-inf"), refuse),
        expires=_seconds(claims, "exp", float("inf"), refuse, required=True),
        bound=claims.get("cnf") is not None,
        jkt=jkt,
        binding_fault=binding_fault,
        ath=ath,
        kid=kid,
        thumbprint=thumbprint,
    )


def principal_of(claims: Mapping[str, Any], jkt: str | None) -> Principal:
    """Who the claims of an access token say is asking; nothing is checked."""
    pid, subject = _text(claims, _IDENTITY + "pid"), _text(claims, "sub")
    return Principal(
        # A token that stands for no person came by client credentials.
        channel=Channel.MACHINE if pid is None and subject is None else Channel.PERSONNEL,
        client_id=_text(claims, "client_id") or "",
        pid=pid,
        hpr=_text(claims, _HPR),
        name=_text(claims, "name"),
        level=_LEVELS.get(_text(claims, _IDENTITY + "security_level"), 0),
        network=_text(claims, _IDENTITY + "network"),
        orgnr_parent=_text(claims, _CLIENT + "orgnr_parent"),
        orgnr_child=_text(claims, _CLIENT + "orgnr_child"),
        orgnr_supplier=_text(claims, _CLIENT + "orgnr_supplier"),
        scopes=_scopes(claims.get("scope")),
        jti=_text(claims, "jti"),
        jkt=jkt,
        claims=claims,
    )


def _binding(cnf: object) -> tuple[str | None, str]:
    """The thumbprint of the key the token is bound to, or what is wrong, in NHN's words."""
    if cnf is None:
        return None, MISSING_CNF
    jkt = cnf.get("jkt") if isinstance(cnf, dict) else None
    if jkt is None:
        return None, MISSING_JKT
    if not isinstance(jkt, str) or len(jkt) != _THUMBPRINT_LENGTH:
        return None, INVALID_JKT
    return jkt, ""


def _only_audience(aud: object) -> str | None:
    if isinstance(aud, list) and len(aud) == 1:
        aud = aud[0]
    return aud if isinstance(aud, str) else None


def _scopes(scope: object) -> frozenset[str]:
    """An array, as HelseID sends it, or the space-separated text of RFC 9068."""
    if isinstance(scope, str):
        return frozenset(scope.split())
    return frozenset(item for item in scope if isinstance(item, str)) if isinstance(scope, list) else frozenset()


def _seconds(claims: Mapping[str, Any], name: str, absent: float, refuse: Refuse, *, required: bool = False) -> float:
    value = claims.get(name)
    if value is None and not required:
        return absent
    if isinstance(value, bool) or not isinstance(value, int | float):
        text = f"The {name} of the access token is missing or no number"
        refuse(TokenFault(text, found=value, expected="seconds since 1970"))
        return absent
    return value


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    return value if isinstance(value, str) and value else None


def _without_patients(claims: Mapping[str, Any]) -> dict[str, Any]:
    claim = claims.get(attest.CLAIM)
    if not isinstance(claim, dict) or "patients" not in claim:
        return dict(claims)
    return {**claims, attest.CLAIM: {name: value for name, value in claim.items() if name != "patients"}}


def _is_our_issuer(core: Core, call: Call, issuer: str | None) -> bool:
    """Any alias of this sandbox's issuer, character for character (ruling R27)."""
    if issuer is None:
        return False
    return issuer == call.issuer or is_address_of(
        issuer, "helseid", call.sandbox.id, seen_host=call.host, public_url=core.settings.public_url
    )
