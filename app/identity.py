"""National identity, HPR and organisation numbers: read, check and make (grunndata.md sections 1 and 2).

Age and sex are never taken from a number: from 2032 it carries neither (section 1.2). By default only
synthetic numbers pass, so that no real person's data end up in a sandbox (section 1.4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from typing import Final, Literal

from app.errors import Reason, Refusal

Rule = Literal["2032", "1964"]
Series = Literal["real", "+80", "+65", "+40", "fh"]
SyntheticSeries = Literal["+80", "+65", "+40"]
Sex = Literal["female", "male"]


class IdType(StrEnum):
    """Kinds of national identity number (code list 8327)."""

    FNR = "FNR"
    DNR = "DNR"
    FHN = "FHN"


SYSTEM_OF: Final[Mapping[IdType, str]] = MappingProxyType(
    {
        IdType.FNR: "urn:oid:2.16.578.1.12.4.1.4.1",
        IdType.DNR: "urn:oid:2.16.578.1.12.4.1.4.2",
        IdType.FHN: "urn:oid:2.16.578.1.12.4.1.4.3",
    }
)
HPR_SYSTEM: Final = "urn:oid:2.16.578.1.12.4.1.4.4"
ORGNR_SYSTEM: Final = "urn:oid:2.16.578.1.12.4.1.4.101"

_NAMING: Final = "http://hl7.no/fhir/NamingSystem/"
_SYSTEM_ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        _NAMING + "FNR": SYSTEM_OF[IdType.FNR],
        _NAMING + "DNR": SYSTEM_OF[IdType.DNR],
        _NAMING + "FHNR": SYSTEM_OF[IdType.FHN],
        _NAMING + "HPR": HPR_SYSTEM,
        "http://data.brreg.no/begrep/28155": ORGNR_SYSTEM,
    }
)

_P01: Final = "14838449698"
DEFAULT_ALIASES: Final[Mapping[str, str]] = MappingProxyType({"05076600324": _P01, "10086055555": _P01})
"""Published numbers that fail their control digits, read as P01 (section 1.6, ruling R50)."""
DOCS_ALIASES: Final[Mapping[str, str]] = MappingProxyType({**DEFAULT_ALIASES, "12345678901": _P01, "12345678910": _P01})
"""As ``DEFAULT_ALIASES``, with the placeholders of public documents (setting ``docs_aliases``)."""
DOCS_ORGNR_ALIASES: Final = frozenset({"921592761", "123456789"})

_W1: Final = (3, 7, 6, 1, 8, 9, 4, 5, 2)
_W2: Final = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
_ORGNR_WEIGHTS: Final = (3, 2, 7, 6, 5, 4, 3, 2)
_RESTS: Final[Mapping[Rule, frozenset[int]]] = MappingProxyType({"1964": frozenset({0}), "2032": frozenset(range(4))})
_MONTH_OFFSET: Final[Mapping[SyntheticSeries, int]] = MappingProxyType({"+80": 80, "+65": 65, "+40": 40})
_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class Identifier:
    """A number that passed every check. ``alias`` tells that another, published number was sent for it."""

    value: str
    system: str
    type: IdType
    series: Series
    alias: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """The ``(day, month, year % 100)`` of birth and the sex that stand in a number; None where neither can.

    Numbers of the 2032 rule alone say nothing of sex (grunndata.md section 1.2).
    """

    day: tuple[int, int, int] | None
    sex: Sex | None


def parse(
    value: str,
    *,
    rule: Rule = "2032",
    synthetic_only: bool = True,
    aliases: Mapping[str, str] = DEFAULT_ALIASES,
) -> Identifier:
    """Read a national identity number; nothing is trimmed or repaired.

    Raises ``Refusal(PATIENT_ID_INVALID)`` with a text that tells what is wrong and never repeats the
    number (grunndata.md sections 1.2-1.4).
    """
    alias = value in aliases
    if alias:
        value = aliases[value]
    if len(value) != 11:
        raise _invalid("it must have 11 digits")
    if not (value.isascii() and value.isdigit()):
        raise _invalid("it must have digits only")
    kind, series = _kind(value)
    if not _control_digits_hold(value, rule):
        raise _invalid(f"its control digits are wrong (rule {rule})")
    if series == "real" and synthetic_only:
        raise Refusal(
            Reason.PATIENT_ID_INVALID,
            "Only synthetic national identity numbers are accepted",
            source="grunndata.md section 1.4",
        )
    return Identifier(value, SYSTEM_OF[kind], kind, series, alias)


def told_by(number: str) -> Told:
    """What a valid number says, for finding out that it contradicts the register; never a source of age or sex."""
    kind, series = _kind(number)
    if kind is IdType.FHN:
        return Told(None, None)
    day, month = int(number[:2]), int(number[2:4])
    day -= 40 if kind is IdType.DNR else 0
    if series in ("+80", "+65", "+40"):
        month -= _MONTH_OFFSET[series]
    sex: Sex = "female" if int(number[8]) % 2 == 0 else "male"
    return Told((day, month, int(number[4:6])), sex if _control_digits_hold(number, "1964") else None)


def aliases_for(docs_aliases: bool) -> Mapping[str, str]:
    """The alias table that goes with the setting ``docs_aliases`` (ruling R50)."""
    return DOCS_ALIASES if docs_aliases else DEFAULT_ALIASES


def canonical_system(uri: str) -> str:
    """The OID form of an identifier system; one that is not known comes back as it is (section 1.1)."""
    return _SYSTEM_ALIASES.get(uri, uri)


def declared_as(identifier: Identifier, system: str) -> bool:
    """Whether ``system`` is the one the number's own kind has; published clients send D-numbers as FNR (G-16)."""
    return canonical_system(system) == identifier.system


def is_hpr(value: str) -> bool:
    """1-9 digits without leading zero; published numbers follow no control digit (section 2)."""
    return 0 < len(value) <= 9 and value.isascii() and value.isdigit() and value[0] != "0"


def is_orgnr(value: str, *, docs_aliases: bool = False) -> bool:
    """Nine digits with a right modulus 11 control digit; ``docs_aliases`` adds two published ones (section 1.6)."""
    if len(value) != 9 or not (value.isascii() and value.isdigit()):
        return False
    if docs_aliases and value in DOCS_ORGNR_ALIASES:
        return True
    return _control_digit(value[:8], _ORGNR_WEIGHTS) == int(value[8])


def check_digits(nine: str, *, rest: int = 0) -> str | None:
    """The two control digits after nine digits, or ``None`` where there are none.

    ``rest`` 0 gives numbers valid under both rules, 1-3 those of the 2032 rule only (section 1.3).
    """
    k1 = (11 + rest - _sum(nine, _W1) % 11) % 11
    if k1 == 10:
        return None
    k2 = (11 - _sum(nine + str(k1), _W2) % 11) % 11
    return None if k2 == 10 else f"{k1}{k2}"


def generate(
    birth_date: date,
    sex: Sex,
    serial: int,
    *,
    series: SyntheticSeries = "+80",
    d_number: bool = False,
) -> str:
    """The ``serial``-th (from 0) synthetic number for a birth date and a sex, valid under both rules.

    Raises ``ValueError`` for a birth year outside 1854-2039 or when the day has no more numbers.
    """
    found = next(islice(candidates(birth_date, sex, series=series, d_number=d_number), serial, None), None)
    if found is None:
        raise ValueError(f"no number left: serial {serial} is past the last of that day")
    return found


def candidates(
    birth_date: date,
    sex: Sex,
    *,
    series: SyntheticSeries = "+80",
    d_number: bool = False,
    start: int = 0,
) -> Iterator[str]:
    """Every synthetic number for a birth date and a sex, from the ``start``-th possible one round to it again.

    Raises ``ValueError`` for a birth year outside 1854-2039.
    """
    day = birth_date.day + (40 if d_number else 0)
    month = birth_date.month + _MONTH_OFFSET[series]
    head = f"{day:02d}{month:02d}{birth_date.year % 100:02d}"
    parity = 0 if sex == "female" else 1
    possible = [individual for individual in _individuals(birth_date.year) if individual % 2 == parity]
    start %= len(possible)
    for individual in possible[start:] + possible[:start]:
        nine = f"{head}{individual:03d}"
        digits = check_digits(nine)
        if digits is not None:
            yield nine + digits


def _invalid(why: str) -> Refusal:
    return Refusal(
        Reason.PATIENT_ID_INVALID,
        f"The national identity number is not valid: {why}",
        source="grunndata.md section 1",
    )


def _kind(value: str) -> tuple[IdType, Series]:
    if value[0] in "89":
        return IdType.FHN, "fh"
    day, month, year = int(value[:2]), int(value[2:4]), int(value[4:6])
    kind = IdType.FNR
    if day > 40:
        kind, day = IdType.DNR, day - 40
    series, month = _series(month)
    if month == 2 and day == 29 and year % 4:
        raise _invalid("its date does not exist")
    if not 1 <= day <= _DAYS[month - 1]:
        raise _invalid("its day does not exist")
    return kind, series


def _series(month: int) -> tuple[Series, int]:
    if 1 <= month <= 12:
        return "real", month
    for series, offset in _MONTH_OFFSET.items():
        if 1 <= month - offset <= 12:
            return series, month - offset
    # +60 shares 66-72 with the documented +65 series, which goes first.
    if 21 <= month <= 32 or 61 <= month <= 65:
        raise _invalid("NPID numbers (month +20 or +60) are not supported")
    raise _invalid("its month does not exist")


@lru_cache(maxsize=4096)
def _control_digits_hold(value: str, rule: Rule) -> bool:
    first = (_sum(value[:9], _W1) + int(value[9])) % 11
    second = (_sum(value[:10], _W2) + int(value[10])) % 11
    return first in _RESTS[rule] and second == 0


def _control_digit(digits: str, weights: tuple[int, ...]) -> int:
    return (11 - _sum(digits, weights) % 11) % 11


def _sum(digits: str, weights: tuple[int, ...]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True))


def _individuals(year: int) -> tuple[int, ...]:
    if 1900 <= year <= 1939:
        return tuple(range(500))
    if 1940 <= year <= 1999:
        return tuple(range(500)) + tuple(range(900, 1000))
    if 2000 <= year <= 2039:
        return tuple(range(500, 1000))
    if 1854 <= year <= 1899:
        return tuple(range(500, 750))
    raise ValueError(f"no numbers exist for the birth year {year}")
