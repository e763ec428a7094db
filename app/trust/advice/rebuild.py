"""From a journal row back to the request the policy judged, with the registers as they are now.

The journal holds no national identity number: who asked and about whom is looked up again by id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from app.clock import Moment
from app.sandboxes.state import SandboxState
from app.store import registers
from app.store.engine import Connection
from app.trust import attest
from app.trust.advice.candidates import Registers
from app.trust.facts import Person, PractitionerRecord
from app.trust.policy import Request, ServicePolicy
from app.trust.principal import Access, Attest, Basis, Channel
from app.trust.tokens import principal_of

_KEPT: Final = 6  # digits of a national identity number that the journal shows
_UNKNOWN_PATIENT: Final = "D1"  # the row of the decision table that says so
_NOBODY: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The request as it would be judged now, and who else could ask."""

    request: Request
    registers: Registers


def rebuild(conn: Connection, state: SandboxState, row: Mapping[str, Any], policy: ServicePolicy) -> Rebuilt | None:
    """The request of an exchange that reached the policy; None for one that did not. The attest keeps its age."""
    told, facts = row.get("access"), row.get("facts")
    if not isinstance(told, dict) or not isinstance(facts, dict):
        return None
    worker, person = _worker(conn, state.id, facts), _person(conn, state.id, facts)
    asked = _asked(conn, state.id, facts, person)
    if asked is None and any(rule["rule"] == _UNKNOWN_PATIENT and rule["fired"] for rule in row.get("rules", ())):
        asked = _NOBODY
    numbers = {_masked(each): each for each in (worker.pid if worker else None, asked) if each}
    claims = _shown_again(row.get("token") or {}, numbers)
    principal = replace(principal_of(claims, None), channel=Channel(told["channel"]))
    if principal.hpr is None and worker is not None and not policy.token_required:
        principal = replace(principal, hpr=worker.hpr)
    moment = Moment(_seconds(row["wallTime"]), _seconds(row["time"]))
    access = Access(
        sandbox=state.id,
        service=policy.name,
        operation=str(row["request"].get("operation")),
        moment=moment,
        principal=principal,
        attest=_attest(row.get("attest"), numbers),
        patient_nin=asked,
        basis=None if told["basis"] is None else Basis(told["basis"]),
        legacy_basis=told["legacyBasis"],
        role=told["role"],
    )
    known = registers.gather(
        conn,
        state.id,
        policy.name,
        asked,
        principal.pid,
        principal.hpr,
        (principal.orgnr_parent, principal.orgnr_child),
        moment.sandbox,
    )
    if not facts.get("privacyAvailable", True):
        known = replace(known, privacy_available=False)
    request = Request(
        access=access,
        facts=known,
        service=replace(policy, attest_max_age=state.settings.attest_max_age),
        op=told.get("op", "search"),
        mode=state.settings.mode,
    )
    others = Registers(registers.list_practitioners(conn, state.id), registers.list_organisations(conn, state.id))
    return Rebuilt(request, others)


def _worker(conn: Connection, sandbox: str, facts: Mapping[str, Any]) -> PractitionerRecord | None:
    known = facts.get("practitioner")
    return None if known is None else registers.practitioner_by_id(conn, sandbox, known["id"])


def _person(conn: Connection, sandbox: str, facts: Mapping[str, Any]) -> Person | None:
    known = facts.get("patient")
    return None if known is None else registers.person_by_id(conn, sandbox, known["id"])


def _asked(conn: Connection, sandbox: str, facts: Mapping[str, Any], person: Person | None) -> str | None:
    """The number asked for: a discontinued one where the row says that it was."""
    if person is None:
        return None
    if facts["patient"].get("redirected"):
        old = [value for value, current in registers.identifiers_of(conn, sandbox, person.id) if not current]
        return old[0] if old else person.nin
    return person.nin


def _attest(raw: object, numbers: Mapping[str, str]) -> Attest | None:
    if raw is None:
        return None
    return attest.read({attest.CLAIM: _shown_again(raw, numbers)}).attest or attest.UNREADABLE


def _shown_again(value: Any, numbers: Mapping[str, str]) -> Any:
    """``value`` with the masked numbers of those who were looked up again put back."""
    if isinstance(value, str):
        return numbers.get(value, value)
    if isinstance(value, dict):
        return {name: _shown_again(each, numbers) for name, each in value.items()}
    if isinstance(value, list):
        return [_shown_again(each, numbers) for each in value]
    return value


def _masked(number: str) -> str:
    return number[:_KEPT] + "*" * (len(number) - _KEPT)


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
