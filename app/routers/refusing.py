"""How a service that takes tokens answers what it refuses, what is not there and what failed: the same way in all.

The form of the answer is the service's own.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from app.core import Core
from app.directory import AccessRule
from app.errors import Reason, Refusal
from app.routers.common import methods_at, trail_of
from app.trust.gate import challenge
from app.trust.release import claim_proof, security_event
from app.trust.trail import Trail

Render = Callable[[Request, Refusal], Response]
"""Gives the answer a refusal stands for; the headers of its status are added to it."""

_NOTHING_HERE = "there is nothing at this address"
_OTHER_METHOD = "the method is not supported here"


def add_errors(
    app: FastAPI,
    core: Core,
    render: Render,
    rule_of: Callable[[Trail], AccessRule],
    *,
    nothing_here: str = _NOTHING_HERE,
    other_method: str = _OTHER_METHOD,
) -> None:
    """Answer every refusal, unknown address and failure of ``app``; ``rule_of`` gives what its callers must have."""

    def answer(request: Request, refusal: Refusal) -> Response:
        trail = trail_of(request)
        if trail.reason is None:
            trail.reason, trail.detail = refusal.reason, refusal.detail
        return challenged(render(request, refusal), refusal, rule_of(trail))

    @app.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> Response:
        trail = trail_of(request)
        if trail.access is None or trail.access.patient_nin is None:
            # Nothing was audited, so nothing has claimed the proof yet.
            try:
                await claim_proof(core, trail)
            except Refusal as replayed:
                refusal = replayed
            security_event(trail, refusal)
        return answer(request, refusal)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            allow = {"allow": ", ".join(sorted(methods_at(app, request)))}
            return answer(request, Refusal(Reason.METHOD_NOT_ALLOWED, other_method, extra=allow))
        return answer(request, Refusal(Reason.ROUTE_UNKNOWN, nothing_here))

    @app.exception_handler(Exception)
    async def failed(request: Request, _error: Exception) -> Response:
        return answer(request, Refusal(Reason.INTERNAL, "an unexpected error; see the server log"))


def challenged(response: Response, refusal: Refusal, rule: AccessRule) -> Response:
    """The answer with what its status demands: ``WWW-Authenticate`` of a 401, ``Allow`` of a 405 (RFC 9110 15.5)."""
    if response.status_code == 401 and rule.credential != "none":
        for value in challenge(refusal, rule):
            response.headers.append("WWW-Authenticate", value)
    if response.status_code == 405 and "allow" in refusal.extra:
        response.headers["Allow"] = refusal.extra["allow"]
    return response
