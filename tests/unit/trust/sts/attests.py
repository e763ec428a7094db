"""What the attest tests share: registers of the seeded kind, a valid attest, a recorder of findings."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from app.clock import Moment
from app.trust.facts import OrganisationRecord, PractitionerRecord
from app.trust.sts.attest import RegisterSnapshot, attest_claim
from app.trust.sts.structures import OrgClaims

NOW: Final = 1_795_250_000
MOMENT: Final = Moment(NOW, NOW)
ORGNR: Final = "urn:oid:2.16.578.1.12.4.1.4.101"
RESH: Final = "urn:oid:2.16.578.1.12.4.1.4.102"
VOLVEN: Final = "urn:oid:2.16.578.1.12.4.1.1."
PURPOSE: Final = "urn:oid:2.16.840.1.113883.1.11.20448"
RELATION: Final = "urn:AuditEventHL7Norway/CodeSystem/carerelation"
H01, H08, P15 = "02828049251", "18885849179", "06868549848"
O01, O03, O05, O06, O07 = "315500109", "315500303", "315500508", "315500605", "315500702"

REGISTERS: Final = RegisterSnapshot(
    {
        record.orgnr: record
        for record in (
            OrganisationRecord("O01", O01, "FRISK FJORD HELSEFORETAK (SANDKASSE)"),
            OrganisationRecord("O03", O03, "FRISK FJORD SYKEHUS, SOMATIKK", O01, "point_of_care", resh_id="4990001"),
            OrganisationRecord("O05", O05, "LETT BAKKE LEGESENTER AS"),
            OrganisationRecord("O06", O06, "STØDIG KOMMUNE HELSE OG OMSORG"),
            OrganisationRecord("O07", O07, "STØDIG SYKEHJEM", O06, "point_of_care"),
            OrganisationRecord("X01", "315501105", "UTEN NETT AS", helsenett_member=False),
        )
    },
    {
        H01: PractitionerRecord("H01", "222250101", H01, frozenset({"LE"}), "ÅRVÅKEN", "LEGEROT"),
        H08: PractitionerRecord("H08", "222250108", H08, frozenset(), "TIDLIGERE", "HANSKE"),
    },
)


@dataclass(frozen=True)
class Person:
    pid: str = H01
    name: str = "ÅRVÅKEN LEGEROT"
    level: int = 4


@dataclass(frozen=True)
class Rules:
    attest_schema: Literal["national", "schema"] = "national"
    attest_max_age: int = 3600


@dataclass
class Notes:
    found: list[tuple[str, str, str]] = field(default_factory=list)

    def __call__(self, code: str, text: str, level: str) -> None:
        self.found.append((code, text, level))

    @property
    def codes(self) -> set[str]:
        return {code for code, _, _ in self.found}


def valid() -> dict[str, Any]:
    return copy.deepcopy(
        {
            "type": "nhn:tillitsrammeverk:parameters",
            "practitioner": {
                "authorization": {"code": "LE", "system": VOLVEN + "9060"},
                "legal_entity": {"id": O06, "system": ORGNR},
                "point_of_care": {"id": O07, "system": ORGNR},
            },
            "care_relationship": {
                "healthcare_service": {"code": "KP01", "system": VOLVEN + "8663"},
                "purpose_of_use": {"code": "TREAT", "system": PURPOSE},
                "decision_ref": {"id": "6b0c9a7e-1c0e-4f0e-9a55-0e6f2f6f1a10", "user_selected": False},
            },
            "patients": [{"point_of_care": {"id": O07, "system": ORGNR}}],
        }
    )


def put(attest: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Set, or with ``...`` remove, a member by its dotted path; ``patients.0`` is the first patient."""
    *parents, last = path.split(".")
    node: Any = attest
    for name in parents:
        node = node[int(name)] if isinstance(node, list) else node.setdefault(name, {})
    if value is ...:
        node.pop(last, None)
    elif isinstance(node, list):
        node[int(last)] = value
    else:
        node[last] = value
    return attest


def enrich(
    attest: dict[str, Any],
    subject: Person | None = Person(),
    *,
    orgs: OrgClaims = OrgClaims(O06, O07),  # noqa: B008 - a frozen value
    rules: Rules = Rules(),
    moment: Moment = MOMENT,
    received_at: Moment | None = None,
    notes: Notes | None = None,
) -> dict[str, Any] | None:
    return attest_claim((attest,), subject, orgs, REGISTERS, moment, rules, notes or Notes(), received_at)
