"""Synthetic persons by criteria: valid numbers of the +80 series, invented names, the same for the same seed.

Nothing is drawn from chance: the sandbox's seed, the seed that was given and the criteria decide all of it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final, TypeVar

from app import identity
from app.identity import Sex
from app.ids import SeededIds
from app.sandboxes.forms import invalid
from app.sandboxes.register_bodies import Criteria
from app.sandboxes.registry import today_at
from app.sandboxes.state import SandboxState
from app.store import registers
from app.store.engine import Connection
from app.trust.facts import Person

FIRST_BIRTH: Final = date(1854, 1, 1)
LAST_BIRTH: Final = date(2039, 12, 31)
"""The birth dates there are numbers for (grunndata.md section 1.2)."""
_T = TypeVar("_T")
_SEXES: Final[tuple[Sex, ...]] = ("female", "male")
_LONGEST_DEAD: Final = timedelta(days=5 * 365)


def generate(conn: Connection, state: SandboxState, criteria: Criteria, now: float) -> Sequence[Person]:
    """Make the persons and store them. ``now`` is epoch seconds on the sandbox clock.

    Raises ``Refusal(CONTENT_INVALID)`` when the criteria contradict each other or leave too few numbers.
    """
    taken = registers.numbers(conn, state.id)
    known = {person.id for person in registers.list_persons(conn, state.id)}
    made = people(criteria, state.seed, today_at(now), taken, known)
    registers.add_persons(conn, state.id, made)
    return made


def people(
    criteria: Criteria, sandbox_seed: str, today: date, taken: Collection[str], known: Collection[str]
) -> tuple[Person, ...]:
    """The persons, with numbers outside ``taken`` and ids outside ``known``. Raises ``Refusal(CONTENT_INVALID)``."""
    if criteria.gp_hpr is not None and not identity.is_hpr(criteria.gp_hpr):
        raise invalid("/gpHpr", "an HPR number has 1-9 digits and no leading zero")
    first, last = birth_dates(criteria.age_from, criteria.age_to, today)
    if first > last:
        raise invalid("/ageFrom", "nobody can have such an age: ageFrom is above ageTo, or no numbers exist for it")
    draw = _Draw("\x1f".join((sandbox_seed, criteria.seed, criteria.model_dump_json(exclude={"seed"}))))
    numbers = _Numbers(first, last, criteria.d_number, taken)
    ids = _free_ids(criteria.prefix, frozenset(known))
    return tuple(_person(criteria, next(ids), draw, numbers, today) for _ in range(criteria.count))


def birth_dates(age_from: int, age_to: int, today: date) -> tuple[date, date]:
    """The first and last day on which somebody of that age in whole years may be born, as far as numbers exist."""
    first = _same_day(today, age_to + 1) + timedelta(days=1)
    return max(first, FIRST_BIRTH), min(_same_day(today, age_from), LAST_BIRTH)


def _same_day(today: date, years: int) -> date:
    """Today so many years ago; 29 February is the 28th in other years."""
    year = max(today.year - years, 1)
    try:
        return today.replace(year=year)
    except ValueError:
        return today.replace(year=year, day=28)


def _person(criteria: Criteria, person_id: str, draw: _Draw, numbers: _Numbers, today: date) -> Person:
    wanted = criteria.gender if criteria.gender is not None else draw.one_of(_SEXES)
    found = numbers.take(draw, wanted)
    if found is None and criteria.gender is None:
        wanted = _SEXES[1 - _SEXES.index(wanted)]
        found = numbers.take(draw, wanted)
    if found is None:
        raise invalid("/count", "too few free numbers are left for these criteria; widen the ages or take fewer")
    born, number = found
    status = criteria.status or ("Temporary" if criteria.d_number else "Resident")
    names = _names()
    extra = {} if criteria.gp_hpr is None else {"gp_hpr": criteria.gp_hpr}
    return Person(
        id=person_id,
        nin=number,
        nin_system=identity.parse(number).system,
        birth_date=born.isoformat(),
        gender=wanted,
        address_protection=criteria.address_protection,
        status=status,
        deceased_date=_death(draw, born, today) if status == "Deceased" else None,
        given=draw.one_of(names["given"]),
        family=draw.one_of(names["family"]),
        municipality=criteria.municipality,
        extra=MappingProxyType(extra),
    )


def _death(draw: _Draw, born: date, today: date) -> str:
    earliest = max(born, today - _LONGEST_DEAD)
    return (earliest + timedelta(days=draw.below((today - earliest).days + 1))).isoformat()


class _Draw:
    """Numbers that look drawn and follow from the seed."""

    def __init__(self, seed: str) -> None:
        self._ids = SeededIds(seed)

    def below(self, limit: int) -> int:
        return int.from_bytes(self._ids.random(8), "big") % limit

    def one_of(self, values: Sequence[_T]) -> _T:
        return values[self.below(len(values))]


class _Numbers:
    """The free numbers of a stretch of birth dates; what is taken is not given again."""

    def __init__(self, first: date, last: date, d_number: bool, taken: Collection[str]) -> None:
        self._first = first
        self._days = (last - first).days + 1
        self._d_number = d_number
        self._taken = set(taken)
        self._empty: set[tuple[date, Sex]] = set()

    def take(self, draw: _Draw, sex: Sex) -> tuple[date, str] | None:
        """A birth date and a number of it; a day without free ones is passed over. None when no day has any."""
        start, turn = draw.below(self._days), draw.below(1000)
        for offset in range(self._days):
            born = self._first + timedelta(days=(start + offset) % self._days)
            if (born, sex) in self._empty:
                continue
            for number in identity.candidates(born, sex, d_number=self._d_number, start=turn):
                if number not in self._taken:
                    self._taken.add(number)
                    return born, number
            self._empty.add((born, sex))
        return None


def _free_ids(prefix: str, known: frozenset[str]) -> Iterator[str]:
    place = 0
    while True:
        place += 1
        made = f"{prefix}{place:04d}"
        if made not in known:
            yield made


@cache
def _names() -> Mapping[str, Sequence[str]]:
    text = resources.files(__package__).joinpath("persons/names.json").read_text("utf-8")
    names: Mapping[str, Sequence[str]] = json.loads(text)
    return names
