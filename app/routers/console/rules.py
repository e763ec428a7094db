"""The decision table as a page, so that every rule has an address to point at."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.core import Core
from app.routers.console import view
from app.routers.console.guard import guarded
from app.trust.policy import RULES, ObjectRule, Obligation, RequestRule, Stage

_STAGES: Final = tuple((stage.value, tuple(rule for rule in RULES if rule.stage is stage)) for stage in Stage)


def routes(core: Core) -> APIRouter:
    """The table of rules."""
    router = APIRouter(route_class=guarded(core), include_in_schema=False)

    @router.get("/rules")
    async def rules(request: Request) -> Response:
        return view.page(
            request, "rules.html", stages=_STAGES, outcome=outcome_of, obligations=[each.value for each in Obligation]
        )

    return router


def outcome_of(rule: RequestRule | ObjectRule) -> str:
    """What the rule does when it fires; a name in lower case is a choice of each service."""
    if isinstance(rule, ObjectRule):
        return rule.verdict.value if rule.verdict is not None else "blocked_object"
    if rule.choice is not None:
        return rule.choice.value
    return rule.outcome.value if rule.outcome is not None else ""
