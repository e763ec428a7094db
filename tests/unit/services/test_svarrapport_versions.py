"""Which version wins, and what is remembered of it (pps.md §9.5, R51, R52)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.services.provesvar.report import MappedReport, Outcome, StoredVersion, merge, stored_shape, stored_version
from tests.unit.services.svarrapport_files import extension, mapped

FIRST, SECOND, THIRD = (mapped(name) for name in ("kjede-1-ny", "kjede-2-endring", "kjede-3-trukket"))


def stored(report: MappedReport) -> StoredVersion:
    return stored_version(stored_shape(report))


def test_first_version_is_new() -> None:
    found = merge(None, FIRST)
    assert (found.outcome, found.report) == (Outcome.NEW, FIRST)


@pytest.mark.parametrize(
    ("before", "after"), [pytest.param(FIRST, SECOND, id="pps-81"), pytest.param(FIRST, THIRD, id="pps-82")]
)
def test_change_replaces_and_keeps_the_report_date(before: MappedReport, after: MappedReport) -> None:
    found = merge(stored(before), after)
    assert found.outcome is Outcome.REPLACED
    assert found.report is not None
    head = found.report.resources[0]
    assert extension(head, "report-date") == "2026-03-05T08:30:00+01:00"
    assert head["id"] == before.report_id
    assert head["issued"] > before.resources[0]["issued"]
    assert found.report.resources[1:] == after.resources[1:]


def test_report_date_survives_a_chain() -> None:
    second = merge(stored(FIRST), SECOND).report
    assert second is not None
    third = merge(stored(second), THIRD).report
    assert third is not None
    assert third.report_date == FIRST.report_date


def test_merging_changes_nothing_in_what_came() -> None:
    before = extension(SECOND.resources[0], "report-date")
    merge(stored(FIRST), SECOND)
    assert extension(SECOND.resources[0], "report-date") == before == "2026-03-05T09:55:00+01:00"


def test_older_message_is_ignored() -> None:
    """pps-89."""
    found = merge(stored(SECOND), FIRST)
    assert (found.outcome, found.report) == (Outcome.IGNORED_OLDER, None)


def test_equal_time_replaces() -> None:
    assert merge(stored(FIRST), replace(FIRST, msg_id="another")).outcome is Outcome.REPLACED


def test_cancellation_without_predecessor_is_stored() -> None:
    """pps-84."""
    found = merge(None, mapped("kansellering"))
    assert found.outcome is Outcome.CANCELLED
    assert found.report == mapped("kansellering")


def test_cancellation_of_a_stored_report() -> None:
    incoming = replace(mapped("kansellering"), key=FIRST.key)
    found = merge(stored(FIRST), incoming)
    assert found.outcome is Outcome.CANCELLED
    assert found.report is not None
    assert found.report.report_date == FIRST.report_date


def test_older_cancellation_is_ignored() -> None:
    incoming = replace(mapped("kansellering"), generated=FIRST.generated - 1)
    assert merge(stored(FIRST), incoming).outcome is Outcome.IGNORED_OLDER


def test_stored_shape_round_trip() -> None:
    found = stored(FIRST)
    assert found == StoredVersion(FIRST.generated, FIRST.report_date, FIRST.msg_id, FIRST.object_ids)


def test_stored_shape_is_stable() -> None:
    assert stored_shape(FIRST) == stored_shape(mapped("kjede-1-ny"))


def test_sender_is_the_laboratory() -> None:
    assert (FIRST.sender, FIRST.gen_date) == ("990091", FIRST.generated)
