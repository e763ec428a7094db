"""Why a request was not granted: one ``Reason`` for each cause, one ``Refusal`` that carries it.

A reason says nothing of status codes or bodies. Each service renders it in its own wire form
(``services/<name>/errors.py``), so the same cause can be a 401 in one service and a 403 in another.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

_NOTHING: Mapping[str, str] = MappingProxyType({})


class Reason(StrEnum):
    """Every cause a service can refuse or empty an answer for (personvern spec, section 7)."""

    # A. authenticity
    TOKEN_MISSING = "TOKEN_MISSING"
    TOKEN_INVALID = "TOKEN_INVALID"
    DPOP_INVALID = "DPOP_INVALID"
    AUDIENCE_WRONG = "AUDIENCE_WRONG"
    SCOPE_MISSING = "SCOPE_MISSING"
    PID_MISSING = "PID_MISSING"
    USER_REQUIRED = "USER_REQUIRED"
    LEVEL_TOO_LOW = "LEVEL_TOO_LOW"
    ORG_MISSING = "ORG_MISSING"
    ORG_RELATION = "ORG_RELATION"
    TICKET_INVALID = "TICKET_INVALID"
    TICKET_EXPIRED = "TICKET_EXPIRED"
    # B. request
    ROUTE_UNKNOWN = "ROUTE_UNKNOWN"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    HEADER_MISSING = "HEADER_MISSING"
    HEADER_INVALID = "HEADER_INVALID"
    CONTENT_TYPE_INVALID = "CONTENT_TYPE_INVALID"
    BODY_TOO_LARGE = "BODY_TOO_LARGE"
    BODY_INVALID = "BODY_INVALID"
    PARAMETER_INVALID = "PARAMETER_INVALID"
    PARAMETER_NOT_SUPPORTED = "PARAMETER_NOT_SUPPORTED"
    PATIENT_ID_INVALID = "PATIENT_ID_INVALID"
    BASIS_INVALID = "BASIS_INVALID"
    ATTEST_MISSING = "ATTEST_MISSING"
    ATTEST_STALE = "ATTEST_STALE"
    ATTEST_PATIENT_MISMATCH = "ATTEST_PATIENT_MISMATCH"
    ATTEST_ACTOR_MISMATCH = "ATTEST_ACTOR_MISMATCH"
    # C. actor and purpose
    ORG_NOT_CONNECTED = "ORG_NOT_CONNECTED"
    HPR_MISSING = "HPR_MISSING"
    HPR_NOT_AUTHORISED = "HPR_NOT_AUTHORISED"
    ROLE_NOT_ALLOWED = "ROLE_NOT_ALLOWED"
    PURPOSE_NOT_ALLOWED = "PURPOSE_NOT_ALLOWED"
    # D. person
    PATIENT_UNKNOWN = "PATIENT_UNKNOWN"
    PRIVACY_UNAVAILABLE = "PRIVACY_UNAVAILABLE"
    ADDRESS_PROTECTED = "ADDRESS_PROTECTED"
    PATIENT_DECEASED = "PATIENT_DECEASED"
    PATIENT_RESERVED = "PATIENT_RESERVED"
    # E. blocks aimed at this actor
    ACTOR_BLOCKED = "ACTOR_BLOCKED"
    ORG_BLOCKED = "ORG_BLOCKED"
    RESTRICTED_HARD = "RESTRICTED_HARD"
    RESTRICTED_SOFT = "RESTRICTED_SOFT"
    # F. general block and elevation
    GENERAL_BLOCK = "GENERAL_BLOCK"
    ELEVATED_NOT_NEEDED = "ELEVATED_NOT_NEEDED"
    # G. objects
    OBJECT_BLOCKED = "OBJECT_BLOCKED"
    OBJECT_RESTRICTED_HARD = "OBJECT_RESTRICTED_HARD"
    OBJECT_RESTRICTED_SOFT = "OBJECT_RESTRICTED_SOFT"
    REQUISITION_RESERVED = "REQUISITION_RESERVED"
    # H. citizen channel
    CITIZEN_TOO_YOUNG = "CITIZEN_TOO_YOUNG"
    YOUTH_NOT_CONSENTED = "YOUTH_NOT_CONSENTED"
    CITIZEN_SELF_DISABLED = "CITIZEN_SELF_DISABLED"
    HELSENORGE_CONSENT_LEVEL = "HELSENORGE_CONSENT_LEVEL"
    REPRESENTATION_PROTECTED = "REPRESENTATION_PROTECTED"
    REPRESENTATION_ENDED_16 = "REPRESENTATION_ENDED_16"
    NO_PARENTAL_RESPONSIBILITY = "NO_PARENTAL_RESPONSIBILITY"
    NO_CORESIDENT_PARENT = "NO_CORESIDENT_PARENT"
    REPRESENTATION_12_15 = "REPRESENTATION_12_15"
    FULLMAKT_INVALID = "FULLMAKT_INVALID"
    FULLMAKT_AREA = "FULLMAKT_AREA"
    SETTINGS_NOT_DELEGABLE = "SETTINGS_NOT_DELEGABLE"
    GUARDIAN_SCOPE = "GUARDIAN_SCOPE"
    DELAYED = "DELAYED"
    WITHHELD_FROM_CITIZEN = "WITHHELD_FROM_CITIZEN"
    # the sandbox and its store
    NOT_FOUND = "NOT_FOUND"
    GONE = "GONE"
    CONFLICT = "CONFLICT"
    ADMIN_KEY_INVALID = "ADMIN_KEY_INVALID"
    API_KEY_INVALID = "API_KEY_INVALID"
    CLIENT_NOT_ALLOWED = "CLIENT_NOT_ALLOWED"
    TOO_MANY = "TOO_MANY"
    CONTENT_INVALID = "CONTENT_INVALID"
    AUDIT_UNAVAILABLE = "AUDIT_UNAVAILABLE"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    INTERNAL = "INTERNAL"


class Refusal(Exception):
    """A request that is not granted.

    ``detail`` is a short English text for the developer (never a patient number or a token);
    ``source`` names the rule or document; ``extra`` holds what one wire form needs (a scope name,
    an allowed method, an OAuth error code).
    """

    def __init__(
        self,
        reason: Reason,
        detail: str,
        *,
        source: str = "",
        extra: Mapping[str, str] = _NOTHING,
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.source = source
        self.extra = extra
