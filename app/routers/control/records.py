"""``/audit``: what was recorded of every release, and the proof that nothing was changed."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Request
from pydantic import AwareDatetime

from app.core import Core
from app.routers.common import trail_of
from app.routers.control.queries import DEFAULT_LIMIT, Limit, Name, PatientId, seconds
from app.routers.problems import limited_router, responses
from app.sandboxes.registry import required
from app.store import audit as chains
from app.store.engine import Connection
from app.trust import audit
from app.trust.audit import Fault, Verification


def routes(core: Core) -> APIRouter:
    """Read the audit of a sandbox, and verify its chains."""
    router = limited_router(core.settings.max_body_bytes)

    @router.get("/audit", tags=["audit"], summary="Audit records, newest first", responses=responses(400, 404))
    async def list_records(
        request: Request,
        service: Name = None,
        patient: PatientId = None,
        decision_ref: Name = None,
        elevated: bool | None = None,
        since: AwareDatetime | None = None,
        until: AwareDatetime | None = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> dict[str, Any]:
        sandbox = trail_of(request).call.sandbox.id
        key = None if patient is None else await _index_key()

        def read(conn: Connection) -> list[dict[str, Any]]:
            index = None
            if patient is not None and key is not None:
                index = audit.patient_key(required(conn, sandbox, patient).nin, key)
            return chains.query(
                conn,
                sandbox,
                service=service,
                patient=index,
                decision_ref=decision_ref,
                elevated=elevated,
                since=seconds(since),
                until=seconds(until),
                limit=limit,
            )

        return {"records": await core.store.read(read)}

    async def _index_key() -> bytes:
        made = core.ids.random(32)
        return await core.store.write(lambda conn: audit.index_key(conn, made))

    @router.get("/audit/verify", tags=["audit"], summary="Check every audit chain of the sandbox")
    async def verify(request: Request, service: Name = None) -> dict[str, Any]:
        sandbox = trail_of(request).call.sandbox.id

        def walk(conn: Connection) -> list[Verification]:
            names = [name for _, name in chains.chains(conn, sandbox) if service in (None, name)]
            return [audit.verify(conn, sandbox, name) for name in names]

        # A chain may be long: the event loop goes on while it is walked.
        results = await anyio.to_thread.run_sync(core.store.read_now, walk)
        return {"ok": all(result.ok for result in results), "chains": [_verification(each) for each in results]}

    @router.get("/audit/keys", tags=["audit"], summary="The keys checkpoints are signed with, as a JWKS")
    async def keys() -> dict[str, Any]:
        made = core.ids.random(32)
        return await core.store.write(lambda conn: audit.public_keys(conn, made))

    return router


def _verification(result: Verification) -> dict[str, Any]:
    return {
        "service": result.service,
        "ok": result.ok,
        "checked": result.checked,
        "fault": None if result.fault is None else _fault(result.fault),
        "warnings": [_fault(each) for each in result.warnings],
    }


def _fault(fault: Fault) -> dict[str, Any]:
    return {"seq": fault.seq, "kind": fault.kind}
