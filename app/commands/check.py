"""``sandkasse check``: what a client does wrong, for a person or a build server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Final
from urllib.parse import urlencode

import typer

from app.commands.calling import HOME, AdminKey, Sandbox, Url, remote
from app.commands.common import single
from app.sandboxes.checks.model import Result, load
from app.sandboxes.checks.render import FORMATS

app: Final = single()


class Format(StrEnum):
    """How the results are written."""

    text = "text"
    json = "json"
    junit = "junit"
    markdown = "markdown"


class FailOn(StrEnum):
    """Which results make the exit status 1."""

    never = "never"
    error = "error"
    failed = "failed"


_FATAL: Final[Mapping[FailOn, Callable[[Result], bool]]] = {
    FailOn.never: lambda _result: False,
    FailOn.error: lambda result: result.state == "failed" and result.severity == "error",
    FailOn.failed: lambda result: result.state == "failed",
}


@app.command()
def check(
    client: Annotated[str, typer.Option("--client", help="`client_id` of the client to judge.")],
    form: Annotated[Format, typer.Option("--format", help="How the results are written.")] = Format.text,
    fail_on: Annotated[
        FailOn,
        typer.Option("--fail-on", help="Exit status 1: never, at a failed check of severity error, or any failed."),
    ] = FailOn.error,
    url: Url = HOME,
    admin_key: AdminKey = None,
    sandbox: Sandbox = "default",
) -> None:
    """Judge a client by what the journal saw of it: what it does wrong, and what it has not shown yet.

    \b
    sandkasse check --client sandkasse-epj
    sandkasse check --client my-epj --format junit --fail-on failed > checks.xml
    """
    with remote(url, sandbox, admin_key) as there:
        found = there.control("GET", f"/checks?{urlencode({'client': client})}")
    report = load(found)
    if form is Format.json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        write, _ = FORMATS[form.value]
        typer.echo(write(report), nl=False)
    raise typer.Exit(1 if any(_FATAL[fail_on](result) for result in report.results) else 0)
