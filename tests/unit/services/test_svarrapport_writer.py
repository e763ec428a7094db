"""The generator: what it writes can be read again and says what the description said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.services.provesvar.mapping import to_report
from app.services.provesvar.report import MappedReport
from app.services.provesvar.svarrapport import read
from app.services.provesvar.writer import svarrapport_xml
from tests.unit.services.svarrapport_files import MAX_BYTES, of_type
from tests.unit.services.svarrapport_specs import BASE, SPECS


def report(name: str, version: str = "1.4") -> MappedReport:
    return to_report(read(svarrapport_xml(replace(SPECS[name], version=version)), max_bytes=MAX_BYTES))


@pytest.mark.parametrize("version", ["1.3", "1.4"])
@pytest.mark.parametrize("name", SPECS)
def test_written_report_is_read_again(name: str, version: str) -> None:
    found = report(name, version)
    spec = SPECS[name]
    assert found.key == ("990092", "svar-1")
    assert found.patient == spec.patient
    assert ("Rekvisisjon", "rekv-1") in found.object_ids
    assert found.resources[0]["code"]["coding"][0]["code"] == spec.discipline


@pytest.mark.parametrize(
    ("name", "status", "group", "observations"),
    [
        ("biochemistry", "final", "LAB", 2),
        ("culture", "final", "LAB", 3),
        ("histology", "preliminary", "PAT", 2),
        ("radiology", "final", "BLD", 2),
        ("cancelled", "cancelled", "LAB", 0),
        ("amended", "amended", "LAB", 1),
    ],
)
def test_kinds(name: str, status: str, group: str, observations: int) -> None:
    found = report(name)
    head = found.resources[0]
    assert (head["status"], head["category"][0]["coding"][0]["code"]) == (status, group)
    assert len(of_type(found, "Observation")) == observations


def test_culture_holds_its_resistance() -> None:
    culture = of_type(report("culture"), "Observation")[0]
    assert len(culture["hasMember"]) == 2


def test_xhtml_text() -> None:
    top = of_type(report("radiology"), "Observation")[0]
    assert top["valueCodeableConcept"]["text"] == "R: Normale forhold.\nIngen brudd."


def test_dirty_report_has_no_date_and_no_code() -> None:
    found = report("dirty")
    (specimen,), (item,) = of_type(found, "Specimen"), of_type(found, "Observation")
    assert "collectedDateTime" not in specimen["collection"]
    assert item["code"] == {"text": "Fritekst"}
    assert item["effectiveDateTime"] == "2026-03-02T11:00:00+01:00"


def test_reserved() -> None:
    assert report("reserved").reserved


def test_unknown_version() -> None:
    with pytest.raises(KeyError):
        svarrapport_xml(replace(BASE, version="1.2"))


def test_same_description_gives_same_bytes() -> None:
    assert svarrapport_xml(BASE) == svarrapport_xml(BASE)
