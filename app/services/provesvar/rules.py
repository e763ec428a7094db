"""What can be searched for and how: parameters, multi-values, includes (pps.md §5, rulings R45 and R46).

The tables say it; the reader turns form fields into a typed ``Search`` or raises ``Refusal``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal, TypeVar

from app import identity
from app.errors import Reason, Refusal
from app.fhir import search as fhir
from app.services.provesvar import codes
from app.store.resources import Query, TokenTest

SERVICE: Final = "PPS"
DEFAULT_COUNT: Final = 50

GRAPH: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "DiagnosticReport": MappingProxyType(
            {
                "based-on": "ServiceRequest",
                "result": "Observation",
                "specimen": "Specimen",
                "performer": "PractitionerRole",
            }
        ),
        "Observation": MappingProxyType(
            {
                "based-on": "ServiceRequest",
                "specimen": "Specimen",
                "performer": "PractitionerRole",
                "has-member": "Observation",
            }
        ),
        "ServiceRequest": MappingProxyType({"requester": "PractitionerRole", "specimen": "Specimen"}),
        "Specimen": MappingProxyType({"collector": "PractitionerRole"}),
    }
)
"""Type → search parameter → the type it refers to. Patient, Practitioner, Organization are never included."""

Kind = Literal["guid", "date", "token"]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A search parameter: what it is stored as, how its values are read, and what the documentation says of it."""

    name: str
    kind: Kind
    index: str
    text: str
    example: str
    colon: bool = False  # `system:code` is read as a system and a code


@dataclass(frozen=True, slots=True, eq=False)
class SearchRule:
    """What a resource type can be searched by. There is one of each, which is equal to itself alone."""

    type: str
    parameters: tuple[Parameter, ...]
    revinclude: bool = False

    def parameter(self, name: str) -> Parameter | None:
        return next((each for each in self.parameters if each.name == name), None)


@dataclass(frozen=True, slots=True)
class Edge:
    """One include: resources of ``source`` and what they refer to by ``param``."""

    source: str
    param: str


@dataclass(frozen=True, slots=True)
class Includes:
    """``once`` from the matches alone, ``again`` from everything found so far, forward and reverse."""

    once: tuple[Edge, ...] = ()
    again: tuple[Edge, ...] = ()
    reverse_once: tuple[Edge, ...] = ()
    reverse_again: tuple[Edge, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.once or self.again or self.reverse_once or self.reverse_again)


@dataclass(frozen=True, slots=True)
class Search:
    """A search that was understood. ``honoured`` are the fields that count, as sent, for the links.

    ``ignored`` names those that do not, for the journal.
    """

    query: Query
    includes: Includes = Includes()
    honoured: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()

    def __hash__(self) -> int:
        """Of what tells searches apart; the rest is compared when these agree."""
        return hash((self.query.type, self.query.count, self.query.skip, self.honoured))


_ID: Final = Parameter(
    "_id", "guid", "", "Id of the resource: a GUID, else 400.", "6b3f1a52-6c1d-4b0e-9a55-0c2f6a4d1e01"
)
_DATE: Final = Parameter(
    "date",
    "date",
    "date",
    "On effectiveDateTime, with prefix eq, ne, gt, lt, ge or le. Repeat it for an interval. Norwegian time.",
    "gt2017-09-20",
)
_TAG_TEXT: Final = "A code of meta.tag: `code`, `system:code` or `system|code`."

SEARCHES: Final[Mapping[str, SearchRule]] = MappingProxyType(
    {
        "DiagnosticReport": SearchRule(
            "DiagnosticReport",
            (
                _ID,
                _DATE,
                Parameter(
                    "identifier",
                    "token",
                    "identifier",
                    "The laboratory's id of the report (ServProvId).",
                    "55b6344fc-a61d-4a67-95fe-7276613785ab",
                ),
            ),
        ),
        "Observation": SearchRule(
            "Observation",
            (
                _ID,
                _DATE,
                Parameter("identifier", "token", "identifier", "The result's id (IdResultItem).", "118891125"),
                Parameter("_tags", "token", "_tag", _TAG_TEXT, "NPU19767", colon=True),
                Parameter("_tag", "token", "_tag", "The older name of `_tags`.", "FU", colon=True),
            ),
            revinclude=True,
        ),
    }
)
"""The documented searches."""

LEGACY_SEARCHES: Final[Mapping[str, SearchRule]] = MappingProxyType(
    {name: SearchRule(name, (_ID,)) for name in ("ServiceRequest", "Specimen", "PractitionerRole")}
)
"""Searches of older documents, on the backdoor only (pps.md §1)."""

INCLUDES: Final = ("_include", "_include:iterate", "_revinclude", "_revinclude:iterate")
MAX_VALUES: Final = 500
MAX_DATES: Final = 20
_FEW_FIELDS: Final = 4
_SHORT: Final = 100  # characters: a search that is remembered is a small one

_NATIONAL: Final = re.compile(r"(?<![0-9])[0-9]{11}(?![0-9])")
_LIST_ALIAS: Final = re.compile(
    r"http://(?:ehelse|helsedir)\.no/fhir/CodeSystem/no-kodeverk-([0-9]{4})(?:-(?:norpat|ncrp|nlk))?"
)


def merge(query: Iterable[tuple[str, str]], form: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Query and form as one; a name in the form hides the same name in the query (ruling R45).

    Raises ``Refusal(PARAMETER_INVALID)`` when a query value holds a valid national number: it must not
    stand in a URL.
    """
    sent = {name for name, _ in form}
    merged: list[tuple[str, str]] = []
    for name, value in query:
        if any(_is_national(number) for number in _NATIONAL.findall(f"{name} {value}")):
            raise Refusal(
                Reason.PARAMETER_INVALID, "a national identity number must not stand in the URL", source="R45"
            )
        if name not in sent:
            merged.append((name, value))
    return [*merged, *form]


def read(rule: SearchRule, fields: Sequence[tuple[str, str]], *, strict: bool, max_count: int) -> Search:
    """The search in ``fields``.

    Raises ``Refusal``: PARAMETER_INVALID, and in ``strict`` mode PARAMETER_NOT_SUPPORTED for what is unknown.
    """
    if len(fields) <= _FEW_FIELDS and sum(len(name) + len(value) for name, value in fields) <= _SHORT:
        return _remembered(rule, tuple(fields), strict, max_count)
    return _read(rule, fields, strict, max_count)


def _read(rule: SearchRule, fields: Sequence[tuple[str, str]], strict: bool, max_count: int) -> Search:
    draft = _Draft(rule, strict, max_count)
    for name, value in fields:
        draft.add(name, value)
    return draft.search()


_remembered = lru_cache(maxsize=512)(_read)


@dataclass(slots=True)
class _Draft:
    rule: SearchRule
    strict: bool
    max_count: int
    ids: dict[str, None] | None = None
    tokens: dict[str, list[fhir.Token]] = field(default_factory=dict)
    dates: list[tuple[fhir.DateTest, ...]] = field(default_factory=list)
    paging: dict[str, int] = field(default_factory=dict)
    edges: dict[str, dict[Edge, None]] = field(default_factory=lambda: {name: {} for name in INCLUDES})
    honoured: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    values: int = 0

    def add(self, name: str, value: str) -> None:
        parameter = self.rule.parameter(name)
        if parameter is not None:
            self._parameter(parameter, value)
        elif name in ("_count", "_skip"):
            self._paging(name, value)
        elif name in INCLUDES:
            if not self._include(name, value):
                return
        else:
            self._unknown(name, f"the parameter {_shown(name)} is not supported")
            return
        self.honoured.append((name, value))

    def search(self) -> Search:
        query = Query(
            type=self.rule.type,
            ids=None if self.ids is None else tuple(self.ids),
            tokens=tuple(TokenTest(param, tuple(dict.fromkeys(found))) for param, found in self.tokens.items()),
            dates=tuple(self.dates),
            count=min(self.paging.get("_count", DEFAULT_COUNT), self.max_count),
            skip=self.paging.get("_skip", 0),
        )
        once, again, reverse_once, reverse_again = (tuple(self.edges[name]) for name in INCLUDES)
        return Search(
            query, Includes(once, again, reverse_once, reverse_again), tuple(self.honoured), tuple(self.ignored)
        )

    def _parameter(self, parameter: Parameter, value: str) -> None:
        values = fhir.split_list(value)
        self.values += len(values)
        if self.values > MAX_VALUES:
            raise _invalid(parameter.name, f"too many values, at most {MAX_VALUES} in one search")
        if parameter.kind == "guid":
            self.ids = self.ids or {}
            self.ids.update(dict.fromkeys(_each(parameter.name, values, fhir.read_guid)))
        elif parameter.kind == "date":
            self.dates.append(tuple(_each(parameter.name, values, fhir.read_date)))
            if sum(map(len, self.dates)) > MAX_DATES:
                raise _invalid(parameter.name, f"too many dates, at most {MAX_DATES} in one search")
        else:
            read_one = _tag if parameter.colon else fhir.read_token
            self.tokens.setdefault(parameter.index, []).extend(_each(parameter.name, values, read_one))

    def _paging(self, name: str, value: str) -> None:
        if name in self.paging:
            raise _invalid(name, "must be sent once")
        (self.paging[name],) = _each(name, [value], fhir.read_count)

    def _include(self, name: str, value: str) -> bool:
        if name == "_revinclude" and not self.rule.revinclude:
            self.ignored.append(name)  # documented as not applicable (#73)
            return False
        known = False
        for each in fhir.split_list(value):
            edge = _edge(each)
            if edge is None:
                self._unknown(name, f"the {name} is not supported")
            else:
                self.edges[name][edge] = None
                known = True
        return known

    def _unknown(self, name: str, why: str) -> None:
        if self.strict:
            raise Refusal(Reason.PARAMETER_NOT_SUPPORTED, why, source="pps.md §5")
        self.ignored.append(_shown(name))


def _each(name: str, values: Sequence[str], read_one: Callable[[str], _T]) -> list[_T]:
    try:
        return [read_one(value) for value in values]
    except ValueError as error:
        raise _invalid(name, str(error)) from error


def _tag(value: str) -> fhir.Token:
    token = fhir.read_token(value, colon=True)
    match = _LIST_ALIAS.fullmatch(token.system or "")
    return token if match is None else fhir.Token(codes.system(match[1]), token.code)


def _edge(value: str) -> Edge | None:
    source, _, rest = value.partition(":")
    param, colon, target = rest.partition(":")
    reached = GRAPH.get(source, {}).get(param)
    if reached is None or (colon and target != reached):
        return None
    return Edge(source, param)


def _invalid(name: str, why: str) -> Refusal:
    return Refusal(Reason.PARAMETER_INVALID, f"{name}: {why}", source="pps.md §5")


def _shown(name: str) -> str:
    """A parameter name for a message: short, and without what could be a number of somebody."""
    return _NATIONAL.sub("…", name[:40])


def _is_national(number: str) -> bool:
    try:
        identity.parse(number, synthetic_only=False)
    except Refusal:
        return False
    return True
