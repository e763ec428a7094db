"""One exchange: what was asked and answered, who asked, the way through the rules, and how it would pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.core import Core
from app.routers.advising import advise
from app.routers.common import trail_of
from app.routers.console import view
from app.routers.console.guard import guarded
from app.store import exchanges
from app.trust.policy import OBJECT_RULES, Stage

_TEXT_OF_OBJECT_RULE: Final = {rule.id: (rule.stage.value, rule.text) for rule in OBJECT_RULES}
_LAST: Final = "F3"  # judged after the single objects (ruling R5)


@dataclass(frozen=True, slots=True)
class Step:
    """One rule on the way. ``state``: decided, fired, passed, or unreached."""

    rule: str
    text: str
    state: str
    outcome: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class StageSteps:
    """A stage of the table with its rules."""

    stage: str
    steps: tuple[Step, ...]
    state: str  # decided, passed or unreached


def routes(core: Core) -> APIRouter:
    """The page of one exchange."""
    router = APIRouter(route_class=guarded(core), include_in_schema=False)

    @router.get("/exchanges/{exchange_id}")
    async def exchange(request: Request, exchange_id: str) -> Response:
        state = trail_of(request).call.sandbox
        await core.store.flush()
        row = await core.store.read(lambda conn: exchanges.get(conn, state.id, exchange_id))
        if row is None:
            return view.not_found(request, "no_exchange")
        return view.page(request, "exchange.html", row=row, path=path_of(row), advice=await advise(core, state, row))

    return router


def path_of(row: Mapping[str, Any]) -> tuple[StageSteps, ...]:
    """The rules by stage, in the order they were judged. Those after the deciding one were not reached."""
    decision = row.get("decision") or {}
    judged = list(row.get("rules") or ())
    if not judged:
        return ()
    deciding = decision.get("rule")
    object_steps = _object_steps(row, deciding)
    ordered = [each for each in judged if each["rule"] != _LAST]
    last = [each for each in judged if each["rule"] == _LAST]
    at = next((place for place, each in enumerate(ordered) if each["rule"] == deciding), len(ordered))
    after_objects = deciding in _TEXT_OF_OBJECT_RULE
    stages: dict[str, list[Step]] = {}
    for place, each in enumerate(ordered):
        stages.setdefault(each["stage"], []).append(_step(each, deciding, reached=place <= at))
    for stage, steps in object_steps.items():
        stages.setdefault(stage, []).extend(steps)
    for each in last:
        reached = at == len(ordered) and not after_objects
        stages.setdefault(each["stage"], []).append(_step(each, deciding, reached=reached))
    return tuple(
        StageSteps(stage.value, tuple(stages[stage.value]), _state(stages[stage.value]))
        for stage in Stage
        if stage.value in stages
    )


def _step(judged: Mapping[str, Any], deciding: str | None, *, reached: bool) -> Step:
    if judged["rule"] == deciding:
        state = "decided"
    elif not reached:
        state = "unreached"
    else:
        state = "fired" if judged["fired"] else "passed"
    return Step(judged["rule"], judged["text"], state, judged["outcome"], judged["reason"])


def _object_steps(row: Mapping[str, Any], deciding: str | None) -> dict[str, list[Step]]:
    """The rules that withheld single objects."""
    found: dict[str, list[Step]] = {}
    reasons = {each["rule"]: each["reason"] for each in row.get("dropped") or ()}
    for rule, reason in reasons.items():
        stage, text = _TEXT_OF_OBJECT_RULE.get(rule, (Stage.OBJECTS.value, ""))
        state = "decided" if rule == deciding else "fired"
        found.setdefault(stage, []).append(Step(rule, text, state, "DROP", reason))
    return found


def _state(steps: Sequence[Step]) -> str:
    states = {step.state for step in steps}
    if "decided" in states:
        return "decided"
    return "unreached" if states == {"unreached"} else "passed"
