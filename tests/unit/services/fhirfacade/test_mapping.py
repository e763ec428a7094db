"""Records in the form of the basis and IPS profiles: what each type becomes, and which profiles it may claim."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson
import pytest

from app.services.fhirfacade.mapping import resources_of, shown
from app.services.fhirfacade.profiles import PROFILES, SECTIONS, claimed, lacking

TODAY = date(2026, 11, 21)
KJ = "http://nhn.no/kj/fhir/"
NO_BASIS = "http://hl7.no/fhir/StructureDefinition/no-basis-AllergyIntolerance"


@dataclass(frozen=True)
class Stored:
    type: str
    id: str
    category: int
    body: bytes
    version: int = 1
    updated: float = 0.0
    state: str = "active"
    expires: date | None = None


def record(type_: str, category: int, expires: date | None = None, **members: Any) -> Stored:
    body = {
        "resourceType": type_,
        "id": "a1",
        "meta": {"versionId": "1", "lastUpdated": "2026-02-03T09:15:00.000Z", "profile": [KJ + "x"]},
        **members,
    }
    return Stored(type_, "a1", category, orjson.dumps(body), expires=expires)


def extension(name: str, **value: Any) -> dict[str, Any]:
    return {"url": f"{KJ}StructureDefinition/{name}", **value}


def test_a_presumed_allergy_is_unconfirmed_with_a_note() -> None:
    stored = record(
        "AllergyIntolerance",
        1,
        verificationStatus={"coding": [{"system": "s"}], "extension": [extension("KJPRESUMED", valueBoolean=True)]},
        code={"text": "Penicillin"},
    )
    (made,) = resources_of(stored, "P01", TODAY)
    assert made["verificationStatus"]["coding"][0]["code"] == "unconfirmed"
    assert made["note"] == [{"text": "Sannsynlig"}]
    assert made["patient"] == {"reference": "Patient/P01"}


@pytest.mark.parametrize(
    ("code", "system", "claims"),
    [("101", "urn:uid:2.16.578.1.12.4.1.1.7497", True), ("9", KJ + "CodeSystem/TypeOfReaction", False)],
)
def test_only_reactions_of_the_national_list_have_its_system(code: str, system: str, claims: bool) -> None:
    coding = {"system": KJ + "CodeSystem/TypeOfReaction", "code": code}
    stored = record(
        "AllergyIntolerance",
        1,
        criticality="high",
        code={"text": "Penicillin"},
        reaction=[{"manifestation": [{"coding": [coding]}]}],
    )
    (made,) = resources_of(stored, "P01", TODAY)
    (reaction,) = made["reaction"]
    assert reaction["severity"] == "severe"
    assert reaction["manifestation"][0]["coding"] == [{"system": system, "code": code}]
    assert (NO_BASIS in made["meta"]["profile"]) is claims


def test_the_source_of_information_is_the_extension_of_the_basis_profile() -> None:
    coding = {"system": KJ + "CodeSystem/SourceOfInformation", "code": "1"}
    stored = record("AllergyIntolerance", 1, extension=[extension("KjSourceOfInformation", valueCoding=coding)])
    (made,) = resources_of(stored, "P01", TODAY)
    (found,) = made["extension"]
    assert found["url"].endswith("no-basis-sourceofinformation")
    codings = found["extension"][0]["valueCodeableConcept"]["coding"]
    assert [each["system"] for each in codings] == ["urn:uid:2.16.578.1.12.4.1.1.7498", coding["system"]]


@pytest.mark.parametrize(
    ("type_", "category", "element", "value"),
    [
        ("Condition", 10, "clinicalStatus", "inactive"),
        ("Procedure", 6, "status", "completed"),
        ("DeviceUseStatement", 7, "status", "completed"),
        ("Flag", 9, "status", "inactive"),
        ("Consent", 8, "status", "active"),
    ],
)
def test_an_expired_record_says_so_but_for_a_consent(type_: str, category: int, element: str, value: str) -> None:
    made = resources_of(record(type_, category, TODAY, status="active", code={"text": "x"}), "P01", TODAY)[0]
    assert made[element] == value or made[element]["coding"][0]["code"] == value
    tomorrow = resources_of(record(type_, category, date(2026, 11, 22), status="active", code={}), "P01", TODAY)[0]
    assert (tomorrow.get(element) == made[element]) is (type_ == "Consent")


@pytest.mark.parametrize(("category", "flag"), [(3, "clinical"), (5, "clinical"), (7, None), (10, "contact")])
def test_some_conditions_are_alerts_too(category: int, flag: str | None) -> None:
    made = resources_of(record("Condition", category, code={"text": "x"}), "P01", TODAY)
    flags = [each["category"][0]["coding"][0]["code"] for each in made if each["resourceType"] == "Flag"]
    assert flags == ([] if flag is None else [flag])


def test_a_device_leaves_its_statement() -> None:
    device = {"resourceType": "Device", "id": "d", "type": {"text": "Pacemaker"}}
    stored = record(
        "DeviceUseStatement", 7, contained=[device], extension=[extension("KjImplanted", valueDateTime="2020")]
    )
    statement, made = resources_of(stored, "P01", TODAY)
    assert "contained" not in statement
    assert statement["timingDateTime"] == "2020"
    assert (made["id"], made["patient"]) == ("a1", {"reference": "Patient/P01"})
    assert shown(statement) == "Pacemaker"


def test_a_time_nobody_stated_is_said_to_be_unknown() -> None:
    (made,) = resources_of(record("Procedure", 6, code={"text": "x"}), "P01", TODAY)
    assert made["_performedDateTime"]["extension"][0]["valueCode"] == "unknown"


def test_a_profile_is_claimed_only_with_all_it_demands() -> None:
    (no_basis,) = (each for each in PROFILES if each.url == NO_BASIS)
    manifestation = {"coding": [{"system": "urn:uid:2.16.578.1.12.4.1.1.7497", "code": "101"}]}
    whole = {
        "resourceType": "AllergyIntolerance",
        "code": {"text": "x"},
        "patient": {"reference": "Patient/P01"},
        "reaction": [{"manifestation": [manifestation]}],
    }
    assert lacking(whole, no_basis) == []
    assert NO_BASIS in claimed(whole)
    assert lacking({**whole, "reaction": []}, no_basis) == ["reaction.manifestation.coding"]
    assert lacking({**whole, "reaction": whole["reaction"] * 2}, no_basis) == ["reaction"]  # type: ignore[operator]


def test_every_section_holds_types_there_are_or_none() -> None:
    held = {type_ for section in SECTIONS for type_ in section.holds}
    assert held == {"Condition", "AllergyIntolerance", "Procedure", "DeviceUseStatement", "Consent", "Flag"}
    assert len({section.code for section in SECTIONS}) == len(SECTIONS)
