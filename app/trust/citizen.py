"""The one way patient data reach a citizen: who acts for whom, policy, search, audit made durable, then the bytes.

As ``app.trust.release``, for the citizen channel (ruling S16): the registers are asked for the relation between the
two as well, and nothing is remembered between calls.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from app.core import Core
from app.errors import Reason
from app.ids import new_ulid
from app.store import registers
from app.store.engine import AuditEntry, Connection
from app.trust import audit
from app.trust import release as releasing
from app.trust.facts import Facts, Fullmakt, Person
from app.trust.policy import Decision, Op, ServicePolicy, conclude, decide, filter_objects
from app.trust.policy import Request as PolicyRequest
from app.trust.policy.citizen import PERSONAL_INTERESTS
from app.trust.principal import Access
from app.trust.release import Released, Source
from app.trust.trail import Trail

_FAILURES: Final = frozenset({Reason.PRIVACY_UNAVAILABLE})


async def release_to_citizen(
    core: Core, trail: Trail, access: Access, policy: ServicePolicy, op: Op, source: Source, *, shown: bool = True
) -> Released:
    """Decide, search, filter, audit durably, and only then give the answer.

    ``shown``: whether the reading itself stands in the patient's log. Raises ``Refusal``: AUDIT_UNAVAILABLE,
    STORE_UNAVAILABLE, or DPOP_INVALID when the proof was used before.
    """
    settings = trail.call.sandbox.settings
    policy = replace(policy, parent_same_address_rule=settings.parent_same_address_rule)
    trail.access, trail.policy, trail.op = access, policy, op
    releasing.require_store(trail, policy)
    privacy_up = await releasing.privacy_answers(trail)

    def judge(conn: Connection) -> Released:
        facts = replace(facts_of(conn, access, policy), privacy_available=privacy_up)
        trail.facts = facts
        request = PolicyRequest(access=access, facts=facts, service=policy, op=op, mode=settings.mode)
        decision = decide(request)
        if not decision.releases or facts.patient is None:
            return Released(decision, None, facts)
        stored = source.objects(conn, facts.patient)
        verdicts = filter_objects(stored, request)
        trail.dropped = tuple((item.key, item.rule, item.reason.value) for item in verdicts.dropped)
        final = conclude(request, decision, verdicts, len(stored))
        if not final.releases:
            return Released(final, None, facts)
        dropped = frozenset([item.key for item in verdicts.dropped])
        return Released(final, source.search(conn, facts.patient, dropped), facts)

    released = await core.store.read(judge)
    decision = released.decision
    trail.outcome, trail.reason, trail.rule = decision.outcome.value, decision.reason, decision.rule
    trail.obligations = decision.obligation_names
    trail.released = released.answer.ids if released.answer is not None else ()
    entry = _entry(core, trail, access, decision, await index_key(core), shown)
    await releasing.commit(core, trail, access, (entry,))
    return released


async def index_key(core: Core) -> bytes:
    """The installation's key that audit records of a patient are found by."""
    return await releasing.index_key(core)


def facts_of(conn: Connection, access: Access, policy: ServicePolicy) -> Facts:
    """What registers and settings say of the patient, of who acts, and of what is between them.

    The register holds no areas or period of a fullmakt, and no scopes of a guardian: one that stands there is for
    everything Helsenorge has, and without end.
    """
    found = releasing.facts_of(conn, access, policy)
    pid, patient = access.principal.pid, found.patient
    actor = registers.person_by_nin(conn, access.sandbox, pid) if pid is not None else None
    if actor is None or patient is None:
        return replace(found, actor=actor)
    areas = frozenset(area for area in (policy.fullmakt_read_area, policy.fullmakt_write_area) if area is not None)
    return replace(
        found,
        actor=actor,
        coresident_parent=_coresident(conn, access.sandbox, patient),
        fullmakt=Fullmakt(areas) if actor.id in patient.fullmakt_to else None,
        guardian_scopes=frozenset({PERSONAL_INTERESTS}) if patient.guardian == actor.id else frozenset(),
    )


def _coresident(conn: Connection, sandbox: str, child: Person) -> bool:
    parents = [registers.person_by_id(conn, sandbox, each) for each in sorted(child.parents)]
    home = child.address_group
    return home is not None and any(parent is not None and parent.address_group == home for parent in parents)


def _entry(core: Core, trail: Trail, access: Access, decision: Decision, key: bytes, shown: bool) -> AuditEntry:
    reason = decision.reason
    event = audit.Event(
        outcome=decision.outcome.value,
        code=0 if decision.releases else 8 if reason in _FAILURES else 4,
        reason=reason.value if reason is not None else None,
        rule=decision.rule,
        obligations=trail.obligations,
        dropped=len(trail.dropped),
        elevated=False,
        status=200 if reason is None or trail.status_of is None else trail.status_of(reason),
        target=trail.released,
        # Somebody else who tried is always shown.
        citizen_visible=shown or not decision.releases,
    )
    return audit.entry(new_ulid(core.ids, access.moment.real), trail, access, event, index_key=key)
