"""``sandkasse ingest``: svarrapport messages, sent as a laboratory sends them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from app.commands.calling import HOME, AdminKey, Sandbox, Url, remote
from app.commands.common import single
from app.links.remote import read_file

app: Final = single()


@app.command()
def ingest(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="svarrapport XML files, or folders of them.")],
    url: Url = HOME,
    admin_key: AdminKey = None,
    sandbox: Sandbox = "default",
) -> None:
    """Send svarrapport messages in, as a laboratory does, and show the receipt of each.

    \b
    sandkasse ingest reports/*.xml
    """
    wanted = [found for path in files for found in (sorted(path.rglob("*.xml")) if path.is_dir() else [path])]
    refused = 0
    with remote(url, sandbox, admin_key) as running:
        for number, path in enumerate(wanted, 1):
            taken, told = running.deliver(read_file(path))
            refused += 0 if taken else 1
            typer.echo(f"[{number}/{len(wanted)}] {'taken  ' if taken else 'refused'} {path.name}: {told}")
    typer.echo(f"{len(wanted) - refused} taken, {refused} refused")
    raise typer.Exit(1 if refused else 0)
