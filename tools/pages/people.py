"""``docs/people.md``: the synthetic people every sandbox starts with, and what each is for."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from tools.pages import NOTE, table

_INTRODUCTION = f"""\
# People

{NOTE}
Nobody here exists: each number is of the synthetic series (80 added to the month) and belongs to no one. The names in
the first column work wherever a person is named in the control API, the command line and `login_hint`.

"""


def page() -> str:
    patients = [
        [
            f"`{person['id']}`",
            f"`{person['identifier']['value']}`",
            _name(person),
            person["birthDate"] or "unknown",
            person["scenario"],
        ]
        for person in _read("patients")
    ]
    practitioners = [
        [
            f"`{person['id']}`",
            f"`{person['nin']}`",
            _name(person),
            f"`{person['hprNumber']}`" if person.get("hprNumber") else "none",
            (person.get("authorization") or {}).get("code", ""),
            person.get("note") or "",
        ]
        for person in _read("practitioners")
    ]
    organisations = [
        [
            f"`{entry['id']}`",
            f"`{entry['orgnr']}`",
            entry["name"],
            entry["kind"].replace("_", " "),
            entry["parent"] or "",
        ]
        for entry in _read("organizations")
    ]
    return (
        _INTRODUCTION
        + "## Patients\n\n"
        + table(["Id", "Number", "Name", "Born", "For"], patients)
        + "\n## Health personnel\n\n"
        + table(["Id", "Number", "Name", "HPR number", "Authorisation", "Note"], practitioners)
        + "\n## Organisations\n\n"
        + table(["Id", "Organisation number", "Name", "Kind", "Part of"], organisations)
    )


def _name(person: dict[str, Any]) -> str:
    return " ".join(part for part in (person["given"], person["family"]) if part) or "unknown"


def _read(name: str) -> list[dict[str, Any]]:
    loaded = json.loads(files("app.synthetic").joinpath(f"persons/sandbox-{name}.json").read_text(encoding="utf-8"))
    entries: list[dict[str, Any]] = (
        loaded if isinstance(loaded, list) else next(value for value in loaded.values() if isinstance(value, list))
    )
    return entries
