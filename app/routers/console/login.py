"""Where a key opens the console."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.core import Core
from app.routers.console import view
from app.routers.console.guard import form_of, guarded, log_in, log_out


def routes(core: Core) -> APIRouter:
    """Log in and out."""
    router = APIRouter(route_class=guarded(core, login=False), include_in_schema=False)

    @router.get("/console/login")
    async def login(request: Request) -> Response:
        wanted = request.query_params.get("next", "/")
        return view.page(request, "login.html", next=wanted[:200], failed=False)

    @router.post("/console/login")
    async def enter(request: Request) -> Response:
        form = form_of(request)
        opened = await log_in(core, request, form.get("key", ""))
        if opened is not None:
            return opened
        return view.page(request, "login.html", status=401, next=form.get("next", "/")[:200], failed=True)

    @router.post("/console/logout")
    async def leave(request: Request) -> Response:
        return await log_out(core, request)

    return router
