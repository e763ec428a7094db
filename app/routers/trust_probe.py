"""The trust probe: tells a caller how the trust layer sees it (ruling R4).

It demands all that a national API may demand (DPoP, level 4, legal entity and point of care, an attest) and
releases nothing, so a client can be proven here before it meets a service. The Bearer variant takes no proofs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from app import identity
from app.core import Core
from app.directory import BY_NAME, AccessRule, Service
from app.errors import Reason, Refusal
from app.routers.common import credentials_of, single, trail_of
from app.routers.examining import Reader, declared, tried
from app.routers.fills import FILL
from app.store.engine import Connection
from app.trust import policy
from app.trust.examine import Asked, Flaws
from app.trust.facts import Facts, Person
from app.trust.gate import Authenticated, authenticate, challenge, examine
from app.trust.policy import PROBE, Decision, ObjectFacts
from app.trust.principal import Access
from app.trust.release import Answer, accountable, claim_proof, facts_of, release, security_event
from app.trust.trail import Trail

PERSON_HEADER: Final = "person-id"
_OP: Final = "read"
_PROBLEM: Final = "application/problem+json"
_REFUSING: Final = frozenset({policy.Outcome.DENY, policy.Outcome.ERROR})
_STATUS: Final[Mapping[Reason, int]] = MappingProxyType(
    {
        Reason.TOKEN_MISSING: 401,
        Reason.TOKEN_INVALID: 401,
        Reason.DPOP_INVALID: 401,
        Reason.AUDIENCE_WRONG: 401,
        Reason.ATTEST_STALE: 401,  # ruling R15
        Reason.HEADER_INVALID: 400,
        Reason.PATIENT_ID_INVALID: 400,
        Reason.PRIVACY_UNAVAILABLE: 500,
        Reason.AUDIT_UNAVAILABLE: 500,
        Reason.STORE_UNAVAILABLE: 503,
    }
)
"""The statuses that are not 403 (ruling R1, personvern.md section 7.1)."""
_RULE_TEXT: Final = {rule.id: rule.text for rule in policy.RULES}
_PARAMETERS: Final = {
    "parameters": [
        {
            "name": PERSON_HEADER,
            "in": "header",
            "required": False,
            "schema": {"type": "string"},
            "description": "A synthetic national identity number: judge the call as one about this patient.",
            FILL: "patient",
        }
    ]
}


def create(core: Core) -> FastAPI:
    """The probe that takes DPoP-bound tokens."""
    return _app(core, BY_NAME["trust-probe"])


def create_bearer(core: Core) -> FastAPI:
    """The probe that takes Bearer tokens."""
    return _app(core, BY_NAME["trust-probe-bearer"])


def status_of(reason: Reason) -> int:
    """The HTTP status the probe answers ``reason`` with."""
    return _STATUS.get(reason, 403)


def _app(core: Core, service: Service) -> FastAPI:
    app = FastAPI(title=service.title, docs_url=None, redoc_url=None, redirect_slashes=False)
    rule = service.rule

    @app.get("/whoami", summary="Who the caller is", openapi_extra=_PARAMETERS)
    async def whoami(request: Request) -> Response:
        trail = trail_of(request)
        trail.operation, trail.status_of = "GET /whoami", status_of
        trail.notes["op"] = _OP
        caller = await authenticate(core, trail, rule, credentials_of(request), request.method)
        access = _access(trail, rule, caller, _patient_of(request, trail))
        decision, facts = await _judged(core, trail, access)
        if decision.reason is not None and decision.outcome in _REFUSING:
            raise Refusal(decision.reason, _RULE_TEXT.get(decision.rule or "", decision.reason.value))
        return Response(orjson.dumps(_portrait(access, facts)), media_type="application/json")

    @app.exception_handler(Refusal)
    async def refused(request: Request, error: Refusal) -> Response:
        return _refused(trail_of(request), rule, error)

    @app.exception_handler(HTTPException)
    async def unknown(_request: Request, error: HTTPException) -> Response:
        return _problem(error.status_code, "UNKNOWN", str(error.detail), list((error.headers or {}).items()))

    return app


def _patient_of(request: Request, trail: Trail) -> str | None:
    value = single(request, PERSON_HEADER)
    if value is None:
        return None
    settings = trail.call.sandbox.settings
    return identity.parse(value, rule=settings.nin_rule, aliases=identity.aliases_for(settings.docs_aliases)).value


def _access(trail: Trail, rule: AccessRule, caller: Authenticated, patient: str | None) -> Access:
    return Access(
        sandbox=trail.call.sandbox.id,
        service=rule.audit_service,
        operation="whoami",
        moment=trail.call.moment,
        principal=caller.principal,
        attest=caller.attest,
        patient_nin=patient,
    )


def reader(core: Core, service: Service) -> Reader:
    """Reads a request to the probe as the handlers do, with everything that is wrong in it (ruling R63)."""

    async def read(request: Request, flaws: Flaws) -> Asked | None:
        trail = trail_of(request)
        trail.status_of = status_of
        if not declared(request, (("GET", "/whoami"),), flaws):
            return None
        caller = await examine(core, trail, service.rule, credentials_of(request), request.method, flaws.refuse)
        patient = tried(lambda: _patient_of(request, trail), flaws, None)
        if caller is None:
            return None
        return Asked(_access(trail, service.rule, caller, patient), PROBE, _OP, _Nothing())

    return read


async def _judged(core: Core, trail: Trail, access: Access) -> tuple[Decision, Facts]:
    """With a patient the call is a release of nothing, audited as any other; without, only judged."""
    if access.patient_nin is not None:
        async with accountable(core, trail, access, PROBE):
            released = await release(core, trail, access, PROBE, _OP, _Nothing())
        return released.decision, released.facts
    trail.access, trail.policy = access, PROBE
    trail.facts = facts = await core.store.read(lambda conn: facts_of(conn, access, PROBE))
    decision = policy.decide(policy.Request(access=access, facts=facts, service=PROBE, op=_OP))
    await claim_proof(core, trail)
    trail.outcome, trail.reason, trail.rule = decision.outcome.value, decision.reason, decision.rule
    trail.obligations = decision.obligation_names
    return decision, facts


@dataclass(frozen=True, slots=True)
class _Nothing:
    """The probe holds no data of anybody."""

    def objects(self, conn: Connection, person: Person) -> Sequence[ObjectFacts]:
        return ()

    def search(self, conn: Connection, person: Person, dropped: frozenset[str]) -> Answer:
        return Answer(b"", media_type="application/json")


def _portrait(access: Access, facts: Facts) -> dict[str, Any]:
    principal = access.principal
    return {
        "channel": principal.channel.value,
        "clientId": principal.client_id,
        "pid": principal.pid,
        "hprNumber": principal.hpr,
        "name": principal.name,
        "securityLevel": principal.level,
        "network": principal.network,
        "organisation": {
            "parent": principal.orgnr_parent,
            "child": principal.orgnr_child,
            "supplier": principal.orgnr_supplier,
        },
        "scopes": sorted(principal.scopes),
        "tokenId": principal.jti,
        "keyThumbprint": principal.jkt,
        "attest": access.attest.raw if access.attest is not None else None,
        "patient": None if access.patient_nin is None else {"known": facts.patient is not None},
    }


def _refused(trail: Trail, rule: AccessRule, refusal: Refusal) -> Response:
    if trail.reason is None:
        trail.reason, trail.detail = refusal.reason, refusal.detail
    if trail.access is None or trail.access.patient_nin is None:
        security_event(trail, refusal)
    status = status_of(refusal.reason)
    headers = []
    if status == HTTPStatus.UNAUTHORIZED or refusal.reason is Reason.SCOPE_MISSING:
        headers = [("WWW-Authenticate", value) for value in challenge(refusal, rule)]
    return _problem(status, refusal.reason.value, refusal.detail, headers)


def _problem(status: int, reason: str, detail: str, headers: Sequence[tuple[str, str]]) -> Response:
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "reason": reason,
    }
    response = Response(orjson.dumps(body), status_code=status, media_type=_PROBLEM)
    for name, value in headers:
        response.headers.append(name, value)
    return response
