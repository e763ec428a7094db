"""``/checks``: what a client does wrong, or has not shown yet."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import anyio.to_thread
import orjson
from fastapi import APIRouter, Query, Request, Response

from app.core import Core
from app.errors import Reason, Refusal
from app.routers.common import trail_of
from app.routers.problems import limited_router, responses
from app.sandboxes import checks
from app.sandboxes.checks.render import FORMATS
from app.store import clients
from app.store.engine import Connection

_EXAMPLE: Final[dict[str, Any]] = {
    "client": "sandkasse-epj",
    "results": [
        {
            "id": "par",
            "title": "Pushes its authorization requests",
            "severity": "error",
            "state": "passed",
            "source": "trust.md section 2.3 (T-31), RFC 9126",
            "evidence": ["01KAJ3V9Q4T5W8X2Y7Z6ABCDEF"],
            "detail": "",
        }
    ],
    "summary": {"exchanges": 4, "passed": 1, "failed": 0, "notSeen": 0},
}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {
            "application/json": {"example": _EXAMPLE},
            "application/xml": {"schema": {"type": "string", "description": "JUnit"}},
            "text/markdown": {"schema": {"type": "string"}},
            "text/plain": {"schema": {"type": "string"}},
        }
    }
}


def routes(core: Core) -> APIRouter:
    """Judge a client by its exchanges in the journal."""
    router = limited_router(core.settings.max_body_bytes, tags=["checks"])

    @router.get(
        "/checks",
        summary="What a client does wrong, or has not shown yet",
        response_class=Response,
        responses={**_ANSWERS, **responses(400, 404)},
    )
    async def check(
        request: Request,
        client: Annotated[str, Query(max_length=120, description="`client_id`.")],
        format: Annotated[Literal["json", "junit", "markdown", "text"], Query(description="Form of the answer.")] = (
            "json"
        ),
    ) -> Response:
        """Judges the newest 2,000 exchanges of the client that the journal holds. Before its first call every result
        is `not seen`.
        """
        sandbox = trail_of(request).call.sandbox.id
        await core.store.flush()

        def judge(conn: Connection) -> checks.Report:
            report = checks.check_client(conn, sandbox, client)
            if not report.exchanges and clients.find(conn, sandbox, client) is None:
                raise Refusal(Reason.NOT_FOUND, "no client of that id is registered here or was seen here")
            return report

        # Many exchanges take long to read: the event loop goes on meanwhile.
        report = await anyio.to_thread.run_sync(core.store.read_now, judge)
        if format == "json":
            return Response(orjson.dumps(report.dump()), media_type="application/json")
        write, media = FORMATS[format]
        return Response(write(report), media_type=media)

    return router
