"""``docs/control-api.md``: each operation of the control API, from the description it serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from app.clock import ManualClock
from app.core import Core
from app.ids import SeededIds
from app.routers import control
from app.settings import Settings
from app.store.engine import Store
from tools.pages import NOTE, table

_INTRODUCTION = f"""\
# Control API

{NOTE}
What the national services have no address for: sandboxes, scenarios, the clock, people and their settings, clients,
tokens, faults, the journal with explanations and checks, and the audit chains. Base
`http://localhost:8000/_sandbox/v1`; of a named sandbox `http://localhost:8000/s/<name>/_sandbox/v1`. Where a key is
demanded, each call carries it in `X-Admin-Key`: `SANDKASSE_ADMIN_KEY` opens everything, a sandbox's own key that
sandbox. Bodies and answers with examples are in the [explorer](explorer.md), `http://localhost:8000/docs/control`.

Errors are `application/problem+json` with `title` and `detail`, and with `pointer` where a member of the body is wrong.
"""
_METHODS = ("get", "post", "put", "patch", "delete")


def page() -> str:
    by_tag: dict[str, list[list[str]]] = {}
    for method, path, operation in operations(description()):
        tag = (operation.get("tags") or ["other"])[0]
        # The framework lists 422 by itself; an invalid body is answered with 400 here.
        answers = ", ".join(sorted(status for status in operation["responses"] if status != "422"))
        by_tag.setdefault(tag, []).append([f"`{method.upper()} {path}`", _told(operation), answers])
    return _INTRODUCTION + "".join(
        f"\n## {tag}\n\n" + table(["Operation", "What it does", "Answers"], rows) for tag, rows in by_tag.items()
    )


def description() -> dict[str, Any]:
    """The OpenAPI document of the control API, made without starting anything."""
    clock = ManualClock(0.0)
    core = Core(Settings(), Store("sqlite://", clock), clock, SeededIds("docs"))
    document: dict[str, Any] = control.create(core).openapi()
    core.store.close()
    return document


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Every ``(method, path, operation)``."""
    for path, item in document["paths"].items():
        yield from ((method, path, item[method]) for method in _METHODS if method in item)


def _told(operation: Mapping[str, Any]) -> str:
    parameters = [f"`{each['name']}`" for each in operation.get("parameters", []) if each["in"] == "query"]
    more = f" Filters: {', '.join(parameters)}." if parameters else ""
    return f"{operation['summary']}. {operation.get('description', '')}".strip() + more
