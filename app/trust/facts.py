"""What the registers and the privacy settings say at the moment of the request.

Filled by ``store`` in one round trip; the policy reads nothing else. All dates are ISO 8601.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType


class SettingKind(StrEnum):
    """What a citizen or a health worker has set (personvern.md sections 2, 3 and 6)."""

    GENERAL_BLOCK = "general_block"  # sperring for all personnel
    SPECIFIC_BLOCK = "specific_block"  # named person, by HPR number or national number
    ORG_BLOCK = "org_block"  # organisation number, parent or child
    RESERVATION = "reservation"  # nothing registered
    MODULE_RESTRICTION = "module_restriction"  # one module of a service
    PTS_PRIVACY = "pts_privacy"  # PTS patient-privacy: Shield or Block, Soft or Hard
    PTS_SAFETY = "pts_safety"  # PTS patient-safety: 9603 code towards the citizen
    OWN_ACCESS_REMOVED = "own_access_removed"  # the citizen's own log-in (also akuttsperre)
    HELSENORGE_CONSENT = "helsenorge_consent"  # level in `code`


@dataclass(frozen=True, slots=True)
class Setting:
    """One active setting. ``subjects`` and ``objects`` empty means all.

    ``subjects`` are ``(type, value)`` with type HPR, PID or ORGNR; ``objects`` are ``(type, value)``
    with type Svarrapport, Rekvisisjon or Dokument. ``level`` is Soft or Hard (PTS). ``code`` is a 9603
    code, a module or a consent level. ``until`` is the end of a delay, in epoch seconds.
    """

    id: str
    service: str
    kind: SettingKind
    subjects: frozenset[tuple[str, str]] = frozenset()
    objects: frozenset[tuple[str, str]] = frozenset()
    level: str | None = None
    code: str | None = None
    until: float | None = None
    active_from: float | None = None
    active_to: float | None = None

    def active(self, now: float) -> bool:
        """Whether the setting is in force at ``now`` (epoch seconds); the end is exclusive."""
        return (self.active_from is None or self.active_from <= now) and (
            self.active_to is None or now < self.active_to
        )


@dataclass(frozen=True, slots=True)
class Person:
    """A person of the register (grunndata.md section 3); age comes from ``birth_date`` only."""

    id: str
    nin: str
    nin_system: str
    birth_date: str | None = None
    gender: str | None = None
    address_protection: str = "Unclassified"
    status: str = "Resident"
    deceased_date: str | None = None
    parents: frozenset[str] = frozenset()
    address_group: str | None = None
    guardian: str | None = None
    fullmakt_to: frozenset[str] = frozenset()
    youth_consent: bool = False
    redirected: bool = False  # found through a discontinued number
    given: str | None = None
    family: str | None = None
    municipality: str | None = None
    extra: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class PractitionerRecord:
    """What HPR says of a health worker: 9060 codes held now; empty when withdrawn."""

    id: str
    hpr: str
    pid: str
    authorizations: frozenset[str] = frozenset()
    given: str | None = None
    family: str | None = None

    @property
    def name(self) -> str:
        return " ".join([part for part in (self.given, self.family) if part])


@dataclass(frozen=True, slots=True)
class OrganisationRecord:
    id: str
    orgnr: str
    name: str
    parent_orgnr: str | None = None
    kind: str = "legal_entity"
    delegated_by: frozenset[str] = frozenset()  # orgnr of those who delegated to this supplier
    helsenett_member: bool = True
    her_id: str | None = None
    resh_id: str | None = None
    kj_access: bool = True  # may use kjernejournal


@dataclass(frozen=True, slots=True)
class Fullmakt:
    """The mandate the patient has given the acting person: its areas, and its period in epoch seconds.

    ``None`` is an open end; the end is exclusive (personvern.md section 5).
    """

    areas: frozenset[str] = frozenset()
    valid_from: float | None = None
    valid_to: float | None = None

    def valid(self, now: float) -> bool:
        return (self.valid_from is None or self.valid_from <= now) and (self.valid_to is None or now < self.valid_to)


@dataclass(frozen=True, slots=True)
class Facts:
    """The register side of a request. ``settings`` holds only those active now, for this service."""

    patient: Person | None = None
    practitioner: PractitionerRecord | None = None
    parent_org: OrganisationRecord | None = None
    child_org: OrganisationRecord | None = None
    settings: tuple[Setting, ...] = ()
    actor: Person | None = None  # the citizen or representative, on the citizen channel
    coresident_parent: bool | None = None  # a parent lives at the child's address
    has_data: bool = False  # the patient has stored data in this service
    privacy_available: bool = True
    gp_hpr: str | None = None
    fullmakt: Fullmakt | None = None  # from the patient to ``actor``
    guardian_scopes: frozenset[str] = frozenset()  # of ``actor`` for the patient, e.g. PersonalInterests

    def at(self, now: float) -> Facts:
        """With only those settings that are in force at ``now`` (epoch seconds on the sandbox clock)."""
        settings = tuple([setting for setting in self.settings if setting.active(now)])
        return self if len(settings) == len(self.settings) else replace(self, settings=settings)
