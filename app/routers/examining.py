"""What every service's reader of a request to be explained needs: faults are kept instead of raised (ruling R63)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

from fastapi import FastAPI, Request
from starlette.routing import Match

from app.errors import Reason, Refusal
from app.trust.examine import Asked, Flaws

Reader = Callable[[Request, Flaws], Awaitable[Asked | None]]
"""Reads a request to one service without answering it; None when there is nothing left for the policy to judge."""

T = TypeVar("T")
_SOURCE: Final = "the OpenAPI document of the service"


def tried(read: Callable[[], T], flaws: Flaws, otherwise: T) -> T:
    """What ``read`` gives, or ``otherwise`` when it refuses."""
    try:
        return read()
    except Refusal as refusal:
        flaws.refuse(refusal)
        return otherwise


def declared(request: Request, operations: Iterable[tuple[str, str]], flaws: Flaws) -> bool:
    """Whether one of the ``(method, path)`` operations is asked for; what is wrong is kept."""
    known = list(operations)
    path = request.scope["path"]
    allowed = [method for method, at in known if at == path]
    if not allowed:
        paths = ", ".join(sorted({at for _, at in known}))
        flaws.refuse(
            Refusal(Reason.ROUTE_UNKNOWN, f"the service has no operation at {path}; it has {paths}", source=_SOURCE)
        )
    elif request.method not in allowed:
        flaws.refuse(Refusal(Reason.METHOD_NOT_ALLOWED, f"the method must be {' or '.join(allowed)}", source=_SOURCE))
        return True
    return bool(allowed)


def by_routes(app: FastAPI) -> Reader:
    """The reader of a service that has no rules of its own to tell of: is there such an operation at all?"""

    async def read(request: Request, flaws: Flaws) -> Asked | None:
        found = [route.matches(request.scope)[0] for route in app.routes]
        if Match.FULL in found:
            return None
        if Match.PARTIAL in found:
            flaws.refuse(Refusal(Reason.METHOD_NOT_ALLOWED, "the operation takes another method", source=_SOURCE))
        else:
            flaws.refuse(Refusal(Reason.ROUTE_UNKNOWN, "the service has no operation at this address", source=_SOURCE))
        return None

    return read
