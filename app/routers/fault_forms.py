"""How each service says, in its own form, that something went wrong that no rule of its own led to.

A service that is not here answers in problem form (RFC 9457). A new one adds its row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from app.directory import BY_NAME, AccessRule
from app.errors import Reason, Refusal
from app.fhir.bundle import JSON
from app.routers import codingsystems, critical_information, helseid_pages, helseid_ttt, kjernejournal_answers, problems
from app.routers.common import trail_of
from app.routers.refusing import challenged
from app.services.codingsystems import errors as codes
from app.services.kjernejournal.errors import KjError
from app.services.kritiskinfo import errors as kritiskinfo
from app.services.provesvar import errors as provesvar
from app.services.selvbetjening import errors as selvbetjening
from app.trust.gate import challenge
from app.trust.sts.errors import StsError

Form = Callable[[Request, int], Response]
"""Makes the answer with a status to a request."""

_TEXT: Final = "An answer made by a fault rule of the sandbox"
_REFUSAL: Final = Refusal(Reason.TOKEN_INVALID, _TEXT)
_OAUTH: Final[Mapping[int, str]] = MappingProxyType(
    {
        400: "invalid_request",
        401: "invalid_client",
        403: "access_denied",
        429: "temporarily_unavailable",
        502: "temporarily_unavailable",
        503: "temporarily_unavailable",
        504: "temporarily_unavailable",
    }
)
"""OAuth error codes of statuses; the others are ``invalid_request`` below 500 and ``server_error`` from there."""
_SEEN_BY_PEOPLE: Final = frozenset({"/connect/authorize", "/connect/login", "/connect/endsession"})


def in_form_of(service: str, request: Request, status: int) -> Response:
    """What ``service`` answers with when it answers ``status``."""
    return _FORMS.get(service, _problem)(request, status)


def _operation_outcome(request: Request, status: int) -> Response:
    response = Response(provesvar.outcome_of_status(status, _TEXT), status, media_type=JSON)
    return challenged(response, _REFUSAL, _rule_of(request))


def _critical_information(request: Request, status: int) -> Response:
    row = kritiskinfo.of_status(status)
    response = critical_information.answered(request, row, trail_of(request).call.exchange, _TEXT)
    response.status_code = status
    return challenged(response, _REFUSAL, critical_information.rule_of(trail_of(request)))


def _oauth(request: Request, status: int) -> Response:
    error = _OAUTH.get(status, "server_error" if status >= 500 else "invalid_request")
    if request.scope["path"] in _SEEN_BY_PEOPLE:
        page = helseid_pages.error_page(request, StsError(error, _TEXT, status))
        page.status_code = status
        return page
    return JSONResponse({"error": error, "error_description": _TEXT}, status, headers={"Cache-Control": "no-store"})


def _kjernejournal(request: Request, status: int) -> Response:
    row = kritiskinfo.of_status(status)
    response = kjernejournal_answers.in_form(request, KjError(status, row.legacy_code, row.text))
    return challenged(response, _REFUSAL, _rule_of(request))


def _test_token(_request: Request, status: int) -> Response:
    return helseid_ttt.error(status, _TEXT)


def _selvbetjening(request: Request, status: int) -> Response:
    body = selvbetjening.problem_of_status(status, problems.phrase(status), _TEXT, request.scope["path"])
    response = JSONResponse(body, status, media_type=selvbetjening.MEDIA_TYPE)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = ", ".join(challenge(_REFUSAL, _rule_of(request)))
    return response


def _codingsystems(request: Request, status: int) -> Response:
    response = codingsystems.answered(codes.of_status(status), trail_of(request).call.exchange, _TEXT)
    return challenged(response, _REFUSAL, _rule_of(request))


def _rule_of(request: Request) -> AccessRule:
    return BY_NAME[trail_of(request).call.service].rule


def _problem(_request: Request, status: int) -> Response:
    return problems.problem(status, _TEXT)


_FORMS: Final[Mapping[str, Form]] = MappingProxyType(
    {
        "pps": _operation_outcome,
        "pps-v2": _operation_outcome,
        "pps-backdoor": _operation_outcome,
        "critical-information": _critical_information,
        "fhir-facade": _critical_information,
        "helseid": _oauth,
        "helseid-ttt": _test_token,
        "selvbetjening-api": _selvbetjening,
        "kjernejournal": _kjernejournal,
        "kjernejournal-innlogging": _kjernejournal,
        "codingsystems": _codingsystems,
    }
)
