"""The command ``sandkasse``: run the sandbox, keep its database, and talk to a running one."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Annotated, Any, Final, cast

import typer
from typer.core import TyperGroup
from typer.main import get_command

from app.loading import uncollected
from app.ondemand import OnDemand
from app.version import VERSION

_WORDS: Final = (
    "serve",
    "health",
    "seed",
    "token",
    "curl",
    "journal",
    "check",
    "explain",
    "ingest",
    "db",
    "client",
    "audit",
    "ca",
    "sandbox",
    "draft",
    "scenario",
)
"""Each command, or group of them, is ``app`` of the module of its name in ``app.commands``, read when it is called."""


class _Words(TyperGroup):
    """The commands by their words. Help of all of them reads all modules; a call reads one."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        makers: dict[str, Callable[[], Any]] = {word: partial(_command, word) for word in _WORDS}
        self.commands = cast(Any, OnDemand(makers))

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_WORDS)


app: Final = typer.Typer(
    name="sandkasse",
    cls=_Words,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
    help="A sandbox of the Norwegian health-information services: HelseID, tillitsrammeverk, prøvesvar.\n\n"
    "Start it with `sandkasse serve`; every setting is also an environment variable SANDKASSE_<NAME>.",
)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    if version:
        typer.echo(f"sandkasse {VERSION}")
        raise typer.Exit


def main() -> None:
    """Entry point of the console script."""
    app(one_argument(sys.argv[1:]))


def one_argument(words: list[str]) -> list[str]:
    """The words of a command line, with a curl line behind ``explain`` as one: its options are curl's, not ours."""
    if words[:1] != ["explain"] or "curl" not in words:
        return words
    begin = words.index("curl")
    return [*words[:begin], shlex.join(words[begin:])]


def _command(word: str) -> Any:
    with uncollected():
        return get_command(import_module(f"app.commands.{word}").app)


if __name__ == "__main__":
    main()
