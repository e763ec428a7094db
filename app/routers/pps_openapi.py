"""What the OpenAPI document of Pasientens prøvesvar says: headers, parameters, examples, errors.

The handlers read requests themselves, so the description is made here, from the same tables they use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson

from app.fhir import bundle
from app.routers.fills import FILL, Fill
from app.services.provesvar import codes, errors
from app.services.provesvar.errors import WireError
from app.services.provesvar.rules import DEFAULT_COUNT, GRAPH, SearchRule
from app.trust.principal import Basis

Responses = dict[int | str, dict[str, Any]]

_TOKEN_ONLY: Final = frozenset({401})
_EXAMPLE_ID: Final = "6b3f1a52-6c1d-4b0e-9a55-0c2f6a4d1e01"
_PATIENT: Final = "14838449698"
_DESCRIPTIONS: Final[Mapping[str, str]] = {
    "pps": "Version 1: Bearer or DPoP token with scope `nhn:pps/provesvar` or `nhn:nilar/api`.",
    "pps-v2": "Version 2: DPoP-bound token with scope `nhn:pps/provesvar-read`.",
    "pps-backdoor": "The test address without tokens: the caller is who the `x-nilar-` headers say.",
}
_UNDOCUMENTED: Final = " No public table of errors exists: do not depend on their texts."


def description(service: str) -> str:
    """The text at the top of an address's document."""
    return _DESCRIPTIONS[service] + " Laboratory and radiology reports as FHIR R4, read-only." + _UNDOCUMENTED


def search_operation(
    rule: SearchRule, *, backdoor: bool, legacy_basis: str | None, correlation: tuple[str, ...]
) -> dict[str, Any]:
    """Headers and form of a search."""
    headers = _backdoor_headers() if backdoor else _helseid_headers(correlation)
    if legacy_basis is not None:
        text = "Obsolete: 0 none, 1 consent, 2 emergency, the last two elevated. The access basis wins over it."
        headers.append(_header(legacy_basis, text, enum=["0", "1", "2"]))
    return {
        "parameters": headers,
        "requestBody": {
            "required": False,
            "description": "Empty: everything. The same parameters may stand in the query; the form wins.",
            "content": {"application/x-www-form-urlencoded": {"schema": _form(rule)}},
        },
    }


def search_responses(rule: SearchRule, *, token: bool) -> Responses:
    """The searchset, empty ones included, and every error of the table."""
    examples = {"data": {"summary": "A match", "value": _match(rule)}}
    shown: dict[str, str] = {}
    for row in errors.ERRORS.values():
        name = row.pvk or row.code
        if row.status == 200 and name not in shown:
            shown[name] = row.text
            body = bundle.searchset(base=_base(), total=0, links=[("self", _self(rule))], outcome=row.outcome())
            examples[name] = {"summary": row.text, "value": orjson.loads(body)}
    found: Responses = {
        200: {
            "description": "A searchset. An entry with search mode `outcome` says why there are no data.",
            "content": {bundle.JSON: {"schema": {"type": "object"}, "examples": examples}},
        }
    }
    found.update(_errors(row for row in errors.ERRORS.values() if token or row.status not in _TOKEN_ONLY))
    return found


def metadata_responses(token: bool) -> Responses:
    """The CapabilityStatement; on v1 also the 401 of the documented bug."""
    found: Responses = {
        200: {
            "description": "The CapabilityStatement",
            "content": {bundle.JSON: {"schema": {"type": "object"}}},
        }
    }
    if token:
        found.update(_errors(row for row in errors.ERRORS.values() if row.status == 401))
    return found


def _errors(rows: Iterable[WireError]) -> Responses:
    by_status: dict[int, list[WireError]] = {}
    for row in rows:
        if row.status != 200:
            by_status.setdefault(row.status, []).append(row)
    found: Responses = {}
    for status, same in sorted(by_status.items()):
        examples = {row.reason.value: {"summary": row.text, "value": orjson.loads(row.outcome())} for row in same}
        content: dict[str, Any] = {bundle.JSON: {"schema": {"type": "object"}, "examples": examples}}
        if status == 400:
            content["text/plain"] = {"schema": {"type": "string"}}
        found[status] = {"description": HTTPStatus(status).phrase, "content": content}
        if status == 401:
            found[status]["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return found


def _helseid_headers(correlation: tuple[str, ...]) -> list[dict[str, Any]]:
    others = ", ".join(correlation)
    return [
        _header("Authorization", "`DPoP <token>`, on v1 also `Bearer <token>`.", required=True, fill="authorization"),
        _header("DPoP", "The proof of possession, with the DPoP scheme.", fill="proof"),
        _header("person-id", "The patient's number.", required=True, example=_PATIENT, fill="patient"),
        _header(
            "X-Request-Id",
            f"A correlation id, required; any one of {others}.",
            required=True,
            example=_EXAMPLE_ID,
            fill="correlation",
        ),
        _header("access-basis", "On what ground.", enum=[basis.value for basis in Basis], fill="basis"),
        _header("requester-hpr-role", "The health worker's category (9060).", enum=sorted(codes.codes_of(9060))),
    ]


def _backdoor_headers() -> list[dict[str, Any]]:
    return [
        _header("x-nilar-patient", "The patient's number.", required=True, example=_PATIENT, fill="patient"),
        _header("x-nilar-requester-hpr", "The health worker's HPR number.", required=True, example="222250101"),
        _header(
            "x-nilar-requester-hpr-role", "The health worker's category (9060).", enum=sorted(codes.codes_of(9060))
        ),
        _header("x-nilar-requester-name", "The health worker's name."),
        _header("x-nilar-organisation", "The organisation number."),
        _header("x-nilar-access-basis", "On what ground.", enum=[basis.value for basis in Basis]),
        _header("x-nilar-correlation-id", "A correlation id.", fill="correlation"),
    ]


def _header(
    name: str,
    text: str,
    *,
    required: bool = False,
    enum: list[str] | None = None,
    example: str | None = None,
    fill: Fill | None = None,
) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"} if enum is None else {"type": "string", "enum": enum}
    found = {"name": name, "in": "header", "required": required, "description": text, "schema": schema}
    if fill is not None:
        found[FILL] = fill
    return found if example is None else {**found, "example": example}


def _form(rule: SearchRule) -> dict[str, Any]:
    text = {"type": "string"}
    properties: dict[str, Any] = {
        parameter.name: {**text, "description": parameter.text, "example": parameter.example}
        for parameter in rule.parameters
    }
    edges = [f"{source}:{param}" for source, params in GRAPH.items() for param in params]
    own = [edge for edge in edges if edge.startswith(rule.type + ":")]
    several = "Several with commas or by repeating it."
    if own:
        properties["_include"] = {**text, "description": f"From the matches: {', '.join(own)}. {several}"}
    properties["_include:iterate"] = {**text, "description": f"From all that is found: {', '.join(edges)}."}
    if rule.revinclude:
        properties["_revinclude"] = {**text, "description": "What refers to the matches: `DiagnosticReport:result`."}
    properties["_revinclude:iterate"] = {**text, "description": "What refers to anything that is found."}
    whole = {"type": "integer", "minimum": 0}
    properties["_count"] = {**whole, "default": DEFAULT_COUNT, "description": "Matches on a page; 0 gives the total."}
    properties["_skip"] = {**whole, "default": 0, "description": "Matches to pass over."}
    return {"type": "object", "properties": properties}


def _match(rule: SearchRule) -> Any:
    resource = {"resourceType": rule.type, "id": _EXAMPLE_ID, "subject": {"identifier": {"value": _PATIENT}}}
    rows = [(rule.type, _EXAMPLE_ID, orjson.dumps(resource))]
    return orjson.loads(bundle.searchset(base=_base(), total=1, links=[("self", _self(rule))], matches=rows))


def _base() -> str:
    return "https://test.pps.nhn.no/v2"


def _self(rule: SearchRule) -> str:
    return f"{_base()}/{rule.type}/_search"
