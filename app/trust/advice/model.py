"""The values of an advice: a change, and a way made of one or two of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.trust.policy import Outcome, Request


class Part(StrEnum):
    """What a change is made to."""

    REQUEST = "request"  # a header or a parameter the client sends
    LOGIN = "login"  # who logs in, for which organisation, with which scopes
    ATTEST = "attest"
    SETTING = "setting"  # a privacy setting of the patient
    REGISTER = "register"  # what a register says of somebody
    CLOCK = "clock"
    SANDBOX = "sandbox"  # a fault or setting of the sandbox itself


@dataclass(frozen=True, slots=True)
class Change:
    """One thing done differently, in words and as data. It never holds a national identity number."""

    part: Part
    nb: str
    en: str
    value: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Way:
    """Changes that together give ``outcome``. ``released`` and ``withheld`` count the patient's stored objects."""

    changes: tuple[Change, ...]
    outcome: Outcome
    released: int
    withheld: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A change that could be tried. ``cost`` is small for what is likely; two of one ``slot`` exclude each other."""

    slot: str
    cost: int
    change: Change
    apply: Callable[[Request], Request]
