"""The outermost middleware: which sandbox and service a call is for, its exchange id, and its journal.

It is plain ASGI: it hands the call to the service's own application, sends header names in canonical
case (real-clients.md C6), and answers unknown sandboxes itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import orjson

from app import addresses
from app.core import Core
from app.errors import Refusal
from app.ids import new_ulid
from app.routers import journal
from app.routers.common import SCOPE_KEY, call_of, headers_of
from app.routers.faulting import faulted
from app.routers.wire import App, Message, Receive, Scope, Send, spelling
from app.sandboxes import manager
from app.store.engine import Unit
from app.trust.trail import Trail

EXCHANGE_HEADER: Final = b"Sandbox-Exchange"
_UNJOURNALED: Final = frozenset({addresses.WEB, "control"})


class Resolver:
    """Dispatches to ``apps[service]`` with the tail as path. ``apps['web']`` takes what no mount claims."""

    def __init__(self, core: Core, apps: Mapping[str, App], lifespan: App) -> None:
        self._core = core
        self._apps = apps
        self._lifespan = lifespan

    def stopping(self) -> None:
        """The server stops: journal streams end, and calls that wait for the journal answer."""
        self._core.store.bell.close()

    def complete(self) -> Iterator[str]:
        """Ask for every application, one a step: those made when first asked for wait for nobody later."""
        for name in self._apps:
            self._apps[name]
            yield name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        self._core.store.entered()
        try:
            await self._answer(scope, receive, send)
        finally:
            self._core.store.left()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        core = self._core
        exchange = new_ulid(core.ids, core.clock.time())
        named = _naming(scope, send, exchange)
        scheme, host = self._seen(scope)
        where = self._where(scope, scheme, host)
        try:
            sandbox = await manager.state(core, where.sandbox)
        except Refusal:
            await _problem(named, 503, "The store does not answer", "try again later")
            return
        if sandbox is None:
            await _problem(named, 404, "Unknown sandbox", "no sandbox of that name, or it has expired")
            return
        trail = Trail(call_of(core, where, sandbox, exchange, host))
        inner = dict(scope)
        inner.update(path=where.tail, raw_path=where.tail.encode(), root_path="", app_root_path="")
        inner[SCOPE_KEY] = trail
        app = self._apps[where.service if where.service in self._apps else addresses.WEB]
        if sandbox.rules and where.service not in _UNJOURNALED:
            app = faulted(core, trail, app)
        keep = core.settings.journal_body_bytes
        if not core.settings.journal or where.service in _UNJOURNALED:
            await app(inner, receive, named)
            return
        recorder = _Recorder(receive, named, keep)
        try:
            await app(inner, recorder.receive, recorder.send)
        finally:
            row = journal.row(
                trail,
                method=scope["method"],
                target=trail.call.url
                + ("?" + scope["query_string"].decode("latin-1") if scope["query_string"] else ""),
                headers=scope["headers"],
                request_body=bytes(recorder.asked),
                status=recorder.status,
                answer_headers=recorder.headers,
                answer_body=bytes(recorder.answered),
                answer_size=recorder.size,
                seconds=core.clock.time() - trail.call.moment.real,
                keep=keep,
            )
            core.store.post(Unit(exchange=row))

    def _where(self, scope: Scope, scheme: str, host: str) -> addresses.Resolved:
        settings, here = self._core.settings, scope.get("server")
        if settings.selvbetjening_port is not None and here is not None and here[1] == settings.selvbetjening_port:
            service = "selvbetjening-api"
            return addresses.resolve_at_root(scheme, host, scope["path"], service, settings.port)
        return addresses.resolve(scheme, host, scope["path"], public_url=settings.public_url)

    def _seen(self, scope: Scope) -> tuple[str, str]:
        sent = headers_of(scope)
        scheme, host = scope.get("scheme", "http"), _last(sent, b"host")
        peer = scope.get("client")
        # Forwarded headers count only from proxies that are named (ruling R27).
        if peer is not None and peer[0] in self._core.settings.trusted_proxies:
            scheme = _last(sent, b"x-forwarded-proto").split(",")[0].strip() or scheme
            host = _last(sent, b"x-forwarded-host").split(",")[0].strip() or host
        return scheme, host or "localhost"


def _last(sent: Mapping[bytes, Sequence[bytes]], name: bytes) -> str:
    return sent[name][-1].decode("latin-1") if name in sent else ""


class _Recorder:
    """Passes messages through and keeps the beginning of both bodies."""

    def __init__(self, receive: Receive, send: Send, keep: int) -> None:
        self._receive = receive
        self._send = send
        self._keep = keep
        self.asked = bytearray()
        self.answered = bytearray()
        self.size = 0
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request" and len(self.asked) < self._keep:
            self.asked += message.get("body", b"")[: self._keep - len(self.asked)]
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            body = message.get("body", b"")
            self.size += len(body)
            if len(self.answered) < self._keep:
                self.answered += body[: self._keep - len(self.answered)]
        await self._send(message)


def _naming(scope: Scope, send: Send, exchange: str) -> Send:
    """Sends header names in canonical case, and the id of the exchange."""
    spelled = spelling(scope)
    added = spelled(EXCHANGE_HEADER), exchange.encode()

    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(spelled(name), value) for name, value in message.get("headers", ())]
            headers.append(added)
            message = {**message, "headers": headers}
        await send(message)

    return sender


async def _problem(send: Send, status: int, title: str, detail: str) -> None:
    body = orjson.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail})
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
