"""``/exchanges``: what was asked, what was answered and why; to read, to follow, to wait for and to take along."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import anyio.to_thread
import orjson
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.core import Core
from app.errors import Reason, Refusal
from app.routers.common import trail_of
from app.routers.control.queries import DEFAULT_LIMIT, Limit, Name, PatientId, seconds
from app.routers.problems import limited_router, responses
from app.sandboxes import journal
from app.store import exchanges
from app.store.engine import Connection
from app.store.exchanges import Wanted
from app.version import VERSION

_MOST_EXPORTED: Final = 2000
_LONGEST_WAIT: Final = 60.0
_EXAMPLE: Final[dict[str, Any]] = {
    "id": "01KAJ3V9Q4T5W8X2Y7Z6ABCDEF",
    "service": "pps-v2",
    "method": "POST",
    "path": "/DiagnosticReport/_search",
    "operation": "DiagnosticReport/_search",
    "status": 200,
    "reason": None,
    "rule": None,
    "client": "sandkasse-epj",
    "patient": "P01",
    "at": "2026-11-18T11:06:40Z",
    "durationMs": 4.2,
    "summary": "Granted.",
}
_LIST: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/json": {"example": {"exchanges": [_EXAMPLE], "cursor": "1234"}}}}
}
_EXPECTED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/json": {"example": {"satisfied": True, "exchanges": [_EXAMPLE], "cursor": "1234"}}}}
}
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "One event an exchange.",
        "content": {
            "text/event-stream": {
                "example": "id: 01KAJ3V9Q4T5W8X2Y7Z6ABCDEF\nevent: exchange\ndata: " + orjson.dumps(_EXAMPLE).decode()
            }
        },
    }
}
_HAR: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "HTTP Archive 1.2.", "content": {"application/json": {"schema": {"type": "object"}}}}
}

After = Annotated[
    str | None,
    Query(max_length=40, description="Only what came after this: the `cursor` of an answer, or the id of an exchange."),
]


class Match(BaseModel):
    """Which exchanges; every member that is given must fit."""

    model_config = ConfigDict(extra="forbid")

    service: str | None = Field(None, max_length=20)
    method: str | None = Field(None, max_length=16)
    path: str | None = Field(
        None, max_length=255, description="Below the service's address; `*` and `?` as in a shell."
    )
    status: int | None = Field(None, ge=100, le=599)
    reason: str | None = Field(None, max_length=40)
    client: str | None = Field(None, max_length=120)
    patient: str | None = Field(None, max_length=64, description="Id such as `P01`, never a number.")
    operation: str | None = Field(None, max_length=120)


class Expectation(BaseModel):
    """Exchanges to wait for."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"match": {"service": "pps-v2", "status": 200}, "count": 1, "timeout": 5}},
    )

    match: Match = Match()
    count: int = Field(1, ge=0, le=journal.MOST_EXPECTED, description="At least so many; 0 expects that none comes.")
    timeout: float = Field(5.0, ge=0, le=_LONGEST_WAIT, description="Seconds to wait.")
    after: str | None = Field(
        None, max_length=40, description="Cursor or exchange id; without it, all that the journal holds counts."
    )


def read_wanted(
    service: Name = None,
    status: Annotated[int | None, Query(ge=100, le=599)] = None,
    reason: Name = None,
    client: Name = None,
    patient: PatientId = None,
    operation: Name = None,
    method: Name = None,
    path: Annotated[
        str | None, Query(max_length=255, description="Below the service's address; `*` and `?` as in a shell.")
    ] = None,
    since: Annotated[AwareDatetime | None, Query(description="Real time.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Real time; what began before it.")] = None,
) -> Wanted:
    """The filters of the query string."""
    return Wanted(
        service=service,
        status=status,
        reason=reason,
        client=client,
        patient=patient,
        operation=operation,
        method=None if method is None else method.upper(),
        path=path,
        since=seconds(since),
        until=seconds(until),
    )


Filters = Annotated[Wanted, Depends(read_wanted)]


def routes(core: Core) -> APIRouter:
    """Read, follow, await, export and empty the journal of a sandbox."""
    router = limited_router(core.settings.max_body_bytes, tags=["exchanges"])

    @router.get(
        "/exchanges",
        summary="Exchanges, newest first; after a cursor, in the order they came",
        responses={**_LIST, **responses(400, 503)},
    )
    async def list_exchanges(
        request: Request,
        wanted: Filters,
        after: After = None,
        wait: Annotated[
            float, Query(ge=0, le=_LONGEST_WAIT, description="Seconds to wait for something newer than `after`.")
        ] = 0.0,
        limit: Limit = DEFAULT_LIMIT,
    ) -> dict[str, Any]:
        """`cursor` is the place to go on from. Reading on from it misses nothing, also when a slow request is
        journaled late. With `wait` and without `after`, what comes from now on is waited for.
        """
        sandbox = _sandbox(request)
        if after is None and not wait:
            page = await journal.newest(core, sandbox, wanted, limit)
        else:
            cursor = await _from(core, sandbox, after)
            page = await journal.newer(core, sandbox, wanted, cursor, limit, wait, request.is_disconnected)
        return {"exchanges": [journal.shown(row) for row in page.rows], "cursor": str(page.cursor)}

    @router.delete("/exchanges", status_code=204, summary="Empty the journal")
    async def clear(request: Request) -> Response:
        """Cursors stay good: what comes later comes after them."""
        sandbox = _sandbox(request)
        await core.store.flush()
        await core.store.write(lambda conn: exchanges.clear(conn, sandbox))
        return Response(status_code=204)

    @router.get(
        "/exchanges/stream",
        summary="Exchanges as they come, as server-sent events",
        response_class=Response,
        responses={**_STREAM, **responses(400, 503)},
    )
    async def stream(
        request: Request,
        wanted: Filters,
        after: After = None,
        last_event_id: Annotated[str | None, Header(description="Sent by a browser that comes again.")] = None,
    ) -> Response:
        """Event `exchange`: `id` is the exchange's id, `data` its row as JSON. Begins after `Last-Event-ID` or
        `after`, else with what comes from now on. A comment every 15 seconds says that it lives.
        """
        sandbox = _sandbox(request)
        told = journal.events(core, sandbox, wanted, await _from(core, sandbox, last_event_id or after))
        first = await anext(told)  # a place among the listeners is had, or refused, before anything is answered
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_again(first, told), media_type="text/event-stream", headers=headers)

    @router.post(
        "/exchanges/expect",
        summary="Wait until so many exchanges match, or the time is over",
        responses={**_EXPECTED, **responses(400, 503)},
    )
    async def expect(request: Request, body: Expectation) -> dict[str, Any]:
        """Answers 200 in both cases; `satisfied` tells which."""
        sandbox, match = _sandbox(request), body.match
        wanted = Wanted(**{**match.model_dump(), "method": match.method.upper() if match.method else None})
        cursor = 0 if body.after is None else await journal.place(core, sandbox, body.after)
        found = await journal.expect(core, sandbox, wanted, body.count, body.timeout, cursor, request.is_disconnected)
        shown = [journal.shown(row) for row in found.rows]
        return {"satisfied": found.satisfied, "exchanges": shown, "cursor": str(found.cursor)}

    @router.get(
        "/exchanges/export",
        summary="Exchanges as an HTTP Archive (HAR 1.2), oldest first",
        response_class=Response,
        responses={**_HAR, **responses(400)},
    )
    async def export(
        request: Request,
        wanted: Filters,
        limit: Annotated[int, Query(ge=1, le=_MOST_EXPORTED, description="How many at most, the newest.")] = 500,
    ) -> Response:
        """As the journal has them: credentials left out, national numbers masked, long bodies cut."""
        sandbox = _sandbox(request)
        await core.store.flush()

        def read(conn: Connection) -> bytes:
            told = (orjson.loads(body) for body, _ in exchanges.bodies(conn, sandbox, wanted, limit))
            return orjson.dumps(journal.har(told, VERSION))

        # Many bodies take long to put together: the event loop goes on meanwhile.
        made = await anyio.to_thread.run_sync(core.store.read_now, read)
        headers = {"Content-Disposition": f'attachment; filename="sandkasse-{sandbox}.har"'}
        return Response(made, media_type="application/json", headers=headers)

    @router.get(
        "/exchanges/{exchange_id}",
        summary="One exchange with its explanation",
        description="The id is the answer's `Sandbox-Exchange` header.",
        responses=responses(404),
    )
    async def get_exchange(request: Request, exchange_id: str) -> dict[str, Any]:
        found = await journal.find(core, _sandbox(request), exchange_id)
        if found is None:
            raise Refusal(Reason.NOT_FOUND, "no exchange has that id, or it is no longer kept")
        return found

    return router


async def _from(core: Core, sandbox: str, after: str | None) -> int:
    return await (journal.now(core, sandbox) if after is None else journal.place(core, sandbox, after))


async def _again(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for each in rest:
        yield each


def _sandbox(request: Request) -> str:
    return trail_of(request).call.sandbox.id
