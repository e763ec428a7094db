"""Pages of our own: the console, the health check, and the signing explorer of each service."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles

from app.core import Core
from app.directory import BY_NAME, Service
from app.errors import Refusal
from app.routers import console, explorer
from app.routers.common import trail_of
from app.routers.control.ports import Ports

_NO_PORTS: Final = Ports()


def create(core: Core, services: Mapping[str, FastAPI], ports: Ports = _NO_PORTS) -> FastAPI:
    """The application behind every path that no service claims."""
    app = FastAPI(title="Sandkasse", openapi_url=None, docs_url=None, redoc_url=None)
    app.mount("/static/swagger", StaticFiles(directory=str(files("fastapi_offline") / "static")))
    app.mount("/static", StaticFiles(packages=[("app.web", "static")]))

    @app.get("/healthz", include_in_schema=False)
    async def health(request: Request) -> Response:
        try:
            await core.store.ping()
        except Refusal:
            return JSONResponse({"status": "unavailable"}, status_code=503)
        return JSONResponse({"status": "ok"})

    app.router.routes.extend(console.routes(core, ports, _listed(services)).routes)
    explorer.add_pages(app, services)

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon(request: Request) -> Response:
        return RedirectResponse(f"{trail_of(request).call.root}/static/swagger/favicon.png")

    @app.exception_handler(404)
    async def unknown(request: Request, _error: Exception) -> Response:
        return _missing(request)

    return app


def _listed(services: Mapping[str, FastAPI]) -> list[Service]:
    return [BY_NAME[name] for name in services]


def _missing(request: Request) -> Response:
    detail = f"no service or page of ours is mounted there; {trail_of(request).call.root}/docs lists them"
    body = {"type": "about:blank", "title": "Not found", "status": 404, "detail": detail}
    return JSONResponse(body, status_code=404, media_type="application/problem+json")
