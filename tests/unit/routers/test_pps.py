"""What the rulings say of the wire beyond the numbered cases, and the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from fastapi import FastAPI

from app import identity
from app.routers import pps, pps_sandbox
from app.sandboxes import manager
from app.sandboxes.state import DEFAULT
from app.services.provesvar import errors, seed
from app.store import privacy, registers
from app.store.engine import Store
from app.trust.facts import Setting, SettingKind
from tests.conformance.pps_kit import (
    H02,
    P01,
    P02,
    P03,
    P13,
    P22,
    P23,
    STRANGER,
    PpsWorld,
    blocked,
    link,
    matches,
    nothing,
    outcome,
    refused,
)
from tests.support.world import HOST
from tests.unit.trust.gate_kit import ABSENT, NOW, attest, proof

H08_PID, H08 = "18885849179", "222250108"
NO_HPR = {"hpr": ABSENT, "pid": P13}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PpsWorld]:
    made = PpsWorld(tmp_path_factory.mktemp("pps"))
    yield made
    made.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[PpsWorld]:
    made = PpsWorld(tmp_path)
    yield made
    made.close()


# order of checks and headers


@pytest.mark.parametrize("name", ["person-id", "access-basis", "requester-hpr-role"])
def test_r7_a_header_twice(world: PpsWorld, name: str) -> None:
    value = {"person-id": P01, "access-basis": "UNNTAK", "requester-hpr-role": "LE"}[name]
    sent = [(name, value)] if name == "person-id" else [(name, value), (name, value)]
    refused(world.search(headers=sent), 400, "invalid")


def test_r7_several_correlation_headers(own: PpsWorld) -> None:
    headers = {"X-Request-Id": "second", "Cid": "first", "X-Request": "third"}
    assert matches(own.search(headers=headers))
    own.search(headers=headers | {"Cid": ""})
    assert [record["requestId"] for record in own.audit()] == ["second", "first"]


def test_r5_the_address_comes_before_the_token(world: PpsWorld) -> None:
    refused(world.send("POST", "/pps/v2/DiagnosticReport"), 405, "not-supported")
    refused(world.send("GET", "/pps/v2/DiagnosticReport/_history"), 404, "not-found")
    refused(world.send("GET", "/pps/v2/"), 404, "not-found")
    refused(world.send("POST", "/pps/v2/DiagnosticReport/_search/"), 404, "not-found")


def test_r5_the_token_before_the_headers_before_the_body(world: PpsWorld) -> None:
    bad: dict[str, Any] = {"X-Request-Id": None, "person-id": "1", "access-basis": "FOO", "requester-hpr-role": "ZZ"}
    form = {"date": "x"}
    refused(world.search(form, headers={**bad, "Authorization": None}), 401, "login")
    for name, status, code, good in (
        ("X-Request-Id", 400, "required", "1"),
        ("person-id", 400, "value", P02),
        ("access-basis", 400, "value", "SAMTYKKE"),
        ("requester-hpr-role", 400, "invalid", "LE"),
    ):
        answer = world.search(form, headers=bad)
        refused(answer, status, code)
        bad[name] = good
    refused(world.search(form, headers=bad), 400, "value")  # malformed is 400 also for a blocked patient
    blocked(world.search(headers=bad), "General")


def test_r58_an_attempt_is_audited_once_the_patient_is_known(own: PpsWorld) -> None:
    own.search(headers={"person-id": "1"})
    assert own.audit() == []
    own.search(headers={"access-basis": "FOO"})
    own.search({"date": "x"})
    own.search(headers={"access-basis": "FORHOYET_AKUTT"})
    found = [(record["decision"]["reason"], record["http"]["status"]) for record in own.audit()]
    assert found == [("ELEVATED_NOT_NEEDED", 400), ("PARAMETER_INVALID", 400), ("BASIS_INVALID", 400)]


@pytest.mark.parametrize("headers", [{"person-id": None}, {"access-basis": "FOO"}, {}])
def test_a_proof_is_used_up_by_any_answer(world: PpsWorld, headers: dict[str, Any]) -> None:
    token = world.token()
    spent = proof(token, htm="POST", htu=f"{HOST}/pps/v2/DiagnosticReport/_search")
    mine = {"Authorization": f"DPoP {token}", "DPoP": spent}
    world.search(headers={**mine, **headers})
    refused(world.search(headers=mine), 401, "login")


def test_r8_no_content_type_without_a_body(world: PpsWorld) -> None:
    assert matches(world.search(b"", headers={"Content-Type": "application/json"}))
    refused(world.search(b"_count=1", headers={"Content-Type": "text/plain"}), 400, "invalid")
    charset = "application/x-www-form-urlencoded; charset=utf-8"
    assert len(matches(world.search(b"_count=1", headers={"Content-Type": charset}))) == 1


def test_a_form_that_cannot_be_read(world: PpsWorld) -> None:
    refused(world.search(b"_id=%ff"), 400, "structure")


def test_a_body_that_is_too_large(world: PpsWorld) -> None:
    refused(world.search(b"x=" + b"y" * world.core.settings.max_body_bytes), 413, "too-long")


def test_r33_citizen_bases_and_lower_case_are_unknown(world: PpsWorld) -> None:
    for value in ("SEGSELV", "FULLMAKT", "akutt", ""):
        refused(world.search(headers={"access-basis": value}), 400, "value")


@pytest.mark.parametrize(("value", "shown"), [("0", 0), ("1", 2), ("2", 2)])
def test_r35_legacy_basis(world: PpsWorld, value: str, shown: int) -> None:
    for version, patient, name in (("v1", "person-id", "grunnlag"), ("backdoor", "x-nilar-patient", "x-nilar-reason")):
        answer = world.search(version=version, headers={patient: P02, name: value})
        assert len(matches(answer)) == shown
    assert matches(world.search(version="v1", headers={"grunnlag": value}))  # F3 is not for legacy values


def test_r35_other_legacy_values(world: PpsWorld) -> None:
    refused(world.search(version="v1", headers={"grunnlag": "3"}), 400, "value")
    assert matches(world.search(headers={"grunnlag": "3"}))


def test_the_newer_basis_wins(world: PpsWorld) -> None:
    blocked(world.search(version="v1", headers={"person-id": P02, "grunnlag": "1", "access-basis": "AKUTT"}), "General")


def test_r37_and_r38_a_report_with_a_setting(world: PpsWorld) -> None:
    (_, kept) = [report for report in seed.reports() if report.person == "P23"]
    restricted = seed.report_refs()["P23"][0][1]
    answer = world.search(headers={"person-id": P23})
    assert ([report["id"] for report in matches(answer)], answer.json()["total"]) == ([kept.report_id], 1)
    nothing(world.search({"_id": restricted}, headers={"person-id": P23}))
    nothing(world.search({"_tags": "NPU06045"}, kind="Observation", headers={"person-id": P23}))
    emergency = {"person-id": P23, "access-basis": "FORHOYET_AKUTT"}
    assert len(matches(world.search(headers=emergency))) == 2
    refused(world.search(headers={**emergency, "access-basis": "FORHOYET_SAMTYKKE"}), 400, "business-rule")


def test_r38_all_reports_dropped_is_nothing_found(own: PpsWorld) -> None:
    refs = frozenset(("Svarrapport", report.serv_prov_id) for report in seed.reports() if report.person == "P03")
    own.set("P03", Setting("all", "PPS", SettingKind.PTS_PRIVACY, objects=refs, level="Hard"))
    nothing(own.search(headers={"person-id": P03}))


def test_r38_a_requisition(own: PpsWorld) -> None:
    (first, second) = [report for report in seed.reports() if report.person == "P03"]
    ref = frozenset({("Rekvisisjon", first.requisition_id)})
    own.set("P03", Setting("one", "PPS", SettingKind.PTS_PRIVACY, objects=ref, level="Hard"))
    assert [report["id"] for report in matches(own.search(headers={"person-id": P03}))] == [second.report_id]


def test_r39_hard_for_all_is_specific(world: PpsWorld) -> None:
    blocked(world.search(headers={"person-id": P22, "access-basis": "FORHOYET_AKUTT"}), "Specific")


def test_r9_unknown_patient(world: PpsWorld) -> None:
    stranger = identity.generate(date(1990, 5, 5), "female", 40)
    nothing(world.search(headers={"person-id": stranger}))


def test_r10_ehds_hides_that_something_is_withheld(own: PpsWorld) -> None:
    own.configure(mode="ehds")
    expected = own.search(headers={"person-id": P13}).content
    for claims, headers in (
        ({}, {"person-id": P02}),
        ({"pid": "16867649135", "hpr": H02}, {"person-id": P03}),
        ({}, {"person-id": P22}),
    ):
        assert own.search(claims=claims, headers=headers).content == expected


def test_r34_a_search_without_hits_is_no_needless_elevation(world: PpsWorld) -> None:
    headers = {"person-id": P02, "access-basis": "FORHOYET_AKUTT"}
    nothing(world.search({"date": "1999"}, headers=headers))


# who asks


def test_r40_no_hpr_number(world: PpsWorld) -> None:
    answer = world.search(claims=NO_HPR)
    refused(answer, 401, "forbidden")
    assert answer.headers["WWW-Authenticate"].startswith("DPoP ")
    assert matches(world.search(claims=NO_HPR, headers={"access-basis": "UNNTAK"}))
    assert matches(world.search(version="v1", claims=NO_HPR, headers={"grunnlag": "1"}))


def test_r41_authorisation(world: PpsWorld) -> None:
    refused(world.search(claims={"pid": H08_PID, "hpr": H08}), 403, "forbidden")
    assert matches(world.search(claims={"pid": P13, "hpr": STRANGER}))


def test_r42_a_role_the_person_does_not_hold_is_only_noted(world: PpsWorld) -> None:
    assert matches(world.search(headers={"requester-hpr-role": "SP"}))


def test_r15_a_stale_attest(world: PpsWorld) -> None:
    answer = world.search(claims={"attest": attest(toa=1)})
    refused(answer, 401, "login")
    assert 'error_description="attestation_has_expired"' in answer.headers["WWW-Authenticate"]


def test_r3_an_attest_about_somebody_else(world: PpsWorld) -> None:
    other = attest({"hpr_nr": {"id": H02, "system": "urn:oid:2.16.578.1.12.4.1.4.4"}}, toa=1_795_000_000)
    refused(world.search(claims={"attest": other}), 403, "forbidden")


def test_r43_backdoor(world: PpsWorld) -> None:
    def asked(**headers: Any) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return world.search(version="backdoor", headers=named)

    assert matches(asked(x_nilar_requester_hpr="4128168", x_nilar_organisation="315500109"))
    assert matches(asked(x_nilar_organisation="not a number"))
    assert matches(asked(x_nilar_requester_hpr=H08))  # stage C does not apply
    refused(asked(x_nilar_requester_hpr="12345678901"), 400, "invalid")
    refused(asked(x_nilar_requester_hpr=None), 400, "required")
    refused(asked(x_nilar_requester_hpr_role="ZZ"), 400, "invalid")
    blocked(asked(x_nilar_patient=P03, x_nilar_requester_hpr=H02), "Specific")
    refused(asked(x_nilar_access_basis="FORHOYET_AKUTT"), 400, "business-rule")


# links, settings, faults


def test_r45_query_and_form(world: PpsWorld) -> None:
    answer = world.search({"_count": "2"}, query="_count=9&date=ge2020&_sort=date")
    assert len(matches(answer)) == 2
    assert link(answer, "self") == f"{HOST}/pps/v2/DiagnosticReport/_search?date=ge2020&_count=2"


def test_r45_a_number_in_the_url(world: PpsWorld) -> None:
    answer = world.search(query=urlencode({"identifier": f"x|{P01}"}))
    refused(answer, 400, "value")
    assert P01 not in answer.text


def test_r45_the_pages_are_everything_once(world: PpsWorld) -> None:
    found: list[str] = []
    query: str | None = "_count=20"
    while query is not None:
        answer = world.search(query=query)
        found += [report["id"] for report in matches(answer)]
        following = link(answer, "next")
        query = None if following is None else following.partition("?")[2]
    assert len(found) == len(set(found)) == 73


def test_count_zero_gives_the_total(world: PpsWorld) -> None:
    answer = world.search({"_count": "0"})
    assert (answer.json()["total"], answer.json().get("entry"), link(answer, "next")) == (73, None, None)


def test_past_the_end(world: PpsWorld) -> None:
    answer = world.search({"_skip": "100", "_count": "10"})
    assert (answer.json()["total"], answer.json().get("entry")) == (73, None)
    assert link(answer, "previous") == f"{HOST}/pps/v2/DiagnosticReport/_search?_count=10&_skip=90"


def test_strict_search_parameters(own: PpsWorld) -> None:
    own.configure(search_params="strict")
    refused(own.search({"_sort": "date"}), 400, "not-supported")
    refused(own.search({"_include": "DiagnosticReport:requester"}), 400, "not-supported")


def test_a_cap_on_the_page(tmp_path: Path) -> None:
    world = PpsWorld(tmp_path, max_page=7)
    try:
        answer = world.search({"_count": "1000"})
        assert (len(matches(answer)), answer.json()["total"]) == (7, 73)
    finally:
        world.close()


def test_plaintext_errors(own: PpsWorld) -> None:
    own.configure(plaintext_errors=True)
    answer = own.search({"date": "x"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "text/plain; charset=utf-8")
    assert answer.text.startswith("date: ")
    refused(own.search(headers={"Authorization": None}), 401, "login")


def test_no_answer_without_its_audit_record(own: PpsWorld) -> None:
    own.configure(faults={"audit": "down"})
    answer = own.search()
    refused(answer, 500, "exception")
    assert "DiagnosticReport/" not in answer.text


def test_what_nobody_foresaw(world: PpsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("app.services.provesvar.source.resources.find", broken)
    with pytest.raises(RuntimeError):  # goes on to the server's log
        world.search()
    answer = world.search(raise_errors=False)
    refused(answer, 500, "exception")
    assert "broken" not in answer.text


def test_d2_the_current_number(world: PpsWorld) -> None:
    numbers = world.run(world.core.store.read(lambda conn: registers.identifiers_of(conn, DEFAULT, "P25")))
    (current, previous) = [value for value, _ in numbers]
    answer = world.search(headers={"person-id": previous})
    (report,) = matches(answer)
    assert report["subject"]["identifier"]["value"] == current


def test_documents_aliases(own: PpsWorld) -> None:
    assert len(matches(own.search(headers={"person-id": "05076600324"}))) == 50
    refused(own.search(headers={"person-id": "12345678910"}), 400, "value")
    own.configure(docs_aliases=True)
    assert len(matches(own.search(headers={"person-id": "12345678910"}))) == 50


# reception


def test_r53_faults_of_transport(tmp_path: Path) -> None:
    world = PpsWorld(tmp_path, admin_key="secret", max_message_bytes=2048)
    try:
        assert world.ingest(b"<x/>").status_code == 401
        keyed = {"X-Admin-Key": "secret"}
        assert world.ingest(b"<x/>", **keyed, **{"Content-Type": "application/json"}).status_code == 415
        assert world.ingest(b"<" + b"x" * 3000, **keyed).status_code == 413
        accepted = world.ingest(b"<x/>", **keyed, **{"Content-Type": "text/xml; charset=utf-8"})
        assert (accepted.status_code, b'V="T10"' in accepted.content) == (200, True)
        assert b"unknown" in accepted.content
        assert world.send("GET", "/pps-sandbox/svarrapport", headers=keyed).status_code == 405
    finally:
        world.close()


# documentation


def apps(world: PpsWorld) -> dict[str, FastAPI]:
    return {
        "v1": pps.create_v1(world.core),
        "v2": pps.create_v2(world.core),
        "backdoor": pps.create_backdoor(world.core),
    }


def test_openapi_documents_what_is_served(world: PpsWorld) -> None:
    documents = {name: app.openapi() for name, app in apps(world).items()}
    common = {"/metadata", "/DiagnosticReport/_search", "/Observation/_search"}
    assert set(documents["v2"]["paths"]) == set(documents["v1"]["paths"]) == common
    assert set(documents["backdoor"]["paths"]) > common
    for name, document in documents.items():
        operation = document["paths"]["/Observation/_search"]["post"]
        headers = {parameter["name"] for parameter in operation["parameters"]}
        assert ("x-nilar-patient" in headers) == (name == "backdoor")
        assert ("grunnlag" in headers) == (name == "v1")
        form = operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]["properties"]
        assert {"_id", "date", "identifier", "_tags", "_tag", "_include", "_revinclude", "_count"} <= set(form)
        assert ("401" in operation["responses"]) == (name != "backdoor")


def test_openapi_has_every_error_of_the_table(world: PpsWorld) -> None:
    responses = apps(world)["v2"].openapi()["paths"]["/DiagnosticReport/_search"]["post"]["responses"]
    for row in errors.ERRORS.values():
        if row.status != 200:
            examples = responses[str(row.status)]["content"]["application/fhir+json"]["examples"]
            assert examples[row.reason.value]["value"]["issue"][0]["code"] == row.code
    shown = responses["200"]["content"]["application/fhir+json"]["examples"]
    assert {"Specific", "General", "Reservation", "not-found", "data"} == set(shown)


def test_openapi_of_the_reception(world: PpsWorld) -> None:
    operation = pps_sandbox.create(world.core).openapi()["paths"]["/svarrapport"]["post"]
    assert set(operation["requestBody"]["content"]) == {"application/xml"}
    assert {"200", "401", "413", "415"} <= set(operation["responses"])


def test_refusals_have_a_short_cause(world: PpsWorld) -> None:
    issue = outcome(world.search({"_id": "abc"}))
    assert issue["diagnostics"] == "_id: must be a GUID"
    assert issue["details"] == {"text": "Et søkeparameter har ugyldig verdi"}


# what is remembered between requests


def total(answer: httpx.Response) -> int:
    assert answer.status_code == 200, answer.text
    found: int = answer.json()["total"]
    return found


def test_what_another_process_changes_is_seen_by_the_next_request(own: PpsWorld) -> None:
    """Two stores on one file: what this one remembers is good only as long as the other changes nothing."""
    before = [total(own.search()), total(own.search())]
    other = Store(own.core.settings.database_url, own.core.clock)
    block = Setting("b", "PPS", SettingKind.GENERAL_BLOCK)
    other.write_now(lambda conn: privacy.put_setting(conn, DEFAULT, "P01", block, NOW))
    blocked(own.search(), "General")
    other.write_now(lambda conn: privacy.remove_setting(conn, DEFAULT, "P01", "b"))
    assert [total(own.search()), *before] == [before[0]] * 3
    other.write_now(lambda conn: privacy.purge(conn, DEFAULT, "P01", "PPS"))
    nothing(own.search())
    other.close()


def test_a_setting_begins_and_ends_though_nothing_is_written(own: PpsWorld) -> None:
    block = Setting("b", "PPS", SettingKind.GENERAL_BLOCK, active_from=NOW + 5, active_to=NOW + 10)
    own.set("P01", block)
    seen = total(own.search())
    for later, expected in ((4.0, True), (5.0, False), (9.0, False), (10.0, True)):
        own.run(manager.move_clock(own.core, DEFAULT, manager.ClockChange(to=NOW + later, frozen=True)))
        if expected:
            assert total(own.search()) == seen
        else:
            blocked(own.search(), "General")


def test_an_answer_is_remembered_for_its_own_address_and_search(own: PpsWorld) -> None:
    answers = [own.search({"_count": "1"}), own.search(), own.search({"_count": "1"}), own.search(version="v1")]
    assert [link(answer, "self") for answer in answers] == [
        f"{HOST}/pps/v2/DiagnosticReport/_search?_count=1",
        f"{HOST}/pps/v2/DiagnosticReport/_search",
        f"{HOST}/pps/v2/DiagnosticReport/_search?_count=1",
        f"{HOST}/pps/DiagnosticReport/_search",
    ]
    assert answers[0].content == answers[2].content
