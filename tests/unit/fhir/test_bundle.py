"""Bundles as joined bytes."""

from __future__ import annotations

import orjson
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.operationoutcome import OperationOutcome

from app.fhir.bundle import operation_outcome, searchset

BASE = "http://localhost:8000/pps/v2"
LINKS = [("self", f"{BASE}/Observation/_search?_count=1")]


def stored(kind: str, id_: str) -> tuple[str, str, bytes]:
    return kind, id_, orjson.dumps({"resourceType": kind, "id": id_, "status": "final", "code": {"text": "æ"}})


def test_entries_in_order_with_their_modes() -> None:
    body = searchset(
        base=BASE,
        total=7,
        links=LINKS,
        matches=[stored("Observation", "1"), stored("Observation", "2")],
        included=[stored("Observation", "3")],
    )
    found = orjson.loads(body)
    Bundle.model_validate(found)
    assert found["total"] == 7
    assert found["link"] == [{"relation": "self", "url": LINKS[0][1]}]
    assert [(entry["fullUrl"], entry["search"]["mode"]) for entry in found["entry"]] == [
        (f"{BASE}/Observation/1", "match"),
        (f"{BASE}/Observation/2", "match"),
        (f"{BASE}/Observation/3", "include"),
    ]


def test_stored_bytes_are_not_touched() -> None:
    spaced = b'{ "resourceType" : "Observation", "value": 1.50 }'
    assert spaced in searchset(base=BASE, total=1, links=LINKS, matches=[("Observation", "1", spaced)])


def test_no_empty_entry() -> None:
    assert "entry" not in orjson.loads(searchset(base=BASE, total=3, links=LINKS))


def test_outcome_entry_has_no_url() -> None:
    outcome = operation_outcome("information", "not-found")
    (entry,) = orjson.loads(searchset(base=BASE, total=0, links=LINKS, outcome=outcome))["entry"]
    assert entry == {"search": {"mode": "outcome"}, "resource": orjson.loads(outcome)}


def test_a_hostile_base_stays_in_its_string() -> None:
    base = 'http://evil"},{"x":"\\'
    (entry,) = orjson.loads(searchset(base=base, total=1, links=LINKS, matches=[stored("Observation", "1")]))["entry"]
    assert entry["fullUrl"] == base + "/Observation/1"


def test_operation_outcome() -> None:
    body = orjson.loads(operation_outcome("error", "value", diagnostics="why", text="Hvorfor", codings=[("s", "c")]))
    OperationOutcome.model_validate(body)
    assert body["issue"] == [
        {
            "severity": "error",
            "code": "value",
            "details": {"coding": [{"system": "s", "code": "c"}], "text": "Hvorfor"},
            "diagnostics": "why",
        }
    ]
