"""``sandkasse draft``: clients an installer has registered and nobody has confirmed yet."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from app.commands.calling import HOME, AdminKey, Sandbox, Url, remote
from app.commands.common import group

app: Final = group("Client drafts of HelseID Selvbetjening, in a running sandbox.")

Draft = Annotated[str, typer.Argument(metavar="ID", help="The clientId the API answered with.")]


@app.command("list")
def list_drafts(url: Url = HOME, admin_key: AdminKey = None, sandbox: Sandbox = "default") -> None:
    """Every draft, the newest first."""
    with remote(url, sandbox, admin_key) as there:
        found: list[dict[str, Any]] = there.control("GET", "/drafts")["drafts"]
    for draft in found:
        scopes = " ".join(draft["apiScopes"])
        typer.echo(f"{draft['id']}  {draft['state']:<9} {draft['organizationNumber']}  {draft['template']}  {scopes}")


@app.command()
def confirm(
    draft: Draft,
    reject: Annotated[bool, typer.Option("--reject", help="Turn the draft down instead.")] = False,
    url: Url = HOME,
    admin_key: AdminKey = None,
    sandbox: Sandbox = "default",
) -> None:
    """Confirm a draft, as a person does in the portal; prints where the browser would be sent.

    \b
    sandkasse draft confirm 3f6c1c1e-7d0e-4b1a-9d0e-6f2f6f1a1053
    """
    body = {"status": "Rejected" if reject else "Success"}
    with remote(url, sandbox, admin_key) as there:
        done = there.control("POST", f"/drafts/{quote(draft, safe='')}/confirm", body)
    typer.echo(f"{done['status']}{'' if done['redirect'] is None else '  ' + done['redirect']}")
    if done["status"] == "Failed":
        raise typer.Exit(1)
