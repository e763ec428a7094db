"""The national mapping, element by element (pps.md §9.3) and cases 80-85, 90-96 of §15."""

from __future__ import annotations

from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from app.services.provesvar.fhirparts import role
from app.services.provesvar.index import references, search_values
from app.services.provesvar.mapping import DOCUMENT_REMOVED, to_report, to_reports
from app.services.provesvar.message import Hcp, Ident, Party, ResultItem
from app.services.provesvar.observations import link
from app.services.provesvar.svarrapport import read
from tests.unit.services.svarrapport_files import (
    MAX_BYTES,
    READABLE,
    extension,
    fixture,
    mapped,
    message,
    of_type,
)

OID = "urn:oid:2.16.578.1.12.4.1.1."


def observations(name: str) -> list[dict[str, Any]]:
    return of_type(mapped(name), "Observation")


def coded(system: int, code: str, display: str) -> dict[str, str]:
    return {"system": f"{OID}{system}", "code": code, "display": display}


@pytest.mark.parametrize("name", READABLE)
def test_every_resource_is_valid_r4(name: str) -> None:
    for report in to_reports(message(name)):
        for resource in report.resources:
            get_fhir_model_class(resource["resourceType"]).model_validate(resource)


@pytest.mark.parametrize("name", READABLE)
def test_references_stay_within_the_report(name: str) -> None:
    for report in to_reports(message(name)):
        known = {f"{resource['resourceType']}/{resource['id']}" for resource in report.resources}
        assert len(known) == len(report.resources)
        found = [target for resource in report.resources for _, target in references(resource)]
        assert set(found) <= known
        assert found


@pytest.mark.parametrize("name", READABLE)
def test_same_message_gives_same_resources(name: str) -> None:
    assert to_reports(message(name)) == to_reports(message(name))


class TestNewReport:
    """pps-80."""

    def test_head(self) -> None:
        report = mapped("biokjemi")
        head = report.resources[0]
        assert head["resourceType"] == "DiagnosticReport"
        assert head["id"] == report.report_id
        assert head["status"] == "final"
        assert len(head["result"]) == 8
        assert head["issued"] == "2026-03-02T11:15:30+01:00"
        assert extension(head, "report-date") == "2026-03-02T11:10:00+01:00"
        assert head["effectiveDateTime"] == "2026-03-02T07:40:00+01:00"
        assert head["identifier"] == [
            {"system": "ServReportId", "value": "rapport-biokjemi"},
            {"use": "secondary", "system": "MsgId", "value": "msg-biokjemi-1"},
        ]
        assert head["category"] == [{"coding": [coded(8202, "LAB", "Laboratoriemedisin")]}]
        assert head["code"] == {"coding": [coded(8202, "CLIN", "Medisinsk biokjemi")]}
        assert head["subject"] == {"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": "14838449698"}}
        assert extension(head, "comment") == {"text": "Fastende prøve"}

    def test_numbers(self) -> None:
        found = {o["identifier"][0]["value"]: o for o in observations("biokjemi")}
        ucum = "http://unitsofmeasure.org"
        assert found["b-1"]["valueQuantity"] == {"value": 5.1, "unit": "mmol/L", "system": ucum, "code": "mmol/L"}
        assert found["b-4"]["valueQuantity"]["code"] == "umol/L"
        assert found["b-7"]["valueQuantity"]["code"] == "10*9/L"
        assert found["b-8"]["valueQuantity"] == {"value": 1.4, "unit": "stk"}
        assert found["b-7"]["interpretation"] == [{"coding": [coded(8244, "1", "Over øvre referansegrense")]}]
        assert found["b-5"]["referenceRange"] == [{"text": "< 5"}]

    def test_comparator_is_kept(self) -> None:
        """pps-94."""
        found = next(o for o in observations("biokjemi") if o["identifier"][0]["value"] == "b-5")
        assert found["valueQuantity"]["comparator"] == "<"

    def test_effective_is_the_collection(self) -> None:
        found = {o["identifier"][0]["value"]: o["effectiveDateTime"] for o in observations("biokjemi")}
        assert (found["b-1"], found["b-6"]) == ("2026-03-02T07:45:00+01:00", "2026-03-02T07:40:00+01:00")

    def test_performer_is_the_related_provider(self) -> None:
        roles = {f"PractitionerRole/{role['id']}": role for role in of_type(mapped("biokjemi"), "PractitionerRole")}
        performer = roles[mapped("biokjemi").resources[0]["performer"][0]["reference"]]
        assert performer["practitioner"]["display"] == "VENNLIG GRØFT"
        assert performer["telecom"] == [{"system": "phone", "value": "73000001"}]
        assert len(roles) == 3


@pytest.mark.parametrize(
    ("name", "status", "items"),
    [
        pytest.param("kjede-1-ny", "final", ["final", "final", "final"], id="pps-81-before"),
        pytest.param("kjede-2-endring", "amended", ["final", "final", "amended"], id="pps-81"),
        pytest.param("kjede-3-trukket", "amended", ["cancelled"], id="pps-82"),
        pytest.param("kansellering", "cancelled", [], id="pps-84"),
        pytest.param("v13-to-rapporter", "registered", ["final"], id="pps-85"),
    ],
)
def test_status(name: str, status: str, items: list[str]) -> None:
    assert mapped(name).resources[0]["status"] == status
    assert [o["status"] for o in observations(name)] == items


def test_history_only_beside_an_update() -> None:
    """pps-83."""
    assert [extension(o, "history") for o in observations("kjede-2-endring")] == [True, True, None]
    repeat = (
        fixture("kjede-2-endring")
        .decode()
        .replace('<ServType V="M"/>\n        <Ref', '<ServType V="H"/>\n        <Ref')
    )
    found = of_type(to_report(read(repeat.encode(), max_bytes=MAX_BYTES)), "Observation")
    assert [extension(o, "history") for o in found] == [None, None, None]


def test_history_needs_the_item_id() -> None:
    body = fixture("kjede-2-endring").decode().replace("<IdResultItem>k-1</IdResultItem>", "")
    found = of_type(to_report(read(body.encode(), max_bytes=MAX_BYTES)), "Observation")
    assert [extension(o, "history") for o in found] == [None, True, None]


def test_cancellation_has_no_result() -> None:
    """pps-84."""
    report = mapped("kansellering")
    head = report.resources[0]
    assert "result" not in head
    assert head["effectiveDateTime"] == "2026-03-04T12:00:00+01:00"
    assert report.change == "C"


def test_cancellation_drops_items_that_were_sent_along() -> None:
    body = fixture("biokjemi").decode().replace('<ServType V="N"/>', '<ServType V="C"/>', 1)
    report = to_report(read(body.encode(), max_bytes=MAX_BYTES))
    assert not of_type(report, "Observation")
    assert report.resources[0]["effectiveDateTime"] == "2026-03-02T11:10:00+01:00"


def test_correction_keeps_ids() -> None:
    first, second, other = mapped("kjede-1-ny"), mapped("kjede-2-endring"), mapped("biokjemi")
    assert first.report_id == second.report_id != other.report_id
    assert first.key == second.key == ("990091", "rapport-kjede")
    assert [o["id"] for o in of_type(first, "Observation")] == [o["id"] for o in of_type(second, "Observation")]


@pytest.mark.parametrize(("name", "reserved"), [pytest.param("alle-elementer", True, id="pps-90"), ("biokjemi", False)])
def test_reservation(name: str, reserved: bool) -> None:
    assert mapped(name).reserved is reserved


@pytest.mark.parametrize("code", ["T", "U"])
def test_other_reservation_codes_do_not_reserve(code: str) -> None:
    body = fixture("alle-elementer").decode().replace('<Reservation V="R"', f'<Reservation V="{code}"')
    assert not to_report(read(body.encode(), max_bytes=MAX_BYTES)).reserved


def test_document_is_removed_and_told_of() -> None:
    """pps-91."""
    head = mapped("alle-elementer").resources[0]
    texts = [e["valueAnnotation"]["text"] for e in head["extension"] if "valueAnnotation" in e]
    assert texts == ["Samlet svar", DOCUMENT_REMOVED]
    assert "bilde.pdf" not in str(mapped("alle-elementer").resources)


class TestRadiology:
    """pps-92."""

    def test_head(self) -> None:
        head = mapped("radiologi").resources[0]
        assert head["category"] == [{"coding": [coded(8202, "BLD", "Bildediagnostikk")]}]
        assert head["code"] == {"coding": [coded(8202, "UL", "Ultralyd")]}
        assert head["effectiveDateTime"] == "2026-01-20T09:30:00+01:00"
        assert "specimen" not in head

    def test_text_without_tags(self) -> None:
        top = observations("radiologi")[0]
        lines = top["valueCodeableConcept"]["text"].split("\n")
        assert lines == ["R: Lever og milt er normale.", "Ingen fri væske.", "Galleblæren er tom."]
        assert top["code"] == {"text": "Funn og undersøkelsesresultater"}

    def test_members(self) -> None:
        top, liver, spleen = observations("radiologi")
        assert top["hasMember"] == [{"reference": f"Observation/{o['id']}"} for o in (liver, spleen)]
        assert liver["method"] == {"coding": [coded(7270, "ZTX0EA", "Intravenøs kontrast")]}
        assert liver["category"] == [{"coding": [coded(8202, "RAD", "Radiologi")]}]
        assert spleen["category"] == [{"coding": [coded(8202, "NUK", "Nukleærmedisin")]}]
        assert (top["status"], liver["status"], spleen["status"]) == ("final", "final", "registered")
        assert extension(liver, "investigation-date") == "2026-01-20T09:30:00+01:00"


class TestCulture:
    """pps-93, pps-64 (tags of what lies below)."""

    def test_resistance_belongs_to_the_culture(self) -> None:
        culture, amount, *resistance = observations("dyrkning")
        assert len(culture["hasMember"]) == 4
        assert [o["valueCodeableConcept"]["coding"][1]["code"] for o in resistance] == ["R", "S", "I"]
        assert resistance[0]["valueCodeableConcept"]["coding"][1]["system"] == f"{OID}8271"
        assert amount["code"] == {"text": "Mengde"}

    def test_nested_item_shares_the_specimen(self) -> None:
        culture, amount, *_ = observations("dyrkning")
        assert amount["specimen"] == culture["specimen"]
        assert amount["effectiveDateTime"] == "2026-02-09"

    def test_tags_only_on_the_top(self) -> None:
        culture, *others = observations("dyrkning")
        tags = {(tag["system"], tag["code"]) for tag in culture["meta"]["tag"]}
        assert {(f"{OID}7280", "NPU06045"), (f"{OID}8271", "R"), (f"{OID}8243", "RSB")} <= tags
        assert all("tag" not in o["meta"] for o in others)

    def test_only_the_culture_is_listed(self) -> None:
        report = mapped("dyrkning")
        assert report.resources[0]["result"] == [{"reference": f"Observation/{observations('dyrkning')[0]['id']}"}]


def test_without_responsible_the_requester_is_the_receiver() -> None:
    """pps-95."""
    report = mapped("v13-to-rapporter")
    (order,) = of_type(report, "ServiceRequest")
    roles = {f"PractitionerRole/{role['id']}": role for role in of_type(report, "PractitionerRole")}
    assert roles[order["requester"]["reference"]]["organization"] == {
        "identifier": {"system": "urn:oid:2.16.578.1.12.4.1.2", "value": "8139764"},
        "display": "Norsk Helsenett AS, NILAR",
    }


def test_v13_reports_are_apart() -> None:
    first, second = to_reports(message("v13-to-rapporter"))
    assert first.report_id != second.report_id
    assert (first.patient_type, first.resources[0]["subject"]["identifier"]["system"]) == (
        "DNR",
        "urn:oid:2.16.578.1.12.4.1.4.2",
    )
    assert first.resources[0]["category"][0]["coding"][0]["code"] == "PAT"


def test_missing_collection_date_falls_back_to_the_report_date() -> None:
    (found,) = observations("v13-to-rapporter")
    assert found["effectiveDateTime"] == "2026-05-01T09:00:00+02:00"


class TestEveryElement:
    report = mapped("alle-elementer")

    def test_times(self) -> None:
        head = self.report.resources[0]
        assert head["issued"] == "2026-04-10T10:00:00.123456Z"
        assert extension(head, "report-date") == "2026-04-10"
        assert extension(head, "approval-date") == "2026-04-10T09:00:00+02:00"

    def test_coded_comments(self) -> None:
        head = self.report.resources[0]
        found = [
            e["valueCodeableConcept"]["coding"][0]["code"] for e in head["extension"] if "valueCodeableConcept" in e
        ]
        assert found == ["TA", "HPV"]

    def test_clinical_information(self) -> None:
        parts = {
            part["url"].rpartition("nilar-")[2]: next(v for k, v in part.items() if k != "url")
            for part in extension(self.report.resources[0], "inf-item")
        }
        assert parts["inf-item-type"] == {"coding": [coded(8233, "CAVE", "Cave-opplysninger")]}
        assert parts["inf-item-descr"] == "Påvist nøtteallergi"
        assert parts["comment"] == {"text": "Opplyst av pasienten"}
        assert parts["inf-item-coded-descr"]["coding"][0]["system"] == f"{OID}8277"
        assert (parts["inf-item-start"], parts["inf-item-end"], parts["inf-item-org-time"]) == (
            "2020",
            "2021-05",
            "2021-06-01",
        )

    def test_requisition(self) -> None:
        order, second = of_type(self.report, "ServiceRequest")
        assert self.report.resources[0]["basedOn"] == [{"reference": f"ServiceRequest/{order['id']}"}]
        assert [i["system"] for i in order["identifier"]] == ["ServReqId", "ServReqIdByServProvider"]
        assert (order["status"], order["intent"], order["authoredOn"]) == ("completed", "order", "2026-04")
        assert extension(order, "receipt-date") == "2026-04-02T12:00:00+02:00"
        assert extension(order, "payment-category")["coding"][0]["system"] == f"{OID}4101"
        assert extension(order, "reservation") == {"coding": [coded(3108, "R", "Reservasjon")]}
        assert order["reasonCode"] == [
            {"coding": [coded(8231, "PROB", "Aktuell problemstilling")], "text": "Utslett siden januar"}
        ]
        assert extension(order, "comment") == {
            "coding": [coded(8234, "SH", "Spesielle hensyn"), coded(8274, "1", "Tillatelse")],
            "text": "Nedsatt hørsel",
        }
        assert order["note"] == [{"text": "Haster"}]
        assert second["identifier"] == [{"system": "ServReqId", "value": "rekv-alle-2"}]

    def test_specimen(self) -> None:
        specimen, part = of_type(self.report, "Specimen")
        assert specimen["accessionIdentifier"] == {"system": "AnalysedSubjectId", "value": "A1"}
        assert specimen["identifier"][1] == {"system": "AnalysedSubjectIdByRequester", "value": "glass 7"}
        assert specimen["type"] == {"coding": [coded(8351, "HNX", "Hud")], "text": "Hudbiopsi"}
        assert extension(specimen, "container-count") == 2
        assert extension(specimen, "accredited") is True
        assert extension(specimen, "sample-handling") == "Kjølt"
        assert extension(specimen, "pretreatment")["text"] == "Fastende siden kvelden før"
        assert specimen["container"] == [{"additiveCodeableConcept": {"text": "Formalin"}}]
        collection = specimen["collection"]
        assert collection["collectedDateTime"] == "2026-04-01"
        assert collection["bodySite"] == {"text": "Venstre underarm"}
        assert collection["method"]["coding"][0]["code"] == "STANSE"
        assert extension(collection, "logistics") == "Bud"
        assert extension(collection, "comment") == {"text": "Tatt på kontoret"}
        assert part["parent"] == [{"reference": f"Specimen/{specimen['id']}"}]
        assert extension(part["collection"], "study-product-type") == "Parafinblokk"
        assert extension(part["collection"], "study-product-ref") == "A1"

    def test_text_result(self) -> None:
        found = of_type(self.report, "Observation")[0]
        assert found["valueCodeableConcept"] == {
            "coding": [coded(8243, "VU", "Vurdering"), coded(7010, "M80000", "Funn")],
            "text": "Godartet grad",
        }
        assert found["code"] == {"coding": [coded(8219, "MI", "Mikroskopisk undersøkelse")], "text": "HE-farget"}
        assert found["note"] == [{"text": "Sett av to leger"}]
        assert found["category"][0]["coding"][0]["code"] == "PAT"
        assert found["status"] == "amended"
        assert found["effectiveDateTime"] == "2026-04-03"
        assert extension(found, "accredited") is False
        assert extension(found, "status-change-date") == "2026-04-06"
        assert extension(found, "description-date") == "2026-04-07"
        assert extension(found, "counter-sign-date") == "2026-04-08"
        assert extension(found, "medical-validation-date") == "2026-04-09"

    def test_structured_information(self) -> None:
        parts = [
            (part["url"].rpartition("info-")[2], next(v for k, v in part.items() if k != "url"))
            for part in extension(of_type(self.report, "Observation")[0], "structured-info")
        ]
        assert [name for name, _ in parts] == ["type", "text", "integer", "physical", "coded", "boolean"]
        assert (parts[1][1], parts[2][1], parts[5][1]) == ("liten", 4, True)
        assert parts[3][1]["value"] == 4.5

    def test_other_values(self) -> None:
        _, interval, date, unequal, empty = of_type(self.report, "Observation")
        assert (interval["valueRange"]["low"]["value"], interval["valueRange"]["high"]["value"]) == (2, 4)
        assert date["valueDateTime"] == "2026-05-01"
        assert unequal["valueCodeableConcept"] == {"text": "Ikke lik 7 mm"}
        assert empty["code"] == {"text": "Uspesifisert undersøkelse"}
        assert interval["id"] != unequal["id"]
        assert interval["identifier"] == unequal["identifier"]

    def test_object_ids(self) -> None:
        assert self.report.object_ids == {
            ("Svarrapport", "rapport-alle"),
            ("Svarrapport", self.report.report_id),
            ("Rekvisisjon", "rekv-alle"),
            ("Rekvisisjon", "rekv-alle-2"),
        }

    def test_name_of_patient_is_not_kept(self) -> None:
        assert "BREGNE" not in str(self.report.resources)


def test_links_never_go_in_circles() -> None:
    items = (
        ResultItem(id="a", refers_to="b"),
        ResultItem(id="b", refers_to="a"),
        ResultItem(id="c", refers_to="c"),
        ResultItem(id="d", refers_to="nobody"),
        ResultItem(id="e", items=(ResultItem(refers_to="e"), ResultItem(id="f"))),
        ResultItem(id="g", items=(ResultItem(id="h"),), refers_to="h"),
    )
    linked = link(items, "N")
    assert [node.item.id for node in linked.top] == ["a", "b", "c", "d", "e", "g"]
    assert linked.members == {4: (5, 6), 7: (8,)}


def test_change_is_inherited() -> None:
    linked = link((ResultItem(change="", items=(ResultItem(),)), ResultItem(change="H", items=(ResultItem(),))), "M")
    assert [node.change for node in linked.nodes] == ["M", "M", "H", "H"]


class TestIndex:
    def test_identifier_of_report_is_only_its_own_id(self) -> None:
        """pps-54, pps-55."""
        values = search_values(mapped("biokjemi").resources[0])
        assert [(v.param, v.system, v.value) for v in values if v.low is None] == [
            ("identifier", "ServReportId", "rapport-biokjemi")
        ]

    def test_observation(self) -> None:
        values = search_values(observations("biokjemi")[0])
        assert [(v.param, v.value) for v in values] == [("identifier", "b-1"), ("date", ""), ("_tag", "NPU02192")]

    def test_date_covers_its_precision(self) -> None:
        (date,) = [v for v in search_values(mapped("dyrkning").resources[0]) if v.param == "date"]
        assert (date.low, date.high) == (1770591600.0, 1770591600.0 + 86400)

    def test_other_types_have_no_values(self) -> None:
        report = mapped("biokjemi")
        assert all(search_values(r) == () for kind in ("Specimen", "PractitionerRole") for r in of_type(report, kind))

    def test_references(self) -> None:
        report = mapped("dyrkning")
        params = {(r["resourceType"], param) for r in report.resources for param, _ in references(r)}
        assert params == {
            ("DiagnosticReport", "based-on"),
            ("DiagnosticReport", "result"),
            ("DiagnosticReport", "specimen"),
            ("DiagnosticReport", "performer"),
            ("Observation", "based-on"),
            ("Observation", "specimen"),
            ("Observation", "performer"),
            ("Observation", "has-member"),
            ("ServiceRequest", "requester"),
            ("ServiceRequest", "specimen"),
            ("Specimen", "collector"),
        }


@pytest.mark.parametrize(
    ("address", "telecom"),
    [
        ("tel:1", {"system": "phone", "value": "1"}),
        ("mailto:a@b.example", {"system": "email", "value": "a@b.example"}),
        ("https://lab.example", {"system": "url", "value": "https://lab.example"}),
        ("73000000", {"system": "other", "value": "73000000"}),
        ("tel:", {"system": "phone", "value": "tel:"}),
    ],
)
def test_telecom(address: str, telecom: dict[str, str]) -> None:
    body = role(Hcp(person=Party("Navn"), telecom=(address,)))
    assert body is not None
    assert body["telecom"] == [telecom]


def test_national_number_of_personnel_is_not_kept() -> None:
    body = role(Hcp(person=Party("Navn", (Ident("14838449698", "FNR"), Ident("222250101", "HPR")))))
    assert body is not None
    assert body["practitioner"]["identifier"]["value"] == "222250101"


def test_nobody_is_no_role() -> None:
    assert role(Hcp(person=Party(), telecom=("tel:1",))) is None


def test_report_of_an_unlisted_kind_takes_its_group_from_the_message() -> None:
    for name, group in (("radiologi", "BLD"), ("biokjemi", "LAB")):
        body = fixture(name).decode().replace('<MsgDescr V="UL"/>', '<MsgDescr V="AN"/>')
        body = body.replace('<MsgDescr V="CLIN"/>', '<MsgDescr V="AN"/>')
        head = to_report(read(body.encode(), max_bytes=MAX_BYTES)).resources[0]
        assert head["category"][0]["coding"][0]["code"] == group


def test_empty_responsible_falls_back_to_the_requester() -> None:
    body = fixture("kansellering").decode()
    start, end = body.index("<ResponsibleHcp>"), body.index("</ResponsibleHcp>")
    body = f"{body[:start]}<ResponsibleHcp><HCP><Inst/></HCP>{body[end:]}"
    report = to_report(read(body.encode(), max_bytes=MAX_BYTES))
    (order,) = of_type(report, "ServiceRequest")
    roles = {f"PractitionerRole/{role['id']}": role for role in of_type(report, "PractitionerRole")}
    assert roles[order["requester"]["reference"]]["organization"]["display"] == "Norsk Helsenett AS, NILAR"


def test_party_that_is_nobody_is_not_referred_to() -> None:
    body = fixture("kansellering").decode()
    for name in ("PRESIS LABORATORIUM AS", "Seksjon for prøvesvar"):
        body = body.replace(f"<Name>{name}</Name>", "")
    body = body.replace('V="HER"', 'V="LOKAL"')
    head = to_report(read(body.encode(), max_bytes=MAX_BYTES)).resources[0]
    assert "performer" not in head
