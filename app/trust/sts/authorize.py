"""The authorization endpoint: from a pushed request to a login to a code (trust.md section 2.3, R18, R26, C32–C35)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from app.clock import Moment
from app.core import Core
from app.ids import new_token
from app.store import clients as client_store
from app.store import grants as store
from app.store.engine import Connection
from app.trust.jose import b64encode
from app.trust.sts.clients import Client
from app.trust.sts.context import Context, Tolerance
from app.trust.sts.enrich import enrich
from app.trust.sts.errors import StsError
from app.trust.sts.grants.login import Login
from app.trust.sts.login import Hint, log_in, read_hint
from app.trust.sts.par import URI_PREFIX
from app.trust.sts.parameters import Parameters
from app.trust.sts.request import AuthRequest, check_redirect, load_request, read_request
from app.trust.sts.subject import Subject
from app.trust.trail import Trail

LOGIN_SECONDS = 900
_NOT_PUSHED = "the request_uri is unknown, used or has expired"


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send the browser back to the client, in the form ``mode`` (query, fragment or form_post)."""

    uri: str
    mode: str
    parameters: tuple[tuple[str, str], ...]

    @property
    def location(self) -> str:
        """The address for query and fragment."""
        mark = "#" if self.mode == "fragment" else "&" if "?" in self.uri else "?"
        return self.uri + mark + urlencode(self.parameters, quote_via=quote)


@dataclass(frozen=True, slots=True)
class LoginPage:
    """Show the login page; its form gives ``handle`` back."""

    handle: str
    client: Client
    request: AuthRequest


async def authorize(
    core: Core, trail: Trail, query: Iterable[tuple[str, str]], sandbox_login: str | None
) -> Redirect | LoginPage:
    """Answer an authorization request; ``sandbox_login`` is the header that does what ``login_hint`` does (R26).

    Raises ``StsError`` for what must not be sent back to the client: an error page.
    """
    context, parameters = Context(core, trail), Parameters(query)
    client_id = parameters.get("client_id")
    if client_id is None:
        raise StsError("invalid_request", "client_id is missing")
    sandbox = context.sandbox.id
    client = await core.store.read(lambda conn: client_store.find(conn, sandbox, client_id))
    if client is None or not context.knows(client):
        raise StsError("unauthorized_client", "unknown client")
    trail.client_id = client_id
    uri = parameters.get("request_uri")
    if uri is None:
        return await _plain(context, client, parameters, sandbox_login)
    handle = uri.removeprefix(URI_PREFIX)
    body = await core.store.read(lambda conn: store.look(conn, sandbox, "par", handle, context.moment.sandbox))
    if body is None or not uri.startswith(URI_PREFIX):
        raise StsError("invalid_request", _NOT_PUSHED)
    request = load_request(body)
    if request.client_id != client.id:
        raise StsError("invalid_request", "the request_uri was given to another client")
    return await _begin(context, client, request, sandbox_login, handle)


async def continue_login(core: Core, trail: Trail, handle: str, hint: Hint | None) -> Redirect:
    """The login page's answer: the person chosen, or None when the user gave up.

    Raises ``StsError("login_required")`` when there is no such person (the page may be shown again), and
    ``StsError("invalid_request")`` when the page is too old or was answered before.
    """
    context = Context(core, trail)
    client, request = await pending_login(context, handle)
    if hint is None:
        sandbox = context.sandbox.id
        await core.store.write(lambda conn: store.take(conn, sandbox, "login", handle))
        return _refusal(context, request, StsError("access_denied", "the user gave up the login"))
    subject = await log_in(context, hint)
    return await _finish(context, client, request, subject, ("login", handle))


async def pending_login(context: Context, handle: str) -> tuple[Client, AuthRequest]:
    """What a login page was shown for. Raises ``StsError("invalid_request")``."""
    sandbox = context.sandbox.id
    body = await context.core.store.read(
        lambda conn: store.look(conn, sandbox, "login", handle, context.moment.sandbox)
    )
    request = load_request(body) if body is not None else None
    client = (
        await context.core.store.read(lambda conn: client_store.find(conn, sandbox, request.client_id))
        if request is not None
        else None
    )
    if request is None or client is None:
        raise StsError("invalid_request", "the login page is too old or was answered before")
    context.trail.client_id = client.id
    return client, request


async def _plain(
    context: Context, client: Client, parameters: Parameters, sandbox_login: str | None
) -> Redirect | LoginPage:
    """A request that was not pushed, from a client that may send such (ruling C34)."""
    if client.par == "required" or parameters.get("response_type") is None:
        raise StsError("invalid_request", "request_uri is missing: push the authorization request first")
    profile = context.profile_of(client)
    Tolerance(context, profile, "invalid_request").risk("T-31", "the authorization request was not pushed")
    uri = check_redirect(client, parameters.get("redirect_uri"))
    try:
        request = await read_request(context, client, parameters)
    except StsError as error:
        state, mode = parameters.every("state"), parameters.get("response_mode") or "query"
        return Redirect(uri, mode, _error_parameters(context, error, state[0] if state else None))
    return await _begin(context, client, request, sandbox_login, None)


async def _begin(
    context: Context, client: Client, request: AuthRequest, sandbox_login: str | None, pushed: str | None
) -> Redirect | LoginPage:
    hint = request.login or sandbox_login
    if hint is None and request.prompt != "none":
        return await _show_login(context, client, request, pushed)
    held: tuple[store.Kind, str] | None = ("par", pushed) if pushed is not None else None
    try:
        subject = await log_in(context, read_hint(hint or ""))
    except StsError as error:
        await _spend(context, held)
        return _refusal(context, request, error)
    return await _finish(context, client, request, subject, held)


async def _show_login(context: Context, client: Client, request: AuthRequest, pushed: str | None) -> LoginPage:
    handle, sandbox = new_token(context.core.ids), context.sandbox.id
    expires = context.moment.sandbox + LOGIN_SECONDS

    def record(conn: Connection) -> bool:
        if pushed is not None and not store.take(conn, sandbox, "par", pushed):
            return False
        store.keep(conn, sandbox, "login", handle, request.dump(), expires)
        return True

    if not await context.core.store.write(record):
        raise StsError("invalid_request", _NOT_PUSHED)
    return LoginPage(handle, client, request)


async def _finish(
    context: Context,
    client: Client,
    request: AuthRequest,
    subject: Subject,
    held: tuple[store.Kind, str] | None,
) -> Redirect:
    """Give the code. What the login shows to be wrong with an attest goes back as an error (ruling R18)."""
    try:
        await enrich(
            context, client, subject, assertion={}, stored=request.structures, received=Moment(*request.received)
        )
    except StsError as error:
        await _spend(context, held)
        return _refusal(context, request, error)
    code, sandbox, now = new_token(context.core.ids), context.sandbox.id, context.moment.sandbox
    settings = context.settings

    def record(conn: Connection) -> bool:
        if held is not None and not store.take(conn, sandbox, *held):
            return False
        store.keep(conn, sandbox, "code", code, Login(request, subject).dump(), now + settings.code_seconds)
        store.keep(conn, sandbox, "session", subject.sid, subject.dump(), now + settings.refresh_token_seconds)
        return True

    if not await context.core.store.write(record):
        raise StsError("invalid_request", _NOT_PUSHED)
    return Redirect(
        request.redirect_uri,
        request.response_mode,
        (
            ("code", code),
            *((("state", request.state),) if request.state is not None else ()),
            ("iss", context.issuer),
            ("session_state", _session_state(context, request, subject)),
        ),
    )


async def _spend(context: Context, held: tuple[store.Kind, str] | None) -> None:
    if held is not None:
        kind, handle = held
        sandbox = context.sandbox.id
        if not await context.core.store.write(lambda conn: store.take(conn, sandbox, kind, handle)):
            raise StsError("invalid_request", _NOT_PUSHED)


def _refusal(context: Context, request: AuthRequest, error: StsError) -> Redirect:
    return Redirect(request.redirect_uri, request.response_mode, _error_parameters(context, error, request.state))


def _error_parameters(context: Context, error: StsError, state: str | None) -> tuple[tuple[str, str], ...]:
    context.trail.outcome, context.trail.detail = error.error, error.description
    pairs: Sequence[tuple[str, str]] = [("error", error.error), ("error_description", error.description)]
    if state is not None:
        pairs = [*pairs, ("state", state)]
    return (*pairs, ("iss", context.issuer))


def _session_state(context: Context, request: AuthRequest, subject: Subject) -> str:
    """Opaque to clients (OpenID Connect Session Management section 3)."""
    salt = new_token(context.core.ids, 9)
    origin = "/".join(request.redirect_uri.split("/")[:3])
    text = f"{request.client_id} {origin} {subject.sid} {salt}"
    return f"{b64encode(hashlib.sha256(text.encode()).digest())}.{salt}"
