"""Sandboxes: those there are, new ones, resets, snapshots and clones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.core import Core
from app.errors import Reason, Refusal
from app.routers.common import trail_of
from app.routers.console import view
from app.routers.console.guard import Form, form_of, guarded, opens_everything
from app.routers.control.ports import Ports
from app.sandboxes import keys, manager, snapshots
from app.sandboxes.state import DEFAULT, SandboxState

_HOUR: Final = 3_600.0
_MOST_HOURS: Final = 87_600


@dataclass(frozen=True, slots=True)
class Made:
    """A sandbox that was just made, with its key where keys are demanded."""

    name: str
    key: str | None


def routes(core: Core, ports: Ports) -> APIRouter:
    """The page of the sandboxes. Its own key manages one sandbox, the installation's key all of them."""
    router = APIRouter(route_class=guarded(core), include_in_schema=False)

    async def shown(
        request: Request, error: Refusal | None = None, made: Made | None = None, status: int | None = None
    ) -> Response:
        call, everything = trail_of(request).call, await opens_everything(core, request)
        states = await manager.list_states(core) if everything else [call.sandbox]
        taken = {each.id: await snapshots.listed(core, each.id) for each in states if each.id == call.sandbox.id}
        return view.page(
            request,
            "sandboxes.html",
            status=status,
            error=error,
            states=[(each, each.moment(core.clock.time()).sandbox) for each in states],
            snapshots=taken.get(call.sandbox.id, []),
            everything=everything,
            made=made,
            home=_home(request),
            default=DEFAULT,
            form=form_of(request),
        )

    @router.get("/sandboxes")
    async def sandboxes(request: Request) -> Response:
        return await shown(request)

    @router.post("/sandboxes")
    async def create(request: Request) -> Response:
        form = form_of(request)
        try:
            if not await opens_everything(core, request):
                raise Refusal(Reason.ADMIN_KEY_INVALID, "the installation's key makes sandboxes")
            made = await _create(core, ports, form)
        except Refusal as refusal:
            return await shown(request, refusal)
        return await shown(request, made=made, status=201)

    @router.post("/sandboxes/{name}/{action}")
    async def act(request: Request, name: str, action: str) -> Response:
        own = name == trail_of(request).call.sandbox.id
        try:
            if not own and not await opens_everything(core, request):
                raise Refusal(Reason.NOT_FOUND, "no sandbox of that name, or it has expired")
            work = _ACTIONS.get(action)
            if work is None:
                raise Refusal(Reason.NOT_FOUND, "no such action")
            made = await work(core, ports, name, form_of(request))
        except Refusal as refusal:
            return await shown(request, refusal)
        if isinstance(made, Made):
            return await shown(request, made=made, status=201)
        if own and action == "delete":
            # What the address names is gone: the list of the installation is the place to go on.
            return view.elsewhere(f"{_home(request)}/sandboxes?done=sandbox")
        return view.moved(request, "/sandboxes", "sandbox")

    return router


async def _create(core: Core, ports: Ports, form: Form) -> Made:
    key = keys.new(core.ids) if keys.demanded(core.settings) else None
    state = await manager.create(
        core,
        form.get("name") or None,
        seed=form.get("seed") or None,
        expires_in=_seconds(form),
        key=key,
        seeder=ports.seeder if form.get("content") != "empty" else None,
    )
    return Made(state.id, key)


async def _reset(core: Core, ports: Ports, name: str, form: Form) -> SandboxState:
    return await manager.reset(core, name, seeder=ports.seeder if form.get("content") != "empty" else None)


async def _delete(core: Core, _: Ports, name: str, __: Form) -> None:
    await manager.delete(core, name)


async def _clone(core: Core, _: Ports, name: str, form: Form) -> Made:
    key = keys.new(core.ids) if keys.demanded(core.settings) else None
    state = await snapshots.clone(core, name, form.get("name") or None, expires_in=_seconds(form), key=key)
    return Made(state.id, key)


async def _snapshot(core: Core, _: Ports, name: str, form: Form) -> object:
    return await snapshots.take(core, name, form.get("name") or None)


async def _restore(core: Core, _: Ports, name: str, form: Form) -> object:
    return await snapshots.restore(core, name, form.get("snapshot", ""))


async def _forget(core: Core, _: Ports, name: str, form: Form) -> None:
    await snapshots.forget(core, name, form.get("snapshot", ""))


_Action = Callable[[Core, Ports, str, Form], Awaitable[object]]
_ACTIONS: Final[Mapping[str, _Action]] = {
    "reset": _reset,
    "delete": _delete,
    "clone": _clone,
    "snapshot": _snapshot,
    "restore": _restore,
    "forget": _forget,
}


def _seconds(form: Form) -> float | None:
    """How long a new sandbox lives. Raises ``Refusal(CONTENT_INVALID)``."""
    hours = form.get("hours", "").strip()
    if not hours:
        return None
    if not (hours.isascii() and hours.isdigit() and len(hours) < 7 and 1 <= int(hours) <= _MOST_HOURS):
        raise Refusal(Reason.CONTENT_INVALID, f"hours: a whole number from 1 to {_MOST_HOURS}")
    return int(hours) * _HOUR


def _home(request: Request) -> str:
    """The address of the installation, outside every named sandbox."""
    call = trail_of(request).call
    return call.root.removesuffix(f"/s/{call.sandbox.id}")
