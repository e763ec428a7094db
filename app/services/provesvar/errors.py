"""How Pasientens prøvesvar answers when it does not give data: one row for each reason (pps.md §7).

The handler, the OpenAPI responses, the documentation and the tests are made from this table. No public table
of codes exists; what the source documents and what is ours stands in ``source``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from app.errors import Reason
from app.fhir import bundle

PVK_SYSTEMS: Final = ("NilarPvkOutcome", "http://nhn.no/fhir/nilar/CodeSystem/pvk-outcome-cs")
"""Both are sent, the old name first (change of 2023-01-12)."""

PvkCode = Literal["Specific", "General", "Reservation"]


@dataclass(frozen=True, slots=True)
class WireError:
    """One way of answering: the HTTP status and the issue of the OperationOutcome.

    With status 200 it stands as the outcome entry of an empty searchset.
    """

    reason: Reason
    status: int
    code: str
    text: str
    severity: str = "error"
    pvk: PvkCode | None = None
    source: str = "pps.md §7 [inferred]"

    def outcome(self, diagnostics: str = "") -> bytes:
        """The OperationOutcome; ``diagnostics`` is the cause in this case (never a patient number)."""
        if self.status == 200:
            codings = [(system, self.pvk) for system in PVK_SYSTEMS] if self.pvk is not None else []
            return bundle.operation_outcome(self.severity, self.code, diagnostics=self.text, codings=codings)
        return bundle.operation_outcome(self.severity, self.code, diagnostics=diagnostics or self.text, text=self.text)


def wire(reason: Reason) -> WireError:
    """The row of a reason; one that cannot come from this service is an internal error."""
    return ERRORS.get(reason) or ERRORS[Reason.INTERNAL]


def status_of(reason: Reason) -> int:
    return wire(reason).status


def outcome_of_status(status: int, diagnostics: str) -> bytes:
    """The OperationOutcome of a status that none of the service's own reasons led to."""
    code, text = _OF_STATUS.get(status, ("invalid", _REFUSED) if status < 500 else ("exception", _FAILED))
    return bundle.operation_outcome("error", code, diagnostics=diagnostics, text=text)


def _rows(*rows: WireError) -> Mapping[Reason, WireError]:
    return MappingProxyType({row.reason: row for row in rows})


_REFUSED: Final = "Forespørselen ble avvist"
_FAILED: Final = "Noe gikk galt i tjenesten"
_UNAVAILABLE: Final = "Tjenesten er utilgjengelig"
_SPECIFIC: Final = "Pasienten har sperret for innsyn for den som spør"
_GENERAL: Final = "Pasienten har sperret for innsyn"
_RESERVED: Final = "Pasienten har reservert seg"
_NONE: Final = "Ingen prøvesvar funnet"
_PVK: Final = "pps.md §6 (codings documented)"
_EMPTY: Final = "pps.md §1 (code documented)"

_S401: Final = "pps.md §7, ruling R1"
_S403: Final = "ruling R3"

ERRORS: Final = _rows(
    # 200: an empty searchset that says why
    WireError(Reason.NOT_FOUND, 200, "not-found", _NONE, "information", source=_EMPTY),
    WireError(Reason.PATIENT_UNKNOWN, 200, "not-found", _NONE, "information", source="ruling R9"),
    WireError(Reason.OBJECT_BLOCKED, 200, "not-found", _NONE, "information", source="ruling R38"),
    WireError(Reason.OBJECT_RESTRICTED_HARD, 200, "not-found", _NONE, "information", source="ruling R38"),
    WireError(Reason.OBJECT_RESTRICTED_SOFT, 200, "not-found", _NONE, "information", source="ruling R38"),
    WireError(Reason.REQUISITION_RESERVED, 200, "not-found", _NONE, "information", source="ruling R38"),
    WireError(Reason.ACTOR_BLOCKED, 200, "suppressed", _SPECIFIC, "warning", "Specific", source=_PVK),
    WireError(Reason.ORG_BLOCKED, 200, "suppressed", _SPECIFIC, "warning", "Specific", source=_PVK),
    WireError(Reason.RESTRICTED_HARD, 200, "suppressed", _SPECIFIC, "warning", "Specific", source="ruling R39"),
    WireError(Reason.GENERAL_BLOCK, 200, "suppressed", _GENERAL, "warning", "General", source=_PVK),
    WireError(Reason.RESTRICTED_SOFT, 200, "suppressed", _GENERAL, "warning", "General", source="ruling R39"),
    WireError(Reason.PATIENT_RESERVED, 200, "suppressed", _RESERVED, "warning", "Reservation", source=_PVK),
    # 400: the request
    WireError(Reason.HEADER_MISSING, 400, "required", "En påkrevd header mangler"),
    WireError(Reason.HEADER_INVALID, 400, "invalid", "En header har ugyldig verdi"),
    WireError(Reason.PATIENT_ID_INVALID, 400, "value", "Ugyldig fødselsnummer eller D-nummer"),
    WireError(Reason.BASIS_INVALID, 400, "value", "Ukjent access-basis"),
    WireError(Reason.CONTENT_TYPE_INVALID, 400, "invalid", "Innholdstypen støttes ikke"),
    WireError(Reason.BODY_INVALID, 400, "structure", "Innholdet kan ikke leses"),
    WireError(Reason.PARAMETER_INVALID, 400, "value", "Et søkeparameter har ugyldig verdi"),
    WireError(Reason.PARAMETER_NOT_SUPPORTED, 400, "not-supported", "Søkeparameteret støttes ikke"),
    WireError(
        Reason.ELEVATED_NOT_NEEDED,
        400,
        "business-rule",
        "Forhøyet tilgang skal bare brukes når den gir flere data",
        source="pps.md §4.1 (that it fails is documented)",
    ),
    WireError(Reason.BODY_TOO_LARGE, 413, "too-long", "Innholdet er for stort"),
    # 401: who asks
    WireError(Reason.TOKEN_MISSING, 401, "login", "Innlogging mangler", source=_S401),
    WireError(Reason.TOKEN_INVALID, 401, "login", "Tokenet er ikke gyldig", source=_S401),
    WireError(Reason.DPOP_INVALID, 401, "login", "DPoP-beviset er ikke gyldig", source=_S401),
    WireError(Reason.ATTEST_STALE, 401, "login", "Attesten er for gammel", source="ruling R15"),
    WireError(Reason.AUDIENCE_WRONG, 401, "forbidden", "Tokenet gjelder en annen tjeneste", source=_S401),
    WireError(Reason.SCOPE_MISSING, 401, "forbidden", "Tokenet mangler scope for tjenesten", source=_S401),
    WireError(Reason.PID_MISSING, 401, "forbidden", "Tokenet mangler personens identitet", source=_S401),
    WireError(Reason.USER_REQUIRED, 401, "forbidden", "Tjenesten krever innlogget helsepersonell", source=_S401),
    WireError(Reason.LEVEL_TOO_LOW, 401, "forbidden", "Sikkerhetsnivået er for lavt", source=_S401),
    WireError(Reason.ORG_MISSING, 401, "forbidden", "Tokenet mangler virksomhet", source=_S401),
    WireError(Reason.HPR_MISSING, 401, "forbidden", "Tokenet mangler HPR-nummer", source="rulings R1 and R40"),
    # 403: who may not
    WireError(Reason.ORG_RELATION, 403, "forbidden", "Virksomhetene hører ikke sammen", source=_S403),
    WireError(Reason.ATTEST_MISSING, 403, "forbidden", "Attest mangler", source=_S403),
    WireError(Reason.ATTEST_PATIENT_MISMATCH, 403, "forbidden", "Attesten gjelder en annen pasient", source=_S403),
    WireError(Reason.ATTEST_ACTOR_MISMATCH, 403, "forbidden", "Attesten gjelder en annen aktør", source=_S403),
    WireError(Reason.HPR_NOT_AUTHORISED, 403, "forbidden", "Autorisasjonen er ikke aktiv", source=_S403),
    WireError(Reason.ROLE_NOT_ALLOWED, 403, "forbidden", "Rollen har ikke tilgang", source=_S403),
    WireError(Reason.PURPOSE_NOT_ALLOWED, 403, "forbidden", "Formålet gir ikke tilgang", source=_S403),
    # the address
    WireError(Reason.ROUTE_UNKNOWN, 404, "not-found", "Ukjent adresse", source="ruling R6"),
    WireError(Reason.METHOD_NOT_ALLOWED, 405, "not-supported", "Metoden støttes ikke", source="ruling R6"),
    # the service
    WireError(Reason.PRIVACY_UNAVAILABLE, 500, "timeout", "Personverninnstillingene svarer ikke", source="ruling R44"),
    WireError(Reason.AUDIT_UNAVAILABLE, 500, "exception", "Oppslaget kunne ikke logges", source="personvern.md §7, I"),
    WireError(Reason.STORE_UNAVAILABLE, 503, "exception", _UNAVAILABLE),
    WireError(Reason.INTERNAL, 500, "exception", _FAILED),
)

_OF_STATUS: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        401: ("login", "Tokenet er ikke gyldig"),
        403: ("forbidden", _REFUSED),
        404: ("not-found", "Ukjent adresse"),
        405: ("not-supported", "Metoden støttes ikke"),
        409: ("conflict", _REFUSED),
        413: ("too-long", "Innholdet er for stort"),
        429: ("throttled", "For mange kall"),
        502: ("transient", _UNAVAILABLE),
        503: ("transient", _UNAVAILABLE),
        504: ("timeout", _UNAVAILABLE),
    }
)
"""Issue codes (FHIR R4 issue-type) of what gateways and overloaded services answer."""

NOTHING_FOUND: Final = ERRORS[Reason.NOT_FOUND].outcome()
"""The outcome entry of a search without matches (#7)."""
