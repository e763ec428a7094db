"""``docs/cli.md``: each command as ``--help`` shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main

from app.cli import app
from tools.pages import NOTE

_INTRODUCTION = f"""\
# Command line

{NOTE}
`serve`, `db`, `seed`, `audit` and `ca` work on the database and the data folder that the [settings](settings.md) name.
Of `scenario` only `load` needs a running sandbox. All others talk to one (`--url`, or `SANDKASSE_URL`).
"""


def page() -> str:
    root = typer.main.get_command(app)
    return _INTRODUCTION + "".join(_section(name, command) for name, command in commands(root, "sandkasse"))


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command below ``command``, with the words that call it; their type is typer's own affair."""
    below = getattr(command, "commands", None)
    if below is None:
        yield name, command
        return
    for word, sub in below.items():
        yield from commands(sub, f"{name} {word}")


def _section(name: str, command: Any) -> str:
    context = typer.Context(command, info_name=name, terminal_width=100, max_content_width=100)
    return f"\n## `{name}`\n\n```text\n{command.get_help(context).rstrip()}\n```\n"
