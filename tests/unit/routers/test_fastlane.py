"""A lane answers as the route does, whatever the handler does."""

from __future__ import annotations

import httpx
import pytest
from fastapi import Request
from fastapi.responses import PlainTextResponse, Response

from app.errors import Reason, Refusal
from app.routers.fastlane import FastLane


def _app(*, lanes: bool, failure_handled: bool) -> FastLane:
    app = FastLane()

    async def endpoint(request: Request) -> Response:
        match (await request.body()).decode():
            case "refuse":
                raise Refusal(Reason.HEADER_INVALID, "no")
            case "fail":
                raise ZeroDivisionError
            case text:
                return PlainTextResponse(text, 201, headers={"X-Seen": request.headers.get("X-Sent", "")})

    app.add_api_route("/it", endpoint, methods=["POST"])
    if lanes:
        app.add_lane("POST", "/it", endpoint)

    @app.exception_handler(Refusal)
    async def refused(_request: Request, refusal: Refusal) -> Response:
        return PlainTextResponse(refusal.detail, 400)

    if failure_handled:

        @app.exception_handler(Exception)
        async def failed(_request: Request, _error: Exception) -> Response:
            return PlainTextResponse("ours", 500)

    return app


async def _ask(app: FastLane, method: str, path: str, body: str) -> tuple[int, str, str | None]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        answer = await http.request(method, path, content=body, headers={"X-Sent": "yes"})
        return answer.status_code, answer.text, answer.headers.get("X-Seen")


@pytest.mark.parametrize("failure_handled", [True, False])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/it", "hello"),
        ("POST", "/it", "refuse"),
        ("POST", "/it", "fail"),
        ("GET", "/it", ""),
        ("POST", "/it/", ""),
        ("POST", "/other", ""),
    ],
)
async def test_the_lane_and_the_route_answer_alike(method: str, path: str, body: str, failure_handled: bool) -> None:
    fast, plain = (_app(lanes=lanes, failure_handled=failure_handled) for lanes in (True, False))
    assert await _ask(fast, method, path, body) == await _ask(plain, method, path, body)


async def test_an_unforeseen_error_is_answered_and_still_reaches_the_server() -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(_app(lanes=True, failure_handled=True)), base_url="http://test"
    ) as http:
        with pytest.raises(ZeroDivisionError):
            await http.post("/it", content="fail")
