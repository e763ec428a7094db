"""``authorization_code`` (RFC 6749 section 4.1, RFC 7636, RFC 9449 section 10)."""

from __future__ import annotations

import hashlib
import hmac

from app.ids import new_token
from app.store import grants as store
from app.store.engine import Connection
from app.trust.jose import b64encode
from app.trust.sts.errors import StsError
from app.trust.sts.grants.base import Ask, IdToken, Plan, Refresh
from app.trust.sts.grants.login import Login, content_of, load_login

_ERROR = "invalid_grant"


async def handle(ask: Ask) -> Plan:
    """Redeem a code. A second use is refused and revokes what the first one gave (T-36)."""
    context = ask.context
    code = ask.parameters.get("code")
    if code is None:
        raise StsError("invalid_request", "code is missing")
    login = await _redeemable(ask, code)
    request = login.request
    if ask.parameters.get("redirect_uri") != request.redirect_uri:
        raise StsError(_ERROR, "redirect_uri is not that of the authorization request")
    _check_verifier(ask.parameters.get("code_verifier"), request.code_challenge)
    if request.jkt is not None and ask.jkt != request.jkt:
        raise StsError("invalid_dpop_proof", "the code is bound to another DPoP key")
    content = await content_of(ask, login, _scopes(ask, login))
    now, sandbox = context.moment.sandbox, context.sandbox.id
    until = now + context.settings.refresh_token_seconds
    refresh = Refresh(new_token(context.core.ids), until) if "offline_access" in request.scopes else None

    def work(conn: Connection) -> StsError | None:
        if not store.redeem(conn, sandbox, code, refresh.token if refresh is not None else None, until):
            store.revoke_of_code(conn, sandbox, code)
            return _reused()
        if refresh is not None:
            store.keep(conn, sandbox, "refresh", refresh.token, login.dump(), refresh.expires)
        return None

    wanted = IdToken(request.nonce, request.state) if "openid" in request.scopes else None
    return Plan(content, work, wanted, refresh)


async def _redeemable(ask: Ask, code: str) -> Login:
    context, sandbox = ask.context, ask.context.sandbox.id
    body = await context.core.store.read(lambda conn: store.look(conn, sandbox, "code", code, context.moment.sandbox))
    if body is None:
        raise StsError(_ERROR, "the code is unknown or has expired")
    if body.get("used"):
        await context.core.store.write(lambda conn: store.revoke_of_code(conn, sandbox, code))
        raise _reused()
    login = load_login(body)
    if login.request.client_id != ask.caller.client.id:
        raise StsError(_ERROR, "the code was given to another client")
    return login


def _check_verifier(verifier: str | None, challenge: str) -> None:
    digest = b64encode(hashlib.sha256((verifier or "").encode()).digest())
    if not hmac.compare_digest(digest, challenge):
        raise StsError(_ERROR, "code_verifier does not fit the code_challenge")


def _scopes(ask: Ask, login: Login) -> tuple[str, ...]:
    asked = ask.parameters.scopes()
    if not asked:
        return login.request.scopes
    if not set(asked) <= set(login.request.scopes):
        ask.context.note("C13", "scope at the token endpoint is wider than was granted; the rest is ignored")
    return tuple(scope for scope in login.request.scopes if scope in asked)


def _reused() -> StsError:
    return StsError(_ERROR, "the code was used before")
