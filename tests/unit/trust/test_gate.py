"""The gate by itself: which refusal, in which order, with which words, and what it leaves behind."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.clock import ClockState, ManualClock
from app.core import Core
from app.directory import BY_NAME, AccessRule
from app.errors import Reason, Refusal
from app.ids import SeededIds
from app.sandboxes.state import SandboxState
from app.settings import Settings
from app.store.engine import Store
from app.trust import issuer_keys
from app.trust.attest import UNREADABLE
from app.trust.gate import Authenticated, Credentials, authenticate, challenge, examine, refusal_of
from app.trust.jose import Key, generate_key
from app.trust.principal import Finding
from app.trust.trail import Trail
from tests.unit.trust.gate_kit import (
    ABSENT,
    HOST,
    ISSUER_KEY,
    KID,
    NOW,
    SCOPE,
    URL,
    attest,
    claims,
    proof,
    token,
    trail,
)

RULE = BY_NAME["trust-probe"].rule
BEARER = BY_NAME["trust-probe-bearer"].rule
BOTH = replace(RULE, schemes=("Bearer", "DPoP"))
ALGS = 'algs="RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512"'


@pytest.fixture
def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Core:
    async def keys(core: Core, sandbox: SandboxState, *, refresh: bool = False) -> Mapping[str, Key]:
        return {KID: ISSUER_KEY}

    monkeypatch.setattr(issuer_keys, "verification_keys", keys)
    clock = ManualClock(NOW)
    return Core(Settings(), Store(f"sqlite:///{tmp_path}/a.db", clock), clock, SeededIds("gate"))


def passed(
    core: Core,
    credentials: Credentials,
    rule: AccessRule = RULE,
    at: Trail | None = None,
    method: str = "GET",
) -> Authenticated:
    return asyncio.run(authenticate(core, at or trail(), rule, credentials, method))


def refused(
    core: Core,
    credentials: Credentials,
    rule: AccessRule = RULE,
    at: Trail | None = None,
    method: str = "GET",
) -> Refusal:
    """The refusal of the wire, which must be the first of all the faults that explanations tell of (R63)."""
    faults: list[Exception] = []
    asyncio.run(examine(core, Trail((at or trail()).call), rule, credentials, method, faults.append))
    with pytest.raises(Refusal) as caught:
        passed(core, credentials, rule, at, method)
    first = faults[0]
    told = first if isinstance(first, Refusal) else refusal_of(first, "DPoP")  # type: ignore[arg-type]
    assert (told.reason, told.detail) == (caught.value.reason, caught.value.detail)
    return caught.value


def dpop(
    made: Mapping[str, Any] | None = None, /, header: Mapping[str, Any] | None = None, **changes: Any
) -> Credentials:
    """A token of ``made`` claims, with a proof for it."""
    raw = token(made)
    return Credentials((f"DPoP {raw}",), (proof(raw, header=header, **changes),))


def bearer(made: Mapping[str, Any] | None = None, /) -> Credentials:
    return Credentials((f"Bearer {token(claims(jkt=None) if made is None else made)}",))


# what passes


def test_a_token_with_its_proof_passes(core: Core) -> None:
    at = trail()
    made = passed(core, dpop(), at=at)
    assert made.principal.client_id == at.client_id == "client-1"
    assert made.attest is not None
    assert made.attest.purpose == "TREAT"
    assert at.claims["jti"] == "token-1"
    assert at.findings == []
    assert made.replay is not None
    assert at.replay is made.replay
    assert (made.replay.sandbox, made.replay.kind) == ("default", "dpop")
    assert len(made.replay.key) == 32  # 192 bits of a hash over the proof's key and jti
    assert made.replay.until == NOW + 6 + 5 + 5


@pytest.mark.parametrize("scheme", ["DPoP", "dpop", "DPOP"])
def test_the_scheme_may_be_written_in_any_case(core: Core, scheme: str) -> None:
    raw = token()
    assert passed(core, Credentials((f" {scheme}  {raw} ",), (proof(raw),))).replay is not None


def test_a_bearer_token_needs_no_proof_and_leaves_none(core: Core) -> None:
    at = trail()
    assert passed(core, bearer(), BEARER, at).replay is None
    assert at.replay is None


def test_a_rule_of_both_schemes_takes_either(core: Core) -> None:
    assert passed(core, bearer(), BOTH).replay is None
    assert passed(core, dpop(), BOTH).replay is not None


def test_the_htu_may_differ_in_what_normalises_and_is_noted(core: Core) -> None:
    at = trail()
    passed(core, dpop(htu="HTTP://LOCALHOST:8000/trust-probe/whoami"), at=at)
    assert [finding.code for finding in at.findings] == ["C29"]


# the credentials


@pytest.mark.parametrize(
    ("values", "reason", "text"),
    [
        pytest.param((), Reason.TOKEN_MISSING, "No access token was sent", id="none"),
        pytest.param(("Basic eDp5",), Reason.TOKEN_MISSING, "No access token was sent", id="basic"),
        pytest.param(("",), Reason.TOKEN_MISSING, "No access token was sent", id="empty"),
        pytest.param(("Bearer x",), Reason.TOKEN_INVALID, "Expected a valid DPoP token", id="scheme"),
        pytest.param(("DPoP",), Reason.TOKEN_INVALID, "The access token cannot be read", id="no token"),
        pytest.param(
            ("DPoP x", "DPoP x"), Reason.TOKEN_INVALID, "More than one Authorization header was sent", id="two"
        ),
    ],
)
def test_the_authorization_header(core: Core, values: tuple[str, ...], reason: Reason, text: str) -> None:
    refusal = refused(core, Credentials(values))
    assert (refusal.reason, refusal.detail) == (reason, text)


def test_dpop_where_only_bearer_is_taken(core: Core) -> None:
    assert refused(core, dpop(), BEARER).detail == "Expected a valid Bearer token"


def test_a_bound_token_as_bearer_is_refused(core: Core) -> None:
    refusal = refused(core, bearer(claims()), BEARER)
    assert refusal.reason is Reason.TOKEN_INVALID


def test_a_bound_token_as_bearer_where_the_rule_takes_it(core: Core) -> None:
    rule = replace(BEARER, bearer_with_cnf="accept")
    at = trail()
    passed(core, bearer(claims()), rule, at)
    assert [(finding.code, finding.level) for finding in at.findings] == [("C27", "risk")]
    strict = trail(settings=Settings(profile="strict"))
    assert refused(core, bearer(claims()), rule, strict).reason is Reason.TOKEN_INVALID


# the proof


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        pytest.param({"header": {"typ": "JWT"}}, "Invalid 'typ' value.", id="typ"),
        pytest.param({"header": {"jwk": ABSENT}}, "Invalid 'jwk' value.", id="jwk"),
        pytest.param({"htm": "POST"}, "Invalid 'htm' value.", id="htm"),
        pytest.param({"htu": URL + "?a=b"}, "Invalid 'htu' value.", id="htu"),
        pytest.param({"iat": ABSENT}, "Missing 'iat' value.", id="no iat"),
        pytest.param({"iat": NOW - 6.5}, "Invalid 'iat' value.", id="old"),
        pytest.param({"iat": NOW + 5.5}, "Invalid 'iat' value.", id="ahead"),
        pytest.param({"jti": ABSENT}, "Invalid or missing 'jti' value.", id="jti"),
        pytest.param({"ath": ABSENT}, "Invalid 'ath' value.", id="no ath"),
        pytest.param({"ath": "é"}, "Invalid 'ath' value.", id="ath"),
        pytest.param({"ath": 7}, "Invalid 'ath' value.", id="ath number"),
    ],
)
def test_a_proof_that_does_not_hold(core: Core, changes: dict[str, Any], text: str) -> None:
    refusal = refused(core, dpop(**changes))
    assert (refusal.reason, refusal.detail) == (Reason.DPOP_INVALID, text)


def test_there_must_be_exactly_one_proof(core: Core) -> None:
    raw = token()
    assert refused(core, Credentials((f"DPoP {raw}",))).detail == "Missing DPoP proof"
    two = (proof(raw), proof(raw))
    assert refused(core, Credentials((f"DPoP {raw}",), two)).detail == "Expected exactly one DPoP proof"


def test_the_proof_is_made_with_the_key_of_the_token(core: Core) -> None:
    raw = token()
    other = generate_key("ES256")
    refusal = refused(core, Credentials((f"DPoP {raw}",), (proof(raw, other),)))
    assert refusal.reason is Reason.DPOP_INVALID
    assert refusal.detail == "Failed to validate the 'cnf' claim value against the DPoP proof's public key"


@pytest.mark.parametrize(
    ("cnf", "text"),
    [
        pytest.param(ABSENT, "Missing 'cnf' claim in access token", id="none"),
        pytest.param({"jkt": "é" * 43}, None, id="not ascii"),
        pytest.param({"jkt": 1}, "Invalid 'jkt' value in 'cnf' claim in access token", id="number"),
    ],
)
def test_a_token_without_a_usable_key_is_no_dpop_token(core: Core, cnf: object, text: str | None) -> None:
    refusal = refused(core, dpop(claims(cnf=cnf)))
    assert refusal.reason is (Reason.DPOP_INVALID if text is None else Reason.TOKEN_INVALID)
    assert text in (None, refusal.detail)


def test_ath_may_be_left_out_where_the_rule_says_so(core: Core) -> None:
    rule = replace(RULE, ath="optional")
    at = trail()
    passed(core, dpop(ath=ABSENT), rule, at)
    assert [(finding.code, finding.level) for finding in at.findings] == [("C28", "risk")]
    assert refused(core, dpop(ath="x"), rule).detail == "Invalid 'ath' value."
    strict = trail(settings=Settings(profile="strict"))
    assert refused(core, dpop(ath=ABSENT), rule, strict).detail == "Invalid 'ath' value."


def test_the_relaxed_window_takes_a_proof_a_minute_old(core: Core) -> None:
    relaxed = Settings(proof_window="relaxed")
    assert passed(core, dpop(iat=NOW - 60), at=trail(settings=relaxed)).replay is not None
    refusal = refused(core, dpop(iat=NOW - 61), at=trail(settings=relaxed))
    assert refusal.detail == "Invalid 'iat' value."


def test_a_proof_is_fresh_on_either_clock(core: Core) -> None:
    moved = ClockState(offset=-300.0)
    assert passed(core, dpop(iat=NOW + 300), at=trail(real=NOW + 300, clock=moved)).replay is not None
    assert passed(core, dpop(iat=NOW), at=trail(real=NOW + 300, clock=moved)).replay is not None


def test_the_second_use_of_a_proof_is_refused(core: Core) -> None:
    credentials = dpop()
    passed(core, credentials)
    refusal = refused(core, credentials)
    assert (refusal.reason, refusal.detail) == (Reason.DPOP_INVALID, "Detected a DPoP proof token replay.")


def test_without_a_memory_the_key_is_left_to_the_store(core: Core, tmp_path: Path) -> None:
    credentials = dpop()
    first = passed(core, credentials).replay
    core.proofs.clear()
    assert first == passed(core, credentials).replay
    assert first is not None


def test_on_a_frozen_clock_a_proof_is_remembered_for_a_day(core: Core) -> None:
    frozen = ClockState(frozen_at=NOW)
    made = passed(core, dpop(), at=trail(real=NOW + 1000, clock=frozen)).replay
    assert made is not None
    assert made.until == NOW + 1000 + 86_400
    assert made.sandbox == "default"


def test_a_refused_proof_is_not_remembered(core: Core) -> None:
    raw = token()
    made = proof(raw)
    far = trail(url=HOST + "/elsewhere")
    assert refused(core, Credentials((f"DPoP {raw}",), (made,)), at=far).detail == "Invalid 'htu' value."
    assert passed(core, Credentials((f"DPoP {raw}",), (made,))).replay is not None


# what the token must entitle to


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"aud": "nhn:pps"}, Reason.AUDIENCE_WRONG, id="audience"),
        pytest.param({"scope": ["openid"]}, Reason.SCOPE_MISSING, id="scope"),
        pytest.param({"pid": ABSENT, "sub": ABSENT}, Reason.USER_REQUIRED, id="machine"),
        pytest.param({"pid": ABSENT}, Reason.PID_MISSING, id="pid"),
        pytest.param({"level": "3"}, Reason.LEVEL_TOO_LOW, id="level"),
        pytest.param({"parent": ABSENT}, Reason.ORG_MISSING, id="parent"),
        pytest.param({"child": ABSENT}, Reason.ORG_MISSING, id="child"),
    ],
)
def test_what_a_token_may_lack(core: Core, changes: dict[str, Any], reason: Reason) -> None:
    at = trail()
    refusal = refused(core, dpop(claims(**changes)), at=at)
    assert refusal.reason is reason
    assert refusal.extra["scheme"] == "DPoP"


def test_a_rule_may_ask_for_less(core: Core) -> None:
    rule = replace(RULE, user=False, orgnr_parent=False, orgnr_child=False)
    machine = claims(pid=ABSENT, sub=ABSENT, level=ABSENT, parent=ABSENT, child=ABSENT)
    assert passed(core, dpop(machine), rule).principal.pid is None
    person = refused(core, dpop(claims(level="3")), rule)
    assert person.reason is Reason.LEVEL_TOO_LOW


def test_the_scope_must_belong_to_the_audience_of_the_token(core: Core) -> None:
    rule = replace(RULE, grants=(("sandkasse:probe", SCOPE), ("other:api", "other:api/x")))
    assert refused(core, dpop(claims(scope=["other:api/x"])), rule).extra["scope"] == SCOPE
    assert passed(core, dpop(claims(aud="other:api", scope="other:api/x")), rule).replay is not None


def test_a_rule_may_want_every_scope(core: Core) -> None:
    """Ruling S5: one of the scopes is not enough, and the missing one is named."""
    rule = replace(RULE, grants=(("sandkasse:probe", SCOPE), ("sandkasse:probe", "other/x")), every_scope=True)
    refusal = refused(core, dpop(claims(scope=[SCOPE])), rule)
    assert (refusal.reason, refusal.source) == (Reason.SCOPE_MISSING, "S5")
    assert refusal.extra["scope"] == "other/x"
    assert passed(core, dpop(claims(scope=[SCOPE, "other/x"])), rule).replay is not None


def test_the_order_of_the_checks(core: Core) -> None:
    """Each token has one fault less than the one before; the first in R5's order is told (R5)."""
    wrong: dict[str, Any] = {
        "iss": "x",
        "aud": "x",
        "exp": int(NOW) - 60,
        "scope": [],
        "pid": ABSENT,
        "level": "3",
        "child": ABSENT,
    }
    expected = [
        (Reason.TOKEN_INVALID, "iss"),
        (Reason.AUDIENCE_WRONG, "aud"),
        (Reason.TOKEN_INVALID, "exp"),
        (Reason.DPOP_INVALID, None),
        (Reason.SCOPE_MISSING, "scope"),
        (Reason.PID_MISSING, "pid"),
        (Reason.LEVEL_TOO_LOW, "level"),
        (Reason.ORG_MISSING, "child"),
    ]
    ath: dict[str, Any] = {"ath": "x"}
    for reason, mended in expected:
        assert refused(core, dpop(claims(**wrong), **ath)).reason is reason
        if mended is None:
            ath = {}
        else:
            del wrong[mended]
    assert passed(core, dpop(claims(**wrong), **ath)).replay is not None


# the attest


def test_a_rule_that_ignores_the_attest_gets_none(core: Core) -> None:
    assert passed(core, dpop(), replace(RULE, attest="ignore")).attest is None


def test_an_absent_attest_is_left_to_the_policy(core: Core) -> None:
    assert passed(core, dpop(claims(attest=ABSENT))).attest is None


def test_a_broken_attest_is_absent_where_demanded_and_nobodys_where_optional(core: Core) -> None:
    broken = claims(attest=attest(patients={}))
    at = trail()
    assert passed(core, dpop(broken), at=at).attest is None
    assert at.findings == [
        Finding("ATTEST", "risk", "the attest in the access token is unusable: patients is not an array")
    ]
    assert passed(core, dpop(broken), replace(RULE, attest="optional")).attest is UNREADABLE


# the challenge


def test_without_credentials_the_challenge_has_no_error() -> None:
    refusal = Refusal(Reason.TOKEN_MISSING, "No access token was sent")
    assert challenge(refusal, RULE) == (f"DPoP {ALGS}",)
    assert challenge(refusal, BEARER) == ("Bearer",)
    assert challenge(refusal, BOTH) == ("Bearer", f"DPoP {ALGS}")


def test_the_error_stands_at_the_scheme_that_was_used(core: Core) -> None:
    refusal = refused(core, dpop(ath="x"), BOTH)
    error = 'error="invalid_dpop_proof", error_description="Invalid \'ath\' value."'
    assert challenge(refusal, BOTH) == ("Bearer", f"DPoP {error}, {ALGS}")
    refusal = refused(core, bearer(claims()), BOTH)
    assert challenge(refusal, BOTH)[0].startswith('Bearer error="invalid_token", error_description="The access token')
    assert challenge(refusal, BOTH)[1] == f"DPoP {ALGS}"


def test_an_error_of_no_known_scheme_stands_at_all() -> None:
    refusal = Refusal(Reason.ATTEST_STALE, "toa is too old")
    error = 'error="invalid_token", error_description="attestation_has_expired"'
    assert challenge(refusal, BOTH) == (f"Bearer {error}", f"DPoP {error}, {ALGS}")


def test_a_missing_scope_is_named(core: Core) -> None:
    refusal = refused(core, bearer(claims(jkt=None, scope="")), BEARER)
    assert challenge(refusal, BEARER) == (
        'Bearer error="insufficient_scope", error_description="The access token lacks the scope of this service", '
        'scope="sandkasse:probe/read"',
    )


def test_a_description_keeps_to_the_characters_allowed() -> None:
    refusal = Refusal(Reason.HPR_MISSING, 'a "quoted" \\ blåbær\n')
    assert challenge(refusal, BEARER) == ('Bearer error="invalid_token", error_description="a \'quoted\' / bl?b?r?"',)
