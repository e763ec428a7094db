"""The console at ``/``: pages for people, about one sandbox, that do what the control API does (design section 9)."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter

from app.core import Core
from app.directory import Service
from app.routers.console import addresses, clients, clock, exchange, faults, journal, login, patients, rules, sandboxes
from app.routers.control.ports import Ports


def routes(core: Core, ports: Ports, services: Sequence[Service]) -> APIRouter:
    """Every page of the console; ``services`` are those that answer here."""
    router = APIRouter(include_in_schema=False)
    for part in (
        login.routes(core),
        journal.routes(core),
        exchange.routes(core),
        rules.routes(core),
        patients.routes(core),
        clients.routes(core),
        clock.routes(core),
        faults.routes(core),
        sandboxes.routes(core, ports),
        addresses.routes(core, services),
    ):
        router.routes.extend(part.routes)
    return router
