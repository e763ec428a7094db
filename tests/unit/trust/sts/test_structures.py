"""Carriers, organisation structures and the journal id (trust.md sections 1.5, 3.4, 7; rulings C14 to C17)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.trust.sts import structures
from app.trust.sts.errors import StsError
from app.trust.sts.structures import Carriers, OrgClaims, organisation, read_carriers, require_organisation
from tests.unit.trust.sts.attests import Notes

ATTEST = {"type": "nhn:tillitsrammeverk:parameters", "patients": []}
JOURNAL = {"type": "nhn:sfm:journal-id", "value": {"journal_id": "6b0c9a7e-1c0e-4f0e-9a55-0e6f2f6f1a10"}}
SINGLE = "urn:oid:2.16.578.1.12.4.1.4.101"
OLD_SINGLE = "urn:oid:2.16.578.1.12.4.1.2.101"
MULTI = "urn:oid:1.0.6523"
P, C, S = "315500605", "315500702", "315501008"


def org(system: object, value: object, kind: str = "ENH") -> dict[str, Any]:
    identifier = {"system": system, "type": kind, "value": value}
    return {"type": "helseid_authorization", "practitioner_role": {"organization": {"identifier": identifier}}}


@dataclass(frozen=True)
class Client:
    tenancy: Literal["none", "single-tenant", "multi-tenant"] = "single-tenant"
    orgnr_parent: str | None = None
    children: frozenset[str] = frozenset()
    orgnr_supplier: str | None = None
    delegations: frozenset[str] = frozenset()
    known_organisations: frozenset[str] = frozenset()


OWN = Client(orgnr_parent=P, children=frozenset({C}), known_organisations=frozenset({P, C}))
SUPPLIER = Client("multi-tenant", None, frozenset(), S, frozenset({P}), frozenset({P, S}))


def description(error: pytest.ExceptionInfo[StsError], code: str = "access_denied") -> str:
    assert error.value.error == code
    assert error.value.status == 400
    return error.value.description


class TestCarriers:
    def test_nothing_sent(self) -> None:
        assert read_carriers({}, None, Notes(), "strict") == Carriers()
        assert read_carriers({"assertion_details": None}, {}, Notes(), "strict") == Carriers()

    @pytest.mark.parametrize("value", [ATTEST, [ATTEST]])
    def test_object_or_array(self, value: object) -> None:
        notes = Notes()
        assert read_carriers({"assertion_details": value}, None, notes, "strict").from_assertion == (ATTEST,)
        assert read_carriers({}, {"authorization_details": value}, notes, "strict").from_request == (ATTEST,)
        assert not notes.found

    @pytest.mark.parametrize("value", [orjson.dumps(ATTEST).decode(), orjson.dumps([ATTEST]).decode()])
    def test_json_string_is_a_risk(self, value: str) -> None:
        notes = Notes()
        assert read_carriers({"assertion_details": value}, None, notes, "lenient").structures == (ATTEST,)
        assert [(code, level) for code, _, level in notes.found] == [("C15", "risk")]
        with pytest.raises(StsError) as error:
            read_carriers({"assertion_details": value}, None, notes, "strict")
        assert description(error).startswith("HID-1007 ")

    def test_authorization_details_in_the_assertion_counts_as_assertion_details(self) -> None:
        notes = Notes()
        carriers = read_carriers({"authorization_details": [ATTEST]}, None, notes, "strict")
        assert carriers.from_assertion == (ATTEST,)
        assert [(code, level) for code, _, level in notes.found] == [("C14", "note")]

    def test_different_types_in_the_two_carriers(self) -> None:
        carriers = read_carriers(
            {"assertion_details": org(SINGLE, C)}, {"authorization_details": ATTEST}, Notes(), "strict"
        )
        assert carriers.structures == (org(SINGLE, C), ATTEST)

    @pytest.mark.parametrize(
        ("assertion", "request_object"),
        [
            ({"assertion_details": ATTEST, "authorization_details": JOURNAL}, None),
            ({"assertion_details": ATTEST}, {"authorization_details": ATTEST}),
            ({"authorization_details": [JOURNAL, ATTEST]}, {"authorization_details": [ATTEST]}),
        ],
    )
    def test_double(self, assertion: dict[str, Any], request_object: dict[str, Any] | None) -> None:
        with pytest.raises(StsError) as error:
            read_carriers(assertion, request_object, Notes(), "lenient")
        assert description(error).startswith("HID-DOUBLE-STRUCTURE ")

    @pytest.mark.parametrize(
        "value",
        [
            "", "not json", "1", 1, True, [[]], ["x"], {}, {"type": 1}, {"type": "nhn:other"}, {"type": []},
            [ATTEST, {"type": "x"}], [ATTEST, ATTEST],
        ],
    )  # fmt: skip
    def test_what_is_no_structure(self, value: object) -> None:
        with pytest.raises(StsError) as error:
            read_carriers({"assertion_details": value}, None, Notes(), "lenient")
        assert description(error).startswith("HID-1007 ")

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(sorted(structures.STRUCTURE_TYPES)),
            lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["type", "value", "x"]), inner),
        )
    )
    def test_any_json_is_read_or_refused(self, value: object) -> None:
        try:
            carriers = read_carriers({"assertion_details": value}, None, Notes(), "lenient")
        except StsError as error:
            assert error.error == "access_denied"
        else:
            assert {item["type"] for item in carriers.structures} <= structures.STRUCTURE_TYPES


class TestOrganisation:
    @pytest.mark.parametrize(
        ("client", "sent", "expected"),
        [
            pytest.param(OWN, (), OrgClaims(P, None, None, frozenset({P, C})), id="single-parent-only"),
            pytest.param(OWN, (org(SINGLE, C),), OrgClaims(P, C, None, frozenset({P, C})), id="single-child"),
            pytest.param(SUPPLIER, (), OrgClaims(known=frozenset({P, S})), id="multi-nothing-RC-16"),
            pytest.param(
                SUPPLIER, (org(MULTI, f"NO:ORGNR:{P}:{C}"),), OrgClaims(P, C, S, frozenset({P, S, C})), id="T-45"
            ),
            pytest.param(
                SUPPLIER, (org(MULTI, f"NO:ORGNR:{P}:"),), OrgClaims(P, None, S, frozenset({P, S})), id="multi-colon"
            ),
            pytest.param(
                SUPPLIER, (org(MULTI, f"NO:ORGNR:{P}"),), OrgClaims(P, None, S, frozenset({P, S})), id="RC-15"
            ),
            pytest.param(Client("none"), (), OrgClaims(), id="none"),
        ],
    )
    def test_claims(self, client: Client, sent: tuple[dict[str, Any], ...], expected: OrgClaims) -> None:
        notes = Notes()
        assert organisation(sent, client, notes) == expected
        assert not notes.found

    def test_old_system_of_the_samples(self) -> None:
        notes = Notes()
        assert organisation((org(OLD_SINGLE, C),), OWN, notes).child == C
        assert [(code, level) for code, _, level in notes.found] == [("C16", "note")]

    def test_type_other_than_enh(self) -> None:
        notes = Notes()
        assert organisation((org(SINGLE, C, "X"),), OWN, notes).child == C
        assert [(code, level) for code, _, level in notes.found] == [("HID-1007", "risk")]

    @pytest.mark.parametrize(
        ("client", "sent", "code"),
        [
            pytest.param(SUPPLIER, org(MULTI, f"NO:ORGNR:{C}:"), "HID-1001", id="T-46"),
            pytest.param(OWN, org(SINGLE, P), "HID-1002", id="T-47"),
            pytest.param(OWN, org(SINGLE, "31550070"), "HID-1004", id="T-48-single"),
            pytest.param(OWN, org(SINGLE, "31550070x"), "HID-1004", id="T-48-letter"),
            pytest.param(SUPPLIER, org(MULTI, "NO:ORGNR:31550060:"), "HID-1004", id="T-48-parent"),
            pytest.param(SUPPLIER, org(MULTI, f"NO:ORGNR:{P}:31550070"), "HID-1004", id="T-48-child"),
            pytest.param(SUPPLIER, org(MULTI, P), "HID-1007", id="T-49-no-prefix"),
            pytest.param(SUPPLIER, org(MULTI, f"NO:ORGNR:{P}:{C}:"), "HID-1007", id="T-49-colons"),
            pytest.param(SUPPLIER, org(SINGLE, C), "HID-1007", id="T-49-multi-with-single-system"),
            pytest.param(OWN, org(MULTI, f"NO:ORGNR:{P}:{C}"), "HID-1007", id="T-49-single-with-multi-system"),
            pytest.param(OWN, org(SINGLE, 1), "HID-1007", id="T-49-number"),
            pytest.param(OWN, org(None, C), "HID-1007", id="T-49-no-system"),
            pytest.param(OWN, {"type": "helseid_authorization"}, "HID-1007", id="T-49-empty"),
            pytest.param(
                OWN, {"type": "helseid_authorization", "practitioner_role": [1]}, "HID-1007", id="T-49-list"
            ),
            pytest.param(Client("none"), org(SINGLE, C), "HID-1010", id="no-organisations"),
        ],
    )  # fmt: skip
    def test_refusals(self, client: Client, sent: dict[str, Any], code: str) -> None:
        with pytest.raises(StsError) as error:
            organisation((sent,), client, Notes())
        assert description(error).startswith(code + " ")


class TestRequireOrganisation:
    @pytest.mark.parametrize(
        ("grant", "scopes", "profile", "passes"),
        [
            ("client_credentials", ("nhn:pps/provesvar-read",), "lenient", False),
            ("client_credentials", (), "lenient", False),
            ("client_credentials", ("nhn:selvbetjening/client", "nhn:pps/provesvar"), "lenient", False),
            ("client_credentials", ("nhn:selvbetjening/client",), "lenient", True),
            ("authorization_code", ("nhn:pps/provesvar-read",), "lenient", True),
            ("refresh_token", (), "lenient", True),
            ("authorization_code", ("nhn:pps/provesvar-read",), "strict", False),
            ("client_credentials", ("nhn:selvbetjening/client",), "strict", False),
        ],
    )
    def test_t50(
        self, grant: str, scopes: tuple[str, ...], profile: Literal["lenient", "strict"], passes: bool
    ) -> None:
        require_organisation(OrgClaims(P), SUPPLIER, grant, scopes, profile)
        require_organisation(OrgClaims(), OWN, grant, scopes, profile)
        if passes:
            require_organisation(OrgClaims(), SUPPLIER, grant, scopes, profile)
            return
        with pytest.raises(StsError) as error:
            require_organisation(OrgClaims(), SUPPLIER, grant, scopes, profile)
        assert "helseid_authorization" in description(error, "invalid_request")


class TestJournalId:
    def test_found_or_absent(self) -> None:
        assert structures.journal_id((ATTEST, JOURNAL)) == "6b0c9a7e-1c0e-4f0e-9a55-0e6f2f6f1a10"
        assert structures.journal_id((ATTEST,)) is None

    @pytest.mark.parametrize("value", [None, "x", {}, {"journal_id": 1}, {"journal_id": "6b0c9a7e"}])
    def test_malformed(self, value: object) -> None:
        with pytest.raises(StsError) as error:
            structures.journal_id(({"type": "nhn:sfm:journal-id", "value": value},))
        assert description(error).startswith("HID-1007 ")
