"""How the sandbox's own services say no: application/problem+json (RFC 9457) with a JSON pointer to what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from enum import Enum
from http import HTTPStatus
from typing import Any, Final

import orjson
from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException as StarletteHTTPException

from app.errors import Reason, Refusal
from app.sandboxes.forms import pointer_to

MEDIA_TYPE: Final = "application/problem+json"

STATUS: Final[dict[Reason, int]] = {
    Reason.ADMIN_KEY_INVALID: 401,
    Reason.NOT_FOUND: 404,
    Reason.PATIENT_UNKNOWN: 404,
    Reason.CONFLICT: 409,
    Reason.BODY_TOO_LARGE: 413,
    Reason.CONTENT_TYPE_INVALID: 415,
    Reason.INTERNAL: 500,
    Reason.STORE_UNAVAILABLE: 503,
    Reason.AUDIT_UNAVAILABLE: 503,
}
"""Status of each reason; the others are 400."""


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` in problem form."""
    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(StarletteHTTPException, _http)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entries of the errors an operation gives."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in (401, *statuses)
    }


PROBLEM_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "example": "about:blank"},
        "title": {"type": "string", "example": "Bad Request"},
        "status": {"type": "integer", "example": 400},
        "detail": {"type": "string"},
        "pointer": {"type": "string", "description": "JSON pointer into the body", "example": "/kind"},
    },
}


def limited_router(limit: int, tags: list[str | Enum] | None = None) -> APIRouter:
    """A router for a part of the API: bodies end at ``limit`` bytes, and errors are documented."""
    return APIRouter(route_class=limited_route(limit), responses=responses(), tags=tags)


def limited_route(limit: int) -> type[APIRoute]:
    """A route that stops reading a body at ``limit`` bytes."""

    class LimitedRequest(Request):
        async def body(self) -> bytes:
            if not hasattr(self, "_body"):
                read = bytearray()
                async for chunk in self.stream():
                    read += chunk
                    if len(read) > limit:
                        # FastAPI turns other exceptions raised while it reads into 400.
                        raise HTTPException(413, f"the body is larger than {limit} bytes")
                self._body = bytes(read)
            return self._body

    class LimitedRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handler = super().get_route_handler()

            async def limited(request: Request) -> Response:
                return await handler(LimitedRequest(request.scope, request.receive))

            return limited

    return LimitedRoute


def problem(status: int, detail: str, pointer: str | None = None) -> Response:
    """An answer in problem form."""
    body = {"type": "about:blank", "title": phrase(status), "status": status, "detail": detail}
    if pointer is not None:
        body["pointer"] = pointer
    return Response(orjson.dumps(body), status, media_type=MEDIA_TYPE)


def refused(refusal: Refusal) -> Response:
    """The answer to a refusal."""
    return problem(STATUS.get(refusal.reason, 400), refusal.detail, refusal.extra.get("pointer"))


def phrase(status: int) -> str:
    """The usual words for a status, also for one that has none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error" if status >= 400 else "OK"


async def _refusal(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return refused(error)


async def _validation(_request: Request, error: Exception) -> Response:
    """The first thing wrong; what was sent is never repeated, it may hold a patient's number."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place, *path = first["loc"]
    if place != "body":
        return problem(400, f"{'.'.join(str(part) for part in path)}: {first['msg']}")
    if first["type"] == "json_invalid":
        return problem(400, "the body is not JSON", "")
    return problem(400, str(first["msg"]), pointer_to(path))


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    answer = problem(error.status_code, error.detail)
    answer.headers.update(error.headers or {})
    return answer
