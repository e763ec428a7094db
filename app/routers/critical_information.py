"""Pasientens kritiske informasjon v1: ``/status`` and the records (kritisk-info.md §1, §3 and §4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import orjson
from fastapi import FastAPI, Request
from fastapi.responses import Response

from app.core import Core
from app.directory import BY_NAME, AccessRule
from app.errors import Reason, Refusal
from app.fhir.bundle import JSON as FHIR_JSON
from app.identity import Identifier
from app.routers import critical_information_openapi as described
from app.routers.common import credentials_of, read_body, single, trail_of
from app.routers.critical_records import Admitted, Surface, add_records, examine_record
from app.routers.examining import Reader, by_routes
from app.routers.nhn_headers import OF_USERS, Said, event_of, identifier
from app.routers.nhn_headers import said as said_in
from app.routers.refusing import Render, add_errors
from app.services.kritiskinfo import errors, headers, records, status
from app.services.kritiskinfo.categories import TYPES
from app.services.kritiskinfo.headers import SYSTEM
from app.services.kritiskinfo.source import RecordSource
from app.store.engine import Connection
from app.trust import release as releasing
from app.trust.examine import Asked, Flaws
from app.trust.facts import Facts
from app.trust.gate import Authenticated, authenticate, examine
from app.trust.policy import KI_STATUS, KJ, decide
from app.trust.policy import Request as PolicyRequest
from app.trust.principal import Access, Channel, Principal
from app.trust.release import claim_proof
from app.trust.trail import Trail

SERVICE: Final = BY_NAME["critical-information"]
PREFIX: Final = "/api/critical-information/v1"
_JSON: Final = "application/json"
_STATUS_TYPES: Final = frozenset({_JSON, FHIR_JSON})


def create(core: Core) -> FastAPI:
    """The application of the service ``critical-information``."""
    app = FastAPI(title=SERVICE.title, description=described.ABOUT, openapi_url=None, redirect_slashes=False)
    app.add_api_route(
        f"{PREFIX}/status",
        _status_handler(core),
        methods=["POST"],
        summary="Whether there is critical information, when it was changed, and what the patient has restricted",
        operation_id="status",
        response_class=Response,
        responses=described.STATUS_RESPONSES,
        openapi_extra=described.STATUS,
    )
    surface = Surface(core, PREFIX, partial(_admit, core), described.HEADERS, lambda type_: (f"{type_}s",))
    add_records(app, surface)
    nothing_here = f"there is nothing at this address; the types are {', '.join(TYPES)}"
    add_errors(app, core, _rendered(core), rule_of, nothing_here=nothing_here)
    return app


def reader(core: Core, app: FastAPI) -> Reader:
    """Reads a request as the handlers do, with everything that is wrong in it (ruling R63)."""
    by_route = by_routes(app)

    async def read(request: Request, flaws: Flaws) -> Asked | None:
        trail = trail_of(request)
        trail.status_of = errors.status_of
        await by_route(request, flaws)
        telling = request.scope["path"] == f"{PREFIX}/status"
        rule = rule_of(trail, machine=telling)
        caller = await examine(core, trail, rule, credentials_of(request), request.method, flaws.refuse)
        machine = telling and caller is not None and caller.principal.channel is Channel.MACHINE
        said = _said(request, trail, machine=machine)
        for fault in said.faults:
            flaws.refuse(fault)
        if telling:
            await _examine_status(core, request, caller, said, flaws)
            return None
        asked = await examine_record(request, PREFIX, flaws)
        if caller is None or asked is None:
            return None
        access = _access(trail, caller.principal, trail.call.tail.lstrip("/"), said)
        return Asked(access, KJ, asked[0], RecordSource(access.sandbox, trail.call.base + PREFIX, asked[1]))

    return read


async def _examine_status(core: Core, request: Request, caller: Authenticated | None, said: Said, flaws: Flaws) -> None:
    trail = trail_of(request)
    try:
        asked = await _asked_of_status(request, trail)
        if said.patient is not None:
            _require_same(said.patient, asked)
        if caller is not None:
            access = _access(trail, caller.principal, "status", replace(said, patient=asked))
            facts, _ = await _looked_up(core, trail, access)
            _require_may_ask(trail, PolicyRequest(access=access, facts=facts, service=KI_STATUS, op="read"))
    except Refusal as refusal:
        flaws.refuse(refusal)


# who comes in


def rule_of(trail: Trail, *, machine: bool = False) -> AccessRule:
    """What is demanded of a caller; ``machine`` lets machines in too. Bearer is a switch (ruling S4)."""
    schemes = SERVICE.rule.schemes if trail.call.sandbox.settings.ki_bearer == "on" else ("DPoP",)
    return replace(SERVICE.rule, schemes=schemes, user=not machine)


async def _admit(core: Core, request: Request, operation: str) -> Admitted:
    """The order of checks is that of ruling R5."""
    trail = trail_of(request)
    trail.operation, trail.status_of = operation, errors.status_of
    caller = await authenticate(core, trail, rule_of(trail), credentials_of(request), request.method)
    said = _said(request, trail)
    return Admitted(_access(trail, caller.principal, operation, said), KJ, said.fault)


def _said(request: Request, trail: Trail, *, machine: bool = False) -> Said:
    return said_in(request, trail, (SYSTEM,) if machine else OF_USERS)


def _access(trail: Trail, principal: Principal, operation: str, said: Said) -> Access:
    if said.system is not None:
        trail.notes["sourceSystem"] = said.system
    return Access(
        sandbox=trail.call.sandbox.id,
        service=SERVICE.rule.audit_service,
        operation=operation,
        moment=trail.call.moment,
        principal=principal,
        patient_nin=said.patient.value if said.patient is not None else None,
        basis=said.basis,
        role=said.role,
        correlation_id=said.event,
    )


# status


def _status_handler(core: Core) -> described.Handler:
    async def handle(request: Request) -> Response:
        return await _status(core, request)

    return handle


async def _status(core: Core, request: Request) -> Response:
    """Nothing clinical but dates is told: no reading of the patient's record, and not in the audit chain (S11)."""
    trail = trail_of(request)
    trail.operation, trail.status_of = "status", errors.status_of
    caller = await authenticate(core, trail, rule_of(trail, machine=True), credentials_of(request), request.method)
    await claim_proof(core, trail)
    machine = caller.principal.channel is Channel.MACHINE
    said = _said(request, trail, machine=machine)
    if said.fault is not None:
        raise said.fault
    asked = await _asked_of_status(request, trail)
    if said.patient is not None:
        _require_same(said.patient, asked)
    access = _access(trail, caller.principal, "status", replace(said, patient=asked))
    facts, heads = await _looked_up(core, trail, access)
    asking = PolicyRequest(access=access, facts=facts, service=KI_STATUS, op="read")
    _require_may_ask(trail, asking)
    assert facts.patient is not None  # else it was refused
    found = status.summary(heads, records.today(access.moment.sandbox))
    body = status.body(facts.patient.nin, found, status.privacy(asking), machine=machine)
    return Response(body, media_type=_JSON)


def _require_same(header: Identifier, body: Identifier) -> None:
    if header.value != body.value:
        text = "the body and the header name different patients"
        raise Refusal(Reason.PATIENT_ID_INVALID, text, source="kritisk-info.md §1.1")


async def _asked_of_status(request: Request, trail: Trail) -> Identifier:
    media = (single(request, "Content-Type") or "").partition(";")[0].strip().lower()
    if media not in _STATUS_TYPES:
        raise Refusal(Reason.CONTENT_TYPE_INVALID, f"the body must be {_JSON}")
    body = await read_body(request, trail.call.sandbox.settings.max_body_bytes)
    try:
        sent = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refusal(Reason.BODY_INVALID, "the body is not JSON") from None
    nin = sent.get("nin") if isinstance(sent, dict) else None
    if not isinstance(nin, str):
        raise Refusal(Reason.PATIENT_ID_INVALID, "the body must have the member nin", source="kritisk-info.md §3")
    return identifier(trail, nin)


async def _looked_up(core: Core, trail: Trail, access: Access) -> tuple[Facts, Sequence[records.Head]]:
    """What registers, settings and records say. Raises ``Refusal`` for what a fault of the sandbox has taken away."""
    releasing.require_store(trail, KI_STATUS)
    if not await releasing.privacy_answers(trail):
        raise Refusal(Reason.PRIVACY_UNAVAILABLE, "the privacy settings could not be read in time", source="R44")

    def read(conn: Connection) -> tuple[Facts, Sequence[records.Head]]:
        facts = releasing.facts_of(conn, access, KI_STATUS)
        patient = facts.patient
        return facts, records.heads(conn, access.sandbox, patient.id) if patient is not None else ()

    return await core.store.read(read)


def _require_may_ask(trail: Trail, asking: PolicyRequest) -> None:
    """Who may ask at all: settings refuse nobody here, they are told. Raises ``Refusal``."""
    trail.access, trail.policy, trail.op, trail.facts = asking.access, KI_STATUS, "read", asking.facts
    decision = decide(replace(asking, facts=replace(asking.facts, settings=())))
    trail.outcome, trail.reason, trail.rule = decision.outcome.value, decision.reason, decision.rule
    if not decision.releases:
        reason = decision.reason or Reason.INTERNAL
        raise Refusal(reason, errors.wire(reason).text, source=decision.rule or "")


# what is answered when nothing is granted


def _rendered(core: Core) -> Render:
    def render(request: Request, refusal: Refusal) -> Response:
        row = errors.wire(refusal)
        if row.key == "gone":
            return Response(refusal.extra["body"], row.status, media_type=FHIR_JSON)
        return answered(request, row, event_of(core, request), refusal.detail, refusal.extra.get("location", ""))

    return render


def answered(
    request: Request, row: errors.WireError, event: str, diagnostics: str = "", location: str = ""
) -> Response:
    """The answer a row of the error table stands for; 429 has no body."""
    if row.key == "load":
        return Response(status_code=row.status)
    response = Response(row.outcome(event, diagnostics, location), row.status, media_type=FHIR_JSON)
    for name in headers.ERROR_CODES:
        response.headers[name] = row.code
    return response
