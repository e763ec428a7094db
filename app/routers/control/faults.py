"""``/faults``: dependencies made to fail, and rules for what else goes wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Path, Request, Response
from pydantic import ConfigDict, Field

from app.core import Core
from app.errors import Reason, Refusal
from app.routers.common import trail_of
from app.routers.control.bodies import Faults
from app.routers.problems import limited_router, responses
from app.sandboxes import config, manager
from app.sandboxes.faults import MOST_RULES, Part, Rule, RuleDraft, added, named
from app.sandboxes.forms import invalid
from app.sandboxes.state import SandboxState
from app.store import faults as counts
from app.store.faults import Hits

Id = Annotated[str, Path(max_length=40, description="Id of the rule.")]

_SLOW_MORNING: Final[dict[str, Any]] = {
    "id": "slow-morning",
    "note": "Every third search takes about two seconds",
    "match": {"service": "PPS", "path": "/*/_search", "every": 3},
    "effect": {"kind": "latency", "normal": {"mean": 2000, "deviation": 300}},
}
_EXAMPLES: Final[dict[str, Any]] = {
    "unavailable-once": {
        "summary": "The first call fails as the service fails, the next one works",
        "value": {"match": {"service": "pps-v2", "count": 1}, "effect": {"kind": "status", "status": 503}},
    },
    "gateway-text": {
        "summary": "A gateway answers in plain text, for one patient's calls",
        "value": {
            "match": {"service": "PPS", "patient": "P01"},
            "effect": {"kind": "status", "status": 502, "body": "text"},
        },
    },
    "rate-limit": {
        "summary": "One client is asked to wait, every tenth call",
        "value": {
            "match": {"client": "sandkasse-epj", "every": 10},
            "effect": {"kind": "rate_limit", "retryAfter": 5},
        },
    },
    "latency": {"summary": "Slow by a distribution", "value": _SLOW_MORNING},
    "reset": {
        "summary": "The connection is reset one time in five, always for the same calls",
        "value": {
            "match": {"service": "pps-v2", "probability": 0.2, "seed": "monday"},
            "effect": {"kind": "reset"},
        },
    },
    "truncate": {
        "summary": "The second answer is cut in half",
        "value": {"match": {"service": "pps-v2", "nth": 2}, "effect": {"kind": "truncate", "fraction": 0.5}},
    },
    "slow": {
        "summary": "The body dribbles",
        "value": {"match": {"service": "pps-v2"}, "effect": {"kind": "slow", "bytesPerSecond": 2000}},
    },
    "privacy-down": {
        "summary": "The privacy service does not answer, for one call",
        "value": {
            "match": {"service": "PPS", "count": 1},
            "effect": {"kind": "dependency", "dependency": "privacy", "way": "down"},
        },
    },
    "source-down": {
        "summary": "A source does not answer",
        "value": {"match": {"service": "PPS"}, "effect": {"kind": "source_down", "source": "PPS"}},
    },
    "rotate-keys": {
        "summary": "The issuer changes its key at the next token",
        "value": {
            "match": {"service": "helseid", "path": "/connect/token", "count": 1},
            "effect": {"kind": "rotate_keys"},
        },
    },
    "issuer-skew": {
        "summary": "The issuer's clock is two minutes fast",
        "value": {"match": {"service": "helseid"}, "effect": {"kind": "issuer_skew", "seconds": 120}},
    },
}


class RuleBody(RuleDraft):
    """A rule to make. ``seen`` and ``hits`` may be there, as in an answer, and are not looked at."""

    seen: int | None = Field(None, json_schema_extra={"readOnly": True})
    hits: int | None = Field(None, json_schema_extra={"readOnly": True})


class ShownRule(Rule):
    """A rule and how often it was met."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_SLOW_MORNING, "seen": 7, "hits": 2}]})

    seen: int = Field(description="Calls the rule matches: service, method, path, patient and client.")
    hits: int = Field(description="Calls it took effect on.")


class FaultsBody(Part):
    """What to replace; what is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"dependencies": {"privacy": "timeout"}, "rules": [_SLOW_MORNING]}]}
    )

    dependencies: Faults | None = Field(None, description="Dependencies that fail in every call, with the way.")
    rules: Annotated[list[RuleBody], Field(max_length=MOST_RULES)] | None = Field(
        None, description="In order: the first that takes effect decides; latency adds to what follows."
    )


class ShownFaults(Part):
    """All that is made to go wrong in the sandbox."""

    dependencies: dict[str, str]
    rules: list[ShownRule]


def routes(core: Core) -> APIRouter:
    """Read, replace, add and remove."""
    router = limited_router(core.settings.max_body_bytes, tags=["faults"])

    async def shown(state: SandboxState) -> ShownFaults:
        known = await core.store.read(lambda conn: counts.counts(conn, state.id))
        return ShownFaults(dependencies=dict(state.faults), rules=_shown(state.rules, known))

    @router.get("/faults", summary="Everything made to go wrong, with hit counts", response_model_exclude_none=True)
    async def get_faults(request: Request) -> ShownFaults:
        return await shown(trail_of(request).call.sandbox)

    @router.put(
        "/faults",
        summary="Replace failing dependencies, rules, or both",
        description="The counts of the rules begin anew.",
        responses=responses(400),
        response_model_exclude_none=True,
    )
    async def set_faults(request: Request, body: FaultsBody) -> ShownFaults:
        sandbox = trail_of(request).call.sandbox.id
        dependencies = None if body.dependencies is None else config.checked_faults(body.dependencies, "/dependencies")
        new = None if body.rules is None else _all_named(body.rules)

        def change(known: tuple[Rule, ...]) -> tuple[Rule, ...]:
            return known if new is None else new

        return await shown(await manager.change_rules(core, sandbox, change, faults=dependencies))

    @router.delete("/faults", status_code=204, summary="Let everything work again")
    async def clear_faults(request: Request) -> None:
        await manager.change_rules(core, trail_of(request).call.sandbox.id, lambda _: (), faults={})

    @router.post(
        "/faults",
        status_code=201,
        summary="Add a rule, last in order",
        responses=responses(400, 409),
        response_model_exclude_none=True,
    )
    async def add_rule(
        request: Request, response: Response, body: Annotated[RuleBody, Body(openapi_examples=_EXAMPLES)]
    ) -> ShownRule:
        call = trail_of(request).call

        state = await manager.change_rules(core, call.sandbox.id, lambda known: added(known, body))
        rule = state.rules[-1]
        response.headers["Location"] = f"{call.base}/faults/{rule.id}"
        return _shown([rule], {})[0]

    @router.get("/faults/{rule_id}", summary="One rule", responses=responses(404), response_model_exclude_none=True)
    async def get_rule(request: Request, rule_id: Id) -> ShownRule:
        found = await shown(trail_of(request).call.sandbox)
        for rule in found.rules:
            if rule.id == rule_id:
                return rule
        raise _unknown()

    @router.delete("/faults/{rule_id}", status_code=204, summary="Remove a rule", responses=responses(404))
    async def delete_rule(request: Request, rule_id: Id) -> None:
        def without(known: tuple[Rule, ...]) -> tuple[Rule, ...]:
            left = tuple(rule for rule in known if rule.id != rule_id)
            if len(left) == len(known):
                raise _unknown()
            return left

        await manager.change_rules(core, trail_of(request).call.sandbox.id, without)

    return router


def _all_named(bodies: Sequence[RuleBody]) -> tuple[Rule, ...]:
    taken: set[str] = set()
    for place, body in enumerate(bodies):
        if body.id in taken:
            raise invalid(f"/rules/{place}/id", "another rule has that id")
        taken |= {body.id} if body.id is not None else set()
    rules = []
    for body in bodies:
        rules.append(named(body, frozenset(taken)))
        taken.add(rules[-1].id)
    return tuple(rules)


def _shown(rules: Sequence[Rule], known: Mapping[str, Hits]) -> list[ShownRule]:
    return [
        ShownRule(**dict(rule), seen=known.get(rule.id, _NEVER).seen, hits=known.get(rule.id, _NEVER).hits)
        for rule in rules
    ]


def _unknown() -> Refusal:
    return Refusal(Reason.NOT_FOUND, "no rule has that id")


_NEVER: Final = Hits()
