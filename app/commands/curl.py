"""``sandkasse curl``: log in, make one request, show the answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import httpx
import typer

from app.commands.calling import AdminKey, behind, own_key, pretty, read_header
from app.commands.common import IDS, single
from app.ids import new_uuid
from app.links.remote import usual_headers

_CORRELATION_HEADER: Final = "X-Correlation-Id"
_EXCHANGE_HEADER: Final = "Sandbox-Exchange"

app: Final = single()


@app.command()
def curl(
    target: Annotated[str, typer.Argument(metavar="URL")],
    method: Annotated[str, typer.Option("--method", "-X")] = "POST",
    patient: Annotated[str | None, typer.Option(help="P01 or a number: sent in the header the service wants.")] = None,
    header: Annotated[list[str] | None, typer.Option("--header", "-H", help="`Name: value`, several times.")] = None,
    data: Annotated[str, typer.Option("--data", "-d", help="Body: a form such as `_count=5`, or JSON.")] = "",
    persona: Annotated[str, typer.Option("--as", help="Who logs in: H01, a number, hpr:…, or `machine`.")] = "H01",
    attest: Annotated[bool, typer.Option("--attest", help="Send an attest even where none is required.")] = False,
    client_id: Annotated[str, typer.Option("--client", help="Client that logs in.")] = "sandkasse-epj",
    jwk: Annotated[Path | None, typer.Option(help="Its private key; not needed for the seeded clients.")] = None,
    include: Annotated[bool, typer.Option("--include", "-i", help="Print status and headers too.")] = False,
    admin_key: AdminKey = None,
) -> None:
    """Log in, make one request and print the answer: the shortest way to a patient's results.

    \b
    sandkasse curl http://localhost:8000/pps/v2/DiagnosticReport/_search --patient P01 -d _count=1
    sandkasse curl http://localhost:8000/pps/v2/DiagnosticReport/_search --patient P02 -H "access-basis: AKUTT"
    """
    verb = method.upper()
    with behind(target, admin_key) as running:
        headers = httpx.Headers({_CORRELATION_HEADER: new_uuid(IDS), **usual_headers(target, verb)})
        if patient is not None:
            headers.update(running.patient_header(target, patient))
        headers.update(running.credentials(target, verb, persona, client_id, own_key(jwk), attest=attest))
        headers.update(dict(read_header(line) for line in header or ()))
        answer = running.request(verb, target, headers, data.encode() or None)
    if include:
        typer.echo(f"HTTP {answer.status_code}")
        for name, value in answer.headers.raw:
            typer.echo(f"{name.decode('latin-1')}: {value.decode('latin-1')}")
        typer.echo("")
    typer.echo(pretty(answer))
    exchange = answer.headers.get(_EXCHANGE_HEADER)
    if exchange:
        typer.echo(f"why: sandkasse explain {exchange}", err=True)
    raise typer.Exit(1 if answer.status_code >= 400 else 0)
