"""Pages of our own: the front page, the health check, and Swagger UI for each service."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, PackageLoader, select_autoescape

from app.core import Core
from app.directory import BY_NAME, Service
from app.errors import Refusal
from app.routers.common import trail_of

_PAGES: Final = Environment(loader=PackageLoader("app.web"), autoescape=select_autoescape())


def create(core: Core, services: Mapping[str, FastAPI]) -> FastAPI:
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

    @app.get("/", include_in_schema=False)
    async def front(request: Request) -> Response:
        return _page("front.html", root=trail_of(request).call.root, services=_listed(services))

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        return _page("docs.html", root=trail_of(request).call.root, services=_listed(services))

    @app.get("/docs/{name}", include_in_schema=False)
    async def explorer(request: Request, name: str) -> Response:
        if name not in services:
            return _missing(request)
        return _page("swagger.html", root=trail_of(request).call.root, service=BY_NAME[name])

    @app.get("/openapi/{name}.json", include_in_schema=False)
    async def description(request: Request, name: str) -> Response:
        if name not in services:
            return _missing(request)
        root = trail_of(request).call.root
        schema: dict[str, Any] = dict(services[name].openapi())
        schema["servers"] = [{"url": root + BY_NAME[name].mount, "description": BY_NAME[name].title}]
        return JSONResponse(schema)

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon(request: Request) -> Response:
        return RedirectResponse(f"{trail_of(request).call.root}/static/swagger/favicon.png")

    @app.exception_handler(404)
    async def unknown(request: Request, _error: Exception) -> Response:
        return _missing(request)

    return app


def _listed(services: Mapping[str, FastAPI]) -> list[Service]:
    return [BY_NAME[name] for name in services]


def _page(template: str, **values: Any) -> HTMLResponse:
    return HTMLResponse(_PAGES.get_template(template).render(**values))


def _missing(request: Request) -> Response:
    detail = f"no service or page of ours is mounted there; {trail_of(request).call.root}/docs lists them"
    body = {"type": "about:blank", "title": "Not found", "status": 404, "detail": detail}
    return JSONResponse(body, status_code=404, media_type="application/problem+json")
