"""The admin key, asked for before anything else of a control call is looked at: path, body or existence."""

from __future__ import annotations

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core import Core
from app.errors import Refusal
from app.routers import problems
from app.routers.common import require_admin


class Guard:
    """Middleware: a call without the key ends here, whatever it is for."""

    def __init__(self, app: ASGIApp, core: Core) -> None:
        self._app = app
        self._core = core

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                await require_admin(self._core, Request(scope))
            except Refusal as refusal:
                await problems.refused(refusal)(scope, receive, send)
                return
        await self._app(scope, receive, send)
