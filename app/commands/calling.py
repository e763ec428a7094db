"""What the commands share that call a running sandbox: their options, the connection, the files and headers sent."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from app.commands.common import CLOCK, IDS, Telling, stop, told_plainly
from app.links import login
from app.links.remote import Remote, RemoteError, read_file

HOME: Final = "http://localhost:8000"

Url = Annotated[str, typer.Option("--url", envvar="SANDKASSE_URL", help="Where the running sandbox is.")]
AdminKey = Annotated[
    str | None, typer.Option("--admin-key", envvar="SANDKASSE_ADMIN_KEY", help="Key of the control API, if it has one.")
]
Sandbox = Annotated[str, typer.Option("--sandbox", help="Name of the sandbox.")]


def _nobody_there(error: httpx.ConnectError) -> str:
    there = error.request.url.copy_with(path="/", query=None)
    return f"Nothing answers at {there}. Is it running? Start it: sandkasse serve"


TELLING: Final[Telling] = {
    RemoteError: str,
    login.LoginFailed: lambda error: f"The issuer said no. {error}",
    httpx.ConnectError: _nobody_there,
    httpx.HTTPError: lambda error: f"The request failed: {error}",
}
"""What can go wrong at the other end, for ``told_plainly``; the first kind that fits is told."""


@contextmanager
def remote(url: str, sandbox: str, admin_key: str | None) -> Iterator[Remote]:
    """The running sandbox of that name at ``url``, closed at the end; what goes wrong is told plainly."""
    with told_plainly(TELLING), Remote.named(url, sandbox, admin_key, CLOCK, IDS) as running:
        yield running


@contextmanager
def behind(target: str, admin_key: str | None) -> Iterator[Remote]:
    """As ``remote``, the sandbox that ``target``, the URL of one of its services, belongs to."""
    with told_plainly(TELLING), Remote.behind(target, admin_key, CLOCK, IDS) as running:
        yield running


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
