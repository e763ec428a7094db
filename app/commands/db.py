"""``sandkasse db``: the database, brought up to date."""

from __future__ import annotations

from typing import Final

import typer

from app.commands.common import group, open_store, read_settings, told_plainly
from app.store import migrate

app: Final = group("The database: bring it up to date.")


@app.command()
def upgrade() -> None:
    """Bring the database to the form this version needs. Needed before `serve` on PostgreSQL; safe to repeat.

    \b
    SANDKASSE_DATABASE_URL=postgresql+psycopg://user:secret@host/name sandkasse db upgrade
    """
    with told_plainly(), open_store(read_settings()) as store:
        before = migrate.upgrade(store)
    if before.pending:
        typer.echo(f"upgraded from {before.current or 'empty'} to {before.head}")
    else:
        typer.echo(f"already at {before.head}")
