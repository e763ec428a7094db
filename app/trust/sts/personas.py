"""Ready-made callers for test tokens: a seeded practitioner at a seeded organisation (trust.md section 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

import orjson


@dataclass(frozen=True, slots=True)
class Coding:
    system: str
    code: str


@dataclass(frozen=True, slots=True)
class Organisation:
    orgnr: str
    name: str


@dataclass(frozen=True, slots=True)
class Persona:
    """Who calls and why. ``pid`` is None for a machine; ``hpr`` also for a withdrawn authorisation (R41)."""

    pid: str | None
    hpr: str | None
    given: str
    family: str
    authorization: str | None
    parent: Organisation
    child: Organisation
    service: Coding
    purpose: str
    details: Coding | None


def _persona(entry: Mapping[str, Any]) -> Persona:
    return Persona(
        pid=entry["pid"],
        hpr=entry["hpr"],
        given=entry["given"] or "",
        family=entry["family"] or "",
        authorization=entry["authorization"],
        parent=Organisation(**entry["parent"]),
        child=Organisation(**entry["child"]),
        service=Coding(**entry["service"]),
        purpose=entry["purpose"],
        details=Coding(**entry["details"]) if entry["details"] else None,
    )


def _load() -> Mapping[str, Persona]:
    document = orjson.loads((files("app.catalogue") / "personas.json").read_bytes())
    return MappingProxyType({name: _persona(entry) for name, entry in document["personas"].items()})


PERSONAS: Final = _load()
DEFAULT_PERSONA: Final = next(iter(PERSONAS))
