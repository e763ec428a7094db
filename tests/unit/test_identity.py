"""Identifiers: grunndata.md section 9 by case id, and what the cases leave out."""

from __future__ import annotations

import json
from datetime import date
from importlib import resources

import pytest

from app import identity
from app.errors import Reason, Refusal
from app.identity import IdType

P01 = "14838449698"
RULES: tuple[identity.Rule, ...] = ("2032", "1964")


def refusal(value: str, **options: object) -> Refusal:
    with pytest.raises(Refusal) as caught:
        identity.parse(value, **options)  # type: ignore[arg-type]
    assert caught.value.reason is Reason.PATIENT_ID_INVALID
    assert value not in str(caught.value) or not value
    return caught.value


def ordinary(individual: int = 100) -> str:
    """A number of the ordinary series, made here so that none stands in the source."""
    return _with_digits(f"010190{individual:03d}")


@pytest.mark.parametrize(
    ("value", "kind", "series"),
    [
        pytest.param(P01, IdType.FNR, "+80", id="G-1"),
        pytest.param("43909349738", IdType.DNR, "+80", id="G-3"),
        pytest.param("01660199981", IdType.FNR, "+65", id="G-4"),
        pytest.param("17458749817", IdType.FNR, "+40", id="G-5"),
        pytest.param("81234567802", IdType.FHN, "fh", id="G-6"),
        pytest.param("02813399809", IdType.FNR, "+80", id="G-7"),
        pytest.param("50846202355", IdType.DNR, "+80", id="G-9"),
        pytest.param("68467038838", IdType.DNR, "+40", id="G-10"),
    ],
)
def test_accepted(value: str, kind: IdType, series: str) -> None:
    found = identity.parse(value)
    assert (found.value, found.type, found.series, found.alias) == (value, kind, series, False)
    assert found.system == identity.SYSTEM_OF[kind]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("14838449699", "control digits", id="G-2"),
        pytest.param("1483844969", "11 digits", id="G-13-short"),
        pytest.param("148384496980", "11 digits", id="G-13-long"),
        pytest.param("1483844969A", "digits only", id="G-13-letter"),
        pytest.param("148384 4969", "digits only", id="G-14-inside"),
        pytest.param("148384 49698", "11 digits", id="G-14"),
        pytest.param(" 14838449698", "11 digits", id="G-14-leading"),
        pytest.param("1483844969\u0668", "digits only", id="other-script"),
        pytest.param("", "11 digits", id="empty"),
    ],
)
def test_refused(value: str, text: str) -> None:
    assert text in refusal(value).detail


def _with_digits(nine: str) -> str:
    """Eleven digits that begin like ``nine``: the next serial is taken where control digits do not exist."""
    digits = identity.check_digits(nine)
    return nine + digits if digits is not None else _with_digits(str(int(nine) + 1).zfill(9))


@pytest.mark.parametrize(
    ("nine", "text"),
    [
        pytest.param("328190100", "day", id="G-15-day"),
        pytest.param("019390100", "month", id="G-15-month"),
        pytest.param("008190101", "day", id="day-zero"),
        pytest.param("408190101", "day", id="d-number-day-zero"),
        pytest.param("298290101", "date", id="no-leap-year"),
        pytest.param("308290101", "day", id="february-30"),
        pytest.param("012590101", "NPID", id="npid"),
        pytest.param("016290101", "NPID", id="npid-synthetic"),
    ],
)
def test_date_that_does_not_exist(nine: str, text: str) -> None:
    assert text in refusal(_with_digits(nine)).detail


def test_leap_day_of_year_00_exists_in_one_century() -> None:
    assert identity.parse(_with_digits("298200101")).series == "+80"


@pytest.mark.parametrize("rule", [pytest.param("1964", id="G-8")])
def test_1964_rule_refuses_what_only_the_2032_rule_allows(rule: str) -> None:
    assert "rule 1964" in refusal("02813399809", rule=rule).detail


@pytest.mark.parametrize("case", [pytest.param(None, id="G-11")])
def test_ordinary_series(case: None) -> None:
    number = ordinary()
    assert refusal(number).detail == "Only synthetic national identity numbers are accepted"
    assert identity.parse(number, synthetic_only=False).series == "real"


@pytest.mark.parametrize("alias", [pytest.param("05076600324", id="G-12"), pytest.param("10086055555", id="R50")])
def test_published_numbers_are_p01(alias: str) -> None:
    found = identity.parse(alias)
    assert (found.value, found.alias) == (P01, True)
    refusal(alias, aliases={})


@pytest.mark.parametrize("alias", ["12345678901", "12345678910"])
def test_placeholders_need_docs_aliases(alias: str) -> None:
    refusal(alias, aliases=identity.aliases_for(False))
    assert identity.parse(alias, aliases=identity.aliases_for(True)).value == P01


@pytest.mark.parametrize("value", ["25036000564", "01039012345"])
def test_other_published_failures_are_never_accepted(value: str) -> None:
    refusal(value, aliases=identity.aliases_for(True))


@pytest.mark.parametrize("case", [pytest.param(None, id="G-16")])
def test_system_that_does_not_fit_is_seen(case: None) -> None:
    d_number = identity.parse("43909349738")
    assert not identity.declared_as(d_number, identity.SYSTEM_OF[IdType.FNR])
    assert identity.declared_as(d_number, "http://hl7.no/fhir/NamingSystem/DNR")


@pytest.mark.parametrize("case", [pytest.param(None, id="G-41")])
def test_naming_system_alias_is_read_as_the_oid(case: None) -> None:
    assert identity.canonical_system("http://hl7.no/fhir/NamingSystem/FNR") == "urn:oid:2.16.578.1.12.4.1.4.1"
    assert identity.canonical_system("urn:other") == "urn:other"


@pytest.mark.parametrize(
    ("value", "good"),
    [
        pytest.param("315500109", True, id="G-19-valid"),
        pytest.param("315500108", False, id="G-19-invalid"),
        pytest.param("31550010", False, id="short"),
        pytest.param("31550010A", False, id="letter"),
        pytest.param("921592761", False, id="docs-alias-off"),
    ],
)
def test_orgnr(value: str, good: bool) -> None:
    assert identity.is_orgnr(value) is good


def test_orgnr_of_documents_with_docs_aliases() -> None:
    assert identity.is_orgnr("921592761", docs_aliases=True)
    assert identity.is_orgnr("123456789", docs_aliases=True)
    assert not identity.is_orgnr("315500108", docs_aliases=True)


def test_orgnr_whose_control_digit_would_be_ten() -> None:
    without = [f"3155{n:04d}" for n in range(100) if not any(identity.is_orgnr(f"3155{n:04d}{k}") for k in range(10))]
    assert without


@pytest.mark.parametrize(
    ("value", "good"),
    [
        pytest.param("222200063", True, id="G-21-a"),
        pytest.param("222200068", True, id="G-21-b"),
        pytest.param("0222250101", False, id="G-22"),
        pytest.param("022225010", False, id="G-22-nine"),
        pytest.param("9144889", True, id="seven"),
        pytest.param("", False, id="empty"),
        pytest.param("22225010A", False, id="letter"),
    ],
)
def test_hpr(value: str, good: bool) -> None:
    assert identity.is_hpr(value) is good


@pytest.mark.parametrize("series", ["+80", "+65", "+40"])
@pytest.mark.parametrize("d_number", [False, True])
def test_generated_numbers_are_valid_under_both_rules(series: identity.SyntheticSeries, d_number: bool) -> None:
    number = identity.generate(date(1984, 3, 14), "female", 3, series=series, d_number=d_number)
    for rule in RULES:
        found = identity.parse(number, rule=rule)
        assert found.series == series
        assert found.type is (IdType.DNR if d_number else IdType.FNR)


@pytest.mark.parametrize("year", [1860, 1910, 1950, 2010])
def test_each_century_has_its_individual_digits(year: int) -> None:
    first = int(identity.generate(date(year, 5, 5), "male", 0)[6:9])
    assert (first >= 500) is (year in (1860, 2010))


@pytest.mark.parametrize(("year", "serial"), [(1800, 0), (2040, 0), (1984, 5000)])
def test_generate_says_when_there_is_no_number(year: int, serial: int) -> None:
    with pytest.raises(ValueError, match="no number"):
        identity.generate(date(year, 1, 1), "male", serial)


def test_every_number_of_the_people_is_synthetic() -> None:
    folder = resources.files("app.synthetic") / "persons"
    people = json.loads((folder / "sandbox-patients.json").read_text("utf-8"))["patients"]
    staff = json.loads((folder / "sandbox-practitioners.json").read_text("utf-8"))["practitioners"]
    units = json.loads((folder / "sandbox-organizations.json").read_text("utf-8"))["organizations"]
    numbers = [p["identifier"]["value"] for p in people] + [h["nin"] for h in staff]
    numbers += [p["previousIdentifier"]["value"] for p in people if "previousIdentifier" in p]
    assert len(people) == 28
    for number in numbers:
        assert identity.parse(number, rule="1964").series != "real"
    assert all(identity.is_hpr(h["hprNumber"]) for h in staff)
    assert all(identity.is_orgnr(o["orgnr"]) for o in units)
