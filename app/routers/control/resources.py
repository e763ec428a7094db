"""``/resources/{service}``: clinical data as FHIR, past the national formats."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.routing import APIRoute

from app.core import Core
from app.routers.common import trail_of
from app.routers.control.ports import Ports
from app.routers.problems import responses

_BODY = {"content": {"application/fhir+json": {"schema": {"type": "object"}}}, "required": True}


def routes(core: Core, ports: Ports, route: type[APIRoute]) -> APIRouter:
    """Put resources into a service's store."""
    router = APIRouter(route_class=route, responses=responses(), tags=["resources"])

    @router.put(
        "/resources/{service}",
        summary="Store a FHIR resource or a Bundle of them",
        responses=responses(400, 404, 413, 501),
        openapi_extra={"requestBody": _BODY},
    )
    async def put_resources(request: Request, service: str) -> dict[str, Any]:
        if ports.put_fhir is None:
            raise HTTPException(501, "this installation takes no FHIR here")
        return dict(await ports.put_fhir(core, trail_of(request), service, await request.body()))

    return router
