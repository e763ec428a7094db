"""The numbered cases of pps.md section 15 on the wire, as the rulings correct them: ``pps-<n>``.

Default: v2, valid DPoP token (level 4, H01 of O01/O03), ``person-id`` P01, ``X-Request-Id``, form body.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fhir.resources.R4B import get_fhir_model_class
from lxml import etree
from sqlalchemy import func, select

from app.clock import Moment
from app.sandboxes.state import DEFAULT
from app.services.provesvar import seed
from app.services.provesvar.mapping import DOCUMENT_REMOVED
from app.services.provesvar.rules import Search
from app.services.provesvar.seed_reports import DOCUMENTED_RESULT
from app.services.provesvar.source import ProvesvarSource
from app.services.provesvar.writer import Analysis, ReportSpec, svarrapport_xml
from app.store import registers, tables
from app.store.resources import Query
from app.trust.facts import Setting, SettingKind
from app.trust.policy import Outcome, Verdict, conclude, decide, filter_objects
from tests.conformance.pps_kit import (
    H02,
    H02_PID,
    P02,
    P03,
    P04,
    P12,
    P13,
    P19,
    STRANGER,
    PpsWorld,
    blocked,
    link,
    matches,
    nothing,
    refused,
)
from tests.support.world import HOST
from tests.unit.services.svarrapport_files import extension, fixture
from tests.unit.services.svarrapport_specs import SPECS
from tests.unit.trust import policy_requests
from tests.unit.trust.gate_kit import ABSENT, NOW, proof

Case = Callable[[PpsWorld], None]
CASES: dict[int, tuple[Case, bool]] = {}
APPREC = {"a": "http://www.kith.no/xmlstds/apprec/2004-11-21"}
NLK = "urn:oid:2.16.578.1.12.4.1.1.7280"


def case(*numbers: int, own: bool = False) -> Callable[[Case], Case]:
    """Register a case; ``own`` gives it a sandbox of its own because it changes something."""

    def register(function: Case) -> Case:
        for number in numbers:
            assert number not in CASES
            CASES[number] = (function, own)
        return function

    return register


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PpsWorld]:
    world = PpsWorld(tmp_path_factory.mktemp("pps"))
    yield world
    world.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[PpsWorld]:
    world = PpsWorld(tmp_path)
    yield world
    world.close()


@pytest.mark.parametrize("number", [pytest.param(number, id=f"pps-{number}") for number in range(1, 100)])
def test_pps(number: int, request: pytest.FixtureRequest) -> None:
    function, own = CASES[number]
    function(request.getfixturevalue("own" if own else "shared"))


def report_of(kind: str) -> seed.SeededReport:
    return next(report for report in seed.reports() if report.person == "P01" and report.kind == kind)


def total(answer: httpx.Response) -> int:
    found: int = answer.json()["total"]
    return found


# metadata


def capability(answer: httpx.Response) -> None:
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/fhir+json"
    statement = answer.json()
    get_fhir_model_class("CapabilityStatement").model_validate(statement)
    assert (statement["resourceType"], statement["fhirVersion"]) == ("CapabilityStatement", "4.0.1")
    assert (statement["title"], statement["status"]) == ("Pasientens Prøvesvar FHIR Server", "active")
    assert (statement["date"], statement["kind"]) == ("2024-05-23T00:00:00+02:00", "instance")
    assert {"contact", "jurisdiction", "purpose", "rest"} <= statement.keys()
    assert statement["implementation"]["url"] == str(answer.url).removesuffix("/metadata")


@case(1)
def _(world: PpsWorld) -> None:
    capability(world.send("GET", "/pps/v2/metadata"))


@case(2)
def _(world: PpsWorld) -> None:
    capability(world.send("POST", "/pps/v2/metadata"))


@case(3, own=True)
def _(world: PpsWorld) -> None:
    answer = world.send("GET", "/pps/metadata")
    refused(answer, 401, "login")
    assert [value.split(" ")[0] for value in answer.headers.get_list("WWW-Authenticate")] == ["Bearer", "DPoP"]
    world.configure(v1_metadata_bug=False)
    capability(world.send("GET", "/pps/metadata"))


@case(4)
def _(world: PpsWorld) -> None:
    token = world.token("v1", jkt=None)
    capability(world.send("GET", "/pps/metadata", headers={"Authorization": f"Bearer {token}"}))


@case(5)
def _(world: PpsWorld) -> None:
    capability(world.send("GET", "/pps-backdoor/fhir/metadata"))


# token and answer


@case(6)
def _(world: PpsWorld) -> None:
    answer = world.search()
    assert answer.headers["Content-Type"] == "application/fhir+json"
    found = matches(answer)
    assert total(answer) == 73
    assert len(found) == len(answer.json()["entry"]) == 50
    dates = [report["effectiveDateTime"] for report in found]
    assert dates == sorted(dates, reverse=True)
    urls = [entry["fullUrl"] for entry in answer.json()["entry"]]
    assert urls == [f"{HOST}/pps/v2/DiagnosticReport/{report['id']}" for report in found]


@case(7)
def _(world: PpsWorld) -> None:
    nothing(world.search(headers={"person-id": P13}))


@case(8)
def _(world: PpsWorld) -> None:
    answer = world.search(headers={"Authorization": None, "DPoP": None})
    refused(answer, 401, "login")
    assert "error" not in answer.headers["WWW-Authenticate"]


def bearer(world: PpsWorld, version: str, **changes: Any) -> httpx.Response:
    token = world.token(version, jkt=None, **changes)
    return world.search(version=version, headers={"Authorization": f"Bearer {token}", "DPoP": None})


@case(9)
def _(world: PpsWorld) -> None:
    refused(bearer(world, "v2"), 401, "login")


@case(10)
def _(world: PpsWorld) -> None:
    assert len(matches(bearer(world, "v1"))) == 50


@case(11)
def _(world: PpsWorld) -> None:
    assert len(matches(bearer(world, "v1", aud="nhn:nilar", scope=["nhn:nilar/api"]))) == 50


@case(12)
def _(world: PpsWorld) -> None:
    answer = world.search(claims={"scope": ["nhn:pps/provesvar"]})
    refused(answer, 401, "forbidden")
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    assert 'scope="nhn:pps/provesvar-read"' in answer.headers["WWW-Authenticate"]


@case(13)
def _(world: PpsWorld) -> None:
    refused(bearer(world, "v1", scope=["nhn:pps/provesvar-read"]), 401, "forbidden")


@case(14)
def _(world: PpsWorld) -> None:
    answer = world.search(headers={"DPoP": None})
    refused(answer, 401, "login")
    assert 'error="invalid_dpop_proof"' in answer.headers["WWW-Authenticate"]


@case(15)
def _(world: PpsWorld) -> None:
    token = world.token()
    url = f"{HOST}/pps/v2/DiagnosticReport/_search"
    elsewhere = proof(token, htm="POST", htu=f"{HOST}/pps/v2/Observation/_search")
    right = proof(token, htm="POST", htu=url)
    headers = {"Authorization": f"DPoP {token}", "DPoP": elsewhere}
    wrong = world.search(headers=headers)
    assert world.search(headers=headers | {"DPoP": right}).status_code == 200
    again = world.search(headers=headers | {"DPoP": right})
    for answer in (wrong, again):
        refused(answer, 401, "login")
        assert answer.headers["WWW-Authenticate"].startswith('DPoP error="invalid_dpop_proof"')


@case(16)
def _(world: PpsWorld) -> None:
    refused(world.search(claims={"aud": "nhn:other"}), 401, "forbidden")


@case(17)
def _(world: PpsWorld) -> None:
    refused(world.search(claims={"level": "3"}), 401, "forbidden")


@case(18)
def _(world: PpsWorld) -> None:
    refused(world.search(claims={"pid": ABSENT}), 401, "forbidden")


@case(19)
def _(world: PpsWorld) -> None:
    assert matches(world.search(claims={"child": ABSENT}))


# headers


@case(20)
def _(world: PpsWorld) -> None:
    refused(world.search(headers={"person-id": None}), 400, "required")


@case(21)
def _(world: PpsWorld) -> None:
    answer = world.search(headers={"person-id": "14838449699"})
    refused(answer, 400, "value")
    assert "14838449699" not in answer.text


@case(22)
def _(world: PpsWorld) -> None:
    (report,) = matches(world.search(headers={"person-id": P12}))
    assert report["subject"] == {"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.2", "value": P12}}


@case(23)
def _(world: PpsWorld) -> None:
    refused(world.search(headers={"X-Request-Id": None}), 400, "required")


@case(24)
def _(world: PpsWorld) -> None:
    assert matches(world.search(headers={"X-Request-Id": None, "Traceparent": "00-trace"}))


@case(25)
def _(world: PpsWorld) -> None:
    assert matches(world.search(headers={"X-Request-Id": None, "cOrReLaTiOn-iD": "1"}))


@case(26)
def _(world: PpsWorld) -> None:
    answer = world.search()
    assert "requester-hpr-role" not in answer.request.headers
    assert matches(answer)


@case(27)
def _(world: PpsWorld) -> None:
    refused(world.search(headers={"requester-hpr-role": "ZZ"}), 400, "invalid")


@case(28)
def _(world: PpsWorld) -> None:
    assert matches(world.search(headers={"requester-id": H02}))


@case(29)
def _(world: PpsWorld) -> None:
    refused(world.search(headers={"access-basis": "FOO"}), 400, "value")


# access basis and blocks


@case(30)
def _(world: PpsWorld) -> None:
    assert matches(world.search(headers={"access-basis": "UNNTAK"}))


@case(31)
def _(world: PpsWorld) -> None:
    blocked(world.search(headers={"person-id": P02}), "General")


@case(32)
def _(world: PpsWorld) -> None:
    blocked(world.search(headers={"person-id": P02, "access-basis": "SAMTYKKE"}), "General")


@case(33)
def _(world: PpsWorld) -> None:
    blocked(world.search(headers={"person-id": P02, "access-basis": "AKUTT"}), "General")


@case(34, 35, own=True)
def _(world: PpsWorld) -> None:
    for basis in ("FORHOYET_SAMTYKKE", "FORHOYET_AKUTT"):
        before = len(world.audit(elevated=True))
        assert len(matches(world.search(headers={"person-id": P02, "access-basis": basis}))) == 2
        assert len(world.audit(elevated=True)) == before + 2  # decision and release (R59)


@case(36)
def _(world: PpsWorld) -> None:
    refused(world.search(headers={"access-basis": "FORHOYET_SAMTYKKE"}), 400, "business-rule")


def block_generally(world: PpsWorld, person: str) -> None:
    world.set(person, Setting("general", "PPS", SettingKind.GENERAL_BLOCK))


@case(37, own=True)
def _(world: PpsWorld) -> None:
    block_generally(world, "P13")
    answer = world.search(headers={"person-id": P13, "access-basis": "FORHOYET_AKUTT"})
    refused(answer, 400, "business-rule")


@case(38)
def _(world: PpsWorld) -> None:
    headers = {"person-id": P02, "grunnlag": "1"}
    assert len(matches(world.search(version="v1", headers=headers))) == 2
    blocked(world.search(headers=headers), "General")  # ignored on v2 (R35)


def as_h02(world: PpsWorld, patient: str, **headers: str) -> httpx.Response:
    return world.search(claims={"pid": H02_PID, "hpr": H02}, headers={"person-id": patient, **headers})


@case(39)
def _(world: PpsWorld) -> None:
    blocked(as_h02(world, P03), "Specific")


@case(40)
def _(world: PpsWorld) -> None:
    blocked(as_h02(world, P03, **{"access-basis": "FORHOYET_AKUTT"}), "Specific")


@case(41)
def _(world: PpsWorld) -> None:
    assert len(matches(world.search(headers={"person-id": P03}))) == 2


@case(42)
def _(world: PpsWorld) -> None:
    blocked(world.search(headers={"person-id": P04}), "Reservation")


@case(43)
def _(world: PpsWorld) -> None:
    blocked(world.search(headers={"person-id": P04, "access-basis": "FORHOYET_SAMTYKKE"}), "Reservation")


@case(44, own=True)
def _(world: PpsWorld) -> None:
    block_generally(world, "P13")
    blocked(world.search(headers={"person-id": P13}), "General")


@case(45)
def _(world: PpsWorld) -> None:
    form = {"_include": "DiagnosticReport:based-on,DiagnosticReport:result"}
    blocked(world.search(form, headers={"person-id": P02}), "General")


@case(46, own=True)
def _(world: PpsWorld) -> None:
    world.configure(faults={"privacy": "timeout"}, privacy_timeout=0.05)
    answer = world.search()
    refused(answer, 500, "timeout")
    assert "DiagnosticReport" not in answer.text
    assert [record["decision"]["code"] for record in world.audit()] == [8]


# backdoor


@case(47)
def _(world: PpsWorld) -> None:
    assert len(matches(world.search(version="backdoor"))) == 50


@case(48)
def _(world: PpsWorld) -> None:
    refused(world.search(version="backdoor", headers={"x-nilar-patient": None}), 400, "required")


@case(49)
def _(world: PpsWorld) -> None:
    headers = {"x-nilar-patient": None, "person-id": P02}
    refused(world.search(version="backdoor", headers=headers), 400, "required")


@case(50)
def _(world: PpsWorld) -> None:
    headers = {"x-nilar-patient": P02, "x-nilar-reason": "2", "x-nilar-requester-hpr": STRANGER}
    assert len(matches(world.search(version="backdoor", headers=headers))) == 2


# search parameters


@case(51)
def _(world: PpsWorld) -> None:
    wanted = report_of("HIST").report_id
    (report,) = matches(world.search({"_id": wanted}))
    assert report["id"] == wanted


@case(52)
def _(world: PpsWorld) -> None:
    others = next(report for report in seed.reports() if report.person == "P12")
    nothing(world.search({"_id": others.report_id}))


@case(53)
def _(world: PpsWorld) -> None:
    refused(world.search({"_id": "abc"}), 400, "value")


@case(54)
def _(world: PpsWorld) -> None:
    (report,) = matches(world.search({"identifier": "55b6344fc-a61d-4a67-95fe-7276613785ab"}))
    assert report["issued"] == "2017-09-20T09:05:11+02:00"
    assert {each["value"] for each in report["identifier"]} >= {"01c59bd0-c6a5-11e6-9598-0800200c9a66"}


@case(55)
def _(world: PpsWorld) -> None:
    nothing(world.search({"identifier": "01c59bd0-c6a5-11e6-9598-0800200c9a66"}))


@case(56)
def _(world: PpsWorld) -> None:
    found = matches(world.search({"identifier": DOCUMENTED_RESULT}, kind="Observation"))
    assert len(found) == 2
    assert {item["identifier"][0]["value"] for item in found} == {DOCUMENTED_RESULT}
    assert "NOR05857" in {item["code"]["coding"][0]["code"] for item in found}


@case(57)
def _(world: PpsWorld) -> None:
    (report,) = matches(world.search([("date", "gt2017-09-20"), ("date", "lt2017-09-24")]))
    assert report["effectiveDateTime"].startswith("2017-09-22")


@case(58)
def _(world: PpsWorld) -> None:
    (report,) = matches(world.search({"date": "eq2017-09-20"}))
    assert report["effectiveDateTime"] == "2017-09-20T07:57:00+02:00"


@case(59)
def _(world: PpsWorld) -> None:
    answer = world.search({"date": "ge2017", "_count": "100"})
    assert total(answer) == 72  # all but the one of December 2016
    assert min(report["effectiveDateTime"] for report in matches(answer)) >= "2017-01-01"


@case(60)
def _(world: PpsWorld) -> None:
    refused(world.search({"date": "20.09.2017"}), 400, "value")


def tagged(world: PpsWorld, value: str, name: str = "_tags") -> list[str]:
    return [item["id"] for item in matches(world.search({name: value, "_count": "200"}, kind="Observation"))]


@case(61)
def _(world: PpsWorld) -> None:
    found = matches(world.search({"_tags": "NPU19767", "_count": "200"}, kind="Observation"))
    assert found
    assert {item["code"]["coding"][0]["code"] for item in found} == {"NPU19767"}


@case(62)
def _(world: PpsWorld) -> None:
    expected = tagged(world, "NPU19767")
    assert tagged(world, f"{NLK}:NPU19767") == expected
    assert tagged(world, f"{NLK}|NPU19767") == expected
    assert tagged(world, "http://ehelse.no/fhir/CodeSystem/no-kodeverk-7280-nlk:NPU19767") == expected
    assert tagged(world, "http://helsedir.no/fhir/CodeSystem/no-kodeverk-7280|NPU19767") == expected


@case(63)
def _(world: PpsWorld) -> None:
    found = matches(world.search({"_tag": "FU", "_count": "200"}, kind="Observation"))
    disciplines = {item["category"][0]["coding"][0]["code"] for item in found}
    assert disciplines == {"RAD", "PAT"}


@case(64)
def _(world: PpsWorld) -> None:
    found = matches(world.search({"_tags": "NPU06045"}, kind="Observation"))
    assert [item["code"]["coding"][0]["code"] for item in found] == ["NPU06073", "NPU06073"]
    assert all(len(item["hasMember"]) == 5 for item in found)


@case(65)
def _(world: PpsWorld) -> None:
    answer = world.search({"_count": "10", "_skip": "50"})
    assert (len(matches(answer)), total(answer)) == (10, 73)
    assert link(answer, "self") == f"{HOST}/pps/v2/DiagnosticReport/_search?_count=10&_skip=50"
    following = link(answer, "next")
    assert following == f"{HOST}/pps/v2/DiagnosticReport/_search?_count=10&_skip=60"
    followed = world.search(query=following.partition("?")[2])  # an empty body to the link (R45)
    assert (len(matches(followed)), total(followed)) == (10, 73)
    assert link(followed, "previous") == f"{HOST}/pps/v2/DiagnosticReport/_search?_count=10&_skip=50"
    assert not {each["id"] for each in matches(answer)} & {each["id"] for each in matches(followed)}


@case(66)
def _(world: PpsWorld) -> None:
    answer = world.search({"_count": "10", "_skip": "70"})
    assert len(matches(answer)) == 3
    assert link(answer, "next") is None


@case(67)
def _(world: PpsWorld) -> None:
    refused(world.search({"_count": "-1"}), 400, "value")


# includes


def included(answer: httpx.Response) -> dict[str, int]:
    kinds: dict[str, int] = {}
    for resource in matches(answer, "include"):
        kinds[resource["resourceType"]] = kinds.get(resource["resourceType"], 0) + 1
    return kinds


@case(68)
def _(world: PpsWorld) -> None:
    answer = world.search({"_include": "DiagnosticReport:based-on", "_count": "5"})
    assert len(matches(answer)) == 5
    assert included(answer) == {"ServiceRequest": 5}
    assert total(answer) == 73


@case(69)
def _(world: PpsWorld) -> None:
    form = {
        "_include": "DiagnosticReport:based-on",
        "_include:iterate": "ServiceRequest:requester",
        "_id": report_of("HIST").report_id,
    }
    assert included(world.search(form)) == {"ServiceRequest": 1, "PractitionerRole": 1}


@case(70)
def _(world: PpsWorld) -> None:
    assert included(world.search({"_include": "ServiceRequest:requester"})) == {}


@case(71)
def _(world: PpsWorld) -> None:
    form = {"_include": "DiagnosticReport:specimen,DiagnosticReport:result", "_id": report_of("HIST").report_id}
    assert included(world.search(form)) == {"Specimen": 1, "Observation": 2}


@case(72)
def _(world: PpsWorld) -> None:
    answer = world.search({"_tags": "NPU06045", "_revinclude": "DiagnosticReport:result"}, kind="Observation")
    assert included(answer) == {"DiagnosticReport": 2}


@case(73)
def _(world: PpsWorld) -> None:
    answer = world.search({"_revinclude": "Observation:specimen", "_count": "3"})
    assert included(answer) == {}
    assert link(answer, "self") == f"{HOST}/pps/v2/DiagnosticReport/_search?_count=3"


@case(74)
def _(world: PpsWorld) -> None:
    form = {
        "_id": report_of("IMTR").report_id,
        "_include": "DiagnosticReport:result,DiagnosticReport:specimen",
        "_include:iterate": "Observation:specimen,Specimen:collector,Observation:performer",
    }
    answer = world.search(form)
    ids = [entry["resource"]["id"] for entry in answer.json()["entry"]]
    assert len(ids) == len(set(ids))
    assert included(answer) == {"Observation": 4, "Specimen": 1, "PractitionerRole": 1}


# addresses, methods and bodies


@case(75)
def _(world: PpsWorld) -> None:
    for path, allow in (("/DiagnosticReport?date=2017", ""), ("/DiagnosticReport/_search", "POST")):
        answer = world.send("GET", f"/pps/v2{path}")
        refused(answer, 405, "not-supported")
        assert answer.headers["Allow"] == allow


@case(76)
def _(world: PpsWorld) -> None:
    refused(world.send("GET", f"/pps/v2/DiagnosticReport/{report_of('HIST').report_id}"), 404, "not-found")


@case(77)
def _(world: PpsWorld) -> None:
    refused(world.send("POST", "/pps/v2/Patient/_search"), 404, "not-found")


@case(78)
def _(world: PpsWorld) -> None:
    form = {"_include": "DiagnosticReport:specimen", "_id": report_of("HIST").report_id}
    (specimen,) = matches(world.search(form), "include")
    found = matches(world.search({"_id": specimen["id"]}, kind="Specimen", version="backdoor"))
    assert found == [specimen]
    refused(world.send("POST", "/pps/v2/Specimen/_search"), 404, "not-found")


@case(79)
def _(world: PpsWorld) -> None:
    refused(world.search(b"{}", headers={"Content-Type": "application/json"}), 400, "invalid")


# reception of svarrapport


def receipt(answer: httpx.Response) -> tuple[str, str | None]:
    """Status and error code of an AppRec."""
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/xml")
    root = etree.fromstring(answer.content)
    status = root.find("a:Status", APPREC)
    error = root.find("a:Error", APPREC)
    assert status is not None
    return str(status.get("V")), None if error is None else error.get("V")


def accept(world: PpsWorld, body: bytes) -> None:
    assert receipt(world.ingest(body)) == ("1", None)


def report(world: PpsWorld, serv_prov_id: str) -> dict[str, Any]:
    (found,) = matches(world.search({"identifier": serv_prov_id}))
    return found


def results(world: PpsWorld, serv_prov_id: str) -> list[dict[str, Any]]:
    form = {"identifier": serv_prov_id, "_include": "DiagnosticReport:result"}
    form["_include:iterate"] = "Observation:has-member"
    return matches(world.search(form), "include")


def by_result_id(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item["identifier"][0]["value"]: item for item in items if "identifier" in item}


@case(80, own=True)
def _(world: PpsWorld) -> None:
    accept(world, fixture("biokjemi"))
    found = report(world, "rapport-biokjemi")
    assert found["status"] == "final"
    assert len(found["result"]) == 8
    assert found["issued"] == "2026-03-02T11:15:30+01:00"
    assert extension(found, "report-date") == "2026-03-02T11:10:00+01:00"


@case(81, own=True)
def _(world: PpsWorld) -> None:
    accept(world, fixture("kjede-1-ny"))
    first = report(world, "rapport-kjede")
    accept(world, fixture("kjede-2-endring"))
    second = report(world, "rapport-kjede")
    assert (first["status"], second["status"]) == ("final", "amended")
    assert first["id"] == second["id"]
    assert first["issued"] < second["issued"]
    assert extension(first, "report-date") == extension(second, "report-date") == "2026-03-05T08:30:00+01:00"


@case(82, own=True)
def _(world: PpsWorld) -> None:
    for name in ("kjede-1-ny", "kjede-2-endring", "kjede-3-trukket"):
        accept(world, fixture(name))
    assert report(world, "rapport-kjede")["status"] == "amended"
    (item,) = results(world, "rapport-kjede")
    assert item["status"] == "cancelled"
    assert total(world.search({"identifier": "k-2"}, kind="Observation")) == 0


@case(83, own=True)
def _(world: PpsWorld) -> None:
    accept(world, fixture("kjede-1-ny"))
    accept(world, fixture("kjede-2-endring"))
    items = by_result_id(results(world, "rapport-kjede"))
    assert {name: item["status"] for name, item in items.items()} == {"k-1": "final", "k-2": "final", "k-3": "amended"}
    assert [extension(items[name], "history") for name in ("k-1", "k-2", "k-3")] == [True, True, None]
    accept(world, fixture("kjede-3-trukket"))
    assert [item["status"] for item in results(world, "rapport-kjede")] == ["cancelled"]


@case(84, own=True)
def _(world: PpsWorld) -> None:
    accept(world, fixture("kansellering"))  # also without a predecessor (R51)
    found = report(world, "rapport-kansellert")
    assert found["status"] == "cancelled"
    assert "result" not in found
    assert found["effectiveDateTime"] == "2026-03-04T12:00:00+01:00"


@case(85, own=True)
def _(world: PpsWorld) -> None:
    spec = spec_of("biochemistry", status="S", serv_prov_id="planned")
    accept(world, svarrapport_xml(spec))
    assert report(world, "planned")["status"] == "registered"


@case(86, own=True)
def _(world: PpsWorld) -> None:
    assert receipt(world.ingest(fixture("feil-offid"))) == ("2", "E31")
    # A refused message does not use its MsgId up: the next has the same (R52).
    accept(world, fixture("kansellering"))
    assert report(world, "rapport-kansellert")["status"] == "cancelled"


@case(87)
def _(world: PpsWorld) -> None:
    assert receipt(world.ingest(b"<Message><open></Message>")) == ("2", "T01")
    assert receipt(world.ingest(fixture("entitetsbombe"))) == ("2", "T01")
    assert receipt(world.ingest(fixture("uten-servprovid"))) == ("2", "T02")
    assert receipt(world.ingest(fixture("ukjent-navnerom"))) == ("2", "T10")
    nothing(world.search({"identifier": "rapport-biokjemi"}))


@case(88, own=True)
def _(world: PpsWorld) -> None:
    first = spec_of("biochemistry", serv_prov_id="twice", msg_id="same", comment="first")
    accept(world, svarrapport_xml(first))
    again = spec_of("biochemistry", serv_prov_id="twice", msg_id="same", comment="second")
    accept(world, svarrapport_xml(again))
    assert extension(report(world, "twice"), "comment") == {"text": "first"}
    other_lab = spec_of("biochemistry", serv_prov_id="twice", msg_id="same", lab=SPECS["radiology"].requester_org)
    accept(world, svarrapport_xml(other_lab))  # remembered per sender (R52)
    assert total(world.search({"identifier": "twice"})) == 2


@case(89, own=True)
def _(world: PpsWorld) -> None:
    accept(world, fixture("kjede-2-endring"))
    newer = report(world, "rapport-kjede")
    accept(world, fixture("kjede-1-ny"))
    assert report(world, "rapport-kjede") == newer


@case(90, own=True)
def _(world: PpsWorld) -> None:
    accept(world, svarrapport_xml(spec_of("biochemistry", serv_prov_id="reserved", reservation="R")))
    nothing(world.search({"identifier": "reserved"}))
    accept(world, svarrapport_xml(spec_of("biochemistry", serv_prov_id="allowed", reservation="T", msg_id="t")))
    assert report(world, "allowed")["status"] == "final"
    accept(world, svarrapport_xml(spec_of("biochemistry", patient=P04, msg_id="p04")))
    rows = world.run(world.core.store.read(lambda conn: registers.person_by_nin(conn, DEFAULT, P04)))
    assert rows is not None
    blocked(world.search(headers={"person-id": P04}), "Reservation")
    assert stored_of(world, rows.id) == 0


@case(91, own=True)
def _(world: PpsWorld) -> None:
    accept(world, svarrapport_xml(spec_of("biochemistry", serv_prov_id="attached", document="vedlegg.pdf")))
    found = report(world, "attached")
    assert "presentedForm" not in found
    assert "vedlegg.pdf" not in orjson.dumps(found).decode()
    comments = [each for each in found["extension"] if each["url"].endswith("nilar-comment")]
    assert DOCUMENT_REMOVED in [each.get("valueAnnotation", {}).get("text") for each in comments]


@case(92, own=True)
def _(world: PpsWorld) -> None:
    accept(world, fixture("radiologi"))
    found = report(world, "rapport-radiologi")
    assert found["category"][0]["coding"][0]["code"] == "BLD"
    assert found["code"]["coding"][0]["code"] == "UL"
    items = results(world, "rapport-radiologi")
    assert found["effectiveDateTime"] == extension(by_result_id(items)["R1"], "investigation-date")
    assert "ZTX0EA" in [each["code"] for item in items for each in item.get("method", {}).get("coding", ())]
    texts = [item["valueCodeableConcept"].get("text", "") for item in items if "valueCodeableConcept" in item]
    assert any(texts)
    assert not any(re.search("[<>]", text) for text in texts)


@case(93, own=True)
def _(world: PpsWorld) -> None:
    accept(world, fixture("dyrkning"))
    found = report(world, "rapport-dyrkning")
    assert len(found["result"]) == 1
    items = {item["id"]: item for item in results(world, "rapport-dyrkning")}
    culture = by_result_id(list(items.values()))["kultur-1"]
    members = [items[each["reference"].partition("/")[2]] for each in culture["hasMember"]]
    answers = [
        each["code"]
        for member in members
        for each in member.get("valueCodeableConcept", {}).get("coding", ())
        if each["system"].endswith(".8271")
    ]
    assert len(answers) == 3
    assert set(answers) <= {"R", "S", "I"}


@case(94, own=True)
def _(world: PpsWorld) -> None:
    item = Analysis("NPU19767", "P-D-dimer", number="0.2", unit="mg/L", comparator="LT", id="lt-1")
    accept(world, svarrapport_xml(spec_of("biochemistry", serv_prov_id="less", items=(item,))))
    (found,) = results(world, "less")
    assert (found["valueQuantity"]["comparator"], found["valueQuantity"]["value"]) == ("<", 0.2)


@case(95, own=True)
def _(world: PpsWorld) -> None:
    accept(world, svarrapport_xml(spec_of("biochemistry", serv_prov_id="nobody", requester=None)))
    form = {
        "identifier": "nobody",
        "_include": "DiagnosticReport:based-on",
        "_include:iterate": "ServiceRequest:requester",
    }
    roles = [each for each in matches(world.search(form), "include") if each["resourceType"] == "PractitionerRole"]
    assert [role["organization"]["identifier"]["value"] for role in roles] == ["8139764"]


# profiles and the citizen's side


PROFILE: dict[str, tuple[str, ...]] = {
    "DiagnosticReport": ("identifier", "status", "category", "code", "subject", "effectiveDateTime", "issued"),
    "Observation": ("status", "code", "subject", "effectiveDateTime", "issued"),
    "ServiceRequest": ("identifier", "status", "intent", "subject"),
    "Specimen": ("accessionIdentifier", "collection", "type"),
    "PractitionerRole": (),
}


@case(96)
def _(world: PpsWorld) -> None:
    dirty = report_of("CLIN-dirty").report_id
    seen: set[str] = set()
    for person in {report.person for report in seed.reports()} - {"P02", "P22"}:
        number = seed.MAIN_NUMBER if person == seed.MAIN else seed.OTHERS[person][0][0]
        form = {
            "_count": "1000",
            "_include": ",".join(
                f"DiagnosticReport:{name}" for name in ("based-on", "result", "specimen", "performer")
            ),
            "_include:iterate": "Observation:has-member,Observation:performer,ServiceRequest:requester",
        }
        answer = world.search(form, headers={"person-id": number})
        untidy = leads_to(answer, dirty)
        for entry in answer.json()["entry"]:
            resource = entry["resource"]
            if f"{resource['resourceType']}/{resource['id']}" not in untidy:
                valid(resource)
                seen.add(resource["resourceType"])
    assert seen == set(PROFILE)


def leads_to(answer: httpx.Response, report_id: str) -> set[str]:
    """A report and everything its resources refer to."""
    resources = {
        f"{each['resource']['resourceType']}/{each['resource']['id']}": each for each in answer.json()["entry"]
    }
    found: set[str] = set()
    waiting = [f"DiagnosticReport/{report_id}"]
    while waiting:
        place = waiting.pop()
        if place in resources and place not in found:
            found.add(place)
            waiting += re.findall(r'"reference":"([^"]+)"', orjson.dumps(resources[place]).decode())
    return found


def valid(resource: dict[str, Any]) -> None:
    """R4, and the cardinalities of the national profile (pps.md §8.1)."""
    kind = resource["resourceType"]
    get_fhir_model_class(kind).model_validate(resource)
    assert set(PROFILE[kind]) <= resource.keys(), resource
    for identifier in resource.get("identifier", ()):
        assert identifier["system"]
        assert identifier["value"]
    if kind == "DiagnosticReport":
        assert len(resource["category"]) == 1
        assert extension(resource, "report-date")
        assert "presentedForm" not in resource
    if kind == "Observation":
        assert extension(resource, "diagnostic-report-ref")
    if kind == "Specimen":
        assert resource["collection"]["collectedDateTime"]
    systems = re.findall(r'"system":"(http[^"]*)"', orjson.dumps(resource).decode())
    assert set(systems) <= {"http://unitsofmeasure.org"}


@case(97)
def _(world: PpsWorld) -> None:
    delayed = seed.report_refs()["P19"][0][1]
    source = ProvesvarSource(DEFAULT, HOST, Search(Query("DiagnosticReport")))

    def gathered(conn: Any) -> Any:
        facts = registers.gather(conn, DEFAULT, "PPS", P19, None, None, (None, None), NOW)
        assert facts.patient is not None
        return facts, source.objects(conn, facts.patient)

    facts, objects = world.run(world.core.store.read(gathered))
    request = policy_requests.citizen(
        *facts.settings,
        patient=facts.patient,
        access={"moment": Moment(NOW, NOW)},
    )
    decision = decide(request)
    result = filter_objects(objects, request)
    assert conclude(request, decision, result, len(objects)).outcome is Outcome.PARTIAL
    dropped = {key for key, verdict in result.verdicts.items() if verdict.verdict is Verdict.DROP}
    assert dropped == {delayed}
    assert delayed in {report["id"] for report in matches(world.search(headers={"person-id": P19}))}


def safety(world: PpsWorld, **members: Any) -> httpx.Response:
    body = {
        "patientSafetyObject": {
            "person": {"offId": P19},
            "confidentialObjectId": {"type": "Rekvisisjon", "value": "e312fde3-66aa-40da-bec7-26abf4d29e82"},
        },
        **members,
    }
    return world.send("POST", "/_sandbox/v1/persons/P19/settings", json=body)


@case(98)
def _(world: PpsWorld) -> None:
    answer = safety(world, delayDays=14, confidentialityCode="NORN_FFL")
    assert answer.status_code == 400, answer.text
    assert "NORN" in answer.json()["detail"]


@case(99)
def _(world: PpsWorld) -> None:
    answer = safety(world, delayDeliveryUntil="2027-01-01T00:00:00Z", confidentialityCode="N")
    assert answer.status_code == 400
    assert answer.json()["detail"] == "DelayDeliveryUntil cannot be specified with ConfidentialityCode N"


def spec_of(name: str, **changes: Any) -> ReportSpec:
    made = {"msg_id": f"msg-{changes.get('serv_prov_id', name)}", **changes}
    return ReportSpec(**{**{each: getattr(SPECS[name], each) for each in ReportSpec.__slots__}, **made})


def stored_of(world: PpsWorld, person: str) -> int:
    counting = select(func.count()).where(tables.resource.c.patient == person)
    found: int = world.run(world.core.store.read(lambda conn: conn.execute(counting).scalar_one()))
    return found
