"""The sandboxes: made, looked up, changed, emptied and taken away (design section 8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from app.core import Core
from app.errors import Reason, Refusal
from app.sandboxes import config, content, keys, rows
from app.sandboxes.config import Config
from app.sandboxes.content import Seeder
from app.sandboxes.faults import Rule
from app.sandboxes.state import DEFAULT, SandboxState
from app.store import copies, sandboxes
from app.store import faults as fault_counts
from app.store.engine import Connection, Unit
from app.store.sandboxes import SandboxRow

_AT_ONCE: Final = 8  # expired sandboxes taken away in one transaction: others wait for it


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
    row = await core.store.read_together(("sandbox", sandbox), lambda conn: sandboxes.load(conn, sandbox))
    if row is None or rows.expired(row, core.clock.time()):
        return None
    return rows.state(core, row)


async def list_states(core: Core) -> list[SandboxState]:
    """Every sandbox that has not expired, by name."""
    now = core.clock.time()
    found = await core.store.read(sandboxes.all_rows)
    return [rows.state(core, row) for row in found if not rows.expired(row, now)]


async def ensure(core: Core, sandbox: str = DEFAULT, *, seeder: Seeder | None = None) -> SandboxState:
    """The sandbox, made and filled when there is none. Two processes that race agree on the first."""
    known = await state(core, sandbox)
    if known is not None:
        return known
    row = rows.new(core, sandbox, core.settings.seed, None, Config())
    try:
        return rows.state(core, await core.store.write(lambda conn: _add(core, conn, row, seeder)))
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
    key: str | None = None,
    seeder: Seeder | None = None,
) -> SandboxState:
    """Make a sandbox; without a name it gets one. ``expires_in`` is in seconds of real time, ``key`` its admin key.

    Some that have expired are taken away on the occasion. Raises ``Refusal``: CONTENT_INVALID for
    the name or the settings, CONFLICT when the name is taken (ruling R64).
    """
    chosen = Config(_given(config.checked_settings(settings or {})), config.checked_faults(faults or {}))
    made = rows.new(core, rows.new_name(core, name), core.settings.seed if seed is None else seed, expires_in, chosen)
    row = replace(made, admin_key=None if key is None else keys.digest(key))
    added = await core.store.write(lambda conn: _add(core, conn, row, seeder))
    core.store.post(Unit(work=lambda conn: _take_away_expired(core, conn)))
    return rows.state(core, added)


async def reset(core: Core, sandbox: str, *, seeder: Seeder | None = None) -> SandboxState:
    """Empty a sandbox and fill it anew; clock and faults go back to normal.

    Its own settings, its key, its end and its snapshots stay. Raises ``Refusal(NOT_FOUND)``.
    """

    def again(conn: Connection) -> SandboxRow:
        row = rows.locked(core, conn, sandbox)
        copies.clear(conn, sandbox, copies.Rule.STATE, copies.Rule.HISTORY)
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
        return content.fill(core, conn, sandbox, seeder)

    return rows.state(core, await core.store.write(again))


async def load(core: Core, sandbox: str, seeder: Seeder) -> SandboxState:
    """Put more into a sandbox, on top of what is there; all of it or nothing.

    Raises ``Refusal``: NOT_FOUND, or what ``seeder`` raises.
    """

    def more(conn: Connection) -> SandboxRow:
        seeder(conn, rows.shape(core, rows.locked(core, conn, sandbox)), core.clock.time())
        return rows.required(core, conn, sandbox)

    return rows.state(core, await core.store.write(more))


async def delete(core: Core, sandbox: str) -> None:
    """Take a sandbox away with all it holds. Raises ``Refusal``: NOT_FOUND, or CONFLICT for the default one."""
    if sandbox == DEFAULT:
        raise Refusal(Reason.CONFLICT, "the default sandbox can be reset, not deleted")

    def gone(conn: Connection) -> None:
        rows.locked(core, conn, sandbox)
        sandboxes.remove(conn, sandbox)

    await core.store.write(gone)


async def sweep(core: Core) -> int:
    """Take away every sandbox whose time is over, with all it holds; how many, hidden ones too."""
    total = 0
    while gone := await core.store.write(lambda conn: _take_away_expired(core, conn)):
        total += gone
    return total


async def set_key(core: Core, sandbox: str, key: str) -> None:
    """Give a sandbox a new admin key; the old one opens nothing any more.

    Raises ``Refusal``: NOT_FOUND, or CONFLICT for the default one, which has the installation's.
    """
    if sandbox == DEFAULT:
        raise Refusal(Reason.CONFLICT, "the default sandbox has the installation's key")

    def put(conn: Connection) -> None:
        rows.locked(core, conn, sandbox)
        sandboxes.change(conn, sandbox, admin_key=keys.digest(key))

    await core.store.write(put)


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
        known = config.load(rows.locked(core, conn, sandbox).config)
        faults_then = known.faults if new_faults is None else new_faults
        merged = Config(_given({**known.settings, **changes}), faults_then, known.rules)
        sandboxes.change(conn, sandbox, config=merged.dump())
        return rows.required(core, conn, sandbox)

    return rows.state(core, await core.store.write(change))


async def change_rules(
    core: Core,
    sandbox: str,
    change: Callable[[tuple[Rule, ...]], tuple[Rule, ...]],
    *,
    faults: Mapping[str, str] | None = None,
) -> SandboxState:
    """Put ``change`` of a sandbox's fault rules in their place, and ``faults`` (checked) for its failing dependencies.

    The very rules that ``change`` was given keep their counts; those of all others begin anew. Raises ``Refusal``:
    NOT_FOUND, or what ``change`` raises; then nothing has changed.
    """

    def put(conn: Connection) -> SandboxRow:
        known = config.load(rows.locked(core, conn, sandbox).config)
        rules = change(known.rules)
        changed = Config(known.settings, known.faults if faults is None else faults, rules)
        sandboxes.change(conn, sandbox, config=changed.dump())
        kept = {rule.id for rule in rules if any(rule is before for before in known.rules)}
        fault_counts.forget(conn, sandbox, {rule.id for rule in (*known.rules, *rules)} - kept)
        return rows.required(core, conn, sandbox)

    return rows.state(core, await core.store.write(put))


async def move_clock(core: Core, sandbox: str, change: ClockChange) -> SandboxState:
    """Set, stop, start or advance a sandbox's clock.

    Raises ``Refusal``: NOT_FOUND, or CONFLICT when it would go back past the newest token or audit record
    and is not forced; then nothing has changed (ruling R32).
    """

    def move(conn: Connection) -> SandboxRow:
        row = rows.locked(core, conn, sandbox)
        real = core.clock.time()
        before = rows.clock(row).at(real)
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
        return rows.required(core, conn, sandbox)

    return rows.state(core, await core.store.write(move))


def _target(to: float | Literal["real"] | None, before: float, real: float) -> float:
    if to is None:
        return before
    return real if to == "real" else to


def _take_away_expired(core: Core, conn: Connection) -> int:
    gone = sandboxes.expired(conn, core.clock.time(), _AT_ONCE)
    for name in gone:
        sandboxes.remove(conn, name)
    return len(gone)


def _add(core: Core, conn: Connection, row: SandboxRow, seeder: Seeder | None) -> SandboxRow:
    rows.add(core, conn, row)
    return content.fill(core, conn, row.id, seeder)


def _given(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}
