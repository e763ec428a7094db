"""How would it pass: the smallest changes, found by running the policy on them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.errors import Reason
from app.trust.advice import FIXES, Part, Registers, Way, ways
from app.trust.advice.candidates import candidates
from app.trust.facts import PractitionerRecord, Setting, SettingKind
from app.trust.policy import KJ, PJD, PLL, PPS, PROBE, SERVICES, ObjectFacts, Outcome, Request, decide
from app.trust.principal import Basis

from .policy_requests import (
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
    P13,
    P14,
    P15,
    RESERVATION,
    SOFT,
    attest,
    citizen,
    hpr,
    machine,
    personnel,
    setting,
)

NURSE = PractitionerRecord("H03", "222250103", "10909049240", frozenset({"SP"}), "VENNLIG", "GRØFT")
CLERK = PractitionerRecord("H09", "222250109", "18885849179", frozenset({"XX"}), "FLINK", "PENN")
EVERYONE = Registers((H01, H02, NURSE), (O01, O02, O03, O04))
NAMED = setting(SettingKind.SPECIFIC_BLOCK, subjects=hpr(H01.hpr))
REPORTS = (ObjectFacts("a", frozenset({("Svarrapport", "1")})), ObjectFacts("b", frozenset({("Svarrapport", "2")})))


def first(request: Request, *objects: ObjectFacts, registers: Registers = EVERYONE) -> Way:
    return ways(request, objects, registers)[0]


def test_what_is_granted_needs_no_advice() -> None:
    assert ways(personnel(), REPORTS, EVERYONE) == ()


SINGLE: list[tuple[str, Request, Part, dict[str, object]]] = [
    ("general block", personnel(GENERAL), Part.REQUEST, {"accessBasis": "FORHOYET_SAMTYKKE"}),
    ("soft restriction", personnel(SOFT), Part.REQUEST, {"accessBasis": "FORHOYET_AKUTT"}),
    (
        "needless elevation",
        personnel(access={"basis": Basis.FORHOYET_AKUTT}),
        Part.REQUEST,
        {"accessBasis": None},
    ),
    ("named block", personnel(NAMED), Part.LOGIN, {"persona": "H02"}),
    ("stale attest", personnel(access={"attest": attest(toa=0)}), Part.ATTEST, {"attest": {"toa": "now"}}),
    (
        "attest for another patient",
        personnel(access={"attest": attest(patient=P15.nin)}),
        Part.ATTEST,
        {"attest": {"patient": "the patient asked about"}},
    ),
    (
        "attest about another person",
        personnel(access={"attest": attest(hpr=H02.hpr)}),
        Part.ATTEST,
        {"attest": {"practitioner": "as in the token"}},
    ),
    (
        "no attest",
        personnel(service=PROBE, access={"attest": None}, request_faults=frozenset({Reason.ATTEST_MISSING})),
        Part.ATTEST,
        {"attest": "new"},
    ),
    ("purpose", personnel(access={"attest": attest(purpose="HRESCH")}), Part.ATTEST, {"attest": {"purpose": "TREAT"}}),
    ("level", personnel(principal={"level": 3}), Part.LOGIN, {"reason": "LEVEL_TOO_LOW"}),
    (
        "scope",
        personnel(scopes_accepted=(frozenset({"nhn:pps/provesvar-read"}),)),
        Part.LOGIN,
        {"scopes": ["nhn:pps/provesvar-read"]},
    ),
    (
        "withdrawn",
        personnel(by=replace(H01, authorizations=frozenset())),
        Part.LOGIN,
        {"persona": "H01"},
    ),
    ("reserved", personnel(RESERVATION), Part.SETTING, {"kind": "reservation", "service": "PPS", "remove": True}),
    ("privacy down", personnel(facts={"privacy_available": False}), Part.SANDBOX, {"reason": "PRIVACY_UNAVAILABLE"}),
    ("unknown patient", personnel(patient=None), Part.REGISTER, {"patient": "known"}),
    (
        "protected",
        personnel(patient=replace(P01, address_protection="Confidential"), service=KJ),
        Part.REGISTER,
        {"addressProtection": "Unclassified"},
    ),
    ("role header", personnel(service=KJ, access={"role": "XX", "attest": None}), Part.REQUEST, {"role": "LE"}),
    ("token", personnel(token_fault=Reason.DPOP_INVALID), Part.LOGIN, {"reason": "DPOP_INVALID"}),
    ("header", personnel(request_faults=frozenset({Reason.BASIS_INVALID})), Part.REQUEST, {"reason": "BASIS_INVALID"}),
    (
        "organisation block",
        personnel(setting(SettingKind.ORG_BLOCK, subjects=frozenset({("ORGNR", O01.orgnr)}))),
        Part.LOGIN,
        {"orgnrParent": O02.orgnr, "orgnrChild": O04.orgnr},
    ),
    (
        "unit of another",
        personnel(facts={"child_org": O04}, principal={"orgnr_child": O04.orgnr}, access={"attest": None}),
        Part.LOGIN,
        {"orgnrParent": O01.orgnr, "orgnrChild": O03.orgnr},
    ),
    (
        "restriction that ends",
        personnel(setting(SettingKind.PTS_PRIVACY, level="Hard", active_to=NOW + DAY), access={"attest": None}),
        Part.CLOCK,
        {"clock": "2026-11-22T08:00:01.000000Z"},
    ),
    (
        "own GP",
        personnel(GENERAL, service=PLL, access={"attest": None}),
        Part.REQUEST,
        {"accessBasis": "FORHOYET_SAMTYKKE"},
    ),
    ("youth", citizen(patient=replace(P09, youth_consent=False), service=PLL), Part.REGISTER, {"youthConsent": True}),
    (
        "fullmakt missing",
        citizen(patient=replace(P13, fullmakt_to=frozenset()), actor=P14),
        Part.REGISTER,
        {"fullmaktTo": "P14", "areas": ["digitale helsetjenester", "innsyn"]},
    ),
    ("no responsibility", citizen(patient=P08, actor=P14), Part.REGISTER, {"parents": "P14"}),
    (
        "no co-resident parent",
        citizen(patient=P08, actor=P15, facts={"coresident_parent": False}),
        Part.REGISTER,
        {"addressGroup": "A1"},
    ),
]


@pytest.mark.parametrize(("request_", "part", "value"), [row[1:] for row in SINGLE], ids=[row[0] for row in SINGLE])
def test_one_change_that_helps(request_: Request, part: Part, value: dict[str, object]) -> None:
    if request_.access.basis is not None:
        request_ = replace(request_, elevated_adds=False)
    found = [way for way in ways(request_, (), EVERYONE, most=100) if way.changes[0].part is part]
    values = [dict(way.changes[0].value) for way in found]
    assert any(value.items() <= each.items() for each in values), values
    assert all(len(way.changes) == 1 for way in found)


def test_the_likeliest_comes_first() -> None:
    assert first(personnel(access={"attest": attest(toa=0)})).changes[0].value == {"attest": {"toa": "now"}}
    assert first(personnel(GENERAL)).changes[0].value == {"accessBasis": "FORHOYET_SAMTYKKE"}
    assert first(personnel(NAMED)).changes[0].value == {"persona": "H02"}


def test_two_changes_when_one_is_not_enough() -> None:
    request = personnel(GENERAL, access={"attest": attest(toa=0)})
    found = ways(request, (), EVERYONE)
    assert found
    assert all(len(way.changes) == 2 for way in found)
    parts = {frozenset(change.part for change in way.changes) for way in found}
    assert frozenset({Part.REQUEST, Part.ATTEST}) in parts


def test_no_way_where_three_things_are_wrong() -> None:
    request = personnel(RESERVATION, HARD, NAMED, principal={"level": 3}, access={"attest": None})
    assert ways(request, (), Registers()) == ()


def test_every_way_really_passes_and_leaves_the_request_alone() -> None:
    request = personnel(GENERAL, HARD, access={"attest": attest(toa=0, purpose="HRESCH")})
    before = request
    for way in ways(request, REPORTS, EVERYONE, most=100):
        assert way.outcome in (Outcome.PERMIT, Outcome.PARTIAL)
    assert request == before


def test_more_of_the_objects() -> None:
    about_one = Setting("x", "PPS", SettingKind.PTS_PRIVACY, objects=frozenset({("Svarrapport", "1")}), level="Soft")
    way = first(personnel(about_one), *REPORTS)
    assert way.changes[0].value == {"accessBasis": "FORHOYET_AKUTT"}
    assert (way.outcome, way.released, way.withheld) == (Outcome.PERMIT, 2, 0)


def test_a_delay_towards_the_citizen_ends() -> None:
    delayed = ObjectFacts("a", confidentiality=frozenset({"NORU"}), delay_until=NOW + DAY)
    way = first(citizen(), delayed)
    assert way.changes[0].part is Part.CLOCK
    assert way.released == 1


def test_the_youngest_grow_old_enough() -> None:
    found = ways(citizen(patient=P08, service=PLL, facts={"actor": P08}), (), Registers(), most=100)
    assert {str(change.value.get("clock"))[:4] for way in found for change in way.changes} >= {"2034"}


def test_a_purpose_that_elevates() -> None:
    found = ways(personnel(setting(SettingKind.GENERAL_BLOCK), service=PJD), (), Registers(), most=100)
    purposes = {str(change.value.get("attest")) for way in found for change in way.changes}
    assert any("ETREAT" in each or "BTG" in each for each in purposes)


def test_a_machine_gets_no_advice_about_persons() -> None:
    found = ways(machine(HARD), (), EVERYONE, most=100)
    assert {change.part for way in found for change in way.changes} == {Part.SETTING}


def test_few_of_each_kind() -> None:
    found = ways(personnel(NAMED), (), EVERYONE)
    assert len(found) <= 8
    assert sum(change.part is Part.LOGIN for way in found for change in way.changes) <= 4


@pytest.mark.parametrize("service", list(SERVICES.values()), ids=list(SERVICES))
def test_the_work_is_bounded_and_no_advice_holds_a_national_number(service: object) -> None:
    many = [setting(SettingKind.PTS_PRIVACY, level="Hard", subjects=hpr(str(each))) for each in range(1, 100)]
    settings = [replace(each, id=f"s-{place}") for place, each in enumerate(many)]
    request = replace(personnel(*settings, HARD), service=service)  # type: ignore[arg-type]
    tried = candidates(request, REPORTS, EVERYONE)
    assert len(tried) < 70
    shown = repr([each.change for each in tried])
    for number in (H01.pid, H02.pid, NURSE.pid, P01.nin):
        assert number not in shown


def test_each_text_stands_in_both_languages() -> None:
    for fix in FIXES.values():
        assert fix.nb
        assert fix.en
        assert fix.nb != fix.en
    for each in candidates(personnel(GENERAL, NAMED), REPORTS, EVERYONE):
        assert each.change.nb != each.change.en


def test_a_clerk_is_refused_and_a_doctor_is_not() -> None:
    request = personnel(by=CLERK, service=replace(PPS, role_source="register", roles_denied=frozenset({"XX"})))
    assert decide(request).reason in (Reason.ATTEST_ACTOR_MISMATCH, Reason.ROLE_NOT_ALLOWED)
    found = ways(replace(request, access=replace(request.access, attest=None)), (), EVERYONE)
    assert any(change.value.get("persona") == "H01" for way in found for change in way.changes)
