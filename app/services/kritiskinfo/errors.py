"""How critical information answers when it does not grant a request: one row for each key (ruling S18).

The handlers, the OpenAPI responses, the legacy surface and the tests are made from this table. Codes from 9001 on are
the sandbox's own, because the real table is not public.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

import orjson

from app.errors import Reason, Refusal

Key = Literal[
    "token",
    "entitlement",
    "header",
    "role",
    "nin",
    "protected",
    "deceased",
    "reserved",
    "blocked",
    "restricted",
    "needless",
    "body",
    "rule",
    "code",
    "unknown",
    "gone",
    "type",
    "method",
    "version",
    "exclusive",
    "size",
    "media",
    "failure",
    "unavailable",
    "load",
]

ERROR_CODE: Final = "http://nhn.no/hit/fhir/error/CodeSystem/ErrorCode"
_SYSTEMS: Final = "http://nhn.no/hit/fhir/error/CodeSystem/"


@dataclass(frozen=True, slots=True)
class WireError:
    """One way of answering: HTTP status, the service's code and its older one, and the issue's code and severity."""

    key: Key
    status: int
    code: str
    issue: str
    text: str
    legacy: str = ""
    severity: str = "error"
    source: str = "ruling S18, sandbox value"

    @property
    def legacy_code(self) -> str:
        return self.legacy or self.code

    def outcome(self, event: str, diagnostics: str = "", location: str = "") -> bytes:
        """The OperationOutcome. ``event`` is the id of the call; ``location`` a FHIR path, where one is at fault.

        ``diagnostics`` is the cause in this case, never a patient number.
        """
        issue: dict[str, Any] = {
            "severity": self.severity,
            "code": self.issue,
            "diagnostics": diagnostics or self.text,
        }
        if location:
            issue["location"] = [location]
        issue["details"] = {"coding": [{"system": _SYSTEMS + name, "code": code} for name, code in self._codings()]}
        return orjson.dumps({"resourceType": "OperationOutcome", "id": event, "issue": [issue]})

    def _codings(self) -> tuple[tuple[str, str], ...]:
        return (
            ("ErrorCode", self.code),
            ("ErrorCodeKjLegacy", self.legacy_code),
            ("ApiVersion", "v1"),
            ("ApplicationVersion", "sandbox"),
            ("Environment", "local"),
            ("ServiceName", "critical-information"),
        )


def wire(cause: Refusal | Reason | Key) -> WireError:
    """The row of a refusal, of a reason alone, or of a key of the table.

    A refusal says in ``extra["key"]`` which row is meant where one reason has several. A reason that cannot come from
    this service is an internal error.
    """
    if isinstance(cause, Refusal):
        return ERRORS.get(cause.extra.get("key", "")) or wire(cause.reason)
    if isinstance(cause, Reason):
        return ERRORS[_OF_REASON.get(cause, "failure")]
    return ERRORS[cause]


def status_of(reason: Reason) -> int:
    return wire(reason).status


def of_status(status: int) -> WireError:
    """The row of a status that none of the service's own reasons led to."""
    return _OF_STATUS.get(status) or ERRORS["body" if status < 500 else "failure"]


def rule(detail: str, location: str, key: Key = "rule") -> Refusal:
    """The refusal of content that breaks a rule at ``location``, a FHIR path such as ``Condition.note``."""
    return Refusal(
        Reason.CONTENT_INVALID, detail, source="kritisk-info.md §3.2", extra={"key": key, "location": location}
    )


_DOCUMENTED: Final = "kritisk-info.md §3.1 (documented)"
_SIBLING: Final = "kritisk-info.md §3.1 (documented for a sibling API)"

ERRORS: Final[Mapping[str, WireError]] = MappingProxyType(
    {
        row.key: row
        for row in (
            WireError("token", 401, "AUTH-9001", "login", "Tokenet er ikke gyldig for tjenesten"),
            WireError("entitlement", 403, "AUTH-9002", "forbidden", "Tokenet gir ikke tilgang til operasjonen"),
            WireError("header", 400, "AUTH-0003", "value", "En header mangler eller er ugyldig", source=_SIBLING),
            WireError("role", 403, "AUTH-0010", "forbidden", "Rollen gir ikke tilgang", source=_SIBLING),
            WireError("nin", 400, "KI-9010", "value", "Fødselsnummeret er ugyldig eller ukjent", "KJF-000016"),
            WireError("protected", 403, "KI-9011", "forbidden", "Personen har beskyttet adresse"),
            WireError("deceased", 403, "KI-9012", "forbidden", "Personen er død, og det kan ikke registreres mer"),
            WireError("reserved", 403, "KI-9013", "forbidden", "Personen har reservert seg", "KJF-000017"),
            WireError("blocked", 403, "KI-9014", "forbidden", "Personen har sperret for den som spør"),
            WireError("restricted", 403, "KI-9015", "forbidden", "Innsyn krever eget samtykke eller akutt"),
            WireError("needless", 403, "KI-9016", "forbidden", "Forhøyet grunnlag er ikke nødvendig"),
            WireError("body", 400, "KI-9006", "structure", "Innholdet kan ikke leses", "KJF-000018"),
            WireError(
                "rule", 400, "KI-0014", "invariant", "Innholdet bryter en regel", severity="fatal", source=_DOCUMENTED
            ),
            WireError("code", 400, "KI-9007", "code-invalid", "Koden eller kodeverket er ukjent eller ikke i bruk"),
            WireError("unknown", 404, "KI-9003", "not-found", "Ressursen finnes ikke"),
            WireError(
                "gone", 410, "", "deleted", "Ressursen er slettet", source="ruling S20: the body is what remains"
            ),
            WireError("type", 404, "KI-9005", "not-supported", "Ressurstypen støttes ikke"),
            WireError("method", 405, "KI-9005", "not-supported", "Metoden støttes ikke"),
            WireError(
                "version", 409, "KJF-000065", "conflict", "Ressursen finnes med en nyere versjon", source=_DOCUMENTED
            ),
            WireError("exclusive", 409, "KI-9009", "business-rule", "Kategori 8 og 11 kan ikke gjelde samtidig"),
            WireError("size", 413, "KI-9017", "too-long", "Innholdet er for stort"),
            WireError("media", 415, "KI-9018", "not-supported", "Innholdstypen støttes ikke"),
            WireError("failure", 500, "KI-9002", "exception", "Noe gikk galt i tjenesten"),
            WireError("unavailable", 503, "KI-9002", "exception", "Tjenesten er utilgjengelig"),
            WireError("load", 429, "", "throttled", "For mange kall", source="kritisk-info.md §3.1: an empty body"),
        )
    }
)

_OF_REASON: Final[Mapping[Reason, Key]] = MappingProxyType(
    {
        Reason.TOKEN_MISSING: "token",
        Reason.TOKEN_INVALID: "token",
        Reason.DPOP_INVALID: "token",
        Reason.AUDIENCE_WRONG: "token",
        Reason.ATTEST_STALE: "token",
        Reason.SCOPE_MISSING: "entitlement",
        Reason.PID_MISSING: "entitlement",
        Reason.USER_REQUIRED: "entitlement",
        Reason.LEVEL_TOO_LOW: "entitlement",
        Reason.ORG_MISSING: "entitlement",
        Reason.ORG_RELATION: "entitlement",
        Reason.ATTEST_MISSING: "entitlement",
        Reason.ATTEST_PATIENT_MISMATCH: "entitlement",
        Reason.ATTEST_ACTOR_MISMATCH: "entitlement",
        Reason.ROUTE_UNKNOWN: "type",
        Reason.METHOD_NOT_ALLOWED: "method",
        Reason.HEADER_MISSING: "header",
        Reason.HEADER_INVALID: "header",
        Reason.BASIS_INVALID: "header",
        Reason.CONTENT_TYPE_INVALID: "media",
        Reason.BODY_TOO_LARGE: "size",
        Reason.BODY_INVALID: "body",
        Reason.PARAMETER_INVALID: "code",
        Reason.PARAMETER_NOT_SUPPORTED: "code",
        Reason.PATIENT_ID_INVALID: "nin",
        Reason.PATIENT_UNKNOWN: "nin",
        Reason.HPR_MISSING: "role",
        Reason.HPR_NOT_AUTHORISED: "role",
        Reason.ROLE_NOT_ALLOWED: "role",
        Reason.PURPOSE_NOT_ALLOWED: "role",
        Reason.ADDRESS_PROTECTED: "protected",
        Reason.PATIENT_DECEASED: "deceased",
        Reason.PATIENT_RESERVED: "reserved",
        Reason.ACTOR_BLOCKED: "blocked",
        Reason.ORG_BLOCKED: "blocked",
        Reason.RESTRICTED_HARD: "blocked",
        Reason.RESTRICTED_SOFT: "restricted",
        Reason.GENERAL_BLOCK: "restricted",
        Reason.OBJECT_BLOCKED: "restricted",
        Reason.OBJECT_RESTRICTED_HARD: "blocked",
        Reason.OBJECT_RESTRICTED_SOFT: "restricted",
        Reason.ELEVATED_NOT_NEEDED: "needless",
        Reason.CONTENT_INVALID: "rule",
        Reason.NOT_FOUND: "unknown",
        Reason.GONE: "gone",
        Reason.CONFLICT: "version",
        Reason.TOO_MANY: "load",
        Reason.PRIVACY_UNAVAILABLE: "failure",
        Reason.AUDIT_UNAVAILABLE: "failure",
        Reason.STORE_UNAVAILABLE: "unavailable",
        Reason.INTERNAL: "failure",
    }
)

_OF_STATUS: Final[Mapping[int, WireError]] = MappingProxyType(
    {
        status: ERRORS[key]
        for status, key in {
            401: "token",
            403: "entitlement",
            404: "unknown",
            405: "method",
            409: "version",
            413: "size",
            415: "media",
            429: "load",
            502: "unavailable",
            503: "unavailable",
            504: "unavailable",
        }.items()
    }
)
