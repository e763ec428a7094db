"""The portal session: created, refreshed and ended by the EHR (kritisk-info.md section 7, ruling S29)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request
from fastapi.responses import Response

from app.catalogue.codelists import LISTS
from app.core import Core
from app.directory import BY_NAME, AccessRule
from app.errors import Reason, Refusal
from app.ids import new_token, new_uuid
from app.routers import kjernejournal_openapi as described
from app.routers.common import credentials_of, read_body, single, trail_of
from app.routers.examining import Reader, declared, tried
from app.routers.kjernejournal_answers import Setup, answered, rendered
from app.routers.nhn_headers import identifier
from app.routers.refusing import add_errors
from app.services.kjernejournal import rules, sessions
from app.services.kjernejournal.errors import NO_SESSION
from app.services.kjernejournal.port import CriticalInformation
from app.services.kjernejournal.rules import Launch
from app.services.kjernejournal.sessions import Session
from app.trust import release as releasing
from app.trust.examine import Flaws
from app.trust.facts import Facts
from app.trust.gate import Authenticated, authenticate, examine
from app.trust.policy import KJ_PORTAL, decide
from app.trust.policy import Request as PolicyRequest
from app.trust.principal import Access
from app.trust.release import accountable, claim_proof
from app.trust.trail import Trail

SERVICE: Final = BY_NAME["kjernejournal-innlogging"]
KEPT_RULE: Final = replace(SERVICE.rule, attest="ignore")
"""A session that was opened is kept alive without a new attest."""
END_RULE: Final = replace(KEPT_RULE, ath="optional")
"""The proof of a published client has no ``ath`` there (ruling C28)."""
SHOWN_BY_THE_PAGE: Final = frozenset(
    {
        Reason.ADDRESS_PROTECTED,
        Reason.PATIENT_RESERVED,
        Reason.ACTOR_BLOCKED,
        Reason.ORG_BLOCKED,
        Reason.RESTRICTED_HARD,
        Reason.RESTRICTED_SOFT,
        Reason.GENERAL_BLOCK,
    }
)
"""Reasons that do not hinder a session: the page tells the health worker of them."""

_SECRETS: Final = frozenset({"answer"})
_SESSION_EXAMPLE: Final = {"sessionId": "6b3f1a52-6c1d-4b0e-9a55-0c2f6a4d1e01"}
_Handler = Callable[[Request], Awaitable[Response]]


def create(core: Core, info: CriticalInformation) -> FastAPI:
    """The application of the service ``kjernejournal-innlogging``."""
    setup = Setup(core, info, SERVICE.rule)
    app = FastAPI(title=SERVICE.title, description=described.ABOUT_SESSION, openapi_url=None, redirect_slashes=False)
    _add_create(app, setup)
    _add_kept(app, setup)
    add_errors(app, core, rendered(info), lambda _trail: SERVICE.rule)
    return app


def reader(core: Core, info: CriticalInformation) -> Reader:
    """Reads a request as the handlers do, with everything that is wrong in it (ruling R63)."""
    setup = Setup(core, info, SERVICE.rule)
    operations = {"create": SERVICE.rule, "refresh": KEPT_RULE, "end": END_RULE}
    paths = {f"/api/session/{name}": rule for name, rule in operations.items()}

    async def read(request: Request, flaws: Flaws) -> None:
        trail = trail_of(request)
        trail.status_of = setup.status_of()
        if not declared(request, [("POST", path) for path in paths], flaws):
            return
        path = request.scope["path"]
        rule = paths[path]
        caller = await examine(core, trail, rule, credentials_of(request), request.method, flaws.refuse)
        tried(lambda: rules.event_id(single(request, "X-EVENT-ID")), flaws, None)
        tried(lambda: rules.source_system(single(request, "X-SOURCE-SYSTEM"), "X-SOURCE-SYSTEM"), flaws, "")
        try:
            if path.endswith("/create"):
                launch = await _launch(request, trail)
                if caller is not None:
                    await _judge(core, trail, _access(trail, caller, launch))
            else:
                rules.read_session(await _body(request, trail))
        except Refusal as refusal:
            flaws.refuse(refusal)

    return read


def _add_create(app: FastAPI, setup: Setup) -> None:
    @app.post(
        "/api/session/create",
        summary="Make a session for one patient",
        response_class=Response,
        responses=described.session_responses(
            setup.info,
            {"code": "qJ5v…", **_SESSION_EXAMPLE},
            Reason.PATIENT_ID_INVALID,
            Reason.PATIENT_UNKNOWN,
            Reason.ATTEST_MISSING,
            Reason.ROLE_NOT_ALLOWED,
        ),
        openapi_extra=described.CREATE,
    )
    async def make(request: Request) -> Response:
        """The code opens the page once, with the verifier of the challenge; the session lives as long as the token."""
        core, trail = setup.core, trail_of(request)
        trail.withheld = _SECRETS
        caller = await _caller(setup, request, "session/create", SERVICE.rule)
        launch = await _launch(request, trail)
        access = _access(trail, caller, launch)
        async with accountable(core, trail, access, KJ_PORTAL):
            await _judge(core, trail, access)
        session, code = _session(core, caller, access, launch), new_token(core.ids)
        sandbox, now = trail.call.sandbox.id, trail.call.moment.sandbox
        await core.store.write(lambda conn: sessions.create(conn, sandbox, session, code, launch.challenge, now))
        return answered(trail, orjson.dumps({"code": code, "sessionId": session.id}))


def _add_kept(app: FastAPI, setup: Setup) -> None:
    def add(name: str, summary: str, rule: AccessRule, handler: _Handler, example: dict[str, Any]) -> None:
        app.add_api_route(
            f"/api/session/{name}",
            handler,
            methods=["POST"],
            summary=summary,
            operation_id=f"session_{name}",
            response_class=Response,
            responses=described.session_responses(setup.info, example, Reason.NOT_FOUND),
            openapi_extra=described.KEPT,
        )

    async def refresh(request: Request) -> Response:
        """The session lives on as long as the new token."""
        caller, found = await _kept(setup, request, "session/refresh", KEPT_RULE)
        if found is None:
            return _no_session(trail_of(request))
        trail, claims = trail_of(request), caller.principal.claims
        sandbox, now = trail.call.sandbox.id, trail.call.moment.sandbox
        kept, jkt = found.id, caller.principal.jkt
        if not await setup.core.store.write(lambda conn: sessions.refresh(conn, sandbox, kept, claims, jkt, now)):
            return _no_session(trail)
        return answered(trail, orjson.dumps({"sessionId": kept}))

    async def end(request: Request) -> Response:
        """Also the page that is open in a browser shows nothing more."""
        _, found = await _kept(setup, request, "session/end", END_RULE)
        if found is None:
            return _no_session(trail_of(request))
        trail, ended = trail_of(request), found.id
        sandbox = trail.call.sandbox.id
        await setup.core.store.write(lambda conn: sessions.end(conn, sandbox, ended))
        return answered(trail, b"{}")

    add("refresh", "Keep a session alive", KEPT_RULE, refresh, _SESSION_EXAMPLE)
    add("end", "End a session", END_RULE, end, {})


# the caller


async def _caller(setup: Setup, request: Request, operation: str, rule: AccessRule) -> Authenticated:
    """Who calls, with both scopes, and a source system. Raises ``Refusal``."""
    trail = trail_of(request)
    trail.operation, trail.status_of = operation, setup.status_of()
    trail.notes["event"] = _event(request)
    caller = await authenticate(setup.core, trail, rule, credentials_of(request), request.method)
    await claim_proof(setup.core, trail)
    trail.notes["event"] = rules.event_id(single(request, "X-EVENT-ID"))
    rules.source_system(single(request, "X-SOURCE-SYSTEM"), "X-SOURCE-SYSTEM")
    return caller


def _event(request: Request) -> str | None:
    """The caller's event id while it is not known to be well-formed: given back only when it is."""
    try:
        return rules.event_id(single(request, "X-EVENT-ID"))
    except Refusal:
        return None


async def _body(request: Request, trail: Trail) -> bytes:
    """JSON is read whatever the Content-Type says; without any it is a finding (ruling C28)."""
    settings = trail.call.sandbox.settings
    if single(request, "Content-Type") is None:
        if settings.profile == "strict":
            raise Refusal(Reason.CONTENT_TYPE_INVALID, "the body must be application/json", source="C28")
        trail.note("C28", "the JSON body was sent without Content-Type", level="risk")
    return await read_body(request, settings.max_body_bytes)


# a new session


async def _launch(request: Request, trail: Trail) -> Launch:
    launch = rules.read_launch(await _body(request, trail))
    if launch.role not in LISTS["CategoriesOfHealthProfessionals"].codes:
        raise Refusal(Reason.HEADER_INVALID, "practitioner_authorization is not a code of list 9060", source="S14")
    return launch


def _access(trail: Trail, caller: Authenticated, launch: Launch) -> Access:
    return Access(
        sandbox=trail.call.sandbox.id,
        service=SERVICE.rule.audit_service,
        operation="session/create",
        moment=trail.call.moment,
        principal=caller.principal,
        attest=caller.attest,
        patient_nin=identifier(trail, launch.number).value,
        basis=launch.basis,
        role=launch.role,
        correlation_id=trail.notes.get("event"),
    )


async def _judge(core: Core, trail: Trail, access: Access) -> None:
    """Whether this person may open the portal for this patient at all. Raises ``Refusal``."""
    policy = releasing.settled(KJ_PORTAL, trail)
    facts: Facts = await core.store.read(lambda conn: releasing.facts_of(conn, access, policy))
    trail.access, trail.policy, trail.op, trail.facts = access, policy, "read", facts
    mode = trail.call.sandbox.settings.mode
    decision = decide(PolicyRequest(access=access, facts=facts, service=policy, op="read", mode=mode))
    if not decision.releases and decision.reason not in SHOWN_BY_THE_PAGE:
        trail.rule = decision.rule
        raise Refusal(decision.reason or Reason.INTERNAL, "the portal was refused", source=decision.rule or "")
    trail.outcome = "ACCEPTED"


def _session(core: Core, caller: Authenticated, access: Access, launch: Launch) -> Session:
    claims = caller.principal.claims
    return Session(
        id=new_uuid(core.ids),
        number=access.patient_nin or "",
        role=launch.role,
        basis=launch.basis,
        claims=claims,
        jkt=caller.principal.jkt,
        expires=float(claims["exp"]),
    )


# a session that is there


async def _kept(
    setup: Setup, request: Request, operation: str, rule: AccessRule
) -> tuple[Authenticated, Session | None]:
    trail = trail_of(request)
    caller = await _caller(setup, request, operation, rule)
    wanted, claims = rules.read_session(await _body(request, trail)), caller.principal.claims
    sandbox, now = trail.call.sandbox.id, trail.call.moment.sandbox
    found = await setup.core.store.read(lambda conn: sessions.find(conn, sandbox, wanted, claims, now))
    trail.outcome = "ACCEPTED" if found is not None else None
    return caller, found


def _no_session(trail: Trail) -> Response:
    """Also what the holder of another's session id is told."""
    trail.outcome, trail.reason, trail.detail = "DENY", Reason.NOT_FOUND, "there is no such living session"
    return answered(trail, NO_SESSION.plain(), NO_SESSION.status)
