"""The control API under ``/_sandbox/v1``: sandboxes, clock, people, settings, clients, journal and audit (R61, R62)."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Depends, FastAPI, Request

from app.core import Core
from app.routers.common import require_admin
from app.routers.control import clients, people, problems, records, resources, sandboxes, settings
from app.routers.control.ports import Ports

__all__ = ["Ports", "create"]

_NO_PORTS: Final = Ports()
_DESCRIPTION: Final = (
    "Everything about a sandbox that the national services have no address for. "
    "Persons are named by id; national identity numbers stand in bodies only."
)


def create(core: Core, ports: Ports = _NO_PORTS) -> FastAPI:
    """The application behind the mount ``control``; it needs the trail the resolving middleware lays."""

    def admin(request: Request) -> None:
        require_admin(core, request)

    app = FastAPI(
        title="Sandbox control API",
        version="1",
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        dependencies=[Depends(admin)],
        responses=problems.responses(),
    )
    problems.install(app)
    app.router.route_class = problems.limited_route(core.settings.max_body_bytes)
    large = problems.limited_route(core.settings.max_message_bytes)
    for part in (
        sandboxes.routes(core, ports),
        people.routes(core),
        settings.routes(core),
        clients.routes(core, ports),
        records.routes(core),
        resources.routes(core, ports, large),
    ):
        app.include_router(part)
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = problems.PROBLEM_SCHEMA
        return document

    app.openapi = openapi  # type: ignore[method-assign]
    return app
