"""``docs/settings.md``: every setting with its environment variable, default and limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo

from app.sandboxes.config import OVERRIDABLE
from app.settings import Settings
from tools.pages import NOTE, table

_INTRODUCTION = f"""\
# Settings

{NOTE}
Each setting is an environment variable, read once when the service starts. `sandkasse serve` has an option for the
ones that are changed most. A sandbox can lay its own values over the ones marked *per sandbox* (control API,
`/_sandbox/v1/sandboxes`).

"""


def page() -> str:
    rows = [_row(name, field) for name, field in Settings.model_fields.items()]
    return _INTRODUCTION + table(["Variable", "Default", "Values", "Per sandbox", "Meaning"], rows)


def _row(name: str, field: FieldInfo) -> list[str]:
    variable = f"`{Settings.model_config['env_prefix']}{name.upper()}`"
    default = _value(field.get_default(call_default_factory=True))
    return [variable, default, _values(field), "yes" if name in OVERRIDABLE else "", field.description or ""]


def _value(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, list):
        return f"`{json.dumps(value)}`"
    return f"`{value}`"


def _values(field: FieldInfo) -> str:
    annotation = field.annotation
    arguments = get_args(annotation)
    if arguments and all(isinstance(argument, str) for argument in arguments):
        return ", ".join(f"`{argument}`" for argument in arguments)
    return (_NAMES.get(_plain(annotation), "text") + _limits(field.metadata)).strip()


_NAMES = {bool: "`true`, `false`", int: "whole number", float: "number", list: "JSON list", Path: "folder"}


def _plain(annotation: Any) -> Any:
    return get_origin(annotation) or annotation


def _limits(metadata: list[Any]) -> str:
    signs = [(Ge, "ge", "≥"), (Gt, "gt", ">"), (Le, "le", "≤")]
    found = [
        f"{sign} {getattr(limit, member)}"
        for limit in metadata
        for kind, member, sign in signs
        if isinstance(limit, kind)
    ]
    return " " + ", ".join(found) if found else ""
