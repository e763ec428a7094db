"""From a record in kjernejournal's form to resources in the form of the basis and IPS profiles (kritisk-info.md §9).

Pure. A record gives its own resource; an implant also a Device, and a condition that concerns every treatment a Flag.
Codings keep their original beside the national one; what kjernejournal's extensions say is said by FHIR's own elements
where there are such.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Any, Final

import orjson

from app.catalogue.codelists import national
from app.services.fhirfacade.port import Record
from app.services.fhirfacade.profiles import claimed

Resource = dict[str, Any]

TYPES: Final = ("AllergyIntolerance", "Condition", "Procedure", "DeviceUseStatement", "Device", "Flag", "Consent")
"""What the facade shows of the critical information."""

_TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem/"
_KJ: Final = "http://nhn.no/kj/fhir/"
_REACTIONS: Final = _KJ + "CodeSystem/TypeOfReaction"
_7497_LENGTH: Final = 3
"""Digits of the reaction codes that are those of Volven 7497; the others are kjernejournal's own."""
_UNKNOWN: Final = {
    "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
}
_FLAG_DETAIL: Final = "http://hl7.org/fhir/StructureDefinition/flag-detail"
_SOURCE: Final = "http://hl7.no/fhir/StructureDefinition/no-basis-sourceofinformation"
_SEVERITY: Final = MappingProxyType({"high": "severe", "low": "moderate"})
_PATIENT_OF: Final = MappingProxyType({"AllergyIntolerance": "patient", "Consent": "patient"})
_FLAGGED: Final = MappingProxyType({3: "clinical", 4: "clinical", 5: "clinical", 10: "contact"})
"""Categories of conditions that are shown as an alert too, with the category of the Flag."""
_DIRECTIVE: Final = MappingProxyType({8: "acd", 11: "dnr"})
"""The consent category of a treatment limitation and of a decision not to resuscitate."""


def resources_of(record: Record, person_id: str, today: date) -> list[Resource]:
    """The resources a record stands for, its own first. ``today`` is the date in Norway."""
    body: Resource = orjson.loads(record.body)
    expired = record.state == "active" and record.expires is not None and record.expires <= today
    found = [_common(body, person_id), *_MORE.get(record.type, _nothing)(body, record, person_id)]
    _OWN[record.type](found[0], record, expired)
    if record.type == "Condition" and record.category in _FLAGGED:
        found.append(_flag_of(found[0], record, expired))
    for resource in found:
        resource["meta"]["profile"] = claimed(resource)
        if not resource["meta"]["profile"]:
            del resource["meta"]["profile"]
    return found


def shown(resource: Resource) -> str:
    """The resource in a few words, for the narrative of a section."""
    concept = resource.get("code") or resource.get("provision", {}).get("code", [{}])[0]
    if resource["resourceType"] == "DeviceUseStatement":
        concept = {"text": resource["device"].get("display", "")}
    texts = [concept.get("text"), *(coding.get("display") for coding in concept.get("coding", ()))]
    return str(next((text for text in texts if text), resource["resourceType"]))


# what holds for every type


def _common(body: Resource, person_id: str) -> Resource:
    resource: Resource = {name: _translated(name, element) for name, element in body.items()}
    resource["meta"] = {name: body["meta"][name] for name in ("versionId", "lastUpdated")}
    element = _PATIENT_OF.get(body["resourceType"], "subject")
    resource[element] = {"reference": f"Patient/{person_id}", **body.get(element, {})}
    if "extension" in resource:
        resource["extension"] = [_source(each) for each in resource["extension"]]
    return resource


def _translated(name: str, element: Any) -> Any:
    """The element with the national coding before the one of kjernejournal, wherever a concept stands."""
    if isinstance(element, list):
        return [_translated(name, each) for each in element]
    if not isinstance(element, Mapping):
        return element
    if name == "manifestation":
        return {**element, "coding": [_reaction(coding) for coding in element.get("coding", ())]}
    made = {key: _translated(key, each) for key, each in element.items()}
    if isinstance(element.get("coding"), list):
        made["coding"] = [each for coding in element["coding"] for each in _with_national(coding)]
    return made


def _with_national(coding: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    system = coding.get("system", "")
    other = national(system)
    if other != system and "code" in coding and system != _REACTIONS:
        yield {**coding, "system": other}
        # Only one coding is the user's choice.
        coding = {name: each for name, each in coding.items() if name != "userSelected"}
    yield coding


def _reaction(coding: Mapping[str, Any]) -> Mapping[str, Any]:
    """The profile allows one coding only, so that the national system takes the place of kjernejournal's."""
    ours = coding.get("system") == _REACTIONS and len(str(coding.get("code", ""))) == _7497_LENGTH
    return {**coding, "system": national(_REACTIONS)} if ours else coding


def _source(extension: Mapping[str, Any]) -> Mapping[str, Any]:
    if _name(extension) != "kjsourceofinformation" or "valueCoding" not in extension:
        return extension
    concept = {"coding": list(_with_national(extension["valueCoding"]))}
    return {"url": _SOURCE, "extension": [{"url": "source", "valueCodeableConcept": concept}]}


def _name(extension: Mapping[str, Any]) -> str:
    return str(extension.get("url", "")).rpartition("/")[2].lower()


def _value(element: Mapping[str, Any], name: str) -> Any:
    """The value of kjernejournal's extension with a name; URLs are compared without regard to case."""
    for each in element.get("extension", ()):
        if _name(each) == name.lower():
            return next((value for key, value in each.items() if key.startswith("value")), None)
    return None


def _concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": _TERMINOLOGY + system, "code": code}]}


# what is special of each type


def _allergy(resource: Resource, _record: Record, _expired: bool) -> None:
    verification = resource.get("verificationStatus", {})
    if _value(verification, "KjPresumed") is True:
        # R4 has no code for presumed, which is R5's.
        resource["verificationStatus"] = _concept("allergyintolerance-verification", "unconfirmed")
        resource["note"] = [*resource.get("note", ()), {"text": "Sannsynlig"}]
    severity = _SEVERITY.get(resource.get("criticality", ""))
    if severity is not None and resource.get("reaction"):
        resource["reaction"] = [{**each, "severity": severity} for each in resource["reaction"]]


def _condition(resource: Resource, _record: Record, expired: bool) -> None:
    resource["category"] = [*resource.get("category", ()), _concept("condition-category", "problem-list-item")]
    if expired:
        resource["clinicalStatus"] = _concept("condition-clinical", "inactive")


def _procedure(resource: Resource, _record: Record, expired: bool) -> None:
    if not any(name.startswith("performed") for name in resource):
        resource["_performedDateTime"] = _UNKNOWN
    if expired:
        resource["status"] = "completed"


def _device_use(resource: Resource, record: Record, expired: bool) -> None:
    if not any(name.startswith("timing") for name in resource):
        implanted = _value(resource, "KjImplanted")
        timing = {"_timingDateTime": _UNKNOWN} if implanted is None else {"timingDateTime": implanted}
        resource.update(timing)
    device = _contained_device(resource)
    if device is not None:
        name = shown({"resourceType": "Device", "code": device.get("type", {})})
        resource["device"] = {"reference": f"Device/{record.id}", "display": name}
        left = [each for each in resource["contained"] if each["resourceType"] != "Device"]
        resource["contained"] = left
        if not left:
            del resource["contained"]
    if expired:
        resource["status"] = "completed"


def _flag(resource: Resource, _record: Record, expired: bool) -> None:
    resource["category"] = [*_many(resource.get("category")), _concept("flag-category", "clinical")]
    if expired:
        resource["status"] = "inactive"


def _consent(resource: Resource, record: Record, _expired: bool) -> None:
    """A Consent never leaves active by expiry (ruling S23)."""
    category = _concept("consentcategorycodes", _DIRECTIVE[record.category])
    resource["category"] = [*_many(resource.get("category")), category]


def _many(element: Any) -> list[Any]:
    return element if isinstance(element, list) else [] if element is None else [element]


# the resources a record gives besides its own


def _nothing(_body: Resource, _record: Record, _person_id: str) -> list[Resource]:
    return []


def _device_of(body: Resource, record: Record, person_id: str) -> list[Resource]:
    """The contained device as a resource of its own, with the id of the statement."""
    device = _contained_device(body)
    if device is None:
        return []
    made = {name: _translated(name, element) for name, element in device.items()}
    made |= {"id": record.id, "meta": _stamp(body), "patient": {"reference": f"Patient/{person_id}"}}
    return [made]


def _contained_device(resource: Resource) -> Resource | None:
    return next((each for each in resource.get("contained", ()) if each.get("resourceType") == "Device"), None)


def _flag_of(condition: Resource, record: Record, expired: bool) -> Resource:
    """The alert that a condition is, with the id of the condition."""
    in_force = record.state == "active" and not expired
    return {
        "resourceType": "Flag",
        "id": record.id,
        "meta": _stamp(condition),
        "extension": [{"url": _FLAG_DETAIL, "valueReference": {"reference": f"Condition/{record.id}"}}],
        "status": "active" if in_force else "inactive",
        "category": [_concept("flag-category", _FLAGGED[record.category])],
        "code": condition["code"],
        "subject": condition["subject"],
    }


def _stamp(resource: Resource) -> Resource:
    return {name: resource["meta"][name] for name in ("versionId", "lastUpdated")}


_OWN: Final[Mapping[str, Callable[[Resource, Record, bool], None]]] = MappingProxyType(
    {
        "AllergyIntolerance": _allergy,
        "Condition": _condition,
        "Procedure": _procedure,
        "DeviceUseStatement": _device_use,
        "Flag": _flag,
        "Consent": _consent,
    }
)
_MORE: Final[Mapping[str, Callable[[Resource, Record, str], Sequence[Resource]]]] = MappingProxyType(
    {"DeviceUseStatement": _device_of}
)
