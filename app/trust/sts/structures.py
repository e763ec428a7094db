"""The structures a client hands the issuer beside the OAuth parameters, and what the organisation one means.

Two carriers (trust.md section 1.5): ``assertion_details`` in the client assertion, for this token only,
and ``authorization_details`` in a signed request object, for every token of the grant. Pure functions:
findings go to ``note``, refusals are ``StsError``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import field
from typing import Any, Final, Literal, Protocol

import orjson

from app.trust.sts.errors import StsError
from app.values import per_request

ATTEST_TYPE: Final = "nhn:tillitsrammeverk:parameters"
ORGANISATION_TYPE: Final = "helseid_authorization"
JOURNAL_TYPE: Final = "nhn:sfm:journal-id"
STRUCTURE_TYPES: Final = frozenset({ATTEST_TYPE, ORGANISATION_TYPE, JOURNAL_TYPE})

Note = Callable[[str, str, str], None]
"""Records a finding: code, text, level (``note`` or ``risk``, real-clients.md section 3)."""

Profile = Literal["lenient", "strict"]
Structure = Mapping[str, Any]


@per_request
class Carriers:
    """The structures by carrier, each with its ``type``. At most one of a type over both carriers."""

    from_assertion: tuple[Structure, ...] = ()
    from_request: tuple[Structure, ...] = ()

    @property
    def structures(self) -> tuple[Structure, ...]:
        """All that hold for the token being made."""
        return self.from_assertion + self.from_request


class OrganisationClient(Protocol):
    """What the client registry knows of a client's organisations."""

    @property
    def tenancy(self) -> Literal["none", "single-tenant", "multi-tenant"]: ...
    @property
    def orgnr_parent(self) -> str | None: ...
    @property
    def children(self) -> Collection[str]: ...
    @property
    def orgnr_supplier(self) -> str | None: ...
    @property
    def delegations(self) -> Collection[str]: ...
    @property
    def known_organisations(self) -> frozenset[str]: ...


@per_request
class OrgClaims:
    """The organisation numbers for the token; ``known`` are all that the client's own registration vouches for."""

    parent: str | None = None
    child: str | None = None
    supplier: str | None = None
    known: frozenset[str] = field(default=frozenset())


def read_carriers(
    assertion_claims: Mapping[str, Any],
    request_claims: Mapping[str, Any] | None,
    note: Note,
    profile: Profile,
) -> Carriers:
    """Take the structures out of a client assertion and a request object (or its stored claims).

    Raises ``StsError("access_denied")`` with HID-DOUBLE-STRUCTURE when both names are in one assertion or
    one type comes by both carriers (T-55, RC-14, ruling C14), with HID-1007 for anything that is no known
    structure (T-49, T-56). A value may be an object, an array, or a JSON string of either (D4, C15).
    """
    if "assertion_details" in assertion_claims and "authorization_details" in assertion_claims:
        raise _double("both assertion_details and authorization_details are in the client assertion")
    name = "assertion_details" if "assertion_details" in assertion_claims else "authorization_details"
    if "authorization_details" in assertion_claims:
        note("C14", "authorization_details in a client assertion is taken as assertion_details", "note")
    from_assertion = _structures(assertion_claims.get(name), name, note, profile)
    from_request = _structures(
        (request_claims or {}).get("authorization_details"), "authorization_details", note, profile
    )
    shared = {item["type"] for item in from_assertion} & {item["type"] for item in from_request}
    if shared:
        raise _double(f"{', '.join(sorted(shared))} came both in the client assertion and in the request object")
    return Carriers(from_assertion, from_request)


def organisation(structures: Sequence[Structure], client: OrganisationClient, note: Note) -> OrgClaims:
    """The organisation claims by the client's tenancy and its ``helseid_authorization`` structure.

    A multi-tenant client without structure gets no organisation at all (ruling C17); whether that will do
    is ``require_organisation``'s question. Raises ``StsError("access_denied")`` with HID-1001 (no
    delegation), HID-1002 (child not listed), HID-1004 (not nine digits), HID-1007 (malformed) or HID-1010
    (the client has no organisations). trust.md sections 3.4 and 7.
    """
    known = client.known_organisations
    structure = find(structures, ORGANISATION_TYPE)
    if structure is None:
        return (
            OrgClaims(parent=client.orgnr_parent, known=known)
            if client.tenancy == "single-tenant"
            else OrgClaims(known=known)
        )
    system, value = _identifier(structure, note)
    if client.tenancy == "none":
        raise denied("HID-1010", "the client is not set up for organisation claims")
    if client.tenancy == "single-tenant":
        return _single_tenant(system, value, client, known, note)
    return _multi_tenant(system, value, client, known)


def require_organisation(
    orgs: OrgClaims, client: OrganisationClient, grant_type: str, scopes: Sequence[str], profile: Profile
) -> None:
    """Refuse a multi-tenant client that names no organisation where no later request will name it.

    Raises ``StsError("invalid_request")`` for client_credentials unless all scopes are Selvbetjening's, and
    for every grant in ``strict`` (T-50, ruling C17).
    """
    if client.tenancy != "multi-tenant" or orgs.parent is not None:
        return
    rotation = bool(scopes) and all(scope.startswith("nhn:selvbetjening/") for scope in scopes)
    if profile == "lenient" and (grant_type != "client_credentials" or rotation):
        return
    raise StsError("invalid_request", f"a multi-tenant client must send the structure {ORGANISATION_TYPE}")


def journal_id(structures: Sequence[Structure]) -> str | None:
    """The SFM journal id. Raises ``StsError("access_denied")`` with HID-1007 when it is no GUID."""
    structure = find(structures, JOURNAL_TYPE)
    if structure is None:
        return None
    value = structure.get("value")
    found = value.get("journal_id") if isinstance(value, Mapping) else None
    if not isinstance(found, str) or not _GUID.fullmatch(found):
        raise denied("HID-1007", f"{JOURNAL_TYPE} needs value.journal_id, a GUID")
    return found


def find(structures: Sequence[Structure], kind: str) -> Structure | None:
    """The structure of a type, None when there is none."""
    return next((item for item in structures if item["type"] == kind), None)


def denied(code: str, text: str) -> StsError:
    """``access_denied`` with the code first in the description (ruling R11)."""
    return StsError("access_denied", f"{code} {text}")


_ORGNR: Final = re.compile(r"[0-9]{9}")
_GUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MULTI_SYSTEM: Final = "urn:oid:1.0.6523"
_SINGLE_SYSTEMS: Final = ("urn:oid:2.16.578.1.12.4.1.4.101", "urn:oid:2.16.578.1.12.4.1.2.101")
_MULTI_VALUE: Final = re.compile(r"NO:ORGNR:(?P<parent>[^:]*)(?::(?P<child>[^:]*))?")


def is_orgnr(value: object) -> bool:
    """Nine digits; the check digit is not looked at (ruling R19)."""
    return isinstance(value, str) and _ORGNR.fullmatch(value) is not None


def _structures(value: Any, name: str, note: Note, profile: Profile) -> tuple[Structure, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        if profile == "strict":
            raise denied("HID-1007", f"{name} must be a JSON object or array, not a string")
        note("C15", f"{name} is a JSON string; an object or array is documented", "risk")
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise denied("HID-1007", f"{name} is a string that holds no JSON") from error
    items = value if isinstance(value, list | tuple) else [value]
    kinds: set[str] = set()
    for item in items:
        kind = item.get("type") if isinstance(item, Mapping) else None
        if not isinstance(kind, str) or kind not in STRUCTURE_TYPES:
            raise denied("HID-1007", f"{name} holds something that is no known structure")
        if kind in kinds:
            raise denied("HID-1007", f"{name} holds {kind} more than once")
        kinds.add(kind)
    return tuple(items)


def _identifier(structure: Structure, note: Note) -> tuple[str, str]:
    node: Any = structure
    for name in ("practitioner_role", "organization", "identifier"):
        node = node.get(name)
        if not isinstance(node, Mapping):
            raise denied("HID-1007", f"{ORGANISATION_TYPE} lacks practitioner_role.organization.identifier")
    system, value, kind = node.get("system"), node.get("value"), node.get("type")
    if not isinstance(system, str) or not isinstance(value, str):
        raise denied("HID-1007", f"{ORGANISATION_TYPE} needs system and value as text")
    if kind != "ENH":
        note("HID-1007", f'{ORGANISATION_TYPE} should have "type":"ENH"', "risk")
    return system, value


def _single_tenant(system: str, value: str, client: OrganisationClient, known: frozenset[str], note: Note) -> OrgClaims:
    if system not in _SINGLE_SYSTEMS:
        raise denied("HID-1007", f"a single-tenant client names its child by the system {_SINGLE_SYSTEMS[0]}")
    if not is_orgnr(value):
        raise denied("HID-1004", "an organisation number has nine digits")
    if value not in client.children:
        raise denied("HID-1002", "the child organisation is not registered for the client")
    if system != _SINGLE_SYSTEMS[0]:
        note("C16", f"the system {system} is an old name of {_SINGLE_SYSTEMS[0]}", "note")
    return OrgClaims(client.orgnr_parent, value, None, known)


def _multi_tenant(system: str, value: str, client: OrganisationClient, known: frozenset[str]) -> OrgClaims:
    parts = _MULTI_VALUE.fullmatch(value)
    if system != _MULTI_SYSTEM or parts is None:
        raise denied("HID-1007", f"a multi-tenant client sends {_MULTI_SYSTEM} and NO:ORGNR:<parent>:<child>")
    parent, child = parts["parent"], parts["child"] or None
    if not is_orgnr(parent) or (child is not None and not is_orgnr(child)):
        raise denied("HID-1004", "an organisation number has nine digits")
    if parent not in client.delegations:
        raise denied("HID-1001", "the parent organisation has not delegated to the supplier")
    return OrgClaims(parent, child, client.orgnr_supplier, known | {number for number in (parent, child) if number})


def _double(text: str) -> StsError:
    return denied("HID-DOUBLE-STRUCTURE", text)
