"""An exchange as the checks look at it, read from its explanation in the journal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from app.store.exchanges import Row

ISSUER: Final = "helseid"
TOKEN_PATH: Final = "/connect/token"
PAR_PATH: Final = "/connect/par"
AUTHORIZE_PATH: Final = "/connect/authorize"
STATUS: Final = "status"
"""The operation that tells of changes in critical information."""
_PAGED: Final = re.compile(r"[?&]_?(?:skip|page|offset|getpages)=[^0&]")
_NEXT: Final = '"relation":"next"'
_OUTCOME: Final = '"mode":"outcome"'


@dataclass(frozen=True, slots=True)
class Seen:
    """One exchange of a client, oldest first in a sequence. ``at`` is real time when it began, epoch seconds.

    ``moved`` is how far the sandbox's clock was from it. ``token`` are the claims of the access token, ``proof`` of the
    DPoP proof; ``header`` the request's, ``answered`` the answer's, by lower-case names. ``paged``: it asks for a
    further page. ``changed`` is what the status of critical information told: when each of its parts was changed, in
    epoch seconds on the sandbox's clock.
    """

    id: str
    service: str
    path: str
    at: float
    moved: float
    method: str
    url: str
    operation: str | None
    status: int
    outcome: str | None
    reason: str | None
    detail: str
    patient: str | None
    token: Mapping[str, Any]
    proof: Mapping[str, Any]
    assertion: Mapping[str, Any]
    issued: Mapping[str, Any]
    form: Mapping[str, str]
    header: Mapping[str, str]
    answered: Mapping[str, str]
    access: Mapping[str, Any] | None
    attested: bool
    paged: bool
    next_page: bool
    outcome_entry: bool
    fault: bool
    findings: tuple[Mapping[str, str], ...] = field(default_factory=tuple)
    changed: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_token_call(self) -> bool:
        return self.service == ISSUER and self.path == TOKEN_PATH

    @property
    def is_api_call(self) -> bool:
        """A call with an access token to a service other than the issuer."""
        return self.service != ISSUER and "authorization" in self.header

    @property
    def token_id(self) -> str | None:
        """Names the access token without showing it."""
        jti = self.token.get("jti")
        return jti if isinstance(jti, str) else None

    @property
    def elevated(self) -> bool:
        return str((self.access or {}).get("basis") or "").startswith("FORHOYET")


def read(told: Mapping[str, Any], row: Row) -> Seen:
    """Read an exchange from its explanation and its row."""
    request, answer, decision = told["request"], told["answer"], told["decision"]
    notes, body = told.get("notes") or {}, answer["body"]
    return Seen(
        id=told["id"],
        service=told["service"],
        path=row.path or "",
        at=row.at,
        moved=_seconds(told["time"]) - _seconds(told["wallTime"]),
        method=request["method"],
        url=request["url"],
        operation=request["operation"],
        status=answer["status"],
        outcome=decision["outcome"],
        reason=decision["reason"],
        detail=decision["detail"] or "",
        patient=told["patient"],
        token=told.get("token") or {},
        proof=told.get("proof") or {},
        assertion=notes.get("assertion") or {},
        issued=notes.get("issued") or {},
        form=dict(parse_qsl(request["body"], keep_blank_values=True)) if told["service"] == ISSUER else {},
        header=_headers(request["headers"]),
        answered=_headers(answer["headers"]),
        access=told.get("access"),
        attested=bool(told.get("attest")),
        paged=bool(_PAGED.search(request["url"]) or _PAGED.search("&" + request["body"])),
        next_page=_NEXT in body,
        outcome_entry=answer["status"] == 200 and _OUTCOME in body,
        fault=bool(notes.get("fault")),
        findings=tuple(told.get("findings") or ()),
        changed=_changed(body) if request["operation"] == STATUS else {},
    )


def _headers(pairs: list[list[str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in pairs}


def _changed(body: str) -> dict[str, float]:
    try:
        told = orjson.loads(body)["dateChanged"]
        return {name: _seconds(at) for name, at in told.items()}
    except (ValueError, LookupError, TypeError, AttributeError):
        return {}


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
