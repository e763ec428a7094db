"""The cases of personvern.md section 11 that are rows of the policy (ruling R57), with persons of the register."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from app.errors import Reason
from app.trust.facts import Fullmakt, Person, SettingKind
from app.trust.policy import (
    GENERIC,
    KJ,
    PJD,
    PLL,
    PPS,
    SETTINGS,
    Decision,
    FilterResult,
    ObjectFacts,
    Obligation,
    Outcome,
    Request,
    Verdict,
    conclude,
    decide,
    filter_objects,
)
from app.trust.principal import Basis
from tests.unit.trust.policy_requests import (
    BOTH_AREAS,
    DAY,
    FNR,
    GENERAL,
    NOW,
    O01,
    O02,
    O04,
    P08,
    P09,
    P10,
    P13,
    P14,
    P15,
    P16,
    attest,
    citizen,
    orgnr,
    personnel,
    report,
    setting,
)

P02 = Person(id="P02", nin="02917149979", nin_system=FNR, birth_date="1971-11-02")
P19 = Person(id="P19", nin="07819149881", nin_system=FNR, birth_date="1991-01-07")
P20 = Person(id="P20", nin="12926849938", nin_system=FNR, birth_date="1968-12-12")
P21 = Person(id="P21", nin="08888149822", nin_system=FNR, birth_date="1981-08-08")
P24 = Person(id="P24", nin="09837349734", nin_system=FNR, birth_date="1973-03-09")

DOC_NORS = ObjectFacts("doc-nors-1", frozenset({("Dokument", "doc-nors-1")}), frozenset({"NORS"}))
DOC = ObjectFacts("doc-2", frozenset({("Dokument", "doc-2")}))
DOCUMENTS = [DOC_NORS, DOC]
BLOCKS_O02 = setting(SettingKind.ORG_BLOCK, subjects=orgnr(O02.orgnr))
NORU = report("r1", "NORU", delay_until=NOW + 14 * DAY)
NORN_FFL = report("r1", "NORN_FFL")

Judged = tuple[Decision, FilterResult]


def judge(request: Request, *items: ObjectFacts) -> Judged:
    result = filter_objects(items, request)
    return conclude(request, decide(request), result, len(items)), result


def outcome(request: Request, *items: ObjectFacts) -> tuple[Outcome, Reason | None]:
    decision, _ = judge(request, *items)
    return decision.outcome, decision.reason


def verdict(request: Request, item: ObjectFacts) -> Verdict:
    return filter_objects([item], request).verdicts[item.key].verdict


PERMITTED = (Outcome.PERMIT, None)


def denied(reason: Reason) -> tuple[Outcome, Reason]:
    return Outcome.DENY, reason


def v19() -> None:
    """A source that drops: absent, total reduced. Documents show it masked, total unchanged (S31)."""
    decision, result = judge(personnel(patient=P21, service=GENERIC), *DOCUMENTS)
    assert decision.outcome is Outcome.PARTIAL
    assert [key for key, v in result.verdicts.items() if v.verdict is not Verdict.DROP] == ["doc-2"]
    decision, result = judge(personnel(patient=P21, service=PJD), *DOCUMENTS)
    assert decision.outcome is Outcome.PARTIAL
    assert [v.verdict for v in result.verdicts.values()] == [Verdict.MASK, Verdict.KEEP]


def v20() -> None:
    for service in (PJD, GENERIC):
        national = personnel(patient=P21, service=service, op="read")
        assert outcome(national, DOC_NORS) == denied(Reason.OBJECT_BLOCKED)
        concealed, _ = judge(replace(national, mode="ehds"), DOC_NORS)
        assert (concealed.outcome, concealed.concealed) == (Outcome.EMPTY, True)


def v21() -> None:
    request = personnel(patient=P21, service=PJD, access={"basis": Basis.FORHOYET_SAMTYKKE})
    decision, result = judge(request, *DOCUMENTS)
    assert [v.verdict for v in result.verdicts.values()] == [Verdict.KEEP, Verdict.KEEP]
    assert decision.outcome is Outcome.PERMIT
    assert Obligation.BREAK_GLASS in decision.obligations


def v24() -> None:
    for org in (
        {"orgnr_parent": O02.orgnr, "orgnr_child": O04.orgnr},
        {"orgnr_parent": O02.orgnr, "orgnr_child": None},
    ):
        of_o02 = {"attest": attest(legal_entity=O02.orgnr, point_of_care=org["orgnr_child"])}
        related = {"parent_org": O02, "child_org": O04}
        request = personnel(BLOCKS_O02, patient=P24, service=PJD, principal=org, access=of_o02, facts=related)
        assert outcome(request, *DOCUMENTS) == denied(Reason.ORG_BLOCKED)


def v25() -> None:
    assert outcome(personnel(BLOCKS_O02, patient=P24, service=PJD), DOC) == PERMITTED
    assert O01.orgnr == personnel().access.principal.orgnr_parent


def v32() -> None:
    assert outcome(citizen(patient=P08, actor=P15, service=KJ)) == PERMITTED


def v33() -> None:
    child = replace(P08, address_group=P15.address_group)
    strict = replace(KJ, parent_same_address_rule="only_coresident")
    assert outcome(citizen(patient=child, actor=P16, service=KJ)) == PERMITTED
    assert outcome(citizen(patient=child, actor=P16, service=strict)) == denied(Reason.NO_CORESIDENT_PARENT)
    assert outcome(citizen(patient=child, actor=P15, service=strict)) == PERMITTED


def v34() -> None:
    request = citizen(patient=P08, actor=P15, service=KJ, facts={"coresident_parent": False})
    assert outcome(request) == denied(Reason.NO_CORESIDENT_PARENT)


def v35() -> None:
    assert outcome(citizen(patient=P09, actor=P15, service=KJ)) == denied(Reason.REPRESENTATION_12_15)


def v36() -> None:
    for service in (KJ, PPS, PJD, PLL):
        request = citizen(patient=P10, actor=P15, service=service)
        assert outcome(request) == denied(Reason.REPRESENTATION_ENDED_16)


def v37() -> None:
    assert outcome(citizen(patient=P09, service=PLL)) == PERMITTED


def v38() -> None:
    assert outcome(citizen(patient=P09, service=PPS)) == denied(Reason.YOUTH_NOT_CONSENTED)


def v39() -> None:
    read = citizen(patient=P13, actor=P14, service=KJ, facts={"fullmakt": Fullmakt(frozenset({"innsyn"}))})
    assert outcome(read) == PERMITTED
    assert outcome(replace(read, op="create")) == denied(Reason.FULLMAKT_AREA)


def v40() -> None:
    request = citizen(patient=P13, actor=P14, service=SETTINGS, op="update", facts={"fullmakt": BOTH_AREAS})
    assert outcome(request) == denied(Reason.SETTINGS_NOT_DELEGABLE)


def v41() -> None:
    protected = replace(P14, address_protection="Confidential")
    request = citizen(patient=P13, actor=protected, facts={"fullmakt": BOTH_AREAS})
    assert outcome(request) == denied(Reason.REPRESENTATION_PROTECTED)


def v42() -> None:
    assert verdict(citizen(patient=P19), NORU) is Verdict.DROP
    assert verdict(citizen(patient=P19), replace(NORU, delay_until=NOW)) is Verdict.KEEP
    assert verdict(personnel(patient=P19), NORU) is Verdict.KEEP
    decision, _ = judge(citizen(patient=P19), NORU)
    assert (decision.outcome, decision.reason) == (Outcome.EMPTY, Reason.DELAYED)


def v43() -> None:
    assert verdict(citizen(patient=P20), NORN_FFL) is Verdict.DROP
    assert verdict(personnel(patient=P20), NORN_FFL) is Verdict.KEEP


def v44() -> None:
    item = report("r1", "NORN_UNGDOM")
    parent, youth = citizen(patient=P09, actor=P15, service=PLL), citizen(patient=P09, service=PLL)
    assert (outcome(parent, item), verdict(parent, item)) == (PERMITTED, Verdict.KEEP)
    assert verdict(youth, item) is Verdict.DROP


def v45() -> None:
    parent = citizen(patient=P08, actor=P15)
    assert outcome(parent, report("r1", "NORN_FORANS")) == (Outcome.EMPTY, Reason.WITHHELD_FROM_CITIZEN)
    assert outcome(parent, report("r1")) == PERMITTED


def v46() -> None:
    own = citizen(GENERAL, patient=P02)
    assert outcome(own, report("r1"), report("r2", "NORS")) == PERMITTED
    assert outcome(citizen(GENERAL, patient=P02, service=SETTINGS)) == PERMITTED


CASES: dict[str, Callable[[], None]] = {
    "V-19": v19,
    "V-20": v20,
    "V-21": v21,
    "V-24": v24,
    "V-25": v25,
    "V-32": v32,
    "V-33": v33,
    "V-34": v34,
    "V-35": v35,
    "V-36": v36,
    "V-37": v37,
    "V-38": v38,
    "V-39": v39,
    "V-40": v40,
    "V-41": v41,
    "V-42": v42,
    "V-43": v43,
    "V-44": v44,
    "V-45": v45,
    "V-46": v46,
}


@pytest.mark.parametrize("check", CASES.values(), ids=CASES)
def test_personvern(check: Callable[[], None]) -> None:
    check()


def test_the_cases_ruled_to_be_policy_rows_are_all_here() -> None:
    """R57."""
    assert set(CASES) == {f"V-{n}" for n in (19, 20, 21, 24, 25, *range(32, 47))}
