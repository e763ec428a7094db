"""The structures a client hands the issuer: the attest (tillitsrammeverk), and which organisation it acts for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Details = Mapping[str, Any]

ATTEST: Final = "nhn:tillitsrammeverk:parameters"
_OID: Final = "urn:oid:2.16.578.1.12.4.1"
_ORGANISATION: Final = f"{_OID}.4.101"
_PURPOSE: Final = "urn:oid:2.16.840.1.113883.1.11.20448"


def attest(
    legal_entity: str,
    point_of_care: str,
    decision_ref: str,
    *,
    purpose: str = "TREAT",
    healthcare_service: str = "S03",
    authorization: str | None = None,
    user_selected: bool = False,
) -> dict[str, Any]:
    """Someone of ``point_of_care`` (organisation number) treats patients by a decision that can be found again.

    >>> attest("315500109", "315500303", "a decision")["care_relationship"]["purpose_of_use"]["code"]
    'TREAT'
    """
    practitioner: dict[str, Any] = {
        "legal_entity": {"id": legal_entity, "system": _ORGANISATION},
        "point_of_care": {"id": point_of_care, "system": _ORGANISATION},
    }
    if authorization is not None:
        practitioner["authorization"] = {"code": authorization, "system": f"{_OID}.1.9060"}
    return {
        "type": ATTEST,
        "practitioner": practitioner,
        "care_relationship": {
            "healthcare_service": {"code": healthcare_service, "system": f"{_OID}.1.8655"},
            "purpose_of_use": {"code": purpose, "system": _PURPOSE},
            "decision_ref": {"id": decision_ref, "user_selected": user_selected},
        },
        "patients": [],
    }


def sub_unit(orgnr: str) -> dict[str, Any]:
    """The sub-unit a single-tenant client acts for."""
    return _organisation(_ORGANISATION, orgnr)


def customer(legal_entity: str, orgnr: str = "") -> dict[str, Any]:
    """The customer, and its sub-unit if any, that a multi-tenant client acts for."""
    return _organisation("urn:oid:1.0.6523", f"NO:ORGNR:{legal_entity}:{orgnr}")


def _organisation(system: str, value: str) -> dict[str, Any]:
    identifier = {"system": system, "type": "ENH", "value": value}
    return {"type": "helseid_authorization", "practitioner_role": {"organization": {"identifier": identifier}}}
