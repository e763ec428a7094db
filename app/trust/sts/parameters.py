"""The parameters of an OAuth request: single-valued unless said otherwise, empty ones as if absent (RFC 6749 §3.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from app.trust.sts.errors import StsError


class Parameters:
    """Names and values in the order they came. Parameters nobody asks for are ignored (ruling C31)."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            if value:
                self._values.setdefault(name, []).append(value)

    def get(self, name: str) -> str | None:
        """The value, or None. Raises ``StsError("invalid_request")`` when the parameter was repeated."""
        values = self._values.get(name)
        if values is None:
            return None
        if len(values) > 1:
            raise StsError("invalid_request", f"the parameter {name} was sent more than once")
        return values[0]

    def every(self, name: str) -> tuple[str, ...]:
        """All values of a parameter that may be repeated."""
        return tuple(self._values.get(name, ()))

    def scopes(self) -> tuple[str, ...]:
        """The scopes asked for, each once."""
        return tuple(dict.fromkeys((self.get("scope") or "").split()))

    def overlaid(self, claims: Mapping[str, Any]) -> tuple[Parameters, tuple[str, ...]]:
        """These parameters with those of a request object laid over (ruling C19), and the names where they differ."""
        merged = Parameters(())
        merged._values = dict(self._values)
        conflicts = []
        for name, value in claims.items():
            values = [value] if isinstance(value, str) else value
            if not isinstance(values, list) or not values or not all(isinstance(one, str) for one in values):
                continue
            if name in self._values and self._values[name] != values:
                conflicts.append(name)
            merged._values[name] = values
        return merged, tuple(sorted(conflicts))
