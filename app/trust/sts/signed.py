"""JWTs that clients sign for the issuer: whose key made the signature, and whom they are addressed to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.trust.jose import ALGORITHMS, JoseError, Jwt, import_key, parse, verify
from app.trust.sts.clients import Client
from app.trust.sts.context import Context, Tolerance
from app.trust.sts.errors import StsError

CLIENT_TYP: Final = "client-authentication+jwt"
_ENDPOINTS: Final = ("/connect/token", "/connect/par")


def read_jwt(context: Context, text: str, error: str) -> Jwt:
    """Take the JWT apart. Raises ``StsError(error)`` when it is none or not signed with an allowed algorithm."""
    try:
        jwt = parse(text, max_bytes=context.settings.max_jwt_bytes)
    except JoseError as fault:
        raise StsError(error, str(fault)) from fault
    if jwt.header.get("alg") not in ALGORITHMS:
        raise StsError(error, "the JWT must be signed with one of " + ", ".join(ALGORITHMS))
    return jwt


def check_signature(jwt: Jwt, client: Client, tolerance: Tolerance) -> None:
    """Find the key of ``client`` that signed ``jwt`` (rulings C10, C11). Raises ``StsError`` when none did."""
    kid, context = jwt.header.get("kid"), tolerance.context
    jwks = client.usable_jwks(context.moment.sandbox, context.settings.activation_delay, context.core.keys)
    named = [jwk for jwk in jwks if kid is not None and jwk.get("kid") == kid]
    for jwk in named or jwks:
        if _signed_with(jwt, jwk, context):
            if kid is not None and not named:
                tolerance.note("C10", "the JWT names a key that is not the client's; the client's keys were tried")
            if jwk.get("alg") not in (None, jwt.header["alg"]):
                tolerance.note("C11", "the JWT's alg is not that of the registered key")
            return
    known = [jwk.get("kid") for jwk in client.jwks]
    tolerance.refuse("the JWT is not signed with a key of the client", found=kid, expected=f"one of the keys {known}")


def check_audience(claims: Mapping[str, Any], tolerance: Tolerance) -> None:
    """``aud`` must be the issuer; ruling C7 takes a slash after it and the two endpoints. Raises ``StsError``."""
    context, aud = tolerance.context, claims.get("aud")
    if isinstance(aud, list) and len(aud) == 1:
        aud = aud[0]
    if not isinstance(aud, str):
        tolerance.refuse("aud must be one value, the issuer", found=aud, expected=context.issuer)
        return
    if context.is_issuer(aud):
        return
    if context.is_issuer(aud.removesuffix("/")):
        tolerance.note("C7", "aud has a slash after the issuer")
        return
    if any(aud.endswith(path) and context.is_issuer(aud.removesuffix(path)) for path in _ENDPOINTS):
        tolerance.risk("T-16", "aud is an endpoint instead of the issuer")
        return
    tolerance.refuse("aud is not this issuer", found=aud, expected=context.issuer)


def _signed_with(jwt: Jwt, jwk: Mapping[str, Any], context: Context) -> bool:
    try:
        return verify(jwt, import_key(jwk, context.core.keys))
    except JoseError:
        return False
