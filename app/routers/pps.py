"""Pasientens prøvesvar on the wire: v1, v2 and the backdoor (pps.md §2–§7).

Handlers read the request themselves: no model stands between the socket and the stored bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import Response

from app import identity
from app.core import Core
from app.directory import BY_NAME, Service
from app.errors import Reason, Refusal
from app.fhir.bundle import JSON
from app.identity import Identifier
from app.routers import pps_openapi as described
from app.routers.common import credentials_of, headers_of, parse_form, read_form, single, trail_of
from app.routers.examining import Reader, declared, tried
from app.routers.fastlane import FastLane
from app.routers.refusing import add_errors
from app.services.provesvar import codes, errors, rules, source
from app.services.provesvar.capability import capability, spliced
from app.services.provesvar.rules import Search, SearchRule
from app.services.provesvar.source import ProvesvarSource
from app.trust.examine import Asked, Flaws
from app.trust.gate import Authenticated, authenticate, examine
from app.trust.policy import PPS, PPS_BACKDOOR, ServicePolicy
from app.trust.principal import Access, Basis, Channel, Principal
from app.trust.release import Released, accountable, claim_proof, release
from app.trust.trail import Trail

CORRELATION: Final = (
    "Cid",
    "Traceparent",
    "Correlation-Id",
    "Correlationid",
    "Correlation",
    "X-Correlation-Id",
    "X-Correlationid",
    "X-Correlation",
    "X-Request-Id",
    "X-Requestid",
    "X-Request",
)
"""In the order that counts when several are sent (ruling R7)."""

LEGACY_BASIS: Final[Mapping[str, Basis | None]] = {
    "0": None,
    "1": Basis.FORHOYET_SAMTYKKE,
    "2": Basis.FORHOYET_AKUTT,
}
"""``grunnlag`` and ``x-nilar-reason`` (ruling R35)."""

_MAX_CORRELATION: Final = 200
_BACKDOOR_LEVEL: Final = 4
_HPR: Final = re.compile(r"[0-9]{1,9}")
_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@dataclass(frozen=True, slots=True)
class Headers:
    """The names of an address's own header set; the other set is not looked at (#49)."""

    patient: str
    basis: str
    role: str
    correlation: tuple[str, ...]
    correlation_required: bool
    legacy_basis: str | None

    @property
    def correlation_sent(self) -> tuple[bytes, ...]:
        """The correlation headers as the server gives names."""
        return _as_sent(self.correlation)


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the three addresses of the service."""

    service: Service
    policy: ServicePolicy
    headers: Headers
    searches: Mapping[str, SearchRule]


_HELSEID: Final = Headers("person-id", "access-basis", "requester-hpr-role", CORRELATION, True, None)

V1: Final = Variant(BY_NAME["pps"], PPS, replace(_HELSEID, legacy_basis="grunnlag"), rules.SEARCHES)
V2: Final = Variant(BY_NAME["pps-v2"], PPS, _HELSEID, rules.SEARCHES)
BACKDOOR: Final = Variant(
    BY_NAME["pps-backdoor"],
    PPS_BACKDOOR,
    Headers(
        "x-nilar-patient",
        "x-nilar-access-basis",
        "x-nilar-requester-hpr-role",
        ("x-nilar-correlation-id",),
        False,
        "x-nilar-reason",
    ),
    {**rules.SEARCHES, **rules.LEGACY_SEARCHES},
)


def create_v1(core: Core) -> FastAPI:
    """Bearer or DPoP, the older scopes, ``grunnlag``."""
    return _app(core, V1)


def create_v2(core: Core) -> FastAPI:
    """DPoP only."""
    return _app(core, V2)


def create_backdoor(core: Core) -> FastAPI:
    """No token: the caller is who the x-nilar headers say (ruling R43)."""
    return _app(core, BACKDOOR)


def _app(core: Core, variant: Variant) -> FastAPI:
    app = FastLane(
        title=variant.service.title,
        description=described.description(variant.service.name),
        openapi_url=None,
        redirect_slashes=False,
    )
    _add_metadata(app, core, variant)
    for rule in variant.searches.values():
        _add_search(app, core, variant, rule)
    add_errors(app, core, _render, lambda _trail: variant.service.rule)
    return app


def _add_metadata(app: FastAPI, core: Core, variant: Variant) -> None:
    parts = capability(variant.searches)

    async def metadata(request: Request) -> Response:
        trail = trail_of(request)
        trail.operation = "metadata"
        if variant is V1 and trail.call.sandbox.settings.v1_metadata_bug:
            await authenticate(core, trail, variant.service.rule, credentials_of(request), request.method)
            await claim_proof(core, trail)
        return Response(spliced(parts, trail.call.base), media_type=JSON)

    for method in ("GET", "POST"):
        app.add_api_route(
            "/metadata",
            metadata,
            methods=[method],
            summary="What the service can do",
            operation_id=f"metadata_{method.lower()}",
            response_class=Response,
            responses=described.metadata_responses(variant is V1),
        )


def _add_search(app: FastLane, core: Core, variant: Variant, rule: SearchRule) -> None:
    async def search(request: Request) -> Response:
        return await _search(core, variant, rule, request)

    async def undocumented(request: Request) -> Response:
        # No method is documented on the type itself (ruling R6).
        raise Refusal(Reason.METHOD_NOT_ALLOWED, f"search with POST /{rule.type}/_search", extra={"allow": ""})

    app.add_api_route(
        f"/{rule.type}/_search",
        search,
        methods=["POST"],
        summary=f"Search the patient's {rule.type}",
        operation_id=f"search_{rule.type}",
        response_class=Response,
        responses=described.search_responses(rule, token=variant.policy.token_required),
        openapi_extra=described.search_operation(
            rule,
            backdoor=variant is BACKDOOR,
            legacy_basis=variant.headers.legacy_basis,
            correlation=variant.headers.correlation,
        ),
    )
    app.add_lane("POST", f"/{rule.type}/_search", search)
    app.add_api_route(f"/{rule.type}", undocumented, methods=_METHODS, include_in_schema=False)


async def _search(core: Core, variant: Variant, rule: SearchRule, request: Request) -> Response:
    """The order of checks is that of ruling R5."""
    trail = trail_of(request)
    trail.operation, trail.status_of = f"{rule.type}/_search", errors.status_of
    caller = _UNPROVEN
    if variant.policy.token_required:
        caller = await authenticate(core, trail, variant.service.rule, credentials_of(request), request.method)
    patient = _patient(request, trail, variant.headers.patient)
    said = _said(request, variant.headers, patient)
    correlation, basis, legacy, role = _NOTHING_SAID if isinstance(said, Refusal) else said
    access = Access(
        sandbox=trail.call.sandbox.id,
        service=variant.service.rule.audit_service,
        operation=trail.operation,
        moment=trail.call.moment,
        principal=caller.principal,
        attest=caller.attest,
        patient_nin=patient.value if isinstance(patient, Identifier) else None,
        correlation_id=correlation,
        basis=basis,
        legacy_basis=legacy,
        role=role,
    )
    # From here on the attempt is audited when the patient is known, whatever is wrong with the rest (R58).
    async with accountable(core, trail, access, variant.policy):
        if isinstance(said, Refusal):
            raise said
        if not variant.policy.token_required:
            access = replace(access, principal=_principal(request, trail))
        search = await _read_search(request, trail, rule)
        asked = ProvesvarSource(trail.call.sandbox.id, trail.call.base, search)
        released = await release(core, trail, access, variant.policy, "search", asked)
    _note_role(trail, access, released)
    return _answer(trail, search, released)


def reader(core: Core, variant: Variant) -> Reader:
    """Reads a search as the handlers do, with everything that is wrong in it (ruling R63)."""
    paths = {f"/{rule.type}/_search": rule for rule in variant.searches.values()}

    async def read(request: Request, flaws: Flaws) -> Asked | None:
        trail = trail_of(request)
        trail.status_of = errors.status_of
        if not declared(request, [("POST", path) for path in paths], flaws):
            return None
        caller: Authenticated | None = _UNPROVEN
        if variant.policy.token_required:
            sent = credentials_of(request)
            caller = await examine(core, trail, variant.service.rule, sent, request.method, flaws.refuse)
        names, patient = variant.headers, _patient(request, trail, variant.headers.patient)
        correlation = tried(lambda: _correlation(request, names), flaws, None)
        if isinstance(patient, Refusal):
            flaws.refuse(patient)
        nothing: tuple[Basis | None, bool] = (None, False)
        basis, legacy = tried(lambda: _basis(request, names), flaws, nothing)
        role = tried(lambda: _role(request, names.role), flaws, None)
        principal = None if caller is None else caller.principal
        if not variant.policy.token_required:
            principal = tried(lambda: _principal(request, trail), flaws, None)
        search = await _examine_search(request, trail, paths[request.scope["path"]], flaws)
        if caller is None or principal is None:
            return None
        access = Access(
            sandbox=trail.call.sandbox.id,
            service=variant.service.rule.audit_service,
            operation=trail.call.tail.lstrip("/"),
            moment=trail.call.moment,
            principal=principal,
            attest=caller.attest,
            patient_nin=patient.value if isinstance(patient, Identifier) else None,
            basis=basis,
            legacy_basis=legacy,
            role=role,
            correlation_id=correlation,
        )
        asked = ProvesvarSource(trail.call.sandbox.id, trail.call.base, search)
        return Asked(access, variant.policy, "search", asked)

    return read


async def _examine_search(request: Request, trail: Trail, rule: SearchRule, flaws: Flaws) -> Search:
    """Each parameter by itself; those that are wrong are left out of the search that is given back."""
    settings = trail.call.sandbox.settings
    strict, largest = settings.search_params == "strict", settings.max_page
    try:
        form = await read_form(request, settings.max_body_bytes)
    except Refusal as refusal:
        flaws.refuse(refusal)
        form = []
    query = request.scope["query_string"]
    sent = tried(lambda: rules.merge(parse_form(query), form) if query else form, flaws, form)
    sound: list[tuple[str, str]] = []
    for field in sent:
        try:
            rules.read(rule, [field], strict=strict, max_count=largest)
        except Refusal as refusal:
            flaws.refuse(refusal)
        else:
            sound.append(field)
    empty = rules.read(rule, [], strict=strict, max_count=largest)
    return tried(lambda: rules.read(rule, sound, strict=strict, max_count=largest), flaws, empty)


def _answer(trail: Trail, search: Search, released: Released) -> Response:
    """Data, an empty searchset that says why, or a refusal."""
    decision = released.decision
    if decision.releases and released.answer is not None:
        return Response(released.answer.body, media_type=JSON)
    reason = decision.reason or Reason.INTERNAL
    row = errors.wire(reason)
    if row.status != 200:
        raise Refusal(reason, row.text, source=decision.rule or "")
    outcome = errors.NOTHING_FOUND if decision.concealed else row.outcome()
    return Response(source.empty(trail.call.base, search, outcome), media_type=JSON)


# what is read of a request


def _patient(request: Request, trail: Trail, name: str) -> Identifier | Refusal:
    """The patient's number, or what is wrong with it: other headers are judged first."""
    settings = trail.call.sandbox.settings
    try:
        value = single(request, name)
        if not value:
            return Refusal(Reason.HEADER_MISSING, f"the header {name} is missing", source="pps.md §3.1")
        found = _identifier(value, settings.nin_rule, settings.docs_aliases)
    except Refusal as refusal:
        return refusal
    if found.alias:
        trail.note("ALIAS", "a published number that fails its control digits was read as a seeded person's (R50)")
    return found


@lru_cache(maxsize=1024)
def _identifier(value: str, rule: identity.Rule, docs_aliases: bool) -> Identifier:
    return identity.parse(value, rule=rule, aliases=identity.aliases_for(docs_aliases))


_Said = tuple[str | None, Basis | None, bool, str | None]
_NOTHING_SAID: Final[_Said] = (None, None, False, None)


def _said(request: Request, names: Headers, patient: Identifier | Refusal) -> _Said | Refusal:
    """The single-value headers, in order: correlation, patient, access basis, role; or the first that is wrong."""
    try:
        correlation = _correlation(request, names)
        if isinstance(patient, Refusal):
            return patient
        basis, legacy = _basis(request, names)
        return correlation, basis, legacy, _role(request, names.role)
    except Refusal as refusal:
        return refusal


def _correlation(request: Request, names: Headers) -> str | None:
    sent, found = headers_of(request.scope), None
    for wanted in names.correlation_sent:
        if wanted in sent and (found := sent[wanted][0].decode("latin-1").strip()):
            break
    if not found and names.correlation_required:
        raise Refusal(Reason.HEADER_MISSING, "a correlation id header is missing, such as X-Request-Id", source="R8")
    return found[:_MAX_CORRELATION] if found else None


@lru_cache(maxsize=8)
def _as_sent(names: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(name.lower().encode() for name in names)


def _basis(request: Request, names: Headers) -> tuple[Basis | None, bool]:
    """The access basis, and whether it came in the obsolete header; the newer header wins."""
    value = single(request, names.basis)
    if value is not None:
        try:
            return Basis(value), False
        except ValueError:
            raise Refusal(Reason.BASIS_INVALID, f"the value of {names.basis} is not known", source="R33") from None
    legacy = single(request, names.legacy_basis) if names.legacy_basis is not None else None
    if legacy is None:
        return None, False
    if legacy not in LEGACY_BASIS:
        raise Refusal(Reason.BASIS_INVALID, f"the value of {names.legacy_basis} must be 0, 1 or 2", source="R35")
    return LEGACY_BASIS[legacy], True


def _role(request: Request, name: str) -> str | None:
    value = single(request, name)
    if value is not None and value not in codes.codes_of(9060):
        raise Refusal(Reason.HEADER_INVALID, f"{name} must be a code of list 9060", source="R42")
    return value


def _principal(request: Request, trail: Trail) -> Principal:
    """Who the x-nilar headers say is asking (pps.md §3.2)."""
    hpr = single(request, "x-nilar-requester-hpr")
    if not hpr:
        raise Refusal(Reason.HEADER_MISSING, "the header x-nilar-requester-hpr is missing", source="pps.md §3.2")
    if _HPR.fullmatch(hpr) is None:
        raise Refusal(Reason.HEADER_INVALID, "x-nilar-requester-hpr must be 1 to 9 digits", source="R43")
    organisation = single(request, "x-nilar-organisation")
    if organisation is not None and not identity.is_orgnr(organisation):
        trail.note("ORG", "x-nilar-organisation is not an organisation number and was not used")
        organisation = None
    return replace(
        _UNPROVEN.principal, hpr=hpr, name=single(request, "x-nilar-requester-name"), orgnr_parent=organisation
    )


async def _read_search(request: Request, trail: Trail, rule: SearchRule) -> Search:
    settings = trail.call.sandbox.settings
    form = await read_form(request, settings.max_body_bytes)
    query = request.scope["query_string"]
    fields = rules.merge(parse_form(query), form) if query else form
    search = rules.read(rule, fields, strict=settings.search_params == "strict", max_count=settings.max_page)
    for name in dict.fromkeys(search.ignored):
        trail.note("PARAMETER", f"the search parameter {name} was ignored")
    return search


def _note_role(trail: Trail, access: Access, released: Released) -> None:
    """A role the person does not hold is not refused, only noted (ruling R42)."""
    held = released.facts.practitioner
    if access.role is not None and held is not None and access.role not in held.authorizations:
        trail.note("ROLE", "the role in the request is not one the register gives the health worker")


_UNPROVEN: Final = Authenticated(Principal(Channel.PERSONNEL, level=_BACKDOOR_LEVEL), None, None)
"""The caller of an address without tokens, before the headers are read."""


# what is answered when there are no data


def _render(request: Request, refusal: Refusal) -> Response:
    row = errors.wire(refusal.reason)
    if row.status == 400 and trail_of(request).call.sandbox.settings.plaintext_errors:
        return Response(refusal.detail, 400, media_type="text/plain")
    return Response(row.outcome(refusal.detail), row.status, media_type=JSON)
