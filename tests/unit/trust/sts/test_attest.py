"""The attest at the issuer beyond the numbered cases: time, schema mode, findings, what HelseID adds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clock import Moment
from app.trust.sts.attest import attest_claim, check_attest, organisations_named
from app.trust.sts.care_codes import lists_for
from app.trust.sts.errors import StsError
from app.trust.sts.structures import OrgClaims
from tests.unit.trust.sts.attests import (
    H01,
    H08,
    MOMENT,
    NOW,
    O01,
    O03,
    O05,
    O06,
    O07,
    ORGNR,
    P15,
    REGISTERS,
    RELATION,
    RESH,
    VOLVEN,
    Notes,
    Person,
    Rules,
    enrich,
    put,
    valid,
)


def claim(attest: dict[str, Any], **how: Any) -> dict[str, Any]:
    made = enrich(attest, **how)
    assert made is not None
    return made


def refused(attest: dict[str, Any], **how: Any) -> str:
    with pytest.raises(StsError) as error:
        enrich(attest, **how)
    assert error.value.error == "access_denied"
    return error.value.description


def test_no_attest_gives_no_claim() -> None:
    assert attest_claim((), None, OrgClaims(), REGISTERS, MOMENT, Rules(), Notes()) is None
    check_attest((), OrgClaims(), REGISTERS, Rules(), Notes())


class TestToa:
    def test_receive_time_when_the_client_sends_none(self) -> None:
        earlier = Moment(NOW - 500.5, NOW - 500.5)
        assert claim(valid())["toa"] == NOW
        assert claim(valid(), received_at=earlier)["toa"] == NOW - 501

    @pytest.mark.parametrize("age", [0, 3600, -60])
    def test_within_the_limits(self, age: int) -> None:
        made = claim(put(valid(), "toa", NOW - age))
        assert made["toa"] == NOW - age
        assert isinstance(made["toa"], int)

    def test_too_old(self) -> None:
        assert refused(put(valid(), "toa", NOW - 3601)) == "attestation_has_expired"

    def test_too_far_ahead(self) -> None:
        assert refused(put(valid(), "toa", NOW + 61)).startswith("ATT-58 ")

    @pytest.mark.parametrize("toa", [NOW * 1000, 1.5, str(NOW), True, []])
    def test_wrong_form(self, toa: object) -> None:
        assert refused(put(valid(), "toa", toa)).startswith("HID-1007 ")
        with pytest.raises(StsError):
            check_attest((put(valid(), "toa", toa),), OrgClaims(O06), REGISTERS, Rules(), Notes())

    def test_shifted_by_the_offset_of_the_receipt(self) -> None:
        # Ruling R31: the client stamped with its own clock, the sandbox clock is two days ahead.
        moved = Moment(NOW, NOW + 172_800)
        assert claim(put(valid(), "toa", NOW - 10), moment=moved)["toa"] == NOW + 172_790

    def test_a_clock_moved_after_the_receipt_does_not_age_the_attest_at_the_issuer(self) -> None:
        later = Moment(NOW + 100, NOW + 90_000)
        assert claim(put(valid(), "toa", NOW), moment=later, received_at=MOMENT)["toa"] == NOW


class TestSchemaMode:
    STRICT = Rules(attest_schema="schema")

    def full(self) -> dict[str, Any]:
        department = {"id": "4990001", "system": RESH}
        attest = put(valid(), "practitioner.department", department)
        put(attest, "care_relationship.purpose_of_use_details", {"code": "BEHANDLER", "system": RELATION})
        return put(attest, "patients.0.department", department)

    def test_complete_attest_passes(self) -> None:
        assert enrich(self.full(), rules=self.STRICT) is not None
        assert enrich(put(self.full(), "patients", []), rules=self.STRICT) is not None

    @pytest.mark.parametrize(
        "path",
        [
            "practitioner.authorization",
            "practitioner.department",
            "care_relationship.healthcare_service",
            "care_relationship.purpose_of_use_details",
            "patients.0.point_of_care",
            "patients.0.department",
        ],
    )
    def test_what_the_schema_requires(self, path: str) -> None:
        assert refused(put(self.full(), path, ...), rules=self.STRICT).startswith("HID-1007 ")

    @pytest.mark.parametrize(
        "path", ["practitioner.auhtorization", "practitioner.hpr_nr", "patients.0.identifier", "extra"]
    )
    def test_what_the_schema_does_not_know(self, path: str) -> None:
        assert refused(put(self.full(), path, {"id": "x"}), rules=self.STRICT).startswith("HID-1007 ")

    def test_what_helseid_sets_itself_is_still_only_dropped(self) -> None:
        attest = put(self.full(), "practitioner.legal_entity.name", "HEI")
        assert enrich(attest, rules=self.STRICT) is not None


class TestEnriched:
    def test_person(self) -> None:
        practitioner = claim(valid())["practitioner"]
        assert practitioner["identifier"] == {
            "id": H01,
            "name": "ÅRVÅKEN LEGEROT",
            "system": "urn:oid:2.16.578.1.12.4.1.4.1",
            "authority": "https://www.skatteetaten.no",
        }
        assert practitioner["hpr_nr"] == {
            "id": "222250101",
            "system": "urn:oid:2.16.578.1.12.4.1.4.4",
            "authority": "https://www.helsedirektoratet.no/",
        }

    def test_d_number_and_name_from_the_login(self) -> None:
        attest = put(valid(), "practitioner.authorization", ...)
        identifier = claim(attest, subject=Person("43909349738", "REISENDE TRANE"))["practitioner"]["identifier"]
        assert identifier["system"] == "urn:oid:2.16.578.1.12.4.1.4.2"
        assert identifier["name"] == "REISENDE TRANE"

    @pytest.mark.parametrize("pid", ["81234567802", "12345"])
    def test_neither_fnr_nor_d_number(self, pid: str) -> None:
        attest = put(valid(), "practitioner.authorization", ...)
        assert refused(attest, subject=Person(pid)).startswith("ATT-10 ")

    def test_withdrawn_authorisation_leaves_no_hpr(self) -> None:
        # Ruling R41 (H08).
        made = claim(put(valid(), "practitioner.authorization", ...), subject=Person(H08, "TIDLIGERE HANSKE"))
        assert "hpr_nr" not in made["practitioner"]
        assert refused(valid(), subject=Person(H08)).startswith("ATT-31 ")

    @pytest.mark.parametrize(
        ("system", "node", "name", "authority"),
        [
            (RESH, "4990001", "FRISK FJORD SYKEHUS, SOMATIKK", "https://www.nhn.no"),
            (RESH, "4999999", "4999999", "https://www.nhn.no"),
            ("https://sykehus.example/avdeling", "A1", "A1", O01),
        ],
    )
    def test_department(self, system: str, node: str, name: str, authority: str) -> None:
        attest = put(valid(), "practitioner.legal_entity.id", O01)
        put(attest, "practitioner.point_of_care.id", O03)
        put(attest, "practitioner.department", {"id": node, "system": system})
        put(attest, "patients", [{"department": {"id": node, "system": system}}])
        notes = Notes()
        made = claim(attest, orgs=OrgClaims(O01, O03), notes=notes)
        assert made["practitioner"]["department"] == {
            "id": node,
            "name": name,
            "system": system,
            "authority": authority,
        }
        assert made["patients"][0]["department"]["id"] == node
        assert not notes.found

    def test_organisation_without_sub_unit_repeats_itself(self) -> None:
        attest = put(put(valid(), "practitioner.legal_entity.id", O05), "practitioner.point_of_care.id", O05)
        practitioner = claim(put(attest, "patients", []), orgs=OrgClaims(O05))["practitioner"]
        assert practitioner["point_of_care"] == practitioner["legal_entity"]

    def test_null_is_absent(self) -> None:
        made = claim(put(put(valid(), "practitioner.department", None), "toa", None))
        assert "department" not in made["practitioner"]
        assert made["toa"] == NOW

    def test_every_code_of_the_catalogue_is_enriched(self) -> None:
        for name in ("healthcare_service", "purpose_of_use_details", "purpose_of_use"):
            for system, known in lists_for(name).items():
                for code, text in known.codes.items():
                    made = claim(put(valid(), f"care_relationship.{name}", {"code": code, "system": system}))
                    found = made["care_relationship"][name]
                    assert found == {"code": code, "text": text, "system": system, "assigner": known.assigner}


class TestFindings:
    @pytest.mark.parametrize(
        ("path", "value", "code", "level"),
        [
            ("practitioner.department", {"id": "1", "system": "lokal"}, "ATT-21", "risk"),
            ("practitioner.authorization", ..., "ATT-32", "note"),
            ("patients", [{}, {}], "D6", "risk"),
            ("patients.0.point_of_care.id", O03, "ATT-49", "risk"),
            ("patients.0.point_of_care.id", "999999999", "ATT-49", "risk"),
            ("practitioner.hpr_nr", {"id": "1"}, "D5", "note"),
            ("practitioner.identifier", {"id": H01}, "D5", "note"),
            ("practitioner.code3", 1, "C18", "note"),
            ("care_relationship.healthcare_service.code", "FR", "C18", "note"),
            ("care_relationship.purpose_of_use_details", {"code": "NEI", "system": RELATION}, "C18", "note"),
        ],
    )
    def test_accepted_with_a_finding(self, path: str, value: object, code: str, level: str) -> None:
        notes = Notes()
        assert enrich(put(valid(), path, value), notes=notes) is not None
        assert [(found, grade) for found, _, grade in notes.found] == [(code, level)]

    def test_name_of_an_unknown_member_is_not_repeated_when_it_may_hold_anything(self) -> None:
        notes = Notes()
        claim(put(valid(), P15, "x"), notes=notes)
        assert P15 not in str(notes.found)

    def test_sub_unit_as_legal_entity(self) -> None:
        notes = Notes()
        attest = put(put(valid(), "practitioner.legal_entity.id", O07), "patients", [])
        claim(attest, orgs=OrgClaims(O07, O07), notes=notes)
        assert notes.codes == {"ATT-13"}

    def test_other_organisation_than_the_token(self) -> None:
        notes = Notes()
        claim(valid(), orgs=OrgClaims(O01, O03), notes=notes)
        assert [code for code, _, _ in notes.found] == ["R17", "R17"]

    def test_organisations_known_from_the_registration_only(self) -> None:
        # Ruling C40: the published samples use numbers no register holds.
        attest = put(valid(), "practitioner.legal_entity.id", "999977774")
        put(attest, "practitioner.point_of_care.id", "999977775")
        put(attest, "patients", [{}])
        notes = Notes()
        made = claim(attest, orgs=OrgClaims("999977774", known=frozenset({"999977774"})), notes=notes)
        assert made["practitioner"]["legal_entity"]["name"] == "999977774"
        assert [code for code, _, _ in notes.found] == ["C40", "C40"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("path", "value", "code"),
        [
            ("practitioner", ..., "HID-1007"),
            ("practitioner", [], "HID-1007"),
            ("care_relationship", ..., "HID-1007"),
            ("patients", ..., "HID-1007"),
            ("patients", {}, "HID-1007"),
            ("patients", ["x"], "HID-1007"),
            ("practitioner.legal_entity", "x", "HID-1007"),
            ("practitioner.legal_entity.id", 1, "HID-1007"),
            ("practitioner.legal_entity.id", "12345678", "HID-1004"),
            ("practitioner.legal_entity.id", "315501105", "ATT-12"),
            ("practitioner.point_of_care", ..., "ATT-18"),
            ("practitioner.point_of_care.id", "999999999", "ATT-18"),
            ("practitioner.department", {"id": "1"}, "HID-1007"),
            ("practitioner.authorization.code", "QQ", "ATT-31"),
            ("practitioner.authorization.system", VOLVEN + "9061", "ATT-31"),
            ("practitioner.authorization.code", None, "ATT-31"),
            ("care_relationship.purpose_of_use", ..., "ATT-38"),
            ("care_relationship.healthcare_service.system", VOLVEN + "1", "ATT-33"),
            ("care_relationship.healthcare_service.code", 1, "ATT-33"),
            ("care_relationship.purpose_of_use_details", {"code": "15", "system": "x"}, "ATT-42"),
            ("care_relationship.decision_ref", ..., "ATT-46"),
            ("care_relationship.decision_ref.id", "  ", "ATT-46"),
            ("care_relationship.decision_ref.id", "x" * 256, "HID-1007"),
            ("care_relationship.decision_ref.id", "a\x00b", "HID-1007"),
            ("care_relationship.decision_ref.user_selected", ..., "ATT-47"),
            ("patients.0.point_of_care.system", "x", "ATT-49"),
            ("practitioner.identifier", "x", "ATT-11"),
            ("care-relation", {}, "HID-1007"),
        ],
    )
    def test_refused(self, path: str, value: object, code: str) -> None:
        assert refused(put(valid(), path, value)).startswith(code + " ")

    def test_par_refuses_what_needs_no_login(self) -> None:
        # Ruling R18: the login decides ATT-9, 11 and 31, PAR all the rest.
        check_attest((valid(),), OrgClaims(O06), REGISTERS, Rules(), Notes())
        with pytest.raises(StsError):
            check_attest((put(valid(), "care_relation", {}),), OrgClaims(O06), REGISTERS, Rules(), Notes())
        held_by_nobody = put(valid(), "practitioner.authorization.code", "TL")
        check_attest((held_by_nobody,), OrgClaims(O06), REGISTERS, Rules(), Notes())


def test_organisations_named_reads_any_json() -> None:
    assert organisations_named((valid(),)) == {O06, O07}
    broken = {
        "type": "nhn:tillitsrammeverk:parameters",
        "practitioner": {"legal_entity": 1, "point_of_care": {"id": []}},
    }
    assert organisations_named((broken,)) == frozenset()
    assert organisations_named(({**broken, "patients": "x", "practitioner": 1},)) == frozenset()
    assert organisations_named(()) == frozenset()
    assert ORGNR.endswith("4.101")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "code", "system", "x"]), inner),
    max_leaves=6,
)
_PATHS = [
    "practitioner", "practitioner.authorization", "practitioner.legal_entity", "practitioner.department",
    "care_relationship", "care_relationship.purpose_of_use", "care_relationship.healthcare_service",
    "care_relationship.decision_ref", "care_relationship.decision_ref.id", "patients", "patients.0",
    "patients.0.department", "toa",
]  # fmt: skip


@given(st.sampled_from(_PATHS), _JSON)
def test_any_json_in_any_place_is_accepted_or_refused(path: str, value: object) -> None:
    try:
        made = enrich(put(valid(), path, value))
    except StsError as error:
        assert error.error == "access_denied"
    else:
        assert made is not None
        assert made["care_relationship"]["decision_ref"]["id"]
