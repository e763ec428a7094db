"""Each rule of content: its refusal, with the row of the error table and the path at fault."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import orjson
import pytest

from app.errors import Reason, Refusal
from app.services.kritiskinfo import codes, elements, mapping, records, rules, samples
from app.services.kritiskinfo.categories import CATEGORIES, category_of
from app.services.kritiskinfo.elements import depth, expires, interval, last_day
from app.services.kritiskinfo.errors import wire
from app.services.kritiskinfo.records import Draft, Record
from app.services.kritiskinfo.rules import Context
from app.services.kritiskinfo.samples import Place, Resource, Writer

NOW = 1_795_000_000.0
NIN = "14838449698"
WRITER = Writer("222250101", "LEGEROT, ÅRVÅKEN", "LE", "315500303", "FRISK FJORD SYKEHUS, SOMATIKK")
PLACE = Place(NIN, WRITER)
SAMPLES: dict[str, Callable[[], Resource]] = {
    "drug": lambda: samples.drug_reaction(PLACE),
    "allergy": lambda: samples.other_allergy(PLACE),
    "intubation": lambda: samples.intubation_problem(PLACE),
    "anesthesia": lambda: samples.anesthesia_problem(PLACE),
    "condition": lambda: samples.critical_condition(PLACE),
    "treatment": lambda: samples.treatment(PLACE),
    "device": lambda: samples.device(PLACE),
    "transplant": lambda: samples.transplant(PLACE),
    "limited": lambda: samples.limited_treatment(PLACE, "2027-01-31"),
    "routine": lambda: samples.routine_change(PLACE),
    "infection": lambda: samples.infection(PLACE),
    "no-resuscitation": lambda: samples.no_resuscitation(PLACE),
}


def context(**changes: Any) -> Context:
    made = Context(
        now=NOW,
        born=rules.birth("1984-03-14"),
        is_patient=lambda number: number == NIN,
        hpr=WRITER.hpr,
        role="LE",
        organisations=frozenset({WRITER.orgnr}),
        note=lambda _code, _text: None,
    )
    return replace(made, **changes)


def new(resource: Resource, **changes: Any) -> Draft:
    return rules.new(resource, context(**changes))


def stored(draft: Draft) -> Record:
    body = orjson.dumps({**draft.content, "id": "a", "meta": {**draft.content["meta"], "versionId": "1"}})
    return Record(draft.type, "a", 1, NOW, draft.category, draft.state, draft.expires, body)


def fault(work: Callable[[], object]) -> tuple[str, str]:
    """The key and location of the refusal."""
    with pytest.raises(Refusal) as caught:
        work()
    return wire(caught.value).key, caught.value.extra.get("location", "")


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_fhir_and_keeps_the_rules(name: str) -> None:
    resource = SAMPLES[name]()
    assert mapping.read(orjson.dumps(resource), resource["resourceType"]) == resource
    draft = new(resource)
    again = mapping.read(orjson.dumps({**draft.content, "id": "a"}), draft.type)
    assert category_of(again) == draft.category
    assert draft.state == "active"


def test_the_samples_are_of_every_category() -> None:
    found = {(draft.type, draft.category) for draft in map(new, (make() for make in SAMPLES.values()))}
    assert found == {(row.type, row.code) for row in CATEGORIES}


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_can_be_changed_and_refuted(name: str) -> None:
    before = stored(new(SAMPLES[name]()))
    body = orjson.loads(before.body)
    changed = rules.changed(samples.changed(body, WRITER), context(now=NOW + 60), before)
    assert elements.value(changed.content, elements.UPDATED) == "2026-11-18T11:07:40.000Z"
    assert elements.recorded(changed.content) == elements.recorded(body)
    assert rules.changed(samples.refuted(body, WRITER), context(), before).state == "refuted"


def with_(name: str, path: str, value: object) -> Resource:
    """A sample with the element at a path such as ``note.0.text`` replaced; None drops it."""
    made = deepcopy(SAMPLES[name]())
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place: Any = made
    for step in steps:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return made


UNKNOWN = [{"system": codes.SYSTEM_BASE + "Other", "code": "1"}]
FOREIGN = [{"system": "http://www.whocc.no/atc", "code": "J01CE02"}]
EXCLUDED = [{"system": codes.ICD_10, "code": "Z88.0"}]
OTHER = {"identifier": {"value": "02917149979"}}


@pytest.mark.parametrize(
    ("name", "path", "value", "key", "location"),
    [
        ("drug", "meta.profile", [], "rule", "AllergyIntolerance.meta.profile"),
        ("condition", "meta.profile", ["x", "y"], "rule", "Condition.meta.profile"),
        ("condition", "category.0.coding.0.code", "10", "rule", "Condition.category"),
        ("drug", "clinicalStatus.coding.0.code", "resolved", "rule", "AllergyIntolerance.verificationStatus"),
        ("condition", "verificationStatus.coding.0.code", "refuted", "rule", "Condition.verificationStatus"),
        ("condition", "verificationStatus.coding.0.code", "unconfirmed", "rule", "Condition.verificationStatus"),
        ("treatment", "status", "not-done", "rule", "Procedure.status"),
        ("treatment", "status", "entered-in-error", "rule", "Procedure.status"),
        ("device", "status", "stopped", "rule", "DeviceUseStatement.status"),
        ("routine", "status", "entered-in-error", "rule", "Flag.status"),
        ("limited", "status", "draft", "rule", "Consent.status"),
        ("drug", "criticality", "deadly", "rule", "AllergyIntolerance.criticality"),
        ("drug", "patient", OTHER, "rule", "AllergyIntolerance.patient"),
        ("device", "subject", OTHER, "rule", "DeviceUseStatement.subject"),
        ("drug", "recorder", None, "rule", "AllergyIntolerance.recorder"),
        ("limited", "performer", [], "rule", "Consent.performer"),
        ("drug", "contained.0.id", "someone", "rule", "AllergyIntolerance.contained"),
        ("drug", "contained.0.practitioner", {}, "rule", "AllergyIntolerance.contained"),
        ("drug", "onsetDateTime", "2026-11-19", "rule", "AllergyIntolerance.onset"),
        ("treatment", "performedDateTime", "1983", "rule", "Procedure.performed"),
        ("drug", "recordedDate", "2026-11-19", "rule", "AllergyIntolerance.recordedDate"),
        ("device", "recordedOn", "2027", "rule", "DeviceUseStatement.recordedOn"),
        ("drug", "note.0.text", "n" * 501, "rule", "AllergyIntolerance.note"),
        ("no-resuscitation", "extension.1.valueString", "n" * 81, "rule", "Consent.extension"),
        ("drug", "code.coding", [], "rule", "AllergyIntolerance.code"),
        ("drug", "code.coding", UNKNOWN, "code", "AllergyIntolerance.code"),
        ("drug", "code.coding", FOREIGN, "code", "AllergyIntolerance.code"),
        ("condition", "code.coding", EXCLUDED, "rule", "Condition.code"),
        ("drug", "code.coding.0.code", None, "code", "AllergyIntolerance.code"),
        ("drug", "reaction.0.manifestation.0.coding.0.code", "x", "code", "AllergyIntolerance.reaction.manifestation"),
        ("drug", "extension.0.valueCoding.code", "99", "code", "AllergyIntolerance.extension"),
        ("drug", "extension.0.valueCoding", samples.coding(codes.ATC, "V08"), "code", "AllergyIntolerance.extension"),
        ("intubation", "code.coding.0.code", "4", "rule", "Condition.code"),
        ("device", "contained.1.type", {}, "rule", "DeviceUseStatement.device"),
        ("limited", "scope.coding.0.code", "treatment", "rule", "Consent.scope"),
        ("limited", "policyRule.coding.0.code", "2", "rule", "Consent.policyRule"),
        ("limited", "extension.1", None, "rule", "Consent.extension"),
    ],
)
def test_a_broken_rule_names_its_place(name: str, path: str, value: object, key: str, location: str) -> None:
    assert fault(lambda: new(with_(name, path, value))) == (key, location)


@pytest.mark.parametrize("text", ["<b>", "</p>", "<!-- x", "JavaScript: x", "&#60;", 'x onclick="y"', "<?xml"])
def test_markup_is_refused(text: str) -> None:
    body = orjson.dumps(with_("drug", "note.0.text", text))
    assert fault(lambda: mapping.read(body, "AllergyIntolerance")) == ("rule", "AllergyIntolerance.note.text")


@pytest.mark.parametrize("text", ["INR < 2 og > 1", "5<6", "temp >38", "a&b", "linje 1\nlinje 2"])
def test_ordinary_text_is_not_markup(text: str) -> None:
    resource = with_("drug", "note.0.text", text)
    assert mapping.read(orjson.dumps(resource), "AllergyIntolerance") == resource


def test_what_is_not_fhir_says_where() -> None:
    body = orjson.dumps(with_("drug", "code.coding.0.system", 7))
    key, location = fault(lambda: mapping.read(body, "AllergyIntolerance"))
    assert (key, location) == ("body", "AllergyIntolerance.code.coding.system")


def test_a_code_that_went_out_of_use_may_stay_when_the_record_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    before = stored(new(SAMPLES["drug"]()))
    monkeypatch.setattr(codes, "known", lambda *_: None)
    body = orjson.loads(before.body)
    assert rules.changed(samples.refuted(body, WRITER), context(), before).state == "refuted"
    assert fault(lambda: new(SAMPLES["drug"]()))[0] == "code"


def test_a_change_may_not_be_before_the_one_before() -> None:
    first = stored(new(SAMPLES["drug"]()))
    body = orjson.loads(first.body)
    second = replace(stored(rules.changed(samples.changed(body, WRITER), context(), first)), version=2)
    late = samples.changed(orjson.loads(second.body), WRITER)
    late["extension"] = [*late["extension"], {"url": elements.url(elements.UPDATED), "valueDateTime": "2026-01-01"}]
    assert fault(lambda: rules.changed(late, context(), second)) == ("rule", "AllergyIntolerance.extension")


def test_findings_are_noted_and_refuse_nothing() -> None:
    told: list[str] = []
    resource = with_("infection", "code.text", "MRSA")
    del resource["code"]["coding"][0]["display"]
    new(resource, note=lambda code, _text: told.append(code), organisations=frozenset(), role="SP")
    assert set(told) == {"DISPLAY", "TEXT", "ORG"}
    new(SAMPLES["drug"](), note=lambda code, _text: told.append(code), role="SP")
    assert told[-1] == "ROLE"


def test_dates() -> None:
    assert str(last_day("2026")) == "2026-12-31"
    assert str(last_day("2028-02")) == "2028-02-29"
    assert str(last_day("2026-11-18T23:30:00Z")) == "2026-11-18"
    assert last_day("soon") is None
    assert interval(7) is None
    assert str(expires(samples.routine_change(PLACE, until="2026-11-01"))) == "2026-11-01"


def test_depth() -> None:
    assert depth({"a": [{"b": 1}]}, 3)
    assert not depth({"a": [{"b": 1}]}, 2)


def test_the_deleted_form_has_no_content() -> None:
    for make in SAMPLES.values():
        record = stored(new(make()))
        record = replace(record, body=orjson.dumps(records.entered_in_error(orjson.loads(record.body))))
        left = orjson.loads(records.gone(record))
        assert set(left) <= {"resourceType", "id", "meta", "status", "verificationStatus"}
        assert NIN not in orjson.dumps(left).decode()


def test_every_reason_of_the_policy_has_a_row_of_its_own() -> None:
    failures = {reason for reason in Reason if wire(reason).key == "failure"}
    assert Reason.INTERNAL in failures
    assert not failures & {Reason.ACTOR_BLOCKED, Reason.GENERAL_BLOCK, Reason.PATIENT_RESERVED, Reason.HPR_MISSING}
