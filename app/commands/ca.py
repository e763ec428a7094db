"""``sandkasse ca``: the local certificate authority of ``serve --tls``."""

from __future__ import annotations

from typing import Final

import typer

from app import tls as certificates
from app.commands.common import CLOCK, IDS, group, read_settings, told_plainly

app: Final = group("The local certificate authority of `serve --tls`.")


@app.command()
def export() -> None:
    """Print the local CA in PEM, made if there is none yet; trust it in the client under test, nowhere else.

    \b
    sandkasse ca export > sandkasse-ca.pem
    """
    settings = read_settings()
    with told_plainly():
        files = certificates.material(settings, CLOCK, IDS)
    typer.echo(files.authority.read_text(encoding="ascii"), nl=False)
    typer.echo("Clients are told to trust it so:\n" + certificates.trust_hints(files.authority.resolve()), err=True)
