"""What a new sandbox holds: people, clients and results. One function, so that every sandbox starts alike."""

from __future__ import annotations

from app.sandboxes.state import SandboxState
from app.services.provesvar import seed as provesvar
from app.store import clients
from app.store.engine import Connection
from app.synthetic import people


def fill(conn: Connection, sandbox: SandboxState, real: float) -> None:
    """Seed an empty sandbox, in the transaction that makes it. ``real`` is real time, in epoch seconds."""
    now = sandbox.clock.at(real)
    people.seed_people(conn, sandbox.id, now, provesvar.report_refs())
    clients.seed(conn, sandbox.id)
    provesvar.seed_reports(conn, sandbox.id, now)


def fill_bare(conn: Connection, sandbox: SandboxState, real: float) -> None:
    """Only the registered clients: for ``seed_on_start=false``."""
    clients.seed(conn, sandbox.id)
