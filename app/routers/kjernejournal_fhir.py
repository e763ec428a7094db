"""The older FHIR surface: critical information with a ticket of helseindikator (kritisk-info.md §1.2, ruling S27).

The records, their bytes and ids are those of critical information v1; the headers and the errors are its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request
from fastapi.routing import APIRoute

from app.directory import BY_NAME
from app.errors import Reason, Refusal
from app.fhir.bundle import JSON
from app.routers import kjernejournal_openapi as described
from app.routers.common import credentials_of, single, trail_of
from app.routers.critical_records import Admitted, Surface, add_records
from app.routers.examining import tried
from app.routers.kjernejournal_answers import FHIR, Setup
from app.services.kjernejournal import rules, tickets
from app.services.kjernejournal.errors import KjError
from app.services.kjernejournal.tickets import Ticket
from app.services.kritiskinfo import errors
from app.services.kritiskinfo.source import Everything, RecordSource
from app.trust.examine import Asked, Flaws
from app.trust.gate import authenticate, examine
from app.trust.policy import KJ_LEGACY, Op
from app.trust.principal import Access, Basis, Principal
from app.trust.trail import Trail

SERVICE: Final = BY_NAME["kjernejournal"]
TICKET: Final = "X-kj-ticket"
USE: Final = "KJ-SAMTYKKE-BRUK"
OPENING: Final = "KJ-SAMTYKKE-SPERRET-KRITISKINFO"


_OPS: Final[Mapping[str, Op]] = MappingProxyType(
    {"GET": "search", "POST": "create", "PUT": "update", "DELETE": "delete"}
)


def add_fhir(app: FastAPI, setup: Setup) -> None:
    """Put the operations of critical information on ``app``, below ``/v1/fhir``."""
    known = len(app.routes)
    add_records(app, Surface(setup.core, FHIR, partial(_admit, setup), described.FHIR_HEADERS))
    for route in app.routes[known:]:
        if isinstance(route, APIRoute):
            _describe_errors(route)


async def _admit(setup: Setup, request: Request, operation: str) -> Admitted:
    """Token, then ticket, then the headers: from the ticket on the patient is known, and the attempt is audited."""
    trail = trail_of(request)
    trail.operation, trail.status_of = operation, setup.status_of()
    caller = await authenticate(setup.core, trail, setup.rule, credentials_of(request), request.method)
    ticket = await _ticket(setup, request, trail, caller.principal)
    try:
        rules.epj_system(single(request, "X-EPJ-System"))
        basis = rules.ground(single(request, USE), single(request, OPENING), ticket.consent)
    except Refusal as refusal:
        return Admitted(_access(trail, caller.principal, operation, ticket, None), KJ_LEGACY, refusal)
    return Admitted(_access(trail, caller.principal, operation, ticket, basis), KJ_LEGACY)


async def _ticket(setup: Setup, request: Request, trail: Trail, principal: Principal) -> Ticket:
    value = rules.ticket(single(request, TICKET))
    sandbox, now, organisation = trail.call.sandbox.id, trail.call.moment.sandbox, principal.orgnr_parent
    return await setup.core.store.read(lambda conn: tickets.read(conn, sandbox, value, organisation, now))


def _access(trail: Trail, principal: Principal, operation: str, ticket: Ticket, basis: Basis | None) -> Access:
    return Access(
        sandbox=trail.call.sandbox.id,
        service=SERVICE.rule.audit_service,
        operation=operation,
        moment=trail.call.moment,
        principal=principal,
        patient_nin=ticket.number,
        basis=basis,
    )


async def examine_fhir(setup: Setup, request: Request, flaws: Flaws) -> Asked | None:
    """Everything that is wrong with a request; the content of a resource is not judged."""
    trail = trail_of(request)
    caller = await examine(setup.core, trail, setup.rule, credentials_of(request), request.method, flaws.refuse)
    tried(lambda: rules.epj_system(single(request, "X-EPJ-System")), flaws, "")
    basis = tried(lambda: rules.ground(single(request, USE), single(request, OPENING), None), flaws, Basis.SAMTYKKE)
    op = _OPS.get(request.method)
    if op is None:
        flaws.refuse(Refusal(Reason.METHOD_NOT_ALLOWED, f"the method must be one of {', '.join(_OPS)}"))
    if caller is None or op is None:
        return None
    try:
        ticket = await _ticket(setup, request, trail, caller.principal)
    except Refusal as refusal:
        flaws.refuse(refusal)
        return None
    if single(request, USE) is None and single(request, OPENING) is None:
        basis = ticket.consent or basis
    access = _access(trail, caller.principal, trail.call.tail.lstrip("/"), ticket, basis)
    return Asked(access, KJ_LEGACY, op, RecordSource(access.sandbox, trail.call.base + FHIR, Everything()))


def _describe_errors(route: APIRoute) -> None:
    """The errors of the operation in the form of this surface: the same statuses, two issues."""
    for status, told in route.responses.items():
        rows = [row for row in errors.ERRORS.values() if row.status == status and row.key not in ("gone", "load")]
        if int(status) >= 400 and rows:
            told["content"] = {JSON: {"schema": {"type": "object"}, "examples": dict(map(_example, rows))}}


def _example(row: errors.WireError) -> tuple[str, dict[str, Any]]:
    shown = KjError(row.status, row.legacy_code, row.text)
    return row.key, {"summary": row.text, "value": orjson.loads(shown.outcome())}
