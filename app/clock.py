"""The two clocks of a request (ruling R31): the sandbox's own, which can be moved, and the real one.

Everything the sandbox issues or stores uses ``Moment.sandbox``. JWTs a client signed with its own
clock pass when they are valid against either. Replay memory and time-outs run on ``Moment.real``.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

from app.values import per_request

DAY = 86_400.0
"""Seconds."""


class RealClock(Protocol):
    """A source of real time, in seconds since the epoch."""

    def time(self) -> float: ...


class SystemClock:
    """The machine's clock."""

    def time(self) -> float:
        return time.time()


@dataclass
class ManualClock:
    """A clock for tests: stands still until told otherwise."""

    now: float

    def time(self) -> float:
        return self.now


@dataclass(frozen=True, slots=True)
class ClockState:
    """How a sandbox's clock relates to the real one: frozen at an instant, or shifted by ``offset`` seconds."""

    offset: float = 0.0
    frozen_at: float | None = None

    def at(self, real: float) -> float:
        return self.frozen_at if self.frozen_at is not None else real + self.offset


@per_request
class Moment:
    """The instant a request is handled at, on both clocks, in seconds since the epoch."""

    real: float
    sandbox: float

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.sandbox, UTC)

    @property
    def shift(self) -> float:
        """Seconds to add to a client's time stamp to place it on the sandbox clock."""
        return self.sandbox - self.real


def start_of_day(seconds: float) -> float:
    """The midnight (UTC) before."""
    return seconds // DAY * DAY


def rfc3339(seconds: float) -> str:
    """``2026-11-21T08:00:00.000000Z``: UTC with microseconds, the form stored and shown."""
    part, whole = math.modf(seconds)
    micros = round(part * 1e6)
    if not 0 <= micros < 1_000_000:  # the part of a time before 1970, or one that is rounded up to a second
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")[:-6] + "Z"
    return f"{_to_the_second(int(whole))}.{micros:06d}Z"


@lru_cache(maxsize=64)
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:-6]
