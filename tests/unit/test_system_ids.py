"""Random values are handed out from blocks, no byte twice."""

from __future__ import annotations

import pytest

from app.ids import SystemIds


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
