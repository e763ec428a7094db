"""``sandkasse journal``: what came in, as it comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import typer

from app.commands.calling import HOME, AdminKey, Sandbox, Url, remote
from app.commands.common import single

app: Final = single()

_WAIT: Final = 20  # seconds a call waits for more; less than the connection's own patience


@app.command()
def journal(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    service: Annotated[str | None, typer.Option(help="Only this service, such as `pps-v2`.")] = None,
    client: Annotated[str | None, typer.Option(help="Only this client.")] = None,
    patient: Annotated[str | None, typer.Option(help="Only this patient, such as `P01`.")] = None,
    status: Annotated[int | None, typer.Option(help="Only this status.")] = None,
    path: Annotated[str | None, typer.Option(help="Only these paths, such as `*/_search`.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many of the newest to begin with.")] = 20,
    url: Url = HOME,
    admin_key: AdminKey = None,
    sandbox: Sandbox = "default",
) -> None:
    """Show the newest exchanges, one a line; with --follow also those that come.

    \b
    sandkasse journal --follow
    sandkasse journal --service pps-v2 --status 403
    """
    wanted = {"service": service, "client": client, "patient": patient, "status": status, "path": path}
    query = {name: value for name, value in wanted.items() if value is not None}
    with remote(url, sandbox, admin_key) as there:
        page = there.control("GET", f"/exchanges?{urlencode({**query, 'limit': limit})}")
        for row in reversed(page["exchanges"]):
            typer.echo(line(row))
        while follow:
            more = {**query, "after": page["cursor"], "wait": _WAIT, "limit": 1000}
            page = there.control("GET", f"/exchanges?{urlencode(more)}")
            for row in page["exchanges"]:
                typer.echo(line(row))


def line(row: Mapping[str, Any]) -> str:
    """An exchange in one line; the id is what `sandkasse explain` takes."""
    when, took = row["at"][11:23], row["durationMs"] or 0.0
    told = f"{when} {row['id']} {row['status']:>3} {took:>7.1f} ms {row['service']:<13} {row['method']} {row['path']}"
    about = [row["client"], row["patient"], row["summary"]]
    return "  ".join([told, *(part for part in about if part)])
