"""Who may see the console, and which forms are its own.

Where the control API is open the console is. Elsewhere a key opens it: the installation's opens every sandbox, a
sandbox's own key that sandbox. A session remembers that, for a while and until the key is changed.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRoute

from app.core import Core
from app.errors import Reason, Refusal
from app.ids import new_token
from app.routers.common import read_form, trail_of
from app.routers.console import view
from app.sandboxes import keys
from app.store import leases
from app.store.engine import Connection

LOGIN: Final = "/console/login"
SESSION_COOKIE: Final = "sandkasse-console"
FORM_COOKIE: Final = "sandkasse-form"
FIELD: Final = "csrf"
_EVERY_SANDBOX: Final = ""  # no sandbox is named so: sessions outlive a reset
_KIND: Final = "console"
_SESSION_SECONDS: Final = 8 * 3600.0  # of real time
_MAX_KEY: Final = 500

Form = Mapping[str, str]


class ForeignForm(Refusal):
    """A form that is not from a page of ours, or from one that is too old."""

    def __init__(self, text: str) -> None:
        super().__init__(Reason.HEADER_INVALID, text)


def guarded(core: Core, *, login: bool = True) -> type[APIRoute]:
    """A route of the console: shown to whom the console is open, forms from our own pages only, errors as pages.

    With ``login`` False anybody is let in: for the log-in itself.
    """

    class GuardedRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handler = super().get_route_handler()

            async def guard(request: Request) -> Response:
                secret = request.cookies.get(FORM_COOKIE) or new_token(core.ids)
                request.state.csrf = _form_token(request, secret)
                request.state.locked = keys.demanded(core.settings)
                request.state.form = {}
                try:
                    response = await _answer(core, request, handler, login)
                except ForeignForm as refusal:
                    response = view.page(request, "error.html", status=403, error=refusal)
                except Refusal as refusal:
                    response = view.page(request, "error.html", error=refusal)
                except RequestValidationError as error:
                    first = error.errors()[0]
                    text = f"{first['loc'][-1]}: {first['msg']}"
                    response = view.page(request, "error.html", error=Refusal(Reason.PARAMETER_INVALID, text))
                if FORM_COOKIE not in request.cookies:
                    _set_cookie(request, response, FORM_COOKIE, secret, None)
                view.remember_language(request, response)
                return response

            return guard

    return GuardedRoute


def form_of(request: Request) -> Form:
    """The fields of the form that was sent; of a field sent twice the last."""
    form: Form = request.state.form
    return form


async def log_in(core: Core, request: Request, key: str) -> Response | None:
    """A session for the holder of ``key``, and on to the page asked for; None when the key opens nothing here."""
    call = trail_of(request).call
    offered = keys.digest(key[:_MAX_KEY])
    found = [opens for opens in ("*", call.sandbox.id) if _same(offered, _key(core, request, opens))]
    if not found:
        return None
    session, now = new_token(core.ids), call.moment.real
    body = orjson.dumps({"opens": found[0], "key": _mark(session, offered)})

    def remember(conn: Connection) -> None:
        leases.let_go(conn, _EVERY_SANDBOX, _KIND, expired=now)
        leases.bind(conn, _EVERY_SANDBOX, _KIND, keys.digest(session), body, now, now + _SESSION_SECONDS)

    await core.store.write(remember)
    response = RedirectResponse(call.root + _wanted(request), 303, headers=dict(view.HEADERS))
    _set_cookie(request, response, _cookie(found[0]), session, int(_SESSION_SECONDS))
    return response


async def log_out(core: Core, request: Request) -> Response:
    """End the sessions this browser has here."""
    names = [_cookie(each) for each in ("*", trail_of(request).call.sandbox.id)]
    sessions = [request.cookies[name] for name in names if name in request.cookies]

    def forget(conn: Connection) -> None:
        for session in sessions:
            leases.let_go(conn, _EVERY_SANDBOX, _KIND, key=keys.digest(session))

    await core.store.write(forget)
    response = RedirectResponse(f"{trail_of(request).call.root}{LOGIN}", 303, headers=dict(view.HEADERS))
    for name in names:
        response.delete_cookie(name, path="/")
    return response


async def opens_everything(core: Core, request: Request) -> bool:
    """Whether the caller may manage every sandbox, not only this one."""
    return not keys.demanded(core.settings) or await _opened(core, request) == "*"


async def _answer(
    core: Core, request: Request, handler: Callable[[Request], Coroutine[Any, Any, Response]], login: bool
) -> Response:
    if request.method == "POST":
        _require_own_page(request)
        request.state.form = dict(await read_form(request, core.settings.max_body_bytes))
        sent = form_of(request).get(FIELD, "")
        if FORM_COOKIE not in request.cookies or not _same(sent, request.state.csrf):
            raise ForeignForm(view.texts(request)("stale_form"))
    _require_text(request)
    if login and keys.demanded(core.settings) and await _opened(core, request) is None:
        return _to_login(request)
    return await handler(request)


async def _opened(core: Core, request: Request) -> str | None:
    """What the caller's session opens: ``*``, this sandbox, or nothing."""
    call = trail_of(request).call
    sessions = {
        each: keys.digest(value) for each in ("*", call.sandbox.id) if (value := request.cookies.get(_cookie(each)))
    }
    if not sessions:
        return None

    def read(conn: Connection) -> dict[str, bytes | None]:
        now = call.moment.real
        return {opens: leases.held(conn, _EVERY_SANDBOX, _KIND, key, now) for opens, key in sessions.items()}

    for opens, body in (await core.store.read(read)).items():
        known, key = {} if body is None else orjson.loads(body), _key(core, request, opens)
        session = request.cookies[_cookie(opens)]
        if known.get("opens") == opens and key is not None and _same(known.get("key", ""), _mark(session, key)):
            return opens
    return None


def _key(core: Core, request: Request, opens: str) -> str | None:
    """The hash of the key that opens everything, or of the sandbox's own."""
    if opens != "*":
        return trail_of(request).call.sandbox.admin_key
    key = core.settings.admin_key
    return None if key is None else keys.digest(key)


def _mark(session: str, hashed: str) -> str:
    """Ties a session to the key it was opened with. Useless to who reads the store: the session is not there."""
    return hmac.new(session.encode(), hashed.encode(), hashlib.sha256).hexdigest()


def _require_own_page(request: Request) -> None:
    """A form from another site is refused (OWASP: fetch metadata, and the origin where that is not sent)."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    call = trail_of(request).call
    ours = {call.host.lower(), urlsplit(call.root).netloc}
    foreign = origin is not None and urlsplit(origin).netloc.lower() not in ours
    if foreign or site not in (None, "same-origin"):
        raise ForeignForm(view.texts(request)("foreign_form"))


def _require_text(request: Request) -> None:
    """PostgreSQL takes no NUL, and no name or id has one. Raises ``Refusal(PARAMETER_INVALID)``."""
    sent = (request.url.path, *request.query_params.values(), *form_of(request).values())
    if any("\0" in each for each in sent):
        raise Refusal(Reason.PARAMETER_INVALID, "a NUL is no text")


def _to_login(request: Request) -> Response:
    root, tail = trail_of(request).call.root, request.url.path
    if request.method != "GET" or tail.startswith("/console/"):
        tail = "/"
    address = f"{root}{LOGIN}?next={quote(tail)}"
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={**view.HEADERS, "HX-Redirect": address})
    return RedirectResponse(address, 303, headers=dict(view.HEADERS))


def _wanted(request: Request) -> str:
    """The page that was asked for before the log-in; always one below the sandbox's own address."""
    wanted = form_of(request).get("next", "/")
    plain = wanted.startswith("/") and wanted.isascii() and wanted.isprintable() and "\\" not in wanted
    return wanted if plain and len(wanted) <= 200 else "/"


def _form_token(request: Request, secret: str) -> str:
    session = "\x1f".join(request.cookies.get(_cookie(each), "") for each in ("*", trail_of(request).call.sandbox.id))
    return hmac.new(secret.encode(), session.encode(), hashlib.sha256).hexdigest()


def _cookie(opens: str) -> str:
    return SESSION_COOKIE if opens == "*" else f"{SESSION_COOKIE}-{opens}"


def _set_cookie(request: Request, response: Response, name: str, value: str, seconds: int | None) -> None:
    secure = trail_of(request).call.root.startswith("https://")
    response.set_cookie(name, value, max_age=seconds, path="/", secure=secure, httponly=True, samesite="strict")


def _same(one: str, other: str | None) -> bool:
    return other is not None and hmac.compare_digest(one.encode(), other.encode())
