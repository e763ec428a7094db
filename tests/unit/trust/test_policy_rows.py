"""Every row for whole requests: a request it fires on, and the nearest one it spares."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import pytest

from app.clock import Moment
from app.errors import Reason
from app.trust.facts import Fullmakt, PractitionerRecord, SettingKind
from app.trust.policy import (
    GENERIC,
    KJ,
    KJ_INDICATOR,
    KJ_LEGACY,
    PJD,
    PLL,
    PPS,
    PPS_BACKDOOR,
    PROBE,
    REQUEST_RULES,
    SETTINGS,
    Obligation,
    Outcome,
    Request,
    ServicePolicy,
    decide,
    explain,
)
from app.trust.principal import Basis

from .policy_requests import (
    BOTH_AREAS,
    DAY,
    GENERAL,
    H01,
    H02,
    HARD,
    NOW,
    O01,
    O02,
    O03,
    O04,
    P01,
    P08,
    P09,
    P10,
    P13,
    P14,
    P15,
    P16,
    P17,
    P18,
    RESERVATION,
    SOFT,
    attest,
    citizen,
    hpr,
    machine,
    orgnr,
    personnel,
    setting,
)


class Case(NamedTuple):
    """``outcome`` ``None``: the row lets the request go on."""

    row: str
    fires: Request
    spares: Request
    outcome: Outcome | None = None


DENY, EMPTY, ERROR = Outcome.DENY, Outcome.EMPTY, Outcome.ERROR
AKUTT = {"basis": Basis.FORHOYET_AKUTT}
SAMTYKKE = {"basis": Basis.FORHOYET_SAMTYKKE}
OK = personnel()
ME = citizen()
NAMED = setting(SettingKind.SPECIFIC_BLOCK, subjects=hpr(H02.hpr))
BY_PID = setting(SettingKind.SPECIFIC_BLOCK, subjects=frozenset({("PID", H01.pid)}))
ORGANISATION = setting(SettingKind.ORG_BLOCK, subjects=orgnr(O02.orgnr, O04.orgnr))
MODULE = setting(SettingKind.MODULE_RESTRICTION, code="KRITISK_INFO")
NO_ACCESS = setting(SettingKind.OWN_ACCESS_REMOVED)
NO_AUTHORISATION = PractitionerRecord("H08", "222250108", "02828049251")
NO_KJ = replace(O03, kj_access=False)
ROLES = replace(GENERIC, role_source="register", roles_allowed=frozenset({"LE"}))
CORESIDENT = replace(PPS, parent_same_address_rule="only_coresident")
GUARDED = replace(PPS, guardians=True)
BASIS_LEVEL = replace(PPS, consent_level_min="Journalinnsyn")
AT_A1 = replace(P08, address_group="A1")
SCOPE = (frozenset({"nhn:pps/provesvar"}), frozenset({"nhn:nilar/api"}))


def consent(level: str) -> Request:
    return citizen(setting(SettingKind.HELSENORGE_CONSENT, code=level), service=BASIS_LEVEL)


def org(parent: str | None, child: str | None) -> Mapping[str, str | None]:
    return {"orgnr_parent": parent, "orgnr_child": child}


def attested(service: ServicePolicy = PPS, **changes: object) -> Request:
    return personnel(service=service, access={"attest": attest(**changes)})


def at(seconds: float, **request: object) -> dict[str, object]:
    return {"access": {"moment": Moment(seconds, seconds), **request}}


def fullmakt(
    patient: object = P13, actor: object = P14, mandate: Fullmakt | None = BOTH_AREAS, **request: object
) -> Request:
    values = {"patient": patient, "actor": actor, "facts": {"fullmakt": mandate}, **request}
    return citizen(**values)  # type: ignore[arg-type]


CASES = [
    # A
    Case("A1", personnel(token_fault=Reason.TOKEN_MISSING), OK, ERROR),
    Case("A2", personnel(token_fault=Reason.TOKEN_INVALID), OK, ERROR),
    Case("A2", personnel(token_fault=Reason.CONFLICT), personnel(token_fault=Reason.DPOP_INVALID), ERROR),
    Case("A3", personnel(token_fault=Reason.DPOP_INVALID), OK, ERROR),
    Case("A4", personnel(token_fault=Reason.AUDIENCE_WRONG), OK, ERROR),
    Case("A5", personnel(token_fault=Reason.SCOPE_MISSING), OK, ERROR),
    Case(
        "A5",
        personnel(scopes_accepted=SCOPE, principal={"scopes": frozenset({"openid"})}),
        personnel(scopes_accepted=SCOPE, principal={"scopes": frozenset({"openid", "nhn:nilar/api"})}),
        ERROR,
    ),
    Case("A5b", personnel(token_fault=Reason.PID_MISSING), OK, ERROR),
    Case("A5b", personnel(principal={"pid": None}), machine(), ERROR),
    Case("A6", personnel(token_fault=Reason.LEVEL_TOO_LOW), OK, ERROR),
    Case("A6", personnel(principal={"level": 3}), machine(), ERROR),
    Case("A6", citizen(principal={"level": 3}), ME, ERROR),
    Case("A7", personnel(token_fault=Reason.ORG_MISSING), OK, ERROR),
    Case("A7", personnel(principal=dict(org(None, O03.orgnr))), ME, ERROR),
    Case(
        "A7",
        personnel(principal={"orgnr_child": None}, service=PROBE),
        personnel(principal={"orgnr_child": None}),
        ERROR,
    ),
    Case("A7b", personnel(token_fault=Reason.ORG_RELATION), OK, ERROR),
    Case("A7b", personnel(facts={"child_org": O04}), OK, ERROR),
    Case("A7b", personnel(facts={"child_org": O02}), personnel(facts={"child_org": O01}), ERROR),
    Case("A7b", machine(facts={"child_org": O04}), personnel(facts={"child_org": None}), ERROR),
    Case("A7b", machine(facts={"child_org": O04}), personnel(facts={"parent_org": None}), ERROR),
    Case("A8", machine(token_fault=Reason.USER_REQUIRED), machine(), ERROR),
    Case("A8", machine(op="delete"), machine(op="ingest"), ERROR),
    # B
    Case("B1", personnel(request_faults=frozenset({Reason.HEADER_INVALID})), OK, ERROR),
    Case(
        "B1",
        personnel(request_faults=frozenset({Reason.PARAMETER_INVALID})),
        personnel(request_faults=frozenset({Reason.HEADER_MISSING})),
        ERROR,
    ),
    Case("B1b", personnel(request_faults=frozenset({Reason.HEADER_MISSING})), OK, ERROR),
    Case("B2", personnel(request_faults=frozenset({Reason.PATIENT_ID_INVALID})), OK, ERROR),
    Case("B3", personnel(request_faults=frozenset({Reason.BASIS_INVALID})), OK, ERROR),
    Case("B4", personnel(request_faults=frozenset({Reason.ATTEST_MISSING})), OK, ERROR),
    Case("B4", personnel(service=PROBE, access={"attest": None}), personnel(access={"attest": None}), ERROR),
    Case("B4", personnel(service=PROBE, access={"attest": None}), personnel(service=PROBE), ERROR),
    Case("B5", personnel(**at(NOW + 3601)), personnel(**at(NOW + 3600)), ERROR),  # type: ignore[arg-type]
    Case("B5", personnel(**at(NOW - 61)), personnel(**at(NOW - 60)), ERROR),  # type: ignore[arg-type]
    Case("B5", attested(toa=int(NOW) - 3601), personnel(service=KJ, access={"attest": attest(toa=0)}), ERROR),
    Case(
        "B5",
        attested(toa=None),
        personnel(access={"attest": attest(toa=None)}, principal={"claims": {"iat": NOW}}),
        ERROR,
    ),
    Case("B5", personnel(access={"attest": attest(toa=None)}, principal={"claims": {"iat": True}}), OK, ERROR),
    Case("B5", attested(toa=10**400), OK, ERROR),
    Case("B6", attested(patient=P15.nin), attested(patient=P01.nin), DENY),
    Case(
        "B6",
        attested(patient=P15.nin),
        personnel(access={"attest": attest(patient=P15.nin), "patient_nin": None}),
        DENY,
    ),
    Case(
        "B6",
        attested(patient=P15.nin),
        personnel(access={"attest": attest(patient=P01.nin), "patient_nin": "63899449853"}),
        DENY,
    ),
    Case("B7", attested(legal_entity=O02.orgnr), OK, DENY),
    Case("B7", attested(legal_entity=None), OK, DENY),
    Case("B7", attested(point_of_care=O04.orgnr), attested(point_of_care=None), DENY),
    Case(
        "B7",
        attested(point_of_care=O04.orgnr),
        personnel(access={"attest": attest(point_of_care=O04.orgnr)}, principal={"orgnr_child": None}),
        DENY,
    ),
    Case("B7", attested(practitioner_id=H02.pid), attested(practitioner_id=None), DENY),
    Case("B7", attested(hpr=H02.hpr), attested(hpr=None), DENY),
    Case("B7", attested(hpr=None, practitioner_id=None), personnel(access={"attest": None}), DENY),
    # C
    Case("C0", personnel(service=KJ_LEGACY, facts={"parent_org": NO_KJ}), personnel(service=KJ_LEGACY), DENY),
    Case("C0", personnel(service=KJ_LEGACY, facts={"child_org": NO_KJ}), personnel(facts={"child_org": NO_KJ}), DENY),
    Case(
        "C0",
        machine(service=KJ_INDICATOR, op="read", facts={"parent_org": NO_KJ}),
        machine(service=KJ_INDICATOR, op="read", facts={"parent_org": None}),
        DENY,
    ),
    Case("C2", personnel(facts={"practitioner": NO_AUTHORISATION}), personnel(facts={"practitioner": None}), DENY),
    Case("C2", personnel(by=NO_AUTHORISATION, principal={"hpr": None}), OK, DENY),
    Case("C2", attested(authorization="PS"), attested(authorization=None), DENY),
    Case("C2", personnel(service=KJ, access={"role": "SP"}), personnel(access={"role": "SP"}), DENY),
    Case("C1", personnel(principal={"hpr": None}), personnel(principal={"hpr": None}, service=PJD), ERROR),
    Case(
        "C1",
        personnel(principal={"hpr": None}, service=KJ, access={"basis": Basis.SAMTYKKE}),
        personnel(principal={"hpr": None}, access={"basis": Basis.SAMTYKKE}),
        ERROR,
    ),
    Case("C1", personnel(principal={"hpr": ""}), OK, ERROR),
    Case(
        "C3",
        personnel(service=ROLES, by=replace(H01, authorizations=frozenset({"SP"}))),
        personnel(service=ROLES),
        DENY,
    ),
    Case(
        "C3",
        personnel(service=ROLES, facts={"practitioner": None}, access={"role": None}),
        personnel(service=ROLES, facts={"practitioner": None}),
        DENY,
    ),
    Case("C3", personnel(service=KJ, access={"role": None}), personnel(service=KJ), DENY),
    Case(
        "C3",
        personnel(service=KJ, access={"role": "VE"}, facts={"practitioner": None}),
        personnel(service=KJ, access={"role": "HE"}, facts={"practitioner": None}),
        DENY,
    ),
    Case(
        "C3",
        personnel(service=KJ, access={"role": "HE"}, facts={"practitioner": None}, op="create"),
        personnel(service=KJ, access={"role": "TL"}, facts={"practitioner": None}, op="create"),
        DENY,
    ),
    Case(
        "C3",
        attested(PJD, authorization="TL"),
        attested(PJD, authorization=None),
        DENY,
    ),
    Case(
        "C3",
        personnel(
            service=PJD,
            by=replace(H01, authorizations=frozenset({"LE", "SP"})),
            access={"attest": attest(authorization=None)},
        ),
        personnel(service=PJD, by=replace(H01, authorizations=frozenset({"LE", "SP"}))),
        DENY,
    ),
    Case("C3", attested(PJD, authorization="TL"), personnel(service=replace(ROLES, roles_allowed=None)), DENY),
    Case("C4", attested(purpose="HRESCH"), attested(purpose="COC"), DENY),
    Case("C4", attested(purpose=None), personnel(access={"attest": None}), DENY),
    Case("C4", attested(purpose="HRESCH"), personnel(service=KJ, access={"attest": attest(purpose="HRESCH")}), DENY),
    Case("C5", personnel(principal={"pid": P01.nin}, access={"attest": None}), OK),
    Case("C5", personnel(principal={"pid": P01.nin}, access={"attest": None, "patient_nin": "63899449853"}), machine()),
    # D
    Case("D1", personnel(patient=None), personnel(patient=None, access={"patient_nin": None}), EMPTY),
    Case("D1", personnel(patient=None, service=GENERIC), personnel(service=GENERIC), DENY),
    Case("D1", citizen(patient=None), ME, EMPTY),
    Case("D1", personnel(patient=None, service=PROBE), OK),
    Case("D2", personnel(patient=replace(P01, redirected=True)), OK),
    Case("D2", citizen(patient=replace(P01, redirected=True)), personnel(patient=None)),
    Case("D3", personnel(facts={"privacy_available": False}), OK, ERROR),
    Case("D3", citizen(facts={"privacy_available": False}), ME, ERROR),
    Case(
        "D4",
        personnel(patient=replace(P01, address_protection="Confidential"), service=KJ),
        personnel(patient=replace(P01, address_protection="ClientAddress"), service=KJ),
        DENY,
    ),
    Case(
        "D4",
        machine(patient=replace(P01, address_protection="StrictlyConfidential"), service=KJ),
        citizen(patient=replace(P01, address_protection="StrictlyConfidential"), service=KJ),
        DENY,
    ),
    Case("D5", personnel(patient=replace(P01, address_protection="StrictlyConfidential")), OK),
    Case(
        "D5",
        personnel(patient=replace(P01, address_protection="StrictlyConfidential")),
        citizen(patient=replace(P01, address_protection="Confidential")),
    ),
    Case(
        "D6",
        personnel(patient=replace(P01, status="Deceased"), service=KJ, op="update"),
        personnel(patient=replace(P01, status="Deceased"), service=KJ),
        DENY,
    ),
    Case(
        "D6",
        personnel(patient=replace(P01, deceased_date="2025-01-15"), service=KJ, op="create"),
        personnel(patient=replace(P01, deceased_date="2025-01-15"), op="create"),
        DENY,
    ),
    Case(
        "D6",
        personnel(patient=replace(P01, status="Deceased"), service=KJ, op="delete"),
        personnel(patient=None, op="create"),
        DENY,
    ),
    Case("D7", personnel(RESERVATION), OK, EMPTY),
    Case("D7", personnel(RESERVATION, access=AKUTT), OK, EMPTY),
    Case("D7", personnel(RESERVATION, service=KJ), personnel(replace(RESERVATION, active_to=NOW)), DENY),
    Case("D7", personnel(RESERVATION, service=PJD, op="read"), OK, DENY),
    Case("D7", personnel(RESERVATION, service=GENERIC, op="create"), OK, DENY),
    # E
    Case("E0", personnel(NAMED, service=KJ_LEGACY), personnel(NAMED), DENY),
    Case("E0", personnel(ORGANISATION, service=KJ_LEGACY), personnel(GENERAL, service=KJ_LEGACY), DENY),
    Case("E1", personnel(NAMED, by=H02, access={"attest": None}), personnel(NAMED), EMPTY),
    Case("E1", personnel(NAMED, by=H02, access={"attest": None, **AKUTT}), personnel(GENERAL, by=H02), EMPTY),
    Case("E1", personnel(NAMED, by=H02, service=KJ), personnel(NAMED, service=KJ), DENY),
    Case(
        "E1",
        personnel(replace(NAMED, subjects=frozenset())),
        personnel(replace(ORGANISATION, subjects=frozenset())),
        EMPTY,
    ),
    Case(
        "E1",
        personnel(BY_PID, principal={"hpr": None}, access={"basis": Basis.SAMTYKKE}),
        personnel(BY_PID),
        EMPTY,
    ),
    Case(
        "E1",
        personnel(NAMED, by=H02, principal={"hpr": None}, access={"basis": Basis.SAMTYKKE, "attest": None}),
        personnel(
            NAMED, by=H02, principal={"hpr": None}, access={"basis": Basis.SAMTYKKE}, facts={"practitioner": None}
        ),
        EMPTY,
    ),
    Case(
        "E1",
        personnel(replace(NAMED, active_from=NOW, active_to=NOW + DAY), by=H02, access={"attest": None}),
        personnel(replace(NAMED, active_from=NOW + 1), by=H02, access={"attest": None}),
        EMPTY,
    ),
    Case(
        "E1",
        personnel(replace(ORGANISATION, subjects=hpr(H01.hpr))),
        personnel(replace(NAMED, objects=hpr("x")), by=H02),
        EMPTY,
    ),
    Case(
        "E2",
        personnel(ORGANISATION, principal=dict(org(O02.orgnr, None)), access={"attest": None}),
        personnel(ORGANISATION),
        EMPTY,
    ),
    Case(
        "E2",
        personnel(ORGANISATION, principal=dict(org(O01.orgnr, O04.orgnr)), access={"attest": None}),
        machine(ORGANISATION),
        EMPTY,
    ),
    Case("E2", machine(ORGANISATION, principal=dict(org(O02.orgnr, None))), citizen(ORGANISATION), EMPTY),
    Case(
        "E2",
        personnel(replace(ORGANISATION, subjects=frozenset())),
        personnel(replace(NAMED, subjects=frozenset())),
        EMPTY,
    ),
    Case("E2", personnel(replace(NAMED, subjects=orgnr(O01.orgnr))), personnel(NAMED), EMPTY),
    Case("E3", personnel(HARD), personnel(SOFT), EMPTY),
    Case("E3", personnel(HARD, access=AKUTT), personnel(replace(HARD, active_to=NOW - DAY), access=AKUTT), EMPTY),
    Case("E3", personnel(replace(HARD, level=None)), personnel(replace(HARD, objects=hpr("x"))), EMPTY),
    Case("E3", personnel(replace(HARD, subjects=hpr(H01.hpr))), personnel(replace(HARD, subjects=hpr(H02.hpr))), EMPTY),
    Case("E4", personnel(SOFT, access=SAMTYKKE), personnel(SOFT, access=AKUTT), EMPTY),
    Case("E4", personnel(replace(SOFT, subjects=hpr(H01.hpr))), personnel(replace(SOFT, subjects=hpr(H02.hpr))), EMPTY),
    Case("E4", personnel(SOFT, service=PJD), personnel(HARD, service=PJD), EMPTY),
    Case("E4b", personnel(SOFT, access=AKUTT), personnel(SOFT, access=SAMTYKKE)),
    # F
    Case(
        "F0",
        personnel(GENERAL, service=PLL, facts={"gp_hpr": H01.hpr}),
        personnel(GENERAL, service=PLL, facts={"gp_hpr": H02.hpr}),
    ),
    Case(
        "F0",
        personnel(GENERAL, service=PLL, facts={"gp_hpr": H01.hpr}),
        personnel(service=PLL, facts={"gp_hpr": H01.hpr}),
    ),
    Case(
        "F0",
        personnel(GENERAL, service=PLL, facts={"gp_hpr": H01.hpr}),
        personnel(GENERAL, service=PLL, principal={"hpr": None}, facts={"gp_hpr": None}),
    ),
    Case("F1", personnel(GENERAL, access=SAMTYKKE), personnel(access=SAMTYKKE)),
    Case("F1", personnel(GENERAL, access=AKUTT), personnel(GENERAL, access={"basis": Basis.AKUTT})),
    Case("F1", personnel(MODULE, service=KJ, access=AKUTT), personnel(MODULE, access=AKUTT)),
    Case(
        "F1",
        personnel(GENERAL, service=PJD, access={"attest": attest(purpose="ETREAT")}),
        personnel(GENERAL, service=PJD),
    ),
    Case("F1", personnel(GENERAL, access=AKUTT), personnel(GENERAL, service=PJD, access={"attest": None})),
    Case("F1b", personnel(mode="ehds", access=AKUTT), personnel(access=AKUTT)),
    Case("F1b", personnel(service=replace(PPS, mode="ehds"), access=SAMTYKKE), personnel(mode="ehds")),
    Case("F2", personnel(GENERAL), personnel(GENERAL, access=SAMTYKKE), EMPTY),
    Case("F2", personnel(GENERAL, access={"basis": Basis.AKUTT}), personnel(NAMED), EMPTY),
    Case("F2", personnel(GENERAL, access={"basis": Basis.UNNTAK}), personnel(GENERAL, op="ingest"), EMPTY),
    Case(
        "F2",
        personnel(GENERAL, access={"attest": attest(purpose="ETREAT")}),
        personnel(replace(GENERAL, active_to=NOW)),
        EMPTY,
    ),
    Case("F2", personnel(GENERAL, service=KJ), personnel(replace(MODULE, code="ANNET"), service=KJ), DENY),
    Case("F2", personnel(MODULE, service=KJ), personnel(MODULE), DENY),
    Case("F2", personnel(replace(MODULE, code=None)), OK, EMPTY),
    Case("F2", personnel(GENERAL, service=PJD), OK, EMPTY),
    Case("F2", personnel(GENERAL, service=PJD, op="read"), OK, DENY),
    Case(
        "F2",
        personnel(GENERAL, service=KJ, op="create"),
        personnel(GENERAL, service=replace(KJ, blocks_apply_to_write=False), op="create"),
        DENY,
    ),
    Case("F2", machine(GENERAL), machine(), EMPTY),
    Case("F4", attested(purpose="BTG"), attested(purpose="TREAT")),
    Case(
        "F4",
        personnel(access={"attest": attest(purpose="ETREAT"), "basis": Basis.SAMTYKKE}),
        personnel(access={"attest": attest(purpose="ETREAT"), "basis": Basis.AKUTT}),
    ),
    Case("F4", attested(purpose="ETREAT"), attested(PJD, purpose="ETREAT")),
    Case("F4", attested(purpose="ETREAT"), personnel(access={"attest": None})),
    # F3, when what elevation adds on object level is known
    Case("F3", personnel(access=AKUTT, elevated_adds=False), personnel(access=AKUTT, elevated_adds=True), ERROR),
    Case("F3", personnel(access=AKUTT, elevated_adds=False), personnel(access=AKUTT), ERROR),
    Case(
        "F3", personnel(access=AKUTT, elevated_adds=False), personnel(GENERAL, access=AKUTT, elevated_adds=False), ERROR
    ),
    Case("F3", personnel(access=AKUTT, elevated_adds=False), personnel(SOFT, access=AKUTT, elevated_adds=False), ERROR),
    Case(
        "F3",
        personnel(GENERAL, access=AKUTT, elevated_adds=False, facts={"has_data": False}),
        personnel(GENERAL, service=KJ, access=AKUTT, elevated_adds=False, facts={"has_data": False}),
        ERROR,
    ),
    Case(
        "F3", personnel(access=AKUTT, elevated_adds=False, service=KJ), personnel(elevated_adds=False, service=KJ), DENY
    ),
    Case(
        "F3",
        personnel(access=AKUTT, elevated_adds=False),
        personnel(access={**AKUTT, "legacy_basis": True}, elevated_adds=False),
        ERROR,
    ),
    Case(
        "F3",
        personnel(access=AKUTT, elevated_adds=False),
        personnel(access=AKUTT, elevated_adds=False, mode="ehds"),
        ERROR,
    ),
    Case("F3", personnel(access=AKUTT, elevated_adds=False, service=PJD), OK),
    # H
    Case(
        "H1",
        citizen(patient=replace(P01, birth_date="2013-11-22")),
        citizen(patient=replace(P01, birth_date="2013-11-21")),
        DENY,
    ),
    Case("H1", citizen(patient=replace(P01, birth_date=None)), citizen(patient=P08, actor=P15), DENY),
    Case("H1", citizen(patient=replace(P01, birth_date="neppe")), ME, DENY),
    Case("H1", citizen(**at(1e300)), ME, DENY),  # type: ignore[arg-type]
    Case("H2", citizen(patient=P09), citizen(patient=P09, service=PLL), DENY),
    Case("H2", citizen(patient=replace(P09, youth_consent=False), service=PLL), citizen(patient=P10), DENY),
    Case("H2", citizen(patient=P09), citizen(patient=P09, actor=P15), DENY),
    Case(
        "H2",
        citizen(patient=replace(P10, birth_date="2010-11-22")),
        citizen(patient=replace(P10, birth_date="2010-11-21")),
        DENY,
    ),
    Case("H3", citizen(NO_ACCESS), citizen(GENERAL), DENY),
    Case("H3", citizen(NO_ACCESS), fullmakt(facts={"fullmakt": BOTH_AREAS, "settings": (NO_ACCESS,)}), DENY),
    Case("H4", consent("BASIS"), consent("JOURNALINNSYN"), DENY),
    Case("H4", consent("noe annet"), consent("full"), DENY),
    Case("H4", citizen(service=BASIS_LEVEL), ME, DENY),
    Case(
        "H4", citizen(setting(SettingKind.HELSENORGE_CONSENT), service=BASIS_LEVEL), fullmakt(service=BASIS_LEVEL), DENY
    ),
    Case("H4", citizen(service=replace(PPS, consent_level_min="skrivefeil")), ME, DENY),
    Case("H5", fullmakt(actor=replace(P14, address_protection="Confidential")), fullmakt(), DENY),
    Case(
        "H5",
        fullmakt(patient=replace(P13, address_protection="StrictlyConfidential")),
        citizen(patient=replace(P13, address_protection="StrictlyConfidential")),
        DENY,
    ),
    Case("H6", citizen(patient=P10, actor=P15), citizen(patient=P09, actor=P15), DENY),
    Case(
        "H6",
        citizen(patient=P10, actor=P15),
        fullmakt(patient=replace(P10, fullmakt_to=frozenset({"P15"})), actor=P15),
        DENY,
    ),
    Case("H6", citizen(patient=replace(P10, birth_date=None), actor=P15), citizen(patient=P10, actor=P14), DENY),
    Case("H7", citizen(patient=P08, actor=P14), citizen(patient=P08, actor=P15), DENY),
    Case("H7", citizen(patient=P08, actor=P15, facts={"actor": None}), citizen(patient=P18, actor=P14), DENY),
    Case(
        "H8", citizen(patient=P08, actor=P15, facts={"coresident_parent": False}), citizen(patient=P08, actor=P16), DENY
    ),
    Case(
        "H8",
        citizen(patient=P08, actor=P15, facts={"coresident_parent": None}),
        fullmakt(facts={"fullmakt": BOTH_AREAS}),
        DENY,
    ),
    Case(
        "H8",
        citizen(patient=AT_A1, actor=P16, service=CORESIDENT),
        citizen(patient=AT_A1, actor=P15, service=CORESIDENT),
        DENY,
    ),
    Case("H8", citizen(patient=P08, actor=P15, service=CORESIDENT), citizen(patient=P08, actor=P15), DENY),
    Case("H9", citizen(patient=P09, actor=P15), citizen(patient=P09, actor=P15, service=PLL), DENY),
    Case(
        "H9",
        citizen(patient=P09, actor=P15, service=PLL, op="create"),
        citizen(patient=P08, actor=P15, op="create"),
        DENY,
    ),
    Case(
        "H9",
        citizen(patient=replace(P09, birth_date="2014-11-21"), actor=P15),
        citizen(patient=replace(P09, birth_date="2014-11-22"), actor=P15),
        DENY,
    ),
    Case("H9b", citizen(patient=P08, actor=P15, op="create"), citizen(patient=P08, actor=P15), DENY),
    Case("H9b", citizen(patient=P08, actor=P15, op="delete"), citizen(patient=P09, actor=P15, op="delete"), DENY),
    Case("H10", fullmakt(actor=P15), fullmakt(), DENY),
    Case("H10", fullmakt(mandate=None), fullmakt(mandate=replace(BOTH_AREAS, valid_from=NOW, valid_to=NOW + 1)), DENY),
    Case("H10", fullmakt(mandate=replace(BOTH_AREAS, valid_to=NOW)), ME, DENY),
    Case("H10", fullmakt(mandate=replace(BOTH_AREAS, valid_from=NOW + 1)), citizen(patient=P08, actor=P15), DENY),
    Case(
        "H10",
        fullmakt(actor=replace(P14, birth_date="2008-11-22")),
        fullmakt(actor=replace(P14, birth_date="2008-11-21")),
        DENY,
    ),
    Case("H10", fullmakt(actor=replace(P14, birth_date=None)), fullmakt(), DENY),
    Case("H10", fullmakt(patient=replace(P13, birth_date="2010-11-22")), fullmakt(), DENY),
    Case("H10", fullmakt(patient=replace(P13, birth_date=None)), fullmakt(), DENY),
    Case(
        "H10",
        fullmakt(facts={"fullmakt": BOTH_AREAS, "actor": None}),
        fullmakt(patient=replace(P13, birth_date="2010-11-21")),
        DENY,
    ),
    Case(
        "H11",
        fullmakt(mandate=Fullmakt(frozenset({"innsyn"})), op="update"),
        fullmakt(mandate=Fullmakt(frozenset({"innsyn"}))),
        DENY,
    ),
    Case("H11", fullmakt(mandate=Fullmakt(frozenset({"digitale helsetjenester"}))), fullmakt(op="update"), DENY),
    Case("H12", fullmakt(service=SETTINGS, op="update"), fullmakt(service=SETTINGS), DENY),
    Case("H12", fullmakt(service=SETTINGS, op="delete", mandate=replace(BOTH_AREAS, areas=frozenset())), ME, DENY),
    Case(
        "H12",
        citizen(patient=P18, actor=P17, service=SETTINGS, op="update"),
        citizen(service=SETTINGS, op="update"),
        DENY,
    ),
    Case(
        "H12",
        fullmakt(service=SETTINGS, op="create"),
        citizen(patient=P08, actor=P15, service=SETTINGS, op="create"),
        DENY,
    ),
    Case(
        "H13",
        citizen(patient=P18, actor=P17, service=GUARDED),
        citizen(patient=P18, actor=P17, service=GUARDED, facts={"guardian_scopes": frozenset({"PersonalInterests"})}),
        DENY,
    ),
    Case(
        "H13",
        citizen(patient=P18, actor=P17, facts={"guardian_scopes": frozenset({"PersonalInterests"})}),
        fullmakt(),
        DENY,
    ),
    Case("H13", citizen(patient=replace(P08, guardian="P17"), actor=P17), citizen(patient=P08, actor=P17), DENY),
    Case("H20", citizen(RESERVATION), ME, EMPTY),
    Case("H20", citizen(RESERVATION, op="create", service=PLL), citizen(RESERVATION, service=SETTINGS), DENY),
]


def ids() -> list[str]:
    seen: dict[str, int] = defaultdict(int)
    names = []
    for case in CASES:
        seen[case.row] += 1
        names.append(f"{case.row}-{seen[case.row]}")
    return names


def fired(request: Request) -> dict[str, tuple[Outcome | None, Reason | None]]:
    return {row.rule: (row.outcome, row.reason) for row in explain(request) if row.fired}


RULE = {rule.id: rule for rule in REQUEST_RULES}


@pytest.mark.parametrize("case", CASES, ids=ids())
def test_row_fires_and_spares(case: Case) -> None:
    rule = RULE[case.row]
    assert fired(case.fires).get(case.row) == (case.outcome, rule.reason if case.outcome else None)
    assert case.row not in fired(case.spares)


@pytest.mark.parametrize("row", sorted({case.row for case in CASES}))
def test_row_decides_alone(row: str) -> None:
    """At least one case of each deciding row is decided by that row, with its reason."""
    decided = [decide(case.fires) for case in CASES if case.row == row and case.outcome]
    if not decided:
        assert RULE[row].outcome is None
        return
    assert any(d.rule == row and d.reason is RULE[row].reason and not d.releases for d in decided)


@pytest.mark.parametrize("row", [rule.id for rule in REQUEST_RULES if rule.obligations])
def test_row_adds_its_obligations(row: str) -> None:
    decided = [decide(case.fires) for case in CASES if case.row == row]
    assert all(d.outcome is Outcome.PERMIT for d in decided)
    assert all(d.obligations >= RULE[row].obligations | {Obligation.AUDIT} for d in decided)


def test_every_row_has_a_case() -> None:
    assert {case.row for case in CASES} == set(RULE)


@pytest.mark.parametrize(
    "plain",
    [
        OK,
        ME,
        machine(),
        personnel(service=PJD),
        personnel(service=KJ),
        personnel(service=PLL),
        personnel(service=PROBE),
    ],
    ids=["personnel", "citizen", "machine", "PJD", "KJ", "PLL", "PROBE"],
)
def test_an_ordinary_request_is_permitted(plain: Request) -> None:
    decision = decide(plain)
    assert (decision.outcome, decision.reason, decision.rule) == (Outcome.PERMIT, None, None)
    assert decision.obligations == {Obligation.AUDIT}


def test_the_backdoor_has_no_stages_a_and_c() -> None:
    """R43: no token, and any HPR number; blocks still hold."""
    bare = {"level": 0, "pid": None, "orgnr_parent": None, "orgnr_child": None}
    unknown = personnel(by=NO_AUTHORISATION, service=PPS_BACKDOOR, principal=bare)
    assert decide(unknown).outcome is Outcome.PERMIT
    assert {row.stage for row in explain(unknown)}.isdisjoint({"A", "C"})
    blocked = personnel(NAMED, by=H02, service=PPS_BACKDOOR, principal=bare)
    assert decide(blocked).reason is Reason.ACTOR_BLOCKED
