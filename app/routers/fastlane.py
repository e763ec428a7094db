"""A FastAPI application whose busiest routes skip routing, dependency solving and middleware.

The routes stay declared, for the documentation and for every other use of them; a request that matches one of the
lanes exactly goes straight to the same handler and, when that raises, to the same exception handlers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

Endpoint = Callable[[Request], Awaitable[Response]]


class FastLane(FastAPI):
    """Its exception handlers must be coroutines. Middleware, if any, does not see the lanes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._lanes: dict[tuple[str, str], Endpoint] = {}

    def add_lane(self, method: str, path: str, endpoint: Endpoint) -> None:
        """Answer ``method`` requests to exactly ``path`` with ``endpoint``, which must also be a route."""
        self._lanes[method, path] = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._lanes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if endpoint is None:
            await super().__call__(scope, receive, send)
            return
        request = Request(scope, receive, send)
        try:
            response = await endpoint(request)
        except Exception as error:
            kind = next(kind for kind in type(error).__mro__ if kind in self.exception_handlers or kind is Exception)
            response = await self._handled(kind, request, error)
            if kind is Exception:
                await response(scope, receive, send)
                raise  # the server logs it, as it does for any route
        await response(scope, receive, send)

    async def _handled(self, kind: type[Any], request: Request, error: Exception) -> Response:
        if kind not in self.exception_handlers:
            return PlainTextResponse("Internal Server Error", 500)
        handler = cast(Callable[[Request, Exception], Awaitable[Response]], self.exception_handlers[kind])
        return await handler(request, error)
