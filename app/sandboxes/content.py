"""What a sandbox is filled with, and the copies kept ready of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import orjson

from app.clock import DAY, start_of_day
from app.core import Core
from app.sandboxes import rows
from app.sandboxes.config import Config
from app.sandboxes.state import SandboxState
from app.store import copies, sandboxes
from app.store.engine import Connection
from app.store.sandboxes import HIDDEN, SandboxRow
from app.version import fingerprint

Seeder = Callable[[Connection, SandboxState, float], None]
"""Fills an empty sandbox: called with its state and the real time, inside the transaction that makes it."""

MOST: Final = 64
"""Contents kept ready at once; what comes after them is filled directly that day."""

_TEMPLATE: Final = HIDDEN + "t-"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A seeder whose rows are made once a day, kept in a hidden sandbox, and copied from there.

    ``seeder`` may depend on the installation, the seed and the day, on nothing else of the sandbox or the hour.
    ``any_seed`` says that it does not depend on the seed either. When it changes the sandbox itself, its clock or
    settings, nothing is kept and every sandbox is filled by it.
    """

    name: str
    seeder: Seeder
    any_seed: bool = False

    def __call__(self, conn: Connection, state: SandboxState, real: float) -> None:
        self.seeder(conn, state, real)


def fill(core: Core, conn: Connection, sandbox: str, seeder: Seeder | None) -> SandboxRow:
    """Fill an empty sandbox; gives its row as it is then."""
    if seeder is None:
        return rows.required(core, conn, sandbox)
    row, real = rows.required(core, conn, sandbox), core.clock.time()
    ready = _template(core, conn, row.seed, seeder, real) if isinstance(seeder, Prepared) else None
    if ready is None:
        seeder(conn, rows.shape(core, row), real)
    else:
        copies.copy(conn, ready, sandbox)
    sandboxes.change(conn, sandbox, seeded_at=real)
    return rows.required(core, conn, sandbox)


def _template(core: Core, conn: Connection, seed: str, content: Prepared, real: float) -> str | None:
    """The hidden sandbox to copy from, made if this is the first of the day; None when there can be none."""
    if seed != core.settings.seed and not content.any_seed:
        return None
    today = start_of_day(real)
    of_what = [fingerprint(), today, content.name, None if content.any_seed else seed]
    name = _TEMPLATE + hashlib.sha256(orjson.dumps(of_what)).hexdigest()[:32]
    known = sandboxes.lock(conn, name, shared=True)
    if known is None and sandboxes.count(conn, _TEMPLATE) < MOST:
        blank = rows.new(core, name, seed, None, Config())
        blank = replace(blank, expires=today + DAY)
        if sandboxes.add(conn, blank):
            content.seeder(conn, rows.shape(core, blank), real)
            if sandboxes.lock(conn, name) == blank:
                sandboxes.change(conn, name, seeded_at=real)
            else:
                copies.clear(conn, name, *copies.Rule)
        known = sandboxes.lock(conn, name, shared=True)
    return None if known is None or known.seeded_at is None else name
