"""What the OpenAPI documents say of the records of critical information, made from the tables the handlers use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

import orjson

from app.fhir.bundle import JSON
from app.services.kritiskinfo import errors
from app.services.kritiskinfo.categories import PROFILE_BASE
from app.services.kritiskinfo.codes import ATC, REACTIONS, SOURCES, SYSTEM_BASE
from app.services.kritiskinfo.errors import Key
from app.services.kritiskinfo.source import INFO_TYPE

Responses = dict[int | str, dict[str, Any]]

PATIENT: Final = "14838449698"
EVENT: Final = "6b3f1a52-6c1d-4b0e-9a55-0c2f6a4d1e01"
_ALWAYS: Final[tuple[Key, ...]] = (
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
    "failure",
    "unavailable",
    "load",
)
_WRITING: Final[tuple[Key, ...]] = ("deceased", "body", "rule", "code", "exclusive", "size", "media")
_ONE: Final[tuple[Key, ...]] = ("unknown", "gone")


@dataclass(frozen=True, slots=True)
class Described:
    """An operation as its document has it."""

    operation: str
    summary: str
    responses: Responses
    status: int = 200
    parameters: tuple[Mapping[str, Any], ...] = ()
    more: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def told(self, headers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """The members FastAPI does not make itself."""
        return {"parameters": [*headers, *self.parameters], **self.more}


def search(type_: str, info_types: tuple[str, ...]) -> Described:
    parameters = (
        (
            {
                "name": INFO_TYPE,
                "in": "query",
                "required": False,
                "description": "Only records of this kind.",
                "schema": {"type": "string", "enum": list(info_types)},
            },
        )
        if info_types
        else ()
    )
    keys: tuple[Key, ...] = (*_ALWAYS, "code")
    told = responses(200, "A searchset of the latest versions, without the deleted ones", keys)
    return Described(f"search_{type_}", f"All latest {type_} of the patient", told, parameters=parameters)


def everything() -> Described:
    told = responses(200, "A searchset of the latest versions of every type", _ALWAYS)
    return Described("everything", "All critical information of the patient", told)


def read(type_: str) -> Described:
    told = responses(200, "The latest version", (*_ALWAYS, *_ONE))
    return Described(f"read_{type_}", f"One {type_}", told, parameters=(ID,))


def read_version(type_: str) -> Described:
    found = read(type_)
    return replace(
        found, operation=f"vread_{type_}", summary=f"One version of a {type_}", parameters=(*found.parameters, _VERSION)
    )


def history(type_: str) -> Described:
    told = responses(200, "A Bundle of all versions, newest first", (*_ALWAYS, *_ONE))
    return Described(f"history_{type_}", f"All versions of one {type_}", told, parameters=(ID,))


def create(type_: str) -> Described:
    told = responses(201, "The stored record; `Location` is its first version", (*_ALWAYS, *_WRITING))
    return Described(f"create_{type_}", f"Record a {type_}", told, 201, more=_body(type_))


def update(type_: str) -> Described:
    told = responses(200, "The stored next version", (*_ALWAYS, *_WRITING, *_ONE, "version"))
    text = f"Change a {type_}; `meta.versionId` in the body is the version that was read"
    return Described(f"update_{type_}", text, told, parameters=(ID, _IF_MATCH), more=_body(type_))


def delete(type_: str) -> Described:
    told = responses(204, "Deleted; reading it is 410 from now on", (*_ALWAYS, "deceased", *_ONE, "version"))
    text = f"Delete a {type_} that was entered in error"
    return Described(f"delete_{type_}", text, told, 204, parameters=(ID, _IF_MATCH))


def delete_version(type_: str) -> Described:
    found = delete(type_)
    text = f"Delete a {type_} that was entered in error, by its latest version"
    return replace(found, operation=f"delete_version_{type_}", summary=text, parameters=(ID, _VERSION, _IF_MATCH))


def responses(status: int, text: str, keys: Iterable[Key]) -> Responses:
    """The answer that is hoped for, and every error of the table that may come instead."""
    found: Responses = {status: {"description": text}}
    if status != 204:
        found[status]["content"] = {JSON: {"schema": {"type": "object"}}}
    by_status: dict[int, list[errors.WireError]] = {}
    for key in dict.fromkeys(keys):
        row = errors.wire(key)
        by_status.setdefault(row.status, []).append(row)
    for refused, rows in sorted(by_status.items()):
        found[refused] = {"description": HTTPStatus(refused).phrase}
        if refused == HTTPStatus.GONE:
            found[refused]["content"] = {JSON: {"schema": {"type": "object"}, "example": _GONE}}
        elif refused != HTTPStatus.TOO_MANY_REQUESTS:
            examples = {row.key: _example(row) for row in rows}
            found[refused]["content"] = {JSON: {"schema": {"type": "object"}, "examples": examples}}
        if refused == HTTPStatus.UNAUTHORIZED:
            found[refused]["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return found


@lru_cache(maxsize=256)
def _example(row: errors.WireError) -> dict[str, Any]:
    return {"summary": row.text, "value": orjson.loads(row.outcome(EVENT))}


def _body(type_: str) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"type": "object"}}
    if type_ == "AllergyIntolerance":
        content["example"] = dict(ALLERGY)
    return {
        "requestBody": {
            "required": True,
            "description": f"A {type_} of a profile below `{PROFILE_BASE}`, with the recorder contained.",
            "content": {JSON: content},
        }
    }


_GONE: Final = {
    "resourceType": "AllergyIntolerance",
    "id": EVENT,
    "meta": {"versionId": "2", "lastUpdated": "2026-02-03T09:15:00.000Z"},
    "verificationStatus": {"coding": [{"code": "entered-in-error"}]},
}
ID: Final = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The record's id.",
    "schema": {"type": "string"},
    "example": EVENT,
}
_VERSION: Final = {
    "name": "version",
    "in": "path",
    "required": True,
    "description": "A version, from 1.",
    "schema": {"type": "string"},
    "example": "1",
}
_IF_MATCH: Final = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": 'The version that was read, `W/"1"`; must not contradict the body or the address.',
    "schema": {"type": "string"},
}

_ALLERGY_SYSTEMS: Final = "http://terminology.hl7.org/CodeSystem/allergyintolerance-"
ALLERGY: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "resourceType": "AllergyIntolerance",
        "meta": {"profile": [PROFILE_BASE + "KjAllergyIntolerance"]},
        "contained": [
            {
                "resourceType": "PractitionerRole",
                "id": "recorderRef",
                "practitioner": {
                    "identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.4", "value": "222250101"},
                    "display": "LEGEROT, ÅRVÅKEN",
                },
                "organization": {
                    "identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.101", "value": "315500303"},
                    "display": "FRISK FJORD SYKEHUS, SOMATIKK",
                },
                "code": [
                    {
                        "coding": [
                            {
                                "system": SYSTEM_BASE + "CategoriesOfHealthProfessionals",
                                "code": "LE",
                                "display": "Lege",
                            }
                        ]
                    }
                ],
            }
        ],
        "extension": [
            {
                "url": PROFILE_BASE + "KjSourceOfInformation",
                "valueCoding": {"system": SOURCES, "code": "1", "display": "Resultat av tester/analyser"},
            }
        ],
        "clinicalStatus": {"coding": [{"system": _ALLERGY_SYSTEMS + "clinical", "code": "active"}]},
        "verificationStatus": {"coding": [{"system": _ALLERGY_SYSTEMS + "verification", "code": "confirmed"}]},
        "category": ["medication"],
        "criticality": "high",
        "code": {"coding": [{"system": ATC, "code": "J01CE02", "display": "Fenoksymetylpenicillin"}]},
        "patient": {"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": PATIENT}},
        "onsetDateTime": "2021-05-01",
        "recorder": {"reference": "#recorderRef"},
        "note": [{"text": "Utslett og hevelse samme dag som første dose"}],
        "reaction": [
            {"manifestation": [{"coding": [{"system": REACTIONS, "code": "101", "display": "Anafylaktisk reaksjon"}]}]}
        ],
    }
)
"""A record to create, written by H01 about P01."""
