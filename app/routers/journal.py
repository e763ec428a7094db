"""The journal row of an exchange: the request redacted, what was decided, and why.

National numbers are masked and credentials left out, so the journal can be shown and exported.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import orjson

from app.clock import rfc3339
from app.trust.explanation import explanation
from app.trust.trail import Trail

_NUMBER: Final = re.compile(r"(?<![0-9A-Za-z-])(\d{6})\d{5}(?![0-9A-Za-z-])")
_SECRET_HEADERS: Final = frozenset({"authorization", "dpop", "x-admin-key", "x-auth-key", "cookie", "set-cookie"})
_SECRET_FIELD: Final = re.compile(
    r"(?<=[?&])((?:client_assertion|request|code|code_verifier|refresh_token|subject_token|token|id_token_hint)=)[^&\s]+"
)
_SECRET_MEMBER: Final = re.compile(
    r'("(?:access_token|refresh_token|id_token|request_uri|accessTokenJwt|dPoPProof|d|p|q|dp|dq|qi)"\s*:\s*)"[^"]*"'
)
_JWT: Final = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")


def row(
    trail: Trail,
    *,
    method: str,
    target: str,
    headers: Sequence[tuple[bytes, bytes]],
    request_body: bytes,
    status: int,
    answer_headers: Sequence[tuple[bytes, bytes]],
    answer_body: bytes,
    answer_size: int,
    seconds: float,
    keep: int,
) -> dict[str, Any]:
    """One row for the table ``exchange``."""
    call = trail.call
    facts = trail.facts
    person = facts.patient.id if facts is not None and facts.patient is not None else None
    body: dict[str, Any] = {
        "id": call.exchange,
        "sandbox": call.sandbox.id,
        "service": call.service,
        "time": rfc3339(call.moment.sandbox),
        "wallTime": rfc3339(call.moment.real),
        "durationMs": round(seconds * 1000, 3),
        "request": {
            "method": method,
            "url": redact(target),
            "operation": trail.operation,
            "headers": _headers(headers),
            "body": redact(_text(request_body[:keep])),
        },
        "answer": {
            "status": status,
            "headers": _headers(answer_headers),
            "body": redact(_text(answer_body[:keep])),
            "size": answer_size,
        },
        "patient": person,
        **explanation(trail, redact),
    }
    return {
        "sandbox": call.sandbox.id,
        "id": call.exchange,
        "service": call.service,
        "at": call.moment.real,
        "status": status,
        "reason": trail.reason.value if trail.reason is not None else None,
        "client": trail.client_id,
        "patient": person,
        "body": orjson.dumps(body, default=str),
    }


def redact(text: str) -> str:
    """Mask national numbers, JWTs and the values of secret fields."""
    text = _SECRET_FIELD.sub(r"\1<hidden>", "&" + text)[1:]
    text = _SECRET_MEMBER.sub(r'\1"<hidden>"', text)
    return _NUMBER.sub(r"\1*****", _JWT.sub("<jwt>", text))


def _headers(headers: Sequence[tuple[bytes, bytes]]) -> list[list[str]]:
    shown = []
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        shown.append([name, _hidden(value) if name.lower() in _SECRET_HEADERS else redact(value)])
    return shown


def _hidden(value: str) -> str:
    """The scheme of a credential, never the credential."""
    scheme, space, _ = value.partition(" ")
    return f"{scheme} <hidden>" if space else "<hidden>"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
