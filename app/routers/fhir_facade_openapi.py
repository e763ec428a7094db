"""What the OpenAPI document of the FHIR facade says: headers, parameters, examples, errors."""

from __future__ import annotations

from typing import Final

from app.fhir.bundle import JSON
from app.routers.critical_information_openapi import HEADERS as CRITICAL_INFORMATION
from app.routers.critical_records_openapi import ID, Described, Responses, responses
from app.routers.critical_records_openapi import PATIENT as NUMBER
from app.services.fhirfacade.rules import NUMBER_SYSTEMS, PARAMETERS
from app.services.kritiskinfo.errors import Key
from app.services.kritiskinfo.headers import PATIENT

ABOUT: Final = (
    "**Not a national API.** Critical information as the basis and IPS profiles have it, read only, over the same "
    "records as `critical-information` and behind the same gate: a token with scope "
    "`nhn:critical-information/api` and the `nhn-` headers."
)
_ERRORS: Final[tuple[Key, ...]] = (
    "token",
    "entitlement",
    "header",
    "role",
    "nin",
    "protected",
    "reserved",
    "blocked",
    "restricted",
    "needless",
    "code",
    "unknown",
    "method",
    "size",
    "media",
    "failure",
    "load",
)


def search(type_: str) -> Described:
    """``POST {type}/_search``."""
    properties = {name: {"type": "string", "description": text} for name, text in PARAMETERS.items()}
    body = {
        "required": False,
        "description": "Without patient.identifier the number is that of the header.",
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {"type": "object", "properties": properties},
                "example": {"patient.identifier": NUMBER},
            }
        },
    }
    summary = f"Search the patient's {type_}"
    return Described(f"search_{type_}", summary, _answers("A searchset"), more={"requestBody": body})


def search_by_get(type_: str) -> Described:
    """``GET {type}``."""
    query = tuple(
        {"name": name, "in": "query", "required": False, "description": text, "schema": {"type": "string"}}
        for name, text in PARAMETERS.items()
    )
    summary = f"Search the patient's {type_} by GET: a number in the address is noted as a finding"
    return Described(f"list_{type_}", summary, _answers("A searchset"), parameters=query)


def read(type_: str) -> Described:
    """``GET {type}/{id}``."""
    return Described(f"read_{type_}", f"Read one {type_} of the patient", _answers("The resource"), parameters=(ID,))


def _answers(text: str) -> Responses:
    return responses(200, text, _ERRORS)


HEADERS: Final = [{**each, "required": False} if each["name"] == PATIENT.now else each for each in CRITICAL_INFORMATION]
_IDENTIFIER: Final = {"system": min(NUMBER_SYSTEMS), "value": NUMBER}
SUMMARY: Final = Described(
    "summary",
    "The patient summary as an IPS document",
    _answers("A document; what is withheld or not recorded is told by the sections' emptyReason"),
    more={
        "requestBody": {
            "required": False,
            "description": "Whom it is about; without a body the number is that of the header.",
            "content": {
                JSON: {
                    "schema": {"type": "object"},
                    "example": {
                        "resourceType": "Parameters",
                        "parameter": [{"name": "identifier", "valueIdentifier": _IDENTIFIER}],
                    },
                }
            },
        }
    },
)
