"""Values of FHIR search parameters."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from app.fhir.search import DateTest, Token, read_count, read_date, read_guid, read_token, split_list


def oslo(*parts: int) -> float:
    return datetime(*parts, tzinfo=ZoneInfo("Europe/Oslo")).timestamp()  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("value", "prefix", "low", "high"),
    [
        ("2017", "eq", oslo(2017, 1, 1), oslo(2018, 1, 1)),
        ("ge2017-12", "ge", oslo(2017, 12, 1), oslo(2018, 1, 1)),
        ("lt2017-09-20", "lt", oslo(2017, 9, 20), oslo(2017, 9, 21)),
        ("2017-09-20T08:15", "eq", oslo(2017, 9, 20, 8, 15), oslo(2017, 9, 20, 8, 16)),
        ("ne2017-09-20T08:15:30Z", "ne", oslo(2017, 9, 20, 10, 15, 30), oslo(2017, 9, 20, 10, 15, 31)),
        ("2017-09-20T08:15:30.5+05:00", "eq", oslo(2017, 9, 20, 5, 15, 30) + 0.5, oslo(2017, 9, 20, 5, 15, 30) + 0.6),
    ],
)
def test_date_interval(value: str, prefix: str, low: float, high: float) -> None:
    found = read_date(value)
    assert found.prefix == prefix
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-6)


def test_the_day_summer_time_ends_is_25_hours() -> None:
    found = read_date("2026-10-25")
    assert found.high - found.low == 25 * 3600


@pytest.mark.parametrize(
    "value",
    [
        "",
        "20.09.2017",
        "2017-13",
        "2017-02-30",
        "2017-9-20",
        "sa2017",
        "ap2017",
        "EQ2017",
        "2017-09-20T24:00",
        "2017-09-20T08:15:61",
        "2017-09-20T08:15:30 02:00",
        "2017-09-20T08:15:30+15:00",
        "2017-09-20T08",
        "0999",
        "9999",
        "٢٠١٧",
    ],
)
def test_no_date(value: str) -> None:
    with pytest.raises(ValueError, match=r"date|prefix|year"):
        read_date(value)


@pytest.mark.parametrize(
    ("value", "colon", "expected"),
    [
        ("NPU19767", True, Token(None, "NPU19767")),
        ("urn:oid:1.2:NPU19767", True, Token("urn:oid:1.2", "NPU19767")),
        ("urn:oid:1.2:NPU19767", False, Token(None, "urn:oid:1.2:NPU19767")),
        ("urn:oid:1.2|NPU19767", True, Token("urn:oid:1.2", "NPU19767")),
        ("|NPU19767", False, Token("", "NPU19767")),
        ("urn:oid:1.2|", False, Token("urn:oid:1.2", None)),
    ],
)
def test_token(value: str, colon: bool, expected: Token) -> None:
    assert read_token(value, colon=colon) == expected


@pytest.mark.parametrize("value", ["", "|"])
def test_no_token(value: str) -> None:
    with pytest.raises(ValueError, match="code"):
        read_token(value)


def test_guid_is_lower_cased() -> None:
    assert read_guid("6B3F1A52-6c1d-4b0e-9a55-0c2f6a4d1e01") == "6b3f1a52-6c1d-4b0e-9a55-0c2f6a4d1e01"


@pytest.mark.parametrize(
    "value", ["", "abc", "6b3f1a526c1d4b0e9a550c2f6a4d1e01", "6b3f1a52-6c1d-4b0e-9a55-0c2f6a4d1e01\n"]
)
def test_no_guid(value: str) -> None:
    with pytest.raises(ValueError, match="GUID"):
        read_guid(value)


@pytest.mark.parametrize("value", ["", "-1", "1.5", "ten", "1e3", "9999999999", "١"])
def test_no_count(value: str) -> None:
    with pytest.raises(ValueError, match="whole number"):
        read_count(value)


def test_count() -> None:
    assert [read_count(value) for value in ("0", "07", "999999999")] == [0, 7, 999_999_999]


@pytest.mark.parametrize(
    ("value", "expected"), [("a", ["a"]), ("a,b", ["a", "b"]), (r"a\,b,c", ["a,b", "c"]), ("a,", ["a", ""])]
)
def test_list(value: str, expected: list[str]) -> None:
    assert split_list(value) == expected


def test_tests_are_values() -> None:
    assert read_date("eq2017") == read_date("2017") == DateTest("eq", oslo(2017, 1, 1), oslo(2018, 1, 1))
