from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.clock import rfc3339


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_795_000_000.25, "2026-11-18T11:06:40.250000Z"),
        (1_795_000_000.999_999_9, "2026-11-18T11:06:41.000000Z"),
        (-0.5, "1969-12-31T23:59:59.500000Z"),
    ],
)
def test_times_are_in_utc_with_microseconds(seconds: float, text: str) -> None:
    assert rfc3339(seconds) == text


@given(st.floats(-2_000_000_000, 10_000_000_000))
@example(1e-7)
@example(-1e-7)
@example(1_795_000_000.000_000_5)
def test_it_is_the_standard_librarys_rounding(seconds: float) -> None:
    assert rfc3339(seconds) == datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
