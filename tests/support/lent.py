"""Applications made once in a test process and lent to the installation under test.

Making the routes of one takes longer than most tests do. Applications keep nothing of an installation but its
settings, so one that was made for another installation of the same settings serves this one.
"""

from __future__ import annotations

import pickle
import weakref
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

from app.core import Core

A = TypeVar("A")
_FREE: dict[Hashable, list[tuple[_Stand, Any]]] = {}


def lent(core: Core, make: Callable[..., A], *more: Hashable) -> A:
    """``make(core, *more)``, or one made before with equal settings and ``more``; free again when ``core`` is gone."""
    settings = pickle.dumps(core.settings.model_dump(exclude={"database_url"}))
    free = _FREE.setdefault((make, settings, *more), [])
    stand, app = free.pop() if free else _made(core, make, more)
    stand.core = weakref.ref(core)
    weakref.finalize(core, free.append, (stand, app))
    return cast(A, app)


class _Stand:
    """Stands for the core of the installation that has the application now."""

    core: Callable[[], Core | None]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.core(), name)


def _made(core: Core, make: Callable[..., A], more: tuple[Hashable, ...]) -> tuple[_Stand, A]:
    stand = _Stand()
    stand.core = weakref.ref(core)
    return stand, make(cast(Core, stand), *more)
