"""Status matrices, code lists, units and times (pps.md §8.5, §9.3, §9.4)."""

from __future__ import annotations

import pytest

from app.services.provesvar import codes, status
from app.services.provesvar.times import local_text, parse_when
from app.services.provesvar.units import ucum

REPORT = {
    "S": "registered amended cancelled unknown unknown",
    "P": "preliminary amended cancelled unknown unknown",
    "F": "final amended cancelled unknown unknown",
    "A": "unknown appended cancelled unknown unknown",
}
ITEM = {
    "": "final amended cancelled final final",
    "1": "unknown amended cancelled amended unknown",
    "2": "preliminary amended cancelled preliminary preliminary",
    "3": "final amended cancelled final final",
    "4": "final amended cancelled final final",
    "5": "registered unknown cancelled unknown registered",
    "6": "registered registered cancelled unknown registered",
    "7": "registered registered cancelled unknown registered",
    "8": "preliminary unknown cancelled unknown preliminary",
    "9": "preliminary unknown cancelled unknown preliminary",
    "10": "preliminary unknown cancelled unknown preliminary",
    "11": "final amended cancelled unknown final",
    "12": "unknown amended cancelled unknown preliminary",
    "13": "final amended cancelled unknown final",
    "14": "unknown unknown cancelled unknown unknown",
    "15": "registered registered cancelled final registered",
}


@pytest.mark.parametrize("row", REPORT)
def test_report_status(row: str) -> None:
    assert [status.report_status(row, change) for change in "NMCHA"] == REPORT[row].split()


@pytest.mark.parametrize("row", ITEM)
def test_item_status(row: str) -> None:
    assert [status.item_status(row, change) for change in "NMCHA"] == ITEM[row].split()


def test_matrices_cover_the_code_lists() -> None:
    assert {row for row, _ in status.REPORT_STATUS} == set(codes.codes_of(7306))
    assert {row for row, _ in status.ITEM_STATUS} == {"", *codes.codes_of(8245)}
    assert set(status.CHANGES) == set(codes.codes_of(7309)) == set(codes.codes_of(8270))


def test_codes_outside_the_lists_are_unknown() -> None:
    assert (
        status.report_status("F", "Z") == status.report_status("X", "N") == status.item_status("99", "N") == "unknown"
    )


@pytest.mark.parametrize(
    ("list_nr", "code", "text"),
    [
        (8202, "CLIN", "Medisinsk biokjemi"),
        ("8244", "1", "Over øvre referansegrense"),
        (8202, "QQ", None),
        (1, "A", None),
    ],
)
def test_display(list_nr: int | str, code: str, text: str | None) -> None:
    assert codes.display(list_nr, code) == text


@pytest.mark.parametrize("code", codes.codes_of(8202))
def test_every_discipline_but_other_has_a_group(code: str) -> None:
    group = codes.main_group(code)
    assert (group in {"LAB", "PAT", "BLD"}) is (code != "AN")
    assert codes.discipline(code) in {None, "CLIN", "MBIO", "MGEN", "FARM", "IMTR", "PAT", "RAD", "NUK"}


def test_systems() -> None:
    assert codes.system(7280) == "urn:oid:2.16.578.1.12.4.1.1.7280"
    assert codes.list_of("2.16.578.1.12.4.1.1.7280") == "7280"
    assert codes.list_of("2.16.840.1.113883.6.96") == ""


@pytest.mark.parametrize(
    ("unit", "code"),
    [
        ("IU/L", "[IU]/L"),
        ("µmol/L", "umol/L"),
        ("10E9/L", "10*9/L"),
        ("E12/L", "10*12/L"),
        ("mmol/L", "mmol/L"),
        ("0", None),
    ],
)
def test_ucum(unit: str, code: str | None) -> None:
    assert ucum(unit) == code


@pytest.mark.parametrize(
    ("given", "text", "instant", "low", "high"),
    [
        ("2026-01-20T09:30:00", "2026-01-20T09:30:00+01:00", "2026-01-20T09:30:00+01:00", 1768897800.0, 1768897801.0),
        ("2026-07-01T09:30:00", "2026-07-01T09:30:00+02:00", "2026-07-01T09:30:00+02:00", 1782891000.0, 1782891001.0),
        ("2026-01-20T08:30:00Z", "2026-01-20T08:30:00Z", "2026-01-20T08:30:00Z", 1768897800.0, 1768897801.0),
        (
            "2026-01-20T09:30:00.5",
            "2026-01-20T09:30:00.5+01:00",
            "2026-01-20T09:30:00.5+01:00",
            1768897800.5,
            1768897800.6,
        ),
        ("2026-01-20", "2026-01-20", "2026-01-20T00:00:00+01:00", 1768863600.0, 1768950000.0),
        ("2026-03-29", "2026-03-29", "2026-03-29T00:00:00+01:00", 1774738800.0, 1774738800.0 + 23 * 3600),
        ("2026-01-20+01:00", "2026-01-20", "2026-01-20T00:00:00+01:00", 1768863600.0, 1768950000.0),
        ("2026-01", "2026-01", "2026-01-01T00:00:00+01:00", 1767222000.0, 1769900400.0),
        ("2026", "2026", "2026-01-01T00:00:00+01:00", 1767222000.0, 1798758000.0),
    ],
)
def test_times(given: str, text: str, instant: str, low: float, high: float) -> None:
    when = parse_when(given)
    assert (when.text, when.instant) == (text, instant)
    assert when.low == pytest.approx(low, abs=1e-6)
    assert when.high == pytest.approx(high, abs=1e-6)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "09:30:00",
        "20.01.2026",
        "2026-13-01",
        "2026-1-1",
        "20260120",
        "2026-01-20T24:00:00",
        "2026-W04",
        "1899",
        "2200",
        "2026-01-20 09:30:00",
        "٢٠٢٦",
        "2026-01-20T09:30:00+15:00",
    ],
)
def test_times_that_are_none(given: str) -> None:
    with pytest.raises(ValueError):
        parse_when(given)


def test_local_text() -> None:
    assert local_text(1768897800.0) == "2026-01-20T09:30:00"
