"""The shared code lists: days on which codes hold, editions, and that the data files are sound."""

from datetime import date

import pytest

from app.catalogue.codelists import BY_SYSTEM, LISTS, CodeList, known, national
from app.trust.sts.care_codes import lists_for

KJ = "http://nhn.no/kj/fhir/CodeSystem/"
TODAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("system", "code", "on", "display"),
    [
        (KJ + "ATC", "J01CE02", TODAY, "Fenoksymetylpenicillin"),
        (KJ + "ATC", "V08", TODAY, "Kontrastmidler"),
        (KJ + "ATC", "X99", TODAY, None),
        (KJ + "ATC", "B01AD06", date(2025, 1, 14), "Brinase"),
        (KJ + "ATC", "B01AD06", date(2025, 1, 15), None),
        (KJ + "ATC", "V08CA09", date(2025, 1, 14), None),
        (KJ + "ATC", "V08CA09", date(2025, 1, 15), "Gadobutrol"),
        ("urn:oid:2.16.578.1.12.4.1.1.7110", "E27.1", TODAY, "Primær binyrebarksvikt"),
        ("urn:oid:2.16.578.1.12.4.1.1.7110", "E271", TODAY, "Primær binyrebarksvikt"),
        (KJ + "ATC", "J01.CE02", TODAY, None),
        ("http://www.whocc.no/atc", "J01CE02", TODAY, None),
        (KJ + "TypeOfReaction", "101", TODAY, "Anafylaktisk reaksjon"),
    ],
)
def test_a_code_holds_on_its_days_only(system: str, code: str, on: date, display: str | None) -> None:
    found = known(system, code, on)
    assert (found.display if found else None) == display


def test_lists_have_the_names_of_the_basis_profiles() -> None:
    assert national(KJ + "ATC") == "http://www.whocc.no/atc"
    assert national(KJ + "SandboxInfection") == KJ + "SandboxInfection"
    assert national("urn:unknown") == "urn:unknown"


@pytest.mark.parametrize("found", LISTS.values(), ids=lambda found: found.id)
def test_data_are_sound(found: CodeList) -> None:
    assert BY_SYSTEM[found.system] is found
    assert found.origin
    assert [edition.day for edition in found.editions] == sorted({edition.day for edition in found.editions})
    assert found.edition(date(1900, 1, 1)) == found.editions[0]
    for code in found.codes.values():
        assert code.display
        assert code.valid_to is None or code.valid_to >= code.valid_from
    assert any(code.active(TODAY) for code in found.codes.values())


def test_some_lists_hold_codes_that_have_gone() -> None:
    gone = {found.id for found in LISTS.values() if not all(code.active(TODAY) for code in found.codes.values())}
    assert {"ATC", "ICD-10", "DrugTradeName", "ActiveSubstance", "SandboxInfection"} <= gone


def test_the_categories_of_personnel_are_those_of_the_attest() -> None:
    ours = LISTS["CategoriesOfHealthProfessionals"]
    theirs = lists_for("authorization")["urn:oid:2.16.578.1.12.4.1.1.9060"]
    assert {code.code: code.display for code in ours.codes.values()} == theirs.codes
