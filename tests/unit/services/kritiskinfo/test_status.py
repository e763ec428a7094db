"""What ``/status`` tells is a function of the records alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.kritiskinfo import status
from app.services.kritiskinfo.categories import CATEGORIES, Category
from app.services.kritiskinfo.records import Head, State
from app.services.kritiskinfo.status import Privacy, summary

TODAY = date(2026, 11, 18)
NOTHING_SET = Privacy(False, False, False, False)


def head(row: Category = CATEGORIES[0], state: State = "active", until: date | None = None, at: float = 1.0) -> Head:
    return Head(row.type, "a", 1, at, row.code, state, until)


@pytest.mark.parametrize("row", CATEGORIES, ids=lambda row: f"{row.type}-{row.code}")
def test_each_category_has_its_date_and_kategori(row: Category) -> None:
    found = summary([head(row, at=5.0), head(row, "deleted", at=7.0)], TODAY)
    assert found.dates == {row.status_date: 7.0}
    assert found.kategorier == {row.kategori: 7.0}
    assert found.last_changed == 7.0
    assert found.has


@pytest.mark.parametrize(
    ("record", "has", "active"),
    [
        (head(), True, True),
        (head(state="refuted"), False, False),
        (head(state="deleted"), False, False),
        (head(until=TODAY), True, False),
        (head(until=TODAY + timedelta(days=1)), True, True),
        (head(CATEGORIES[8], until=TODAY - timedelta(days=1)), True, True),
    ],
)
def test_what_counts(record: Head, has: bool, active: bool) -> None:
    found = summary([record], TODAY)
    assert (found.has, found.has_active) == (has, active)


_HEADS = st.lists(
    st.builds(
        head,
        st.sampled_from(CATEGORIES),
        st.sampled_from(["active", "refuted", "deleted"]),
        st.none() | st.dates(date(2026, 1, 1), date(2027, 12, 31)),
        st.floats(1, 1e9),
    ),
    max_size=8,
)


@given(_HEADS)
def test_active_is_there_and_the_last_change_is_the_newest_date(heads: list[Head]) -> None:
    found = summary(heads, TODAY)
    assert found.has or not found.has_active
    assert found.last_changed == max(found.dates.values(), default=None)
    assert (found.last_changed is None) == (not heads)


@given(_HEADS, st.integers(0, 3000))
def test_a_later_day_never_makes_more_active(heads: list[Head], days: int) -> None:
    assert summary(heads, TODAY).has_active or not summary(heads, TODAY + timedelta(days=days)).has_active


def test_of_the_reserved_nothing_is_told() -> None:
    told = orjson.loads(
        status.body("14838449698", summary([head()], TODAY), replace(NOTHING_SET, reserved=True), machine=False)
    )
    assert told == {
        "patientNIN": "14838449698",
        "hasCriticalInformation": False,
        "hasActiveCriticalInformation": False,
        "dateChanged": {},
        "hasKjernejournalReservation": True,
        "hasKjernejournalRestriction": False,
        "hasCriticalInformationRestriction": False,
        "isHprNumberBlocked": False,
    }
