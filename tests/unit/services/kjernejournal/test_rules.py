"""What kjernejournal takes of a request."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from app.errors import Reason, Refusal
from app.services.kjernejournal import rules
from app.trust.facts import Person
from app.trust.principal import Basis

OSLO = ZoneInfo("Europe/Oslo")


def person(since: object = None) -> Person:
    extra: Mapping[str, object] = {} if since is None else {"protected_since": since}
    return Person("P01", "14838449698", "urn:oid:2.16.578.1.12.4.1.4.1", extra=MappingProxyType(dict(extra)))


def at(day: int, hour: int, minute: int = 0) -> float:
    return datetime(2026, 11, day, hour, minute, tzinfo=OSLO).timestamp()


@pytest.mark.parametrize(
    ("use", "opening", "bound", "basis"),
    [
        (None, None, None, Basis.SAMTYKKE),
        (None, None, Basis.AKUTT, Basis.AKUTT),
        ("HPUNNTAK", None, Basis.AKUTT, Basis.UNNTAK),
        ("HPUNNTAK", "HPAKUTT", Basis.AKUTT, Basis.FORHOYET_AKUTT),
        (None, "HPMOTTATTSAMTYKKE", None, Basis.FORHOYET_SAMTYKKE),
    ],
)
def test_the_ground(use: str | None, opening: str | None, bound: Basis | None, basis: Basis) -> None:
    assert rules.ground(use, opening, bound) is basis


@pytest.mark.parametrize(
    ("use", "opening"), [("SAMTYKKE", None), ("", None), (None, "HPUNNTAK"), ("HPX", "HPAKUTT"), ("hpakutt", None)]
)
def test_a_ground_that_is_none(use: str | None, opening: str | None) -> None:
    with pytest.raises(Refusal) as refused:
        rules.ground(use, opening, None)
    assert refused.value.reason is Reason.BASIS_INVALID


@pytest.mark.parametrize(
    ("since", "now", "acts"),
    [
        (None, at(1, 0), True),
        (at(1, 12), at(1, 12), False),
        (at(1, 12), at(2, 2, 59), False),
        (at(1, 12), at(2, 3), True),
        (at(2, 2, 59), at(2, 3), True),
        (at(2, 3), at(2, 3), False),
        (at(2, 3), at(3, 2, 59), False),
        (at(2, 3), at(3, 3), True),
    ],
)
def test_a_protected_address_acts_from_the_next_three_in_the_morning(
    since: float | None, now: float, acts: bool
) -> None:
    assert rules.address_acts(person(since), now) is acts


@pytest.mark.parametrize("value", ["EPJ", "Sandkasse EPJ 1.0 (test), v-2", "Ærlig Ørret Å", "E" * 512])
def test_a_source_system(value: str) -> None:
    assert rules.source_system(value, "X-SOURCE-SYSTEM") == value


@pytest.mark.parametrize("value", ["EP", "E" * 513, "EPJ_1", "EPJ/1", "EPJ<b>", " EPJ", "EPJ\n"])
def test_no_source_system(value: str) -> None:
    with pytest.raises(Refusal) as refused:
        rules.source_system(value, "X-SOURCE-SYSTEM")
    assert refused.value.reason is Reason.HEADER_INVALID


@pytest.mark.parametrize("value", ["a" * 129, "", "a b", "a_b", "æ"])
def test_no_event_id(value: str) -> None:
    with pytest.raises(Refusal):
        rules.event_id(value)


@pytest.mark.parametrize(("sent", "meant"), [("ab+/c=", "ab+/c="), ("ab%2B%2Fc%3D", "ab+/c=")])
def test_a_ticket_as_it_is_and_percent_encoded(sent: str, meant: str) -> None:
    assert rules.ticket(sent) == meant


def launch(**changes: Any) -> bytes:
    made: dict[str, Any] = {
        "ehr_code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "claims": {
            "patient_identifier": {"id": "14838449698"},
            "practitioner_authorization": {"code": "LE", "system": rules.ROLE_SYSTEM},
            "access_basis": {"code": "UNNTAK", "system": "SYSTEM_GRUNNLAG"},
        },
    }
    claims = {**made["claims"], **changes.pop("claims", {})}
    return orjson.dumps({**made, **changes, "claims": claims})


def test_a_launch() -> None:
    found = rules.read_launch(launch(unknown="is let be"))
    assert (found.number, found.role, found.basis) == ("14838449698", "LE", Basis.UNNTAK)


@pytest.mark.parametrize(
    "changes",
    [
        {"ehr_code_challenge": "short"},
        {"ehr_code_challenge": None},
        {"claims": {"patient_identifier": None}},
        {"claims": {"patient_identifier": {"id": 14838449698}}},
        {"claims": {"patient_identifier": {"id": ""}}},
        {"claims": {"practitioner_authorization": {"code": "LE", "system": "another"}}},
        {"claims": {"practitioner_authorization": {"code": "LE"}}},
        {"claims": {"access_basis": {"code": "FORHOYET_SAMTYKKE"}}},
        {"claims": {"access_basis": []}},
    ],
)
def test_a_launch_that_breaks_the_schema(changes: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refused:
        rules.read_launch(launch(**changes))
    assert refused.value.reason is Reason.BODY_INVALID


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"claims":{}}', b'{"a":', b"\xff\xfe"])
def test_no_launch_at_all(body: bytes) -> None:
    with pytest.raises(Refusal):
        rules.read_launch(body)
