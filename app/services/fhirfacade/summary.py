"""The patient summary: a document of sections over what the services hold (ruling S17). Pure.

``nilknown`` is never said: kjernejournal has no statement that there is nothing, and what nobody has recorded is not
known to be absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from types import MappingProxyType
from typing import Any, Final, Literal

import orjson

from app.services.fhirfacade.mapping import Resource, shown
from app.services.fhirfacade.profiles import SECTIONS, Section, claimed
from app.trust.facts import Person

EmptyReason = Literal["unavailable", "withheld"]

_LOINC: Final = "http://loinc.org"
_SUMMARY: Final = "60591-5"
_EMPTY_REASONS: Final = "http://terminology.hl7.org/CodeSystem/list-empty-reason"
_TEXTS: Final[Mapping[EmptyReason, tuple[str, str]]] = MappingProxyType(
    {
        "unavailable": ("Unavailable", "Ingen opplysninger er registrert her, eller kilden er ikke tilgjengelig."),
        "withheld": ("Information Withheld", "Opplysningene kan ikke vises."),
    }
)
_AUTHOR: Final = "sandkasse"
_GENDERS: Final = frozenset({"male", "female", "other", "unknown"})


def document(
    base: str, document_id: str, now: float, person: Person, found: Sequence[Resource], empty: EmptyReason
) -> bytes:
    """The Bundle. ``found`` are the resources to show; a section we have a source for and nothing in says ``empty``.

    ``now`` is epoch seconds on the sandbox clock; ``base`` the facade's public address.
    """
    instant = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
    patient = _with_profile(_patient(person))
    composition = _with_profile(_composition(document_id, instant, patient, found, empty))
    author = {
        "resourceType": "Device",
        "id": _AUTHOR,
        "deviceName": [{"name": "Sandkasse, FHIR-fasade", "type": "user-friendly-name"}],
    }
    bundle = _with_profile(
        {
            "resourceType": "Bundle",
            "meta": {},
            "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{document_id}"},
            "type": "document",
            "timestamp": instant,
            "entry": [
                {"fullUrl": f"{base}/{each['resourceType']}/{each['id']}", "resource": each}
                for each in (composition, patient, author, *found)
            ],
        }
    )
    return orjson.dumps(bundle)


def _composition(
    document_id: str, instant: str, patient: Resource, found: Sequence[Resource], empty: EmptyReason
) -> Resource:
    return {
        "resourceType": "Composition",
        "id": document_id,
        "meta": {},
        "status": "final",
        "type": {"coding": [{"system": _LOINC, "code": _SUMMARY, "display": "Patient summary Document"}]},
        "subject": {"reference": f"Patient/{patient['id']}"},
        "date": instant,
        "author": [{"reference": f"Device/{_AUTHOR}"}],
        "title": "Pasientoppsummering",
        "section": [_section(section, found, empty) for section in SECTIONS],
    }


def _section(section: Section, found: Sequence[Resource], empty: EmptyReason) -> dict[str, Any]:
    held = [each for each in found if each["resourceType"] in section.holds]
    made: dict[str, Any] = {
        "title": section.title,
        "code": {"coding": [{"system": _LOINC, "code": section.code, "display": section.title}]},
    }
    if held:
        entries = [{"reference": f"{each['resourceType']}/{each['id']}"} for each in held]
        return {**made, "text": _narrative(map(shown, held)), "entry": entries}
    reason: EmptyReason = empty if section.holds else "unavailable"
    display, text = _TEXTS[reason]
    concept = {"coding": [{"system": _EMPTY_REASONS, "code": reason, "display": display}]}
    return {**made, "text": _narrative([text]), "emptyReason": concept}


def _narrative(lines: Iterable[str]) -> dict[str, str]:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><ul>{items}</ul></div>'}


def _patient(person: Person) -> Resource:
    made: Resource = {
        "resourceType": "Patient",
        "id": person.id,
        "meta": {},
        "identifier": [{"system": person.nin_system, "value": person.nin}],
    }
    name: dict[str, Any] = {}
    if person.family:
        name["family"] = person.family
    if person.given:
        name["given"] = person.given.split()
    if name:
        made["name"] = [name]
    if person.gender in _GENDERS:
        made["gender"] = person.gender
    if person.birth_date:
        made["birthDate"] = person.birth_date
    return made


def _with_profile(resource: Resource) -> Resource:
    """The resource with the profiles it follows; without ``meta`` when there is none."""
    urls = claimed(resource)
    rest = {name: each for name, each in resource.items() if name != "meta"}
    return {"resourceType": rest.pop("resourceType"), "meta": {"profile": urls}, **rest} if urls else rest
