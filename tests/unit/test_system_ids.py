"""Random values are handed out from blocks, no byte twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ids import SystemIds, new_ulid


def test_every_byte_of_a_block_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks: list[bytes] = []

    def fetch(size: int) -> bytes:
        blocks.append(bytes([len(blocks)]) * size)
        return blocks[-1]

    monkeypatch.setattr("app.ids.secrets.token_bytes", fetch)
    source = SystemIds()
    given = [source.random(1000) for _ in range(5)]
    assert [set(some) for some in given] == [{0}, {0}, {0}, {0}, {1}]
    assert all(len(some) == 1000 for some in given)
    assert len(blocks) == 2


def test_large_values_come_straight_from_the_system() -> None:
    source = SystemIds()
    assert len(source.random(100_000)) == 100_000
    assert len({source.random(16) for _ in range(1000)}) == 1000


class _Fixed:
    """A source that always draws the same."""

    def __init__(self, drawn: bytes) -> None:
        self._drawn = drawn

    def random(self, size: int) -> bytes:
        return self._drawn[:size]


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_a_ulid_is_time_and_randomness_in_crockfords_base_32(millis: int, drawn: bytes) -> None:
    value, expected = millis << 80 | int.from_bytes(drawn, "big"), ""
    for _ in range(26):
        expected, value = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[value & 31] + expected, value >> 5
    assert new_ulid(_Fixed(drawn), (millis + 0.5) / 1000) == expected
