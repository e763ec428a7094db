"""``sandkasse audit``: the audit chains."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from app.commands.common import group, open_store, read_settings, stop, told_plainly
from app.store import audit as chains
from app.store import migrate
from app.trust import audit

app: Final = group("The audit chains.")


@app.command()
def verify(sandbox: Annotated[str | None, typer.Option(help="Only this sandbox.")] = None) -> None:
    """Recompute every audit chain from its first record, and check the signed checkpoints.

    \b
    sandkasse audit verify
    """
    with told_plainly(), open_store(read_settings()) as store:
        migrate.prepare(store)
        results = store.read_now(
            lambda conn: [audit.verify(conn, name, service) for name, service in chains.chains(conn, sandbox)]
        )
    for result in results:
        place = f"{result.sandbox}/{result.service}: {result.checked} records"
        if result.fault is not None:
            typer.echo(f"BROKEN {place}, {result.fault.kind} at {result.fault.seq}")
        else:
            typer.echo(f"intact {place}" + (f", {len(result.warnings)} warnings" if result.warnings else ""))
    if not results:
        typer.echo("no records yet")
    broken = [result for result in results if result.fault is not None]
    if broken:
        stop(f"{len(broken)} of {len(results)} chains broken")
