"""One implementation for sync and async."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from sandkasse.calls import Ask, Async, Steps, Sync, operation, temporary


def _echo(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, text=f"{request.method} {request.url.path}")


class _Things:
    def __init__(self) -> None:
        self.open: list[str] = []

    def _twice(self, name: str) -> Steps[str]:
        first = yield Ask("GET", f"http://x/{name}")
        second = yield Ask("PUT", f"http://x/{name}")
        self.open.append(name)
        return f"{first.text}, {second.text}"

    def _undo(self, _made: str) -> Steps[None]:
        yield Ask("DELETE", "http://x/")
        self.open.pop()

    @operation
    def twice(self, name: str) -> Steps[str]:
        """Asks twice."""
        return (yield from self._twice(name))

    during = temporary(_twice, _undo)


class Waiting(_Things, Sync):
    def __init__(self) -> None:
        super().__init__()
        self._http = httpx.Client(transport=httpx.MockTransport(_echo))


class Awaited(_Things, Async):
    def __init__(self) -> None:
        super().__init__()
        self._http = httpx.AsyncClient(transport=httpx.MockTransport(_echo))


def test_an_operation_waits_or_is_awaited() -> None:
    assert Waiting().twice("a") == "GET /a, PUT /a"
    assert asyncio.run(Awaited().twice("a")) == "GET /a, PUT /a"


def test_help_shows_what_it_does() -> None:
    assert Waiting.twice.__doc__ == Waiting().twice.__doc__ == "Asks twice."
    assert Waiting.during.__doc__ is None


def test_what_is_temporary_is_undone_even_after_an_error() -> None:
    things = Waiting()

    def work() -> None:
        with things.during("a") as made:
            assert (made, things.open) == ("GET /a, PUT /a", ["a"])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    assert things.open == []


def test_the_same_for_async() -> None:
    async def work() -> list[str]:
        things = Awaited()
        async with things.during("a"):
            inside = list(things.open)
        assert things.open == []
        return inside

    assert asyncio.run(work()) == ["a"]


def test_an_error_of_the_connection_reaches_the_caller() -> None:
    def fail(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("gone")

    things = Waiting()
    things._http = httpx.Client(transport=httpx.MockTransport(fail))
    with pytest.raises(httpx.ConnectError, match="gone"):
        things.twice("a")
