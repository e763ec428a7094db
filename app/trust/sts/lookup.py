"""The register entries an attest is held against, read in one snapshot."""

from __future__ import annotations

from collections.abc import Sequence

from app.core import Core
from app.store import registers
from app.trust.sts.attest import RegisterSnapshot, organisations_named
from app.trust.sts.structures import Structure


async def register_snapshot(
    core: Core, sandbox: str, structures: Sequence[Structure], pid: str | None
) -> RegisterSnapshot:
    """What the registers of ``sandbox`` say of the organisations an attest names and of the person ``pid``."""
    numbers = organisations_named(structures)
    organisations, practitioner = await core.store.read(
        lambda conn: (
            [registers.organisation(conn, sandbox, number) for number in sorted(numbers)],
            registers.practitioner_by_pid(conn, sandbox, pid) if pid is not None else None,
        )
    )
    return RegisterSnapshot(
        {record.orgnr: record for record in organisations if record is not None},
        {practitioner.pid: practitioner} if practitioner is not None else {},
    )
