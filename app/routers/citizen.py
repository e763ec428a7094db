"""The citizen side: own critical information, and who has read it (ruling S16). Ours, no national API.

The caller is who logged in, without any role as a health worker; ``for`` names another they act for, by the id of the
sandbox's register, never by number.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import Response

from app.core import Core
from app.directory import BY_NAME
from app.errors import Reason, Refusal
from app.fhir.bundle import JSON as FHIR_JSON
from app.routers.common import credentials_of, trail_of
from app.routers.critical_information_openapi import HEADERS
from app.routers.refusing import add_errors
from app.services.citizen import errors, log
from app.services.citizen.port import Records
from app.services.citizen.source import LogSource, RecordsSource
from app.store import registers
from app.trust.citizen import index_key, release_to_citizen
from app.trust.gate import authenticate
from app.trust.policy import CITIZEN_LOG, KJ, Outcome
from app.trust.principal import Access, Channel, Principal
from app.trust.release import Released, accountable
from app.trust.trail import Trail

SERVICE: Final = BY_NAME["citizen"]
LOG_CHAIN: Final = "CITIZEN"
"""The audit chain of readings of the log itself."""
JSON: Final = "application/json"
_ABOUT: Final = (
    "**Not a national API.** What a citizen reads of their own data, or of somebody they act for. Log in as a person "
    "with scope `sandkasse:citizen/read`; the rules of age, parents, fullmakt and guardians are Helsenorge's."
)


def create(core: Core, records: Records) -> FastAPI:
    """The application of the service ``citizen``; ``records`` are those of critical information."""
    app = FastAPI(title=SERVICE.title, description=_ABOUT, openapi_url=None, redirect_slashes=False)

    async def information(request: Request) -> Response:
        return await _information(core, records, request)

    async def access_log(request: Request) -> Response:
        return await _access_log(core, request)

    _add(app, "/critical-information", information, "Critical information, as kjernejournal stores it", FHIR_JSON, {})
    _add(app, "/access-log", access_log, "Who has read or changed data, newest first", JSON, log.PARAMETERS)
    add_errors(app, core, _render, lambda _trail: SERVICE.rule, other_method="citizens read only")
    return app


def _add(
    app: FastAPI,
    path: str,
    endpoint: Callable[[Request], Awaitable[Response]],
    summary: str,
    media_type: str,
    parameters: Mapping[str, str],
) -> None:
    query = [_query(name, text) for name, text in {**_FOR, **parameters}.items()]
    app.add_api_route(
        path,
        endpoint,
        methods=["GET"],
        summary=summary,
        operation_id=path.strip("/"),
        response_class=Response,
        responses=_responses(path, media_type),
        openapi_extra={"parameters": [*_CREDENTIALS, *query]},
    )


async def _information(core: Core, records: Records, request: Request) -> Response:
    trail, access = await _asked(core, request, "critical-information", SERVICE.rule.audit_service)
    source = RecordsSource(access.sandbox, trail.call.base, records)
    async with accountable(core, trail, access, KJ):
        released = await release_to_citizen(core, trail, access, KJ, "search", source)
    if released.answer is None and released.decision.outcome is Outcome.EMPTY:
        return Response(source.empty(), media_type=FHIR_JSON)
    return _answer(released)


async def _access_log(core: Core, request: Request) -> Response:
    """Reading the log is logged, and does not stand in it."""
    trail, access = await _asked(core, request, "access-log", LOG_CHAIN)
    async with accountable(core, trail, access, CITIZEN_LOG):
        wanted = log.read_wanted(dict(request.query_params))
        source = LogSource(access.sandbox, wanted, await index_key(core))
        released = await release_to_citizen(core, trail, access, CITIZEN_LOG, "search", source, shown=False)
    return _answer(released)


async def _asked(core: Core, request: Request, operation: str, chain: str) -> tuple[Trail, Access]:
    """Who asks, and about whom."""
    trail = trail_of(request)
    trail.operation, trail.status_of = operation, errors.status_of
    caller = await authenticate(core, trail, SERVICE.rule, credentials_of(request), request.method)
    principal = replace(caller.principal, channel=Channel.CITIZEN)
    if principal.hpr is not None:
        raise Refusal(Reason.ROLE_NOT_ALLOWED, "a health worker's token is not a citizen's", source="S16")
    number = await _patient(core, trail, principal, request)
    access = Access(
        sandbox=trail.call.sandbox.id,
        service=chain,
        operation=operation,
        moment=trail.call.moment,
        principal=principal,
        patient_nin=number,
        represented=number if number != principal.pid else None,
    )
    return trail, access


async def _patient(core: Core, trail: Trail, principal: Principal, request: Request) -> str:
    """The number of the person it is about: the citizen, or whom ``for`` names. Raises ``Refusal``."""
    stated, own = request.query_params.getlist("for"), principal.pid or ""
    if not stated:
        return own
    if len(stated) > 1:
        raise Refusal(Reason.PARAMETER_INVALID, "for was sent more than once", source="S16")
    sandbox = trail.call.sandbox.id
    found = await core.store.read(lambda conn: registers.person_by_id(conn, sandbox, stated[0]))
    if found is None:
        raise Refusal(Reason.PATIENT_UNKNOWN, "for must be the id of a person of the sandbox", source="S16")
    return found.nin


def _answer(released: Released) -> Response:
    if released.answer is not None:
        return Response(released.answer.body, media_type=released.answer.media_type)
    decision = released.decision
    raise Refusal(decision.reason or Reason.INTERNAL, "this is not open to you", source=decision.rule or "")


# what is answered when nothing is granted


def _render(_request: Request, refusal: Refusal) -> Response:
    status = errors.status_of(refusal.reason)
    return Response(errors.problem(status, refusal.detail), status, media_type=errors.MEDIA_TYPE)


# what the OpenAPI document says

_FOR: Final = {"for": "The id of the person to act for, such as `P08`; without it the citizen's own data."}
_CREDENTIALS: Final = [each for each in HEADERS if each["name"] in ("Authorization", "DPoP")]
_EXAMPLES: Final[Mapping[str, Any]] = {
    "/critical-information": {"resourceType": "Bundle", "type": "searchset", "total": 0},
    "/access-log": {
        "total": 1,
        "items": [
            {
                "time": "2026-11-20T09:12:03.000Z",
                "service": "Pasientens kritiske informasjon",
                "action": "Lest",
                "granted": True,
                "elevated": True,
                "ground": "Akutt – åpnet sperrede opplysninger",
                "person": {"kind": "practitioner", "name": "ÅRVÅKEN LEGEROT", "role": "Lege", "hpr": "222250101"},
                "organisation": {
                    "name": "FRISK FJORD SYKEHUS, SOMATIKK",
                    "orgnr": "315500303",
                    "legalEntity": "315500109",
                },
                "what": ["Overfølsomhet"],
                "changed": False,
                "eventId": "01KF000000000000000000000",
            }
        ],
    },
}
_PROBLEMS: Final = {
    400: "A parameter is wrong",
    401: "No valid token",
    403: "Not open to this citizen",
    405: "Only GET is taken",
    500: "The reading could not be logged, or something else went wrong",
}


def _query(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": text, "schema": {"type": "string"}}


def _responses(path: str, media_type: str) -> dict[int | str, dict[str, Any]]:
    found: dict[int | str, dict[str, Any]] = {
        200: {"description": "What was asked for", "content": {media_type: {"example": _EXAMPLES[path]}}}
    }
    for status, text in _PROBLEMS.items():
        found[status] = {"description": text, "content": {errors.MEDIA_TYPE: {}}}
    return found
