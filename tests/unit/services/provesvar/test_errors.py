"""The table of answers without data."""

from __future__ import annotations

import orjson
import pytest
from fhir.resources.R4B.operationoutcome import OperationOutcome

from app.errors import Reason
from app.services.provesvar import errors
from app.services.provesvar.errors import ERRORS
from app.trust.policy import RULES
from app.trust.principal import Channel

NOT_HERE = {Reason.ADDRESS_PROTECTED, Reason.PATIENT_DECEASED, Reason.ORG_NOT_CONNECTED}
"""Masked, for writes only, and for kjernejournal only (personvern.md §7.1, S18)."""


@pytest.mark.parametrize("row", ERRORS.values(), ids=lambda row: row.reason.value)
def test_every_row_is_a_valid_outcome(row: errors.WireError) -> None:
    OperationOutcome.model_validate(orjson.loads(row.outcome("why")))
    assert row.source


def test_every_reason_the_policy_has_for_personnel() -> None:
    reasons = {rule.reason for rule in RULES if rule.reason is not None and Channel.PERSONNEL in rule.channels}
    assert reasons
    assert reasons - NOT_HERE <= set(ERRORS)


@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [
        (Reason.TOKEN_MISSING, 401, "login"),
        (Reason.TOKEN_INVALID, 401, "login"),
        (Reason.DPOP_INVALID, 401, "login"),
        (Reason.AUDIENCE_WRONG, 401, "forbidden"),
        (Reason.SCOPE_MISSING, 401, "forbidden"),
        (Reason.PID_MISSING, 401, "forbidden"),
        (Reason.LEVEL_TOO_LOW, 401, "forbidden"),
        (Reason.ORG_MISSING, 401, "forbidden"),
        (Reason.USER_REQUIRED, 401, "forbidden"),
        (Reason.HPR_MISSING, 401, "forbidden"),
        (Reason.ATTEST_STALE, 401, "login"),
        (Reason.ATTEST_MISSING, 403, "forbidden"),
        (Reason.ATTEST_PATIENT_MISMATCH, 403, "forbidden"),
        (Reason.ATTEST_ACTOR_MISMATCH, 403, "forbidden"),
        (Reason.HPR_NOT_AUTHORISED, 403, "forbidden"),
        (Reason.ROLE_NOT_ALLOWED, 403, "forbidden"),
        (Reason.PURPOSE_NOT_ALLOWED, 403, "forbidden"),
        (Reason.ORG_RELATION, 403, "forbidden"),
        (Reason.ELEVATED_NOT_NEEDED, 400, "business-rule"),
        (Reason.PRIVACY_UNAVAILABLE, 500, "timeout"),
        (Reason.STORE_UNAVAILABLE, 503, "exception"),
    ],
)
def test_statuses_of_the_rulings(reason: Reason, status: int, code: str) -> None:
    """R1, R3, R15, R44 and pps.md §7."""
    assert (errors.status_of(reason), errors.wire(reason).code) == (status, code)


def test_what_cannot_come_from_here_is_an_internal_error() -> None:
    assert errors.wire(Reason.ADMIN_KEY_INVALID) is ERRORS[Reason.INTERNAL]


def test_pvk_codes_only_where_something_is_withheld() -> None:
    assert {row.reason: row.pvk for row in ERRORS.values() if row.pvk is not None} == {
        Reason.ACTOR_BLOCKED: "Specific",
        Reason.ORG_BLOCKED: "Specific",
        Reason.RESTRICTED_HARD: "Specific",
        Reason.GENERAL_BLOCK: "General",
        Reason.RESTRICTED_SOFT: "General",
        Reason.PATIENT_RESERVED: "Reservation",
    }
