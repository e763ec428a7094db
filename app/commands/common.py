"""What the commands share: the settings and the database they work on, how they give up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final, NoReturn

import typer
from pydantic import ValidationError

from app.clock import SystemClock
from app.errors import Refusal
from app.ids import SystemIds
from app.settings import Settings
from app.store import migrate
from app.store.engine import Store
from app.tls import TlsUnfit

Telling = Mapping[type[Exception], Callable[[Any], str]]
"""What is said of an error, by its kind."""

CLOCK: Final = SystemClock()
IDS: Final = SystemIds()
_TELLING: Final[Telling] = {migrate.DatabaseUnfit: str, TlsUnfit: str, Refusal: str}


def group(told: str) -> typer.Typer:
    """A word with commands below it; ``told`` is its help."""
    made = typer.Typer(help=told, no_args_is_help=True, rich_markup_mode=None, add_completion=False)
    made.callback()(lambda: None)  # without one, a group of a single command would be that command
    return made


def single() -> typer.Typer:
    """A word that is a command itself."""
    return typer.Typer(rich_markup_mode=None, add_completion=False)


@contextmanager
def told_plainly(also: Telling = MappingProxyType({})) -> Iterator[None]:
    """What can go wrong in the user's hands ends in one line, not in a traceback."""
    telling = {**_TELLING, **also}
    try:
        yield
    except tuple(telling) as error:
        stop(next(tell(error) for kind, tell in telling.items() if isinstance(error, kind)))


@contextmanager
def open_store(settings: Settings) -> Iterator[Store]:
    """The database of ``settings``, closed at the end."""
    store = Store(settings.database_url, CLOCK)
    try:
        yield store
    finally:
        store.close()


def read_settings() -> Settings:
    """The settings of the environment; stops with what is wrong when one cannot be used."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"  SANDKASSE_{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors()]
        stop("A setting cannot be used:\n" + "\n".join(lines))


def stop(message: str) -> NoReturn:
    """End the command with ``message`` on the error stream and exit status 1."""
    typer.echo(message, err=True)
    raise typer.Exit(1)
