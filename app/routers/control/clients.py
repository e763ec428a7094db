"""``/clients`` and ``/tokens``: who may log in, and tokens without logging in."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Request, Response

from app.core import Core
from app.errors import Reason, Refusal
from app.routers.common import trail_of
from app.routers.control.bodies import TokenOrder
from app.routers.control.ports import Ports
from app.routers.problems import limited_router, responses
from app.store import clients, sandboxes
from app.store.engine import Connection
from app.trust.sts.clients import Client, read_client

_EXAMPLE = {
    "id": "my-epj",
    "name": "My EPJ",
    "scopes": ["openid", "helseid://scopes/identity/pid", "nhn:pps/provesvar-read"],
    "orgnr_parent": "315500109",
    "redirect_uris": ["http://localhost:5000/callback"],
    "jwks": [{"kty": "EC", "crv": "P-256", "kid": "mine", "x": "…", "y": "…"}],
}


def routes(core: Core, ports: Ports) -> APIRouter:
    """Register clients of the issuer, hand out the seeded ones' keys (ruling R24), mint tokens."""
    router = limited_router(core.settings.max_body_bytes)

    @router.get("/clients", tags=["clients"], summary="Every client of the issuer")
    async def list_clients(request: Request) -> dict[str, Any]:
        sandbox = trail_of(request).call.sandbox.id
        found = await core.store.read(lambda conn: clients.listed(conn, sandbox))
        return {"clients": [each.dump() for each in found]}

    @router.post(
        "/clients", status_code=201, tags=["clients"], summary="Register or replace a client", responses=responses(400)
    )
    async def put_client(
        request: Request, response: Response, body: Annotated[dict[str, Any], Body(examples=[_EXAMPLE])]
    ) -> dict[str, Any]:
        sandbox = trail_of(request).call.sandbox.id
        client = read_client(body)

        def write(conn: Connection) -> bool:
            known = clients.find(conn, sandbox, client.id) is not None
            clients.put(conn, sandbox, client)
            return known

        response.status_code = 200 if await core.store.write(write) else 201
        return client.dump()

    async def required(request: Request, client_id: str) -> Client:
        sandbox = trail_of(request).call.sandbox.id
        found = await core.store.read(lambda conn: clients.find(conn, sandbox, client_id))
        if found is None:
            raise _unknown()
        return found

    @router.get("/clients/{client_id}", tags=["clients"], summary="One client", responses=responses(404))
    async def get_client(request: Request, client_id: str) -> dict[str, Any]:
        return (await required(request, client_id)).dump()

    @router.get(
        "/clients/{client_id}/key",
        tags=["clients"],
        summary="The private key of a seeded client",
        responses=responses(404),
    )
    async def get_key(request: Request, response: Response, client_id: str) -> dict[str, Any]:
        client = await required(request, client_id)
        key = await core.store.read(lambda conn: clients.private_key(conn, client.id))
        if key is None:
            raise Refusal(Reason.NOT_FOUND, "the sandbox has keys of the seeded clients only", source="R24")
        response.headers["Cache-Control"] = "no-store"
        return dict(key)

    @router.delete(
        "/clients/{client_id}",
        status_code=204,
        tags=["clients"],
        summary="Take a client away",
        responses=responses(404),
    )
    async def delete_client(request: Request, client_id: str) -> None:
        sandbox = trail_of(request).call.sandbox.id
        if not await core.store.write(lambda conn: clients.remove(conn, sandbox, client_id)):
            raise _unknown()

    @router.post(
        "/tokens",
        status_code=201,
        tags=["tokens"],
        summary="A token for a persona, ready to use",
        responses=responses(400, 404, 501),
    )
    async def mint(request: Request, response: Response, body: TokenOrder) -> dict[str, Any]:
        if ports.mint is None:
            raise HTTPException(501, "this installation mints no tokens here")
        trail = trail_of(request)
        made = await ports.mint(core, trail, body.model_dump(by_alias=True, exclude_unset=True))
        sandbox, now = trail.call.sandbox.id, trail.call.moment.sandbox
        await core.store.write(lambda conn: sandboxes.mark_token(conn, sandbox, now))
        response.headers["Cache-Control"] = "no-store"
        return dict(made)

    return router


def _unknown() -> Refusal:
    return Refusal(Reason.NOT_FOUND, "there is no client with that id")
