"""How a citizen is refused: the statuses that are not 403 (personvern spec section 7.1). The body is ours."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

import orjson

from app.errors import Reason

MEDIA_TYPE: Final = "application/problem+json"

_STATUS: Final[Mapping[Reason, int]] = MappingProxyType(
    {
        Reason.TOKEN_MISSING: 401,
        Reason.TOKEN_INVALID: 401,
        Reason.DPOP_INVALID: 401,
        Reason.AUDIENCE_WRONG: 401,
        Reason.PARAMETER_INVALID: 400,
        Reason.PATIENT_ID_INVALID: 400,
        Reason.ROUTE_UNKNOWN: 404,
        Reason.METHOD_NOT_ALLOWED: 405,
        Reason.TOO_MANY: 429,
        Reason.PRIVACY_UNAVAILABLE: 500,
        Reason.AUDIT_UNAVAILABLE: 500,
        Reason.INTERNAL: 500,
        Reason.STORE_UNAVAILABLE: 503,
    }
)


def status_of(reason: Reason) -> int:
    return _STATUS.get(reason, 403)


def problem(status: int, detail: str) -> bytes:
    """The problem document (RFC 9457)."""
    title = HTTPStatus(status).phrase
    return orjson.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail})
