"""The addresses a client is pointed at: one for each service, beside the real one it stands for."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.core import Core
from app.directory import Service
from app.routers.console import view
from app.routers.console.guard import guarded


def routes(core: Core, services: Sequence[Service]) -> APIRouter:
    """The page of the addresses."""
    router = APIRouter(route_class=guarded(core), include_in_schema=False)

    @router.get("/addresses")
    async def addresses(request: Request) -> Response:
        return view.page(request, "addresses.html", services=services)

    return router
