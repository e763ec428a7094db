"""What the OpenAPI document of critical information says of its headers and of ``/status``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import quote

import orjson
from fastapi import Request
from fastapi.responses import Response

from app.routers.critical_records_openapi import EVENT, PATIENT, responses
from app.routers.fills import FILL, Fill
from app.services.kritiskinfo import headers
from app.services.kritiskinfo.categories import CATEGORIES
from app.services.kritiskinfo.headers import Name
from app.trust.principal import Basis

Handler = Callable[[Request], Awaitable[Response]]

ABOUT: Final = (
    "Critical information (kritisk informasjon) as FHIR R4: `/status` tells whether there is any and when it was "
    "changed, the six types are read and written. DPoP or Bearer token with scope `nhn:critical-information/api`; "
    "a token of a machine opens `/status` alone. The patient's number is in a header or the body, never in the URL."
)
_ROLE: Final = quote(orjson.dumps({"system": headers.ROLE_SYSTEM, "code": "LE"}).decode())


def _header(
    name: str,
    text: str,
    *,
    required: bool = False,
    fill: Fill | None = None,
    example: str | None = None,
    enum: list[str] | None = None,
) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"} if enum is None else {"type": "string", "enum": enum}
    found = {"name": name, "in": "header", "required": required, "description": text, "schema": schema}
    if fill is not None:
        found[FILL] = fill
    return found if example is None else {**found, "example": example}


def _was(name: Name, text: str) -> str:
    return f"{text} Its name was `{name.before}`, which is taken too."


_ACCESS: Final = [
    _header("Authorization", "`DPoP <token>` or `Bearer <token>`.", required=True, fill="authorization"),
    _header("DPoP", "The proof of possession, with the DPoP scheme.", fill="proof"),
]


def _own(required: bool) -> list[dict[str, Any]]:
    return [
        _header(
            headers.PATIENT.now,
            _was(headers.PATIENT, "The patient's number."),
            required=required,
            fill="patient",
            example=PATIENT,
        ),
        _header(
            headers.ROLE.now,
            _was(headers.ROLE, "The health worker's role: URL-encoded JSON with `system` and `code` of list 9060."),
            required=required,
            example=_ROLE,
        ),
        _header(
            headers.BASIS.now,
            _was(headers.BASIS, "On what ground; elevated only where the patient has restricted access."),
            required=required,
            fill="basis",
            example=Basis.SAMTYKKE.value,
            enum=[basis.value for basis in Basis],
        ),
        _header(
            headers.SYSTEM.now,
            _was(headers.SYSTEM, "Name and version of the EPJ, 3 to 512 characters."),
            required=True,
            example="Sandkasse EPJ 1.0",
        ),
        _header(
            headers.EVENT.now,
            _was(headers.EVENT, "An id of the call, at most 128 characters; errors repeat it."),
            fill="correlation",
            example=EVENT,
        ),
    ]


HEADERS: Final = [*_ACCESS, *_own(True)]

_DATES: Final = sorted({row.status_date for row in CATEGORIES})
_WHEN: Final = "2026-02-03T09:15:00.000Z"
_FLAGS: Final = (
    "hasKjernejournalReservation",
    "hasKjernejournalRestriction",
    "hasCriticalInformationRestriction",
    "isHprNumberBlocked",
)
_ANSWER: Final = {
    "type": "object",
    "properties": {
        "patientNIN": {"type": "string"},
        "hasCriticalInformation": {"type": "boolean"},
        "hasActiveCriticalInformation": {"type": "boolean"},
        "lastChangedDateTime": {"type": "string"},
        "dateChanged": {"type": "object", "properties": {name: {"type": "string"} for name in _DATES}},
        **{name: {"type": "boolean"} for name in _FLAGS},
    },
    "example": {
        "patientNIN": PATIENT,
        "hasCriticalInformation": True,
        "hasActiveCriticalInformation": True,
        "lastChangedDateTime": _WHEN,
        "dateChanged": {"allergyIntoleranceDate": _WHEN},
        **dict.fromkeys(_FLAGS, False),
    },
}
STATUS_RESPONSES: Final = {
    **responses(
        200,
        "",
        ("token", "entitlement", "header", "role", "nin", "protected", "body", "size", "media", "failure", "load"),
    ),
    200: {
        "description": "`isHprNumberBlocked` is told to health workers alone; nothing but its flag of one reserved.",
        "content": {"application/json": {"schema": _ANSWER}},
    },
}
STATUS: Final[dict[str, Any]] = {
    "parameters": [*_ACCESS, *_own(False)],
    "requestBody": {
        "required": True,
        "description": "Whom it is about. A health worker's call needs all headers; a machine's only the EPJ's name.",
        "content": {
            "application/json": {
                "schema": {"type": "object", "required": ["nin"], "properties": {"nin": {"type": "string"}}},
                "example": {"nin": PATIENT},
            }
        },
    },
}
