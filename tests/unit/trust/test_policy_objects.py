"""Rows G1–G7 and H14–H19, and what ``conclude`` makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from app.errors import Reason
from app.trust.facts import Setting, SettingKind
from app.trust.policy import (
    KJ,
    OBJECT_RULES,
    PJD,
    PLL,
    PPS,
    Decision,
    FilterResult,
    ObjectFacts,
    ObjectVerdict,
    Obligation,
    Outcome,
    Request,
    Verdict,
    conclude,
    decide,
    filter_objects,
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
    P08,
    P09,
    P10,
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
    report,
    setting,
)

KEEP, MASK, DROP = Verdict.KEEP, Verdict.MASK, Verdict.DROP
AKUTT: dict[str, Any] = {"access": {"basis": Basis.FORHOYET_AKUTT}}
SAMTYKKE: dict[str, Any] = {"access": {"basis": Basis.FORHOYET_SAMTYKKE}}
ON_R1: dict[str, Any] = {"objects": frozenset({("Svarrapport", "r1")})}
ON_Q1: dict[str, Any] = {"objects": frozenset({("Rekvisisjon", "q1")})}
SOFT_R1, HARD_R1 = replace(SOFT, **ON_R1), replace(HARD, **ON_R1)
GENERAL_R1 = replace(GENERAL, **ON_R1)
NAMED_R1 = setting(SettingKind.SPECIFIC_BLOCK, subjects=hpr(H01.hpr), **ON_R1)
OPENING = {
    Obligation.BREAK_GLASS,
    Obligation.LOG_ELEVATED,
    Obligation.SHOW_IN_CITIZEN_LOG,
    Obligation.NOTIFY_CITIZEN,
}
R1, R2 = report("r1"), report("r2")
NORS = report("r1", "NORS")


def safety(code: str | None, **values: Any) -> Setting:
    return setting(SettingKind.PTS_SAFETY, code=code, **values)


class Case(NamedTuple):
    row: str | None
    verdict: Verdict
    item: ObjectFacts
    request: Request


BOTH_PARENT_AND_HOLDER = citizen(
    patient=replace(P10, fullmakt_to=frozenset({"P15"})), actor=P15, facts={"fullmakt": BOTH_AREAS}
)

CASES = [
    Case(None, KEEP, R1, personnel()),
    Case(None, KEEP, R2, personnel(HARD_R1, SOFT_R1, GENERAL_R1, NAMED_R1)),
    Case("G1", DROP, NORS, personnel()),
    Case("G1", DROP, NORS, machine()),
    Case("G1", DROP, report("r1", "N", "NORS"), personnel(access={"basis": Basis.AKUTT})),
    Case("G1", MASK, NORS, personnel(service=PJD)),
    Case("G1", DROP, NORS, personnel(service=PJD, mode="ehds")),
    Case("G1", DROP, R1, personnel(GENERAL_R1)),
    Case("G2", KEEP, NORS, personnel(**SAMTYKKE)),
    Case("G2", KEEP, NORS, personnel(**AKUTT)),
    Case("G2", KEEP, R1, personnel(GENERAL_R1, **SAMTYKKE)),
    Case("G2", KEEP, NORS, personnel(service=PJD, access={"attest": attest(purpose="BTG")})),
    Case("G3", DROP, R1, personnel(HARD_R1)),
    Case("G3", DROP, R1, personnel(HARD_R1, **AKUTT)),
    Case("G3", DROP, NORS, personnel(HARD_R1, **AKUTT)),
    Case("G3", DROP, NORS, personnel(HARD_R1, service=PJD)),
    Case("G3", DROP, R1, personnel(NAMED_R1)),
    Case(None, KEEP, R1, personnel(replace(HARD_R1, subjects=hpr(H02.hpr)))),
    Case(None, KEEP, R1, personnel(replace(HARD_R1, active_to=NOW))),
    Case("G4", DROP, R1, personnel(SOFT_R1)),
    Case("G4", DROP, R1, personnel(SOFT_R1, **SAMTYKKE)),
    Case("G4b", KEEP, R1, personnel(SOFT_R1, **AKUTT)),
    Case("G4", DROP, report("r9", ids=(("Rekvisisjon", "q1"),)), personnel(replace(SOFT, **ON_Q1))),
    Case(None, KEEP, report("r9", ids=(("Svarrapport", "q1"),)), personnel(replace(SOFT, **ON_Q1))),
    Case(None, KEEP, R1, personnel(GENERAL, SOFT, HARD)),  # judged for the whole request, rows E3–F2
    Case("G5", DROP, report("r1", requisition_reserved=True), personnel()),
    Case("G5", DROP, report("r1", requisition_reserved=True), personnel(**AKUTT)),
    Case("G6", KEEP, report("r1", "NORN_FFL"), personnel()),
    Case("G6", KEEP, report("r1", "NORU", delay_until=NOW + DAY), personnel()),
    Case(None, KEEP, R1, personnel(safety("NORN_ALL"))),
    Case(None, KEEP, R1, personnel(replace(safety("NORN_FFL"), **ON_R1))),
    Case("G7", DROP, report("r1", outside_search=True), personnel()),
    Case("G7", DROP, report("r1", "NORS", outside_search=True), personnel()),
    # citizens
    Case(None, KEEP, R1, citizen()),
    Case(None, KEEP, R1, citizen(HARD_R1, SOFT_R1, GENERAL, NAMED_R1)),
    Case("G7", DROP, report("r1", outside_search=True), citizen()),
    Case("H14", DROP, report("r1", "NORU", delay_until=NOW + 1), citizen()),
    Case("H14", DROP, report("r1", delay_until=NOW + 1), citizen()),
    Case("H14", DROP, report("r1", "NORU"), citizen()),
    Case(None, KEEP, report("r1", "NORU", delay_until=NOW), citizen()),
    Case("H14", DROP, R1, citizen(replace(safety("NORU", until=NOW + 1), **ON_R1))),
    Case("H14", DROP, R1, citizen(safety("NORU"))),
    Case(None, KEEP, R1, citizen(safety("NORU", until=NOW, **ON_R1))),
    Case(None, KEEP, R2, citizen(safety("NORU", until=NOW + 1, **ON_R1))),
    Case("H15", DROP, report("r1", "NORN_FFL"), citizen()),
    Case("H15", DROP, report("r1", "NORN_KUT"), citizen(patient=P08, actor=P15)),
    Case("H15", DROP, report("r1", "FREMTIDIG"), citizen()),
    Case("H15", DROP, R1, citizen(safety("NORN_EPO", **ON_R1))),
    Case("H15", DROP, R1, citizen(safety(None, **ON_R1))),
    Case(None, KEEP, R2, citizen(safety("NORN_EPO", **ON_R1))),
    Case(None, KEEP, report("r1", "N"), citizen()),
    Case("H16", DROP, report("r1", "NORN_FORANS"), citizen(patient=P08, actor=P15)),
    Case("H16", DROP, report("r1", "NORN_FORANS"), BOTH_PARENT_AND_HOLDER),
    Case(None, KEEP, report("r1", "NORN_FORANS"), citizen(patient=P09, service=PLL)),
    Case("H17", DROP, report("r1", "NORN_UNGDOM"), citizen(patient=P09, service=PLL)),
    Case("H17", DROP, report("r1", "NORN_UNGDOM"), citizen(patient=replace(P09, birth_date=None))),
    Case(None, KEEP, report("r1", "NORN_UNGDOM"), citizen(patient=P09, actor=P15, service=PLL)),
    Case(None, KEEP, report("r1", "NORN_UNGDOM"), citizen(patient=P10)),
    Case("H18", DROP, R1, citizen(safety("NORN_ALL"))),
    Case("H18", DROP, R2, citizen(safety("NORN_ALL", **ON_R1))),
    Case("H18", DROP, report("r1", "NORN_ALL"), citizen()),
    Case("H19", KEEP, NORS, citizen()),
    Case("H19", KEEP, NORS, citizen(patient=P13, actor=P14, facts={"fullmakt": BOTH_AREAS})),
]
RULE = {rule.id: rule for rule in OBJECT_RULES}


@pytest.mark.parametrize("case", CASES, ids=[f"{case.row}-{at}" for at, case in enumerate(CASES)])
def test_row(case: Case) -> None:
    verdict = filter_objects([case.item], case.request).verdicts[case.item.key]
    reason = RULE[case.row].reason if case.row and case.verdict is not KEEP else None
    assert verdict == ObjectVerdict(case.verdict, case.row, reason)


def test_every_row_has_a_case() -> None:
    assert {case.row for case in CASES} - {None} == set(RULE)


def test_opening_an_object_has_obligations() -> None:
    """G2 and G4b have those of F1 (R36)."""
    for request, item in ((personnel(**SAMTYKKE), NORS), (personnel(SOFT_R1, **AKUTT), R1)):
        result = filter_objects([R2, item], request)
        assert (result.opened, result.obligations) == (True, frozenset(OPENING))
    closed = filter_objects([NORS], personnel(HARD_R1, **AKUTT))
    assert (closed.opened, closed.obligations) == (False, frozenset())


def test_everything_denied_by_one_object() -> None:
    result = filter_objects([R1, report("r2", "NORN_ALL")], citizen())
    assert {key: v.verdict for key, v in result.verdicts.items()} == {"r1": DROP, "r2": DROP}


def test_of_two_objects_with_one_key_the_stricter_verdict_holds() -> None:
    for items in ([R1, NORS], [NORS, R1]):
        assert filter_objects(items, personnel()).verdicts["r1"].verdict is DROP


def test_dropped_and_masked_are_told_apart_and_outside_search_is_in_neither() -> None:
    items = [report("a", "NORS"), report("b", requisition_reserved=True), report("c", outside_search=True), R2]
    result = filter_objects(items, personnel(service=PJD))
    assert [(d.key, d.rule, d.reason) for d in result.masked] == [("a", "G1", Reason.OBJECT_BLOCKED)]
    assert [(d.key, d.rule, d.reason) for d in result.dropped] == [("b", "G5", Reason.REQUISITION_RESERVED)]
    assert [row.rule for row in result.rows] == ["G1", "G5", "G7"]


def final(request: Request, *items: ObjectFacts, stored: int | None = None) -> Decision:
    result = filter_objects(items, request)
    return conclude(request, decide(request), result, len(items) if stored is None else stored)


class Ending(NamedTuple):
    request: Request
    items: tuple[ObjectFacts, ...]
    outcome: Outcome
    reason: Reason | None = None
    concealed: bool = False


EHDS: dict[str, Any] = {"mode": "ehds"}
P23 = personnel(SOFT_R1, **AKUTT)
ENDINGS: Mapping[str, Ending] = {
    "all kept": Ending(personnel(), (R1, R2), Outcome.PERMIT),
    "nothing found": Ending(personnel(), (), Outcome.PERMIT),
    "outside the search is no privacy drop": Ending(personnel(), (report("a", outside_search=True),), Outcome.PERMIT),
    "some dropped": Ending(personnel(), (NORS, R2), Outcome.PARTIAL, Reason.OBJECT_BLOCKED),
    "all dropped": Ending(
        personnel(SOFT_R1), (R1, report("r2", "NORS")), Outcome.EMPTY, Reason.OBJECT_RESTRICTED_SOFT, True
    ),
    "all masked": Ending(personnel(service=PJD), (NORS,), Outcome.PARTIAL, Reason.OBJECT_BLOCKED),
    "read of a dropped object": Ending(personnel(op="read"), (NORS,), Outcome.DENY, Reason.OBJECT_BLOCKED),
    "read of a masked object": Ending(personnel(op="read", service=PJD), (NORS,), Outcome.DENY, Reason.OBJECT_BLOCKED),
    "read with one of two dropped": Ending(personnel(op="read"), (NORS, R2), Outcome.PARTIAL, Reason.OBJECT_BLOCKED),
    "read in ehds mode": Ending(personnel(op="read", **EHDS), (NORS,), Outcome.EMPTY, Reason.OBJECT_BLOCKED, True),
    "citizen reads what is withheld": Ending(
        citizen(op="read"), (report("r1", "NORN_FFL"),), Outcome.EMPTY, Reason.WITHHELD_FROM_CITIZEN, True
    ),
    "a refusal stays": Ending(personnel(RESERVATION), (R1,), Outcome.EMPTY, Reason.PATIENT_RESERVED),
    "FORHOYET_AKUTT opens a Soft object": Ending(P23, (R1,), Outcome.PERMIT),
    "FORHOYET_SAMTYKKE does not (R37)": Ending(
        personnel(SOFT_R1, **SAMTYKKE), (R1, R2), Outcome.ERROR, Reason.ELEVATED_NOT_NEEDED
    ),
    "opened block": Ending(personnel(GENERAL, **SAMTYKKE), (R1,), Outcome.PERMIT),
    "opened block, no hits (R34)": Ending(personnel(GENERAL, **AKUTT), (), Outcome.PERMIT),
    "opened block, no data": Ending(
        personnel(GENERAL, facts={"has_data": False}, **AKUTT), (), Outcome.ERROR, Reason.ELEVATED_NOT_NEEDED
    ),
    "opened block, nothing left of all there is": Ending(
        personnel(GENERAL, HARD_R1, **AKUTT), (R1,), Outcome.ERROR, Reason.ELEVATED_NOT_NEEDED
    ),
    "no block": Ending(personnel(**SAMTYKKE), (R1,), Outcome.ERROR, Reason.ELEVATED_NOT_NEEDED),
    "no block, service that says 403": Ending(
        personnel(service=KJ, **AKUTT), (R1,), Outcome.DENY, Reason.ELEVATED_NOT_NEEDED
    ),
    "no block, service that lets it pass": Ending(personnel(service=PJD, **AKUTT), (R1,), Outcome.PERMIT),
    "no block, legacy basis (R35)": Ending(
        personnel(access={"basis": Basis.FORHOYET_AKUTT, "legacy_basis": True}), (R1,), Outcome.PERMIT
    ),
    "no block, ehds": Ending(personnel(**AKUTT, **EHDS), (R1,), Outcome.PERMIT),
    "elevation adds elsewhere": Ending(personnel(elevated_adds=True, **AKUTT), (R2,), Outcome.PERMIT),
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_conclude(ending: Ending) -> None:
    decision = final(ending.request, *ending.items)
    assert (decision.outcome, decision.reason, decision.concealed) == (
        ending.outcome,
        ending.reason,
        ending.concealed,
    )


def test_a_search_that_misses_part_of_what_is_stored() -> None:
    """R34: what is stored counts, not what was found; the count alone says there are data."""
    request = personnel(GENERAL, HARD_R1, facts={"has_data": False}, **AKUTT)
    decision = final(request, R1, stored=2)
    assert (decision.outcome, decision.reason) == (Outcome.EMPTY, Reason.OBJECT_RESTRICTED_HARD)


def test_obligations_of_an_opening_follow_the_release_only() -> None:
    assert final(P23, R1).obligations == OPENING | {Obligation.AUDIT}
    assert final(personnel(GENERAL, **AKUTT), R1).obligations == OPENING | {Obligation.AUDIT}
    needless = final(personnel(GENERAL, facts={"has_data": False}, **AKUTT))
    assert needless.obligations == {Obligation.AUDIT}
    empty = final(personnel(GENERAL, HARD_R1, **AKUTT), R1, stored=2)
    assert empty.obligations == {Obligation.AUDIT}


def test_trace_of_a_concluded_decision_ends_with_the_objects() -> None:
    partial = final(personnel(), NORS, R2)
    assert [row.rule for row in partial.trace if row.fired] == ["G1"]
    needless = final(personnel(SOFT_R1, **SAMTYKKE), R1)
    assert [row.rule for row in needless.trace if row.fired] == ["F3", "G4"]
    assert conclude(personnel(), Decision(Outcome.PERMIT), FilterResult(), 0).trace == decide(personnel()).trace


def test_plain_objects_take_the_short_way_to_the_same_verdict() -> None:
    """The rows are not run for an object nothing is said of; running them would give the same."""
    quiet = replace(PPS, name="quiet")
    short = filter_objects([R1, R2], personnel(service=quiet))
    long = filter_objects([R1, R2], personnel(replace(HARD, **ON_Q1), service=quiet))
    assert short.verdicts == long.verdicts
