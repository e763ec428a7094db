"""Snapshots of a sandbox, and clones.

Both hold its state: people, registers, data, settings, clients, clock, faults with their counts, own issuer keys.
What happened in it (journal, audit chains, replay memory, log-ins under way) is copied by neither: a clone begins
its own, and a restore leaves it, so that no record is ever taken back. A restore may therefore take the clock back
past the newest record; ``audit verify`` then warns of it, with the chain intact (ruling R32).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from app.addresses import SANDBOX_NAME
from app.core import Core
from app.errors import Reason, Refusal
from app.ids import new_hex
from app.sandboxes import keys, rows
from app.sandboxes.state import SandboxState
from app.store import copies, sandboxes
from app.store.engine import Connection
from app.store.sandboxes import HIDDEN, SandboxRow, SnapshotRow

MOST: Final = 20
"""Snapshots that a sandbox can have."""

_COPY: Final = HIDDEN + "s-"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``at`` is when it was taken, in epoch seconds of real time."""

    name: str
    at: float


async def take(core: Core, sandbox: str, name: str | None = None) -> Snapshot:
    """Keep a sandbox as it is now; without a name the snapshot gets one.

    Raises ``Refusal``: NOT_FOUND, CONTENT_INVALID for the name, CONFLICT when it is taken or there are too many.
    """
    wanted = _name(core, name)
    taken = SnapshotRow(wanted, core.clock.time(), _COPY + new_hex(core.ids).lower())

    def save(conn: Connection) -> None:
        row = rows.locked(core, conn, sandbox)
        known = sandboxes.snapshots(conn, sandbox)
        if any(each.name == wanted for each in known):
            raise Refusal(Reason.CONFLICT, "there is a snapshot of that name", extra={"pointer": "/name"})
        if len(known) >= MOST:
            raise Refusal(Reason.CONFLICT, f"a sandbox has at most {MOST} snapshots; delete one first")
        sandboxes.add(conn, replace(row, id=taken.copy, created=taken.at, expires=None, admin_key=None))
        copies.copy(conn, sandbox, taken.copy)
        sandboxes.add_snapshot(conn, sandbox, taken)

    await core.store.write(save)
    return Snapshot(taken.name, taken.at)


async def listed(core: Core, sandbox: str) -> list[Snapshot]:
    """The snapshots of a sandbox, oldest first. Raises ``Refusal(NOT_FOUND)``."""

    def read(conn: Connection) -> list[SnapshotRow]:
        rows.required(core, conn, sandbox)
        return sandboxes.snapshots(conn, sandbox)

    return [Snapshot(each.name, each.at) for each in await core.store.read(read)]


async def restore(core: Core, sandbox: str, name: str) -> SandboxState:
    """Make a sandbox as it was when the snapshot was taken; its end and its key stay as they are.

    Raises ``Refusal(NOT_FOUND)``.
    """

    def back(conn: Connection) -> SandboxRow:
        rows.locked(core, conn, sandbox)
        source = sandboxes.lock(conn, _found(conn, sandbox, name).copy)
        assert source is not None
        copies.clear(conn, sandbox, copies.Rule.STATE)
        copies.copy(conn, source.id, sandbox)
        sandboxes.change(
            conn,
            sandbox,
            seed=source.seed,
            seeded_at=source.seeded_at,
            clock_offset=source.clock_offset,
            clock_frozen=source.clock_frozen,
            issuer_key=source.issuer_key,
            config=source.config,
        )
        return rows.required(core, conn, sandbox)

    return rows.state(core, await core.store.write(back))


async def forget(core: Core, sandbox: str, name: str) -> None:
    """Take a snapshot away. Raises ``Refusal(NOT_FOUND)``."""

    def gone(conn: Connection) -> None:
        rows.locked(core, conn, sandbox)
        sandboxes.remove_snapshot(conn, sandbox, _found(conn, sandbox, name))

    await core.store.write(gone)


async def clone(
    core: Core, sandbox: str, name: str | None = None, *, expires_in: float | None = None, key: str | None = None
) -> SandboxState:
    """Make a sandbox with the state of another; ``expires_in`` is in seconds of real time, ``key`` its admin key.

    Raises ``Refusal``: NOT_FOUND, CONTENT_INVALID for the name, CONFLICT when it is taken.
    """
    target = rows.new_name(core, name)

    def make(conn: Connection) -> SandboxRow:
        source = rows.locked(core, conn, sandbox)
        now = core.clock.time()
        row = replace(
            source,
            id=target,
            created=now,
            expires=None if expires_in is None else now + expires_in,
            admin_key=None if key is None else keys.digest(key),
        )
        rows.add(core, conn, row)
        copies.copy(conn, sandbox, target)
        return row

    return rows.state(core, await core.store.write(make))


def _name(core: Core, wanted: str | None) -> str:
    name = f"s-{new_hex(core.ids, 6).lower()}" if wanted is None else wanted
    if not SANDBOX_NAME.fullmatch(name):
        raise Refusal(
            Reason.CONTENT_INVALID, "a snapshot's name has 1-40 of a-z, 0-9 and -", extra={"pointer": "/name"}
        )
    return name


def _found(conn: Connection, sandbox: str, name: str) -> SnapshotRow:
    for each in sandboxes.snapshots(conn, sandbox):
        if each.name == name:
            return each
    raise Refusal(Reason.NOT_FOUND, "the sandbox has no snapshot of that name")
