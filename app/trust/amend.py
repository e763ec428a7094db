"""The one way patient data change: facts, policy, then the change and its audit record in one transaction (S46).

A change that is refused, or loses to another, leaves nothing but the record of the attempt, which ``accountable``
writes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from app.core import Core
from app.errors import Reason, Refusal
from app.store.engine import Connection, Replayed, Unit
from app.trust import release as releasing
from app.trust.dpop import REPLAY_TEXT
from app.trust.facts import Facts, Person
from app.trust.policy import Decision, Op, Outcome, ServicePolicy, conclude, decide, filter_objects
from app.trust.policy import Request as PolicyRequest
from app.trust.principal import Access
from app.trust.trail import Trail

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """What is to be done, and the ids of what it makes. ``apply`` runs in the writer's transaction, once."""

    ids: tuple[str, ...]
    apply: Callable[[Connection], T]


@dataclass(frozen=True, slots=True)
class Amended(Generic[T]):
    """A decision whose audit record is durable, with the change. ``result`` is None when nothing was changed."""

    decision: Decision
    result: T | None
    facts: Facts


async def amend(
    core: Core,
    trail: Trail,
    access: Access,
    policy: ServicePolicy,
    op: Op,
    prepare: Callable[[Connection, Facts, Person], Change[T]],
) -> Amended[T]:
    """Decide, prepare the change, then make change and audit record durable together.

    ``prepare`` reads and checks what needs no lock; it is called only when the decision permits. The decision is made
    again in the transaction, so that a block set meanwhile counts. Raises ``Refusal``: what ``prepare`` and
    ``Change.apply`` raise, PRIVACY_UNAVAILABLE, AUDIT_UNAVAILABLE, STORE_UNAVAILABLE, or DPOP_INVALID.
    """
    access = await releasing.bound(core, trail, access)
    policy = releasing.settled(policy, trail)
    trail.access, trail.policy, trail.op = access, policy, op
    releasing.require_store(trail, policy)
    privacy_up = await releasing.privacy_answers(trail)

    def judge(conn: Connection) -> tuple[Decision, Facts]:
        facts = releasing.facts_of(conn, access, policy)
        if not privacy_up:
            facts = replace(facts, privacy_available=False)
        request = PolicyRequest(
            access=access, facts=facts, service=policy, op=op, mode=trail.call.sandbox.settings.mode
        )
        return conclude(request, decide(request), filter_objects((), request), 0), facts

    def first(conn: Connection) -> tuple[Decision, Change[T] | None]:
        decision, facts = judge(conn)
        trail.facts = facts
        if not decision.releases or facts.patient is None:
            return decision, None
        return decision, prepare(conn, facts, facts.patient)

    decision, change = await core.store.read(first)
    facts = trail.facts or Facts()
    trail.obligations = decision.obligation_names
    ids = change.ids if change is not None else ()
    entries = await releasing.entries(core, trail, access, decision, ids)
    if change is None:
        trail.outcome, trail.reason, trail.rule = decision.outcome.value, decision.reason, decision.rule
        await releasing.commit(core, trail, access, entries)
        return Amended(decision, None, facts)

    def work(conn: Connection) -> T:
        again, _ = judge(conn)
        if not again.releases:
            raise Refusal(
                again.reason or Reason.INTERNAL, "the patient's settings have changed", source=again.rule or ""
            )
        return change.apply(conn)

    try:
        releasing.require_audit(trail)
        replays = (trail.replay,) if trail.replay is not None else ()
        result: T = await core.store.commit(Unit(replay=replays, audit=entries, work=work))
    except Replayed as error:
        trail.obligations = ()
        trail.outcome, trail.reason = Outcome.ERROR.value, Reason.DPOP_INVALID
        raise Refusal(Reason.DPOP_INVALID, REPLAY_TEXT) from error
    except Refusal:
        trail.obligations = ()
        raise
    trail.outcome, trail.reason, trail.rule = decision.outcome.value, decision.reason, decision.rule
    trail.released = ids
    return Amended(decision, result, facts)
