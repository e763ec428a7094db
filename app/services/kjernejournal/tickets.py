"""Tickets of helseindikator: which organisation may read about which patient, and on what ground (ruling S27).

A ticket is kept as its hash and is good for as many calls as its holder makes while it lives.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Final

import orjson

from app.errors import Reason, Refusal
from app.ids import IdSource
from app.services.kjernejournal.rules import TICKET_SECONDS
from app.store import leases
from app.store.engine import Connection
from app.trust.principal import Basis

_KIND: Final = "kj-ticket"
_BYTES: Final = 48
_REMEMBERED: Final = 86_400.0  # seconds an old ticket is told from one that never was


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket is bound to; ``expires`` in epoch seconds on the sandbox clock."""

    organisation: str
    number: str
    consent: Basis | None
    expires: float


def new(ids: IdSource) -> str:
    """An opaque text in base64."""
    return base64.b64encode(ids.random(_BYTES)).decode()


def keep(
    conn: Connection, sandbox: str, value: str, organisation: str, number: str, consent: Basis | None, now: float
) -> None:
    """Make ``value`` a ticket."""
    expires = now + TICKET_SECONDS
    ground = None if consent is None else consent.value
    body = orjson.dumps({"organisation": organisation, "number": number, "consent": ground, "expires": expires})
    leases.let_go(conn, sandbox, _KIND, expired=now)
    leases.bind(conn, sandbox, _KIND, _key(value), body, now, now + _REMEMBERED)


def read(conn: Connection, sandbox: str, value: str, organisation: str | None, now: float) -> Ticket:
    """What a ticket stands for. Raises ``Refusal`` with TICKET_EXPIRED, or TICKET_INVALID also for another's."""
    body = leases.held(conn, sandbox, _KIND, _key(value), now)
    if body is None:
        raise Refusal(Reason.TICKET_INVALID, "the ticket is not one that helseindikator gave", source="S27")
    data = orjson.loads(body)
    found = Ticket(
        data["organisation"],
        data["number"],
        None if data["consent"] is None else Basis(data["consent"]),
        data["expires"],
    )
    if found.organisation != organisation:
        raise Refusal(Reason.TICKET_INVALID, "the ticket was given to another organisation", source="S27")
    if found.expires <= now:
        raise Refusal(Reason.TICKET_EXPIRED, "the ticket has expired; ask helseindikator for a new one", source="S27")
    return found


def _key(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
