"""``/sandboxes``, ``/clock`` and ``/faults``."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter, Request, Response

from app.clock import rfc3339
from app.core import Core
from app.errors import Reason, Refusal
from app.routers.common import trail_of
from app.routers.control.bodies import ClockMove, ClockSetting, Faults, NewSandbox, ResetSandbox, SandboxChange
from app.routers.control.ports import Ports
from app.routers.control.problems import limited_route, responses
from app.sandboxes import manager
from app.sandboxes.config import OVERRIDABLE
from app.sandboxes.manager import ClockChange, Seeder
from app.sandboxes.state import DEFAULT, SandboxState


def routes(core: Core, ports: Ports) -> APIRouter:
    """The operations on sandboxes as such; ``/sandboxes`` is answered outside every named sandbox only (R61)."""
    router = APIRouter(route_class=limited_route(core.settings.max_body_bytes))

    def shown(state: SandboxState) -> dict[str, Any]:
        moment = state.moment(core.clock.time())
        base = core.settings
        own = {name: getattr(state.settings, name) for name in OVERRIDABLE}
        return {
            "name": state.id,
            "seed": state.seed,
            "seededAt": _time(state.seeded_at),
            "expires": _time(state.expires),
            "clock": _clock(state, moment.sandbox, moment.real),
            "settings": {name: value for name, value in own.items() if value != getattr(base, name)},
            "faults": dict(state.faults),
        }

    def seeder(content: str) -> Seeder | None:
        return ports.seeder if content == "seeded" else None

    @router.get("/sandboxes", tags=["sandboxes"], summary="Every sandbox", responses=responses(404))
    async def list_sandboxes(request: Request) -> dict[str, Any]:
        _at_root(request)
        return {"sandboxes": [shown(state) for state in await manager.list_states(core)]}

    @router.post(
        "/sandboxes", status_code=201, tags=["sandboxes"], summary="Make a sandbox", responses=responses(400, 404, 409)
    )
    async def create_sandbox(request: Request, response: Response, body: NewSandbox) -> dict[str, Any]:
        _at_root(request)
        state = await manager.create(
            core,
            body.name,
            seed=body.seed,
            settings=body.settings,
            faults=body.faults,
            expires_in=body.expires_in,
            seeder=seeder(body.content),
        )
        call = trail_of(request).call
        response.headers["Location"] = f"{call.base}/sandboxes/{state.id}"
        return {**shown(state), "base": f"{call.root}/s/{state.id}"}

    @router.get("/sandboxes/{name}", tags=["sandboxes"], summary="One sandbox", responses=responses(404))
    async def get_sandbox(request: Request, name: str) -> dict[str, Any]:
        _at_root(request)
        state = await manager.state(core, name)
        if state is None:
            raise Refusal(Reason.NOT_FOUND, "no sandbox of that name, or it has expired", source="R64")
        return shown(state)

    @router.patch(
        "/sandboxes/{name}",
        tags=["sandboxes"],
        summary="Change a sandbox's own settings and faults",
        responses=responses(400, 404),
    )
    async def change_sandbox(request: Request, name: str, body: SandboxChange) -> dict[str, Any]:
        _at_root(request)
        return shown(await manager.configure(core, name, settings=body.settings, faults=body.faults))

    @router.delete(
        "/sandboxes/{name}",
        status_code=204,
        tags=["sandboxes"],
        summary="Take a sandbox away",
        responses=responses(404, 409),
    )
    async def delete_sandbox(request: Request, name: str) -> None:
        _at_root(request)
        await manager.delete(core, name)

    @router.post(
        "/sandboxes/{name}/reset",
        tags=["sandboxes"],
        summary="Empty a sandbox and fill it anew",
        responses=responses(404),
    )
    async def reset_sandbox(request: Request, name: str, body: ResetSandbox | None = None) -> dict[str, Any]:
        _at_root(request)
        content = "seeded" if body is None else body.content
        return shown(await manager.reset(core, name, seeder=seeder(content)))

    @router.get("/clock", tags=["clock"], summary="What the sandbox's clock shows")
    async def get_clock(request: Request) -> dict[str, Any]:
        call = trail_of(request).call
        return _clock(call.sandbox, call.moment.sandbox, call.moment.real)

    async def moved(request: Request, change: ClockChange) -> dict[str, Any]:
        state = await manager.move_clock(core, trail_of(request).call.sandbox.id, change)
        moment = state.moment(core.clock.time())
        return _clock(state, moment.sandbox, moment.real)

    @router.put("/clock", tags=["clock"], summary="Set the clock", responses=responses(400, 409))
    async def set_clock(request: Request, body: ClockSetting) -> dict[str, Any]:
        to: float | Literal["real"] = body.now.timestamp() if isinstance(body.now, datetime) else "real"
        return await moved(request, ClockChange(to=to, frozen=body.frozen, force=body.force))

    @router.patch("/clock", tags=["clock"], summary="Advance, stop or start the clock", responses=responses(400, 409))
    async def move_clock(request: Request, body: ClockMove) -> dict[str, Any]:
        change = ClockChange(advance=body.advance.total_seconds(), frozen=body.frozen, force=body.force)
        return await moved(request, change)

    @router.get("/faults", tags=["faults"], summary="Dependencies made to fail")
    async def get_faults(request: Request) -> dict[str, str]:
        return dict(trail_of(request).call.sandbox.faults)

    @router.put("/faults", tags=["faults"], summary="Choose which dependencies fail", responses=responses(400))
    async def set_faults(request: Request, body: Faults) -> dict[str, str]:
        state = await manager.configure(core, trail_of(request).call.sandbox.id, faults=body)
        return dict(state.faults)

    return router


def _at_root(request: Request) -> None:
    if trail_of(request).call.sandbox.id != DEFAULT:
        raise Refusal(Reason.NOT_FOUND, "sandboxes are listed and made outside a named sandbox", source="R61")


def _clock(state: SandboxState, sandbox: float, real: float) -> dict[str, Any]:
    return {"now": rfc3339(sandbox), "real": rfc3339(real), "frozen": state.clock.frozen_at is not None}


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)
