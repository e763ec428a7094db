"""The kjernejournal API of older clients: the symbol and its tickets (kritisk-info.md section 2, ruling S28)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import Response

from app.core import Core
from app.directory import API_BY_AUDIENCE, BY_NAME
from app.errors import Reason, Refusal
from app.routers import kjernejournal_openapi as described
from app.routers.common import credentials_of, read_body, single, trail_of
from app.routers.examining import Reader, declared, tried
from app.routers.kjernejournal_answers import FHIR, EventRoute, Setup, answered, rendered
from app.routers.kjernejournal_fhir import add_fhir, examine_fhir
from app.routers.nhn_headers import identifier
from app.routers.refusing import add_errors
from app.services.kjernejournal import indicator, rules, tickets
from app.services.kjernejournal.port import CriticalInformation, Summary
from app.services.kjernejournal.rules import Question
from app.store.engine import Connection
from app.trust import release as releasing
from app.trust.examine import Asked, Flaws
from app.trust.facts import Facts
from app.trust.gate import authenticate, examine
from app.trust.policy import KJ_INDICATOR, decide
from app.trust.policy import Request as PolicyRequest
from app.trust.principal import Access, Principal
from app.trust.release import claim_proof
from app.trust.trail import Trail

SERVICE: Final = BY_NAME["kjernejournal"]
AUDIENCE: Final = "nhn:kjernejournal"
INDICATOR_RULE: Final = replace(
    SERVICE.rule,
    grants=tuple((AUDIENCE, scope) for scope in sorted(API_BY_AUDIENCE[AUDIENCE].scopes)),
    user=False,
    bearer_with_cnf="accept",
)
"""Machines may ask too, with any scope of kjernejournal, and a bound token is taken as Bearer (S5, C27)."""

_PATHS: Final = ("/v1/helseindikator", "/v1/helseindikator/status")


def create(core: Core, info: CriticalInformation) -> FastAPI:
    """The application of the service ``kjernejournal``."""
    setup = Setup(core, info, SERVICE.rule)
    app = FastAPI(title=SERVICE.title, description=described.ABOUT, openapi_url=None, redirect_slashes=False)
    app.router.route_class = EventRoute
    _add_indicator(app, setup)
    add_fhir(app, setup)
    add_errors(app, core, rendered(info), lambda _trail: SERVICE.rule)
    return app


def reader(core: Core, info: CriticalInformation) -> Reader:
    """Reads a request as the handlers do, with everything that is wrong in it (ruling R63)."""
    setup = Setup(core, info, SERVICE.rule)

    async def read(request: Request, flaws: Flaws) -> Asked | None:
        trail_of(request).status_of = setup.status_of()
        if request.scope["path"].startswith(FHIR + "/"):
            return await examine_fhir(setup, request, flaws)
        if declared(request, [("POST", path) for path in _PATHS], flaws):
            await _examine_indicator(setup, request, flaws)
        return None

    return read


async def _examine_indicator(setup: Setup, request: Request, flaws: Flaws) -> None:
    core, trail = setup.core, trail_of(request)
    caller = await examine(core, trail, INDICATOR_RULE, credentials_of(request), request.method, flaws.refuse)
    tried(lambda: rules.epj_system(single(request, "X-EPJ-System")), flaws, "")
    try:
        question = rules.read_question(await read_body(request, trail.call.sandbox.settings.max_body_bytes))
        if caller is not None:
            access = _access(trail, caller.principal, identifier(trail, question.number).value, question)
            _judge(trail, access, (await _looked_up(setup, trail, access))[0])
    except Refusal as refusal:
        flaws.refuse(refusal)


def _add_indicator(app: FastAPI, setup: Setup) -> None:
    async def show(request: Request) -> Response:
        return await _indicator(setup, request)

    for path in _PATHS:
        app.add_api_route(
            path,
            show,
            methods=["POST"],
            summary="The kjernejournal symbol of a patient, and a ticket",
            operation_id="helseindikator" + ("_status" if path != _PATHS[0] else ""),
            response_class=Response,
            responses=described.indicator_responses(setup.info),
            openapi_extra=described.INDICATOR,
        )


async def _indicator(setup: Setup, request: Request) -> Response:
    """Nothing clinical but dates is told, so that the call is no reading and is not in the patient's log (S11)."""
    core, trail = setup.core, trail_of(request)
    trail.operation, trail.status_of = "helseindikator", setup.status_of()
    caller = await authenticate(core, trail, INDICATOR_RULE, credentials_of(request), request.method)
    await claim_proof(core, trail)
    rules.epj_system(single(request, "X-EPJ-System"))
    question = rules.read_question(await read_body(request, trail.call.sandbox.settings.max_body_bytes))
    number = _number(trail, question)
    if number is None:
        return _answer(trail, question.number, indicator.Symbol(indicator.INVALID), None)
    access = _access(trail, caller.principal, number, question)
    facts, summary = await _looked_up(setup, trail, access)
    _judge(trail, access, facts)
    shown = indicator.symbol(facts, summary)
    ticket = await _ticket(core, trail, access) if shown.has_journal else None
    return _answer(trail, number, shown, ticket)


def _number(trail: Trail, question: Question) -> str | None:
    """The patient's number; None for one that is not valid, which is an answer here and no error."""
    try:
        return identifier(trail, question.number).value
    except Refusal:
        return None


def _access(trail: Trail, principal: Principal, number: str, question: Question) -> Access:
    return Access(
        sandbox=trail.call.sandbox.id,
        service=SERVICE.rule.audit_service,
        operation="helseindikator",
        moment=trail.call.moment,
        principal=principal,
        patient_nin=number,
        basis=question.consent,
    )


async def _looked_up(setup: Setup, trail: Trail, access: Access) -> tuple[Facts, Summary | None]:
    """What registers, settings and records say. Raises ``Refusal`` for what a fault of the sandbox has taken away."""
    releasing.require_store(trail, KJ_INDICATOR)
    if not await releasing.privacy_answers(trail):
        raise Refusal(Reason.PRIVACY_UNAVAILABLE, "the privacy settings could not be read in time", source="R44")
    today = rules.today_at(access.moment.sandbox)

    def read(conn: Connection) -> tuple[Facts, Summary | None]:
        facts = releasing.facts_of(conn, access, KJ_INDICATOR)
        patient = facts.patient
        return facts, None if patient is None else setup.info.summary(conn, access.sandbox, patient.id, today)

    return await setup.core.store.read(read)


def _judge(trail: Trail, access: Access, facts: Facts) -> None:
    """Who may ask at all. Raises ``Refusal`` with the reason of the row that says no."""
    known = indicator.as_known(facts, access.moment.sandbox)
    trail.access, trail.policy, trail.op, trail.facts = access, KJ_INDICATOR, "read", known
    mode = trail.call.sandbox.settings.mode
    decision = decide(PolicyRequest(access=access, facts=known, service=KJ_INDICATOR, op="read", mode=mode))
    trail.outcome, trail.reason, trail.rule = decision.outcome.value, decision.reason, decision.rule
    if not decision.releases:
        raise Refusal(decision.reason or Reason.INTERNAL, "helseindikator was refused", source=decision.rule or "")


async def _ticket(core: Core, trail: Trail, access: Access) -> str:
    made, organisation, number = tickets.new(core.ids), access.principal.orgnr_parent or "", access.patient_nin or ""
    sandbox, now, consent = access.sandbox, access.moment.sandbox, access.basis
    await core.store.write(lambda conn: tickets.keep(conn, sandbox, made, organisation, number, consent, now))
    return made


def _answer(trail: Trail, number: str, shown: indicator.Symbol, ticket: str | None) -> Response:
    day = rules.today_at(trail.call.moment.sandbox)
    extra = indicator.nonsense(trail.call.sandbox.seed, number, day)
    return answered(trail, indicator.body(shown, ticket, extra))
