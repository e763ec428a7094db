"""The values the policy reads and the values it gives (personvern.md section 7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from app.errors import Reason
from app.trust.facts import Facts, Setting
from app.trust.principal import Access, Basis, Channel
from app.values import per_request

Op = Literal["search", "read", "create", "update", "delete", "ingest"]
Mode = Literal["national", "ehds"]
Attesting = Literal["ignore", "optional", "required"]
RoleSource = Literal["none", "header", "attest", "register"]

READ_OPS: frozenset[Op] = frozenset({"search", "read"})
WRITE_OPS: frozenset[Op] = frozenset({"create", "update", "delete"})
CARE_PURPOSES = frozenset({"TREAT", "ETREAT", "COC", "BTG"})


class Stage(StrEnum):
    """The parts of the table, in the order they are judged; F3 alone is judged after G (ruling R5)."""

    AUTHENTICITY = "A"
    REQUEST = "B"
    ACTOR = "C"
    PERSON = "D"
    AIMED_BLOCKS = "E"
    GENERAL_BLOCK = "F"
    OBJECTS = "G"
    CITIZEN = "H"


class Outcome(StrEnum):
    """EMPTY is a successful answer without data, with the explanation the service uses."""

    PERMIT = "PERMIT"
    PARTIAL = "PARTIAL"
    EMPTY = "EMPTY"
    DENY = "DENY"
    ERROR = "ERROR"


class Obligation(StrEnum):
    """What must be done before bytes leave (stage I), declared in the order of execution."""

    AUDIT = "AUDIT"
    BREAK_GLASS = "BREAK_GLASS"
    LOG_ELEVATED = "LOG_ELEVATED"
    SHOW_IN_CITIZEN_LOG = "SHOW_IN_CITIZEN_LOG"
    NOTIFY_CITIZEN = "NOTIFY_CITIZEN"
    MASK_ADDRESS = "MASK_ADDRESS"
    FLAG_SELF_ACCESS = "FLAG_SELF_ACCESS"
    IDENTIFIER_REDIRECTED = "IDENTIFIER_REDIRECTED"
    FLAG_BASIS_MISMATCH = "FLAG_BASIS_MISMATCH"


class Verdict(StrEnum):
    """What becomes of one object (ruling S44)."""

    KEEP = "KEEP"
    MASK = "MASK"
    DROP = "DROP"


class Needs(StrEnum):
    """What a row cannot fire without: the attribute of the request, or of its facts, that must not be empty."""

    TOKEN_FAULT = "token_fault"
    REQUEST_FAULT = "request_faults"
    SETTING = "settings"


class Choice(StrEnum):
    """A row whose outcome the service chooses: the ``ServicePolicy`` attribute that holds the choice."""

    PATIENT_UNKNOWN = "patient_unknown"
    WITHHELD = "withheld"
    GENERAL = "general_effect"
    RESERVED = "reserved"
    NEEDLESS_ELEVATION = "needless_elevation"


@dataclass(frozen=True, slots=True)
class ServicePolicy:
    """How one service (or one source of a service) fills in the choices the table leaves open.

    Durations are in seconds. ``None`` for a set of roles means every role. Sources: R1, R9, R13–R15,
    R40 for PPS; S2, S8, S9, S14, S31 for the others; personvern.md section 5 for the citizen side.
    """

    name: str
    # stage A
    token_required: bool = True  # False: the documented backdoor (R43), stages A and C do not apply
    min_level: int = 4
    org_parent_required: bool = True
    org_child_required: bool = False
    machine_ops: frozenset[Op] = frozenset()
    # stage B: the attest
    attest: Attesting = "ignore"
    attest_max_age: int = 3600
    attest_future: int = 60
    # stage C
    kj_access_required: bool = False  # the organisation must be connected to kjernejournal (S18)
    hpr_required: bool = True
    hpr_waived_with_basis: bool = False
    role_source: RoleSource = "none"
    roles_allowed: frozenset[str] | None = None
    roles_denied: frozenset[str] = frozenset()
    write_roles_allowed: frozenset[str] | None = None
    purposes_allowed: frozenset[str] = CARE_PURPOSES
    # stage D
    patient_unknown: Literal["empty", "deny", "continue"] = "deny"
    protected_policy: Literal["mask", "deny"] = "mask"
    deceased_writes: bool = False
    reserved: Literal["empty", "deny"] = "deny"
    # stages E and F
    withheld: Literal["empty", "deny"] = "deny"
    general: Literal["empty", "deny"] | None = None  # None: as ``withheld``
    reads_refused: bool = False  # a read by id is refused where a search would be empty (S31)
    any_block_denies: bool = False
    blocks_apply_to_write: bool = True
    module: str | None = None  # the module of a MODULE_RESTRICTION that stands for this service
    gp_exempt_from_general_block: bool = False
    elevating_purposes: frozenset[str] = frozenset()  # attest purposes that elevate like a basis (S8)
    needless_elevation: Literal["error", "deny", "continue"] = "error"
    elevation_needs_data: bool = True  # False: a standing restriction is enough (S8)
    # stage G
    blocked_object: Literal[Verdict.DROP, Verdict.MASK] = Verdict.DROP
    # stage H
    youth_service: bool = False
    parent_under_12: frozenset[Op] = frozenset()
    parent_12_15: frozenset[Op] = frozenset()
    parent_same_address_rule: Literal["any_parent", "only_coresident"] = "any_parent"
    consent_level_min: str | None = None
    fullmakt_read_area: str | None = "innsyn"
    fullmakt_write_area: str | None = "digitale helsetjenester"
    guardians: bool = False
    privacy_settings: bool = False  # the service in which the citizen changes the settings themselves
    # rendering
    mode: Mode = "national"

    @property
    def general_effect(self) -> Literal["empty", "deny"]:
        """The answer to a general block."""
        return self.general or self.withheld


@per_request
class Request:
    """All that the policy reads of one request to one source (ruling S43).

    ``token_fault`` and ``request_faults`` are what the gate found in stages A and B1–B4.
    ``scopes_accepted`` are alternatives: one of the sets must be granted; empty means not asked for here.
    ``elevated_adds`` says whether elevation opens at least one of the patient's stored objects on object
    level (rows G2, G4a), searched for or not (R34); ``None`` is not known, and row F3 then waits for
    ``conclude``.
    """

    access: Access
    facts: Facts
    service: ServicePolicy
    op: Op = "read"
    mode: Mode | None = None  # None: that of the service
    token_fault: Reason | None = None
    request_faults: frozenset[Reason] = frozenset()
    scopes_accepted: tuple[frozenset[str], ...] = ()
    elevated_adds: bool | None = None

    @property
    def ehds(self) -> bool:
        return (self.mode or self.service.mode) == "ehds"


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What the policy reads of one stored object.

    ``ids`` are ``(type, value)`` with type Svarrapport, Rekvisisjon or Dokument; ``confidentiality`` are
    codes of list 9603; ``requisition_reserved`` is code R of list 3108; ``delay_until`` is in epoch
    seconds; ``outside_search`` marks an object no search asked for (row G7).
    """

    key: str
    ids: frozenset[tuple[str, str]] = frozenset()
    confidentiality: frozenset[str] = frozenset()
    requisition_reserved: bool = False
    delay_until: float | None = None
    outside_search: bool = False


@dataclass(frozen=True, slots=True)
class ObjectVerdict:
    """The verdict on one object, with the row and reason; both ``None`` when no row had anything to say."""

    verdict: Verdict
    rule: str | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """An object withheld for privacy: dropped or masked."""

    key: str
    rule: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One row as it was judged; outcome and reason are ``None`` where it did not fire or let the request go on."""

    rule: str
    stage: Stage
    fired: bool
    outcome: Outcome | None
    reason: Reason | None
    text: str


@dataclass(frozen=True, slots=True)
class FilterResult:
    """The outcome of rows G1–G7 or H14–H19.

    ``dropped`` and ``masked`` hold what was withheld for privacy, in the order of the objects; what merely lay
    outside the search is in neither. ``opened`` says that elevation released at least one object.
    """

    verdicts: Mapping[str, ObjectVerdict] = field(default_factory=lambda: MappingProxyType({}))
    obligations: frozenset[Obligation] = frozenset()
    dropped: tuple[Dropped, ...] = ()
    masked: tuple[Dropped, ...] = ()
    opened: bool = False
    rows: tuple[RuleResult, ...] = ()


class Capacity(StrEnum):
    """In what capacity a citizen asks."""

    SELF = "self"
    PARENT = "parent"
    FULLMAKT = "fullmakt"
    GUARDIAN = "guardian"


@dataclass(frozen=True, slots=True)
class Scene:
    """What all objects of one request have in common, worked out once."""

    request: Request
    now: float
    settings: tuple[Setting, ...]  # in force now, and able to touch single objects
    everything_denied: bool = False
    capacity: Capacity | None = None
    age: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What every row of the table has. ``opened_by``: the access bases before which the row gives way."""

    id: str
    stage: Stage
    channels: frozenset[Channel]
    text: str
    reason: Reason | None = None
    obligations: frozenset[Obligation] = frozenset()
    opened_by: frozenset[Basis] = frozenset()
    source: str

    @property
    def overridable(self) -> bool:
        return bool(self.opened_by)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRule(Rule):
    """A row judged once per request. Without ``outcome`` and ``choice`` the request goes on, with obligations.

    ``hidden_in_ehds``: in ehds mode the answer is EMPTY and must look like "no data" (section 7.2, R10).
    ``needs``: without it ``when`` never holds, so that the row need not be judged.
    """

    when: Callable[[Request], bool]
    outcome: Outcome | None = None
    choice: Choice | None = None
    hidden_in_ehds: bool = False
    needs: Needs | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRule(Rule):
    """A row judged for each object. ``verdict`` ``None``: the service chooses between DROP and MASK (S31)."""

    when: Callable[[ObjectFacts, Scene], bool]
    verdict: Verdict | None
