"""What every router reads from a request: bounded, single-valued, with the reason when it is not."""

from __future__ import annotations

import hmac
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

from fastapi import Request

from app.core import Core
from app.errors import Reason, Refusal
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


def credentials_of(request: Request) -> Credentials:
    """Every ``Authorization`` and ``DPoP`` header value, as many as were sent."""
    sent = _headers(request)
    authorization, dpop = sent.get(b"authorization", ()), sent.get(b"dpop", ())
    return Credentials(
        tuple([value.decode("latin-1") for value in authorization]), tuple([value.decode("latin-1") for value in dpop])
    )


def single(request: Request, name: str) -> str | None:
    """The header's value, None when absent. Raises ``Refusal(HEADER_INVALID)`` when sent twice (ruling R7)."""
    found = _headers(request).get(_sent_as(name))
    if not found:
        return None
    if len(found) > 1:
        raise Refusal(Reason.HEADER_INVALID, f"the header {name} was sent more than once", source="R7")
    text: str = found[0].decode("latin-1").strip()
    return text


def _headers(request: Request) -> dict[bytes, list[bytes]]:
    """All values of each header, sorted out once for a request."""
    known: dict[bytes, list[bytes]] | None = request.scope.get(_HEADERS)
    if known is None:
        known = request.scope[_HEADERS] = {}
        for name, value in request.scope["headers"]:
            known.setdefault(name, []).append(value)
    return known


@lru_cache(maxsize=256)
def _sent_as(name: str) -> bytes:
    return name.lower().encode()


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Raises ``Refusal(BODY_TOO_LARGE)`` as soon as it passes ``limit`` bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
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


def require_admin(core: Core, request: Request) -> None:
    """Let control calls through on loopback, or with the admin key. Raises ``Refusal(ADMIN_KEY_INVALID)``."""
    expected = core.settings.admin_key
    if expected is None:
        if core.settings.loopback_only:
            return
        raise Refusal(Reason.ADMIN_KEY_INVALID, "set SANDKASSE_ADMIN_KEY: the server is bound beyond loopback")
    if not hmac.compare_digest((single(request, ADMIN_HEADER) or "").encode(), expected.encode()):
        raise Refusal(Reason.ADMIN_KEY_INVALID, f"{ADMIN_HEADER} is missing or wrong")
