"""How Selvbetjening says no: problem details with five members, ``errors`` for a body (selvbetjening.md section 3.9).

A published client parses every 4xx as a JSON object with an integer ``status``, so none is without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

from app.errors import Reason, Refusal

MEDIA_TYPE: Final = "application/problem+json"
VALIDATION_TITLE: Final = "One or more validation errors occurred."

STATUS: Final[Mapping[Reason, int]] = MappingProxyType(
    {
        Reason.TOKEN_MISSING: 401,
        Reason.TOKEN_INVALID: 401,
        Reason.AUDIENCE_WRONG: 401,
        Reason.DPOP_INVALID: 401,
        Reason.API_KEY_INVALID: 401,
        Reason.SCOPE_MISSING: 403,
        Reason.LEVEL_TOO_LOW: 403,
        Reason.PID_MISSING: 403,
        Reason.USER_REQUIRED: 403,
        Reason.ORG_MISSING: 403,
        Reason.CLIENT_NOT_ALLOWED: 403,
        Reason.NOT_FOUND: 404,
        Reason.ROUTE_UNKNOWN: 404,
        Reason.METHOD_NOT_ALLOWED: 405,
        Reason.CONFLICT: 409,
        Reason.BODY_TOO_LARGE: 413,
        Reason.CONTENT_TYPE_INVALID: 415,
        Reason.TOO_MANY: 429,
        Reason.INTERNAL: 500,
        Reason.AUDIT_UNAVAILABLE: 503,
        Reason.STORE_UNAVAILABLE: 503,
    }
)
"""Status of each reason; the others are 400."""

_SECTION: Final = {
    400: "rfc9110#section-15.5.1",
    401: "rfc9110#section-15.5.2",
    403: "rfc9110#section-15.5.4",
    404: "rfc9110#section-15.5.5",
    405: "rfc9110#section-15.5.6",
    409: "rfc9110#section-15.5.10",
    413: "rfc9110#section-15.5.14",
    415: "rfc9110#section-15.5.16",
    429: "rfc6585#section-4",
    500: "rfc9110#section-15.6.1",
    503: "rfc9110#section-15.6.4",
}


class Invalid(Refusal):
    """A body that breaks the rules: ``errors`` are the texts for each member, in the order they were found."""

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        field, texts = next(iter(errors.items()))
        pointer = "/" + field if field else ""
        super().__init__(
            Reason.CONTENT_INVALID, f"{field}: {texts[0]}" if field else texts[0], extra={"pointer": pointer}
        )
        self.errors = {name: list(found) for name, found in errors.items()}


def invalid(field: str, text: str) -> Invalid:
    """One thing wrong with one member; ``field`` is empty for the body as a whole."""
    return Invalid({field: [text]})


def status_of(reason: Reason) -> int:
    return STATUS.get(reason, 400)


def problem(refusal: Refusal, instance: str) -> dict[str, Any]:
    """The body of the answer; ``instance`` is the path of the request."""
    status = status_of(refusal.reason)
    body = problem_of_status(status, HTTPStatus(status).phrase, refusal.detail, instance)
    return {**body, "errors": refusal.errors} if isinstance(refusal, Invalid) else body


def problem_of_status(status: int, phrase: str, detail: str, instance: str) -> dict[str, Any]:
    """The five members of every error; ``phrase`` is the title but for a 400."""
    return {
        "type": "https://tools.ietf.org/html/" + _SECTION.get(status, "rfc9110#section-15"),
        "title": VALIDATION_TITLE if status == 400 else phrase,
        "status": status,
        "detail": detail,
        "instance": instance,
    }
