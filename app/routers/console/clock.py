"""The sandbox's clock: read, set, advance, stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.core import Core
from app.errors import Reason, Refusal
from app.routers.common import trail_of
from app.routers.console import view
from app.routers.console.guard import Form, form_of, guarded
from app.sandboxes import manager
from app.sandboxes.manager import ClockChange

STEPS: Final[Mapping[str, float]] = {
    "minute": 60.0,
    "hour": 3_600.0,
    "day": 86_400.0,
    "fortnight": 1_209_600.0,
    "year": 31_536_000.0,
}
"""Seconds of each step forward."""
_OSLO: Final = ZoneInfo("Europe/Oslo")


def routes(core: Core) -> APIRouter:
    """The page of the clock."""
    router = APIRouter(route_class=guarded(core), include_in_schema=False)

    def shown(request: Request, error: Refusal | None = None) -> Response:
        moment = trail_of(request).call.moment
        field = datetime.fromtimestamp(moment.sandbox, _OSLO).strftime("%Y-%m-%dT%H:%M:%S")
        return view.page(request, "clock.html", error=error, moment=moment, steps=list(STEPS), field=field)

    @router.get("/clock")
    async def clock(request: Request) -> Response:
        return shown(request)

    @router.post("/clock")
    async def move(request: Request) -> Response:
        try:
            await manager.move_clock(core, trail_of(request).call.sandbox.id, _change(form_of(request)))
        except Refusal as refusal:
            return shown(request, refusal)
        return view.moved(request, "/clock", "clock")

    return router


def _change(form: Form) -> ClockChange:
    """What a form asks for. Raises ``Refusal(CONTENT_INVALID)``."""
    force = form.get("force") == "yes"
    known = _ACTIONS.get(form.get("action", ""))
    if known is not None:
        return known(force)
    step = STEPS.get(form.get("step", ""))
    if step is not None:
        return ClockChange(advance=step, force=force)
    try:
        to = datetime.fromisoformat(form.get("now", "")[:40])
        seconds = (to if to.tzinfo is not None else to.replace(tzinfo=_OSLO)).timestamp()
    except (ValueError, OverflowError) as error:
        raise Refusal(Reason.CONTENT_INVALID, "now: a date and a time, as in 2026-11-21T09:00") from error
    return ClockChange(to=seconds, force=force)


_ACTIONS: Final[Mapping[str, Callable[[bool], ClockChange]]] = {
    "real": lambda force: ClockChange(to="real", frozen=False, force=force),
    "freeze": lambda force: ClockChange(frozen=True, force=force),
    "start": lambda force: ClockChange(frozen=False, force=force),
}
