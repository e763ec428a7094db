"""A record as a line of the page, of each type."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson
import pytest

from app.services.kjernejournal.entries import entry_of
from app.services.kritiskinfo import samples
from app.services.kritiskinfo.categories import category_of
from tests.conformance.ki_kit import place
from tests.conformance.kj_kit import allergy, flag

TODAY = date(2026, 11, 21)
ABOUT = place()
SAMPLES = [
    make(ABOUT)
    for make in (
        samples.drug_reaction,
        samples.other_allergy,
        samples.intubation_problem,
        samples.anesthesia_problem,
        samples.critical_condition,
        samples.transplant,
        samples.infection,
        samples.treatment,
        samples.device,
        samples.routine_change,
        samples.no_resuscitation,
    )
] + [samples.limited_treatment(ABOUT, "2027-01-01")]
BASE = "http://nhn.no/kj/fhir/StructureDefinition/"


@dataclass(frozen=True)
class Stored:
    type: str
    body: bytes
    id: str = "1"
    version: int = 1
    updated: float = 0.0
    category: int = 1
    state: str = "active"
    expires: date | None = None


def stored(resource: dict[str, Any], **more: Any) -> Stored:
    return Stored(resource["resourceType"], orjson.dumps(resource), **more)


@pytest.mark.parametrize("sample", SAMPLES, ids=category_of)
def test_every_kind_of_record_says_what_it_is_about(sample: dict[str, Any]) -> None:
    shown = entry_of(stored(sample), "the category", TODAY)
    assert shown.text not in ("", "the category")
    assert shown.recorder == "LEGEROT, ÅRVÅKEN, FRISK FJORD SYKEHUS, SOMATIKK"


def test_an_allergy() -> None:
    shown = entry_of(stored(allergy()), "Legemiddelreaksjon", TODAY)
    assert (shown.id, shown.name, shown.text) == ("AllergyIntolerance/1", "Legemiddelreaksjon", "Penicillin V")
    assert (shown.details, shown.criticality) == (("Anafylaktisk reaksjon",), "high")
    assert (shown.onset, shown.recorded) == ("2021-05-01", "2026-02-03")
    assert (shown.source, shown.recorder) == ("Tester", "Legerot, Årvåken, Frisk fjord")
    assert shown.note == "Etter første tablett"


def test_a_flag_with_its_note_in_an_extension() -> None:
    resource = flag() | {"extension": [{"url": f"{BASE}KjText", "valueString": "Ring først"}]}
    shown = entry_of(stored(resource), "Annen prosedyreendring", TODAY)
    assert (shown.text, shown.note) == ("Skal til eget mottak", "Ring først")


def test_a_device() -> None:
    device = {"resourceType": "Device", "id": "d", "type": {"coding": [{"code": "1"}, {"display": "Pacemaker"}]}}
    resource = {"resourceType": "DeviceUseStatement", "contained": [device], "recordedOn": "2026-01-01"}
    shown = entry_of(stored(resource), "Implantat", TODAY)
    assert (shown.text, shown.recorded) == ("1", "2026-01-01")
    named = {"resourceType": "Device", "id": "d", "deviceName": [{"name": "Pumpe"}]}
    assert entry_of(stored({**resource, "contained": [named]}), "Implantat", TODAY).text == "Pumpe"


def test_the_coding_the_user_chose_is_shown() -> None:
    codings = [{"code": "J01", "display": "ATC"}, {"code": "ID", "display": "Merkevare", "userSelected": True}]
    shown = entry_of(stored({"resourceType": "AllergyIntolerance", "code": {"coding": codings}}), "x", TODAY)
    assert shown.text == "Merkevare"


def test_a_consent() -> None:
    resource = {
        "resourceType": "Consent",
        "provision": {"code": [{"coding": [{"display": "Inntil videre"}]}]},
        "dateTime": "2026-01-01",
    }
    shown = entry_of(stored(resource, expires=TODAY), "HLR-minus", TODAY)
    assert (shown.text, shown.state, shown.until) == ("Inntil videre", "active", "2026-11-21")


@pytest.mark.parametrize(
    ("state", "expires", "shown"),
    [
        ("active", None, "active"),
        ("active", TODAY, "expired"),
        ("active", date(2026, 11, 22), "active"),
        ("refuted", TODAY, "refuted"),
    ],
)
def test_the_state(state: str, expires: date | None, shown: str) -> None:
    assert entry_of(stored(flag(), state=state, expires=expires), "x", TODAY).state == shown


@pytest.mark.parametrize(
    "resource",
    [
        {"criticality": "very", "onsetString": "as a child"},
        {"code": [], "contained": {}, "extension": "x", "note": {"text": "x"}, "reaction": [1], "evidence": ["x"]},
        {"contained": [1], "extension": [1, {"url": 2}], "note": [1], "provision": {"code": {}}, "policyRule": "x"},
    ],
)
def test_whatever_is_stored_is_shown(resource: dict[str, Any]) -> None:
    shown = entry_of(stored({"resourceType": "Condition", **resource}), "Smitte", TODAY)
    assert (shown.text, shown.recorder, shown.note) == ("Smitte", "", "")
