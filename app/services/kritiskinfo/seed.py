"""The critical information a sandbox begins with (kritisk-info.md §8, ruling S30).

Everything goes through the rules that a caller's records go through. Times are days before the sandbox was seeded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import orjson

from app.clock import DAY
from app.errors import Refusal
from app.ids import derived_uuid
from app.services.kritiskinfo import records, rules, samples
from app.services.kritiskinfo.records import SERVICE, Record
from app.services.kritiskinfo.rules import Context
from app.services.kritiskinfo.samples import Place, Resource, Writer
from app.store import registers, resources
from app.store.engine import Connection
from app.store.scratch import SCRATCH, in_memory
from app.trust.facts import Person

Make = Callable[[Place, float], Resource]
"""Makes a resource; the second value is the time of seeding."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A record of the seed: who made it how many days ago, and what became of it since.

    ``later`` are changes by others, each with its day; ``refuted`` and ``deleted`` the day of that.
    """

    person: str
    name: str
    make: Make
    days: int
    later: tuple[int, ...] = ()
    refuted: int | None = None
    deleted: int | None = None


def _plain(make: Callable[[Place], Resource]) -> Make:
    return lambda place, _now: make(place)


def _limited(place: Place, now: float) -> Resource:
    return samples.limited_treatment(place, _day(now, 200))


def _expired_infection(place: Place, now: float) -> Resource:
    return samples.infection(place, "103", _day(now, -30))


def _ended_routine(place: Place, now: float) -> Resource:
    return samples.routine_change(place, "105", _day(now, -1))


_ONE_OF_EACH: Final[tuple[tuple[str, Make], ...]] = (
    ("intubation", _plain(samples.intubation_problem)),
    ("anesthesia", _plain(samples.anesthesia_problem)),
    ("condition", _plain(samples.critical_condition)),
    ("treatment", _plain(samples.treatment)),
    ("device", _plain(samples.device)),
    ("transplant", _plain(samples.transplant)),
    ("routine", _plain(samples.routine_change)),
    ("infection", _plain(samples.infection)),
)
_PENICILLIN: Final = _plain(samples.drug_reaction)
_PEANUT: Final = _plain(samples.other_allergy)


def _coded(make: Callable[[Place, str], Resource], code: str) -> Make:
    return lambda place, _now: make(place, code)


def _past_limit(place: Place, now: float) -> Resource:
    return samples.limited_treatment(place, _day(now, -40))


def _past_infection(place: Place, now: float) -> Resource:
    return samples.infection(place, "107", _day(now, -45))


_ENDED: Final[tuple[tuple[str, Make], ...]] = (
    ("warfarin", _coded(samples.drug_reaction, "B01AA03")),
    ("latex", _coded(samples.other_allergy, "201")),
    ("intubation", _coded(samples.intubation_problem, "302")),
    ("anesthesia", _coded(samples.anesthesia_problem, "401")),
    ("condition", _coded(samples.critical_condition, "D67")),
    ("treatment", _coded(samples.treatment, "103")),
    ("device", _coded(samples.device, "105")),
    ("transplant", _coded(samples.transplant, "201")),
    ("limited", _limited),
    ("routine", _coded(samples.routine_change, "105")),
    ("infection", _coded(samples.infection, "102")),
)

ENTRIES: Final[tuple[Entry, ...]] = (
    Entry("P01", "penicillin", _PENICILLIN, 400),
    *(Entry("P13", name, make, 300 - at) for at, (name, make) in enumerate(_ONE_OF_EACH)),
    Entry("P13", "limited", _limited, 30),
    *(Entry("P18", name, make, 300 - at) for at, (name, make) in enumerate(_ONE_OF_EACH)),
    Entry("P18", "no-resuscitation", _plain(samples.no_resuscitation), 20),
    Entry("P17", "penicillin", _PENICILLIN, 250),
    Entry("P03", "penicillin", _PENICILLIN, 220),
    Entry("P02", "peanut", _PEANUT, 210),
    Entry("P12", "infection", _expired_infection, 500),
    Entry("P12", "routine", _ended_routine, 450),
    Entry("P15", "penicillin", _PENICILLIN, 600, later=(500, 400), refuted=90),
    Entry("P15", "peanut", _PEANUT, 380, later=(200,), deleted=60),
    Entry("P15", "device", _plain(samples.device), 350, later=(120,)),
    Entry("P06", "penicillin", _PENICILLIN, 100),
    Entry("P16", "penicillin", _PENICILLIN, 480, later=(430, 310, 75)),
    Entry("P16", "peanut", _PEANUT, 470, later=(220,)),
    *(Entry("P16", name, make, 460 - at, later=(260 - at, 140 - at)) for at, (name, make) in enumerate(_ONE_OF_EACH)),
    Entry("P16", "limited", _past_limit, 440),
    Entry("P16", "no-resuscitation", _plain(samples.no_resuscitation), 35, later=(15,)),
    Entry("P16", "tuberculosis", _past_infection, 420, later=(300,)),
    Entry("P16", "aspirin", _coded(samples.drug_reaction, "B01AC06"), 410, later=(330,), refuted=250),
    Entry("P16", "wasp", _coded(samples.other_allergy, "302"), 405, deleted=404),
    *(
        Entry("P19", name, make, 390 - at, later=(240 - at,), refuted=110 - at)
        for at, (name, make) in enumerate(_ENDED)
    ),
    Entry("P19", "no-resuscitation", _plain(samples.no_resuscitation), 85, refuted=25),
    Entry("P19", "metal", _coded(samples.transplant, "202"), 95, deleted=94),
)
"""What each seeded person has: P16 everything, P19 what is no longer so, P26 nothing; P05 is reserved."""

_WRITERS: Final = (("H01", "O03"), ("H02", "O04"), ("H06", "O05"))
"""Health workers and the organisations they write for, in turn."""


def seed_records(conn: Connection, sandbox: str, now: float) -> None:
    """Store the records of everybody who is there. ``now`` is epoch seconds on the sandbox clock.

    A record that the rules would not take at its time is left out: the clock may have been moved back for years.
    """
    people = [registers.person_by_id(conn, sandbox, name) for name in sorted({entry.person for entry in ENTRIES})]
    writers = _writers(conn, sandbox)
    if len(writers) < len(_WRITERS):
        return
    patients = (_Patient(each.id, each.nin, each.nin_system, each.birth_date) for each in people if each is not None)
    resources.load(conn, sandbox, _content(tuple(patients), tuple(writers), now), now)


@dataclass(frozen=True, slots=True)
class _Patient:
    """What of a person the records depend on."""

    id: str
    nin: str
    nin_system: str
    birth_date: str | None


@lru_cache(maxsize=4)
def _content(patients: tuple[_Patient, ...], writers: tuple[Writer, ...], now: float) -> resources.Dump:
    """The rows the records come to, written once for a day in a process, into a database in memory.

    A sandbox then costs a few inserts, so that a test suite can have one for each test.
    """
    people = {each.id: Person(each.id, each.nin, each.nin_system, each.birth_date) for each in patients}
    steps = [step for entry in ENTRIES for step in _steps(entry, people.get(entry.person), writers, now)]

    def fill(conn: Connection) -> resources.Dump:
        for person in people.values():
            registers.put_person(conn, SCRATCH, person)
        known: dict[str, Record] = {}
        for _, act in sorted(steps, key=lambda step: -step[0]):
            act(conn, SCRATCH, known)
        return resources.dump(conn, SCRATCH, SERVICE, times=True)

    return in_memory(fill, now)


def record_id(person: str, name: str) -> str:
    """The id of a seeded record, the same in every sandbox."""
    return derived_uuid("kritiskinfo", person, name)


_Act = Callable[[Connection, str, dict[str, Record]], None]


def _steps(entry: Entry, person: Person | None, writers: Sequence[Writer], now: float) -> list[tuple[int, _Act]]:
    """What happens to a record, each with how many days ago."""
    if person is None:
        return []
    id_ = record_id(entry.person, entry.name)
    found: list[tuple[int, _Act]] = []

    def at(days: int, turn: int) -> tuple[float, Writer, Context]:
        when, writer = now - days * DAY, writers[turn % len(writers)]
        return when, writer, _context(person, writer, when)

    def create(conn: Connection, sandbox: str, known: dict[str, Record]) -> None:
        when, writer, context = at(entry.days, 0)
        try:
            draft = rules.new(entry.make(Place(person.nin, writer), now), context)
        except Refusal:
            return  # on a clock moved far back: its code was not in use yet, or the person was not born
        known[id_] = records.create(conn, sandbox, person.id, draft, id=id_, now=when)

    def change(days: int, turn: int, make: Callable[[Mapping[str, Any], Writer], Resource]) -> _Act:
        def act(conn: Connection, sandbox: str, known: dict[str, Record]) -> None:
            when, writer, context = at(days, turn)
            if id_ not in known:
                return
            before = known[id_]
            draft = rules.changed(make(orjson.loads(before.body), writer), context, before)
            known[id_] = records.update(conn, sandbox, person.id, draft, id=id_, expected=before.version, now=when)

        return act

    def remove(conn: Connection, sandbox: str, known: dict[str, Record]) -> None:
        if id_ not in known:
            return
        last = known[id_]
        when = now - (entry.deleted or 0) * DAY
        known[id_] = records.delete(conn, sandbox, person.id, last.type, id_, expected=last.version, now=when)

    found.append((entry.days, create))
    for turn, days in enumerate(entry.later, start=1):
        found.append((days, change(days, turn, _noted)))
    if entry.refuted is not None:
        found.append((entry.refuted, change(entry.refuted, 1, samples.refuted)))
    if entry.deleted is not None:
        found.append((entry.deleted, remove))
    return found


def _noted(body: Mapping[str, Any], writer: Writer) -> Resource:
    return samples.noted(body, writer, f"Gjennomgått ved {writer.organisation}")


def _writers(conn: Connection, sandbox: str) -> list[Writer]:
    found = []
    for worker_id, unit_id in _WRITERS:
        worker = registers.practitioner_by_id(conn, sandbox, worker_id)
        unit = registers.organisation_by_id(conn, sandbox, unit_id)
        if worker is not None and unit is not None and worker.authorizations:
            role = sorted(worker.authorizations)[0]
            name = f"{worker.family}, {worker.given}"
            found.append(Writer(worker.hpr, name, role, unit.orgnr, unit.name))
    return found


def _context(person: Person, writer: Writer, when: float) -> Context:
    return Context(
        now=when,
        born=rules.birth(person.birth_date),
        is_patient=lambda number: number == person.nin,
        hpr=writer.hpr,
        role=writer.role,
        organisations=frozenset({writer.orgnr}),
        note=lambda _code, _text: None,
    )


def _day(now: float, days: int) -> str:
    """A day after the time of seeding, or before it."""
    return records.today(now + days * DAY).isoformat()
