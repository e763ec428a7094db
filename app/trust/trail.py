"""What is learnt about one request on its way: filled by the gate, the policy and the service, read by the journal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.errors import Reason
from app.sandboxes.state import Call
from app.store.engine import ReplayKey
from app.trust.facts import Facts
from app.trust.policy.model import Op, ServicePolicy
from app.trust.principal import Access, Finding


@dataclass(slots=True)
class Trail:
    """Mutable and owned by one request. Nothing in it ever reaches the wire, only the journal."""

    call: Call
    findings: list[Finding] = field(default_factory=list)
    claims: dict[str, Any] = field(default_factory=dict)  # of the access token, patient-free
    proof: dict[str, Any] = field(default_factory=dict)  # claims of the DPoP proof
    access: Access | None = None
    facts: Facts | None = None
    reason: Reason | None = None
    detail: str | None = None
    rule: str | None = None
    outcome: str | None = None
    policy: ServicePolicy | None = None
    op: Op = "search"
    operation: str | None = None
    obligations: tuple[str, ...] = ()
    dropped: tuple[tuple[str, str, str], ...] = ()  # object key, rule, reason
    released: tuple[str, ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)
    patient_key: str | None = None
    client_id: str | None = None
    status_of: Callable[[Reason], int] | None = None  # the service's own statuses, for the audit record
    withheld: frozenset[str] = frozenset()  # "request", "answer": bodies with a secret, kept out of the journal
    replay: ReplayKey | None = None  # the proof's single-use key, claimed with the audit record

    def note(self, code: str, text: str, *, level: str = "note") -> None:
        """Record a finding (real-clients.md section 3)."""
        self.findings.append(Finding(code, level, text))
