"""From the row of a sandbox to its state, and back: what all that changes sandboxes share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.addresses import SANDBOX_NAME
from app.clock import ClockState
from app.core import Core
from app.errors import Reason, Refusal
from app.ids import new_hex
from app.sandboxes import config
from app.sandboxes.config import Config
from app.sandboxes.faults import Rule
from app.sandboxes.state import DEFAULT, SandboxState
from app.settings import Settings
from app.store import sandboxes
from app.store.engine import Connection
from app.store.sandboxes import SandboxRow

_CACHE: Final = "sandbox-config"


def required(core: Core, conn: Connection, sandbox: str) -> SandboxRow:
    """The row of a sandbox. Raises ``Refusal(NOT_FOUND)`` when there is none or it has expired."""
    return _living(core, sandboxes.load(conn, sandbox))


def locked(core: Core, conn: Connection, sandbox: str) -> SandboxRow:
    """As ``required``, and nobody else changes the sandbox's life until the transaction ends."""
    required(core, conn, sandbox)
    return _living(core, sandboxes.lock(conn, sandbox))


def expired(row: SandboxRow, real: float) -> bool:
    return row.expires is not None and row.expires <= real


def new_name(core: Core, wanted: str | None) -> str:
    """``wanted``, or a name made for it. Raises ``Refusal(CONTENT_INVALID)`` for one no sandbox may have (R64)."""
    name = f"s-{new_hex(core.ids, 6).lower()}" if wanted is None else wanted
    if not SANDBOX_NAME.fullmatch(name) or name == DEFAULT:
        raise Refusal(
            Reason.CONTENT_INVALID,
            f"a name has 1-40 of a-z, 0-9 and -, and is not {DEFAULT}",
            source="R64",
            extra={"pointer": "/name"},
        )
    return name


def new(core: Core, name: str, seed: str, expires_in: float | None, chosen: Config) -> SandboxRow:
    """The row of a sandbox made now; ``expires_in`` is seconds of real time."""
    now = core.clock.time()
    return SandboxRow(
        id=name,
        created=now,
        seed=seed,
        seeded_at=None,
        clock_offset=0.0,
        clock_frozen=None,
        expires=None if expires_in is None else now + expires_in,
        issuer_key=None,
        config=chosen.dump(),
    )


def add(core: Core, conn: Connection, row: SandboxRow) -> None:
    """Add a sandbox; one of that name that has expired makes room. Raises ``Refusal(CONFLICT)``."""
    old = sandboxes.lock(conn, row.id)
    if old is not None and expired(old, core.clock.time()):
        sandboxes.remove(conn, row.id)
    if not sandboxes.add(conn, row):
        raise Refusal(Reason.CONFLICT, "there is a sandbox of that name", extra={"pointer": "/name"})


def clock(row: SandboxRow) -> ClockState:
    return ClockState(row.clock_offset, row.clock_frozen)


def shape(core: Core, row: SandboxRow) -> SandboxState:
    """The state of a row, read afresh."""
    return _shape(row, _read(core, row))


def state(core: Core, row: SandboxRow) -> SandboxState:
    """For the event loop's thread only: the cache holds no lock.

    The choices are read once for the bytes in the row, which another process may change at any time.
    """
    key = (_CACHE, row.id)
    known = core.misc.get(key)
    if isinstance(known, _Known):
        if known.row is row:  # read once for all requests of a turn of the event loop
            return known.state
        if known.row == row:
            core.misc.put(key, _Known(row, known.state))
            return known.state
    made = _shape(row, known.read if isinstance(known, _Known) and known.row.config == row.config else _read(core, row))
    core.misc.put(key, _Known(row, made))
    return made


def _living(core: Core, row: SandboxRow | None) -> SandboxRow:
    if row is None or expired(row, core.clock.time()):
        raise Refusal(Reason.NOT_FOUND, "no sandbox of that name, or it has expired", source="R64")
    return row


@dataclass(frozen=True, slots=True)
class _Known:
    row: SandboxRow
    state: SandboxState

    @property
    def read(self) -> _Read:
        return _Read(self.state.settings, self.state.faults, self.state.rules)


@dataclass(frozen=True, slots=True)
class _Read:
    settings: Settings
    faults: Mapping[str, str]
    rules: tuple[Rule, ...]


def _read(core: Core, row: SandboxRow) -> _Read:
    chosen = config.load(row.config)
    return _Read(config.overlay(core.settings, chosen), chosen.faults, chosen.rules)


def _shape(row: SandboxRow, read: _Read) -> SandboxState:
    return SandboxState(
        id=row.id,
        settings=read.settings,
        clock=clock(row),
        seed=row.seed,
        seeded_at=row.seeded_at,
        issuer_key=row.issuer_key,
        expires=row.expires,
        faults=read.faults,
        rules=read.rules,
        admin_key=row.admin_key,
        stamp=row.stamp,
    )
