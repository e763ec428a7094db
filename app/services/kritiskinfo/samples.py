"""Made-up records of every category, in the form they are sent: for the seed, examples and tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app import identity
from app.catalogue.codelists import BY_SYSTEM
from app.services.kritiskinfo import elements
from app.services.kritiskinfo.categories import CATEGORY_SYSTEM, category
from app.services.kritiskinfo.categories import KiType as KiType
from app.services.kritiskinfo.codes import ATC, DURATIONS, ICD_10, INFECTIONS, REACTIONS, SOURCES, SYSTEM_BASE

Resource = dict[str, Any]

_HL7: Final = "http://terminology.hl7.org/CodeSystem/"
_ALLERGENS: Final = SYSTEM_BASE + "SandboxAllergen"
_FINDINGS: Final = SYSTEM_BASE + "SandboxAnesthesiaFinding"
_PROCEDURES: Final = SYSTEM_BASE + "SandboxProcedure"
_DEVICES: Final = SYSTEM_BASE + "SandboxDevice"
_TRANSPLANTS: Final = SYSTEM_BASE + "SandboxTransplant"
_ROUTINES: Final = SYSTEM_BASE + "SandboxRoutineChange"
_POLICIES: Final = SYSTEM_BASE + "SandboxConsentPolicy"


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes: HPR number and name, role of list 9060, and the organisation."""

    hpr: str
    name: str
    role: str
    orgnr: str
    organisation: str


@dataclass(frozen=True, slots=True)
class Place:
    """About whom (a national number), and by whom."""

    nin: str
    writer: Writer


def person(writer: Writer, id_: str = elements.RECORDER_ID) -> Resource:
    """The contained PractitionerRole of who records or changes."""
    roles = SYSTEM_BASE + "CategoriesOfHealthProfessionals"
    return {
        "resourceType": "PractitionerRole",
        "id": id_,
        "practitioner": {
            "identifier": {"system": identity.HPR_SYSTEM, "value": writer.hpr},
            "display": writer.name,
        },
        "organization": {
            "identifier": {"system": identity.ORGNR_SYSTEM, "value": writer.orgnr},
            "display": writer.organisation,
        },
        "code": [{"coding": [coding(roles, writer.role)]}],
    }


def changed(body: Mapping[str, Any], writer: Writer, **members: Any) -> Resource:
    """The body of a PUT: what was read, with other members and who changes it."""
    rest = [each for each in body["contained"] if each["id"] != elements.UPDATER_ID]
    extensions = [each for each in body.get("extension", ()) if not elements.is_extension(each, elements.UPDATED)]
    made = {**body, "contained": [*rest, person(writer, elements.UPDATER_ID)], "extension": extensions, **members}
    return made if made["extension"] else {name: each for name, each in made.items() if name != "extension"}


def noted(body: Mapping[str, Any], writer: Writer, text: str) -> Resource:
    """The body of a PUT that gives a record one more note; Flag and Consent have an extension for it."""
    if body["resourceType"] not in ("Flag", "Consent"):
        return changed(body, writer, note=[*body.get("note", ()), {"text": text}])
    rest = [each for each in body.get("extension", ()) if not elements.is_extension(each, elements.TEXT)]
    note = {"url": elements.url(elements.TEXT), "valueString": text}
    return changed({**body, "extension": [*rest, note]}, writer)


def refuted(body: Mapping[str, Any], writer: Writer) -> Resource:
    """The body of a PUT that refutes a record."""
    return changed(body, writer, **_REFUTED[body["resourceType"]])


def coding(system: str, code: str, **members: Any) -> Resource:
    """A coding with the display of its list."""
    found = BY_SYSTEM[system].codes[code]
    return {"system": system, "code": code, "display": found.display, **members}


def drug_reaction(place: Place, code: str = "J01CE02") -> Resource:
    return _allergy(place, "medication", coding(ATC, code))


def other_allergy(place: Place, code: str = "101") -> Resource:
    return _allergy(place, "food", coding(_ALLERGENS, code))


def intubation_problem(place: Place, finding: str = "103") -> Resource:
    made = _condition(place, 3, coding(CATEGORY_SYSTEM, "3"))
    return {**made, "evidence": [{"code": [{"coding": [coding(_FINDINGS, finding)]}]}]}


def anesthesia_problem(place: Place, finding: str = "402") -> Resource:
    made = _condition(place, 4, coding(CATEGORY_SYSTEM, "4"))
    return {**made, "evidence": [{"code": [{"coding": [coding(_FINDINGS, finding)]}]}]}


def critical_condition(place: Place, code: str = "D66") -> Resource:
    return _condition(place, 5, coding(ICD_10, code))


def transplant(place: Place, code: str = "101") -> Resource:
    return _condition(place, 7, coding(_TRANSPLANTS, code))


def infection(place: Place, code: str = "101", until: str | None = None) -> Resource:
    made = _condition(place, 10, coding(INFECTIONS, code))
    return made if until is None else {**made, "extension": [*made["extension"], _until(until)]}


def treatment(place: Place, code: str = "101") -> Resource:
    return {
        **_base(place, "Procedure", 6),
        "status": "in-progress",
        "category": {"coding": [_category(6)]},
        "code": {"coding": [coding(_PROCEDURES, code)]},
        "performedDateTime": "2014-03-11",
        "note": [{"text": "Følges opp på poliklinikken"}],
    }


def device(place: Place, code: str = "101") -> Resource:
    made = _base(place, "DeviceUseStatement", 7)
    implant = {"resourceType": "Device", "id": "device", "type": {"coding": [coding(_DEVICES, code)]}}
    return {
        **made,
        "contained": [*made["contained"], implant],
        "status": "active",
        "device": {"reference": "#device"},
        "note": [{"text": "Kontrolleres hvert år"}],
    }


def routine_change(place: Place, code: str = "101", until: str | None = None) -> Resource:
    period = {"start": "2014-01-15"} if until is None else {"start": "2014-01-15", "end": until}
    return {
        **_base(place, "Flag", 9),
        "status": "active",
        "category": [{"coding": [_category(9)]}],
        "code": {"coding": [coding(_ROUTINES, code)]},
        "period": period,
    }


def limited_treatment(place: Place, until: str) -> Resource:
    made = _consent(place, 8, "adr", "1")
    return {**made, "extension": [*made["extension"], _until(until)]}


def no_resuscitation(place: Place) -> Resource:
    made = _consent(place, 11, "treatment", "2")
    reason = {"url": elements.url(elements.NO_RESUSCITATION_REASON), "valueString": "Etter samtale med pasienten"}
    provision = {"code": [{"coding": [coding(DURATIONS, "1")]}]}
    return {**made, "extension": [*made["extension"], reason], "provision": provision}


CONDITIONS: Final[Mapping[int, Callable[[Place], Resource]]] = {
    3: intubation_problem,
    4: anesthesia_problem,
    5: critical_condition,
    7: transplant,
    10: infection,
}
"""The categories that are conditions."""


def _base(place: Place, type_: KiType, code: int) -> Resource:
    made: Resource = {
        "resourceType": type_,
        "meta": {"profile": [category(type_, code).profile]},
        "contained": [person(place.writer)],
        "extension": [
            {"url": elements.url(elements.SOURCE_OF_INFORMATION), "valueCoding": coding(SOURCES, "1")},
        ],
        elements.PATIENT_ELEMENT[type_]: {"identifier": {"system": _system(place.nin), "value": place.nin}},
    }
    recorder = {"reference": f"#{elements.RECORDER_ID}"}
    made[elements.RECORDER_ELEMENT[type_]] = [recorder] if type_ == "Consent" else recorder
    return made


def _system(nin: str) -> str:
    return identity.parse(nin).system


def _allergy(place: Place, kind: str, code: Resource) -> Resource:
    return {
        **_base(place, "AllergyIntolerance", 1 if kind == "medication" else 2),
        "clinicalStatus": _status("allergyintolerance-clinical", "active"),
        "verificationStatus": _status("allergyintolerance-verification", "confirmed"),
        "category": [kind],
        "criticality": "high",
        "code": {"coding": [code]},
        "onsetDateTime": "2011-05-01",
        "note": [{"text": "Utslett og hevelse samme dag"}],
        "reaction": [{"manifestation": [{"coding": [coding(REACTIONS, "101")]}]}],
    }


def _condition(place: Place, number: int, code: Resource) -> Resource:
    return {
        **_base(place, "Condition", number),
        "clinicalStatus": _status("condition-clinical", "active"),
        "verificationStatus": _status("condition-ver-status", "confirmed"),
        "category": [{"coding": [_category(number)]}],
        "code": {"coding": [code]},
        "onsetDateTime": "2010-02",
    }


def _consent(place: Place, number: int, scope: str, policy: str) -> Resource:
    return {
        **_base(place, "Consent", number),
        "status": "active",
        "scope": {"coding": [{"system": _HL7 + "consentscope", "code": scope}]},
        "category": [{"coding": [_category(number)]}],
        "policyRule": {"coding": [coding(_POLICIES, policy)]},
    }


def _category(number: int) -> Resource:
    return coding(CATEGORY_SYSTEM, str(number))


def _status(system: str, code: str) -> Resource:
    return {"coding": [{"system": _HL7 + system, "code": code}]}


def _until(day: str) -> Resource:
    return {"url": elements.url(elements.VALID_UNTIL), "valueDateTime": day}


_REFUTED: Final[Mapping[str, Resource]] = {
    "AllergyIntolerance": {
        "clinicalStatus": _status("allergyintolerance-clinical", "inactive"),
        "verificationStatus": _status("allergyintolerance-verification", "refuted"),
    },
    "Condition": {
        "clinicalStatus": _status("condition-clinical", "inactive"),
        "verificationStatus": _status("condition-ver-status", "refuted"),
    },
    "Procedure": {"status": "completed"},
    "DeviceUseStatement": {"status": "completed"},
    "Flag": {"status": "inactive"},
    "Consent": {"status": "inactive"},
}
