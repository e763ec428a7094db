"""Tokens the issuer made and gets back: as subject token, at userinfo and introspection, as a hint at logout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.trust import issuer_keys
from app.trust.jose import JoseError, Jwt, parse, verify
from app.trust.sts.context import Context


async def read_issued(
    context: Context, token: str, *, typ: str = "at+jwt", expired_ok: bool = False
) -> Mapping[str, Any] | None:
    """The claims of a token this issuer signed and that is valid now on the sandbox clock; None for any other."""
    try:
        jwt = parse(token, max_bytes=context.settings.max_jwt_bytes)
    except JoseError:
        return None
    if jwt.header.get("typ") != typ or not await _ours(context, jwt):
        return None
    issuer, exp, now = jwt.claims.get("iss"), jwt.claims.get("exp"), context.moment.sandbox
    if not isinstance(issuer, str) or not context.is_issuer(issuer):
        return None
    if not isinstance(exp, int) or (exp <= now and not expired_ok):
        return None
    return jwt.claims


async def _ours(context: Context, jwt: Jwt) -> bool:
    kid = jwt.header.get("kid")
    keys = await issuer_keys.verification_keys(context.core, context.sandbox)
    if not isinstance(kid, str):
        return False
    key = keys.get(kid)
    if key is None:
        key = (await issuer_keys.verification_keys(context.core, context.sandbox, refresh=True)).get(kid)
    return key is not None and verify(jwt, key, algorithms=(issuer_keys.ALGORITHM,))
