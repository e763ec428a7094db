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

# These run over every body kept: each begins with a character to look for, which is twice as fast.
# A number may follow a percent-escape, which may end with a letter.
_NUMBER: Final = re.compile(r"(\d(?:(?<![0-9A-Za-z-]\d)|(?<=%[0-9A-Fa-f]{2}\d))\d{5})\d{5}(?![0-9A-Za-z-])")
_SECRET_HEADERS: Final = frozenset(
    {"authorization", "dpop", "x-kj-ticket", "x-admin-key", "x-auth-key", "api-key", "cookie", "set-cookie"}
)
_SECRET_FIELD: Final = re.compile(
    r"([?&](?:client_assertion|request|request_uri|code|code_verifier|ehr_code_verifier|refresh_token|subject_token|token"
    r"|access_token|id_token|id_token_hint|login)=)[^&\s\"'<>]+"
)
_SECRET_INPUT: Final = re.compile(r'(name="(?:code|id_token|access_token|login)" value=")[^"]*')
# The quotes may be escaped: a JWK is also sent as a text of JSON within JSON.
_SECRET_MEMBER: Final = re.compile(
    r'("(?:access_token|refresh_token|id_token|request_uri|accessTokenJwt|dPoPProof|privateJwk|rsaPrivateKey'
    r'|apiKey|ticket|d|p|q|dp|dq|qi|k)\\*"\s*:\s*\\*")[^"\\]*'
)
_JWT: Final = re.compile(r"eyJ[\w-]{8,}(?:\.[\w-]*){0,2}")
_CUT_NUMBER: Final = re.compile(r"\d{1,10}$")
_MAX_METHOD: Final = 16
_MAX_CLIENT: Final = 120
_MAX_TEXT: Final = 255


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
    call, told = trail.call, explanation(trail, redact)
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
            "body": _body(trail, "request", request_body, keep),
        },
        "answer": {
            "status": status,
            "headers": _headers(answer_headers),
            "body": _body(trail, "answer", answer_body, keep),
            "size": answer_size,
        },
        "patient": person,
        **told,
    }
    return {
        "sandbox": call.sandbox.id,
        "id": call.exchange,
        "service": call.service,
        "at": call.moment.real,
        "status": status,
        "reason": trail.reason.value if trail.reason is not None else None,
        "client": _client(trail),
        "patient": person,
        "method": method[:_MAX_METHOD],
        "path": _column(redact(call.tail)),
        "operation": trail.operation,
        "rule": trail.rule,
        "millis": body["durationMs"],
        "summary": _column(told["summary"]),
        "body": orjson.dumps(body, default=str),
    }


def _client(trail: Trail) -> str | None:
    """Who called; by its own word when a fault rule answered before anybody was proven."""
    claimed = trail.client_id or trail.notes.get("claimedClient")
    return claimed[:_MAX_CLIENT] if claimed else None


def _body(trail: Trail, whose: str, data: bytes, keep: int) -> str:
    """The beginning of a body, redacted; of a number the cut goes through nothing is kept."""
    if whose in trail.withheld:
        return "<withheld>"
    text = redact(_text(data[:keep]))
    return _CUT_NUMBER.sub("", text) if len(data) >= keep else text


def redact(text: str) -> str:
    """Mask national numbers, JWTs and the values of secret fields."""
    text = _SECRET_FIELD.sub(r"\1<hidden>", "&" + text)[1:]
    text = _SECRET_MEMBER.sub(r"\1<hidden>", text)
    text = _SECRET_INPUT.sub(r"\1<hidden>", text)
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


def _column(text: str) -> str:
    """What a text column takes: bounded, and without the NUL that PostgreSQL refuses."""
    return text.replace("\0", "")[:_MAX_TEXT]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
