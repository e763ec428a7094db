"""HelseID Selvbetjening's API on the wire: drafts of clients, and a client that sees and changes itself.

selvbetjening.md section 2. Handlers read the request themselves; a body that may hold a private key is kept out of
the journal until it has been seen that it does not (B15).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

import orjson
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from app.core import Core
from app.directory import BY_NAME
from app.errors import Reason, Refusal
from app.routers import selvbetjening_openapi as described
from app.routers.common import credentials_of, read_body, single, trail_of
from app.routers.examining import Reader, by_routes
from app.services.selvbetjening import changes, drafts, errors, fields, keys, registration, templates
from app.services.selvbetjening.errors import invalid
from app.services.selvbetjening.templates import API_KEY_HEADER, Template
from app.store import clients
from app.store.engine import Connection
from app.trust.examine import Asked, Flaws
from app.trust.gate import authenticate, challenge, examine
from app.trust.principal import Principal
from app.trust.release import claim_proof, security_event
from app.trust.sts.clients import Client
from app.trust.trail import Trail

T = TypeVar("T")
_RULE: Final = BY_NAME["selvbetjening-api"].rule
_SHOWN_RULE: Final = replace(_RULE, schemes=("DPoP",))  # Bearer is tolerated, not announced (B13)
_NO_STORE: Final = {"Cache-Control": "no-store"}
_DRAFTS: Final = "/client-drafts"
_NOTHING: Final[frozenset[str]] = frozenset()
_REQUEST: Final = frozenset({"request"})


def create(core: Core) -> FastAPI:
    """The application of the service ``selvbetjening-api``."""
    app = FastAPI(
        title="HelseID Selvbetjening API",
        description="How a vendor's installer registers a client, and how a client renews its key.",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    _add_onboarding(app, core)
    _add_client(app, core)
    _add_keys(app, core)
    _add_errors(app)
    return app


def reader(core: Core, app: FastAPI) -> Reader:
    """Reads a request as the handlers do, with everything that is wrong in its token and proof (ruling R63)."""
    operations = by_routes(app)

    async def read(request: Request, flaws: Flaws) -> Asked | None:
        await operations(request, flaws)
        if not request.scope["path"].endswith(_DRAFTS):
            await examine(core, trail_of(request), _RULE, credentials_of(request), request.method, flaws.refuse)
        return None

    return read


def _add_onboarding(app: FastAPI, core: Core) -> None:
    async def draft(request: Request) -> Response:
        """The client template is the one the API key belongs to. A person confirms the draft in the portal."""
        trail = _begun(request)
        sandbox, settings, now = trail.call.sandbox.id, trail.call.sandbox.settings, trail.call.moment.sandbox
        sent = single(request, API_KEY_HEADER)
        template: Template = await core.store.read(lambda conn: templates.of_key(conn, sandbox, sent))
        drafts.refuse_multi_tenant(template)
        body = await _public_json(core, request, trail)
        if not isinstance(body, dict):
            raise invalid("", "the body must be a JSON object")
        given = {name: member for name, member in body.items() if member is not None}
        order = drafts.read_order(given, template, settings.profile, _noting(trail))
        client_id = await core.store.write(
            lambda conn: drafts.file(conn, sandbox, template, order, core.ids, now, settings)
        )
        changes.record(
            trail, "draft", client_id, by=f"template {template.id}", org=order.organisation, key=order.key.thumbprint
        )
        return JSONResponse({"clientId": client_id}, 201, headers=_NO_STORE)

    _route(app, "POST", _DRAFTS, draft, "draft", versions=("v1", "v0.2", "v0.1"))


def _add_client(app: FastAPI, core: Core) -> None:
    async def show(request: Request) -> Response:
        """Each scope and claim says whether it is granted or waits for the API's owner."""
        trail = _begun(request)
        client = await _caller(core, request, trail)
        return JSONResponse(registration.current(client), headers=_NO_STORE)

    async def change(request: Request) -> Response:
        """The body replaces all of it: a member that is missing or null becomes empty."""
        trail = _begun(request)
        client = await _caller(core, request, trail)
        body = fields.parse_object(await _json_body(core, request))
        sandbox = trail.call.sandbox.id

        def work(conn: Connection) -> None:
            # Read anew: another installation of the same client may have changed it meanwhile.
            before = registration.find(conn, sandbox, client.id)
            template = templates.find(conn, sandbox, before.template)
            update = registration.read_update(body, before, template)
            clients.put(conn, sandbox, registration.updated(before, update, template))

        await core.store.write(work)
        changes.record(trail, "update", client.id, by=_who(trail))
        return Response(status_code=204, headers=_NO_STORE)

    async def delegations(request: Request) -> Response:
        """Of a multi-tenant client: who delegated to its supplier and signed which terms. Others get an empty list."""
        trail = _begun(request)
        client = await _caller(core, request, trail)
        sandbox = trail.call.sandbox.id
        found = await core.store.read(lambda conn: registration.delegations(conn, sandbox, client))
        return JSONResponse(found, headers=_NO_STORE)

    async def old_status(request: Request) -> Response:
        """Replaced by `GET /v1/client`."""
        trail = _begun(request)
        trail.note("DEPRECATED", "client-status was replaced by GET /v1/client", level="deprecated")
        client = await _caller(core, request, trail, blocked=True)
        return JSONResponse(registration.old_status(client), headers=_NO_STORE)

    _route(app, "GET", "/client", show, "client")
    _route(app, "PUT", "/client", change, "update")
    _route(app, "GET", "/multi-tenant-delegations", delegations, "delegations")
    _route(app, "GET", "/client-status", old_status, "status", versions=("v1", "v0.2", "v0.1"))


def _add_keys(app: FastAPI, core: Core) -> None:
    async def add(request: Request) -> Response:
        """The public JWK as an object, or as a JSON text that holds it. The old keys live until they expire."""
        trail = _begun(request)
        client = await _caller(core, request, trail)
        key = keys.read_jwk(await _public_json(core, request, trail))
        call = trail.call

        def work(conn: Connection) -> Client:
            keys.refuse_foreign(conn, call.sandbox.id, key, client.id)
            before = registration.find(conn, call.sandbox.id, client.id)
            after = keys.with_key(before, key, "Api", call.moment.sandbox, call.sandbox.settings)
            clients.put(conn, call.sandbox.id, after)
            return after

        _, note = keys.notes_of(await core.store.write(work))[key.thumbprint]
        assert note.expires is not None  # a key from the API has an end
        ends = registration.instant(note.expires)
        changes.record(trail, "key", client.id, by=_who(trail), key=key.thumbprint, expires=ends)
        return JSONResponse({"expiration": ends}, headers=_NO_STORE)

    async def show(request: Request) -> Response:
        """Every key with its end; `Gui` keys were made or uploaded by hand."""
        trail = _begun(request)
        client = await _caller(core, request, trail)
        return JSONResponse(registration.key_list(client), headers=_NO_STORE)

    _route(app, "POST", "/client-secret", add, "key", versions=("v1", "v0.2", "v0.1"))
    _route(app, "GET", "/client-secret", show, "keys")


def _route(
    app: FastAPI, method: str, path: str, endpoint: Any, name: str, *, versions: tuple[str, ...] = ("v1",)
) -> None:
    """Mount at each version; only the newest is documented."""
    for version in versions:
        app.add_api_route(
            f"/{version}{path}",
            endpoint,
            methods=[method],
            operation_id=f"{name}_{version.replace('.', '_')}",
            response_class=Response,
            include_in_schema=version == "v1",
            **described.OPERATIONS[name],
        )


# who calls


def _begun(request: Request) -> Trail:
    trail = trail_of(request)
    path = request.scope["path"]
    trail.operation, trail.status_of = f"{request.method} {path}", errors.status_of
    if not path.startswith("/v1/"):
        trail.note("DEPRECATED", "this version of the API is an old one: use /v1", level="deprecated")
    return trail


async def _caller(core: Core, request: Request, trail: Trail, *, blocked: bool = False) -> Client:
    """The client that calls, found by its token and nothing else (B11); a ``blocked`` one only if that is allowed.

    Raises ``Refusal``.
    """
    try:
        caller = (await authenticate(core, trail, _RULE, credentials_of(request), request.method)).principal
    finally:
        await claim_proof(core, trail)
    sandbox = trail.call.sandbox.id
    client = await core.store.read(lambda conn: registration.find(conn, sandbox, caller.client_id))
    _refuse_unbound(trail, caller, client)
    if client.blocked and not blocked:
        raise Refusal(Reason.CLIENT_NOT_ALLOWED, "the client is blocked")
    return client


def _refuse_unbound(trail: Trail, caller: Principal, client: Client) -> None:
    """A token that is bound to no key is taken from a client that may have such (B13)."""
    if caller.jkt is not None:
        return
    if client.dpop == "required":
        raise Refusal(Reason.TOKEN_INVALID, "Expected a DPoP token", source="B13", extra={"scheme": "DPoP"})
    trail.note("B13", "the access token is not bound to a key; Selvbetjening asks for DPoP", level="risk")


def _who(trail: Trail) -> str:
    """The client by its proof key, which tells installations apart; and the person, where one is logged in."""
    cnf = trail.claims.get("cnf")
    jkt = str(cnf.get("jkt")) if isinstance(cnf, Mapping) else "-"
    subject = trail.claims.get("sub")
    return f"client {jkt}" + (f" person {subject}" if subject else "")


# what is read of a request


async def _json_body(core: Core, request: Request) -> bytes:
    """Raises ``Refusal``: BODY_TOO_LARGE, CONTENT_TYPE_INVALID, or ``Invalid`` for an empty body."""
    body = await read_body(request, core.settings.max_body_bytes)
    if not body.strip():
        raise invalid("", "the body is empty")
    media = (single(request, "Content-Type") or "").partition(";")[0].strip().lower()
    if media != "application/json" and not media.endswith("+json"):
        raise Refusal(Reason.CONTENT_TYPE_INVALID, "the body must be application/json")
    return body


async def _public_json(core: Core, request: Request, trail: Trail) -> Any:
    """The JSON of a body that should hold a public key, which is in the journal only when it does (B15)."""
    trail.withheld = _REQUEST
    value = fields.parse(await _json_body(core, request))
    if keys.holds_private(value):
        trail.note("B15", "a private key was sent: consider it known to others, and make a new one", level="critical")
        raise invalid("publicJwk", keys.PRIVATE_TEXT)
    trail.withheld = _NOTHING
    return value


def _noting(trail: Trail) -> Callable[[str, str, str], None]:
    return lambda code, text, level: trail.note(code, text, level=level)


# refusals


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(Refusal)
    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        return _refused(request, error)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 405:
            allow = (error.headers or {}).get("Allow", "")
            text = "the operation takes another method"
            return _refused(request, Refusal(Reason.METHOD_NOT_ALLOWED, text, extra={"allow": allow}))
        return _refused(request, Refusal(Reason.ROUTE_UNKNOWN, "there is nothing at this address"))

    @app.exception_handler(Exception)
    async def failed(request: Request, _error: Exception) -> Response:
        return _refused(request, Refusal(Reason.INTERNAL, "an unexpected error; see the server log"))


def _refused(request: Request, refusal: Refusal) -> Response:
    trail = trail_of(request)
    trail.outcome, trail.reason, trail.detail = "DENY", refusal.reason, refusal.detail
    status = errors.status_of(refusal.reason)
    response = Response(
        orjson.dumps(errors.problem(refusal, request.scope["path"])),
        status,
        headers=_NO_STORE,
        media_type=errors.MEDIA_TYPE,
    )
    if refusal.reason is Reason.API_KEY_INVALID:
        response.headers["WWW-Authenticate"] = 'ApiKey realm="selvbetjening"'
    elif status == 401:
        response.headers["WWW-Authenticate"] = ", ".join(challenge(refusal, _SHOWN_RULE))
    elif status == 405:
        response.headers["Allow"] = refusal.extra["allow"]
    if status in (401, 403):
        security_event(trail, refusal)
    return response
