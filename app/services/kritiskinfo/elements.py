"""Where things stand in a resource of critical information: extensions, codings, persons, dates.

The readers take any JSON: what is not of the expected form counts as absent, and the rules say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from app.fhir.search import OSLO, DateTest, read_date
from app.services.kritiskinfo.categories import PROFILE_BASE

Json = Mapping[str, Any]

SOURCE_OF_INFORMATION: Final = "KjSourceOfInformation"
PRESUMED: Final = "KjPresumed"
INACTIVE_INGREDIENT: Final = "KjInactiveIngredient"
UPDATED: Final = "KjUpdatedDateTime"
VALID_UNTIL: Final = "KjValidUntil"
TEXT: Final = "KjText"
RECORDED: Final = "KjRecordedDate"
NO_RESUSCITATION_REASON: Final = "behandlingsavklaring-hlr-minus-reason"
INFECTION_GUIDE: Final = "UrlInfectionGuide"
INFORMATION: Final = frozenset(
    name.lower() for name in ("CodeInfoText", "UrlMoreInformation", "UrlInfectionInformation", INFECTION_GUIDE)
)
"""Extensions of the service's own on codings, lower-cased: given on read, dropped on write."""

RECORDER_ID: Final = "recorderRef"
UPDATER_ID: Final = "updaterRef"
RECORDER_ELEMENT: Final[Mapping[str, str]] = {
    "AllergyIntolerance": "recorder",
    "Condition": "recorder",
    "Procedure": "recorder",
    "DeviceUseStatement": "source",
    "Flag": "author",
    "Consent": "performer",
}
RECORDED_ELEMENT: Final[Mapping[str, str]] = {
    "AllergyIntolerance": "recordedDate",
    "Condition": "recordedDate",
    "DeviceUseStatement": "recordedOn",
    "Consent": "dateTime",
}
"""When a record was made; Procedure and Flag have the extension ``KjRecordedDate`` for it."""
PATIENT_ELEMENT: Final[Mapping[str, str]] = {
    "AllergyIntolerance": "patient",
    "Condition": "subject",
    "Procedure": "subject",
    "DeviceUseStatement": "subject",
    "Flag": "subject",
    "Consent": "patient",
}


@dataclass(frozen=True, slots=True)
class Person:
    """Who recorded or changed: HPR number, organisation number and the codes of the role."""

    hpr: str | None
    organisation: str | None
    roles: frozenset[str]


def url(name: str) -> str:
    return PROFILE_BASE + name


def extension(element: object, name: str) -> Json | None:
    """The extension with a name; URLs are compared without regard to case, by their last part."""
    return next((each for each in _objects(element, "extension") if is_extension(each, name)), None)


def is_extension(entry: object, name: str) -> bool:
    return extension_name(entry) == name.lower()


def extension_name(entry: object) -> str:
    """The last part of an extension's URL, lower-cased."""
    stated = entry.get("url") if isinstance(entry, Mapping) else None
    return stated.rpartition("/")[2].lower() if isinstance(stated, str) else ""


def value(element: object, name: str) -> Any:
    """The value of the extension with a name, of whatever type; None without one."""
    found = extension(element, name)
    if found is None:
        return None
    return next((each for key, each in found.items() if key.startswith("value")), None)


def codings(concept: object) -> Sequence[Json]:
    return _objects(concept, "coding")


def codes(concept: object) -> frozenset[str]:
    return frozenset(each["code"] for each in codings(concept) if isinstance(each.get("code"), str))


def contained(resource: Json, id_: str) -> Json | None:
    return next((each for each in _objects(resource, "contained") if each.get("id") == id_), None)


def all_contained(resource: Json) -> Sequence[Json]:
    return _objects(resource, "contained")


def person(role: Json | None) -> Person | None:
    """The person a contained PractitionerRole stands for."""
    if role is None or role.get("resourceType") != "PractitionerRole":
        return None
    stated = role.get("code")
    concepts = stated if isinstance(stated, list) else []
    roles = frozenset(code for concept in concepts for code in codes(concept))
    return Person(number(role.get("practitioner")), number(role.get("organization")), roles)


def number(reference: object) -> str | None:
    """The value of a reference's identifier."""
    identifier = reference.get("identifier") if isinstance(reference, Mapping) else None
    stated = identifier.get("value") if isinstance(identifier, Mapping) else None
    return stated if isinstance(stated, str) else None


def texts(resource: Json, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a resource with its path, list positions left out: ``("AllergyIntolerance.note.text", …)``."""
    waiting: list[tuple[str, object]] = [(path or str(resource.get("resourceType")), resource)]
    while waiting:
        place, found = waiting.pop()
        if isinstance(found, str):
            yield place, found
        elif isinstance(found, Mapping):
            waiting += [(f"{place}.{name}", each) for name, each in found.items()]
        elif isinstance(found, list):
            waiting += [(place, each) for each in found]


def depth(document: object, limit: int) -> bool:
    """Whether objects and lists stand at most ``limit`` deep in each other."""
    level: list[object] = [document]
    for _ in range(limit):
        level = [
            each
            for found in level
            for each in (found.values() if isinstance(found, Mapping) else found if isinstance(found, list) else ())
            if isinstance(each, Mapping | list)
        ]
        if not level:
            return True
    return False


def interval(stated: object) -> DateTest | None:
    """The time a FHIR date or dateTime covers, in Norway where it has no zone; None when it is none."""
    try:
        return read_date(stated) if isinstance(stated, str) else None
    except ValueError:
        return None


def last_day(stated: object) -> date | None:
    """The date part as written; of a month or year its last day (ruling S23)."""
    found = interval(stated)
    if found is None or not isinstance(stated, str):
        return None
    if len(stated) >= len("2026-01-01"):
        return date.fromisoformat(stated[:10])
    return datetime.fromtimestamp(found.high, OSLO).date() - timedelta(days=1)


def recorded(resource: Json) -> str | None:
    """When the record was made, as stated."""
    element = RECORDED_ELEMENT.get(str(resource.get("resourceType")))
    stated = resource.get(element) if element is not None else value(resource, RECORDED)
    return stated if isinstance(stated, str) else None


def expires(resource: Json) -> date | None:
    """The day from which the record counts as expired."""
    stated = value(resource, VALID_UNTIL)
    if stated is None and resource.get("resourceType") == "Flag":
        period = resource.get("period")
        stated = period.get("end") if isinstance(period, Mapping) else None
    return last_day(stated)


def _objects(element: object, name: str) -> Sequence[Json]:
    found = element.get(name) if isinstance(element, Mapping) else None
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []
