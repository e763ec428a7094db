"""Reading results: pages, empty answers, what the journal saw."""

from __future__ import annotations

import json

import pytest

from sandkasse import Sandbox
from vendor_tests.conftest import Reader


def test_all_reports_come_over_several_pages(reader: Reader, sandbox: Sandbox) -> None:
    found = reader().read(sandbox.patient("P01").nin, page_size=25)
    assert (len(found.reports), found.pages, found.withheld) == (73, 3, None)


def test_every_page_is_one_call(reader: Reader, sandbox: Sandbox) -> None:
    reader().read(sandbox.patient("P01").nin, page_size=10)
    assert len(sandbox.journal.expect(service="pps-v2", patient="P01", status=200, count=8)) == 8


def test_each_call_has_a_correlation_id(reader: Reader, sandbox: Sandbox) -> None:
    results = reader()
    results.read(sandbox.patient("P01").nin, page_size=100)
    (exchange,) = sandbox.journal.expect(service="pps-v2")
    assert sandbox.journal.explain(exchange).body["access"]["correlationId"] == results.correlation_id


def test_a_new_patient_has_no_reports(reader: Reader, sandbox: Sandbox) -> None:
    (newcomer,) = sandbox.persons.generate(1, age_from=30, age_to=40, seed="newcomer")
    assert reader().read(newcomer.nin).reports == []


def test_a_result_we_put_is_found(reader: Reader, sandbox: Sandbox) -> None:
    (newcomer,) = sandbox.persons.generate(1, age_from=30, age_to=40)
    report = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"text": "A result of ours"},
        "subject": {"identifier": {"value": newcomer.nin}},
        "effectiveDateTime": "2026-01-15T08:30:00+01:00",
    }
    sandbox.put_fhir("pps", report)
    (found,) = reader().read(newcomer.nin).reports
    assert found["code"]["text"] == "A result of ours"


@pytest.mark.sandbox(scenario="gp-office", seed="17")
def test_a_day_at_the_office(sandbox: Sandbox) -> None:
    assert len(sandbox.practitioners.patients("L01")) == 33
    before = sandbox.persons.list()
    sandbox.persons.remove(before[0].id)
    sandbox.reset(scenario="gp-office")
    assert sandbox.persons.list() == before


def test_old_people_of_a_municipality(sandbox: Sandbox) -> None:
    made = sandbox.persons.generate(5, seed="5", age_from=67, age_to=90, municipality="4601", prefix="OLD")
    assert len({person.nin for person in made}) == 5
    assert {person.municipality for person in made} == {"4601"}
    assert made == tuple(sandbox.persons.get(person.id) for person in made)


def test_no_number_and_no_token_leaves_in_an_export(reader: Reader, sandbox: Sandbox) -> None:
    number = sandbox.patient("P01").nin
    reader().read(number, page_size=100)
    log = sandbox.journal.har()
    text = json.dumps(log)
    assert log["log"]["version"] == "1.2"
    assert "DiagnosticReport" in text
    assert number not in text
    assert "eyJ" not in text
