"""What a search of a patient gives: pages, includes, links, and nothing of what was dropped."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest
from sqlalchemy import Connection

from app.services.provesvar import rules, source
from app.services.provesvar.rules import SEARCHES
from app.services.provesvar.source import ProvesvarSource
from app.trust.release import Answer
from tests.unit.services.provesvar.store_kit import P01, P13, SANDBOX, mapped, put, spec, store

BASE = "http://localhost:8000/pps/v2"
NONE: frozenset[str] = frozenset()


@pytest.fixture
def conn() -> Iterator[Connection]:
    with store() as connection:
        put(connection, spec("culture", serv_prov_id="culture"))
        put(connection, spec("biochemistry", serv_prov_id="blood"))
        yield connection


def asked(*fields: tuple[str, str], kind: str = "DiagnosticReport") -> ProvesvarSource:
    search = rules.read(SEARCHES[kind], fields, strict=True, max_count=1000)
    return ProvesvarSource(SANDBOX, BASE, search)


def kinds(answer: Answer, mode: str) -> list[str]:
    entries = orjson.loads(answer.body).get("entry", [])
    return [entry["resource"]["resourceType"] for entry in entries if entry["search"]["mode"] == mode]


def test_objects_are_the_reports(conn: Connection) -> None:
    culture = mapped(spec("culture", serv_prov_id="culture"))
    found = {item.key: item for item in asked().objects(conn, P01)}
    assert len(found) == 2
    assert found[culture.report_id].ids == culture.object_ids
    assert asked().objects(conn, P13) == []


def test_ids_tell_what_is_shown(conn: Connection) -> None:
    answer = asked(("_include", "DiagnosticReport:based-on")).search(conn, P01, NONE)
    assert answer.total == 2
    assert sorted(id_.partition("/")[0] for id_ in answer.ids) == ["DiagnosticReport"] * 2 + ["ServiceRequest"] * 2
    assert (answer.status, answer.media_type) == (200, "application/fhir+json")


def test_dropped_reports_leave_no_trace(conn: Connection) -> None:
    gone = mapped(spec("culture", serv_prov_id="culture")).report_id
    everything = ("_include", "DiagnosticReport:result"), ("_revinclude:iterate", "DiagnosticReport:result")
    answer = asked(*everything).search(conn, P01, frozenset({gone}))
    assert answer.total == 1
    assert gone.encode() not in answer.body
    nothing = asked(("_tags", "NPU06045"), kind="Observation").search(conn, P01, frozenset({gone}))
    assert (nothing.total, nothing.ids, kinds(nothing, "outcome")) == (0, (), ["OperationOutcome"])


def test_iterated_includes_reach_all_there_is(conn: Connection) -> None:
    answer = asked(
        ("identifier", "culture"),
        ("_include", "DiagnosticReport:result"),
        ("_include:iterate", "Observation:has-member,Observation:specimen,Specimen:collector"),
    ).search(conn, P01, NONE)
    found = kinds(answer, "include")
    assert sorted(set(found)) == ["Observation", "PractitionerRole", "Specimen"]
    assert found.count("Observation") == len(spec("culture").items) + 1
    assert len(set(answer.ids)) == len(answer.ids)


def test_once_goes_one_step(conn: Connection) -> None:
    answer = asked(("identifier", "culture"), ("_include", "DiagnosticReport:result,Observation:specimen")).search(
        conn, P01, NONE
    )
    assert set(kinds(answer, "include")) == {"Observation"}


def test_reverse_again(conn: Connection) -> None:
    answer = asked(
        ("identifier", "blood"),
        ("_include", "DiagnosticReport:specimen"),
        ("_revinclude:iterate", "Observation:specimen"),
    ).search(conn, P01, NONE)
    assert sorted(set(kinds(answer, "include"))) == ["Observation", "Specimen"]


def test_links() -> None:
    search = asked(("date", "ge2017"), ("_count", "10"), ("_skip", "5"), ("identifier", "a b|c")).search_for
    url = f"{BASE}/DiagnosticReport/_search?date=ge2017"
    assert source.links(BASE, search, 16) == [
        ("self", f"{url}&_count=10&_skip=5&identifier=a+b%7Cc"),
        ("next", f"{url}&identifier=a+b%7Cc&_count=10&_skip=15"),
        ("previous", f"{url}&identifier=a+b%7Cc&_count=10&_skip=0"),
    ]
    assert [relation for relation, _ in source.links(BASE, search, 15)] == ["self", "previous"]
    assert source.links(BASE, asked().search_for, 3) == [("self", f"{BASE}/DiagnosticReport/_search")]


def test_empty() -> None:
    body = orjson.loads(source.empty(BASE, asked().search_for, b'{"resourceType":"OperationOutcome"}'))
    assert (body["total"], [entry["search"]["mode"] for entry in body["entry"]]) == (0, ["outcome"])
