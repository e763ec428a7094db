"""Every change in the security log: who did what to which client, never an API key or a private key (B14)."""

from __future__ import annotations

from typing import Final

from app.trust.release import SECURITY_LOG
from app.trust.trail import Trail

CONTROL: Final = "control"


def record(trail: Trail, what: str, client_id: str, *, by: str, **details: str) -> None:
    """One line; ``by`` is who did it: ``client <jkt>``, ``person <id>``, ``template <id>`` or the control API."""
    told = " ".join(f"{name}={value}" for name, value in details.items())
    SECURITY_LOG.info(
        "selvbetjening %s sandbox=%s exchange=%s client=%s by=%s%s",
        what,
        trail.call.sandbox.id,
        trail.call.exchange,
        client_id,
        by,
        f" {told}" if told else "",
    )
    trail.notes["change"] = {"what": what, "client": client_id, "by": by, **details}
