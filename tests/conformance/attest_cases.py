"""T-51 to T-72 and their RC relatives as data, so that the pure functions and the token endpoint run the same rows.

A row says what the client sends in the client assertion and what its PAR request object carried, who is
logged in, and what must come out: the beginning of the refusal's description, or facts of the claim.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tests.unit.trust.sts.attests import H01, O01, ORGNR, P15, PURPOSE, RELATION, VOLVEN, put, valid

Claim = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One row. ``assertion`` and ``request`` are claims; ``refusal`` None means a token is issued."""

    id: str
    assertion: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    refusal: str | None = None
    holds: Callable[[Claim | None], bool] = lambda claim: claim is not None
    finding: str | None = None
    user: Literal["H01", "P15", "machine"] = "H01"
    level: int = 4
    schema: Literal["national", "schema"] = "national"


def sent(path: str = "", value: Any = ...) -> dict[str, Any]:
    return {"assertion_details": put(valid(), path, value) if path else valid()}


def enriched(claim: Claim | None) -> bool:
    assert claim is not None
    practitioner, care = claim["practitioner"], claim["care_relationship"]
    return (
        practitioner["identifier"]["id"] == H01
        and practitioner["hpr_nr"]["id"] == "222250101"
        and practitioner["authorization"]["text"] == "Lege"
        and practitioner["legal_entity"]["name"] == "STØDIG KOMMUNE HELSE OG OMSORG"
        and practitioner["point_of_care"]["authority"] == "https://www.brreg.no"
        and care["healthcare_service"]["text"] == "Legetjeneste ved sykehjem"
        and care["purpose_of_use"]["assigner"] == "http://www.hl7.org/"
        and isinstance(claim["toa"], int)
        and "type" not in claim
    )


def without_hpr(claim: Claim | None) -> bool:
    assert claim is not None
    return (
        not {"hpr_nr", "authorization"} & set(claim["practitioner"])
        and claim["practitioner"]["identifier"]["id"] == P15
    )


def nowhere(value: str) -> Callable[[Claim | None], bool]:
    return lambda claim: claim is not None and value not in repr(claim)


_SERVICE: Final = "care_relationship.healthcare_service"

CASES: Final[tuple[Case, ...]] = (
    Case("T-51", sent(), holds=enriched),
    Case("T-52", {"assertion_details": [valid()]}, holds=enriched),
    Case("T-53", {}, {"authorization_details": [valid()]}, holds=enriched),
    Case("T-54", {}, {}, holds=lambda claim: claim is None),
    Case("T-55", sent(), {"authorization_details": valid()}, "HID-DOUBLE-STRUCTURE "),
    Case("T-56", {"assertion_details": {**valid(), "type": "nhn:trust_framework"}}, refusal="HID-1007 "),
    Case("T-57", sent("care_relation", {}), refusal="HID-1007 "),
    Case("T-58 missing", sent("practitioner.legal_entity"), refusal="ATT-13 "),
    Case("T-58 system", sent("practitioner.legal_entity.system", "urn:oid:2.16.578.1.12.4.1.4.102"), refusal="ATT-13 "),
    Case("T-59", sent("practitioner.legal_entity", {"id": "999999999", "system": ORGNR}), refusal="ATT-12 "),
    Case("T-60", sent("practitioner.point_of_care.id", O01), refusal="ATT-18 "),
    Case("T-61", sent("practitioner.authorization.code", "TL"), refusal="ATT-31 "),
    Case("T-62", sent("practitioner.authorization"), user="P15", holds=without_hpr),
    Case("T-63 code", sent("care_relationship.purpose_of_use.code", "XYZ"), refusal="ATT-38 "),
    Case(
        "T-63 system",
        sent("care_relationship.purpose_of_use", {"code": "1", "system": "urn:oid:1.0.14265.1"}),
        refusal="ATT-38 ",
    ),
    Case("T-64", sent(_SERVICE), refusal="ATT-43 "),
    Case("T-65", sent("care_relationship.decision_ref.user_selected", "true"), refusal="ATT-47 "),
    Case("T-66 missing", sent("care_relationship.decision_ref.id"), refusal="ATT-46 "),
    Case("T-66 empty", sent("care_relationship.decision_ref.id", ""), refusal="ATT-46 "),
    Case("T-67", sent("patients", [{}]), holds=lambda claim: claim is not None and claim["patients"] == [{}]),
    Case("T-67 empty", sent("patients", []), holds=lambda claim: claim is not None and claim["patients"] == []),
    Case(
        "T-68",
        sent("patients.0.identifier", {"id": P15, "system": "urn:oid:2.16.578.1.12.4.1.4.1"}),
        holds=nowhere(P15),
        finding="T-68",
    ),
    Case(
        "T-68 schema",
        sent("patients.0.identifier", {"id": P15, "system": "urn:oid:2.16.578.1.12.4.1.4.1"}),
        refusal="HID-1007 ",
        schema="schema",
    ),
    Case(
        "T-69 description",
        sent("care_relationship.decision_ref.description", "LOKAL"),
        holds=nowhere("LOKAL"),
        finding="T-69",
    ),
    Case(
        "T-69 authority", sent("practitioner.legal_entity.authority", "LOKAL"), holds=nowhere("LOKAL"), finding="T-69"
    ),
    Case("T-69 assigner", sent(f"{_SERVICE}.assigner", "LOKAL"), holds=nowhere("LOKAL"), finding="T-69"),
    Case(
        "T-70",
        sent("practitioner.identifier", {"id": P15, "system": "urn:oid:2.16.578.1.12.4.1.4.1"}),
        refusal="ATT-11 ",
    ),
    Case("T-71", sent(), user="machine", refusal="ATT-11 "),
    Case("T-72", sent(), level=3, refusal="ATT-9 "),
    Case("RC-13 with", {"authorization_details": valid()}, holds=enriched, finding="C14"),
    Case("RC-13 without", {}, holds=lambda claim: claim is None),
    Case(
        "RC-14",
        {"assertion_details": valid(), "authorization_details": {"type": "nhn:sfm:journal-id"}},
        refusal="HID-DOUBLE-STRUCTURE ",
    ),
    Case(
        "RC-26",
        {
            "assertion_details": put(
                put(valid(), "practitioner.auhtorization", {"code": "LE", "system": VOLVEN + "9060"}),
                "practitioner.authorization",
                ...,
            )
        },
        holds=lambda claim: claim is not None and not {"authorization", "auhtorization"} & set(claim["practitioner"]),
        finding="C18",
    ),
    Case(
        "C18 unknown code",
        sent(_SERVICE, {"code": "FR", "system": VOLVEN + "8666"}),
        holds=lambda claim: claim is not None and "healthcare_service" not in claim["care_relationship"],
        finding="C18",
    ),
    Case(
        "ATT-43 details alone",
        {
            "assertion_details": put(
                put(valid(), "care_relationship.purpose_of_use_details", {"code": "BEHANDLER", "system": RELATION}),
                _SERVICE,
                ...,
            )
        },
        holds=lambda claim: (
            claim is not None
            and claim["care_relationship"]["purpose_of_use_details"]["text"]
            == "Bruker har behandlingsansvar for pasienten"
        ),
    ),
    Case("BTG", sent("care_relationship.purpose_of_use", {"code": "BTG", "system": PURPOSE})),
    Case("A-30 milliseconds", sent("toa", 1_795_250_000_000), refusal="HID-1007 "),
)
