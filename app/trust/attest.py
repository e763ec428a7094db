"""The tillitsrammeverk claim of an access token, read into an ``Attest`` (trust.md sections 1.1 and 1.4).

Only the shape is judged here. Age, patient, actor and purpose are rows B5 to B7 and C4 of the policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.identity import HPR_SYSTEM, ORGNR_SYSTEM, SYSTEM_OF, IdType
from app.trust.principal import Attest

CLAIM: Final = "nhn:tillitsrammeverk:parameters"
PURPOSE_SYSTEM: Final = "urn:oid:2.16.840.1.113883.1.11.20448"
AUTHORIZATION_SYSTEM: Final = "urn:oid:2.16.578.1.12.4.1.1.9060"

_PERSON_SYSTEMS: Final = frozenset({SYSTEM_OF[IdType.FNR], SYSTEM_OF[IdType.DNR]})

UNREADABLE: Final = Attest(
    practitioner_id=None,
    hpr=None,
    authorization=None,
    legal_entity=None,
    point_of_care=None,
    department=None,
    purpose=None,
    purpose_details=None,
    healthcare_service=None,
    decision_ref=None,
    user_selected=None,
    patient=None,
    toa=None,
)
"""Stands for a claim that is there but broken. It attests nobody, so row B7 refuses it where the claim is optional."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of the claim: an attest, a fault, or neither when the token has no such claim."""

    attest: Attest | None
    fault: str | None


NO_CLAIM: Final = Reading(None, None)


class _Broken(ValueError):
    """What is wrong with the shape of the claim; the text names members, never values."""


def read(claims: Mapping[str, Any]) -> Reading:
    """Read the attest of an access token's ``claims``. Never raises."""
    claim = claims.get(CLAIM)
    if claim is None:
        return NO_CLAIM
    try:
        return Reading(_attest(claim), None)
    except _Broken as broken:
        return Reading(None, str(broken))


def _attest(claim: object) -> Attest:
    root = _object(claim, CLAIM)
    practitioner = _object(root.get("practitioner"), "practitioner")
    relationship = _object(root.get("care_relationship"), "care_relationship")
    decision = _object(relationship.get("decision_ref"), "decision_ref")
    selected = decision.get("user_selected")
    if not isinstance(selected, bool):
        raise _Broken("decision_ref.user_selected is not a boolean")
    identifier = _text(practitioner, "identifier", "id", _PERSON_SYSTEMS)
    legal_entity = _text(practitioner, "legal_entity", "id", {ORGNR_SYSTEM})
    point_of_care = _text(practitioner, "point_of_care", "id", {ORGNR_SYSTEM})
    purpose = _text(relationship, "purpose_of_use", "code", {PURPOSE_SYSTEM})
    return Attest(
        practitioner_id=identifier,
        hpr=_optional(practitioner, "hpr_nr", "id", {HPR_SYSTEM}),
        authorization=_optional(practitioner, "authorization", "code", {AUTHORIZATION_SYSTEM}),
        legal_entity=legal_entity,
        point_of_care=point_of_care,
        department=_optional(practitioner, "department", "id"),
        purpose=purpose,
        purpose_details=_optional(relationship, "purpose_of_use_details", "code"),
        healthcare_service=_optional(relationship, "healthcare_service", "code"),
        decision_ref=_filled(decision.get("id"), "decision_ref.id"),
        user_selected=selected,
        patient=_patient(root.get("patients")),
        toa=_toa(root.get("toa")),
        raw=root,
    )


def _patient(patients: object) -> str | None:
    """The number of the patient, which the national attest does not carry (ruling R16); at most one entry."""
    if patients is None:
        return None
    if not isinstance(patients, list):
        raise _Broken("patients is not an array")
    if len(patients) > 1:
        raise _Broken("patients has more than one entry")
    if not patients:
        return None
    return _optional(_object(patients[0], "patients[0]"), "identifier", "id")


def _toa(toa: object) -> int | None:
    if toa is None:
        return None
    if isinstance(toa, bool) or not isinstance(toa, int):
        raise _Broken("toa is not a whole number of seconds")
    return toa


def _text(parent: Mapping[str, Any], name: str, member: str, systems: frozenset[str] | set[str]) -> str:
    value = _optional(parent, name, member, systems)
    if value is None:
        raise _Broken(f"{name} is missing")
    return value


def _optional(
    parent: Mapping[str, Any], name: str, member: str, systems: frozenset[str] | set[str] = frozenset()
) -> str | None:
    """``parent[name][member]``, None when absent. ``systems`` are those allowed; none named means any."""
    if parent.get(name) is None:
        return None
    value = _object(parent[name], name)
    if systems and value.get("system") not in systems:
        raise _Broken(f"{name}.system is not one of the systems allowed")
    return _filled(value.get(member), f"{name}.{member}")


def _object(value: object, name: str) -> Mapping[str, Any]:
    if value is None:
        raise _Broken(f"{name} is missing")
    if not isinstance(value, dict):
        raise _Broken(f"{name} is not an object")
    return value


def _filled(value: object, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise _Broken(f"{name} is not a text")
    return value
