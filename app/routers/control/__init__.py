"""The control API under ``/_sandbox/v1``: sandboxes, clock, people, settings, clients, journal and audit (R61, R62)."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI

from app.core import Core
from app.routers import problems
from app.routers.control import (
    checks,
    clients,
    drafts,
    exchanges,
    explain,
    faults,
    people,
    records,
    resources,
    sandboxes,
    scenarios,
    settings,
    ways,
)
from app.routers.control.guard import Guard
from app.routers.control.ports import Ports

__all__ = ["Ports", "create"]

_NO_PORTS: Final = Ports()
_DESCRIPTION: Final = (
    "Everything about a sandbox that the national services have no address for. "
    "Persons are named by id; national identity numbers stand in bodies only."
)


def create(core: Core, ports: Ports = _NO_PORTS) -> FastAPI:
    """The application behind the mount ``control``; it needs the trail the resolving middleware lays."""

    app = FastAPI(
        title="Sandbox control API",
        version="1",
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    problems.install(app)
    app.add_middleware(Guard, core=core)
    large = problems.limited_route(core.settings.max_message_bytes)
    for part in (
        sandboxes.routes(core, ports),
        faults.routes(core),
        people.routes(core, ports),
        settings.routes(core),
        scenarios.routes(core, ports),
        clients.routes(core, ports),
        drafts.routes(core),
        exchanges.routes(core),
        checks.routes(core),
        records.routes(core),
        resources.routes(core, ports, large),
        ways.routes(core),
        explain.routes(core, ports),
    ):
        # Not include_router, which makes every route a second time at the first request: a part has no prefix.
        app.router.routes.extend(part.routes)
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = problems.PROBLEM_SCHEMA
        return document

    app.openapi = openapi  # type: ignore[method-assign]
    return app
