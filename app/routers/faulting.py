"""Makes the fault rules of a sandbox come true, around a service's application (design section 5).

Each effect is plain ASGI: it has the rest of the call as an application, which it runs wholly, changes the call for,
or leaves out. What the service does is never cut in the middle: an answer is lost before the work begins or after
it is durable. Then the audit says released, as it must: nobody can tell what reached the client.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote_plus

from fastapi import Request
from fastapi.responses import PlainTextResponse, Response

from app import identity
from app.core import Core
from app.errors import Refusal
from app.routers.common import FORM, parse_form
from app.routers.fault_forms import in_form_of
from app.routers.problems import phrase
from app.routers.wire import TRANSPORT, App, Message, Receive, Scope, Send
from app.sandboxes import faults
from app.sandboxes.faults import Asked, Rule
from app.store import faults as counts
from app.store import registers, sandboxes
from app.store.engine import Connection
from app.trust import issuer_keys
from app.trust.jose import JoseError, parse
from app.trust.trail import Trail

_CANDIDATE: Final = re.compile(rb"(?<!\d)\d{11}(?!\d)")
_MOST_CANDIDATES: Final = 200
_LONGEST_JWT: Final = 16_384
_CLIENT_CLAIMS: Final = ("client_id", "iss")
_BODYLESS: Final = frozenset({204, 304})
_TICK: Final = 0.1
_NO_LINGER: Final = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time: close() then sends RST
_DISCONNECT: Final = "http.disconnect"


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that takes effect, on its call number ``seen``."""

    core: Core
    trail: Trail
    rule: Rule
    seen: int
    told: dict[str, Any]  # what the journal shows of it


def faulted(core: Core, trail: Trail, app: App) -> App:
    """``app`` as the rules of the call's sandbox let it be met. The journal finds them as ``notes["fault"]``.

    On a server that does not lend its connection (``wire.TRANSPORT``), ``ConnectionResetError`` is raised where it
    would be cut.
    """

    async def meet(scope: Scope, receive: Receive, send: Send) -> None:
        call, method, body = trail.call, scope["method"], b""
        near = [rule for rule in call.sandbox.rules if faults.reaches(rule, call.service, method, call.tail)]
        if any(rule.match.patient or rule.match.client for rule in near):
            body, receive = await _read_ahead(receive, core.settings.max_body_bytes)
        met = app
        for hit in reversed(await _hits(core, trail, near, scope, body)):
            met = partial(_EFFECTS[hit.rule.effect.kind], hit.rule.effect, hit, met)
        await met(scope, receive, send)

    return meet


async def _hits(core: Core, trail: Trail, near: Sequence[Rule], scope: Scope, body: bytes) -> list[Hit]:
    """What takes effect on the call, of the rules that are for calls like it."""
    if not near:
        return []
    try:
        asked = await _asked(core, trail, near, scope, body)
        matching = [rule for rule in near if faults.matches(rule, asked)]
        hits = await _count(core, trail, matching) if matching else []
    except Refusal:
        return []  # the store does not answer: the service says so in its own form
    if hits:
        trail.notes["fault"] = [hit.told for hit in hits]
        trail.notes["claimedClient"] = next((each for each in sorted(asked.clients) if "://" not in each), None)
    return hits


async def _count(core: Core, trail: Trail, matching: Sequence[Rule]) -> list[Hit]:
    """Which of the rules take effect: counted and decided in one transaction, so that processes agree."""
    sandbox = trail.call.sandbox.id

    def count(conn: Connection) -> list[Hit]:
        if sandboxes.load(conn, sandbox) is None:
            return []  # taken away meanwhile: leaves nothing behind
        known = counts.saw(conn, sandbox, [rule.id for rule in matching])
        chosen = faults.decide(matching, known)
        if chosen:
            counts.took_effect(conn, sandbox, [rule.id for rule in chosen])
        return [
            Hit(core, trail, rule, known[rule.id].seen, {"rule": rule.id, "effect": rule.effect.kind})
            for rule in chosen
        ]

    return await core.store.write(count)


# what a call is known by


async def _read_ahead(receive: Receive, most: int) -> tuple[bytes, Receive]:
    """The beginning of the body, up to about ``most`` bytes, and a ``receive`` that gives all of it again."""
    read: list[Message] = []
    body = bytearray()
    while len(body) < most:
        message = await receive()
        read.append(message)
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    waiting = iter(read)

    async def again() -> Message:
        message = next(waiting, None)
        return await receive() if message is None else message

    return bytes(body), again


async def _asked(core: Core, trail: Trail, near: Sequence[Rule], scope: Scope, body: bytes) -> Asked:
    """Who makes the call and, when a rule asks, whom it is about; nothing is verified, and no number is kept."""
    call, people = trail.call, frozenset[str]()
    if any(rule.match.patient for rule in near):
        people = await _people(core, trail, scope, body)
    return Asked(
        service=call.service,
        method=scope["method"],
        path=call.tail,
        people=people,
        clients=_clients(scope, {**_fields(scope["query_string"]), **(_fields(body) if _is_form(scope) else {})}),
    )


async def _people(core: Core, trail: Trail, scope: Scope, body: bytes) -> frozenset[str]:
    sandbox = trail.call.sandbox
    sent = [value for _, value in scope["headers"]]
    numbers = _numbers([*sent, body, unquote_plus(body.decode("latin-1")).encode("latin-1", "replace")])
    aliases = identity.aliases_for(sandbox.settings.docs_aliases)

    def find(conn: Connection) -> frozenset[str]:
        found = (registers.person_by_nin(conn, sandbox.id, aliases.get(each, each)) for each in numbers)
        return frozenset(person.id for person in found if person is not None)

    return await core.store.read(find) if numbers else frozenset()


def _numbers(texts: Sequence[bytes]) -> list[str]:
    found = (match.decode() for text in texts for match in _CANDIDATE.findall(text))
    return list(dict.fromkeys(found))[:_MOST_CANDIDATES]


def _fields(text: bytes) -> dict[str, str]:
    try:
        return dict(parse_form(text))
    except Refusal:
        return {}  # the service says what is wrong with it


def _is_form(scope: Scope) -> bool:
    media = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    return media.partition(b";")[0].strip().lower().decode("latin-1") == FORM


def _clients(scope: Scope, fields: Mapping[str, str]) -> frozenset[str]:
    """By the access token, by the client assertion (RFC 7523: ``iss``), by the parameter ``client_id``."""
    found = {fields["client_id"]} if "client_id" in fields else set()
    if "client_assertion" in fields:
        found |= _claimed(fields["client_assertion"])
    for name, value in scope["headers"]:
        if name == b"authorization":
            found |= _claimed(value.decode("latin-1").partition(" ")[2].strip())
    return frozenset(found)


def _claimed(token: str) -> set[str]:
    try:
        claims = parse(token, max_bytes=_LONGEST_JWT).claims
    except JoseError:
        return set()
    return {value for name in _CLIENT_CLAIMS if isinstance(value := claims.get(name), str)}


# the effects


async def _latency(effect: faults.Latency, hit: Hit, app: App, scope: Scope, receive: Receive, send: Send) -> None:
    seconds = effect.seconds(faults.draw(hit.rule, hit.seen, "how long"))
    hit.told["ms"] = round(seconds * 1000, 3)
    await _pause(hit.core, seconds)
    await app(scope, receive, send)


async def _status(effect: faults.Status, hit: Hit, _app: App, scope: Scope, receive: Receive, send: Send) -> None:
    make = _BODIES.get(effect.body, _given)
    await _instead(hit, make(effect, hit, Request(scope, receive)), effect.headers, scope, receive, send)


async def _rate_limit(
    effect: faults.RateLimit, hit: Hit, _app: App, scope: Scope, receive: Receive, send: Send
) -> None:
    response = in_form_of(hit.trail.call.service, Request(scope, receive), 429)
    await _instead(hit, response, {"Retry-After": str(effect.retry_after)}, scope, receive, send)


async def _reset(effect: faults.Reset, hit: Hit, app: App, scope: Scope, receive: Receive, send: Send) -> None:
    if not effect.after and effect.after_bytes is None:
        _tell(hit, "the connection was reset before the service did its work")
    else:
        answer = await _answer_of(app, scope, receive)
        if effect.after_bytes is not None:
            await _send_part(answer, min(effect.after_bytes, len(answer.body)), send)
    await _cut(scope, receive, abruptly=True)


async def _truncate(effect: faults.Truncate, hit: Hit, app: App, scope: Scope, receive: Receive, send: Send) -> None:
    answer = await _answer_of(app, scope, receive)
    if not answer.body or scope["method"] == "HEAD":
        hit.told["of"] = 0  # there is nothing to cut
        await answer.send(send)
        return
    kept = effect.kept(len(answer.body))
    hit.told.update(sent=kept, of=len(answer.body))
    await _send_part(answer, kept, send)
    await _cut(scope, receive, abruptly=False)


async def _slow(effect: faults.Slow, hit: Hit, app: App, scope: Scope, receive: Receive, send: Send) -> None:
    answer = await _answer_of(app, scope, receive)
    step = max(1, int(effect.bytes_per_second * _TICK))
    transport = _transport(scope)
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    for place in range(0, len(answer.body), step):
        piece = answer.body[place : place + step]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await _pause(hit.core, len(piece) / effect.bytes_per_second)
        if transport is not None and transport.is_closing():
            return await _until_gone(receive)  # the client did not want to wait
    await send({"type": "http.response.body", "body": b""})


async def _dependency(
    effect: faults.Dependency, hit: Hit, app: App, scope: Scope, receive: Receive, send: Send
) -> None:
    _overlay(hit.trail, {effect.dependency: effect.way})
    hit.told.update(dependency=effect.dependency, way=effect.way)
    await app(scope, receive, send)


async def _source_down(
    effect: faults.SourceDown, hit: Hit, app: App, scope: Scope, receive: Receive, send: Send
) -> None:
    _overlay(hit.trail, {f"source:{effect.source}": "down"})
    hit.told["source"] = effect.source
    await app(scope, receive, send)


async def _rotate_keys(
    _effect: faults.RotateKeys, hit: Hit, app: App, scope: Scope, receive: Receive, send: Send
) -> None:
    hit.told["kid"] = await issuer_keys.rotate(hit.core, hit.trail.call.sandbox)
    await app(scope, receive, send)


async def _issuer_skew(
    effect: faults.IssuerSkew, hit: Hit, app: App, scope: Scope, receive: Receive, send: Send
) -> None:
    moment = hit.trail.call.moment
    hit.trail.call = replace(hit.trail.call, moment=replace(moment, sandbox=moment.sandbox + effect.seconds))
    hit.told["seconds"] = effect.seconds
    await app(scope, receive, send)


_EFFECTS: Final[Mapping[str, Callable[..., Awaitable[None]]]] = MappingProxyType(
    {
        "latency": _latency,
        "status": _status,
        "rate_limit": _rate_limit,
        "reset": _reset,
        "truncate": _truncate,
        "slow": _slow,
        "dependency": _dependency,
        "source_down": _source_down,
        "rotate_keys": _rotate_keys,
        "issuer_skew": _issuer_skew,
    }
)
"""What each kind does: called with the effect, the hit, and the rest of the call as an application."""


# what they are made of


def _own(effect: faults.Status, hit: Hit, request: Request) -> Response:
    return in_form_of(hit.trail.call.service, request, effect.status)


def _text(effect: faults.Status, _hit: Hit, _request: Request) -> Response:
    return PlainTextResponse(f"{effect.status} {phrase(effect.status)}\n", effect.status)


def _given(effect: faults.Status, _hit: Hit, _request: Request) -> Response:
    return Response(effect.body, effect.status, media_type=effect.content_type or "text/plain")


_BODIES: Final[Mapping[str, Callable[[faults.Status, Hit, Request], Response]]] = MappingProxyType(
    {"service": _own, "text": _text}
)


async def _instead(
    hit: Hit, response: Response, headers: Mapping[str, str], scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer in the service's place."""
    status = response.status_code
    _tell(hit, f"answered {status} in the service's place")
    if status in _BODYLESS:
        response = Response(status_code=status)
    response.headers.update(headers)
    await response(scope, receive, send)


def _tell(hit: Hit, text: str) -> None:
    hit.trail.outcome, hit.trail.detail = "FAULT", text
    # The service, which knows whether there are secrets in the body, has not seen it.
    hit.trail.withheld |= {"request"}


def _overlay(trail: Trail, down: Mapping[str, str]) -> None:
    """Make dependencies fail for this call only."""
    sandbox = trail.call.sandbox
    trail.call = replace(trail.call, sandbox=replace(sandbox, faults={**sandbox.faults, **down}))


async def _pause(core: Core, seconds: float) -> None:
    """Wait in real time, without the store's writer waiting for this call."""
    core.store.left()
    try:
        await asyncio.sleep(seconds)
    finally:
        core.store.entered()


@dataclass(slots=True)
class _Answer:
    status: int = 500
    headers: Sequence[tuple[bytes, bytes]] = ()
    body: bytes = b""

    async def send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


async def _answer_of(app: App, scope: Scope, receive: Receive) -> _Answer:
    """All that ``app`` answers, when it has done its work."""
    answer, body = _Answer(), bytearray()

    async def collect(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status, answer.headers = message["status"], list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            body.extend(message.get("body", b""))

    await app(scope, receive, collect)
    answer.body = bytes(body)
    return answer


async def _send_part(answer: _Answer, size: int, send: Send) -> None:
    """The head of the answer, which promises the whole of it, and the first ``size`` bytes."""
    kept = [(name, value) for name, value in answer.headers if name.lower() != b"content-length"]
    length = (b"content-length", str(len(answer.body)).encode())
    await send({"type": "http.response.start", "status": answer.status, "headers": [*kept, length]})
    await send({"type": "http.response.body", "body": answer.body[:size], "more_body": True})


async def _cut(scope: Scope, receive: Receive, *, abruptly: bool) -> None:
    """End the connection: in good order when what was written has left, or with a reset.

    Raises ``ConnectionResetError`` where there is no connection to end.
    """
    transport = _transport(scope)
    if transport is None:
        raise ConnectionResetError("a fault rule of the sandbox cut the connection")
    if abruptly:
        # A transport tells nobody when it has written all.
        while transport.get_write_buffer_size() and not transport.is_closing():  # noqa: ASYNC110
            await asyncio.sleep(_TICK / 10)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        transport.abort()
    else:
        transport.close()
    await _until_gone(receive)


async def _until_gone(receive: Receive) -> None:
    """Until the server has noticed the end of the connection."""
    while (await receive())["type"] != _DISCONNECT:
        pass  # what is left of the request


def _transport(scope: Scope) -> asyncio.Transport | None:
    found: asyncio.Transport | None = scope.get("extensions", {}).get(TRANSPORT)
    return found
