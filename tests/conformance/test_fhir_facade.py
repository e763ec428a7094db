"""The facade and the citizen side over critical information, by the ids of kritisk-info.md §11 (rulings S16 and S17)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.sandboxes.state import DEFAULT
from app.services.kritiskinfo import samples
from app.store import audit
from app.trust.facts import Setting, SettingKind
from tests.conformance.facade_kit import (
    FORM,
    NIN,
    R4,
    Citizen,
    Facade,
    empty_reasons,
    require_sound,
    resources,
    sections,
)
from tests.conformance.ki_kit import C8, C11, H02, A, B, D, E, F, H, I, J, KiWorld, place
from tests.support.world import HOST
from tests.unit.trust.gate_kit import ABSENT, proof

P08, P09, P10 = "08851899805", "19881299960", "11820999845"
P14, P15, P17 = "01897549995", "06868549848", "03836249851"
KI_SECTIONS = ("11450-4", "48765-2", "47519-4", "46264-8", "42348-3", "104605-1")
CONSENT_CATEGORIES = "http://terminology.hl7.org/CodeSystem/consentcategorycodes"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[KiWorld]:
    made = KiWorld(tmp_path)
    yield made
    made.close()


@pytest.fixture
def facade(world: KiWorld) -> Facade:
    return Facade(world)


@pytest.mark.parametrize("case", ["83"])
def test_a_record_is_the_same_everywhere(world: KiWorld, facade: Facade, case: str) -> None:
    made = world.created(samples.drug_reaction(place()))
    shown = next(each for each in facade.found("AllergyIntolerance", B) if each["id"] == made["id"])
    for member in ("versionId", "lastUpdated"):
        assert shown["meta"][member] == made["meta"][member]
    held = [each for each in resources(facade.summary(B)) if each.get("id") == made["id"]]
    assert held == [shown]
    citizens = [each for each in resources(Citizen(world, B).information()) if each.get("id") == made["id"]]
    assert citizens == [made]
    legacy = [entry["resource"] for entry in _everything_by_ticket(world, B)["entry"]]
    assert [each for each in legacy if each["id"] == made["id"]] == [made]


def _everything_by_ticket(world: KiWorld, patient: str) -> dict[str, Any]:
    """What the legacy surface of kjernejournal shows of a patient."""
    claims = {"aud": "nhn:kjernejournal", "scope": ["openid", "nhn:kjernejournal/api"]}

    def headers(method: str, url: str) -> dict[str, str]:
        token = world.token(**claims)
        credentials = {"Authorization": f"DPoP {token}", "DPoP": proof(token, htm=method, htu=url)}
        return {**credentials, "X-EPJ-System": "Sandkasse EPJ 1.0"}

    url = f"{HOST}/kjernejournal/v1/helseindikator"
    question = {"fnr": patient, "samtykke": "HPMOTTATTSAMTYKKE"}
    ticket = world.send("POST", url, headers=headers("POST", url), json=question).json()["ticket"]
    url = f"{HOST}/kjernejournal/v1/fhir/Patient/$everything"
    answer = world.send("GET", url, headers={**headers("GET", url), "X-kj-ticket": ticket})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("case", ["89"])
def test_a_search_by_get_works_and_is_noted(world: KiWorld, facade: Facade, case: str) -> None:
    answer = facade.send("GET", f"/Consent?patient.identifier={NIN}|{C11}")
    (consent,) = (entry["resource"] for entry in answer.json()["entry"])
    assert consent["scope"]["coding"][0]["code"] == "treatment"
    assert {"system": CONSENT_CATEGORIES, "code": "dnr"} in [
        coding for concept in consent["category"] for coding in concept["coding"]
    ]
    row = facade.exchange(answer)
    assert "S17" in [finding["code"] for finding in row["findings"]]
    assert C11 not in str(row)
    assert C11 not in answer.json()["link"][0]["url"]


@pytest.mark.parametrize("case", ["90"])
def test_a_restricted_summary_says_so_in_its_sections(world: KiWorld, facade: Facade, case: str) -> None:
    reasons = empty_reasons(facade.summary(E))
    assert {reasons[code] for code in KI_SECTIONS} == {"withheld"}
    assert reasons["10160-0"] == "unavailable"
    (record,) = world.audit(limit=1)
    assert (record["decision"]["outcome"], record["decision"]["reason"]) == ("EMPTY", "GENERAL_BLOCK")
    opened = facade.summary(E, basis="FORHOYET_AKUTT")
    assert "withheld" not in empty_reasons(opened).values()
    assert None in empty_reasons(opened).values()


@pytest.mark.parametrize(("patient", "hpr"), [(D, None), (F, H02)])
def test_reserved_and_blocked_are_withheld(facade: Facade, patient: str, hpr: str | None) -> None:
    reasons = empty_reasons(facade.summary(patient, claims={"hpr": hpr} if hpr else {}))
    assert {reasons[code] for code in KI_SECTIONS} == {"withheld"}


def test_nothing_recorded_is_unavailable_and_never_known_to_be_nothing(facade: Facade) -> None:
    assert set(empty_reasons(facade.summary(A)).values()) == {"unavailable"}


def test_in_ehds_mode_a_restriction_does_not_show(world: KiWorld, facade: Facade) -> None:
    world.configure(mode="ehds")
    assert empty_reasons(facade.summary(E)) == empty_reasons(facade.summary(A))
    assert facade.found("Condition", E) == []


@pytest.mark.parametrize(
    ("patient", "basis", "status"),
    [(J, "SAMTYKKE", 403), (B, "FORHOYET_SAMTYKKE", 403), ("11111111111", "SAMTYKKE", 400)],
)
def test_a_summary_that_is_refused(facade: Facade, patient: str, basis: str, status: int) -> None:
    assert facade.summary(patient, basis=basis).status_code == status


@pytest.mark.parametrize(("patient", "hpr", "status"), [(E, None, 403), (D, None, 403), (F, H02, 403), (J, None, 403)])
def test_a_search_has_the_gate_of_the_owner(facade: Facade, patient: str, hpr: str | None, status: int) -> None:
    assert facade.search("Condition", patient, claims={"hpr": hpr} if hpr else {}).status_code == status


def test_refuted_records_leave_the_summary_but_not_the_search(facade: Facade) -> None:
    refuted = {
        each["id"]
        for each in facade.found("AllergyIntolerance", I)
        if each["verificationStatus"]["coding"][0]["code"] == "refuted"
    }
    assert refuted
    assert refuted.isdisjoint({each.get("id") for each in resources(facade.summary(I))})


@pytest.mark.parametrize("patient", [B, C8, C11, H, I])
def test_every_answer_keeps_to_the_table_of_profiles(facade: Facade, patient: str) -> None:
    types = ("AllergyIntolerance", "Condition", "Procedure", "DeviceUseStatement", "Device", "Flag", "Consent")
    for type_ in types:
        for resource in resources(facade.search(type_, patient)):
            require_sound(resource)
    document = facade.summary(patient)
    for resource in resources(document):
        require_sound(resource)
    links = {entry["fullUrl"].removeprefix(R4 + "/") for entry in document.json()["entry"]}
    for section in sections(document).values():
        assert {each["reference"] for each in section.get("entry", ())} <= links


def test_every_section_of_critical_information_is_filled(facade: Facade) -> None:
    reasons = empty_reasons(facade.summary(C8))
    assert {code: reasons[code] for code in KI_SECTIONS if reasons[code]} in ({}, {"48765-2": "unavailable"})


def test_codes_are_national_and_kept(world: KiWorld, facade: Facade) -> None:
    made = world.created(samples.drug_reaction(place()))
    shown = next(each for each in facade.found("AllergyIntolerance", B) if each["id"] == made["id"])
    systems = [coding["system"] for coding in shown["code"]["coding"]]
    assert systems[:2] == ["http://www.whocc.no/atc", "http://nhn.no/kj/fhir/CodeSystem/ATC"]
    assert sum("userSelected" in coding for coding in shown["code"]["coding"]) <= 1


def test_an_implant_is_a_device_of_its_own(facade: Facade) -> None:
    (statement,) = facade.found("DeviceUseStatement", C8)
    (device,) = facade.found("Device", C8)
    assert statement["device"]["reference"] == f"Device/{device['id']}"
    read = facade.send("GET", f"/Device/{device['id']}", patient=C8)
    assert read.json() == device


def test_conditions_that_concern_every_treatment_are_alerts(facade: Facade) -> None:
    flags = {each["id"]: each for each in facade.found("Flag", C8)}
    for condition in facade.found("Condition", C8):
        codes = {coding["code"] for concept in condition["category"] for coding in concept["coding"]}
        assert (condition["id"] in flags) is bool(codes & {"3", "4", "5", "10"})


def test_a_search_is_narrowed(world: KiWorld, facade: Facade) -> None:
    made = world.created(samples.drug_reaction(place()))
    everything = facade.found("AllergyIntolerance", B)
    assert len(everything) > 1
    assert [each["id"] for each in facade.found("AllergyIntolerance", B, form={"_id": made["id"]})] == [made["id"]]
    when = made["meta"]["lastUpdated"]
    newest = facade.found("AllergyIntolerance", B, form={"_lastUpdated": f"ge{when}"})
    older = facade.found("AllergyIntolerance", B, form={"_lastUpdated": f"lt{when}"})
    assert [each["id"] for each in newest] == [made["id"]]
    assert len(newest) + len(older) == len(everything)


@pytest.mark.parametrize(
    ("form", "patient", "status", "issue"),
    [
        ({"_lastUpdated": "i fjor"}, None, 400, "code-invalid"),
        ({"patient.identifier": f"{NIN}|{B}"}, C8, 400, "value"),
        ({"patient.identifier": f"{NIN}|"}, None, 400, "code-invalid"),
        ({"patient.identifier": "123"}, None, 400, "value"),
        ({}, None, 400, "value"),
    ],
)
def test_a_search_that_is_wrong(
    facade: Facade, form: dict[str, str], patient: str | None, status: int, issue: str
) -> None:
    content = form if "_lastUpdated" not in form else {**form, "patient.identifier": B}
    answer = facade.send("POST", "/Condition/_search", patient=patient, data=content)
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (status, issue)


def test_the_wrong_system_of_the_number_is_noted(world: KiWorld, facade: Facade) -> None:
    form = {"patient.identifier": f"urn:oid:2.16.578.1.12.4.1.4.2|{B}", "_sort": "date"}
    answer = facade.send("POST", "/Condition/_search", data=form)
    assert answer.status_code == 200
    assert {"S13", "PARAMETER"} <= {finding["code"] for finding in facade.exchange(answer)["findings"]}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/Condition/unknown", 404),
        ("GET", "/Observation", 404),
        ("GET", "/Patient/P01", 404),
        ("POST", "/Condition", 405),
        ("DELETE", "/Condition/x", 405),
        ("GET", "/Patient/$summary", 405),
    ],
)
def test_what_the_facade_does_not_have(facade: Facade, method: str, path: str, status: int) -> None:
    answer = facade.send(method, path, patient=B)
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert ("Allow" in answer.headers) is (status == 405)


@pytest.mark.parametrize(
    ("content", "media", "status"),
    [
        (b"{", "application/fhir+json", 400),
        (b"{}", "application/fhir+json", 400),
        (b'{"resourceType":"Parameters","parameter":[{"name":"identifier"}]}', "application/fhir+json", 400),
        (b"a=b", FORM, 415),
    ],
)
def test_a_summary_whose_body_is_wrong(facade: Facade, content: bytes, media: str, status: int) -> None:
    answer = facade.send("POST", "/Patient/$summary", patient=B, content=content, headers={"Content-Type": media})
    assert answer.status_code == status


def test_a_summary_may_be_asked_for_by_header_alone(facade: Facade) -> None:
    assert facade.send("POST", "/Patient/$summary", patient=B).status_code == 200


@pytest.mark.parametrize("header", ["nhn-user-role", "nhn-source-system", "nhn-access-basis"])
def test_headers_are_those_of_the_owner(facade: Facade, header: str) -> None:
    answer = facade.search("Condition", B, headers={header: None})
    assert (answer.status_code, answer.headers["nhn-error-code"]) == (400, "AUTH-0003")


def test_a_token_of_another_service_or_used_proof_is_refused(world: KiWorld, facade: Facade) -> None:
    assert facade.search("Condition", B, claims={"aud": "nhn:pps"}).status_code == 401
    sent = world.headers("POST", f"{R4}/Condition/_search", B)
    first, again = (world.send("POST", f"{R4}/Condition/_search", headers=sent) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 401)
    assert "DPoP" in again.headers["WWW-Authenticate"]


def test_a_general_block_closes_derived_resources_too(world: KiWorld, facade: Facade) -> None:
    (statement,) = facade.found("DeviceUseStatement", C8)
    setting = Setting("whole", "KJ", SettingKind.GENERAL_BLOCK)
    world.set("P13", setting)
    refused = facade.send("GET", f"/Device/{statement['id']}", patient=C8)
    assert refused.status_code == 403


# the citizen side


@pytest.mark.parametrize("case", ["92"])
def test_a_citizen_reads_and_does_not_write(world: KiWorld, case: str) -> None:
    answer = Citizen(world, B).information()
    assert answer.status_code == 200
    assert answer.json()["total"] > 0
    refused = world.post(samples.drug_reaction(place()), claims={"pid": B, "hpr": ABSENT})
    assert refused.status_code == 403
    assert Citizen(world, B).send("POST", "/critical-information").status_code == 405


@pytest.mark.parametrize("case", ["93"])
def test_a_citizen_sees_who_has_opened_what(world: KiWorld, case: str) -> None:
    for basis, status in (("SAMTYKKE", 403), ("FORHOYET_SAMTYKKE", 200), ("FORHOYET_AKUTT", 200)):
        assert world.get("/AllergyIntolerance", E, basis=basis).status_code == status
    emergency, consent, refused = Citizen(world, E).log()
    assert (emergency["action"], emergency["elevated"], emergency["granted"]) == ("Lest", True, True)
    assert emergency["ground"] == "Akutt – åpnet sperrede opplysninger"
    assert emergency["person"] == {
        "kind": "practitioner",
        "name": "ÅRVÅKEN LEGEROT",
        "role": "Lege",
        "hpr": "222250101",
    }
    assert emergency["organisation"] == {
        "name": "FRISK FJORD SYKEHUS, SOMATIKK",
        "orgnr": "315500303",
        "legalEntity": "315500109",
    }
    assert emergency["service"] == "Pasientens kritiske informasjon"
    assert consent["ground"] == "Samtykke – åpnet sperrede opplysninger"
    assert (refused["granted"], refused["elevated"], refused["ground"]) == (False, False, "Samtykke")


def test_the_log_tells_of_changes_and_not_of_failed_ones(world: KiWorld) -> None:
    made = world.created(samples.drug_reaction(place()))
    assert world.post({**samples.drug_reaction(place()), "note": [{"text": "x" * 501}]}).status_code == 400
    assert world.delete(f"/AllergyIntolerance/{made['id']}").status_code == 204
    items = Citizen(world, B).log()
    assert [(each["action"], each["changed"], each["what"]) for each in items] == [
        ("Slettet", True, ["Overfølsomhet"]),
        ("Registrert", True, ["Overfølsomhet"]),
    ]


def test_the_log_holds_no_national_number(world: KiWorld) -> None:
    world.get("/Condition", C8)
    answer = Citizen(world, C8).send("GET", "/access-log")
    assert answer.json()["total"] == 1
    assert re.findall(r"(?<![0-9])[0-9]{11}(?![0-9])", answer.text) == []


def test_own_reading_is_shown_and_can_be_left_out(world: KiWorld) -> None:
    citizen = Citizen(world, B)
    citizen.information()
    citizen.log()
    world.get("/Condition", B)
    kinds = sorted(each["person"]["kind"] for each in citizen.log())
    assert kinds == ["citizen", "practitioner"]
    assert [each["person"]["kind"] for each in citizen.log("?own=false")] == ["practitioner"]


def test_the_log_is_narrowed(world: KiWorld) -> None:
    world.get("/Condition", E, basis="FORHOYET_AKUTT")
    world.get("/Condition", E)
    citizen = Citizen(world, E)
    assert len(citizen.log()) == 2
    assert [each["elevated"] for each in citizen.log("?elevated=true")] == [True]
    assert citizen.log("?service=PPS") == citizen.log("?from=2030-01-01") == citizen.log("?to=2020-01-01") == []
    assert len(citizen.log("?from=2026-01-01&to=2027-01-01&service=KJ")) == 2
    assert len(citizen.log("?_count=1")) == 1


@pytest.mark.parametrize(
    "query", ["from=x", "from=ge2026-01-01", "elevated=ja", "own=1", "_count=-1", "service=" + "x" * 21]
)
def test_a_wrong_query_of_the_log(world: KiWorld, query: str) -> None:
    assert Citizen(world, B).send("GET", f"/access-log?{query}").status_code == 400


@pytest.mark.parametrize(
    ("pid", "query", "status"),
    [
        pytest.param(P15, "?for=P08", 200, id="parent of a child under 12"),
        pytest.param(P15, "?for=P09", 403, id="parent of a child of 12 to 15"),
        pytest.param(P15, "?for=P10", 403, id="parent of somebody of 16"),
        pytest.param(P08, "", 403, id="too young"),
        pytest.param(P09, "", 403, id="13 to 15, in a service that is not for youth"),
        pytest.param(P10, "", 200, id="16"),
        pytest.param(P14, "?for=P13", 200, id="holder of a fullmakt"),
        pytest.param(P17, "?for=P18", 403, id="guardian, whom the service does not take"),
        pytest.param(B, "?for=P13", 403, id="stranger"),
        pytest.param(B, "?for=P01", 200, id="self by id"),
        pytest.param(B, "?for=nobody", 403, id="unknown id"),
        pytest.param(B, "?for=P01&for=P02", 400, id="two"),
    ],
)
def test_who_acts_for_whom(world: KiWorld, pid: str, query: str, status: int) -> None:
    assert Citizen(world, pid).information(query).status_code == status


def test_restrictions_and_blocks_bind_personnel_only(world: KiWorld) -> None:
    assert Citizen(world, E).information().json()["total"] > 0
    assert Citizen(world, F).information().status_code == 200


def test_a_reserved_citizen_has_nothing_to_see(world: KiWorld) -> None:
    answer = Citizen(world, D).information()
    assert (answer.status_code, answer.json()["total"]) == (200, 0)


def test_somebody_who_tried_to_read_anothers_is_logged(world: KiWorld) -> None:
    assert Citizen(world, B).send("GET", "/access-log?for=P13").status_code == 403
    (attempt,) = Citizen(world, C8).log()
    assert (attempt["granted"], attempt["person"]["kind"]) == (False, "citizen")


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"aud": "nhn:critical-information"}, 401),
        ({"scope": ["openid"]}, 403),
        ({"level": "3"}, 403),
        ({"hpr": "222250101"}, 403),
        ({"pid": ABSENT, "sub": ABSENT}, 403),
    ],
)
def test_a_citizen_needs_a_token_of_their_own(world: KiWorld, claims: dict[str, Any], status: int) -> None:
    answer = Citizen(world, B).send("GET", "/critical-information", claims=claims)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert ("WWW-Authenticate" in answer.headers) is (status == 401)


def test_nothing_is_given_when_it_cannot_be_logged(world: KiWorld) -> None:
    world.configure(faults={"audit": "down"})
    assert Citizen(world, B).information().status_code == 500


def test_the_readings_of_the_log_are_chained_apart(world: KiWorld) -> None:
    Citizen(world, B).log()
    (record,) = world.run(world.core.store.read(lambda conn: audit.query(conn, DEFAULT, service="CITIZEN")))
    assert (record["citizenVisible"], record["actor"]["kind"]) == (False, "citizen")


# what the sandbox itself tells


def test_a_persona_of_the_sandbox_gets_a_token_for_the_citizen_side(world: KiWorld) -> None:
    url = f"{HOST}/citizen/v1/critical-information"
    order = {"persona": "P01", "url": url, "method": "GET"}
    made = world.send("POST", f"{HOST}/_sandbox/v1/tokens", json=order).json()
    assert world.send("GET", url, headers=made["headers"]).json()["total"] > 0


def test_a_call_to_the_facade_is_explained(world: KiWorld) -> None:
    url = f"{R4}/Condition/_search"
    sent = {**world.headers("POST", url, None), "Content-Type": FORM}
    del sent["nhn-access-basis"]
    request = {"method": "POST", "url": url, "headers": sent, "body": f"patient.identifier={E}&_lastUpdated=x"}
    told = world.send("POST", f"{HOST}/_sandbox/v1/explain", json={"request": request}).json()
    found = " ".join(fault["text"] for fault in told["faults"])
    assert told["ok"] is False
    assert "nhn-access-basis" in found
    assert "_lastUpdated" in found
    assert E not in str(told)


@pytest.mark.parametrize(("service", "status"), [("fhir-facade", 503), ("citizen", 503), ("codingsystems", 429)])
def test_faults_are_in_the_form_of_the_service(world: KiWorld, service: str, status: int) -> None:
    paths = {
        "fhir-facade": "/fhir/r4/Flag",
        "citizen": "/citizen/v1/access-log",
        "codingsystems": "/codingsystems/api/v1/codingsystems",
    }
    rule = {"match": {"service": service}, "effect": {"kind": "status", "status": status}}
    assert world.send("POST", f"{HOST}/_sandbox/v1/faults", json=rule).status_code == 201
    answer = world.send("GET", HOST + paths[service])
    assert answer.status_code == status
    form = "application/fhir+json" if service == "fhir-facade" else "application/problem+json"
    assert answer.headers["Content-Type"].startswith(form)
    assert (answer.content == b"") is (status == 429)
