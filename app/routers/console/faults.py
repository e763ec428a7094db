"""Faults: dependencies that fail, and rules about single calls, with how often each was met."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.core import Core
from app.directory import SERVICES
from app.errors import Reason, Refusal
from app.routers.common import trail_of
from app.routers.console import view
from app.routers.console.guard import Form, form_of, guarded
from app.sandboxes import manager
from app.sandboxes.faults import DEPENDENCIES, MOST_RULES, Rule, RuleDraft, named
from app.sandboxes.forms import validated
from app.store import faults
from app.store.faults import Hits

_NO_HITS: Final = Hits()
_HIDDEN: Final = frozenset({"control"})
_SLOW: Final = 100.0

EFFECTS: Final[Mapping[str, Callable[[float | None], dict[str, Any]]]] = {
    "latency": lambda value: {"kind": "latency", "ms": 1000 if value is None else value},
    "status": lambda value: {"kind": "status", "status": 503 if value is None else int(value)},
    "rate_limit": lambda value: {"kind": "rate_limit", "retryAfter": 1 if value is None else int(value)},
    "reset": lambda value: {"kind": "reset"},
    "truncate": lambda value: {"kind": "truncate", "fraction": 0.5 if value is None else value},
    "slow": lambda value: {"kind": "slow", "bytesPerSecond": int(_SLOW if value is None else value)},
    "privacy_down": lambda value: {"kind": "dependency", "dependency": "privacy", "way": "down"},
    "audit_down": lambda value: {"kind": "dependency", "dependency": "audit", "way": "down"},
    "rotate_keys": lambda value: {"kind": "rotate_keys"},
    "issuer_skew": lambda value: {"kind": "issuer_skew", "seconds": 3600 if value is None else value},
}
"""The effects the form offers; each takes at most one number. The control API has them all, in full."""


def routes(core: Core) -> APIRouter:
    """The page of the faults."""
    router = APIRouter(route_class=guarded(core), include_in_schema=False)

    async def shown(request: Request, error: Refusal | None = None) -> Response:
        state = trail_of(request).call.sandbox
        met = await core.store.read(lambda conn: faults.counts(conn, state.id))
        return view.page(
            request,
            "faults.html",
            error=error,
            rules=[(rule, met.get(rule.id, _NO_HITS)) for rule in state.rules],
            described=described,
            dependencies=DEPENDENCIES,
            services=[each for each in SERVICES if each.name not in _HIDDEN],
            effects=list(EFFECTS),
            form=form_of(request),
        )

    @router.get("/faults")
    async def page(request: Request) -> Response:
        return await shown(request)

    @router.post("/faults/dependencies")
    async def dependencies(request: Request) -> Response:
        form = form_of(request)
        wanted = {name: way for name in DEPENDENCIES if (way := form.get(name, ""))}
        try:
            await manager.configure(core, trail_of(request).call.sandbox.id, faults=wanted)
        except Refusal as refusal:
            return await shown(request, refusal)
        return view.moved(request, "/faults", "faults")

    @router.post("/faults/rules")
    async def rules(request: Request) -> Response:
        form = form_of(request)
        try:
            await manager.change_rules(core, trail_of(request).call.sandbox.id, _change(form))
        except Refusal as refusal:
            return await shown(request, refusal)
        return view.moved(request, "/faults", "faults")

    return router


def described(rule: Rule) -> dict[str, str]:
    """A rule in few words: which calls, and what happens to them."""
    match = rule.match.model_dump(mode="json", by_alias=True, exclude_none=True)
    effect = rule.effect.model_dump(mode="json", by_alias=True, exclude_none=True)
    kind = effect.pop("kind")
    return {"match": _pairs(match), "kind": kind, "effect": _pairs(effect)}


def _pairs(members: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in members.items() if value not in ({}, False))


def _change(form: Form) -> Callable[[tuple[Rule, ...]], tuple[Rule, ...]]:
    """What a form does to the rules. Raises ``Refusal(CONTENT_INVALID)``."""
    remove = form.get("remove")
    if remove is not None:
        return lambda known: () if remove == "*" else tuple(rule for rule in known if rule.id != remove)
    draft = validated(RuleDraft, _draft(form))

    def add(known: tuple[Rule, ...]) -> tuple[Rule, ...]:
        if len(known) >= MOST_RULES:
            raise Refusal(Reason.CONTENT_INVALID, f"a sandbox has at most {MOST_RULES} fault rules")
        return (*known, named(draft, frozenset(rule.id for rule in known)))

    return add


def _draft(form: Form) -> dict[str, Any]:
    make = EFFECTS.get(form.get("effect", ""))
    if make is None:
        raise Refusal(Reason.CONTENT_INVALID, "effect: choose what shall happen")
    texts = {name: form[name] for name in ("service", "method", "path", "patient", "client") if form.get(name)}
    numbers = {name: value for name in ("nth", "count") if (value := _number(form, name)) is not None}
    return {"match": {**texts, **numbers}, "effect": make(_number(form, "value"))}


def _number(form: Form, name: str) -> float | None:
    text = form.get(name, "").strip()
    if not text:
        return None
    try:
        value = float(text[:20].replace(",", "."))
        int(value)
    except (ValueError, OverflowError) as error:
        raise Refusal(Reason.CONTENT_INVALID, f"{name}: a number") from error
    return value
