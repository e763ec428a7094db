"""The shared code lists: which codes exist, what they are called and when they are in force (ruling S52).

Lists are data files of this package (``atc.json``, ``icd10.json``, ``fest.json``, ``kritisk_info.json``); no service
owns them. A list is a history: each code has its first and last day, each edition its day, and what an edition holds
follows from both. Days are those of Norway.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

import orjson


@dataclass(frozen=True, slots=True)
class Code:
    """A code with its text. ``valid_to`` is its last day, or None while nobody has ended it."""

    system: str
    code: str
    display: str
    valid_from: date
    valid_to: date | None = None

    def active(self, on: date) -> bool:
        """Whether the code may be used on a day."""
        return self.valid_from <= on and (self.valid_to is None or on <= self.valid_to)

    def last_changed(self, until: date) -> date:
        """The latest day up to ``until`` on which the code came into force or went out of it."""
        gone = None if self.valid_to is None else self.valid_to + timedelta(days=1)
        return self.valid_from if gone is None or gone > until else gone


@dataclass(frozen=True, slots=True)
class Edition:
    """A published version of a list, and the day it came."""

    version: str
    day: date


@dataclass(frozen=True, slots=True)
class CodeList:
    """A code list as kjernejournal names it. ``national`` is the URI the basis profiles use for the same codes.

    ``ignored`` are characters that may be left out when a code is written (``J459`` for ``J45.9``);
    ``editions`` are oldest first.
    """

    id: str
    name: str
    system: str
    national: str
    origin: str
    editions: tuple[Edition, ...]
    codes: Mapping[str, Code]
    ignored: str = ""

    def code(self, written: str) -> Code | None:
        """The code in any of its spellings, whether it is in force or not; None when the list lacks it."""
        found = self.codes.get(written)
        if found is None and self.ignored:
            bare = _bare(written, self.ignored)
            found = next((code for key, code in self.codes.items() if _bare(key, self.ignored) == bare), None)
        return found

    def edition(self, on: date) -> Edition:
        """The edition in force on a day: the newest not after it, else the first."""
        return next((edition for edition in reversed(self.editions) if edition.day <= on), self.editions[0])

    def published(self, on: date) -> Iterator[Code]:
        """The codes known on a day, also those no longer in force, in the order of the list."""
        return (code for code in self.codes.values() if code.valid_from <= on)


def known(system: str, code: str, on: date) -> Code | None:
    """The code when it is in force on a day; None when system or code is unknown, or the code not in force."""
    found = BY_SYSTEM.get(system)
    entry = found.code(code) if found else None
    return entry if entry is not None and entry.active(on) else None


def national(system: str) -> str:
    """The URI by which the basis profiles name a list of kjernejournal; the system itself when there is none."""
    found = BY_SYSTEM.get(system)
    return found.national if found else system


def _load(names: Iterable[str]) -> Iterator[CodeList]:
    for name in names:
        document: dict[str, Any] = orjson.loads((files("app.catalogue") / name).read_bytes())
        yield from map(_list, document["lists"])


def _list(entry: dict[str, Any]) -> CodeList:
    system: str = entry["system"]
    editions = tuple(Edition(version, date.fromisoformat(day)) for version, day in entry["editions"])
    codes = {row["code"]: _code(system, row, editions[0].day) for row in entry["codes"]}
    return CodeList(
        entry["id"],
        entry["name"],
        system,
        entry.get("national", system),
        entry["origin"],
        editions,
        MappingProxyType(codes),
        entry.get("ignore", ""),
    )


def _code(system: str, row: dict[str, str], first: date) -> Code:
    begins, ends = row.get("validFrom"), row.get("validTo")
    return Code(
        system,
        row["code"],
        row["display"],
        date.fromisoformat(begins) if begins else first,
        date.fromisoformat(ends) if ends else None,
    )


def _bare(code: str, ignored: str) -> str:
    return code.translate({ord(character): None for character in ignored})


LISTS: Final[Mapping[str, CodeList]] = MappingProxyType(
    {found.id: found for found in _load(("atc.json", "icd10.json", "fest.json", "kritisk_info.json"))}
)
BY_SYSTEM: Final[Mapping[str, CodeList]] = MappingProxyType({found.system: found for found in LISTS.values()})
