"""What kjernejournal needs of the service that holds the critical information, given by ``main``.

A service never imports another; these are the shapes of what is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from app.errors import Reason, Refusal
from app.store.engine import Connection


class Record(Protocol):
    """The latest version of a record; ``updated`` in epoch seconds on the sandbox clock."""

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


class Summary(Protocol):
    """What there is of a patient; times are of any change, deletion included."""

    @property
    def has(self) -> bool: ...

    @property
    def last_changed(self) -> float | None: ...

    @property
    def kategorier(self) -> Mapping[str, float]: ...


class Kind(Protocol):
    """A category of critical information: what it is called, and the main group it is shown in."""

    @property
    def name(self) -> str: ...

    @property
    def group(self) -> str: ...


class Row(Protocol):
    """How a refusal looks on the wire."""

    @property
    def status(self) -> int: ...

    @property
    def legacy_code(self) -> str: ...

    @property
    def text(self) -> str: ...


@dataclass(frozen=True, slots=True)
class CriticalInformation:
    """Functions of the owning service.

    ``latest(conn, sandbox, person)`` are the records that are not deleted, newest first; ``summary(conn, sandbox,
    person, today)`` tells of all of them; ``kind(type, category)`` and ``groups`` how they are shown; ``wire`` is the
    error table.
    """

    latest: Callable[[Connection, str, str], Sequence[Record]]
    summary: Callable[[Connection, str, str, date], Summary]
    kind: Callable[[str, int], Kind]
    groups: Sequence[str]
    wire: Callable[[Refusal | Reason], Row]
