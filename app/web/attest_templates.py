"""Attests to choose from in the signing explorer: why somebody looks at a patient's data (trust.md section 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from app.web.languages import Language

_PURPOSE: Final = "urn:oid:2.16.840.1.113883.1.11.20448"
_DETAILS: Final = "urn:AuditEventHL7Norway/CodeSystem/carerelation"
_SERVICE: Final = "urn:oid:2.16.578.1.12.4.1.1.8655"


@dataclass(frozen=True, slots=True)
class AttestTemplate:
    """One situation. ``purpose`` is a code of PurposeOfUse, ``details`` of care relation, ``service`` of 8655.

    ``basis`` is the access basis a call in that situation is made with; None for the ordinary one, which needs
    no saying.
    """

    id: str
    nb: str
    en: str
    purpose: str
    details: str
    service: str | None = None
    basis: str | None = None


ATTEST_TEMPLATES: Final = (
    AttestTemplate("ordinary", "Behandling", "Ordinary treatment", "TREAT", "BEHANDLER", "S03"),
    AttestTemplate(
        "consent",
        "Forhøyet tilgang, samtykke",
        "Elevated access by consent",
        "TREAT",
        "BEHANDLER",
        "S03",
        "FORHOYET_SAMTYKKE",
    ),
    AttestTemplate(
        "emergency",
        "Forhøyet tilgang, akutt",
        "Elevated access in an emergency",
        "ETREAT",
        "BLAALYS",
        "S03",
        "FORHOYET_AKUTT",
    ),
    AttestTemplate("administrative", "Administrasjon", "Administration", "COC", "PASADM"),
)
"""The first is what the page begins with. Besides these the page offers to send no attest."""


def described(template: AttestTemplate, language: Language) -> dict[str, Any]:
    """The template as the explorer's script reads it: ``care_relationship`` lacks only the decision reference."""
    care: dict[str, Any] = {
        "purpose_of_use": {"code": template.purpose, "system": _PURPOSE},
        "purpose_of_use_details": {"code": template.details, "system": _DETAILS},
    }
    if template.service is not None:
        care["healthcare_service"] = {"code": template.service, "system": _SERVICE}
    name = template.nb if language == "nb" else template.en
    return {"id": template.id, "name": name, "basis": template.basis, "careRelationship": care}
