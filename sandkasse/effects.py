"""What a fault rule does to the calls it fits. Give one to ``sandbox.faults.add``.

sandbox.faults.add(effects.status(503), service="pps-v2", count=1)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Effect = Mapping[str, Any]


def latency(
    ms: float | None = None,
    *,
    uniform: tuple[float, float] | None = None,
    normal: tuple[float, float] | None = None,
    exponential: float | None = None,
) -> Effect:
    """Wait before answering: ``ms``, or a distribution (lowest and highest; mean and deviation; mean), all in ms.

    >>> latency(uniform=(10, 50))
    {'kind': 'latency', 'uniform': {'low': 10, 'high': 50}}
    """
    if uniform is not None:
        return {"kind": "latency", "uniform": {"low": uniform[0], "high": uniform[1]}}
    if normal is not None:
        return {"kind": "latency", "normal": {"mean": normal[0], "deviation": normal[1]}}
    if exponential is not None:
        return {"kind": "latency", "exponential": {"mean": exponential}}
    return {"kind": "latency", "ms": ms}


def status(
    code: int, body: str | None = None, *, content_type: str | None = None, headers: Mapping[str, str] | None = None
) -> Effect:
    """Answer ``code``; ``body`` is ``service`` (as the service says it), ``text``, or a text of your own."""
    return _effect("status", status=code, body=body, contentType=content_type, headers=headers)


def rate_limit(retry_after: int) -> Effect:
    """Answer 429 with ``Retry-After`` in seconds."""
    return _effect("rate_limit", retryAfter=retry_after)


def reset(after_bytes: int | None = None) -> Effect:
    """Break the connection, at once or after some bytes of the answer."""
    return _effect("reset", afterBytes=after_bytes)


def truncate(*, size: int | None = None, fraction: float | None = None) -> Effect:
    """Send only the first ``size`` bytes, or that share of the body."""
    return _effect("truncate", bytes=size, fraction=fraction)


def slow(bytes_per_second: int) -> Effect:
    """Send the body slowly."""
    return _effect("slow", bytesPerSecond=bytes_per_second)


def dependency(name: Literal["privacy", "audit", "store"], way: Literal["timeout", "down"] = "down") -> Effect:
    """Let something the service needs fail, for the calls of this rule only."""
    return _effect("dependency", dependency=name, way=way)


def source_down(source: str) -> Effect:
    """Let one source of a service be gone."""
    return _effect("source_down", source=source)


def rotate_keys() -> Effect:
    """Let the issuer change its signing key."""
    return _effect("rotate_keys")


def issuer_skew(seconds: float) -> Effect:
    """Let the issuer's clock be wrong."""
    return _effect("issuer_skew", seconds=seconds)


def _effect(kind: str, **members: Any) -> Effect:
    return {"kind": kind, **{name: value for name, value in members.items() if value is not None}}
