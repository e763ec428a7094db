"""``/sandboxes`` with their snapshots, and ``/clock``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, HTTPException, Path, Request, Response

from app.clock import rfc3339
from app.core import Core
from app.errors import Reason, Refusal
from app.routers.common import trail_of
from app.routers.control.bodies import (
    ClockMove,
    ClockSetting,
    CloneSandbox,
    NewSandbox,
    NewSnapshot,
    ResetSandbox,
    SandboxChange,
)
from app.routers.control.ports import Ports
from app.routers.problems import limited_router, responses
from app.sandboxes import keys, manager, snapshots
from app.sandboxes.config import OVERRIDABLE
from app.sandboxes.content import Seeder
from app.sandboxes.manager import ClockChange
from app.sandboxes.snapshots import Snapshot
from app.sandboxes.state import DEFAULT, SandboxState

_TAG: Final = "sandboxes"
Name = Annotated[str, Path(description="The sandbox's name; `default` is the one outside every named sandbox.")]
SnapshotName = Annotated[str, Path(description="The snapshot's name.")]


def routes(core: Core, ports: Ports) -> APIRouter:
    """The operations on sandboxes as such; ``/sandboxes`` is answered outside every named sandbox only (R61)."""
    router = limited_router(core.settings.max_body_bytes)
    _life(router, core, ports)
    _snapshots(router, core)
    _time_of(router, core)
    return router


def _life(router: APIRouter, core: Core, ports: Ports) -> None:
    @router.get("/sandboxes", tags=[_TAG], summary="Every sandbox", responses=responses(404))
    async def list_sandboxes(request: Request) -> dict[str, Any]:
        _at_root(request)
        return {"sandboxes": [_shown(core, state) for state in await manager.list_states(core)]}

    @router.post(
        "/sandboxes",
        status_code=201,
        tags=[_TAG],
        summary="Make a sandbox",
        description="`adminKey`, the sandbox's own key, is shown this once, and only where keys are demanded. "
        "It opens the control API of this sandbox and `/sandboxes/{name}`, nothing else.",
        responses=responses(400, 404, 409),
    )
    async def create_sandbox(request: Request, response: Response, body: NewSandbox) -> dict[str, Any]:
        _at_root(request)
        key = _new_key(core)
        state = await manager.create(
            core,
            body.name,
            seed=body.seed,
            settings=body.settings,
            faults=body.faults,
            expires_in=body.expires_in,
            key=key,
            seeder=_seeder(ports, body.content, body.scenario),
        )
        return _made(core, request, response, state, key)

    @router.get("/sandboxes/{name}", tags=[_TAG], summary="One sandbox", responses=responses(404))
    async def get_sandbox(request: Request, name: Name) -> dict[str, Any]:
        _at_root(request)
        state = await manager.state(core, name)
        if state is None:
            raise Refusal(Reason.NOT_FOUND, "no sandbox of that name, or it has expired", source="R64")
        return _shown(core, state)

    @router.patch(
        "/sandboxes/{name}",
        tags=[_TAG],
        summary="Change a sandbox's own settings and faults",
        responses=responses(400, 404),
    )
    async def change_sandbox(request: Request, name: Name, body: SandboxChange) -> dict[str, Any]:
        _at_root(request)
        return _shown(core, await manager.configure(core, name, settings=body.settings, faults=body.faults))

    @router.delete(
        "/sandboxes/{name}",
        status_code=204,
        tags=[_TAG],
        summary="Take a sandbox away with all it holds",
        responses=responses(404, 409),
    )
    async def delete_sandbox(request: Request, name: Name) -> None:
        _at_root(request)
        await manager.delete(core, name)

    @router.post(
        "/sandboxes/{name}/reset",
        tags=[_TAG],
        summary="Empty a sandbox and fill it anew",
        description="People, data, clients, journal and audit chains begin anew; clock and faults go back to normal. "
        "The sandbox's own settings, its key, its end and its snapshots stay.",
        responses=responses(400, 404),
    )
    async def reset_sandbox(request: Request, name: Name, body: ResetSandbox | None = None) -> dict[str, Any]:
        _at_root(request)
        wanted = body or ResetSandbox()
        seeder = _seeder(ports, wanted.content, wanted.scenario)
        return _shown(core, await manager.reset(core, name, seeder=seeder))

    @router.post(
        "/sandboxes/{name}/clone",
        status_code=201,
        tags=[_TAG],
        summary="Make a sandbox with the state of another",
        description="Copies people, data, settings, clients, clock, faults and own issuer keys; the clone begins its "
        "own journal and audit chains, and has no snapshots.",
        responses=responses(400, 404, 409),
    )
    async def clone_sandbox(
        request: Request, response: Response, name: Name, body: CloneSandbox | None = None
    ) -> dict[str, Any]:
        _at_root(request)
        wanted, key = body or CloneSandbox(), _new_key(core)
        state = await snapshots.clone(core, name, wanted.name, expires_in=wanted.expires_in, key=key)
        return _made(core, request, response, state, key)

    @router.post(
        "/sandboxes/{name}/key",
        tags=[_TAG],
        summary="Give a sandbox a new admin key of its own",
        description="Shown this once; the one it had opens nothing any more.",
        responses=responses(404, 409),
    )
    async def change_key(request: Request, name: Name) -> dict[str, str]:
        _at_root(request)
        key = keys.new(core.ids)
        await manager.set_key(core, name, key)
        return {"adminKey": key}


def _snapshots(router: APIRouter, core: Core) -> None:
    @router.get("/sandboxes/{name}/snapshots", tags=[_TAG], summary="A sandbox's snapshots", responses=responses(404))
    async def list_snapshots(request: Request, name: Name) -> dict[str, Any]:
        _at_root(request)
        return {"snapshots": [_taken(each) for each in await snapshots.listed(core, name)]}

    @router.post(
        "/sandboxes/{name}/snapshots",
        status_code=201,
        tags=[_TAG],
        summary="Keep a sandbox as it is now",
        description=f"A sandbox has at most {snapshots.MOST} snapshots.",
        responses=responses(400, 404, 409),
    )
    async def take_snapshot(
        request: Request, response: Response, name: Name, body: NewSnapshot | None = None
    ) -> dict[str, Any]:
        _at_root(request)
        taken = await snapshots.take(core, name, None if body is None else body.name)
        response.headers["Location"] = f"{trail_of(request).call.base}/sandboxes/{name}/snapshots/{taken.name}"
        return _taken(taken)

    @router.post(
        "/sandboxes/{name}/snapshots/{snapshot}/restore",
        tags=[_TAG],
        summary="Make a sandbox as it was when a snapshot was taken",
        description="Brings back people, data, settings, clients, clock, faults and own issuer keys. Journal and audit "
        "chains go on: when the clock goes back past the newest record, the chain's verification warns of it (R32).",
        responses=responses(404),
    )
    async def restore_snapshot(request: Request, name: Name, snapshot: SnapshotName) -> dict[str, Any]:
        _at_root(request)
        return _shown(core, await snapshots.restore(core, name, snapshot))

    @router.delete(
        "/sandboxes/{name}/snapshots/{snapshot}",
        status_code=204,
        tags=[_TAG],
        summary="Take a snapshot away",
        responses=responses(404),
    )
    async def delete_snapshot(request: Request, name: Name, snapshot: SnapshotName) -> None:
        _at_root(request)
        await snapshots.forget(core, name, snapshot)


def _time_of(router: APIRouter, core: Core) -> None:
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


def _seeder(ports: Ports, content: str | None, scenario: Any) -> Seeder | None:
    if scenario is None:
        return None if content == "empty" else ports.seeder
    if content is not None:
        raise Refusal(Reason.CONTENT_INVALID, "a scenario is the content; leave one out", extra={"pointer": "/content"})
    if ports.scenario is None:
        raise HTTPException(501, "this installation has no scenarios")
    return ports.scenario(scenario)


def _new_key(core: Core) -> str | None:
    return keys.new(core.ids) if keys.demanded(core.settings) else None


def _made(core: Core, request: Request, response: Response, state: SandboxState, key: str | None) -> dict[str, Any]:
    call = trail_of(request).call
    response.headers["Location"] = f"{call.base}/sandboxes/{state.id}"
    shown = {**_shown(core, state), "base": f"{call.root}/s/{state.id}"}
    return shown if key is None else {**shown, "adminKey": key}


def _shown(core: Core, state: SandboxState) -> dict[str, Any]:
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


def _taken(snapshot: Snapshot) -> dict[str, str]:
    return {"name": snapshot.name, "at": rfc3339(snapshot.at)}


def _at_root(request: Request) -> None:
    if trail_of(request).call.sandbox.id != DEFAULT:
        raise Refusal(Reason.NOT_FOUND, "sandboxes are listed and made outside a named sandbox", source="R61")


def _clock(state: SandboxState, sandbox: float, real: float) -> dict[str, Any]:
    return {"now": rfc3339(sandbox), "real": rfc3339(real), "frozen": state.clock.frozen_at is not None}


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)
