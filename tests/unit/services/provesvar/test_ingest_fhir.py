"""Prøvesvar put as FHIR: what is taken, what is refused, what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.errors import Reason, Refusal
from app.ids import SeededIds
from app.services.provesvar.ingest_fhir import put_fhir, read_fhir
from app.services.provesvar.report import MappedReport
from app.settings import Settings
from app.trust.facts import Setting, SettingKind
from app.trust.trail import Trail
from tests.conformance.pps_kit import P13, PpsWorld, matches
from tests.unit.trust.gate_kit import trail

A = "6b3f1a52-6c1d-4b0e-9a55-0c2f6a4d1e01"
B = "6b3f1a52-6c1d-4b0e-9a55-0c2f6a4d1e02"
C = "6b3f1a52-6c1d-4b0e-9a55-0c2f6a4d1e03"
DAY = "2026-05-05T08:00:00+02:00"


def report(id_: str | None = A, **members: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "DiagnosticReport",
        "id": id_,
        "status": "final",
        "code": {"text": "Prøve"},
        "subject": {"identifier": {"value": P13}},
        "effectiveDateTime": DAY,
        **members,
    }
    return {name: value for name, value in made.items() if value is not None}


def observation(id_: str = B, **members: Any) -> dict[str, Any]:
    made = {"status": "final", "code": {"text": "Hb"}, "effectiveDateTime": DAY, **members}
    return {"resourceType": "Observation", "id": id_, **made}


def read(content: object) -> tuple[MappedReport, ...]:
    return read_fhir(content, Settings(), now=0.0, ids=SeededIds("fhir"))


def why_not(content: object) -> str:
    with pytest.raises(Refusal) as refused:
        read(content)
    assert refused.value.reason is Reason.CONTENT_INVALID
    assert P13 not in refused.value.detail
    return refused.value.detail


def test_a_report_alone() -> None:
    (found,) = read(report(None))
    assert found.resources[0]["id"] == found.report_id
    assert (found.patient, found.patient_type) == (P13, "FNR")


def test_references_between_entries() -> None:
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {"fullUrl": "urn:uuid:1", "resource": report(result=[{"reference": "urn:uuid:2"}])},
            {"fullUrl": "urn:uuid:2", "resource": {**observation(), "id": B.upper()}},
        ],
    }
    (found,) = read(bundle)
    assert [resource["id"] for resource in found.resources] == [A, B]
    assert found.resources[0]["result"] == [{"reference": f"Observation/{B}"}]


def test_what_a_report_can_be_restricted_by() -> None:
    order = {
        "resourceType": "ServiceRequest",
        "id": C,
        "status": "completed",
        "intent": "order",
        "identifier": [{"system": "ServReqId", "value": "rekv"}, {"system": "ServReqIdByServProvider", "value": "x"}],
    }
    head = report(
        identifier=[{"system": "ServReportId", "value": "svar"}], basedOn=[{"reference": f"ServiceRequest/{C}"}]
    )
    (found,) = read([head, order])
    assert found.object_ids == {("Svarrapport", A), ("Svarrapport", "svar"), ("Rekvisisjon", "rekv")}


def test_two_reports_each_with_its_own() -> None:
    first = report(A, result=[{"reference": f"Observation/{C}"}])
    second = report(B)
    found = {each.report_id: len(each.resources) for each in read([first, second, observation(C)])}
    assert found == {A: 2, B: 1}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([], "no DiagnosticReport"),
        ([observation()], "no DiagnosticReport"),
        ("text", "one of"),
        ([1], "one of"),
        ({"resourceType": "Bundle", "entry": "x"}, "list"),
        ([report()] * 2001, "at most"),
        ([{"resourceType": "Patient"}], "one of"),
        ([report("not a guid")], "GUID"),
        ([report(), report()], "same id"),
        ([report(status="perhaps", subject=None)], "subject"),
        ([report(code=None)], "code"),
        ([report(effectiveDateTime=None)], "effectiveDateTime"),
        ([report(effectiveDateTime="1850-01-01")], "effectiveDateTime"),
        ([report(result=[{"reference": f"Observation/{C}"}])], "leads to nothing"),
        ([report(identifier=[{"value": "x"}])], "identifier"),
        ([report(meta={"tag": [{"system": "s"}]})], "tag"),
        ([report(subject={"identifier": {"value": "25854649878"}})], "subject"),
        ([report(), observation(subject={"identifier": {"value": "14838449698"}})], "same person"),
        ([report(A), report(B), observation(C)], "no report"),
        (
            [
                report(A, result=[{"reference": f"Observation/{C}"}]),
                report(B, result=[{"reference": f"Observation/{C}"}]),
                observation(C),
            ],
            "two reports",
        ),
    ],
)
def test_refused(content: object, text: str) -> None:
    assert text in why_not(content)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[PpsWorld]:
    made = PpsWorld(tmp_path)
    yield made
    made.close()


def put(world: PpsWorld, *resources: dict[str, Any], service: str = "pps") -> Any:
    return world.run(put_fhir(world.core, here(), service, orjson.dumps(list(resources))))


def here() -> Trail:
    return trail()


def test_stored_and_found(world: PpsWorld) -> None:
    tagged = observation(meta={"tag": [{"code": "HB"}]})
    result = put(world, report(result=[{"reference": f"Observation/{B}"}]), tagged)
    assert result == {"stored": [f"DiagnosticReport/{A}", f"Observation/{B}"], "reports": [A]}
    (found,) = matches(world.search({"_tags": "HB"}, kind="Observation", headers={"person-id": P13}))
    assert found["subject"]["identifier"]["value"] == P13


def test_put_again_replaces(world: PpsWorld) -> None:
    put(world, report(result=[{"reference": f"Observation/{B}"}]), observation())
    put(world, report(status="amended"))
    (found,) = matches(world.search(headers={"person-id": P13}))
    assert found["status"] == "amended"
    assert world.search(kind="Observation", headers={"person-id": P13}).json()["total"] == 0


def conflict(world: PpsWorld, *resources: dict[str, Any], service: str = "PPS") -> Reason:
    with pytest.raises(Refusal) as refused:
        put(world, *resources, service=service)
    return refused.value.reason


def test_conflicts(world: PpsWorld) -> None:
    put(world, report(A, result=[{"reference": f"Observation/{C}"}]), observation(C))
    taken = conflict(world, report(B, result=[{"reference": f"Observation/{C}"}]), observation(C))
    assert taken is Reason.CONFLICT
    world.set("P13", Setting("r", "PPS", SettingKind.RESERVATION))
    assert conflict(world, report(B)) is Reason.CONFLICT


def test_other_services_and_no_json(world: PpsWorld) -> None:
    assert conflict(world, report(), service="KJ") is Reason.NOT_FOUND
    with pytest.raises(Refusal) as refused:
        world.run(put_fhir(world.core, here(), "PPS", b"{"))
    assert refused.value.reason is Reason.CONTENT_INVALID
