"""The tillitsrammeverk claim read into an ``Attest``: every member, and every way it can be broken."""

from typing import Any

import pytest

from app.trust.attest import CLAIM, NO_CLAIM, UNREADABLE, read
from tests.unit.trust.gate_kit import ABSENT, CHILD, HPR_NUMBER, PARENT, PID, attest

_PATIENT = {"identifier": {"id": "14838449698", "system": "urn:oid:2.16.578.1.12.4.1.4.1"}}


def test_every_member_is_read() -> None:
    claim = attest(
        practitioner={"department": {"id": "4207000", "system": "urn:oid:2.16.578.1.12.4.1.4.102"}},
        relationship={
            "purpose_of_use_details": {"code": "15", "system": "urn:oid:2.16.578.1.12.4.1.1.9151"},
            "decision_ref": {"id": "decision-2", "user_selected": True},
        },
        toa=1_700_000_000,
    )
    made = read({CLAIM: claim}).attest
    assert made is not None
    assert (made.practitioner_id, made.hpr, made.authorization) == (PID, HPR_NUMBER, "LE")
    assert (made.legal_entity, made.point_of_care, made.department) == (PARENT, CHILD, "4207000")
    assert (made.purpose, made.purpose_details, made.healthcare_service) == ("TREAT", "15", "KP01")
    assert (made.decision_ref, made.user_selected) == ("decision-2", True)
    assert (made.patient, made.toa) == (None, 1_700_000_000)
    assert made.raw is claim


def test_what_may_be_left_out_is_none() -> None:
    claim = attest(
        practitioner={"hpr_nr": ABSENT, "authorization": None},
        relationship={"healthcare_service": ABSENT},
        patients=ABSENT,
    )
    made = read({CLAIM: claim}).attest
    assert made is not None
    assert (made.hpr, made.authorization, made.healthcare_service, made.department) == (None, None, None, None)
    assert (made.purpose_details, made.patient, made.toa) == (None, None, None)


@pytest.mark.parametrize(
    ("patients", "patient"),
    [
        pytest.param([], None, id="none"),
        pytest.param([{}], None, id="empty entry"),
        pytest.param([_PATIENT], "14838449698", id="with a number"),
    ],
)
def test_the_patient_is_known_only_where_the_claim_names_one(patients: object, patient: str | None) -> None:
    made = read({CLAIM: attest(patients=patients)}).attest
    assert made is not None
    assert made.patient == patient


def test_a_token_without_the_claim_has_neither_attest_nor_fault() -> None:
    assert read({}) is NO_CLAIM
    assert read({CLAIM: None}) is NO_CLAIM


_DECISION = {"id": "d", "user_selected": False}
_WRONG = {"id": "1", "system": "urn:oid:2.16.578.1.12.4.1.4.5"}


@pytest.mark.parametrize(
    ("claim", "fault"),
    [
        pytest.param("text", f"{CLAIM} is not an object", id="text"),
        pytest.param([attest()], f"{CLAIM} is not an object", id="array"),
        pytest.param(attest(practitioner=None), None, id="whole"),
        pytest.param({}, "practitioner is missing", id="empty"),
        pytest.param({**attest(), "practitioner": []}, "practitioner is not an object", id="practitioner"),
        pytest.param(attest(care_relationship=ABSENT), "care_relationship is missing", id="relationship"),
        pytest.param(attest(care_relationship=ABSENT, care_relation={}), "care_relationship is missing", id="D2"),
        pytest.param(attest({"identifier": ABSENT}), "identifier is missing", id="identifier"),
        pytest.param(
            attest({"identifier": _WRONG}), "identifier.system is not one of the systems allowed", id="system"
        ),
        pytest.param(
            attest({"legal_entity": _WRONG}), "legal_entity.system is not one of the systems allowed", id="entity"
        ),
        pytest.param(attest({"legal_entity": ABSENT}), "legal_entity is missing", id="no entity"),
        pytest.param(attest({"point_of_care": None}), "point_of_care is missing", id="no point of care"),
        pytest.param(attest({"hpr_nr": "222250101"}), "hpr_nr is not an object", id="hpr"),
        pytest.param(attest({"hpr_nr": _WRONG}), "hpr_nr.system is not one of the systems allowed", id="hpr system"),
        pytest.param(attest({"department": {"id": ""}}), "department.id is not a text", id="department"),
        pytest.param(attest(None, {"purpose_of_use": ABSENT}), "purpose_of_use is missing", id="purpose"),
        pytest.param(
            attest(None, {"purpose_of_use": {"code": "TREAT", "system": "2.16"}}),
            "purpose_of_use.system is not one of the systems allowed",
            id="purpose system",
        ),
        pytest.param(attest(None, {"decision_ref": ABSENT}), "decision_ref is missing", id="decision"),
        pytest.param(
            attest(None, {"decision_ref": {**_DECISION, "id": 7}}), "decision_ref.id is not a text", id="decision id"
        ),
        pytest.param(
            attest(None, {"decision_ref": {**_DECISION, "user_selected": "false"}}),
            "decision_ref.user_selected is not a boolean",
            id="user_selected",
        ),
        pytest.param(attest(patients={}), "patients is not an array", id="patients"),
        pytest.param(attest(patients=[{}, {}]), "patients has more than one entry", id="two patients"),
        pytest.param(attest(patients=["x"]), "patients[0] is not an object", id="patient text"),
        pytest.param(attest(toa="1700000000"), "toa is not a whole number of seconds", id="toa text"),
        pytest.param(attest(toa=True), "toa is not a whole number of seconds", id="toa boolean"),
        pytest.param(attest(toa=1.5), "toa is not a whole number of seconds", id="toa fraction"),
    ],
)
def test_a_broken_claim_gives_its_fault_and_no_attest(claim: Any, fault: str | None) -> None:
    reading = read({CLAIM: claim})
    assert reading.fault == fault
    assert (reading.attest is None) is (fault is not None)


def test_the_stand_in_for_a_broken_claim_attests_nobody() -> None:
    assert (UNREADABLE.practitioner_id, UNREADABLE.hpr, UNREADABLE.legal_entity) == (None, None, None)
