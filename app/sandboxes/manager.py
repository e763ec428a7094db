"""The sandboxes: made, looked up, changed, emptied and taken away (design section 8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from app.addresses import SANDBOX_NAME
from app.clock import ClockState
from app.core import Core
from app.errors import Reason, Refusal
from app.ids import new_hex
from app.sandboxes import config
from app.sandboxes.config import Config
from app.sandboxes.state import DEFAULT, SandboxState
from app.settings import Settings
from app.store import sandboxes
from app.store.engine import Connection
from app.store.sandboxes import SandboxRow

Seeder = Callable[[Connection, SandboxState, float], None]
"""Fills an empty sandbox: called with its state and the time on its clock, inside the transaction that makes it."""

_CACHE: Final = "sandbox-config"


@dataclass(frozen=True, slots=True)
class ClockChange:
    """How to move a clock. ``to`` is epoch seconds or ``real``; ``advance`` is seconds added to it, or to now.

    ``frozen`` stops or starts the clock, None leaves it as it is. ``force`` allows going back past what
    the sandbox has issued or recorded (ruling R32).
    """

    to: float | Literal["real"] | None = None
    advance: float = 0.0
    frozen: bool | None = None
    force: bool = False


async def state(core: Core, sandbox: str) -> SandboxState | None:
    """The sandbox as it is now; None when there is none of that name or it has expired (ruling R64).

    Raises ``Refusal(STORE_UNAVAILABLE)``.
    """
    row = await core.store.read_one(lambda conn: sandboxes.load(conn, sandbox))
    if row is None or _expired(row, core.clock.time()):
        return None
    return _state(core, row)


async def list_states(core: Core) -> list[SandboxState]:
    """Every sandbox that has not expired, by name."""
    now = core.clock.time()
    rows = await core.store.read(sandboxes.all_rows)
    return [_state(core, row) for row in rows if not _expired(row, now)]


async def ensure(core: Core, sandbox: str = DEFAULT, *, seeder: Seeder | None = None) -> SandboxState:
    """The sandbox, made and filled when there is none. Two processes that race agree on the first."""
    known = await state(core, sandbox)
    if known is not None:
        return known
    row = _new_row(core, sandbox, core.settings.seed, None, Config())
    try:
        return _state(core, await core.store.write(lambda conn: _add(core, conn, row, seeder)))
    except Refusal:
        known = await state(core, sandbox)
        if known is None:
            raise
        return known


async def create(
    core: Core,
    name: str | None = None,
    *,
    seed: str | None = None,
    settings: Mapping[str, Any] | None = None,
    faults: Mapping[str, str] | None = None,
    expires_in: float | None = None,
    seeder: Seeder | None = None,
) -> SandboxState:
    """Make a sandbox; without a name it gets one. ``expires_in`` is in seconds of real time.

    Sandboxes that have expired are taken away on the occasion. Raises ``Refusal``: CONTENT_INVALID for
    the name or the settings, CONFLICT when the name is taken (ruling R64).
    """
    name = f"s-{new_hex(core.ids, 6).lower()}" if name is None else name
    if not SANDBOX_NAME.fullmatch(name) or name == DEFAULT:
        raise Refusal(
            Reason.CONTENT_INVALID,
            f"a sandbox name has 1-40 of a-z, 0-9 and -, and is not {DEFAULT}",
            source="R64",
            extra={"pointer": "/name"},
        )
    chosen = Config(_given(config.checked_settings(settings or {})), config.checked_faults(faults or {}))
    row = _new_row(core, name, core.settings.seed if seed is None else seed, expires_in, chosen)

    def make(conn: Connection) -> SandboxRow:
        for old in sandboxes.all_rows(conn):
            if _expired(old, row.created):
                sandboxes.remove(conn, old.id)
        if sandboxes.load(conn, name) is not None:
            raise Refusal(Reason.CONFLICT, "there is a sandbox of that name")
        return _add(core, conn, row, seeder)

    return _state(core, await core.store.write(make))


async def reset(core: Core, sandbox: str, *, seeder: Seeder | None = None) -> SandboxState:
    """Empty a sandbox and fill it anew; clock and faults go back to normal, its own settings stay.

    Raises ``Refusal(NOT_FOUND)``.
    """

    def again(conn: Connection) -> SandboxRow:
        row = _required(core, conn, sandbox)
        sandboxes.empty(conn, sandbox)
        settings = config.load(row.config).settings
        sandboxes.change(
            conn,
            sandbox,
            clock_offset=0.0,
            clock_frozen=None,
            issuer_key=None,
            seeded_at=None,
            config=Config(settings).dump(),
        )
        return _fill(core, conn, sandbox, seeder)

    return _state(core, await core.store.write(again))


async def delete(core: Core, sandbox: str) -> None:
    """Take a sandbox away with all it holds. Raises ``Refusal``: NOT_FOUND, or CONFLICT for the default one."""
    if sandbox == DEFAULT:
        raise Refusal(Reason.CONFLICT, "the default sandbox can be reset, not deleted")

    def gone(conn: Connection) -> None:
        _required(core, conn, sandbox)
        sandboxes.remove(conn, sandbox)

    await core.store.write(gone)


async def configure(
    core: Core,
    sandbox: str,
    *,
    settings: Mapping[str, Any] | None = None,
    faults: Mapping[str, str] | None = None,
) -> SandboxState:
    """Change a sandbox's own settings (merged; a None value gives the installation's back) and faults (replaced).

    Raises ``Refusal``: NOT_FOUND or CONTENT_INVALID.
    """
    changes = config.checked_settings(settings or {})
    new_faults = None if faults is None else config.checked_faults(faults)

    def change(conn: Connection) -> SandboxRow:
        known = config.load(_required(core, conn, sandbox).config)
        merged = Config(_given({**known.settings, **changes}), known.faults if new_faults is None else new_faults)
        sandboxes.change(conn, sandbox, config=merged.dump())
        return _required(core, conn, sandbox)

    return _state(core, await core.store.write(change))


async def move_clock(core: Core, sandbox: str, change: ClockChange) -> SandboxState:
    """Set, stop, start or advance a sandbox's clock.

    Raises ``Refusal``: NOT_FOUND, or CONFLICT when it would go back past the newest token or audit record
    and is not forced; then nothing has changed (ruling R32).
    """

    def move(conn: Connection) -> SandboxRow:
        row = _required(core, conn, sandbox)
        real = core.clock.time()
        before = _clock(row).at(real)
        after = _target(change.to, before, real) + change.advance
        if after < before and not change.force:
            newest = sandboxes.newest_record(conn, sandbox)
            if newest is not None and after < newest:
                raise Refusal(
                    Reason.CONFLICT,
                    "the clock would go back past the newest token or audit record; send force to do it all the same",
                    source="R32",
                )
        frozen = row.clock_frozen is not None if change.frozen is None else change.frozen
        sandboxes.change(conn, sandbox, clock_offset=after - real, clock_frozen=after if frozen else None)
        return _required(core, conn, sandbox)

    return _state(core, await core.store.write(move))


def _target(to: float | Literal["real"] | None, before: float, real: float) -> float:
    if to is None:
        return before
    return real if to == "real" else to


def _add(core: Core, conn: Connection, row: SandboxRow, seeder: Seeder | None) -> SandboxRow:
    sandboxes.add(conn, row)
    return _fill(core, conn, row.id, seeder)


def _fill(core: Core, conn: Connection, sandbox: str, seeder: Seeder | None) -> SandboxRow:
    if seeder is not None:
        row, now = _required(core, conn, sandbox), core.clock.time()
        seeder(conn, _shape(row, _read(core, row)), now)
        sandboxes.change(conn, sandbox, seeded_at=now)
    return _required(core, conn, sandbox)


def _new_row(core: Core, name: str, seed: str, expires_in: float | None, chosen: Config) -> SandboxRow:
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


def _required(core: Core, conn: Connection, sandbox: str) -> SandboxRow:
    row = sandboxes.load(conn, sandbox)
    if row is None or _expired(row, core.clock.time()):
        raise Refusal(Reason.NOT_FOUND, "no sandbox of that name, or it has expired", source="R64")
    return row


def _expired(row: SandboxRow, real: float) -> bool:
    return row.expires is not None and row.expires <= real


def _given(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _clock(row: SandboxRow) -> ClockState:
    return ClockState(row.clock_offset, row.clock_frozen)


def _state(core: Core, row: SandboxRow) -> SandboxState:
    """For the event loop's thread only: the cache holds no lock.

    The choices are read once for the bytes in the row, which another process may change at any time.
    """
    key = (_CACHE, row.id)
    known = core.misc.get(key)
    if isinstance(known, _Known) and known.row == row:
        return known.state
    made = _shape(row, known.read if isinstance(known, _Known) and known.row.config == row.config else _read(core, row))
    core.misc.put(key, _Known(row, made))
    return made


@dataclass(frozen=True, slots=True)
class _Known:
    row: SandboxRow
    state: SandboxState

    @property
    def read(self) -> _Read:
        return _Read(self.state.settings, self.state.faults)


@dataclass(frozen=True, slots=True)
class _Read:
    settings: Settings
    faults: Mapping[str, str]


def _read(core: Core, row: SandboxRow) -> _Read:
    chosen = config.load(row.config)
    return _Read(config.overlay(core.settings, chosen), chosen.faults)


def _shape(row: SandboxRow, read: _Read) -> SandboxState:
    return SandboxState(
        id=row.id,
        settings=read.settings,
        clock=_clock(row),
        seed=row.seed,
        seeded_at=row.seeded_at,
        issuer_key=row.issuer_key,
        expires=row.expires,
        faults=read.faults,
    )
