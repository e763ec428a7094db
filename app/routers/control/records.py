"""``/exchanges`` and ``/audit``: what was asked, what was answered and why, and the proof of it."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any, Final

import anyio.to_thread
from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime

from app.clock import rfc3339
from app.core import Core
from app.errors import Reason, Refusal
from app.routers.common import trail_of
from app.routers.control.people import required
from app.routers.control.problems import limited_route, responses
from app.store import audit as chains
from app.store import exchanges
from app.store.engine import Connection
from app.trust import audit
from app.trust.audit import Fault, Verification

Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
PatientId = Annotated[str | None, Query(max_length=64, description="Id such as `P01`, never a number.")]
Name = Annotated[str | None, Query(max_length=255)]
_DEFAULT_LIMIT: Final = 100
_ANOTHER_PROCESS: Final = (0.02, 0.05, 0.1, 0.0)  # seconds; a row another worker posted may be on its way


def routes(core: Core) -> APIRouter:
    """Read the journal and the audit of a sandbox, and verify its chains."""
    router = APIRouter(route_class=limited_route(core.settings.max_body_bytes))

    @router.get("/exchanges", tags=["exchanges"], summary="Exchanges, newest first", responses=responses(400))
    async def list_exchanges(
        request: Request,
        service: Name = None,
        status: Annotated[int | None, Query(ge=100, le=599)] = None,
        reason: Name = None,
        client: Name = None,
        patient: PatientId = None,
        since: Annotated[AwareDatetime | None, Query(description="Real time.")] = None,
        limit: Limit = _DEFAULT_LIMIT,
    ) -> dict[str, Any]:
        sandbox = trail_of(request).call.sandbox.id
        await core.store.flush()
        rows = await core.store.read(
            lambda conn: exchanges.query(
                conn,
                sandbox,
                service=service,
                status=status,
                reason=reason,
                client=client,
                patient=patient,
                since=_seconds(since),
                limit=limit,
            )
        )
        return {"exchanges": [{**row, "at": rfc3339(row["at"])} for row in rows]}

    @router.get(
        "/exchanges/{exchange_id}",
        tags=["exchanges"],
        summary="One exchange with its explanation",
        description="The id is the answer's `Sandbox-Exchange` header.",
        responses=responses(404),
    )
    async def get_exchange(request: Request, exchange_id: str) -> dict[str, Any]:
        sandbox = trail_of(request).call.sandbox.id
        await core.store.flush()
        for wait in _ANOTHER_PROCESS:
            found = await core.store.read(lambda conn: exchanges.get(conn, sandbox, exchange_id))
            if found is not None:
                return found
            await asyncio.sleep(wait)
        raise Refusal(Reason.NOT_FOUND, "no exchange has that id, or it is no longer kept")

    @router.get("/audit", tags=["audit"], summary="Audit records, newest first", responses=responses(400, 404))
    async def list_records(
        request: Request,
        service: Name = None,
        patient: PatientId = None,
        decision_ref: Name = None,
        elevated: bool | None = None,
        since: AwareDatetime | None = None,
        until: AwareDatetime | None = None,
        limit: Limit = _DEFAULT_LIMIT,
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
                since=_seconds(since),
                until=_seconds(until),
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


def _seconds(instant: datetime | None) -> float | None:
    return None if instant is None else instant.timestamp()
