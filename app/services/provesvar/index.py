"""What a resource can be found by, and what it points to (pps.md §5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from app.services.provesvar.report import Resource
from app.services.provesvar.times import parse_when


@dataclass(frozen=True, slots=True)
class IndexValue:
    """One search value. A token has ``system`` and ``value``; a date the half-open ``[low, high)`` in epoch seconds."""

    param: str
    system: str = ""
    value: str = ""
    low: float | None = None
    high: float | None = None


def search_values(resource: Resource) -> tuple[IndexValue, ...]:
    """The values of ``identifier`` (only the kind of id documented for the type), ``date`` and ``_tag``.

    Tags are those of ``meta.tag``, which only top-level Observations have (R46).
    """
    return tuple(_values(resource))


def references(resource: Resource) -> tuple[tuple[str, str], ...]:
    """(search parameter, ``Type/id``) for each reference of the include graph, in the order of the resource."""
    return tuple(
        (param, target)
        for param, path in _REFERENCES.get(resource["resourceType"], ())
        for target in _targets(resource, path)
    )


def _values(resource: Resource) -> Iterator[IndexValue]:
    wanted = _IDENTIFIER.get(resource["resourceType"])
    for identifier in resource.get("identifier", ()):
        if identifier["system"] == wanted:
            yield IndexValue("identifier", identifier["system"], identifier["value"])
    if wanted is not None and "effectiveDateTime" in resource:
        when = parse_when(resource["effectiveDateTime"])
        yield IndexValue("date", low=when.low, high=when.high)
    for tag in resource.get("meta", {}).get("tag", ()):
        yield IndexValue("_tag", tag.get("system", ""), tag["code"])


def _targets(resource: Resource, path: str) -> Iterator[str]:
    found: Any = resource
    for name in path.split("."):
        found = found.get(name, {}) if isinstance(found, dict) else {}
    for entry in found if isinstance(found, list) else [found]:
        if "reference" in entry:
            yield entry["reference"]


_IDENTIFIER: Mapping[str, str] = MappingProxyType({"DiagnosticReport": "ServReportId", "Observation": "ResultItemId"})
_REFERENCES: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        "DiagnosticReport": (
            ("based-on", "basedOn"),
            ("result", "result"),
            ("specimen", "specimen"),
            ("performer", "performer"),
        ),
        "Observation": (
            ("based-on", "basedOn"),
            ("specimen", "specimen"),
            ("performer", "performer"),
            ("has-member", "hasMember"),
        ),
        "ServiceRequest": (("requester", "requester"), ("specimen", "specimen")),
        "Specimen": (("collector", "collection.collector"),),
    }
)
