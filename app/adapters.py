"""What one service shows of another's records, handed to it by ``main``."""

from __future__ import annotations

from datetime import date
from typing import Final

from app.services.fhirfacade.port import Records
from app.services.kjernejournal.port import CriticalInformation, Summary
from app.services.kritiskinfo import categories, errors, records, status
from app.services.kritiskinfo.source import objects_of
from app.store.engine import Connection


def _summary(conn: Connection, sandbox: str, person: str, today: date) -> Summary:
    return status.summary(records.heads(conn, sandbox, person), today)


CRITICAL_INFORMATION: Final = CriticalInformation(
    latest=records.latest,
    summary=_summary,
    kind=categories.category,
    groups=categories.GROUPS,
    wire=errors.wire,
)
"""What kjernejournal shows is critical information's: no service knows another."""
RECORDS: Final = Records(latest=records.latest, objects=objects_of)
"""What the facade and the citizen side show of it."""
