"""The headers of critical information: names old and new, and what values they take (kritisk-info.md §1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus

import orjson

from app.catalogue.codelists import LISTS
from app.errors import Reason, Refusal
from app.trust.principal import Basis


@dataclass(frozen=True, slots=True)
class Name:
    """A header by its present name, and the one it had until 2025."""

    now: str
    before: str


ROLE: Final = Name("nhn-user-role", "hit-user-role")
SYSTEM: Final = Name("nhn-source-system", "hit-source-system")
BASIS: Final = Name("nhn-access-basis", "hit-access-basis")
PATIENT: Final = Name("nhn-patient-nin", "hit-patient-pid")
EVENT: Final = Name("nhn-event-id", "hit-event-id")
NAMES: Final = (ROLE, SYSTEM, BASIS, PATIENT, EVENT)

ERROR_CODES: Final = ("nhn-error-code", "X-KJ-Feilkode")
"""Both names of the response header that repeats the error code."""

ROLE_SYSTEM: Final = "urn:oid:2.16.578.1.12.4.1.1.9060"
KJ_ROLE_SYSTEM: Final = "kjernejournal_userrole"
"""Roles that kjernejournal gives in its own clients."""

_MAX_ROLE: Final = 1000
_SYSTEM_LENGTHS: Final = range(3, 513)
_MAX_EVENT: Final = 128
_ROLES: Final = LISTS["CategoriesOfHealthProfessionals"]
_SOURCE: Final = "kritisk-info.md §1.1"


def role(value: str) -> str:
    """The code of list 9060 in the URL-encoded JSON of ``nhn-user-role``; percent- and form-encoding are taken (S24).

    Raises ``Refusal(HEADER_INVALID)``, and ROLE_NOT_ALLOWED for a role of kjernejournal's own (ruling S14).
    """
    if "{" in value or '"' in value:
        raise _invalid(ROLE, "must be URL-encoded", "ruling S24")
    try:
        stated = orjson.loads(unquote_plus(value, errors="strict")) if len(value) <= _MAX_ROLE else None
    except (ValueError, RecursionError):
        stated = None
    if not isinstance(stated, dict):
        raise _invalid(ROLE, "must be a URL-encoded JSON object with system and code")
    system, code = stated.get("system"), stated.get("code")
    if system == KJ_ROLE_SYSTEM:
        text = f"roles of {KJ_ROLE_SYSTEM} are for the clients of kjernejournal"
        raise Refusal(Reason.ROLE_NOT_ALLOWED, text, source="ruling S14")
    if system != ROLE_SYSTEM or not isinstance(code, str) or code not in _ROLES.codes:
        raise _invalid(ROLE, f"must have system {ROLE_SYSTEM} and a code of that list", "ruling S14")
    return code


def system(value: str) -> str:
    """The name and version of the EPJ. Raises ``Refusal(HEADER_INVALID)``."""
    if len(value) not in _SYSTEM_LENGTHS:
        raise _invalid(SYSTEM, "must have 3 to 512 characters")
    return value


def event(value: str) -> str:
    """The caller's id of the call. Raises ``Refusal(HEADER_INVALID)``."""
    if len(value) > _MAX_EVENT:
        raise _invalid(EVENT, f"must have at most {_MAX_EVENT} characters")
    return value


def basis(value: str) -> Basis:
    """The access basis, exactly as listed (ruling S6). Raises ``Refusal(BASIS_INVALID)``."""
    try:
        return Basis(value)
    except ValueError:
        known = ", ".join(each.value for each in Basis)
        raise Refusal(Reason.BASIS_INVALID, f"{BASIS.now} must be one of {known}", source="ruling S6") from None


def missing(name: Name) -> Refusal:
    return Refusal(Reason.HEADER_MISSING, f"the header {name.now} is missing", source=_SOURCE)


def _invalid(name: Name, detail: str, source: str = _SOURCE) -> Refusal:
    return Refusal(Reason.HEADER_INVALID, f"the header {name.now} {detail}", source=source)
