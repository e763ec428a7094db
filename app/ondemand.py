"""A mapping whose values are made when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from threading import RLock
from typing import TypeVar

V_co = TypeVar("V_co", covariant=True)


class OnDemand(Mapping[str, V_co]):
    """Each name with what makes its value. A value is made once, whichever thread asks; names can be listed."""

    def __init__(self, makers: Mapping[str, Callable[[], V_co]]) -> None:
        self._makers = dict(makers)
        self._made: dict[str, V_co] = {}
        self._making = RLock()  # making one may ask for another

    def __getitem__(self, name: str) -> V_co:
        try:
            return self._made[name]
        except KeyError:
            with self._making:
                if name not in self._made:
                    self._made[name] = self._makers[name]()
                return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._makers

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)
