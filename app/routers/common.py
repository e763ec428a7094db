"""What every router reads from a request: bounded, single-valued, with the reason when it is not."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, MutableMapping, Sequence
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from app import addresses
from app.core import Core
from app.errors import Reason, Refusal
from app.sandboxes import keys, manager
from app.sandboxes.state import DEFAULT, Call, SandboxState
from app.trust.gate import Credentials
from app.trust.trail import Trail

_HEADERS: Final = "sandkasse-headers"
SCOPE_KEY: Final = "sandkasse"
ADMIN_HEADER: Final = "X-Admin-Key"
FORM: Final = "application/x-www-form-urlencoded"
_MAX_FIELDS: Final = 1000


def trail_of(request: Request) -> Trail:
    """The trail the resolving middleware laid."""
    trail: Trail = request.scope[SCOPE_KEY]
    return trail


def call_of(core: Core, where: addresses.Resolved, sandbox: SandboxState, exchange: str, host: str) -> Call:
    """How a request to ``where`` came in, with the public addresses to answer with."""
    tail = "" if where.tail == "/" else where.tail
    return Call(
        sandbox=sandbox,
        service=where.service,
        tail=where.tail,
        base=where.base,
        root=where.root,
        url=where.base + tail,
        issuer=addresses.address("helseid", where, public_url=core.settings.public_url),
        host=host,
        form=where.form,
        exchange=exchange,
        moment=sandbox.moment(core.clock.time()),
    )


def methods_at(app: FastAPI, request: Request) -> frozenset[str]:
    """The methods that some operation of ``app`` takes at the address of ``request``."""
    matching = [route for route in app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return frozenset(method for route in matching for method in getattr(route, "methods", None) or ())


def credentials_of(request: Request) -> Credentials:
    """Every ``Authorization`` and ``DPoP`` header value, as many as were sent."""
    sent = headers_of(request.scope)
    authorization, dpop = sent.get(b"authorization", ()), sent.get(b"dpop", ())
    return Credentials(
        tuple([value.decode("latin-1") for value in authorization]), tuple([value.decode("latin-1") for value in dpop])
    )


def single(request: Request, name: str) -> str | None:
    """The header's value, None when absent. Raises ``Refusal(HEADER_INVALID)`` when sent twice (ruling R7)."""
    found = headers_of(request.scope).get(_sent_as(name))
    if not found:
        return None
    if len(found) > 1:
        raise Refusal(Reason.HEADER_INVALID, f"the header {name} was sent more than once", source="R7")
    text: str = found[0].decode("latin-1").strip()
    return text


def headers_of(scope: MutableMapping[str, Any]) -> Mapping[bytes, Sequence[bytes]]:
    """All values of each header of a request, sorted out once for it."""
    known: dict[bytes, list[bytes]] | None = scope.get(_HEADERS)
    if known is None:
        known = scope[_HEADERS] = {}
        for name, value in scope["headers"]:
            known.setdefault(name, []).append(value)
    return known


@lru_cache(maxsize=256)
def _sent_as(name: str) -> bytes:
    return name.lower().encode()


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Raises ``Refusal(BODY_TOO_LARGE)`` as soon as it passes ``limit`` bytes."""
    body, more = bytearray(), True
    while more:  # as ``request.stream()`` does, without a generator that the event loop must keep count of
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit:
            raise Refusal(Reason.BODY_TOO_LARGE, f"the body is larger than {limit} bytes")
    return bytes(body)


async def read_form(request: Request, limit: int) -> list[tuple[str, str]]:
    """The fields of a form body, in order; an empty body needs no content type (ruling R8).

    Raises ``Refusal`` with CONTENT_TYPE_INVALID, BODY_TOO_LARGE or BODY_INVALID.
    """
    body = await read_body(request, limit)
    if not body:
        return []
    media = (single(request, "Content-Type") or "").partition(";")[0].strip().lower()
    if media != FORM:
        raise Refusal(Reason.CONTENT_TYPE_INVALID, f"the body must be {FORM}")
    return parse_form(body)


def parse_form(body: bytes) -> list[tuple[str, str]]:
    """Decode form fields. Raises ``Refusal(BODY_INVALID)`` for other encodings than UTF-8 or too many fields."""
    try:
        return parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except (UnicodeDecodeError, ValueError) as error:
        raise Refusal(Reason.BODY_INVALID, "the form cannot be read as UTF-8 form fields") from error


async def require_admin(core: Core, request: Request) -> None:
    """Let a control call through on loopback, with the admin key, or with the own key of the sandbox it is about.

    Raises ``Refusal(ADMIN_KEY_INVALID)``.
    """
    settings = core.settings
    if not keys.demanded(settings):
        return
    sent = single(request, ADMIN_HEADER) or ""
    if settings.admin_key is not None and hmac.compare_digest(sent.encode(), settings.admin_key.encode()):
        return
    sandbox = await _about(core, trail_of(request))
    if sandbox is not None and keys.opens(sent, sandbox):
        return
    if settings.admin_key is None:
        raise Refusal(Reason.ADMIN_KEY_INVALID, "set SANDKASSE_ADMIN_KEY: the server is bound beyond loopback")
    raise Refusal(Reason.ADMIN_KEY_INVALID, f"{ADMIN_HEADER} is missing or wrong")


async def _about(core: Core, trail: Trail) -> SandboxState | None:
    """The named sandbox whose own key opens the call: the one it is made in, or that ``/sandboxes/<name>`` names."""
    call = trail.call
    if call.sandbox.id != DEFAULT:
        return call.sandbox
    _, first, name, *_ = *call.tail.split("/", 3), "", ""
    named = call.service == "control" and first == "sandboxes" and name not in ("", DEFAULT)
    return await manager.state(core, name) if named else None
