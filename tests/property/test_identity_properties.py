"""Identifiers: what holds for every number, not only for the chosen ones."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import identity
from app.errors import Reason, Refusal

_DATES = st.dates(min_value=date(1854, 1, 1), max_value=date(2039, 12, 31))
_SERIES = st.sampled_from(("+80", "+65", "+40"))


@given(_DATES, st.sampled_from(("female", "male")), st.integers(0, 60), _SERIES, st.booleans())
def test_what_is_generated_parses(
    born: date, sex: identity.Sex, serial: int, series: identity.SyntheticSeries, d_number: bool
) -> None:
    number = identity.generate(born, sex, serial, series=series, d_number=d_number)
    found = identity.parse(number, rule="1964")
    assert found.series == series
    assert (int(number[8]) % 2 == 0) is (sex == "female")


@given(_DATES, st.integers(0, 20))
def test_each_serial_gives_its_own_number(born: date, serial: int) -> None:
    assert identity.generate(born, "male", serial) != identity.generate(born, "male", serial + 1)


@given(_DATES, st.integers(0, 10), st.integers(0, 10), st.integers(1, 9))
def test_one_wrong_digit_never_passes_the_1964_rule(born: date, serial: int, place: int, change: int) -> None:
    number = identity.generate(born, "female", serial)
    digit = (int(number[place]) + change) % 10
    broken = f"{number[:place]}{digit}{number[place + 1 :]}"
    with pytest.raises(Refusal):
        identity.parse(broken, rule="1964", synthetic_only=False, aliases={})


@given(st.text(max_size=14))
def test_any_text_parses_or_is_refused_without_being_repeated(text: str) -> None:
    outcome = _outcome(text)
    if isinstance(outcome, Refusal):
        assert outcome.reason is Reason.PATIENT_ID_INVALID
        assert len(text) < 11 or text not in outcome.detail
    else:
        assert outcome.series != "real"


@given(st.from_regex(r"[0-9]{11}", fullmatch=True))
def test_the_1964_rule_is_part_of_the_2032_rule(number: str) -> None:
    try:
        old = identity.parse(number, rule="1964", synthetic_only=False, aliases={})
    except Refusal:
        return
    assert identity.parse(number, rule="2032", synthetic_only=False, aliases={}) == old


@given(st.from_regex(r"[0-9]{8}", fullmatch=True))
def test_at_most_one_control_digit_fits_an_organisation_number(eight: str) -> None:
    assert sum(identity.is_orgnr(eight + str(digit)) for digit in range(10)) <= 1


def _outcome(text: str) -> identity.Identifier | Refusal:
    try:
        return identity.parse(text)
    except Refusal as refusal:
        return refusal
