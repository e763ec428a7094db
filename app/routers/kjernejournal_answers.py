"""What all addresses of kjernejournal share: the event id on every answer, and the errors in their two forms."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from app.core import Core
from app.directory import AccessRule
from app.errors import Reason, Refusal
from app.fhir.bundle import JSON as FHIR_JSON
from app.routers.common import trail_of
from app.routers.refusing import Render
from app.services.kjernejournal.errors import KjError, error_of
from app.services.kjernejournal.port import CriticalInformation
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


def in_form(request: Request, error: KjError) -> Response:
    """An error in the form of the operation that was called; 429 has no body (kritisk-info.md section 3.1)."""
    fhir = request.scope["path"].startswith(FHIR)
    body = b"" if error.status == 429 else error.outcome() if fhir else error.plain()
    return answered(trail_of(request), body, error.status, FHIR_JSON if fhir else JSON)


def rendered(info: CriticalInformation) -> Render:
    """What answers a refusal in the form of the operation."""

    def render(request: Request, refusal: Refusal) -> Response:
        found = error_of(refusal, info)
        if refusal.reason is Reason.GONE:
            return answered(trail_of(request), refusal.extra["body"].encode(), found.status, FHIR_JSON)
        return in_form(request, found)

    return render


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
