"""The code lists of Pasientens prøvesvar (pps.md §8.5), read once from ``code-lists.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any

OID_ROOT = "2.16.578.1.12.4.1.1."
NLK, NCRP = 7280, 7270


def display(list_nr: int | str, code: str) -> str | None:
    """The official text of ``code`` in a list, or None when the list or the code is not held."""
    return _LISTS.get(str(list_nr), _EMPTY).get(code)


def main_group(code: str) -> str | None:
    """LAB, PAT or BLD for an 8202 code (the category of a DiagnosticReport); None for AN and unknown codes."""
    return _MAIN_GROUP.get(code)


def discipline(code: str) -> str | None:
    """The expertise (category of an Observation) that an 8202 code stands for; None when it says none."""
    return _DISCIPLINE.get(code)


def system(list_nr: int | str) -> str:
    """The ``Coding.system`` of a list in answers: always the OID form (pps.md §8.4, R55)."""
    return f"urn:oid:{OID_ROOT}{list_nr}"


def list_of(oid: str) -> str:
    """The list number in a bare OID (``2.16.578.1.12.4.1.1.7280`` → ``7280``); ``""`` for other OIDs."""
    return oid.removeprefix(OID_ROOT) if oid.startswith(OID_ROOT) else ""


def codes_of(list_nr: int | str) -> Mapping[str, str]:
    """All codes of a list with their texts; empty for a list that is not held."""
    return _LISTS.get(str(list_nr), _EMPTY)


_EMPTY: Mapping[str, str] = MappingProxyType({})


def _load() -> Mapping[str, Mapping[str, str]]:
    data: Any = json.loads(files(__package__).joinpath("code-lists.json").read_text(encoding="utf-8"))
    return MappingProxyType(
        {
            name: MappingProxyType({entry["code"]: entry.get("display", entry["code"]) for entry in body["codes"]})
            for name, body in data["lists"].items()
        }
    )


_LISTS = _load()
_GROUPS = {
    "LAB": ("CLIN", "MBIO", "MGEN", "FARM", "IMTR", "LAB"),
    "PAT": ("PAT", "HIST", "CYTO", "MORS", "OBD", "MPAT"),
    "BLD": ("BLD", "RTG", "CT", "MR", "UL", "MA", "NUK", "SCI", "RAD"),
}
_MAIN_GROUP: Mapping[str, str] = MappingProxyType(
    {code: group for group, members in _GROUPS.items() for code in members}
)
_DISCIPLINE: Mapping[str, str] = MappingProxyType(
    {code: code for code in ("CLIN", "MBIO", "MGEN", "FARM", "IMTR")}
    | dict.fromkeys(_GROUPS["PAT"], "PAT")
    | dict.fromkeys(_GROUPS["BLD"], "RAD")
    | {"NUK": "NUK", "SCI": "NUK"}
)
