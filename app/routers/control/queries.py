"""Query parameters that several lists of the control API have."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import Query

Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
PatientId = Annotated[str | None, Query(max_length=64, description="Id such as `P01`, never a number.")]
Name = Annotated[str | None, Query(max_length=255)]
DEFAULT_LIMIT: Final = 100


def seconds(instant: datetime | None) -> float | None:
    """Epoch seconds of an instant."""
    return None if instant is None else instant.timestamp()
