"""Access tokens as an API reads them: what is verified, what is remembered, what is judged anew each time."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from app.clock import ClockState, ManualClock
from app.core import Core
from app.errors import Reason
from app.ids import SeededIds
from app.sandboxes.state import SandboxState
from app.settings import Settings
from app.store.engine import Store
from app.trust import issuer_keys
from app.trust.attest import CLAIM
from app.trust.jose import Key, b64encode, generate_key, import_key, sign
from app.trust.principal import Channel
from app.trust.tokens import LEEWAY, Token, TokenFault, accept
from app.trust.trail import Trail
from tests.unit.trust.gate_kit import (
    ABSENT,
    AUDIENCE,
    CLIENT_KEY,
    HOST,
    ISSUER_KEY,
    KID,
    NOW,
    PID,
    SCOPE,
    attest,
    claims,
    token,
    trail,
)

AUDIENCES = frozenset({AUDIENCE})


class Keys:
    """Stands in for the key store: what is in force, and what a refresh brings."""

    def __init__(self) -> None:
        self.now: dict[str, Key] = {KID: ISSUER_KEY}
        self.after_refresh: dict[str, Key] | None = None
        self.refreshed = 0

    async def __call__(self, core: Core, sandbox: SandboxState, *, refresh: bool = False) -> Mapping[str, Key]:
        if refresh:
            self.refreshed += 1
            self.now = self.after_refresh or self.now
        return self.now


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Keys:
    made = Keys()
    monkeypatch.setattr(issuer_keys, "verification_keys", made)
    return made


@pytest.fixture
def core(tmp_path: Path, keys: Keys) -> Core:
    clock = ManualClock(NOW)
    return Core(Settings(), Store(f"sqlite:///{tmp_path}/a.db", clock), clock, SeededIds("tokens"))


def accepted(core: Core, raw: str, at: Trail | None = None) -> Token:
    return asyncio.run(accept(core, (at or trail()).call, raw, AUDIENCES))


def fault(core: Core, raw: str, at: Trail | None = None) -> TokenFault:
    with pytest.raises(TokenFault) as caught:
        accepted(core, raw, at)
    return caught.value


def test_the_principal_comes_from_the_claims(core: Core) -> None:
    made = accepted(core, token()).principal
    assert (made.channel, made.client_id, made.pid, made.hpr) == (Channel.PERSONNEL, "client-1", PID, "222250101")
    assert (made.level, made.network, made.name) == (4, "helsenett", "Test Person")
    assert (made.orgnr_parent, made.orgnr_child, made.orgnr_supplier) == ("315500109", "315500303", None)
    assert made.scopes == {"openid", "profile", SCOPE}
    assert (made.jti, made.jkt) == ("token-1", CLIENT_KEY.thumbprint)
    assert made.claims["iat"] == NOW


def test_a_token_without_a_person_is_a_machine(core: Core) -> None:
    made = claims(pid=ABSENT, sub=ABSENT, level=ABSENT)
    assert accepted(core, token(made)).principal.channel is Channel.MACHINE
    assert accepted(core, token({**made, "sub": "x"})).principal.channel is Channel.PERSONNEL


@pytest.mark.parametrize(
    ("level", "expected"),
    [("2", 2), ("3", 3), ("4", 4), ("5", 0), ("", 0), (4, 0), ("9" * 5000, 0), (ABSENT, 0)],
    ids=lambda value: str(value)[:8],
)
def test_the_level_is_one_of_the_texts_helseid_uses(core: Core, level: object, expected: int) -> None:
    assert accepted(core, token(claims(level=level))).principal.level == expected


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        pytest.param(["a", "b", 3], {"a", "b"}, id="array"),
        pytest.param("a  b", {"a", "b"}, id="text"),
        pytest.param(None, set(), id="null"),
        pytest.param({"a": 1}, set(), id="object"),
    ],
)
def test_scope_is_an_array_or_a_text(core: Core, scope: object, expected: set[str]) -> None:
    assert accepted(core, token(claims(scope=scope))).principal.scopes == expected


@pytest.mark.parametrize(
    ("cnf", "jkt", "text"),
    [
        pytest.param(ABSENT, None, "Missing 'cnf' claim in access token", id="absent"),
        pytest.param({}, None, "Missing 'jkt' value in 'cnf' claim in access token", id="empty"),
        pytest.param("x", None, "Missing 'jkt' value in 'cnf' claim in access token", id="text"),
        pytest.param({"jkt": "short"}, None, "Invalid 'jkt' value in 'cnf' claim in access token", id="short"),
        pytest.param({"jkt": 7}, None, "Invalid 'jkt' value in 'cnf' claim in access token", id="number"),
        pytest.param({"jkt": CLIENT_KEY.thumbprint}, CLIENT_KEY.thumbprint, "", id="right"),
    ],
)
def test_the_key_binding_is_read_or_its_fault_named(core: Core, cnf: object, jkt: str | None, text: str) -> None:
    made = accepted(core, token(claims(cnf=cnf)))
    assert (made.jkt, made.binding_fault, made.bound) == (jkt, text, cnf is not ABSENT)


def test_the_journal_sees_the_claims_without_the_patients(core: Core) -> None:
    raw = token(claims(attest=attest(patients=[{"identifier": {"id": "14838449698"}}])))
    made = accepted(core, raw)
    assert "patients" not in made.shown[CLAIM]
    assert made.claims[CLAIM]["patients"]
    assert accepted(core, token(claims(attest=ABSENT))).shown["client_id"] == "client-1"


@pytest.mark.parametrize(
    ("header", "text"),
    [
        pytest.param({"kid": ABSENT}, "The access token names no key", id="no kid"),
        pytest.param({"kid": 3}, "The access token names no key", id="kid number"),
        pytest.param({"kid": "K9"}, "The key of the access token is unknown", id="unknown kid"),
        pytest.param({"alg": "PS256"}, "The signature of the access token is invalid", id="PS256"),
        pytest.param({"typ": "id+jwt"}, "The typ of the access token is not accepted", id="typ"),
        pytest.param({"typ": ABSENT}, "The typ of the access token is not accepted", id="no typ"),
        pytest.param({"crit": ["x"]}, "The access token cannot be read", id="crit"),
    ],
)
def test_a_header_that_does_not_hold(core: Core, header: Mapping[str, Any], text: str) -> None:
    refused = fault(core, token(**header))
    assert (refused.text, refused.reason) == (text, Reason.TOKEN_INVALID)
    assert len(core.tokens) == 0


def test_typ_jwt_is_taken_too(core: Core) -> None:
    assert accepted(core, token(typ="JWT")).principal.pid == PID


def test_a_token_of_another_key_is_refused(core: Core) -> None:
    other = import_key(generate_key("RS256"))
    raw = sign({"alg": "RS256", "kid": KID, "typ": "at+jwt"}, claims(), other)
    assert fault(core, raw).text == "The signature of the access token is invalid"


@pytest.mark.parametrize("raw", ["", "x", "a.b", "a.b.c", "é.é.é", "x" * 20_000], ids=lambda raw: raw[:6] or "empty")
def test_what_is_no_jwt_is_refused(core: Core, raw: str) -> None:
    assert fault(core, raw).text == "The access token cannot be read"


@pytest.mark.parametrize(
    ("issuer", "ours"),
    [
        pytest.param(HOST + "/helseid", True, id="as called"),
        pytest.param("http://helseid.localhost:8000", True, id="subdomain"),
        pytest.param("https://helseid-sts.test.nhn.no", True, id="real host"),
        pytest.param(HOST + "/helseid/", False, id="slash"),
        pytest.param(HOST + "/s/other/helseid", False, id="other sandbox"),
        pytest.param("https://example.org/helseid", False, id="elsewhere"),
        pytest.param(7, False, id="number"),
        pytest.param(ABSENT, False, id="absent"),
    ],
)
def test_the_issuer_is_an_alias_of_this_sandbox(core: Core, issuer: object, ours: bool) -> None:
    raw = token(claims(iss=issuer))
    if ours:
        assert accepted(core, raw).issuer == issuer
    else:
        assert fault(core, raw).text == "The issuer of the access token is not the one of this service"


@pytest.mark.parametrize(
    ("audience", "alone"),
    [
        pytest.param(AUDIENCE, True, id="text"),
        pytest.param([AUDIENCE], True, id="array of one"),
        pytest.param([AUDIENCE, "nhn:pps"], False, id="two"),
        pytest.param([AUDIENCE, AUDIENCE], False, id="twice"),
        pytest.param([], False, id="none"),
        pytest.param([7], False, id="number"),
        pytest.param("nhn:pps", False, id="other"),
        pytest.param(ABSENT, False, id="absent"),
    ],
)
def test_the_audience_is_this_service_alone(core: Core, audience: object, alone: bool) -> None:
    raw = token(claims(aud=audience))
    if alone:
        assert accepted(core, raw).audience == AUDIENCE
    else:
        assert fault(core, raw).reason is Reason.AUDIENCE_WRONG


@pytest.mark.parametrize(
    ("at", "text"),
    [
        pytest.param(NOW - LEEWAY, None, id="first instant"),
        pytest.param(NOW - LEEWAY - 0.01, "The access token is not valid yet", id="too early"),
        pytest.param(NOW + 600 + LEEWAY, None, id="last instant"),
        pytest.param(NOW + 600 + LEEWAY + 0.01, "The access token has expired", id="too late"),
    ],
)
@pytest.mark.parametrize("remembered", [False, True])
def test_the_time_is_judged_at_every_call(core: Core, at: float, text: str | None, remembered: bool) -> None:
    raw = token()
    if remembered:
        accepted(core, raw)
    if text is None:
        assert accepted(core, raw, trail(real=at)).expires == NOW + 600
    else:
        assert fault(core, raw, trail(real=at)).text == text


def test_the_sandbox_clock_counts_not_the_real_one(core: Core) -> None:
    raw = token()
    assert fault(core, raw, trail(clock=ClockState(offset=3600.0))).text == "The access token has expired"
    assert accepted(core, raw, trail(real=NOW + 3600, clock=ClockState(offset=-3600.0))).principal.pid == PID


def test_a_clock_set_back_makes_an_expired_token_good_again(core: Core) -> None:
    raw = token()
    accepted(core, raw)
    fault(core, raw, trail(real=NOW + 700))
    assert accepted(core, raw).principal.pid == PID


@pytest.mark.parametrize("name", ["exp", "nbf"])
@pytest.mark.parametrize("value", ["1795000000", True, [1]], ids=str)
def test_times_must_be_numbers(core: Core, name: str, value: Any) -> None:
    assert fault(core, token(claims(**{name: value}))).text == f"The {name} of the access token is missing or no number"


def test_exp_is_required_and_nbf_is_not(core: Core) -> None:
    assert fault(core, token(claims(exp=ABSENT))).text == "The exp of the access token is missing or no number"
    assert accepted(core, token(claims(nbf=ABSENT))).not_before == float("-inf")


def test_a_token_is_read_once(core: Core) -> None:
    raw = token()
    assert accepted(core, raw) is accepted(core, raw)


def test_a_token_is_remembered_for_its_own_sandbox_only(core: Core) -> None:
    raw = token()
    accepted(core, raw)
    elsewhere = trail(sandbox="other")
    assert fault(core, raw, elsewhere).text == "The issuer of the access token is not the one of this service"
    assert len(core.tokens) == 2


def test_a_remembered_token_is_judged_by_the_audience_of_each_service(core: Core) -> None:
    raw = token()
    accepted(core, raw)
    with pytest.raises(TokenFault) as caught:
        asyncio.run(accept(core, trail().call, raw, frozenset({"nhn:pps"})))
    assert caught.value.reason is Reason.AUDIENCE_WRONG


def test_a_remembered_token_falls_with_its_key(core: Core, keys: Keys) -> None:
    raw = token()
    accepted(core, raw)
    keys.now = {"K2": ISSUER_KEY}
    assert fault(core, raw).text == "The key of the access token is unknown"


def test_a_key_replaced_under_the_same_kid_is_not_trusted_from_memory(core: Core, keys: Keys) -> None:
    raw = token()
    accepted(core, raw)
    keys.now = {KID: import_key(generate_key("RS256"))}
    assert fault(core, raw).text == "The signature of the access token is invalid"


def test_an_unknown_kid_is_asked_for_once_more(core: Core, keys: Keys) -> None:
    keys.after_refresh = {KID: ISSUER_KEY, "K2": ISSUER_KEY}
    assert accepted(core, token(kid="K2")).kid == "K2"
    assert keys.refreshed == 1
    fault(core, token(kid="K3"))
    assert keys.refreshed == 2


def test_unsigned_and_symmetric_tokens_are_refused(core: Core) -> None:
    _, payload, _ = token().split(".")
    for header in (b'{"alg":"none","kid":"K1","typ":"at+jwt"}', b'{"alg":"HS256","kid":"K1","typ":"at+jwt"}'):
        raw = f"{b64encode(header)}.{payload}."
        assert fault(core, raw).text == "The signature of the access token is invalid"
