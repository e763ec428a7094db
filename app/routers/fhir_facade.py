"""The FHIR facade: critical information in the form of the basis and IPS profiles (ruling S17). No national API.

The gate of a type is that of the service that owns it; the patient's number comes in the body, or in the header of
that service.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import Response

from app.core import Core
from app.directory import BY_NAME
from app.errors import Reason, Refusal
from app.fhir.bundle import JSON
from app.identity import Identifier
from app.ids import new_uuid
from app.routers import fhir_facade_openapi as described
from app.routers import nhn_headers
from app.routers.common import credentials_of, parse_form, read_body, read_form, single, trail_of
from app.routers.critical_information import answered, rule_of
from app.routers.critical_records_openapi import Described
from app.routers.examining import Reader, by_routes, tried
from app.routers.nhn_headers import Said
from app.routers.refusing import Render, add_errors
from app.services.fhirfacade import rules
from app.services.fhirfacade.mapping import TYPES
from app.services.fhirfacade.port import Records
from app.services.fhirfacade.rules import NUMBER_SYSTEMS, Asked, Fields, Number, Read, Summary
from app.services.fhirfacade.source import FacadeSource
from app.services.fhirfacade.summary import EmptyReason, document
from app.services.kritiskinfo import errors
from app.services.kritiskinfo.headers import BASIS, PATIENT, ROLE, SYSTEM
from app.services.kritiskinfo.headers import missing as header_missing
from app.services.kritiskinfo.records import today
from app.trust.examine import Asked as Examined
from app.trust.examine import Flaws
from app.trust.gate import Authenticated, authenticate, examine
from app.trust.policy import KJ, KJ_SUMMARY, Op, Outcome, ServicePolicy
from app.trust.principal import Access
from app.trust.release import Released, accountable, release
from app.trust.trail import Trail

SERVICE: Final = BY_NAME["fhir-facade"]
_NEEDED: Final = frozenset({SYSTEM, BASIS, ROLE})
_JSON_TYPES: Final = frozenset({JSON, "application/json"})


def create(core: Core, records: Records) -> FastAPI:
    """The application of the service ``fhir-facade``; ``records`` are those of critical information."""
    app = FastAPI(title=SERVICE.title, description=described.ABOUT, openapi_url=None, redirect_slashes=False)
    for type_ in TYPES:
        _add_type(app, core, records, type_)
    _add_summary(app, core, records)
    nothing_here = f"there is nothing here; the types are {', '.join(TYPES)}"
    add_errors(app, core, _rendered(core), rule_of, nothing_here=nothing_here, other_method="the facade is read only")
    return app


def reader(core: Core, app: FastAPI, records: Records) -> Reader:
    """Reads a request as the handlers do, with everything that is wrong in it (ruling R63)."""
    by_route = by_routes(app)

    async def read(request: Request, flaws: Flaws) -> Examined | None:
        trail = trail_of(request)
        trail.status_of = errors.status_of
        await by_route(request, flaws)
        caller = await examine(core, trail, rule_of(trail), credentials_of(request), request.method, flaws.refuse)
        said = nhn_headers.said(request, trail, _NEEDED)
        for fault in said.faults:
            flaws.refuse(fault)
        stated, asked = await _asked_at(request, trail, flaws)
        patient = tried(lambda: _patient(trail, said.patient, stated), flaws, said.patient)
        if patient is None:
            flaws.refuse(header_missing(PATIENT))
        if caller is None or asked is None:
            return None
        trail.operation = trail.call.tail.lstrip("/")
        access = _access(trail, caller, said, patient)
        policy = KJ_SUMMARY if isinstance(asked, Summary) else KJ
        return Examined(access, policy, _op(asked), _source(trail, records, asked))

    return read


async def _asked_at(request: Request, trail: Trail, flaws: Flaws) -> tuple[Number | None, Asked | None]:
    """Whose data and which, by the path; what cannot be read is left out."""
    type_, _, rest = trail.call.tail.strip("/").partition("/")
    if (type_, rest) == ("Patient", "$summary"):
        stated, fault = await _parameters(request, trail)
        _keep(fault, flaws)
        return stated, Summary("", trail.call.moment.sandbox)
    if type_ not in TYPES:
        return None, None
    if rest not in ("", "_search"):
        return None, Read(type_, rest)
    try:
        fields, fault = await _fields(request, trail, type_)
    except Refusal as refusal:
        fields, fault = rules.read_search(type_, ()), refusal
    _keep(fault, flaws)
    return fields.patient, fields.search


def _keep(fault: Refusal | None, flaws: Flaws) -> None:
    if fault is not None:
        flaws.refuse(fault)


def _add_type(app: FastAPI, core: Core, records: Records, type_: str) -> None:
    async def search(request: Request) -> Response:
        return await _search(core, records, type_, request)

    async def read(request: Request) -> Response:
        return await _read(core, records, type_, request)

    for method, path, handler, description in (
        ("POST", f"/{type_}/_search", search, described.search(type_)),
        ("GET", f"/{type_}", search, described.search_by_get(type_)),
        ("GET", f"/{type_}/{{id}}", read, described.read(type_)),
    ):
        _add(app, method, path, handler, description)


def _add_summary(app: FastAPI, core: Core, records: Records) -> None:
    async def summary(request: Request) -> Response:
        return await _summary(core, records, request)

    _add(app, "POST", "/Patient/$summary", summary, described.SUMMARY)


def _add(
    app: FastAPI,
    method: str,
    path: str,
    handler: Callable[[Request], Awaitable[Response]],
    description: Described,
) -> None:
    app.add_api_route(
        path,
        handler,
        methods=[method],
        summary=description.summary,
        operation_id=description.operation,
        response_class=Response,
        responses=description.responses,
        openapi_extra=description.told(described.HEADERS),
    )


async def _search(core: Core, records: Records, type_: str, request: Request) -> Response:
    trail, caller = await _authenticated(core, request, f"{type_}/_search")
    fields, fault = await _fields(request, trail, type_)
    access, fault = _judged(request, trail, caller, fields.patient, fault)
    source = _source(trail, records, fields.search)
    released = await _released(core, trail, access, fault, KJ, source)
    if released.decision.concealed:
        return Response(source.empty(fields.search), media_type=JSON)
    return _answer(released)


async def _read(core: Core, records: Records, type_: str, request: Request) -> Response:
    trail, caller = await _authenticated(core, request, f"{type_}/read")
    access, fault = _judged(request, trail, caller, None, None)
    source = _source(trail, records, Read(type_, request.path_params["id"]))
    released = await _released(core, trail, access, fault, KJ, source)
    if released.decision.concealed:
        raise Refusal(Reason.NOT_FOUND, "the patient has no such resource", source="R10")
    return _answer(released)


async def _summary(core: Core, records: Records, request: Request) -> Response:
    """What is withheld is said in the sections, but for a protected address, which refuses it all."""
    trail, caller = await _authenticated(core, request, "Patient/$summary")
    stated, fault = await _parameters(request, trail)
    access, fault = _judged(request, trail, caller, stated, fault)
    asked = Summary(new_uuid(core.ids), trail.call.moment.sandbox)
    released = await _released(core, trail, access, fault, KJ_SUMMARY, _source(trail, records, asked))
    person = released.facts.patient
    if released.decision.outcome is not Outcome.EMPTY or person is None:
        return _answer(released)
    reason: EmptyReason = "unavailable" if trail.call.sandbox.settings.mode == "ehds" else "withheld"
    return Response(document(trail.call.base, asked.id, asked.now, person, (), reason), media_type=JSON)


async def _authenticated(core: Core, request: Request, operation: str) -> tuple[Trail, Authenticated]:
    trail = trail_of(request)
    trail.operation, trail.status_of = operation, errors.status_of
    return trail, await authenticate(core, trail, rule_of(trail), credentials_of(request), request.method)


def _source(trail: Trail, records: Records, asked: Asked) -> FacadeSource:
    return FacadeSource(trail.call.sandbox.id, trail.call.base, records, asked, today(trail.call.moment.sandbox))


async def _released(
    core: Core, trail: Trail, access: Access, fault: Refusal | None, policy: ServicePolicy, source: FacadeSource
) -> Released:
    async with accountable(core, trail, access, policy):
        if fault is not None:
            raise fault
        return await release(core, trail, access, policy, _op(source.asked), source)


def _op(asked: Asked) -> Op:
    return "read" if isinstance(asked, Read) else "search"


def _answer(released: Released) -> Response:
    if released.answer is not None:
        return Response(released.answer.body, media_type=JSON)
    reason = released.decision.reason or Reason.INTERNAL
    raise Refusal(reason, errors.wire(reason).text, source=released.decision.rule or "")


# what is read of a request


async def _fields(request: Request, trail: Trail, type_: str) -> tuple[Fields, Refusal | None]:
    """The search, and what is wrong with it: who it is about may be known all the same."""
    sent = parse_form(request.scope["query_string"])
    if request.method == "POST":
        sent += await read_form(request, trail.call.sandbox.settings.max_body_bytes)
    elif any(name in rules.PATIENT for name, _ in sent):
        trail.note("S17", "the patient's number stands in the address; POST _search keeps it out", level="risk")
    try:
        fields = rules.read_search(type_, sent)
    except Refusal as refusal:
        return rules.read_search(type_, ()), refusal
    for name in fields.ignored:
        trail.note("PARAMETER", f"the search parameter {name} was ignored")
    return fields, None


async def _parameters(request: Request, trail: Trail) -> tuple[Number | None, Refusal | None]:
    body = await read_body(request, trail.call.sandbox.settings.max_body_bytes)
    media = (single(request, "Content-Type") or "").partition(";")[0].strip().lower()
    if body and media not in _JSON_TYPES:
        return None, Refusal(Reason.CONTENT_TYPE_INVALID, f"the body must be {JSON}")
    try:
        return rules.read_parameters(body), None
    except Refusal as refusal:
        return None, refusal


def _judged(
    request: Request, trail: Trail, caller: Authenticated, stated: Number | None, fault: Refusal | None
) -> tuple[Access, Refusal | None]:
    """Who asks about whom, and the first thing wrong with headers or fields: headers come first (ruling R5)."""
    said = nhn_headers.said(request, trail, _NEEDED)
    fault, patient = said.fault or fault, said.patient
    try:
        patient = _patient(trail, said.patient, stated)
    except Refusal as refusal:
        fault = fault or refusal
    if patient is None and fault is None:
        fault = header_missing(PATIENT)
    return _access(trail, caller, said, patient), fault


def _access(trail: Trail, caller: Authenticated, said: Said, patient: Identifier | None) -> Access:
    if said.system is not None:
        trail.notes["sourceSystem"] = said.system
    return Access(
        sandbox=trail.call.sandbox.id,
        service=SERVICE.rule.audit_service,
        operation=trail.operation or "",
        moment=trail.call.moment,
        principal=caller.principal,
        patient_nin=patient.value if patient is not None else None,
        basis=said.basis,
        role=said.role,
        correlation_id=said.event,
    )


def _patient(trail: Trail, header: Identifier | None, stated: Number | None) -> Identifier | None:
    """Whom it is about, by header or request. Raises ``Refusal`` when the two differ or the number is wrong."""
    if stated is None:
        return header
    found = _identifier(trail, stated)
    if header is not None and header.value != found.value:
        raise Refusal(Reason.PATIENT_ID_INVALID, "header and request name different patients", source="ruling S18")
    return found


def _identifier(trail: Trail, stated: Number) -> Identifier:
    found = nhn_headers.identifier(trail, stated.value)
    if stated.system is not None and stated.system != found.system:
        known = "another kind of number" if stated.system in NUMBER_SYSTEMS else "no system of national numbers"
        trail.note("S13", f"the system of the patient's number is that of {known}")
    return found


# what is answered when nothing is granted


def _rendered(core: Core) -> Render:
    return lambda request, refusal: answered(
        request, errors.wire(refusal), nhn_headers.event_of(core, request), refusal.detail
    )
