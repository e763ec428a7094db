"""Who asks, on what attested ground, for whom: the values a request is judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from app.clock import Moment
from app.values import per_request


class Channel(StrEnum):
    """The side a request comes from; the policy has one set of rules for each."""

    PERSONNEL = "personnel"
    CITIZEN = "citizen"
    MACHINE = "machine"


class Basis(StrEnum):
    """Access basis as sent by personnel (pps.md section 4.1)."""

    UNNTAK = "UNNTAK"
    SAMTYKKE = "SAMTYKKE"
    AKUTT = "AKUTT"
    FORHOYET_SAMTYKKE = "FORHOYET_SAMTYKKE"
    FORHOYET_AKUTT = "FORHOYET_AKUTT"

    @property
    def elevated(self) -> bool:
        return self in (Basis.FORHOYET_SAMTYKKE, Basis.FORHOYET_AKUTT)


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated caller, whatever credential kind it came with (ruling S45)."""

    channel: Channel
    client_id: str = ""
    pid: str | None = None
    hpr: str | None = None
    name: str | None = None
    level: int = 0
    network: str | None = None
    orgnr_parent: str | None = None
    orgnr_child: str | None = None
    orgnr_supplier: str | None = None
    scopes: frozenset[str] = frozenset()
    jti: str | None = None
    jkt: str | None = None
    claims: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Attest:
    """The tillitsrammeverk claim as it stands in the access token (trust.md section 1)."""

    practitioner_id: str | None
    hpr: str | None
    authorization: str | None
    legal_entity: str | None
    point_of_care: str | None
    department: str | None
    purpose: str | None
    purpose_details: str | None
    healthcare_service: str | None
    decision_ref: str | None
    user_selected: bool | None
    patient: str | None
    toa: int | None
    raw: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Finding:
    """Something accepted although a document forbids or only tolerates it (real-clients.md section 3)."""

    code: str
    level: str  # "note" or "risk"
    text: str


@per_request
class Access:
    """A request that passed the gate: everything the policy, the audit and the service need of it."""

    sandbox: str
    service: str
    operation: str
    moment: Moment
    principal: Principal
    attest: Attest | None = None
    patient_nin: str | None = None
    basis: Basis | None = None
    legacy_basis: bool = False
    role: str | None = None
    correlation_id: str | None = None
    represented: str | None = None
    findings: tuple[Finding, ...] = ()
