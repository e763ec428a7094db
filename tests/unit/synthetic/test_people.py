"""The people: everybody is there, numbers stand still, dates move (R49), settings fit the stories."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from app.clock import ManualClock
from app.store import privacy, registers, tables
from app.store.engine import Store
from app.synthetic import people
from app.trust.facts import Setting, SettingKind
from app.trust.privacy_forms import NEVER

DAY = 86_400.0
REFS = {
    "P19": (("Svarrapport", "d19"),),
    "P20": (("Svarrapport", "d20"),),
    "P23": (("Svarrapport", "d23"), ("Rekvisisjon", "q23")),
}


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


NOW = at("2026-11-21")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path}/a.db", ManualClock(NOW))
    tables.metadata.create_all(made.engine)
    yield made
    made.close()


def settings(store: Store, person: str) -> list[Setting]:
    return [each.setting for each in store.read_now(lambda conn: privacy.settings_of(conn, "s", person))]


@pytest.mark.parametrize("case", [pytest.param(None, id="G-18")])
@pytest.mark.parametrize("day", ["2026-11-21", "2027-01-01", "2030-08-18", "2030-08-19", "2040-02-29"])
def test_ages_stand_still_when_time_moves(day: str, case: None) -> None:
    today = date.fromisoformat(day)
    born = {p.id: date.fromisoformat(p.birth_date) for p in people.persons(at(day)) if p.birth_date is not None}
    ages = {
        who: today.year - born[who].year - ((today.month, today.day) < (born[who].month, born[who].day))
        for who in ("P08", "P09", "P10")
    }
    assert ages == {"P08": 8, "P09": 14, "P10": 17}
    assert born["P01"] == date(1984, 3, 14)


def test_numbers_never_move() -> None:
    assert [p.nin for p in people.persons(NOW)] == [p.nin for p in people.persons(NOW + 5000 * DAY)]


def test_everybody_is_seeded_but_not_the_test_vector(store: Store) -> None:
    store.write_now(lambda conn: people.seed_people(conn, "s", NOW, REFS))
    found = [p.id for p in store.read_now(lambda conn: registers.list_persons(conn, "s"))]
    assert found == [f"P{number:02d}" for number in range(1, 29)]


def test_settings_of_the_stories(store: Store) -> None:
    store.write_now(lambda conn: people.seed_people(conn, "s", NOW, REFS))
    assert {(s.service, s.kind) for s in settings(store, "P02")} == {
        ("PPS", SettingKind.GENERAL_BLOCK),
        ("KJ", SettingKind.GENERAL_BLOCK),
    }
    assert {(s.service, s.subjects) for s in settings(store, "P03")} == {
        ("PPS", frozenset({("HPR", "222250102")})),
        ("KJ", frozenset({("HPR", "222250102")})),
    }
    assert [(s.service, s.kind) for s in settings(store, "P04")] == [("PPS", SettingKind.RESERVATION)]
    assert [(s.service, s.kind) for s in settings(store, "P05")] == [("KJ", SettingKind.RESERVATION)]
    assert [(s.service, s.code) for s in settings(store, "P17")] == [("KJ", "KRITISK_INFO")]
    (p22,) = settings(store, "P22")
    assert (p22.kind, p22.level, p22.subjects, p22.objects) == (
        SettingKind.PTS_PRIVACY,
        "Hard",
        frozenset(),
        frozenset(),
    )
    (p23,) = settings(store, "P23")
    assert (p23.level, p23.objects, p23.subjects) == ("Soft", frozenset(REFS["P23"]), frozenset())
    (p24,) = settings(store, "P24")
    assert (p24.service, p24.kind, p24.subjects) == (
        "PJD",
        SettingKind.ORG_BLOCK,
        frozenset({("ORGNR", "315500206")}),
    )
    assert settings(store, "P01") == []


def test_delays_count_from_the_seeding(store: Store) -> None:
    store.write_now(lambda conn: people.seed_people(conn, "s", NOW, REFS))
    (p19,), (p20,) = settings(store, "P19"), settings(store, "P20")
    assert (p19.code, p19.until, p19.objects) == ("NORU", NOW + 14 * DAY, frozenset(REFS["P19"]))
    assert (p20.code, p20.until, p20.objects) == ("NORN_FFL", NEVER, frozenset(REFS["P20"]))


def test_settings_about_single_reports_need_the_reports(store: Store) -> None:
    store.write_now(lambda conn: people.seed_people(conn, "s", NOW))
    assert [settings(store, who) for who in ("P19", "P20", "P23")] == [[], [], []]
    assert len(settings(store, "P22")) == 1


def test_registers_tell_what_they_should() -> None:
    workers = {each.id: each for each in people.practitioners()}
    assert workers["H08"].authorizations == frozenset()
    assert workers["H03"].authorizations == {"SP"}
    units = {each.id: each for each in people.organisations()}
    assert units["O10"].delegated_by == {"315500508", "315500605"}
    assert units["O03"].parent_orgnr == "315500109"
    everybody = {each.id: each for each in people.persons(NOW)}
    assert everybody["P01"].extra["gp_hpr"] == "222250101"
    assert everybody["P08"].address_group == everybody["P15"].address_group != everybody["P16"].address_group
    assert (everybody["P28"].birth_date, everybody["P28"].given) == (None, None)
