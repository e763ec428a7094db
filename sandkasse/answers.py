"""What the control API answers, as frozen values. Names are those of the wire in snake_case."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar, cast

import httpx

from sandkasse.errors import UnexpectedAnswer
from sandkasse.proofs import BearerAuth, DPoPAuth

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ClockReading:
    """What the sandbox's clock shows, and the real time."""

    now: datetime
    real: datetime
    frozen: bool


@dataclass(frozen=True, slots=True)
class SandboxState:
    """A sandbox as the control API describes it. ``admin_key`` is told once, when it is made."""

    name: str
    seed: str
    seeded_at: datetime | None
    expires: datetime | None
    clock: ClockReading
    settings: Mapping[str, Any]
    faults: Mapping[str, Any]
    base: str = ""
    admin_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A sandbox's content as it was."""

    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Person:
    """A person of the register. ``nin`` is the number for bodies and headers, never for a URL."""

    id: str
    nin: str
    system: str
    previous_nins: tuple[str, ...]
    given: str | None
    family: str | None
    birth_date: str | None
    gender: str | None
    address_protection: str
    status: str
    deceased_date: str | None
    parents: tuple[str, ...]
    address_group: str | None
    guardian: str | None
    fullmakt_to: tuple[str, ...]
    youth_consent: bool
    municipality: str | None
    gp_hpr: str | None
    own_entries: bool
    scenario: str | None


@dataclass(frozen=True, slots=True)
class Practitioner:
    """A health worker; no authorisation means withdrawn."""

    id: str
    nin: str
    hpr: str
    authorizations: tuple[str, ...]
    given: str | None
    family: str | None


@dataclass(frozen=True, slots=True)
class Organisation:
    """A legal entity, a place of care or a supplier."""

    id: str
    orgnr: str
    name: str
    parent_orgnr: str | None
    kind: str
    delegated_by: tuple[str, ...]
    helsenett_member: bool
    her_id: str | None
    resh_id: str | None
    kj_access: bool


@dataclass(frozen=True, slots=True)
class Named:
    """A type and a value: whom a setting is aimed at, or what it is about."""

    type: str
    value: str


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of ``person`` (an id), as the rules read it."""

    person: str
    id: str
    svc: str
    kind: str
    subjects: tuple[Named, ...]
    objects: tuple[Named, ...]
    level: str | None
    code: str | None
    until: datetime | None
    from_: datetime | None
    to: datetime | None
    active: bool
    sequence: int
    created: datetime
    changed: datetime


@dataclass(frozen=True, slots=True)
class Client:
    """A client of the issuer."""

    id: str
    name: str
    grants: tuple[str, ...]
    scopes: tuple[str, ...]
    tenancy: str
    orgnr_parent: str | None
    orgnr_supplier: str | None
    children: tuple[str, ...]
    delegations: tuple[str, ...]
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]
    audiences: tuple[str, ...]
    dpop: str
    par: str
    profile: str | None
    access_token_seconds: int | None
    jwks: tuple[Mapping[str, Any], ...]
    keys: tuple[Mapping[str, Any], ...]
    claims: tuple[Mapping[str, Any], ...]
    pending_scopes: tuple[str, ...]
    unsigned_terms: tuple[Mapping[str, Any], ...]
    template: str | None
    made: float | None
    blocked: bool


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A token made without a login. ``headers`` are for one request, when one was named."""

    access_token: str = field(repr=False)
    token_type: str
    expires_in: int
    claims: Mapping[str, Any] = field(repr=False)
    dpop_key: Mapping[str, Any] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def auth(self) -> httpx.Auth:
        """What proves the token to a service, for ``httpx``."""
        if self.dpop_key is None:
            return BearerAuth(self.access_token)
        return DPoPAuth(self.access_token, self.dpop_key)


@dataclass(frozen=True, slots=True)
class FaultRule:
    """A fault rule with how many calls it looked at and how many it hit."""

    id: str
    match: Mapping[str, Any]
    effect: Mapping[str, Any]
    note: str | None = None
    seen: int = 0
    hits: int = 0


@dataclass(frozen=True, slots=True)
class Exchange:
    """A row of the journal."""

    id: str
    service: str
    at: datetime
    status: int
    reason: str | None
    client: str | None
    patient: str | None
    method: str | None = None
    path: str | None = None
    operation: str | None = None
    rule: str | None = None
    duration_ms: float | None = None
    summary: str | None = None

    @property
    def refused(self) -> bool:
        """Whether somebody was told no: also where the status is 200 and the reason stands in the answer."""
        return self.status >= 400 or self.reason is not None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an exchange was answered as it was. ``body`` has all that the journal holds."""

    id: str
    summary: str
    decision: Mapping[str, Any]
    rules: tuple[Mapping[str, Any], ...]
    findings: tuple[Mapping[str, Any], ...]
    body: Mapping[str, Any] = field(repr=False)

    @property
    def deciding(self) -> Mapping[str, Any] | None:
        """The rule that decided."""
        return next((rule for rule in self.rules if rule.get("deciding")), None)


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a request, a setting or a register, told in bokmål and English."""

    part: str
    nb: str
    en: str
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Way:
    """Changes that together lead to ``outcome``, with how many objects would be released and withheld."""

    outcome: str
    released: int
    withheld: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Fix:
    """What to do about a refusal from before the rules were asked, told in bokmål and English."""

    nb: str
    en: str


@dataclass(frozen=True, slots=True)
class Advice:
    """How an exchange would pass; ``needed`` is False for one that was granted."""

    needed: bool
    passes_now: bool
    fix: Fix | None
    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a request."""

    rule: str
    severity: str
    text: str
    reason: str | None
    found: Any
    expected: Any
    source: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """Everything that is wrong with a request, a token, a proof or an assertion that was not sent."""

    ok: bool
    summary: str
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One client check: ``passed``, ``failed`` or ``not seen``, with the exchanges that show it."""

    id: str
    title: str
    severity: str
    state: str
    source: str | None
    evidence: tuple[str, ...]
    detail: str | None


@dataclass(frozen=True, slots=True)
class Checks:
    """What the journal says of a client."""

    client: str
    results: tuple[CheckResult, ...]
    summary: Mapping[str, Any]

    def __getitem__(self, check: str) -> CheckResult:
        """The result of a check by its id. Raises ``KeyError``."""
        for result in self.results:
            if result.id == check:
                return result
        raise KeyError(check)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the receiver of a svarrapport said: whether it was taken, and its errors. ``xml`` is the AppRec."""

    taken: bool
    errors: tuple[str, ...]
    xml: bytes = field(repr=False)


def read(cls: type[T], body: Any) -> T:
    """``body``, as JSON gave it, as a value of the dataclass ``cls``; members it does not have are left out.

    Raises ``UnexpectedAnswer`` when one is missing.
    """
    if not isinstance(body, Mapping):
        raise UnexpectedAnswer(f"{cls.__name__}: not a JSON object")
    values, kind = {}, cast(Any, cls)
    for name, hint, demanded in _members(kind):
        wire = wire_name(name)
        key = wire if wire in body else name
        if key in body:
            values[name] = _value(hint, body[key])
        elif demanded:
            raise UnexpectedAnswer(f"{cls.__name__}: the answer has no {wire}")
    return cls(**values)


def wire_name(name: str) -> str:
    """The camelCase of the wire.

    >>> wire_name("birth_date"), wire_name("from_")
    ('birthDate', 'from')
    """
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(part.capitalize() for part in rest)


@functools.cache
def _members(cls: Any) -> tuple[tuple[str, Any, bool], ...]:
    hints = typing.get_type_hints(cls)
    nothing = dataclasses.MISSING
    return tuple(
        (each.name, hints[each.name], each.default is nothing and each.default_factory is nothing)
        for each in dataclasses.fields(cls)
    )


def _value(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return _value(arguments[0], value)  # the other is None
    if origin is tuple:
        return tuple(_value(arguments[0], each) for each in value)
    if hint is datetime:
        return datetime.fromisoformat(value)
    return read(hint, value) if dataclasses.is_dataclass(hint) and isinstance(hint, type) else value
