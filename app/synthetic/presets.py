"""Clients that published sample programs are written for, ready to be registered with the user's own key.

Ids, audiences, scopes and organisation numbers are those in the programs (real-clients.md section 4, ruling C40);
no key is part of a preset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

import orjson

_FILE: Final = "presets.json"


def names() -> tuple[str, ...]:
    """The presets there are."""
    return tuple(_read())


def clients(preset: str) -> Sequence[Mapping[str, Any]]:
    """The registrations of a preset, in the form the control API takes. Raises ``KeyError``."""
    return _read()[preset]


def _read() -> dict[str, list[dict[str, Any]]]:
    loaded: dict[str, Any] = orjson.loads(files("app.synthetic").joinpath(_FILE).read_bytes())
    return {
        name: [{**preset["all"], **client, "scopes": _scopes(preset, client)} for client in preset["clients"]]
        for name, preset in loaded.items()
    }


def _scopes(preset: Mapping[str, Any], client: Mapping[str, Any]) -> list[str]:
    """A scope written ``@name`` stands for the preset's list of that name."""
    lists = preset.get("lists", {})
    return [full for scope in client["scopes"] for full in (lists[scope[1:]] if scope.startswith("@") else [scope])]
