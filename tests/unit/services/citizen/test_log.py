"""The citizen's log, made of audit records: what is shown, in whose words, and what is not."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from app.services.citizen.log import Wanted, organisations_of, page


def record(**changes: Any) -> dict[str, Any]:
    return {
        "id": "01",
        "seq": 1,
        "kind": "release",
        "recorded": "2026-11-20T09:12:03.000Z",
        "eventId": "event-1",
        "service": "PPS",
        "apiVersion": "pps-v2",
        "operation": "DiagnosticReport/_search",
        "target": ["DiagnosticReport/1", "DiagnosticReport/2"],
        "actor": {
            "kind": "practitioner",
            "pid": "16867649135",
            "hpr": "222250102",
            "name": "MUNTER TRESKO",
            "role": "LE",
        },
        "org": {"legalEntity": "315500508", "pointOfCare": None, "department": None},
        "basis": None,
        "purpose": None,
        "decision": {"outcome": "PERMIT"},
        "elevated": False,
        "citizenVisible": True,
        **changes,
    }


def items(*records: dict[str, Any], wanted: Wanted | None = None) -> list[dict[str, Any]]:
    body, total = page(records, wanted or Wanted(), {"315500508": "LETT BAKKE LEGESENTER AS"})
    found = orjson.loads(body)
    assert found["total"] == total
    shown: list[dict[str, Any]] = found["items"]
    return shown


def test_a_reading_in_words() -> None:
    (shown,) = items(record(purpose="TREAT"))
    assert shown == {
        "time": "2026-11-20T09:12:03.000Z",
        "service": "Pasientens prøvesvar v2",
        "action": "Lest",
        "granted": True,
        "elevated": False,
        "ground": "Helsehjelp",
        "person": {"kind": "practitioner", "name": "MUNTER TRESKO", "role": "Lege", "hpr": "222250102"},
        "organisation": {"name": "LETT BAKKE LEGESENTER AS", "orgnr": "315500508", "legalEntity": "315500508"},
        "what": ["Svarrapport"],
        "changed": False,
        "eventId": "event-1",
    }


@pytest.mark.parametrize(
    "hidden",
    [{"citizenVisible": False}, {"kind": "decision"}, {"decision": {"outcome": "ERROR"}}],
    ids=["not for citizens", "the first of two", "failed for its own reasons"],
)
def test_what_is_not_shown(hidden: dict[str, Any]) -> None:
    assert items(record(**hidden)) == []


@pytest.mark.parametrize(
    ("basis", "ground"),
    [("SAMTYKKE", "Samtykke"), ("UNNTAK", "Unntak fra samtykkekrav"), ("AKUTT", "Akutt"), (None, None)],
)
def test_grounds(basis: str | None, ground: str | None) -> None:
    assert [each["ground"] for each in items(record(basis=basis))] == [ground]


@pytest.mark.parametrize(
    ("operation", "outcome", "action", "changed"),
    [
        ("Condition/create", "PERMIT", "Registrert", True),
        ("Condition/update", "PERMIT", "Endret", True),
        ("Condition/delete", "DENY", "Slettet", False),
        ("Condition/read", "PERMIT", "Lest", False),
    ],
)
def test_changes(operation: str, outcome: str, action: str, changed: bool) -> None:
    (shown,) = items(record(operation=operation, decision={"outcome": outcome}, target=[]))
    assert (shown["action"], shown["changed"], shown["what"]) == (action, changed, ["Tilstand"])


def test_newest_first_and_as_many_as_asked_for() -> None:
    rows = [record(seq=seq, eventId=str(seq)) for seq in (1, 3, 2)]
    rows.append(record(recorded="2026-11-21T00:00:00.000Z", eventId="later"))
    assert [each["eventId"] for each in items(*rows)] == ["later", "3", "2", "1"]


def test_the_organisations_of_a_record() -> None:
    assert organisations_of(record()) == ["315500508"]


def test_the_total_counts_all_of_them() -> None:
    body, total = page([record(), record(seq=2)], Wanted(count=1), {})
    assert (len(orjson.loads(body)["items"]), total) == (1, 2)
