"""How the code systems are refused: one row for each way of answering (ruling S26).

AUTH-0003 and AUTH-0010 are documented codes; which status they come with, and the body, are the sandbox's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

import orjson

from app.errors import Reason

CODE_HEADER: Final = "nhn-error-code"
HEADER_INVALID: Final = "AUTH-0003"
SECURITY: Final = "AUTH-0010"


@dataclass(frozen=True, slots=True)
class WireError:
    """The HTTP status and the service's code; no code where none is documented."""

    status: int
    code: str = ""

    def body(self, event: str, detail: str) -> bytes:
        """The problem document (RFC 9457). ``event`` is the id of the call; empty under load (429)."""
        if self.status == HTTPStatus.TOO_MANY_REQUESTS:
            return b""
        document = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": detail,
            "eventId": event,
        }
        return orjson.dumps({**document, "code": self.code} if self.code else document)


def wire(reason: Reason) -> WireError:
    """The row of a reason; one that cannot come from this service is an internal error."""
    return ERRORS.get(reason) or ERRORS[Reason.INTERNAL]


def status_of(reason: Reason) -> int:
    return wire(reason).status


def of_status(status: int) -> WireError:
    """The row of a status that none of the service's own reasons led to."""
    code = SECURITY if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) else ""
    return WireError(status, code)


_CREDENTIALS: Final = WireError(401, SECURITY)
_ENTITLEMENT: Final = WireError(403, SECURITY)
_REQUEST: Final = WireError(400, HEADER_INVALID)

ERRORS: Final[Mapping[Reason, WireError]] = MappingProxyType(
    {
        Reason.TOKEN_MISSING: _CREDENTIALS,
        Reason.TOKEN_INVALID: _CREDENTIALS,
        Reason.DPOP_INVALID: _CREDENTIALS,
        Reason.AUDIENCE_WRONG: _CREDENTIALS,
        Reason.SCOPE_MISSING: _ENTITLEMENT,
        Reason.PID_MISSING: _ENTITLEMENT,
        Reason.USER_REQUIRED: _ENTITLEMENT,
        Reason.LEVEL_TOO_LOW: _ENTITLEMENT,
        Reason.ORG_MISSING: _ENTITLEMENT,
        Reason.HEADER_MISSING: _REQUEST,
        Reason.HEADER_INVALID: _REQUEST,
        Reason.PARAMETER_INVALID: WireError(400),
        Reason.NOT_FOUND: WireError(404),
        Reason.ROUTE_UNKNOWN: WireError(404),
        Reason.METHOD_NOT_ALLOWED: WireError(405),
        Reason.TOO_MANY: WireError(429),
        Reason.STORE_UNAVAILABLE: WireError(503),
        Reason.INTERNAL: WireError(500),
    }
)
