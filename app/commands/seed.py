"""``sandkasse seed``: the default sandbox with its people, clients and results."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

import typer

from app.commands.common import CLOCK, IDS, open_store, read_settings, single, told_plainly
from app.core import Core
from app.sandboxes import manager
from app.sandboxes.state import DEFAULT
from app.store import migrate
from app.synthetic.seed import fill
from app.trust import issuer_keys

app: Final = single()


@app.command()
def seed(reset: Annotated[bool, typer.Option("--reset", help="Empty the default sandbox first.")] = False) -> None:
    """Make the default sandbox with its people, clients and results. `serve` does this at its first start.

    \b
    sandkasse seed --reset
    """
    settings = read_settings()

    async def work() -> None:
        core = Core(settings, store, CLOCK, IDS)
        store.start()
        await issuer_keys.ensure(core)
        if reset:
            await manager.reset(core, DEFAULT, seeder=fill)
        else:
            await manager.ensure(core, seeder=fill)

    with told_plainly(), open_store(settings) as store:
        migrate.prepare(store)
        asyncio.run(work())
    typer.echo("the default sandbox is filled")
