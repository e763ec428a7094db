"""How kjernejournal answers when it does not grant a request: the rows that are not those of critical information.

The older FHIR surface gives two issues, the code and a text; the other operations a code and a text as plain JSON
(kritisk-info.md section 2, ruling S18).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import orjson

from app.errors import Reason, Refusal
from app.services.kjernejournal.port import CriticalInformation


@dataclass(frozen=True, slots=True)
class KjError:
    """HTTP status, code and Norwegian text."""

    status: int
    code: str
    text: str
    source: str = "ruling S18"

    def outcome(self) -> bytes:
        """The OperationOutcome of the FHIR surface."""
        issues = [{"severity": "error", "code": "processing", "diagnostics": each} for each in (self.code, self.text)]
        return orjson.dumps({"resourceType": "OperationOutcome", "issue": issues})

    def plain(self) -> bytes:
        """The body of the other operations."""
        return orjson.dumps({"feilkode": self.code, "feilmelding": self.text})


def error_of(cause: Refusal | Reason, info: CriticalInformation) -> KjError:
    """The row of a refusal; a reason without one of its own is answered as critical information answers it."""
    own = OWN.get(cause.reason if isinstance(cause, Refusal) else cause)
    if own is not None:
        return own
    row = info.wire(cause)
    return KjError(row.status, row.legacy_code, row.text)


_CODES: Final = "kritisk-info.md section 2 (code documented)"

OWN: Final[Mapping[Reason, KjError]] = MappingProxyType(
    {
        Reason.TICKET_INVALID: KjError(401, "KJF-000011", "Billetten er ikke gyldig. Hent en ny", _CODES),
        Reason.TICKET_EXPIRED: KjError(401, "KJF-000015", "Billetten er utløpt. Hent en ny", _CODES),
        Reason.TOKEN_INVALID: KjError(401, "KJF-000123", "Tokenet fra HelseID er ikke gyldig", _CODES),
        Reason.ORG_NOT_CONNECTED: KjError(403, "KJF-000022", "Virksomheten har ikke tilgang", _CODES),
        Reason.ELEVATED_NOT_NEEDED: KjError(
            400, "KI-9016", "Grunnlag for sperret kritisk informasjon er sendt uten at den er sperret", "ruling S8"
        ),
    }
)
"""The rows of kjernejournal's own, and those whose status differs from critical information's."""

NO_SESSION: Final = KjError(404, "KI-9003", "Sesjonen finnes ikke", "ruling S19")
