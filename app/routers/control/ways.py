"""``/exchanges/{id}/ways``: the smallest changes that turn a refused exchange into a granted one."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from app.core import Core
from app.errors import Reason, Refusal
from app.routers.advising import advise
from app.routers.common import trail_of
from app.routers.problems import limited_router, responses
from app.store import exchanges

_EXAMPLE = {
    "needed": True,
    "passesNow": False,
    "fix": None,
    "ways": [
        {
            "outcome": "PERMIT",
            "released": 73,
            "withheld": 0,
            "changes": [
                {
                    "part": "request",
                    "nb": "Send tilgangsgrunnlaget FORHOYET_SAMTYKKE.",
                    "en": "Send the access basis FORHOYET_SAMTYKKE.",
                    "value": {"accessBasis": "FORHOYET_SAMTYKKE"},
                }
            ],
        }
    ],
}
_DESCRIPTION = (
    "Computed by running the policy on changed requests: one change, then two. The registers and settings are read as "
    "they are now; the attest keeps the age it had. `fix` is for a refusal from before the policy was asked."
)


def routes(core: Core) -> APIRouter:
    """How an exchange would pass."""
    router = limited_router(core.settings.max_body_bytes)

    @router.get(
        "/exchanges/{exchange_id}/ways",
        tags=["exchanges"],
        summary="How the exchange would pass",
        description=_DESCRIPTION,
        responses={200: {"content": {"application/json": {"example": _EXAMPLE}}}, **responses(404)},
    )
    async def ways_of(request: Request, exchange_id: str) -> dict[str, Any]:
        state = trail_of(request).call.sandbox
        await core.store.flush()
        known = exchange_id if exchange_id.isprintable() else ""  # PostgreSQL takes no NUL
        row = await core.store.read(lambda conn: exchanges.get(conn, state.id, known))
        if row is None:
            raise Refusal(Reason.NOT_FOUND, "no exchange has that id, or it is no longer kept")
        return (await advise(core, state, row)).dump()

    return router
