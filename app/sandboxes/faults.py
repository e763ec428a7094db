"""Fault rules: which calls of a sandbox something is made to happen to, and what.

Pure: counts come from the store, and chance is drawn from a seed and the number of the call, so that the same calls
in the same order meet the same faults.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from statistics import NormalDist
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from app.directory import SERVICES
from app.errors import Reason, Refusal
from app.sandboxes.forms import ALTERNATIVE, Body, Text
from app.store.faults import Hits

DEPENDENCIES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"privacy": ("timeout", "down"), "audit": ("down",), "store": ("down",)}
)
"""Each dependency that can be made to fail, with the ways it can."""

MOST_RULES: Final = 100
LONGEST_MS: Final = 60_000
_UNFAULTED: Final = frozenset({"control"})
_ISSUERS: Final = frozenset({"helseid", "helseid-ttt"})
_NUMBER: Final = re.compile(r"\d{11}")
_HEADER_NAME: Final = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$"
_OF_THE_CONNECTION: Final = frozenset({"content-length", "content-type", "transfer-encoding"})
_DRAWS: Final = 2**48


class Part(Body):
    """Common to all parts of a rule: no number is infinite."""

    model_config = ConfigDict(allow_inf_nan=False)


RuleId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,40}$", description="Unique in the sandbox.")]
Milliseconds = Annotated[float, Field(ge=0, le=LONGEST_MS)]


# which calls


class FaultMatch(Part):
    """Which calls. All that is given must hold; what a call is known by comes first, then which of those calls."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"service": "pps-v2", "path": "/DiagnosticReport/*", "nth": 2},
                {"service": "PPS", "patient": "P01", "probability": 0.2, "seed": "monday"},
                {"service": "helseid", "method": "POST", "path": "/connect/token", "count": 1},
            ]
        }
    )

    service: Text | None = Field(
        None,
        description="Name of one address (`pps-v2`), or of the service as settings and audit know it (`PPS`: all its "
        "addresses). Upper or lower case, but `pps` is the address of v1.",
    )
    method: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{1,10}$", to_upper=True)] | None = None
    path: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="Pattern of the path below the service's address: `*` is any text, `?` one character."
    )
    patient: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="A person's id. Calls that name the person's number, current or old, in a header or the body."
    )
    client: Annotated[str, Field(max_length=120)] | None = Field(
        None, description="A client's id, as in the access token, the client assertion or `client_id`. Not verified."
    )
    nth: int | None = Field(None, ge=1, le=1_000_000_000, description="Only this one of the matching calls.")
    every: int | None = Field(None, ge=1, le=1_000_000_000, description="Each time so many have matched.")
    probability: float | None = Field(None, ge=0, le=1, description="The share of the matching calls.")
    seed: Text | None = Field(None, description="What chance is drawn from; the rule's id when left out.")
    count: int | None = Field(None, ge=1, le=1_000_000_000, description="At most so many times, then never again.")

    @field_validator("service")
    @classmethod
    def _known_service(cls, value: str | None) -> str | None:
        if value is not None and not services(value):
            raise _wrong("unknown service; the control API has no faults")
        return value

    @field_validator("patient")
    @classmethod
    def _no_number(cls, value: str | None) -> str | None:
        if value is not None and _NUMBER.fullmatch(value):
            raise _wrong("a patient is named by the person's id, such as P01, never by number")
        return value

    @model_validator(mode="after")
    def _not_everything(self) -> FaultMatch:
        path = None if self.path is None or not self.path.strip("/*") else self.path
        if (self.service, self.method, path, self.patient, self.client) == (None,) * 5:
            raise _wrong("the rule would match every call: give service, method, path, patient or client")
        return self


@dataclass(frozen=True, slots=True)
class Asked:
    """What a rule looks at in a call. ``people`` and ``clients`` are the ids found in it."""

    service: str
    method: str
    path: str
    people: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset()


# what happens


class Uniform(Part):
    """Evenly between two times."""

    low: Milliseconds
    high: Milliseconds

    @model_validator(mode="after")
    def _in_order(self) -> Uniform:
        if self.low > self.high:
            raise _wrong("low is above high")
        return self

    def at(self, draw: float) -> float:
        return self.low + (self.high - self.low) * draw


class Normal(Part):
    """Around a mean; never below zero."""

    mean: Milliseconds
    deviation: Annotated[float, Field(gt=0, le=LONGEST_MS)]

    def at(self, draw: float) -> float:
        return NormalDist(self.mean, self.deviation).inv_cdf(draw)


class Exponential(Part):
    """Mostly short, now and then long."""

    mean: Milliseconds

    def at(self, draw: float) -> float:
        return -self.mean * math.log1p(-draw)


class Latency(Part):
    """The call waits before anything else happens: so many milliseconds of real time, 60 seconds at most.

    The following rules still apply.
    """

    kind: Literal["latency"]
    ms: Milliseconds | None = None
    uniform: Uniform | None = None
    normal: Normal | None = None
    exponential: Exponential | None = None

    @model_validator(mode="after")
    def _one(self) -> Latency:
        if [self.ms, self.uniform, self.normal, self.exponential].count(None) != 3:
            raise _wrong("give one of ms, uniform, normal and exponential")
        return self

    def seconds(self, draw: float) -> float:
        """How long to wait; ``draw`` is in (0, 1)."""
        spread = self.uniform or self.normal or self.exponential
        wanted = spread.at(draw) if spread is not None else self.ms or 0.0
        return min(max(wanted, 0.0), LONGEST_MS) / 1000


class Status(Part):
    """An answer that the service never gave. The service does no work."""

    kind: Literal["status"]
    status: Annotated[int, Field(ge=200, le=599)]
    body: Annotated[str, Field(max_length=65_536)] = Field(
        "service",
        description="`service`: as the service tells of errors; `text`: plain text, as a gateway does; else the body "
        "itself.",
    )
    content_type: Annotated[str, Field(max_length=100, pattern=r"^[ -~]+$")] | None = Field(
        None, description="Of a body given here; `text/plain` when left out."
    )
    headers: Annotated[
        dict[Annotated[str, Field(pattern=_HEADER_NAME)], Annotated[str, Field(max_length=500, pattern=r"^[ -~]*$")]],
        Field(max_length=20),
    ] = Field(default_factory=dict, description="Further headers.")

    @field_validator("headers")
    @classmethod
    def _allowed(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name.lower() in _OF_THE_CONNECTION:
                raise _wrong(f"the header {name.lower()} follows from the body; see contentType and truncate")
        return value


class RateLimit(Part):
    """429 with `Retry-After`, in the service's own form. The service does no work."""

    kind: Literal["rate_limit"]
    retry_after: Annotated[int, Field(ge=0, le=86_400)] = Field(1, description="Seconds.")


class Reset(Part):
    """The TCP connection is reset: before the service does its work, or after, with its answer lost.

    With `afterBytes` so much of the answer's body still comes through. What the service did stays done, and the audit
    says that data were released: the recipient cannot know either.
    """

    kind: Literal["reset"]
    after: bool = Field(False, description="Reset when the service has done its work.")
    after_bytes: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = Field(
        None, description="Reset when so many bytes of the body have left; implies `after`."
    )


class Truncate(Part):
    """The answer promises its full length, and the connection closes before it has come.

    What the service did stays done, and the audit says that data were released.
    """

    kind: Literal["truncate"]
    bytes: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = Field(
        None, description="So much of the body comes; at least its last byte is lost."
    )
    fraction: Annotated[float, Field(ge=0, lt=1)] | None = Field(None, description="This share of the body comes.")

    @model_validator(mode="after")
    def _one(self) -> Truncate:
        if (self.bytes is None) == (self.fraction is None):
            raise _wrong("give one of bytes and fraction")
        return self

    def kept(self, size: int) -> int:
        """How much of a body of ``size`` bytes is sent."""
        wanted = self.bytes if self.bytes is not None else int(size * (self.fraction or 0.0))
        return max(0, min(wanted, size - 1))


class Slow(Part):
    """The body of the answer dribbles."""

    kind: Literal["slow"]
    bytes_per_second: Annotated[int, Field(ge=1, le=1_000_000_000)]


class Dependency(Part):
    """Something the service depends on fails, for this call."""

    kind: Literal["dependency"]
    dependency: Literal["privacy", "audit", "store"]
    way: Literal["timeout", "down"] = "down"

    @model_validator(mode="after")
    def _possible(self) -> Dependency:
        if self.way not in DEPENDENCIES[self.dependency]:
            raise _wrong(f"{self.dependency} can be {' or '.join(DEPENDENCIES[self.dependency])}")
        return self


class SourceDown(Part):
    """One of the sources a service gathers from does not answer, for this call.

    A service with a single store of its own names it as settings and audit name the service: `PPS`.
    """

    kind: Literal["source_down"]
    source: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,39}$", to_upper=True)]


class RotateKeys(Part):
    """The issuer's signing key is rotated before the call is answered."""

    kind: Literal["rotate_keys"]


class IssuerSkew(Part):
    """The issuer's clock is wrong by so many seconds: in the tokens it makes, and in all else it does in the call.

    For calls to the issuer only. Match all of it: a code made by one clock may be too old by another.
    """

    kind: Literal["issuer_skew"]
    seconds: Annotated[float, Field(ge=-315_360_000, le=315_360_000)] = Field(description="Negative: behind.")


def _tag(value: Any) -> str:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return f"{ALTERNATIVE}{kind}"


Effect = Annotated[
    Annotated[Latency, Tag(ALTERNATIVE + "latency")]
    | Annotated[Status, Tag(ALTERNATIVE + "status")]
    | Annotated[RateLimit, Tag(ALTERNATIVE + "rate_limit")]
    | Annotated[Reset, Tag(ALTERNATIVE + "reset")]
    | Annotated[Truncate, Tag(ALTERNATIVE + "truncate")]
    | Annotated[Slow, Tag(ALTERNATIVE + "slow")]
    | Annotated[Dependency, Tag(ALTERNATIVE + "dependency")]
    | Annotated[SourceDown, Tag(ALTERNATIVE + "source_down")]
    | Annotated[RotateKeys, Tag(ALTERNATIVE + "rotate_keys")]
    | Annotated[IssuerSkew, Tag(ALTERNATIVE + "issuer_skew")],
    Discriminator(
        _tag,
        custom_error_type="effect",
        custom_error_message="effect needs a kind that is known",
    ),
]
"""What happens."""

_ONLY_FOR: Final[Mapping[str, frozenset[str]]] = MappingProxyType({"issuer_skew": _ISSUERS})
"""Effects that only some addresses know."""


class RuleDraft(Part):
    """A rule as it is asked for; without an id it gets one."""

    id: RuleId | None = None
    note: Text | None = Field(None, description="What it is for.")
    match: FaultMatch
    effect: Effect

    @field_validator("effect")
    @classmethod
    def _possible(cls, value: Effect, info: ValidationInfo) -> Effect:
        only, match = _ONLY_FOR.get(value.kind), info.data.get("match")
        if only and isinstance(match, FaultMatch) and match.service and only.isdisjoint(services(match.service)):
            raise _wrong(f"{value.kind} is for calls to {' and '.join(sorted(only))}")
        return value


class Rule(RuleDraft):
    """A rule of a sandbox."""

    id: RuleId

    def stored(self) -> dict[str, Any]:
        """As JSON for the sandbox's row; ``Rule.model_validate`` reads it again."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def named(draft: RuleDraft, taken: frozenset[str]) -> Rule:
    """The rule of a draft, under its own id or the first of ``r1``, ``r2`` … that is not ``taken``."""
    free = draft.id or next(name for name in (f"r{number}" for number in range(1, len(taken) + 2)) if name not in taken)
    return Rule(id=free, note=draft.note, match=draft.match, effect=draft.effect)


def added(known: Sequence[Rule], draft: RuleDraft) -> tuple[Rule, ...]:
    """The rules with one more, last. Raises ``Refusal(CONFLICT)`` when its id is taken or there are enough."""
    taken = frozenset(rule.id for rule in known)
    if draft.id in taken:
        raise Refusal(Reason.CONFLICT, "there is a rule of that id", extra={"pointer": "/id"})
    if len(known) >= MOST_RULES:
        raise Refusal(Reason.CONFLICT, f"a sandbox has at most {MOST_RULES} rules")
    return (*known, named(draft, taken))


# matching and choosing


def reaches(rule: Rule, service: str, method: str, path: str) -> bool:
    """Whether the rule is for calls like this one, whoever makes them and whomever they are about."""
    match, only = rule.match, _ONLY_FOR.get(rule.effect.kind)
    return (
        (match.service is None or service in services(match.service))
        and (match.method is None or method == match.method)
        and (match.path is None or fnmatchcase(path, match.path))
        and (only is None or service in only)
    )


def matches(rule: Rule, asked: Asked) -> bool:
    """Whether the rule is for this call."""
    match = rule.match
    return (
        reaches(rule, asked.service, asked.method, asked.path)
        and (match.patient is None or match.patient in asked.people)
        and (match.client is None or match.client in asked.clients)
    )


def decide(matching: Sequence[Rule], counts: Mapping[str, Hits]) -> tuple[Rule, ...]:
    """Which of the rules that match take effect, in order: every latency up to the first rule of another kind.

    ``counts`` has each rule's hits so far and its calls, this one among them.
    """
    chosen = []
    for rule in matching:
        if not _due(rule, counts[rule.id]):
            continue
        chosen.append(rule)
        if not isinstance(rule.effect, Latency):
            break
    return tuple(chosen)


def draw(rule: Rule, seen: int, purpose: str) -> float:
    """A number in (0, 1) for the rule's call number ``seen``; the same every time."""
    text = "\x1f".join((rule.match.seed or rule.id, purpose, str(seen)))
    return (int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") + 0.5) / _DRAWS


@lru_cache(maxsize=256)
def services(name: str) -> frozenset[str]:
    """The addresses a name stands for: exactly as written first, then whatever the case. Empty for an unknown one."""
    for form in (str, str.casefold):
        wanted = form(name)
        found = frozenset(
            service.name
            for service in SERVICES
            if service.name not in _UNFAULTED and wanted in (form(service.name), form(service.rule.audit_service))
        )
        if found and wanted:
            return found
    return frozenset()


def _due(rule: Rule, counts: Hits) -> bool:
    match = rule.match
    return (
        (match.count is None or counts.hits < match.count)
        and (match.nth is None or counts.seen == match.nth)
        and (match.every is None or counts.seen % match.every == 0)
        and (match.probability is None or draw(rule, counts.seen, "whether") < match.probability)
    )


def _wrong(text: str) -> PydanticCustomError:
    return PydanticCustomError("fault_rule", "{text}", {"text": text})
