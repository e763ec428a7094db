"""``sandkasse token``: the credentials for one request."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from app.commands.calling import AdminKey, behind, own_key
from app.commands.common import single

app: Final = single()


@app.command()
def token(
    target: Annotated[str, typer.Argument(metavar="URL", help="The request the headers are for.")],
    method: Annotated[str, typer.Option("--method", "-X", help="Method of that request.")] = "POST",
    persona: Annotated[str, typer.Option("--as", help="Who logs in: H01, a number, hpr:…, or `machine`.")] = "H01",
    attest: Annotated[bool, typer.Option("--attest", help="Send an attest even where none is required.")] = False,
    client_id: Annotated[str, typer.Option("--client", help="Client that logs in.")] = "sandkasse-epj",
    jwk: Annotated[Path | None, typer.Option(help="Its private key; not needed for the seeded clients.")] = None,
    admin_key: AdminKey = None,
) -> None:
    """Log in and print the `Authorization` and `DPoP` headers for one request. A proof is good once, and for seconds.

    \b
    sandkasse token http://localhost:8000/pps/v2/DiagnosticReport/_search
    """
    with behind(target, admin_key) as running:
        headers = running.credentials(target, method.upper(), persona, client_id, own_key(jwk), attest=attest)
    for name, value in headers.items():
        typer.echo(f"{name}: {value}")
