"""The CapabilityStatement of ``/metadata`` (pps.md §5), made from the search rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from app.services.provesvar.rules import GRAPH, Parameter, SearchRule

TITLE: Final = "Pasientens Prøvesvar FHIR Server"
DATE: Final = "2024-05-23T00:00:00+02:00"
_FHIR_TYPE: Final = {"guid": "token", "date": "date", "token": "token"}
_BASE_SLOT: Final = "http://base.invalid"


def capability(searches: Mapping[str, SearchRule]) -> tuple[bytes, bytes]:
    """The bytes before and after the place of the base URL."""
    statement = {
        "resourceType": "CapabilityStatement",
        "title": TITLE,
        "status": "active",
        "date": DATE,
        "publisher": "Norsk Helsenett SF",
        "contact": [{"name": "Pasientens prøvesvar"}],
        "jurisdiction": [{"coding": [{"system": "urn:iso:std:iso:3166", "code": "NO"}]}],
        "purpose": "Laboratory and radiology reports for health personnel, read-only.",
        "kind": "instance",
        "implementation": {"description": TITLE, "url": _BASE_SLOT},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [{"mode": "server", "resource": [_resource(rule) for rule in searches.values()]}],
    }
    before, _, after = orjson.dumps(statement).partition(_BASE_SLOT.encode())
    return before, after


def spliced(parts: tuple[bytes, bytes], base: str) -> bytes:
    """The CapabilityStatement of the service at ``base``."""
    return orjson.dumps(base)[1:-1].join(parts)


def _resource(rule: SearchRule) -> dict[str, Any]:
    edges = [f"{rule.type}:{param}" for param in GRAPH.get(rule.type, {})]
    back = [
        f"{source}:{param}"
        for source, params in GRAPH.items()
        for param, target in params.items()
        if target == rule.type and rule.revinclude
    ]
    stated: dict[str, Any] = {"type": rule.type, "interaction": [{"code": "search-type"}]}
    if edges:
        stated["searchInclude"] = edges
    if back:
        stated["searchRevInclude"] = back
    stated["searchParam"] = [_parameter(parameter) for parameter in rule.parameters]
    return stated


def _parameter(parameter: Parameter) -> dict[str, str]:
    return {"name": parameter.name, "type": _FHIR_TYPE[parameter.kind], "documentation": parameter.text}
