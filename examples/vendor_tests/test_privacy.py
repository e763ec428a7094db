"""What patients have decided, and what the system shows then."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sandkasse import Sandbox
from sandkasse.groups import Clock
from vendor_tests.conftest import Reader
from vendor_tests.vendor_epj import Refused


def test_a_blocked_patient_shows_nothing_but_why(reader: Reader, sandbox: Sandbox) -> None:
    found = reader().read(sandbox.patient("P02").nin)
    assert (found.reports, found.withheld) == ([], "General")


def test_a_block_is_opened_in_an_emergency(reader: Reader, sandbox: Sandbox) -> None:
    found = reader().read(sandbox.patient("P02").nin, basis="FORHOYET_AKUTT")
    assert (len(found.reports), found.withheld) == (2, None)


def test_a_block_against_one_health_worker(reader: Reader, sandbox: Sandbox) -> None:
    number = sandbox.patient("P03").nin
    assert reader("H02").read(number).withheld == "Specific"
    assert reader("H01").read(number).withheld is None


def test_a_block_that_comes_and_goes(reader: Reader, sandbox: Sandbox) -> None:
    results, number = reader(), sandbox.patient("P01").nin
    setting = sandbox.settings.block("P01")
    assert results.read(number).withheld == "General"
    sandbox.settings.remove(setting)
    assert results.read(number).withheld is None


def test_a_reservation_hides_that_there_is_anything(reader: Reader, sandbox: Sandbox) -> None:
    sandbox.settings.reserve("P01")
    assert reader().read(sandbox.patient("P01").nin).reports == []


def test_a_block_ends_on_its_day(reader: Reader, sandbox: Sandbox, frozen_clock: Clock) -> None:
    number = sandbox.patient("P01").nin
    sandbox.settings.add(
        "P01", svc="PPS", kind="general_block", to=(frozen_clock.now() + timedelta(days=1)).isoformat()
    )
    assert reader().read(number).withheld == "General"
    frozen_clock.advance(timedelta(days=2))
    assert reader().read(number).withheld is None


def test_a_delay_is_counted_on_the_sandbox_clock(sandbox: Sandbox, frozen_clock: Clock, reader: Reader) -> None:
    frozen_clock.advance(timedelta(days=100))
    until = frozen_clock.now() + timedelta(days=14)
    patient = sandbox.patient("P19")
    shown = len(reader().read(patient.nin).reports)
    setting = sandbox.settings.delay(patient.id, "a-report", until)
    assert (setting.code, setting.until) == ("NORU", until)
    assert len(reader().read(patient.nin).reports) == shown, "a delay towards the patient hides nothing from personnel"


def test_a_withdrawn_authorisation(reader: Reader, sandbox: Sandbox) -> None:
    results, number = reader(), sandbox.patient("P01").nin
    sandbox.practitioners.change("H01", authorizations=[])
    with pytest.raises(Refused):
        results.read(number)


def test_the_sandbox_says_which_rule_decided_and_what_would_help(reader: Reader, sandbox: Sandbox) -> None:
    reader().read(sandbox.patient("P02").nin)
    refused = sandbox.journal.last_refused()
    assert refused is not None
    explained = sandbox.journal.explain(refused)
    assert explained.deciding is not None
    assert explained.deciding["reason"] == "GENERAL_BLOCK"
    assert any("FORHOYET_AKUTT" in change.en for way in sandbox.journal.ways(refused).ways for change in way.changes)
