"""The door laboratories use: ``POST /svarrapport`` (pps.md §9.2, ruling R53). An own invention of the sandbox.

Faults of content are answered 200 with an AppRec of status 2; only faults of transport are 4xx.
"""

from __future__ import annotations

import re
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import Response

from app.core import Core
from app.directory import BY_NAME
from app.errors import Reason, Refusal
from app.routers import problems
from app.routers.common import read_body, require_admin, single, trail_of
from app.services.provesvar import ingest
from app.services.provesvar.elements import NAMESPACES

XML: Final = "application/xml"
_XML_TYPES: Final = re.compile(r"(?:application|text)/(?:[a-z0-9.+-]+\+)?xml")
_OPERATION: Final = {
    "requestBody": {
        "required": True,
        "description": "A svarrapport, v1.3 or v1.4: " + ", ".join(sorted(NAMESPACES)),
        "content": {XML: {"schema": {"type": "string"}}},
    }
}


def create(core: Core) -> FastAPI:
    """Takes svarrapport messages in; guarded by the admin key as the control API is."""
    service = BY_NAME["pps-sandbox"]
    app = FastAPI(title=service.title, openapi_url=None, redirect_slashes=False)

    async def svarrapport(request: Request) -> Response:
        trail = trail_of(request)
        trail.operation = "svarrapport"
        await require_admin(core, request)
        _require_xml(request)
        sandbox = trail.call.sandbox
        body = await read_body(request, sandbox.settings.max_message_bytes)
        receipt = await ingest.receive(core.store, sandbox, body, moment=trail.call.moment, ids=core.ids)
        trail.outcome = "ACCEPTED" if receipt.accepted else "REFUSED"
        trail.notes["svarrapport"] = {
            "fates": [fate.value for fate in receipt.fates],
            "reports": list(receipt.report_ids),
            "error": receipt.code,
        }
        return Response(receipt.body, media_type=XML)

    app.add_api_route(
        "/svarrapport",
        svarrapport,
        methods=["POST"],
        summary="Receive a svarrapport",
        response_class=Response,
        responses={
            200: {
                "description": "AppRec 1.0: status 1 accepted, status 2 refused with a code of list 8221",
                "content": {XML: {"schema": {"type": "string"}}},
            },
            **problems.responses(413, 415, 503),
        },
        openapi_extra=_OPERATION,
    )
    problems.install(app)
    return app


def _require_xml(request: Request) -> None:
    media = (single(request, "Content-Type") or "").partition(";")[0].strip().lower()
    if _XML_TYPES.fullmatch(media) is None:
        raise Refusal(Reason.CONTENT_TYPE_INVALID, f"the body must be {XML}", source="R53")
