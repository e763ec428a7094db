"""What a new sandbox holds: people, clients and results. One function, so that every sandbox starts alike."""

from __future__ import annotations

from typing import Final

from app.clock import start_of_day
from app.sandboxes.content import Prepared
from app.sandboxes.state import SandboxState
from app.services.kritiskinfo import seed as kritiskinfo
from app.services.provesvar import seed as provesvar
from app.services.selvbetjening import templates
from app.store import clients
from app.store.engine import Connection
from app.synthetic import people


def fill(conn: Connection, sandbox: SandboxState, real: float) -> None:
    """Seed an empty sandbox, in the transaction that makes it. ``real`` is real time, in epoch seconds."""
    now = start_of_day(sandbox.clock.at(real))  # the same all day, so that it can be prepared
    people.seed_people(conn, sandbox.id, now, provesvar.report_refs())
    clients.seed(conn, sandbox.id)
    templates.seed(conn, sandbox.id)
    provesvar.seed_reports(conn, sandbox.id, now)
    kritiskinfo.seed_records(conn, sandbox.id, now)


SEEDED: Final = Prepared("seeded", fill, any_seed=True)
"""``fill``, with its rows kept ready: from the first start on, a sandbox is a copy of what was made once that day."""


def fill_bare(conn: Connection, sandbox: SandboxState, real: float) -> None:
    """Only the registered clients, and the templates to make more of: for ``seed_on_start=false``."""
    clients.seed(conn, sandbox.id)
    templates.seed(conn, sandbox.id)
