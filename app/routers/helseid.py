"""The HelseID-shaped issuer over HTTP (trust.md section 2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from app.core import Core
from app.errors import Reason, Refusal
from app.routers import helseid_pages as pages
from app.routers.common import credentials_of, read_form, single, trail_of
from app.routers.examining import Reader, by_routes
from app.routers.fastlane import FastLane
from app.routers.helseid_openapi import FORMS, responses
from app.trust import issuer_keys
from app.trust.examine import Asked, Flaws
from app.trust.gate import Credentials
from app.trust.sts import metadata, par, session, token
from app.trust.sts.authorize import LoginPage, authorize, continue_login, pending_login
from app.trust.sts.context import Context
from app.trust.sts.errors import StsError
from app.trust.sts.examine import ENDPOINTS, examine
from app.trust.sts.login import practitioners, read_hint

_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_KEYS_SECONDS: Final = {"Cache-Control": "public, max-age=60"}
_LOGIN_HEADER: Final = "Sandbox-Login"
_OF_REASON: Final = {
    Reason.CONTENT_TYPE_INVALID: (400, "invalid_request"),
    Reason.BODY_INVALID: (400, "invalid_request"),
    Reason.HEADER_INVALID: (400, "invalid_request"),
    Reason.BODY_TOO_LARGE: (413, "invalid_request"),
    Reason.STORE_UNAVAILABLE: (503, "temporarily_unavailable"),
    Reason.AUDIT_UNAVAILABLE: (503, "temporarily_unavailable"),
}
"""How a refusal from beneath looks at the issuer; any other is a 500 ``server_error``."""


def create(core: Core) -> FastAPI:
    """The application of the service ``helseid``."""
    app = FastLane(
        title="HelseID",
        description="The national OpenID provider as the sandbox plays it: DPoP, PAR, private_key_jwt, attest.",
        docs_url=None,
        redoc_url=None,
    )
    app.mount("/static", StaticFiles(packages=[("app.web", "static")]))
    _add_documents(app, core)
    _add_back_channel(app, core)
    _add_front_channel(app, core)
    _add_errors(app)
    return app


def _add_documents(app: FastAPI, core: Core) -> None:
    @app.get("/.well-known/openid-configuration", summary="Metadata", tags=["Metadata"])
    @app.get("/.well-known/oauth-authorization-server", include_in_schema=False)
    async def configuration(request: Request) -> Response:
        """OpenID Connect Discovery; every URL is under the issuer the call came to."""
        return JSONResponse(metadata.document(trail_of(request).call.issuer))

    @app.get("/.well-known/openid-configuration/jwks", summary="Signing keys", tags=["Metadata"])
    async def jwks(request: Request) -> Response:
        """Two RS256 keys: the current one and the next (ruling C24)."""
        ring = await issuer_keys.ring(core, trail_of(request).call.sandbox)
        return JSONResponse({"keys": [dict(jwk) for jwk in ring.published]}, headers=_KEYS_SECONDS)

    @app.get("/connect/expiredjwks", summary="Keys that were rotated out", tags=["Metadata"])
    async def expired(request: Request) -> Response:
        """Keys whose tokens may still be valid (T-108)."""
        ring = await issuer_keys.ring(core, trail_of(request).call.sandbox)
        return JSONResponse({"keys": [dict(jwk) for jwk in ring.expired]}, headers=_KEYS_SECONDS)

    @app.get("/connect/availableidps", summary="Identity providers", tags=["Metadata"])
    async def providers(request: Request) -> Response:
        return JSONResponse(metadata.identity_providers())


def _add_back_channel(app: FastLane, core: Core) -> None:
    @app.post(
        "/connect/par",
        summary="Push an authorization request",
        tags=["OAuth"],
        status_code=201,
        openapi_extra=FORMS["par"],
        responses=responses(invalid_client="", invalid_request="", invalid_scope="", access_denied=""),
    )
    async def pushed(request: Request) -> Response:
        """RFC 9126. The answer's `request_uri` is good for one authorization request."""
        form, sent = await _form(core, request), credentials_of(request)
        return JSONResponse(await par.push(core, trail_of(request), form, sent.dpop), 201, headers=_NO_STORE)

    @app.post(
        "/connect/token",
        summary="Get tokens",
        tags=["OAuth"],
        openapi_extra=FORMS["token"],
        responses=responses(
            use_dpop_nonce="The proof lacks a valid nonce: send the request again with the one in `DPoP-Nonce`.",
            invalid_client="",
            invalid_grant="",
            invalid_dpop_proof="",
            invalid_scope="",
            access_denied="",
        ),
    )
    async def tokens(request: Request) -> Response:
        """The grants `authorization_code`, `refresh_token`, `client_credentials` and token exchange."""
        form, sent = await _form(core, request), credentials_of(request)
        answer = orjson.dumps(await token.token(core, trail_of(request), form, sent.dpop))
        return Response(answer, media_type="application/json", headers=_NO_STORE)

    app.add_lane("POST", "/connect/token", tokens)

    @app.post("/connect/introspect", summary="Introspect a token", tags=["OAuth"], openapi_extra=FORMS["introspect"])
    async def introspection(request: Request) -> Response:
        """RFC 7662."""
        form = await _form(core, request)
        return JSONResponse(await session.introspect(core, trail_of(request), form), headers=_NO_STORE)

    @app.post("/connect/revocation", summary="Revoke a refresh token", tags=["OAuth"], openapi_extra=FORMS["revoke"])
    async def revocation(request: Request) -> Response:
        """RFC 7009. An access token lives until it expires."""
        await session.revoke(core, trail_of(request), await _form(core, request))
        return Response(status_code=200, headers=_NO_STORE)

    @app.get("/connect/userinfo", summary="Claims of the login", tags=["OAuth"])
    @app.post("/connect/userinfo", include_in_schema=False)
    async def userinfo(request: Request) -> Response:
        """Takes the access token as Bearer or DPoP (ruling C26)."""
        sent: Credentials = credentials_of(request)
        body = await session.userinfo(core, trail_of(request), sent.authorization, sent.dpop)
        return JSONResponse(body, headers=_NO_STORE)

    @app.post("/connect/deviceauthorization", include_in_schema=False)
    @app.post("/connect/ciba", include_in_schema=False)
    async def unserved(request: Request) -> Response:
        raise StsError("unauthorized_client", "no client of the sandbox may use this flow")


def _add_front_channel(app: FastAPI, core: Core) -> None:
    @app.get("/connect/authorize", summary="Log a person in", tags=["Login"], openapi_extra=FORMS["authorize"])
    @app.post("/connect/authorize", include_in_schema=False)
    async def authorization(request: Request) -> Response:
        """Shows the login page, or goes straight back when the request or `Sandbox-Login` names the person."""
        try:
            sent = await _sent(core, request)
            outcome = await authorize(core, trail_of(request), sent, single(request, _LOGIN_HEADER))
        except StsError as error:
            return _failed_page(request, error)
        if isinstance(outcome, LoginPage):
            return pages.login_page(request, outcome, await practitioners(Context(core, trail_of(request))))
        return pages.answer(request, outcome)

    @app.post("/connect/login", include_in_schema=False)
    async def login(request: Request) -> Response:
        trail = trail_of(request)
        form = dict(await _form(core, request))
        handle = form.get("login", "")
        try:
            if "cancel" in form:
                return pages.answer(request, await continue_login(core, trail, handle, None))
            client, asked = await pending_login(Context(core, trail), handle)
            who = form.get("pid") or form.get("person") or ""
            level, network = form.get("level", "4"), form.get("network", "helsenett")
            try:
                hint = read_hint(f"{who.replace(' ', '')} level:{level} network:{network}")
                return pages.answer(request, await continue_login(core, trail, handle, hint))
            except StsError as error:
                if error.error != "login_required":
                    raise
                people = await practitioners(Context(core, trail))
                return pages.login_page(request, LoginPage(handle, client, asked), people, failed=True)
        except StsError as error:
            return _failed_page(request, error)

    @app.get("/connect/endsession", summary="Log out", tags=["Login"])
    @app.post("/connect/endsession", include_in_schema=False)
    async def endsession(request: Request) -> Response:
        """OpenID Connect RP-Initiated Logout; an expired `id_token_hint` will do (ruling C36)."""
        try:
            done = await session.end_session(core, trail_of(request), await _sent(core, request))
        except StsError as error:
            return _failed_page(request, error)
        if done.location is None:
            return pages.logged_out(request)
        return RedirectResponse(done.location, 302, headers=_NO_STORE)

    @app.get("/connect/checksession", include_in_schema=False)
    async def checksession(request: Request) -> Response:
        return pages.check_session()


def reader(core: Core, app: FastAPI) -> Reader:
    """Reads a request to the token or PAR endpoint with everything that is wrong in it (ruling R63)."""
    known = by_routes(app)

    async def read(request: Request, flaws: Flaws) -> Asked | None:
        if request.scope["path"] not in ENDPOINTS:
            return await known(request, flaws)
        if request.method != "POST":
            flaws.refuse(Refusal(Reason.METHOD_NOT_ALLOWED, "the endpoint takes POST"))
        context = Context(core, trail_of(request))
        try:
            form = await _form(core, request)
            await examine(context, request.scope["path"], form, credentials_of(request).dpop, flaws.refuse)
        except (Refusal, StsError) as fault:
            flaws.refuse(fault)
        return None

    return read


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(StsError)
    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, StsError)
        return _refused(request, error)

    @app.exception_handler(Refusal)
    async def fault(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        status, code = _OF_REASON.get(error.reason, (500, "server_error"))
        trail_of(request).reason = error.reason
        return _refused(request, StsError(code, error.detail, status))

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        # A wrong method is an invalid request, not a 405 (T-11, ruling R11).
        if error.status_code == 405:
            return _refused(request, StsError("invalid_request", "the endpoint takes another method"))
        return _refused(request, StsError("invalid_request", "there is nothing at this address", error.status_code))


def _refused(request: Request, error: StsError) -> Response:
    trail = trail_of(request)
    trail.outcome, trail.detail = error.error, error.description
    headers = {**_NO_STORE, **error.extra}
    if error.error in ("invalid_token", "insufficient_scope"):
        headers["WWW-Authenticate"] = f'Bearer error="{error.error}", error_description="{error.description}"'
    body: dict[str, Any] = {"error": error.error, "error_description": error.description}
    return JSONResponse(body, error.status, headers=headers)


def _failed_page(request: Request, error: StsError) -> Response:
    trail = trail_of(request)
    trail.outcome, trail.detail = error.error, error.description
    return pages.error_page(request, error)


async def _form(core: Core, request: Request) -> list[tuple[str, str]]:
    return await read_form(request, core.settings.max_body_bytes)


async def _sent(core: Core, request: Request) -> Iterable[tuple[str, str]]:
    """The parameters of a request that may come as query or form."""
    if request.method == "GET":
        return list(request.query_params.multi_items())
    return await _form(core, request)
