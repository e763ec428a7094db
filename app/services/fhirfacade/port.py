"""What the facade needs of the service that holds the critical information, given by ``main``.

A service never imports another; these are the shapes of what is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from app.store.engine import Connection
from app.trust.facts import Person
from app.trust.policy import ObjectFacts


class Record(Protocol):
    """The latest version of a record; ``updated`` in epoch seconds on the sandbox clock, ``body`` its JSON."""

    @property
    def type(self) -> str: ...

    @property
    def id(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def updated(self) -> float: ...

    @property
    def category(self) -> int: ...

    @property
    def state(self) -> str: ...

    @property
    def expires(self) -> date | None: ...

    @property
    def body(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Records:
    """Functions of the owning service.

    ``latest(conn, sandbox, person_id)`` are the records that are not deleted, last changed first, then by id;
    ``objects(conn, sandbox, person)`` the same as the policy judges them, with ``Type/id`` as key.
    """

    latest: Callable[[Connection, str, str], Sequence[Record]]
    objects: Callable[[Connection, str, Person], Sequence[ObjectFacts]]


def key_of(record: Record) -> str:
    """``Type/id``, which the policy knows the record by."""
    return f"{record.type}/{record.id}"


def place_of(record: Record) -> str:
    """``Type/id/_history/n``, which the audit knows it by."""
    return f"{record.type}/{record.id}/_history/{record.version}"
