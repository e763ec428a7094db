"""Persons made by criteria: what was asked for, valid, unique, the same again, or a clear no."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from app import identity
from app.clock import ManualClock
from app.errors import Refusal
from app.identity import IdType
from app.sandboxes.register_bodies import Criteria
from app.sandboxes.state import SandboxState
from app.settings import Settings
from app.store import registers, tables
from app.store.engine import Store
from app.synthetic import generate, people
from app.trust.facts import Person

NOW = 1_795_000_000.0  # 2026-11-18
TODAY = date(2026, 11, 18)


def made(known: tuple[str, ...] = (), taken: tuple[str, ...] = (), today: date = TODAY, **wanted: Any) -> list[Person]:
    return list(generate.people(Criteria(**{"count": 20, **wanted}), "seed", today, taken, known))


def test_what_was_asked_for() -> None:
    for person in made(
        ageFrom=67,
        ageTo=70,
        gender="female",
        municipality="4601",
        addressProtection="Confidential",
        status="Emigrated",
        gpHpr="222250101",
        prefix="old-",
    ):
        parsed = identity.parse(person.nin, rule="1964")
        assert (parsed.type, parsed.series) == (IdType.FNR, "+80")
        assert person.birth_date is not None
        assert "1955-11-19" <= person.birth_date <= "1959-11-18"
        assert identity.told_by(person.nin).sex == person.gender == "female"
        assert (person.municipality, person.address_protection) == ("4601", "Confidential")
        assert (person.status, person.deceased_date) == ("Emigrated", None)
        assert person.extra["gp_hpr"] == "222250101"
        assert person.id.startswith("old-")


def test_d_numbers_are_those_of_people_here_for_a_while() -> None:
    found = made(dNumber=True)
    assert {identity.parse(person.nin).type for person in found} == {IdType.DNR}
    assert {person.nin_system for person in found} == {identity.SYSTEM_OF[IdType.DNR]}
    assert {person.status for person in found} == {"Temporary"}


def test_the_deceased_died_between_birth_and_today() -> None:
    for person in made(status="Deceased", ageTo=3):
        assert person.birth_date is not None
        assert person.deceased_date is not None
        assert person.birth_date <= person.deceased_date <= TODAY.isoformat()


def test_both_sexes_and_many_names() -> None:
    found = made(count=200)
    assert {person.gender for person in found} == {"female", "male"}
    assert len({(person.given, person.family) for person in found}) > 150


def test_the_same_seed_gives_the_same_and_another_gives_others() -> None:
    assert made(seed="a") == made(seed="a")
    assert made(seed="a") != made(seed="b")
    assert made(seed="a") != list(generate.people(Criteria(count=20, seed="a"), "other sandbox", TODAY, (), ()))


def test_ids_and_numbers_that_are_taken_are_passed_over() -> None:
    first = made(count=3)
    again = made(count=3, known=("G0001", "G0003"), taken=tuple(person.nin for person in first))
    assert [person.id for person in first] == ["G0001", "G0002", "G0003"]
    assert [person.id for person in again] == ["G0002", "G0004", "G0005"]
    assert not {person.nin for person in first} & {person.nin for person in again}


@pytest.mark.parametrize(
    ("wanted", "today", "pointer"),
    [
        pytest.param({"ageFrom": 50, "ageTo": 40}, TODAY, "/ageFrom", id="ages-turned-round"),
        pytest.param({"ageFrom": 0, "ageTo": 3}, date(2050, 1, 1), "/ageFrom", id="born-after-the-last-number"),
        pytest.param({"ageFrom": 150, "ageTo": 150}, date(1990, 1, 1), "/ageFrom", id="born-before-the-first-number"),
        pytest.param({"ageTo": 0, "count": 1000}, date(1854, 1, 2), "/count", id="two-days-hold-too-few"),
        pytest.param({"gpHpr": "012"}, TODAY, "/gpHpr", id="no-hpr-number"),
    ],
)
def test_what_cannot_be_made(wanted: dict[str, Any], today: date, pointer: str) -> None:
    with pytest.raises(Refusal) as caught:
        made(today=today, **wanted)
    assert caught.value.extra["pointer"] == pointer


def test_two_days_are_used_to_their_last_number() -> None:
    days = [date(1854, 1, 1), date(1854, 1, 2)]
    free = sum(1 for day in days for sex in ("female", "male") for _ in identity.candidates(day, sex))
    found = made(ageTo=0, count=free, today=date(1854, 1, 2))
    assert len({person.nin for person in found}) == free
    with pytest.raises(Refusal, match="too few"):
        made(ageTo=0, count=free + 1, today=date(1854, 1, 2))


@pytest.mark.parametrize(
    ("today", "born"),
    [
        (date(2026, 11, 18), (date(2025, 11, 19), date(2026, 11, 18))),
        (date(2024, 2, 29), (date(2023, 3, 1), date(2024, 2, 29))),
        (date(2025, 2, 28), (date(2024, 2, 29), date(2025, 2, 28))),
    ],
)
def test_birth_dates_of_age_nought(today: date, born: tuple[date, date]) -> None:
    assert generate.birth_dates(0, 0, today) == born


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path}/a.db", ManualClock(NOW))
    tables.metadata.create_all(opened.engine)
    yield opened
    opened.close()


def test_a_thousand_are_stored_in_less_than_two_seconds(store: Store) -> None:
    state = SandboxState("s", Settings(), seed="x")
    store.write_now(lambda conn: people.seed_people(conn, "s", NOW))
    began = time.perf_counter()
    found = store.write_now(lambda conn: generate.generate(conn, state, Criteria(count=1000), NOW))
    assert time.perf_counter() - began < 2
    assert len(store.read_now(lambda conn: registers.list_persons(conn, "s"))) == 28 + 1000
    known = store.read_now(lambda conn: registers.person_by_nin(conn, "s", found[-1].nin))
    assert known == found[-1]


def test_no_number_of_a_health_worker_is_given(store: Store) -> None:
    store.write_now(lambda conn: people.seed_people(conn, "s", NOW))
    taken = store.read_now(lambda conn: registers.numbers(conn, "s"))
    assert {"02828049251", "14838449698", "63899449853"} <= taken
