"""Persons made by criteria: valid, of the age asked for, and never twice the same number or id."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from hypothesis import given, settings
from hypothesis import strategies as st

from app import identity
from app.errors import Refusal
from app.sandboxes.register_bodies import Criteria
from app.synthetic import generate
from app.trust.policy.citizen import age

CRITERIA = st.builds(
    Criteria,
    count=st.integers(1, 30),
    seed=st.text(max_size=10),
    ageFrom=st.integers(0, 120),
    ageTo=st.integers(0, 120),
    gender=st.sampled_from([None, "female", "male"]),
    dNumber=st.booleans(),
    status=st.sampled_from([None, "Deceased"]),
)
DAYS = st.dates(date(1950, 1, 1), date(2060, 12, 31))


@given(CRITERIA, DAYS)
@settings(max_examples=150, deadline=None)
def test_everybody_is_as_asked_for(criteria: Criteria, today: date) -> None:
    noon = datetime.combine(today, time(12), UTC).timestamp()
    try:
        made = generate.people(criteria, "s", today, (), ())
    except Refusal as refusal:
        # Numbers exist from 1854 to 2039; within them only ages turned round are impossible.
        first, last = generate.birth_dates(criteria.age_from, criteria.age_to, today)
        assert first > last
        assert refusal.extra["pointer"] == "/ageFrom"
        return
    assert len({person.nin for person in made}) == len({person.id for person in made}) == criteria.count
    for person in made:
        assert identity.parse(person.nin, rule="1964").series == "+80"
        years = age(person, noon)
        assert years is not None
        assert criteria.age_from <= years <= criteria.age_to
        assert criteria.gender in (None, person.gender)


@given(st.integers(0, 150), st.integers(0, 150), DAYS, st.integers(-2, 2))
def test_the_bounds_of_the_birth_dates_are_exact(low: int, high: int, today: date, off: int) -> None:
    first, last = generate.birth_dates(low, high, today)
    for edge in (first, last):
        born = date.fromordinal(edge.toordinal() + off)
        years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
        inside = low <= years <= high and generate.FIRST_BIRTH <= born <= generate.LAST_BIRTH
        assert (first <= born <= last) == inside
