"""Header names in canonical case on the socket (real-clients.md C6).

uvicorn sends ``name.lower()``, and one published client compares ``DPoP-Nonce`` case-sensitively. Only a real
server is wrapped in this: to a client in the same process the names are plain bytes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import lru_cache
from typing import Any, Final

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
Scope = MutableMapping[str, Any]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

TRANSPORT: Final = "sandkasse.transport"
"""Scope extension of our own server: the connection itself (``asyncio.Transport``), for faults that cut it."""
_KEPT: Final = "sandkasse.kept-case"
_CANONICAL: Final = {
    b"www-authenticate": b"WWW-Authenticate",
    b"dpop-nonce": b"DPoP-Nonce",
    b"etag": b"ETag",
    b"nhn-securitylabel-nors-count": b"NHN-SecurityLabel-Nors-Count",
}
_READ_BY_THE_SERVER: Final = frozenset({b"content-length", b"transfer-encoding", b"connection"})


class HeaderName(bytes):
    """A header name that stays as it is written."""

    def lower(self) -> HeaderName:
        return self


class KeepingCase:
    """An ASGI application whose header names reach the socket as they were given.

    It only tells ``spelling`` so. ``stopping`` is to be called when the server begins to stop: answers that never end
    are ended by it. The steps of ``complete`` are to be taken when it has started: they make what the first answers
    did without.
    """

    def __init__(
        self,
        app: App,
        stopping: Callable[[], None] = lambda: None,
        complete: Callable[[], Iterable[object]] = tuple,
    ) -> None:
        self._app = app
        self.stopping = stopping
        self.complete = complete

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[_KEPT] = True
        await self._app(scope, receive, send)


def spelling(scope: Scope) -> Callable[[bytes], bytes]:
    """How the header names of the answer to ``scope`` are to be handed to the server: in canonical case."""
    return _kept if _KEPT in scope else _canonical


@lru_cache(maxsize=256)
def _canonical(name: bytes) -> bytes:
    return _CANONICAL.get(name) or (name.title() if name.islower() else name)


@lru_cache(maxsize=256)
def _kept(name: bytes) -> bytes:
    lowered = name.lower()
    return lowered if lowered in _READ_BY_THE_SERVER else HeaderName(_canonical(name))
