"""The code lists of an attest, read once from ``app/catalogue/care_codes.json`` (trust.md section 1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

import orjson


@dataclass(frozen=True, slots=True)
class CodeList:
    """A code list: its system URI, who HelseID names as assigner, and the text of each code."""

    system: str
    title: str
    assigner: str
    codes: Mapping[str, str]


def lists_for(use: str) -> Mapping[str, CodeList]:
    """The lists allowed for an attribute (``purpose_of_use``, ``healthcare_service`` …), by system URI."""
    return _BY_USE[use]


def coded(use: str, system: str, code: str) -> dict[str, str]:
    """A code as HelseID writes it: with the text and assigner of its list, empty where the list has none."""
    found = _BY_USE[use].get(system)
    text = found.codes.get(code, "") if found else ""
    return {"code": code, "text": text, "system": system, "assigner": found.assigner if found else ""}


def _load() -> Mapping[str, Mapping[str, CodeList]]:
    document: dict[str, Any] = orjson.loads((files("app.catalogue") / "care_codes.json").read_bytes())
    by_use: dict[str, dict[str, CodeList]] = {}
    for entry in document["lists"]:
        found = CodeList(entry["system"], entry["title"], entry["assigner"], MappingProxyType(entry["codes"]))
        by_use.setdefault(entry["use"], {})[found.system] = found
    return MappingProxyType({use: MappingProxyType(lists) for use, lists in by_use.items()})


_BY_USE: Final = _load()
