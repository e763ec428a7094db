"""How the rows are run: order, modes, trace, ehds mode, and the rendered table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import Reason
from app.trust import policy_docs
from app.trust.facts import Setting, SettingKind
from app.trust.policy import (
    GENERIC,
    KJ,
    PPS,
    RULES,
    SERVICES,
    Decision,
    Obligation,
    Outcome,
    Request,
    Stage,
    decide,
    explain,
)
from app.trust.principal import Basis

from .policy_requests import (
    GENERAL,
    H01,
    H02,
    HARD,
    P01,
    P15,
    RESERVATION,
    SOFT,
    attest,
    citizen,
    hpr,
    personnel,
    setting,
)

NAMED = setting(SettingKind.SPECIFIC_BLOCK, subjects=hpr(H01.hpr))
ROOT = Path(__file__).parents[3]

ORDER: list[tuple[str, Request, Reason]] = [
    (
        "token before header",
        personnel(token_fault=Reason.TOKEN_INVALID, request_faults=frozenset({Reason.HEADER_INVALID})),
        Reason.TOKEN_INVALID,
    ),
    (
        "level before organisation",
        personnel(principal={"level": 3, "orgnr_parent": None}),
        Reason.LEVEL_TOO_LOW,
    ),
    (
        "header before attest",
        personnel(request_faults=frozenset({Reason.BASIS_INVALID}), access={"attest": attest(toa=0)}),
        Reason.BASIS_INVALID,
    ),
    (
        "stale before mismatch",
        personnel(access={"attest": attest(toa=0, patient=P15.nin)}),
        Reason.ATTEST_STALE,
    ),
    (
        "authorisation before a missing number (R41)",
        personnel(by=replace(H01, authorizations=frozenset()), principal={"hpr": None}),
        Reason.HPR_NOT_AUTHORISED,
    ),
    ("actor before patient", personnel(patient=None, principal={"hpr": None}), Reason.HPR_MISSING),
    ("reservation before everything aimed", personnel(GENERAL, NAMED, HARD, RESERVATION), Reason.PATIENT_RESERVED),
    ("named before general (R33)", personnel(GENERAL, NAMED), Reason.ACTOR_BLOCKED),
    ("hard before soft", personnel(SOFT, HARD), Reason.RESTRICTED_HARD),
    ("soft before general", personnel(GENERAL, SOFT), Reason.RESTRICTED_SOFT),
]


@pytest.mark.parametrize(("request_", "reason"), [(r, x) for _, r, x in ORDER], ids=[name for name, _, _ in ORDER])
def test_order(request_: Request, reason: Reason) -> None:
    assert decide(request_).reason is reason


def test_opening_the_general_block_does_not_open_the_soft_one() -> None:
    """R36: consent opens the citizen's general block, not a Soft restriction beside it."""
    request = personnel(GENERAL, SOFT, access={"basis": Basis.FORHOYET_SAMTYKKE})
    assert decide(request).reason is Reason.RESTRICTED_SOFT


def test_first_stops_at_the_deciding_row_and_all_goes_on() -> None:
    request = personnel(NAMED, GENERAL)
    first, everything = decide(request), decide(request, mode="all")
    assert first == everything
    assert first.trace[-1].rule == "E1"
    assert [row.rule for row in first.trace if row.fired] == ["E1"]
    assert [row.rule for row in everything.trace if row.fired] == ["E1", "F2"]
    assert everything.trace == explain(request)
    assert first.trace == everything.trace[: len(first.trace)]


def test_trace_of_a_permit_holds_every_row_looked_at() -> None:
    request = personnel()
    assert decide(request).trace == explain(request)
    assert not any(row.fired for row in explain(request))


def test_trace_row() -> None:
    row = decide(personnel(GENERAL)).trace[-1]
    assert (row.rule, row.stage, row.fired, row.outcome) == ("F2", Stage.GENERAL_BLOCK, True, Outcome.EMPTY)
    assert row.reason is Reason.GENERAL_BLOCK
    assert "general block" in row.text


def test_a_decision_made_by_hand_has_no_trace() -> None:
    assert Decision(Outcome.PERMIT).trace == ()


def test_a_row_that_goes_on_shows_neither_outcome_nor_reason() -> None:
    rows = {row.rule: row for row in explain(personnel(patient=None, service=replace(PPS, patient_unknown="continue")))}
    assert (rows["D1"].fired, rows["D1"].outcome, rows["D1"].reason) == (True, None, None)


BLOCKS: list[Setting] = [
    GENERAL,
    NAMED,
    HARD,
    SOFT,
    setting(SettingKind.ORG_BLOCK, subjects=frozenset({("ORGNR", "315500109")})),
]


@pytest.mark.parametrize("block", BLOCKS, ids=[block.kind for block in BLOCKS])
@pytest.mark.parametrize("service", [PPS, KJ, GENERIC], ids=lambda service: service.name)
@pytest.mark.parametrize("op", ["search", "read"])
def test_ehds_mode_conceals_blocks(block: Setting, service: object, op: object) -> None:
    decision = decide(personnel(block, service=service, mode="ehds", op=op, access={"attest": None}))  # type: ignore[arg-type]
    assert (decision.outcome, decision.concealed) == (Outcome.EMPTY, True)


def test_ehds_mode_does_not_swallow_writes() -> None:
    decision = decide(personnel(GENERAL, service=KJ, mode="ehds", op="create"))
    assert (decision.outcome, decision.concealed) == (Outcome.DENY, False)


def test_national_mode_conceals_nothing() -> None:
    assert not decide(personnel(GENERAL)).concealed


def test_obligations_meant_for_a_release_do_not_follow_a_refusal() -> None:
    masked = replace(P01, address_protection="Confidential", redirected=True)
    refused = decide(personnel(RESERVATION, patient=masked, by=H02, access={"attest": None}))
    assert refused.obligations == {Obligation.AUDIT, Obligation.IDENTIFIER_REDIRECTED}
    assert Obligation.MASK_ADDRESS in decide(personnel(patient=masked)).obligations


def test_citizens_are_not_judged_by_the_rows_for_personnel() -> None:
    stages = {row.stage for row in explain(citizen())}
    assert stages == {Stage.AUTHENTICITY, Stage.REQUEST, Stage.PERSON, Stage.CITIZEN}


def test_row_ids_are_unique_and_the_rows_of_the_specification_are_all_there() -> None:
    ids = [rule.id for rule in RULES]
    assert len(ids) == len(set(ids))
    numbered = {"A": 8, "B": 7, "C": 5, "D": 7, "E": 4, "F": 4, "G": 7, "H": 20}
    assert {f"{stage}{n}" for stage, last in numbered.items() for n in range(1, last + 1)} <= set(ids)


def test_only_blocks_that_may_open_are_overridable() -> None:
    assert {rule.id for rule in RULES if rule.overridable} == {"E4", "F2", "G1", "G4"}


def test_the_document_is_the_rendered_table() -> None:
    assert (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8") == policy_docs.render()


def test_the_document_names_every_row_and_service() -> None:
    text = policy_docs.render()
    assert all(f"| {rule.id} |" in text for rule in RULES)
    assert all(f" {name} |" in text for name in SERVICES)
