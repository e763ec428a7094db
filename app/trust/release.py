"""The one way patient data leave: facts, policy, search, filter, audit made durable, then the bytes.

Nothing is given to the caller before its audit record is on disk (design principle 5). The proof's
single-use key is claimed in the same transaction, so replay is caught across processes.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from app.core import Core
from app.errors import Reason, Refusal
from app.ids import new_ulid
from app.store import leases, registers
from app.store.engine import AuditEntry, Connection, Replayed, Unit
from app.trust import audit, recall
from app.trust.dpop import REPLAY_TEXT
from app.trust.facts import Facts, Person
from app.trust.policy import (
    Decision,
    ObjectFacts,
    Obligation,
    Op,
    Outcome,
    ServicePolicy,
    conclude,
    decide,
    filter_objects,
)
from app.trust.policy import Request as PolicyRequest
from app.trust.principal import Access
from app.trust.recall import Data
from app.trust.trail import Trail
from app.values import per_request

LARGEST_KEPT: Final = 65_536
"""Bytes of the largest answer that is remembered."""

SECURITY_LOG: Final = logging.getLogger("sandkasse.security")
_INDEX_KEY: Final = ("audit-index-key",)
_CODE: Final = {
    Outcome.PERMIT: 0,
    Outcome.PARTIAL: 0,
    Outcome.EMPTY: 4,
    Outcome.DENY: 4,
    Outcome.ERROR: 4,
}
_FAILURES: Final = frozenset(
    {Reason.PRIVACY_UNAVAILABLE, Reason.AUDIT_UNAVAILABLE, Reason.STORE_UNAVAILABLE, Reason.INTERNAL}
)
_SECURITY_ONLY: Final = frozenset(
    {
        Reason.TOKEN_MISSING,
        Reason.TOKEN_INVALID,
        Reason.DPOP_INVALID,
        Reason.AUDIENCE_WRONG,
        Reason.SCOPE_MISSING,
        Reason.PID_MISSING,
        Reason.USER_REQUIRED,
        Reason.LEVEL_TOO_LOW,
        Reason.ORG_MISSING,
        Reason.PATIENT_ID_INVALID,
    }
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The bytes of an answer and the ids of what they show. ``total`` counts the matches, all pages."""

    body: bytes
    ids: tuple[str, ...] = ()
    total: int = 0
    status: int = 200
    media_type: str = "application/fhir+json"


class Source(Hashable, Protocol):
    """A service's stored data of one patient, read inside the snapshot the decision was made in.

    Equal sources give equal answers as long as nothing stored changes.
    """

    def objects(self, conn: Connection, person: Person) -> Sequence[ObjectFacts]:
        """Every stored object of the patient, as the policy judges them."""

    def search(self, conn: Connection, person: Person, dropped: frozenset[str]) -> Answer:
        """What was asked for, without the objects whose keys are in ``dropped``."""


@per_request
class Released:
    """A decision whose audit record is durable. ``answer`` is None when nothing may be shown."""

    decision: Decision
    answer: Answer | None
    facts: Facts


async def release(core: Core, trail: Trail, access: Access, policy: ServicePolicy, op: Op, source: Source) -> Released:
    """Decide, search, filter, audit durably, and only then give the answer.

    Raises ``Refusal``: PRIVACY_UNAVAILABLE, AUDIT_UNAVAILABLE, STORE_UNAVAILABLE, or DPOP_INVALID when
    the proof was used before in any process.
    """
    access = await bound(core, trail, access)
    policy = settled(policy, trail)
    trail.access, trail.policy, trail.op = access, policy, op
    require_store(trail, policy)
    privacy_up = await privacy_answers(trail)

    def judge(data: Data) -> Released:
        facts = _facts(data, access, policy)
        if not privacy_up:
            facts = replace(facts, privacy_available=False)
        trail.facts = facts
        request = PolicyRequest(
            access=access, facts=facts, service=policy, op=op, mode=trail.call.sandbox.settings.mode
        )
        decision = decide(request)
        if not decision.releases or facts.patient is None:
            return Released(decision, None, facts)
        stored = _objects(data, source, facts.patient) if facts.settings else ()
        verdicts = filter_objects(stored, request)
        final = conclude(request, decision, verdicts, len(stored))
        trail.dropped = tuple([(item.key, item.rule, item.reason.value) for item in verdicts.dropped])
        if not final.releases:
            return Released(final, None, facts)
        dropped = frozenset([item.key for item in verdicts.dropped])
        return Released(final, _answer(data, source, facts.patient, dropped), facts)

    released = await recall.over(core, trail.call.sandbox.stamp, judge)
    decision = released.decision
    trail.outcome, trail.reason, trail.rule = decision.outcome.value, decision.reason, decision.rule
    trail.obligations = decision.obligation_names
    ids = released.answer.ids if released.answer is not None else ()
    trail.released = ids
    await commit(core, trail, access, await entries(core, trail, access, decision, ids))
    return released


def facts_of(conn: Connection, access: Access, policy: ServicePolicy) -> Facts:
    """What the registers and the privacy settings say of the people and organisations of a request."""
    return registers.gather(conn, *_asked(access, policy), access.moment.sandbox)


@per_request
class accountable:
    """Audit a refusal raised inside: stage A passed and the patient is known, so the attempt counts (R58)."""

    core: Core
    trail: Trail
    access: Access
    policy: ServicePolicy

    async def __aenter__(self) -> None:
        self.trail.access, self.trail.policy = self.access, self.policy

    async def __aexit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, Refusal):
            await _account(self.core, self.trail, self.access, error)


async def _account(core: Core, trail: Trail, access: Access, refusal: Refusal) -> None:
    if refusal.reason in _SECURITY_ONLY or access.patient_nin is None or trail.outcome is not None:
        return
    trail.outcome, trail.reason, trail.detail = Outcome.ERROR.value, refusal.reason, refusal.detail
    attempt = Decision(Outcome.ERROR, refusal.reason)
    if refusal.reason is not Reason.AUDIT_UNAVAILABLE:
        await commit(core, trail, access, await entries(core, trail, access, attempt, ()))


async def claim_proof(core: Core, trail: Trail) -> None:
    """Claim the proof's single-use key at once, where no audit record takes it along.

    Raises ``Refusal(DPOP_INVALID)``.
    """
    if trail.replay is None:
        return
    claimed, trail.replay = trail.replay, None
    try:
        await core.store.commit(Unit(replay=(claimed,)))
    except Replayed as error:
        raise Refusal(Reason.DPOP_INVALID, REPLAY_TEXT) from error


def security_event(trail: Trail, refusal: Refusal) -> None:
    """One line to the security log for a refusal before the patient is known: no number, no token (R58)."""
    SECURITY_LOG.warning(
        "refused %s sandbox=%s service=%s exchange=%s client=%s",
        refusal.reason.value,
        trail.call.sandbox.id,
        trail.call.service,
        trail.call.exchange,
        trail.client_id or "-",
    )


def settled(policy: ServicePolicy, trail: Trail) -> ServicePolicy:
    """The policy with the sandbox's own limit on the age of an attest."""
    limit = trail.call.sandbox.settings.attest_max_age
    return policy if policy.attest_max_age == limit else replace(policy, attest_max_age=limit)


_Asked = tuple[str, str, str | None, str | None, str | None, tuple[str | None, str | None]]


def _asked(access: Access, policy: ServicePolicy) -> _Asked:
    who = access.principal
    return access.sandbox, policy.name, access.patient_nin, who.pid, who.hpr, (who.orgnr_parent, who.orgnr_child)


def _facts(data: Data, access: Access, policy: ServicePolicy) -> Facts:
    asked = _asked(access, policy)
    return data.get(asked, lambda conn: registers.gather_lasting(conn, *asked)).at(access.moment.sandbox)


def _objects(data: Data, source: Source, person: Person) -> Sequence[ObjectFacts]:
    return data.get((source, person.id), lambda conn: source.objects(conn, person))


def _answer(data: Data, source: Source, person: Person, dropped: frozenset[str]) -> Answer:
    key = (source, person.id, dropped)
    return data.get(key, lambda conn: source.search(conn, person, dropped), _is_small)


def _is_small(answer: Answer) -> bool:
    return len(answer.body) <= LARGEST_KEPT


async def bound(core: Core, trail: Trail, access: Access) -> Access:
    """With ``attest_binding=strict`` an attest belongs to the first patient it was used for (ruling R16)."""
    attest, settings = access.attest, trail.call.sandbox.settings
    if settings.attest_binding == "none" or attest is None or attest.patient is not None or access.patient_nin is None:
        return access
    key = hashlib.sha256(f"{access.principal.pid}\x1f{attest.decision_ref}\x1f{attest.toa}".encode()).hexdigest()
    now, nin = access.moment.sandbox, access.patient_nin.encode()
    patient = await core.store.write(
        lambda conn: leases.bind(conn, access.sandbox, "attest", key, nin, now, now + 2 * settings.attest_max_age)
    )
    return replace(access, attest=replace(attest, patient=patient.decode()))


def require_store(trail: Trail, policy: ServicePolicy) -> None:
    """Raise ``Refusal(STORE_UNAVAILABLE)`` when a fault has taken the service's store away."""
    faults = trail.call.sandbox.faults
    if "store" in faults or f"source:{policy.name}" in faults:
        raise Refusal(Reason.STORE_UNAVAILABLE, "the store does not answer")


async def privacy_answers(trail: Trail) -> bool:
    """Whether the privacy settings can be asked; a time-out is waited for in real time."""
    fault = trail.call.sandbox.faults.get("privacy")
    if fault is None:
        return True
    if fault == "timeout":
        # Real time, whatever the sandbox clock says (ruling R44).
        await asyncio.sleep(trail.call.sandbox.settings.privacy_timeout)
    return False


async def entries(
    core: Core, trail: Trail, access: Access, decision: Decision, ids: tuple[str, ...]
) -> tuple[AuditEntry, ...]:
    """The audit records of a decision: one, or two when access was elevated (ruling R59)."""
    key = await index_key(core)
    elevated = Obligation.BREAK_GLASS in decision.obligations
    code = 8 if decision.reason in _FAILURES else _CODE[decision.outcome]
    event = audit.Event(
        outcome=decision.outcome.value,
        code=code,
        reason=decision.reason.value if decision.reason is not None else None,
        rule=decision.rule,
        obligations=trail.obligations,
        dropped=len(trail.dropped),
        elevated=elevated,
        status=200 if decision.reason is None or trail.status_of is None else trail.status_of(decision.reason),
        target=ids,
    )
    events = (replace(event, kind="decision", target=()), event) if elevated else (event,)
    return tuple(
        [audit.entry(new_ulid(core.ids, access.moment.real), trail, access, item, index_key=key) for item in events]
    )


async def index_key(core: Core) -> bytes:
    """The installation's key that patients are indexed with in the audit."""
    known = core.misc.get(_INDEX_KEY)
    if isinstance(known, bytes):
        return known
    made = core.ids.random(32)
    key = await core.store.write(lambda conn: audit.index_key(conn, made))
    core.misc.put(_INDEX_KEY, key)
    return key


def require_audit(trail: Trail) -> None:
    """Raises ``Refusal(AUDIT_UNAVAILABLE)`` when the audit is made to fail (personvern section 7, stage I)."""
    if trail.call.sandbox.faults.get("audit") is not None:
        raise Refusal(Reason.AUDIT_UNAVAILABLE, "the audit cannot be written", source="personvern 7, stage I")


async def commit(core: Core, trail: Trail, access: Access, entries: tuple[AuditEntry, ...]) -> None:
    """Make the audit records durable, and the proof used. Raises ``Refusal``: AUDIT_UNAVAILABLE or DPOP_INVALID."""
    require_audit(trail)
    replays = (trail.replay,) if trail.replay is not None else ()
    try:
        await core.store.commit(Unit(replay=replays, audit=entries))
    except Replayed as error:
        trail.outcome, trail.reason = Outcome.ERROR.value, Reason.DPOP_INVALID
        trail.released = ()
        raise Refusal(Reason.DPOP_INVALID, REPLAY_TEXT) from error
