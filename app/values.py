"""Values that every request makes anew: frozen to the type checker, plain objects at run time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def per_request(cls: type[T]) -> type[T]:
    """A dataclass with slots, equality and a hash, to whose fields ``mypy`` refuses an assignment.

    ``dataclass(frozen=True)`` refuses it at run time too, and pays for it with a call for each field: a search makes
    seventeen such values with a hundred fields (decision 0004). What is not made for every request is an ordinary
    frozen dataclass.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
