"""What all addresses of kjernejournal share: the event id on every answer, and the errors in their two forms."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from app.core import Core
from app.directory import AccessRule
from app.errors import Reason, Refusal
from app.fhir.bundle import JSON as FHIR_JSON
from app.routers.common import methods_at, trail_of
from app.services.kjernejournal.errors import KjError, error_of
from app.services.kjernejournal.port import CriticalInformation
from app.trust.gate import challenge
from app.trust.release import claim_proof, security_event
from app.trust.trail import Trail

EVENT: Final = "X-EVENT-ID"
JSON: Final = "application/json;charset=UTF-8"
UNCACHED: Final = "no-cache, must-revalidate, private, s-maxage=0"
FHIR: Final = "/v1/fhir"
"""What the paths of the FHIR surface begin with."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What an address needs to answer: the service that holds the records, and what its callers must have."""

    core: Core
    info: CriticalInformation
    rule: AccessRule

    def status_of(self) -> Callable[[Reason], int]:
        """The status of a reason, for the audit record."""
        return lambda reason: error_of(reason, self.info).status


def event_of(trail: Trail) -> str:
    """The id of a call: the caller's own when there is one."""
    return str(trail.notes.get("event") or f"Id-{trail.call.exchange}")


def answered(trail: Trail, body: bytes, status: int = 200, media_type: str = JSON) -> Response:
    """An answer with the headers that every answer has."""
    response = Response(body, status, media_type=None)
    response.headers.update({"Content-Type": media_type, "Cache-Control": UNCACHED, EVENT: event_of(trail)})
    return response


async def claim_now(core: Core, trail: Trail) -> None:
    """Claim the proof's single-use key at once, where no audit record is written that could take it along."""
    await claim_proof(core, trail)
    trail.replay = None


def refused(setup: Setup, request: Request, refusal: Refusal) -> Response:
    """The refusal in the form of the operation."""
    trail = trail_of(request)
    if trail.reason is None:
        trail.reason, trail.detail = refusal.reason, refusal.detail
    found = error_of(refusal, setup.info)
    if refusal.reason is Reason.GONE:
        return answered(trail, refusal.extra["body"].encode(), found.status, FHIR_JSON)
    response = in_form(request, found)
    if found.status == 401:
        for value in challenge(refusal, setup.rule):
            response.headers.append("WWW-Authenticate", value)
    if found.status == 405 and refusal.extra.get("allow"):
        response.headers["Allow"] = refusal.extra["allow"]
    return response


def in_form(request: Request, error: KjError) -> Response:
    """An error in the form of the operation that was called; 429 has no body (kritisk-info.md section 3.1)."""
    fhir = request.scope["path"].startswith(FHIR)
    body = b"" if error.status == 429 else error.outcome() if fhir else error.plain()
    return answered(trail_of(request), body, error.status, FHIR_JSON if fhir else JSON)


def add_errors(app: FastAPI, setup: Setup) -> None:
    """Answer every refusal, unknown address and failure of ``app``."""

    @app.exception_handler(Refusal)
    async def refuse(request: Request, refusal: Refusal) -> Response:
        trail = trail_of(request)
        if trail.access is None or trail.access.patient_nin is None:
            # Nothing was audited, so nothing has claimed the proof yet.
            try:
                await claim_now(setup.core, trail)
            except Refusal as replayed:
                refusal = replayed
            security_event(trail, refusal)
        return refused(setup, request, refusal)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            allow = {"allow": ", ".join(sorted(methods_at(app, request)))}
            refusal = Refusal(Reason.METHOD_NOT_ALLOWED, "the method is not supported here", extra=allow)
        else:
            refusal = Refusal(Reason.ROUTE_UNKNOWN, "there is nothing at this address")
        return refused(setup, request, refusal)

    @app.exception_handler(Exception)
    async def failed(request: Request, _error: Exception) -> Response:
        return refused(setup, request, Refusal(Reason.INTERNAL, "an unexpected error; see the server log"))


class EventRoute(APIRoute):
    """A route whose good answers too have the event id."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            response = await handler(request)
            response.headers[EVENT] = event_of(trail_of(request))
            response.headers["Cache-Control"] = UNCACHED
            return response

        return handle
