"""After the login: userinfo, introspection, revocation and logout (trust.md section 2, rulings C26, C36)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from app.core import Core
from app.store import clients as client_store
from app.store import grants as store
from app.store.engine import Connection
from app.trust.sts import assertion
from app.trust.sts.assertion import Caller
from app.trust.sts.clients import Client
from app.trust.sts.context import Context
from app.trust.sts.errors import StsError
from app.trust.sts.issued import read_issued
from app.trust.sts.parameters import Parameters
from app.trust.sts.request import is_loopback
from app.trust.sts.subject import Subject
from app.trust.sts.tokens import identity_claims
from app.trust.trail import Trail

HPR_DETAILS = "helseid://claims/hpr/hpr_details"
_HPR_SCOPE = "helseid://scopes/hpr/hpr_number"
_AUTHORIZATION_LIST = "urn:oid:2.16.578.1.12.4.1.1.9060"


async def userinfo(core: Core, trail: Trail, authorization: tuple[str, ...], proofs: tuple[str, ...]) -> dict[str, Any]:
    """The claims of the login behind an access token.

    Bearer or DPoP will do, also Bearer with a bound token; a proof is not looked at (ruling C26).
    Raises ``StsError("invalid_token")`` or ``("insufficient_scope")``.
    """
    context = Context(core, trail)
    scheme, _, token = (authorization[0] if len(authorization) == 1 else "").partition(" ")
    if scheme.lower() not in ("bearer", "dpop") or not token:
        raise StsError("invalid_token", "send one Authorization header with the access token", 401)
    claims = await read_issued(context, token.strip())
    if claims is None:
        raise StsError("invalid_token", "the access token is not valid here, or has expired", 401)
    if "cnf" in claims and (scheme.lower() == "bearer" or not proofs):
        context.note("C26", "a token bound to a key was sent without a proof of the key")
    scopes = [scope for scope in _listed(claims.get("scope")) if isinstance(scope, str)]
    if "openid" not in scopes:
        raise StsError("insufficient_scope", "the access token lacks openid", 403)
    sandbox, sid = context.sandbox.id, str(claims.get("sid"))
    body = await core.store.read(lambda conn: store.look(conn, sandbox, "session", sid, context.moment.sandbox))
    if body is None:
        raise StsError("invalid_token", "the session has ended", 401)
    subject = Subject.load({name: body[name] for name in Subject.__dataclass_fields__})
    answer: dict[str, Any] = {"sub": subject.sub} | identity_claims(subject, scopes)
    if _HPR_SCOPE in scopes and subject.hpr is not None:
        answer[HPR_DETAILS] = _hpr_details(subject)
    return answer


async def introspect(core: Core, trail: Trail, form: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """RFC 7662: the claims of an access token, or ``active`` false. Raises ``StsError``."""
    context, parameters = Context(core, trail), Parameters(form)
    await _spend(context, await assertion.authenticate(context, parameters))
    token = parameters.get("token")
    if token is None:
        raise StsError("invalid_request", "token is missing")
    claims = await read_issued(context, token)
    if claims is None:
        return {"active": False}
    scope = claims.get("scope")
    return {"active": True, **claims, "scope": " ".join(map(str, _listed(scope)))}


async def revoke(core: Core, trail: Trail, form: Iterable[tuple[str, str]]) -> None:
    """RFC 7009: end a refresh token of the client; an access token lives until it expires. Raises ``StsError``."""
    context, parameters = Context(core, trail), Parameters(form)
    caller = await assertion.authenticate(context, parameters)
    token, sandbox = parameters.get("token"), context.sandbox.id

    def record(conn: Connection) -> StsError | None:
        if not assertion.settle(conn, sandbox, caller):
            return assertion.replayed()
        if token is None:
            return StsError("invalid_request", "token is missing")
        body = store.look(conn, sandbox, "refresh", token, context.moment.sandbox)
        if body is not None and body["request"]["client_id"] == caller.client.id:
            store.take(conn, sandbox, "refresh", token)
        return None

    refused = await core.store.write(record)
    if refused is not None:
        raise refused


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """Where to send the browser after logout; None when it stays on our page."""

    location: str | None


async def end_session(core: Core, trail: Trail, pairs: Iterable[tuple[str, str]]) -> LoggedOut:
    """End a session. A redirect needs an ``id_token_hint``, which may have expired. Raises ``StsError``."""
    context, parameters = Context(core, trail), Parameters(pairs)
    hint, uri = parameters.get("id_token_hint"), parameters.get("post_logout_redirect_uri")
    if hint is None:
        return LoggedOut(None)
    claims = await read_issued(context, hint, typ="JWT", expired_ok=True)
    if claims is None:
        raise StsError("invalid_request", "id_token_hint is not an ID token of this issuer")
    sandbox, sid, client_id = context.sandbox.id, str(claims.get("sid")), str(claims.get("aud"))
    client = await core.store.read(lambda conn: client_store.find(conn, sandbox, client_id))
    trail.client_id = client.id if client is not None else None
    await core.store.write(lambda conn: store.take(conn, sandbox, "session", sid))
    if uri is None:
        return LoggedOut(None)
    if client is None or not _may_return(client, uri):
        raise StsError("invalid_request", "post_logout_redirect_uri is not registered for the client")
    state = parameters.get("state")
    if state is None:
        return LoggedOut(uri)
    return LoggedOut(f"{uri}{'&' if '?' in uri else '?'}state={quote(state, safe='')}")


async def _spend(context: Context, caller: Caller) -> None:
    if not await context.core.store.write(lambda conn: assertion.settle(conn, context.sandbox.id, caller)):
        raise assertion.replayed()


def _may_return(client: Client, uri: str) -> bool:
    return uri in client.post_logout_redirect_uris or (uri.isprintable() and is_loopback(uri))


def _hpr_details(subject: Subject) -> dict[str, Any]:
    """Shape inferred: only the name of the claim is known (real-clients.md section 7)."""
    return {
        "hpr_number": subject.hpr,
        "approvals": [
            {"profession": {"code": code, "system": _AUTHORIZATION_LIST}} for code in sorted(subject.authorizations)
        ],
    }


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else str(value or "").split()
