"""The answers of the code systems: pure, from list and day."""

from datetime import UTC, date, datetime

import orjson
import pytest

from app.catalogue.codelists import LISTS
from app.errors import Reason, Refusal
from app.services.codingsystems.listing import Wanted, listed, loaded, overview, read_wanted, single, tag

TODAY = date(2026, 11, 21)


def codes(wanted: Wanted, id_: str = "DrugTradeName", day: date = TODAY) -> dict[str, bool]:
    return {each["display"]: each["active"] for each in orjson.loads(listed(id_, wanted, day))["codes"]}


@pytest.mark.parametrize(("hour", "minute", "day"), [(3, 59, 20), (4, 0, 21), (23, 59, 21)])
def test_lists_are_loaded_at_four(hour: int, minute: int, day: int) -> None:
    assert loaded(datetime(2026, 11, 21, hour, minute, tzinfo=UTC).timestamp()) == date(2026, 11, day)


def test_the_overview_names_every_list_once() -> None:
    shown = orjson.loads(overview(TODAY))
    assert [each["id"] for each in shown] == list(LISTS)
    fest = next(each for each in shown if each["id"] == "DrugTradeName")
    assert (fest["version"], fest["lastChanged"], fest["count"]) == ("2026.2", "2026-06-01T04:00:00Z", 19)


def test_codes_that_have_gone_are_shown_when_asked_for() -> None:
    assert "Utgått Sandkasse" not in codes(Wanted())
    assert codes(Wanted(include_inactive=True))["Utgått Sandkasse"] is False


def test_changes_tell_of_what_came_and_what_went() -> None:
    since = Wanted(changed_since=date(2025, 7, 1))
    assert codes(since) == {"Vancomycin Sandkasse": True, "Utgått Sandkasse": False}
    assert codes(Wanted(changed_since=date(2025, 7, 2))) == {"Vancomycin Sandkasse": True}
    assert codes(Wanted(changed_since=date(2025, 7, 1), include_inactive=False)) == {"Vancomycin Sandkasse": True}


def test_an_earlier_version_is_as_it_was() -> None:
    was = orjson.loads(listed("DrugTradeName", Wanted(version="2025.1"), TODAY))
    names = {each["display"] for each in was["codes"]}
    assert was["version"] == "2025.1"
    assert "Vancomycin Sandkasse" not in names
    assert was["lastChanged"] == "2025-07-01T04:00:00Z"


@pytest.mark.parametrize(
    ("id_", "version", "day"),
    [("Nothing", None, TODAY), ("ATC", "1999", TODAY), ("DrugTradeName", "2026.2", date(2026, 5, 31))],
)
def test_what_there_is_not(id_: str, version: str | None, day: date) -> None:
    with pytest.raises(Refusal) as refused:
        listed(id_, Wanted(version=version), day)
    assert refused.value.reason is Reason.NOT_FOUND


def test_one_code_is_shown_in_force_or_not() -> None:
    assert orjson.loads(single("SandboxInfection", "199", TODAY)) == {
        "code": "199",
        "display": "SARS",
        "active": False,
        "validFrom": "2024-01-01",
        "validTo": "2025-06-30",
    }
    for id_, code, day in (("ATC", "X", TODAY), ("X", "1", TODAY), ("ATC", "V08CA09", date(2024, 12, 31))):
        with pytest.raises(Refusal):
            single(id_, code, day)


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        ({}, Wanted()),
        ({"version": "2025.1", "other": "x"}, Wanted(version="2025.1")),
        ({"includeInactive": "true"}, Wanted(include_inactive=True)),
        ({"changedSince": "2025-06-01"}, Wanted(changed_since=date(2025, 6, 1))),
        ({"changedSince": "2025-06-01T23:30:00-02:00"}, Wanted(changed_since=date(2025, 6, 2))),
    ],
)
def test_the_query_is_read(sent: dict[str, str], wanted: Wanted) -> None:
    assert read_wanted(sent) == wanted


@pytest.mark.parametrize(
    "sent", [{"includeInactive": "ja"}, {"changedSince": "i fjor"}, {"changedSince": "0001-01-01T00:00:00+14:00"}]
)
def test_a_wrong_query_is_refused(sent: dict[str, str]) -> None:
    with pytest.raises(Refusal) as refused:
        read_wanted(sent)
    assert refused.value.reason is Reason.PARAMETER_INVALID


def test_the_tag_follows_the_bytes() -> None:
    assert tag(b"a") == tag(b"a") != tag(b"b")
