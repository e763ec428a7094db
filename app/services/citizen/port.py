"""What the citizen side needs of the service that holds the critical information, given by ``main``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from app.store.engine import Connection
from app.trust.facts import Person
from app.trust.policy import ObjectFacts


class Record(Protocol):
    """The latest version of a record; ``body`` is the JSON that every surface gives."""

    @property
    def type(self) -> str: ...

    @property
    def id(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def body(self) -> bytes: ...


class Records(Protocol):
    """Functions of the owning service: by person the records that are not deleted, and how the policy judges them."""

    @property
    def latest(self) -> Callable[[Connection, str, str], Sequence[Record]]: ...

    @property
    def objects(self) -> Callable[[Connection, str, Person], Sequence[ObjectFacts]]: ...
