"""What can be asked of the facade: a search by patient, date of change and id, one resource, or the summary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import orjson

from app.errors import Reason, Refusal
from app.fhir.search import DateTest, read_date, read_token, split_list

NUMBER_SYSTEMS: Final = frozenset({"urn:oid:2.16.578.1.12.4.1.4.1", "urn:oid:2.16.578.1.12.4.1.4.2"})
"""National identity number and D-number."""
PATIENT: Final = ("patient.identifier", "subject.identifier")
"""The parameters that say whose resources are wanted."""
PARAMETERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "patient.identifier": "The patient's number, alone or as `system|number`. Best sent in the body.",
        "_id": "Ids of resources, with commas between.",
        "_lastUpdated": "When the record was last changed, such as `ge2026-01-01`. May be repeated; all must hold.",
    }
)

_SOURCE: Final = "ruling S17"
_MAX_IDS: Final = 100


@dataclass(frozen=True, slots=True)
class Number:
    """A patient's number as sent, with its system when one was sent."""

    value: str
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """The resources of a type: ``ids`` None is any, and all of ``changed`` must hold."""

    type: str
    ids: frozenset[str] | None = None
    changed: tuple[DateTest, ...] = ()


@dataclass(frozen=True, slots=True)
class Read:
    """One resource."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Summary:
    """The patient summary as a document with ``id``, made at ``now`` (epoch seconds on the sandbox clock)."""

    id: str
    now: float


Asked = Search | Read | Summary


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a search: whose it is, what is asked for, and the names that were not looked at."""

    patient: Number | None
    search: Search
    ignored: tuple[str, ...]


def read_search(type_: str, fields: Iterable[tuple[str, str]]) -> Fields:
    """The fields of a query or form. Raises ``Refusal(PARAMETER_INVALID)``."""
    patients: list[str] = []
    ids: frozenset[str] | None = None
    changed: list[DateTest] = []
    ignored: dict[str, None] = {}
    for name, value in fields:
        if name in PATIENT:
            patients.append(value)
        elif name == "_id":
            ids = _ids(value) if ids is None else ids & _ids(value)
        elif name == "_lastUpdated":
            changed.append(_date(value))
        else:
            ignored[name[:100]] = None
    return Fields(_patient(patients), Search(type_, ids, tuple(changed)), tuple(ignored))


def read_parameters(body: bytes) -> Number | None:
    """The patient in the body of an operation: a Parameters resource with ``identifier``; None without a body.

    Raises ``Refusal``: BODY_INVALID, or PARAMETER_INVALID for another form of the identifier.
    """
    if not body:
        return None
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict) or document.get("resourceType") != "Parameters":
        raise Refusal(Reason.BODY_INVALID, "the body must be a Parameters resource", source=_SOURCE)
    found = [each for each in _objects(document.get("parameter")) if each.get("name") == "identifier"]
    if not found:
        return None
    identifier = found[0].get("valueIdentifier")
    stated: dict[str, Any] = identifier if isinstance(identifier, dict) else {}
    value, system = stated.get("value"), stated.get("system")
    if len(found) > 1 or not isinstance(value, str):
        raise Refusal(Reason.PARAMETER_INVALID, "identifier must be one valueIdentifier with a value", source=_SOURCE)
    return Number(value, system if isinstance(system, str) else None)


def _patient(values: Sequence[str]) -> Number | None:
    if not values:
        return None
    try:
        tokens = {(token.system, token.code) for token in map(read_token, values)}
    except ValueError:
        tokens = set()
    if len(tokens) != 1:
        raise Refusal(Reason.PARAMETER_INVALID, "patient.identifier must be one number", source=_SOURCE)
    system, code = tokens.pop()
    if code is None:
        raise Refusal(Reason.PARAMETER_INVALID, "patient.identifier lacks the number", source=_SOURCE)
    return Number(code, system)


def _ids(value: str) -> frozenset[str]:
    found = frozenset(split_list(value))
    if len(found) > _MAX_IDS:
        raise Refusal(Reason.PARAMETER_INVALID, f"_id takes at most {_MAX_IDS} ids", source=_SOURCE)
    return found


def _date(value: str) -> DateTest:
    try:
        return read_date(value)
    except ValueError as error:
        raise Refusal(Reason.PARAMETER_INVALID, f"_lastUpdated {error}", source=_SOURCE) from None


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
