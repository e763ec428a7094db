"""How an exchange of the journal would pass: for the console, and as JSON for the control API."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from app.core import Core
from app.directory import BY_NAME
from app.errors import Reason
from app.sandboxes.state import SandboxState
from app.services.kritiskinfo import source as kritiskinfo
from app.services.provesvar import source as provesvar
from app.store.engine import Connection
from app.trust.advice import FIXES, Fix, Way, granted, ways
from app.trust.advice.rebuild import rebuild
from app.trust.facts import Person
from app.trust.policy import (
    KJ_LEGACY,
    KJ_PORTAL,
    KJ_PORTAL_PAGE,
    PPS_BACKDOOR,
    SERVICES,
    ObjectFacts,
    ServicePolicy,
)

Objects = Callable[[Connection, str, Person], Sequence[ObjectFacts]]

_OBJECTS: Final[Mapping[str, Objects]] = MappingProxyType({"PPS": provesvar.objects_of, "KJ": kritiskinfo.objects_of})
"""The patient's stored objects, by the name the policy knows the service by."""
_OWN_POLICY: Final[Mapping[str, ServicePolicy]] = MappingProxyType(
    {
        "pps-backdoor": PPS_BACKDOOR,
        "kjernejournal": KJ_LEGACY,
        "kjernejournal-innlogging": KJ_PORTAL,
        "kjernejournal-portal": KJ_PORTAL_PAGE,
    }
)
_IN_FULL: Final = frozenset({None, "PERMIT", "ACCEPTED"})


@dataclass(frozen=True, slots=True)
class Advice:
    """What would help. ``needed`` is False for an exchange that was granted in full.

    ``fix`` is for a refusal from before the policy was asked; ``ways`` are worked out with the registers as they
    are now, and ``passes_now`` says that these alone have already changed the answer.
    """

    needed: bool
    fix: Fix | None = None
    ways: tuple[Way, ...] = ()
    passes_now: bool = False

    def dump(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "needed": self.needed,
            "passesNow": self.passes_now,
            "fix": None if self.fix is None else {"nb": self.fix.nb, "en": self.fix.en},
            "ways": [_dumped(each) for each in self.ways],
        }


async def advise(core: Core, state: SandboxState, row: Mapping[str, Any]) -> Advice:
    """How the exchange in a journal row would pass."""
    decision = row.get("decision") or {}
    reason = decision.get("reason")
    if reason is None and decision.get("outcome") in _IN_FULL:
        return Advice(needed=False)
    fix = FIXES.get(Reason(reason)) if isinstance(reason, str) and reason in Reason.__members__ else None
    service = BY_NAME.get(row["service"])
    name = "" if service is None else service.rule.audit_service
    policy = _OWN_POLICY.get(row["service"], SERVICES.get(name))
    if policy is None or decision.get("rule") is None:
        return Advice(True, fix)

    def work(conn: Connection) -> Advice:
        found = rebuild(conn, state, row, policy)
        if found is None:
            return Advice(True, fix)
        patient, objects = found.request.facts.patient, _OBJECTS.get(name)
        stored = () if patient is None or objects is None else objects(conn, state.id, patient)
        return Advice(True, fix, ways(found.request, stored, found.registers), granted(found.request, stored))

    return await core.store.read(work)


def _dumped(way: Way) -> dict[str, Any]:
    return {
        "outcome": way.outcome.value,
        "released": way.released,
        "withheld": way.withheld,
        "changes": [
            {"part": each.part.value, "nb": each.nb, "en": each.en, "value": dict(each.value)} for each in way.changes
        ],
    }
