"""``sandkasse client``: clients of the issuer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from app.commands.calling import HOME, AdminKey, Sandbox, Url, public_keys, remote
from app.commands.common import group, stop
from app.trust.sts.presets import PRESETS

app: Final = group("Clients of the issuer, in a running sandbox.")


@app.command("list")
def list_clients(url: Url = HOME, admin_key: AdminKey = None, sandbox: Sandbox = "default") -> None:
    """Every client with its organisation and grants."""
    with remote(url, sandbox, admin_key) as running:
        found = running.control("GET", "/clients")["clients"]
    for entry in found:
        organisation = entry["orgnr_parent"] or entry["orgnr_supplier"] or "-"
        typer.echo(f"{entry['id']:<58} {entry['tenancy']:<14} {organisation:<10} {' '.join(entry['grants'])}")


@app.command("key")
def show_key(client_id: str, url: Url = HOME, admin_key: AdminKey = None, sandbox: Sandbox = "default") -> None:
    """Print the private key (JWK) of a seeded client, made at the first start.

    \b
    sandkasse client key sandkasse-epj > epj.jwk.json
    """
    with remote(url, sandbox, admin_key) as running:
        key = running.control("GET", f"/clients/{client_id}/key")
    typer.echo(json.dumps(key, indent=2))


@app.command("add")
def add_client(
    client_id: str,
    jwk: Annotated[Path, typer.Option(help="File with a JWK or JWKS; of a private key only the public part is sent.")],
    like: Annotated[str, typer.Option(help="Client whose scopes and organisations it gets.")] = "sandkasse-epj",
    redirect_uri: Annotated[list[str] | None, typer.Option(help="May be given several times.")] = None,
    url: Url = HOME,
    admin_key: AdminKey = None,
    sandbox: Sandbox = "default",
) -> None:
    """Register your own client with your own key.

    \b
    sandkasse client add my-epj --jwk my-key.json --redirect-uri http://localhost:5000/callback
    """
    with remote(url, sandbox, admin_key) as running:
        entry = dict(running.control("GET", f"/clients/{like}"))
        entry |= {"id": client_id, "name": client_id, "jwks": public_keys(jwk)}
        entry["redirect_uris"] = redirect_uri or entry["redirect_uris"]
        running.control("POST", "/clients", entry)
    typer.echo(f"{client_id} is registered, with the scopes and organisations of {like}")


@app.command("import")
def import_clients(
    preset: Annotated[str, typer.Argument(help="One of: " + ", ".join(PRESETS) + ".")],
    jwk: Annotated[Path | None, typer.Option(help="File with the JWK or JWKS that the clients sign with.")] = None,
    url: Url = HOME,
    admin_key: AdminKey = None,
    sandbox: Sandbox = "default",
) -> None:
    """Register the clients that published sample programs use, so that they run unchanged.

    \b
    sandkasse client import nhn-samples --jwk their-key.json
    """
    if preset not in PRESETS:
        stop(f"There is no preset {preset}; there are {', '.join(PRESETS)}.")
    with remote(url, sandbox, admin_key) as running:
        keys = public_keys(jwk) if jwk is not None else []
        for each in PRESETS[preset]:
            running.control("POST", "/clients", {**each.dump(), "jwks": keys})
            typer.echo(each.id)
