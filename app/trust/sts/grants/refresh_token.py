"""``refresh_token``: not rotated unless the setting says so (ruling R25), not bound to the DPoP key (T-38)."""

from __future__ import annotations

from app.ids import new_token
from app.store import grants as store
from app.store.engine import Connection
from app.trust.sts.errors import StsError
from app.trust.sts.grants.base import Ask, IdToken, Plan, Refresh, nothing
from app.trust.sts.grants.login import content_of, load_login

_ERROR = "invalid_grant"


async def handle(ask: Ask) -> Plan:
    """A new access token for the same login, for another audience if ``resource`` says so (T-39, C20)."""
    context, sandbox, now = ask.context, ask.context.sandbox.id, ask.context.moment.sandbox
    token = ask.parameters.get("refresh_token")
    if token is None:
        raise StsError("invalid_request", "refresh_token is missing")
    body = await context.core.store.read(lambda conn: store.look(conn, sandbox, "refresh", token, now))
    if body is None:
        raise StsError(_ERROR, "the refresh token is unknown, revoked or has expired")
    login = load_login(body)
    if login.request.client_id != ask.caller.client.id:
        raise StsError(_ERROR, "the refresh token was given to another client")
    asked = ask.parameters.scopes()
    if not set(asked) <= set(login.request.scopes):
        raise StsError("invalid_scope", "scope is wider than was granted")
    content = await content_of(ask, login, asked or login.request.scopes)
    wanted = IdToken() if "openid" in login.request.scopes else None
    expires = float(body["expires"])
    if not context.settings.rotate_refresh_tokens:
        return Plan(content, nothing, wanted, Refresh(token, expires))
    renewed = new_token(context.core.ids)

    def work(conn: Connection) -> StsError | None:
        if not store.take(conn, sandbox, "refresh", token):
            return StsError(_ERROR, "the refresh token was used before")
        store.keep(conn, sandbox, "refresh", renewed, login.dump(), expires)
        return None

    return Plan(content, work, wanted, Refresh(renewed, expires))
