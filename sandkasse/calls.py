"""One implementation for sync and async: an operation says what to ask and reads the answer; two callers do the asking.

An operation is a generator that yields ``Ask`` and is sent the answer; its return value is the result. Seen on a
``Sync`` object it is an ordinary method, on an ``Async`` object a coroutine method.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

import httpx

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. ``patience`` is the time-out in seconds, where it is not the client's own."""

    method: str
    url: str
    params: Mapping[str, str] | None = None
    json: Any = None
    form: Mapping[str, str | list[str]] | None = None
    content: bytes | None = None
    headers: Mapping[str, str] | None = None
    patience: float | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """What ``httpx`` wants to be given."""
        given = {"params": self.params, "json": self.json, "data": self.form, "content": self.content}
        return {
            "method": self.method,
            "url": self.url,
            "headers": self.headers,
            "follow_redirects": False,
            "timeout": httpx.USE_CLIENT_DEFAULT if self.patience is None else self.patience,
            **{name: value for name, value in given.items() if value is not None},
        }


Steps = Generator[Ask, httpx.Response, T]


class Sync:
    """Asks and waits."""

    _http: httpx.Client

    def _run(self, steps: Steps[T]) -> T:
        try:
            ask = next(steps)
            while True:
                ask = steps.send(self._http.request(**ask.arguments))
        except StopIteration as done:
            result: T = done.value
            return result


class Async:
    """Asks, and lets others work meanwhile."""

    _http: httpx.AsyncClient

    async def _run(self, steps: Steps[T]) -> T:
        try:
            ask = next(steps)
            while True:
                ask = steps.send(await self._http.request(**ask.arguments))
        except StopIteration as done:
            result: T = done.value
            return result


class operation(Generic[P, T]):
    """Makes a generator method callable on ``Sync`` and ``Async`` objects."""

    def __init__(self, steps: Callable[Concatenate[Any, P], Steps[T]]) -> None:
        self._steps = steps
        self.__doc__ = steps.__doc__

    @overload
    def __get__(self, caller: None, owner: type) -> Self: ...
    @overload
    def __get__(self, caller: Sync, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, caller: Async, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, caller: Sync | Async | None, owner: type) -> Any:
        if caller is None:
            return self

        @functools.wraps(self._steps)
        def call(*args: P.args, **kwargs: P.kwargs) -> Any:
            return caller._run(self._steps(caller, *args, **kwargs))

        return call


class temporary(Generic[P, T]):
    """Makes a pair of operations a context manager: the first at its start, ``undo`` with its result at the end."""

    def __init__(self, steps: Callable[Concatenate[Any, P], Steps[T]], undo: Callable[[Any, T], Steps[None]]) -> None:
        self._steps = steps
        self._undo = undo
        self.__doc__ = steps.__doc__

    @overload
    def __get__(self, caller: None, owner: type) -> Self: ...
    @overload
    def __get__(self, caller: Sync, owner: type) -> Callable[P, AbstractContextManager[T]]: ...
    @overload
    def __get__(self, caller: Async, owner: type) -> Callable[P, AbstractAsyncContextManager[T]]: ...
    def __get__(self, caller: Sync | Async | None, owner: type) -> Any:
        if caller is None:
            return self
        if isinstance(caller, Sync):
            return functools.partial(self._held, caller)
        return functools.partial(self._held_async, caller)

    @contextmanager
    def _held(self, caller: Sync, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        made = caller._run(self._steps(caller, *args, **kwargs))
        try:
            yield made
        finally:
            caller._run(self._undo(caller, made))

    @asynccontextmanager
    async def _held_async(self, caller: Async, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        made = await caller._run(self._steps(caller, *args, **kwargs))
        try:
            yield made
        finally:
            await caller._run(self._undo(caller, made))
