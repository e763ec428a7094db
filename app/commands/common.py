"""What the commands share: their options, the database and the running sandbox they work on, how they give up."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import httpx
import typer
from pydantic import ValidationError

from app import tls as certificates
from app.clock import SystemClock
from app.errors import Refusal
from app.ids import SystemIds
from app.links import login
from app.links.remote import Remote, RemoteError, read_file
from app.settings import Settings
from app.store import migrate
from app.store.engine import Store

CLOCK: Final = SystemClock()
IDS: Final = SystemIds()
HOME: Final = "http://localhost:8000"

Url = Annotated[str, typer.Option("--url", envvar="SANDKASSE_URL", help="Where the running sandbox is.")]
AdminKey = Annotated[
    str | None, typer.Option("--admin-key", envvar="SANDKASSE_ADMIN_KEY", help="Key of the control API, if it has one.")
]
Sandbox = Annotated[str, typer.Option("--sandbox", help="Name of the sandbox.")]


def remote(url: str, sandbox: str, admin_key: str | None) -> Remote:
    """The running sandbox at ``url``; close it after use."""
    return Remote.named(url, sandbox, admin_key, CLOCK, IDS)


@contextmanager
def told_plainly() -> Iterator[None]:
    """What can go wrong in the user's hands ends in one line, not in a traceback."""
    try:
        yield
    except (migrate.DatabaseUnfit, certificates.TlsUnfit) as error:
        stop(str(error))
    except (RemoteError, Refusal) as error:
        stop(str(error))
    except login.LoginFailed as error:
        stop(f"The issuer said no. {error}")
    except httpx.ConnectError as error:
        there = error.request.url.copy_with(path="/", query=None)
        stop(f"Nothing answers at {there}. Is it running? Start it: sandkasse serve")
    except httpx.HTTPError as error:
        stop(f"The request failed: {error}")


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


def own_key(path: Path | None) -> dict[str, Any] | None:
    """The JWK in a file, None without one."""
    return None if path is None else json_file(path)


def public_keys(path: Path) -> list[dict[str, Any]]:
    """The public parts of the JWK or JWKS in a file."""
    held = json_file(path)
    return [login.public_part(key) for key in held.get("keys", [held])]


def json_file(path: Path) -> dict[str, Any]:
    """The JSON object in a file; stops when it holds none."""
    try:
        held = json.loads(read_file(path))
    except ValueError as error:
        stop(f"{path} holds no JSON: {error}")
    if not isinstance(held, dict):
        stop(f"{path} holds no JSON object")
    return held


def read_header(line: str) -> tuple[str, str]:
    """Name and value of a header as it is typed, ``Name: value``."""
    name, colon, value = line.partition(":")
    if not colon:
        stop(f"a header is `Name: value`, not {line!r}")
    return name.strip(), value.strip()


def pretty(answer: httpx.Response) -> str:
    """The body of an answer: JSON is laid out when a person looks at it."""
    if "json" not in answer.headers.get("Content-Type", "") or not sys.stdout.isatty():
        return answer.text
    return json.dumps(answer.json(), indent=2, ensure_ascii=False)
