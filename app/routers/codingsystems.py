"""The code systems of kjernejournal on the wire (ruling S26).

Nothing is about a patient: a call is journalled, and stands in no audit chain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import Response

from app.core import Core
from app.directory import BY_NAME
from app.routers import nhn_headers
from app.routers.common import credentials_of, trail_of
from app.routers.critical_information_openapi import HEADERS
from app.routers.refusing import Render, add_errors
from app.services.codingsystems import errors, listing
from app.services.kritiskinfo.headers import EVENT, SYSTEM
from app.trust.gate import authenticate
from app.trust.release import claim_proof
from app.trust.trail import Trail

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
_SERVICE: Final = BY_NAME["codingsystems"]
_ROOT: Final = "/api/v1/codingsystems"
_ABOUT: Final = (
    "The code lists that critical information is written with, for a daily refresh of an EPJ's own copies. "
    "The lists are small selections; the paths are the sandbox's own, because the real ones are not public."
)


def create(core: Core) -> FastAPI:
    """The application of the service ``codingsystems``."""
    app = FastAPI(title=_SERVICE.title, description=_ABOUT, openapi_url=None, redirect_slashes=False)
    _add_reads(app, core)
    add_errors(app, core, _rendered(core), lambda _trail: _SERVICE.rule, other_method="only GET is taken")
    return app


def _add_reads(app: FastAPI, core: Core) -> None:
    async def overview(request: Request) -> Response:
        trail = await _admitted(core, request, "codingsystems")
        return _answer(request, listing.overview(_day(trail)))

    async def listed(request: Request, id: str) -> Response:
        trail = await _admitted(core, request, "codingsystems/{id}")
        wanted = listing.read_wanted(dict(request.query_params))
        return _answer(request, listing.listed(id, wanted, _day(trail)))

    async def single(request: Request, id: str, code: str) -> Response:
        trail = await _admitted(core, request, "codingsystems/{id}/codes/{code}")
        return _answer(request, listing.single(id, code, _day(trail)))

    _add(app, _ROOT, overview, "Every code system with its version", "list_codingsystems", _OVERVIEW_EXAMPLE)
    _add(app, _ROOT + "/{id}", listed, "One code system with its codes", "read_codingsystem", _LIST_EXAMPLE, _QUERY)
    _add(app, _ROOT + "/{id}/codes/{code}", single, "One code, in force or not", "read_code", _CODE_EXAMPLE)


def _add(
    app: FastAPI,
    path: str,
    endpoint: Callable[..., Any],
    summary: str,
    operation: str,
    example: object,
    query: tuple[Mapping[str, Any], ...] = (),
) -> None:
    app.add_api_route(
        path,
        endpoint,
        methods=["GET"],
        summary=summary,
        operation_id=operation,
        response_class=Response,
        responses=_responses(example),
        openapi_extra={"parameters": [*_HEADERS, *query]},
    )


async def _admitted(core: Core, request: Request, operation: str) -> Trail:
    """Who calls may call, the proof is claimed and the mandatory header is there. Raises ``Refusal``."""
    trail = trail_of(request)
    trail.operation, trail.status_of = operation, errors.status_of
    await authenticate(core, trail, _SERVICE.rule, credentials_of(request), request.method)
    await claim_proof(core, trail)
    fault = nhn_headers.said(request, trail, (SYSTEM,)).fault
    if fault is not None:
        raise fault
    return trail


def _day(trail: Trail) -> date:
    return listing.loaded(trail.call.moment.sandbox)


def _answer(request: Request, body: bytes) -> Response:
    tag = listing.tag(body)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if tag in [each.strip().removeprefix("W/") for each in request.headers.get("If-None-Match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=JSON, headers=headers)


# what is answered when there is nothing to give


def _rendered(core: Core) -> Render:
    return lambda request, refusal: answered(
        errors.wire(refusal.reason), nhn_headers.event_of(core, request), refusal.detail
    )


def answered(row: errors.WireError, event: str, detail: str) -> Response:
    """The problem document a row of the error table stands for. ``event`` is the id of the call."""
    response = Response(row.body(event, detail), row.status, media_type=PROBLEM)
    if row.code:
        response.headers[errors.CODE_HEADER] = row.code
    return response


# what the OpenAPI document says

_HEADERS: Final = [each for each in HEADERS if each["name"] in ("Authorization", "DPoP", SYSTEM.now, EVENT.now)]

_HEAD_EXAMPLE: Final = {
    "id": "SandboxInfection",
    "name": "Smitte",
    "system": "http://nhn.no/kj/fhir/CodeSystem/SandboxInfection",
    "version": "2026.1",
    "lastChanged": "2026-01-15T04:00:00Z",
    "count": 8,
}
_CODE_EXAMPLE: Final = {"code": "101", "display": "MRSA", "active": True, "validFrom": "2024-01-01", "validTo": None}
_OVERVIEW_EXAMPLE: Final = [_HEAD_EXAMPLE]
_LIST_EXAMPLE: Final = {**_HEAD_EXAMPLE, "codes": [_CODE_EXAMPLE]}
_QUERY: Final = (
    {
        "name": "version",
        "in": "query",
        "required": False,
        "description": "An earlier edition of the list; without it the one in force.",
        "schema": {"type": "string"},
        "example": "2025.1",
    },
    {
        "name": "includeInactive",
        "in": "query",
        "required": False,
        "description": "Show codes that are no longer in force. They are left out, unless changedSince is given.",
        "schema": {"type": "boolean"},
        "example": True,
    },
    {
        "name": "changedSince",
        "in": "query",
        "required": False,
        "description": "Only codes that came into force, or went out of it, from this day on.",
        "schema": {"type": "string", "format": "date"},
        "example": "2025-06-01",
    },
)
_PROBLEMS: Final = {
    304: "Nothing has changed since the ETag of If-None-Match",
    400: "A header is missing or invalid (AUTH-0003), or a parameter is",
    401: "No valid token (AUTH-0010)",
    403: "A token without the scope, level or organisation (AUTH-0010)",
    404: "No such code system, version or code",
    405: "Only GET is taken",
    429: "Too many calls; the body is empty",
    500: "Something went wrong",
}


def _responses(example: object) -> dict[int | str, dict[str, Any]]:
    found: dict[int | str, dict[str, Any]] = {
        200: {"description": "What was asked for", "content": {JSON: {"example": example}}}
    }
    for status, text in _PROBLEMS.items():
        found[status] = {"description": text}
        if status not in (304, 429):
            found[status]["content"] = {PROBLEM: {}}
    return found
