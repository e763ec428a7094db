"""What the OpenAPI documents of kjernejournal say: headers, bodies, examples and errors."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

import orjson

from app.errors import Reason
from app.routers.fills import FILL, Fill
from app.services.kjernejournal import indicator, rules
from app.services.kjernejournal.errors import error_of
from app.services.kjernejournal.port import CriticalInformation

Responses = dict[int | str, dict[str, Any]]

ABOUT: Final = (
    "The kjernejournal API of older clients: the symbol of a patient with its ticket, and critical information as "
    "FHIR R4 with that ticket. New clients use critical-information v1."
)
ABOUT_SESSION: Final = "Opens the kjernejournal portal for a patient in the browser of a logged-in health worker."
_PATIENT: Final = "14838449698"
_EXAMPLE_SYSTEM: Final = "Sandkasse EPJ 1.0"
_OF_TOKEN: Final = (
    Reason.TOKEN_MISSING,
    Reason.TOKEN_INVALID,
    Reason.DPOP_INVALID,
    Reason.AUDIENCE_WRONG,
    Reason.SCOPE_MISSING,
    Reason.LEVEL_TOO_LOW,
    Reason.ORG_MISSING,
    Reason.ORG_NOT_CONNECTED,
    Reason.HPR_MISSING,
    Reason.HPR_NOT_AUTHORISED,
)
_OF_REQUEST: Final = (Reason.HEADER_MISSING, Reason.HEADER_INVALID, Reason.BODY_INVALID, Reason.BODY_TOO_LARGE)


def header(
    name: str, text: str, *, required: bool = False, example: str | None = None, fill: Fill | None = None, **schema: Any
) -> dict[str, Any]:
    """A header parameter; ``schema`` adds to its type."""
    made: dict[str, Any] = {
        "name": name,
        "in": "header",
        "required": required,
        "description": text,
        "schema": {"type": "string", **schema},
    }
    if example is not None:
        made["example"] = example
    return made if fill is None else {**made, FILL: fill}


def credentials(schemes: str) -> list[dict[str, Any]]:
    """The token and its proof."""
    return [
        header("Authorization", schemes, required=True, fill="authorization"),
        header("DPoP", "The proof of possession, with the DPoP scheme.", fill="proof"),
    ]


EPJ_SYSTEM: Final = header("X-EPJ-System", "Name and version of the EHR.", required=True, example=_EXAMPLE_SYSTEM)

INDICATOR: Final[dict[str, Any]] = {
    "parameters": [*credentials("`DPoP <token>` or `Bearer <token>`, of a person or of a client alone."), EPJ_SYSTEM],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["fnr"],
                    "properties": {
                        "fnr": {"type": "string", "description": "The patient's number."},
                        "samtykke": {
                            "type": "string",
                            "enum": list(rules.CONSENTS),
                            "description": "The ground that the ticket is bound to.",
                        },
                        "legemiddelFraDato": {"type": "string", "format": "date"},
                    },
                },
                "example": {"fnr": _PATIENT, "samtykke": "HPMOTTATTSAMTYKKE"},
            }
        },
    },
}

FHIR_HEADERS: Final[list[dict[str, Any]]] = [
    *credentials("`DPoP <token>` or `Bearer <token>` of a person at level 4."),
    EPJ_SYSTEM,
    header(
        "X-kj-ticket",
        "A ticket of helseindikator: it says who the patient is, and on what ground.",
        required=True,
        example="c2FuZGJveA",
    ),
    header("KJ-SAMTYKKE-BRUK", "The ground, over that of the ticket.", enum=list(rules.CONSENTS)),
    header(
        "KJ-SAMTYKKE-SPERRET-KRITISKINFO",
        "The ground to open what the patient has restricted; refused where nothing is.",
        enum=list(rules.OPENING_CONSENTS),
    ),
]

SOURCE_SYSTEM: Final = header(
    "X-SOURCE-SYSTEM",
    "Name and version of the EHR: letters, digits, spaces and `.,()-`.",
    required=True,
    example=_EXAMPLE_SYSTEM,
    minLength=3,
    maxLength=512,
)
_EVENT: Final = header("X-EVENT-ID", "The caller's id of the call; given back.", fill="correlation", maxLength=128)
_SESSION_HEADERS: Final = [*credentials("`DPoP <token>` with both portal scopes."), SOURCE_SYSTEM, _EVENT]
_IDENTIFIED: Final = {"type": "object", "properties": {"id": {"type": "string"}, "system": {"type": "string"}}}
_CODED: Final = {"type": "object", "properties": {"code": {"type": "string"}, "system": {"type": "string"}}}

CREATE: Final[dict[str, Any]] = {
    "parameters": _SESSION_HEADERS,
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["ehr_code_challenge", "claims"],
                    "properties": {
                        "ehr_code_challenge": {"type": "string", "description": "S256 of a verifier (RFC 7636)."},
                        "claims": {
                            "type": "object",
                            "properties": {
                                "patient_identifier": _IDENTIFIED,
                                "practitioner_authorization": _CODED,
                                "access_basis": _CODED,
                            },
                        },
                    },
                },
                "example": {
                    "ehr_code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
                    "claims": {
                        "patient_identifier": {
                            "id": _PATIENT,
                            "system": "urn:oid:2.16.578.1.12.4.1.4.1",
                            "authority": "https://www.skatteetaten.no",
                        },
                        "practitioner_authorization": {
                            "code": "LE",
                            "system": rules.ROLE_SYSTEM,
                            "assigner": "https://www.helsedirektoratet.no/",
                        },
                        "access_basis": {
                            "code": "SAMTYKKE",
                            "system": "SYSTEM_GRUNNLAG",
                            "assigner": "https://nhn.no",
                        },
                    },
                },
            }
        },
    },
}

KEPT: Final[dict[str, Any]] = {
    "parameters": _SESSION_HEADERS,
    "requestBody": {
        "required": True,
        "description": "A published client sends no Content-Type here; it is not asked for.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["sessionId"],
                    "properties": {"sessionId": {"type": "string"}},
                },
                "example": {"sessionId": "6b3f1a52-6c1d-4b0e-9a55-0c2f6a4d1e01"},
            }
        },
    },
}


def indicator_responses(info: CriticalInformation) -> Responses:
    """An answer of each status, and the errors."""
    shown = {
        text: {
            "summary": text,
            "value": orjson.loads(
                indicator.body(
                    indicator.Symbol(status), "c2FuZGJveA" if status >= indicator.JOURNAL else None, ("qzxv", "tull")
                )
            ),
        }
        for status, text in indicator.TEXTS.items()
    }
    found: Responses = {
        200: {
            "description": "The symbol, 0 to 4. Every answer has a member that no client knows.",
            "content": {"application/json": {"schema": {"type": "object"}, "examples": shown}},
        }
    }
    return found | errors(info, (*_OF_TOKEN, *_OF_REQUEST, Reason.ADDRESS_PROTECTED, Reason.PRIVACY_UNAVAILABLE))


def session_responses(info: CriticalInformation, example: dict[str, Any], *more: Reason) -> Responses:
    """A good answer with ``example``, and the errors."""
    found: Responses = {
        200: {
            "description": "Done",
            "content": {"application/json": {"schema": {"type": "object"}, "example": example}},
        }
    }
    return found | errors(info, (*_OF_TOKEN, *_OF_REQUEST, *more))


def errors(info: CriticalInformation, reasons: Iterable[Reason]) -> Responses:
    """The errors of an operation that answers in plain JSON."""
    found: Responses = {}
    for reason in reasons:
        row = error_of(reason, info)
        place = found.setdefault(
            row.status,
            {
                "description": HTTPStatus(row.status).phrase,
                "content": {"application/json": {"schema": {"type": "object"}, "examples": {}}},
            },
        )
        place["content"]["application/json"]["examples"][reason.value] = {
            "summary": row.text,
            "value": orjson.loads(row.plain()),
        }
    return found
