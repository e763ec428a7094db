"""Where ids and random values come from: injected, so that a seed gives the same bytes again."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import uuid
from functools import lru_cache
from typing import Protocol

_BLOCK = 4096
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]


class IdSource(Protocol):
    """A source of random bytes."""

    def random(self, size: int) -> bytes: ...


class SystemIds:
    """The operating system's randomness, fetched in blocks: each call to the system lets other threads in.

    No byte is given twice. Not to be shared over a fork.
    """

    def __init__(self) -> None:
        self._block = b""
        self._place = 0
        self._lock = threading.Lock()

    def random(self, size: int) -> bytes:
        if size > _BLOCK // 4:
            return secrets.token_bytes(size)
        with self._lock:
            start = self._place
            if start + size > len(self._block):
                self._block, start = secrets.token_bytes(_BLOCK), 0
            self._place = start + size
            return self._block[start : self._place]


class SeededIds:
    """A reproducible stream for tests and seeds; never for keys or tokens of a running server."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()
        self._count = 0

    def random(self, size: int) -> bytes:
        out = b""
        while len(out) < size:
            self._count += 1
            out += hashlib.sha256(self._seed + self._count.to_bytes(8, "big")).digest()
        return out[:size]


def new_uuid(ids: IdSource) -> str:
    return str(uuid.UUID(bytes=ids.random(16), version=4))


def new_token(ids: IdSource, size: int = 32) -> str:
    """A URL-safe secret of ``size`` random bytes."""
    return base64.urlsafe_b64encode(ids.random(size)).rstrip(b"=").decode()


def new_hex(ids: IdSource, size: int = 16) -> str:
    return ids.random(size).hex().upper()


def new_ulid(ids: IdSource, seconds: float) -> str:
    """A sortable id: 48 bits of milliseconds, 80 random bits, Crockford base 32 (the ULID specification)."""
    drawn, millis, pairs = int.from_bytes(ids.random(10), "big"), int(seconds * 1000), _PAIRS
    high, low = drawn >> 40, drawn & 0xFF_FFFF_FFFF
    return (
        f"{_slow_part_of_ulid(millis >> 20)}{pairs[millis >> 10 & 1023]}{pairs[millis & 1023]}"
        f"{pairs[high >> 30]}{pairs[high >> 20 & 1023]}{pairs[high >> 10 & 1023]}{pairs[high & 1023]}"
        f"{pairs[low >> 30]}{pairs[low >> 20 & 1023]}{pairs[low >> 10 & 1023]}{pairs[low & 1023]}"
    )


@lru_cache(maxsize=64)
def _slow_part_of_ulid(quarters: int) -> str:
    """The first six characters of the time, which change every quarter of an hour."""
    return _PAIRS[quarters >> 20 & 1023] + _PAIRS[quarters >> 10 & 1023] + _PAIRS[quarters & 1023]


def derived_uuid(*parts: str) -> str:
    """A name-based UUID (version 5) of ``parts``: the same parts give the same id in every sandbox."""
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(parts)))


_NAMESPACE = uuid.UUID("6e0f5b0a-9b8e-5d52-8f5c-0a1f6d2c7b11")
