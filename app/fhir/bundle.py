"""A searchset as bytes: stored resources are joined, never parsed (design principle 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson

JSON: Final = "application/fhir+json"

Stored = tuple[str, str, bytes]
"""Type, id and bytes of a stored resource."""

_MATCH: Final = '","search":{"mode":"match"},"resource":'
_INCLUDE: Final = '","search":{"mode":"include"},"resource":'
_OUTCOME: Final = b'{"search":{"mode":"outcome"},"resource":'


def searchset(
    *,
    base: str,
    total: int,
    links: Sequence[tuple[str, str]],
    matches: Iterable[Stored] = (),
    included: Iterable[Stored] = (),
    outcome: bytes | None = None,
) -> bytes:
    """The Bundle. ``base`` is spliced into each ``fullUrl``; ``links`` are (relation, absolute URL).

    ``outcome`` are the bytes of an OperationOutcome, which then is the last entry. Without entries the
    member is left out: FHIR has no empty arrays.
    """
    before = '{"fullUrl":"' + orjson.dumps(base)[1:-1].decode() + "/"
    entries: list[bytes] = []
    for rows, mode in ((matches, _MATCH), (included, _INCLUDE)):
        for type_, id_, body in rows:
            entries.append(f"{before}{type_}/{id_}{mode}".encode() + body + b"}")
    if outcome is not None:
        entries.append(_OUTCOME + outcome + b"}")
    head = b'{"resourceType":"Bundle","type":"searchset","total":%d,"link":%b' % (total, _links(links))
    if not entries:
        return head + b"}"
    return b"".join((head, b',"entry":[', b",".join(entries), b"]}"))


def operation_outcome(
    severity: str,
    code: str,
    *,
    diagnostics: str = "",
    text: str = "",
    codings: Sequence[tuple[str, str]] = (),
) -> bytes:
    """An OperationOutcome with one issue; ``codings`` are (system, code) of ``details``."""
    issue: dict[str, Any] = {"severity": severity, "code": code}
    details: dict[str, Any] = {}
    if codings:
        details["coding"] = [{"system": system, "code": value} for system, value in codings]
    if text:
        details["text"] = text
    if details:
        issue["details"] = details
    if diagnostics:
        issue["diagnostics"] = diagnostics
    return orjson.dumps({"resourceType": "OperationOutcome", "issue": [issue]})


def _links(links: Sequence[tuple[str, str]]) -> bytes:
    return orjson.dumps([{"relation": relation, "url": url} for relation, url in links])
