"""Logging in: the whole flow, tokens that end, keys that change."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from sandkasse import EpjClient, LoginFailed, Sandbox, SigningKey, attest, effects
from sandkasse.groups import Clock, Faults
from vendor_tests.conftest import PPS, Reader
from vendor_tests.vendor_epj import LoggedOut, ResultsReader

PROBE = "sandkasse:probe/read"
HERE = (
    attest.attest("315500109", "315500303", "decision-1", authorization="LE"),
    attest.sub_unit("315500303"),
)


def whoami(sandbox: Sandbox, auth: httpx.Auth) -> httpx.Response:
    return httpx.get(sandbox.url("trust-probe", "/whoami"), auth=auth, headers={"X-Correlation-Id": "test"})


def test_a_login_tells_who_the_user_is(sandbox: Sandbox, epj: EpjClient) -> None:
    tokens = epj.login(PROBE, hint="H01", resource="sandkasse:probe", details=HERE)
    answer = whoami(sandbox, tokens.auth())
    assert answer.status_code == 200, answer.text
    assert answer.json()["hprNumber"] == sandbox.practitioners.get("H01").hpr


def test_an_attest_for_every_token_of_the_login(sandbox: Sandbox, epj: EpjClient) -> None:
    tokens = epj.login(PROBE, hint="H01", resource="sandkasse:probe", grant_details=HERE)
    assert whoami(sandbox, tokens.auth()).json()["organisation"]["child"] == "315500303"


def test_someone_unknown_cannot_log_in(epj: EpjClient) -> None:
    with pytest.raises(LoginFailed) as failed:
        epj.login(PPS, hint="H99", resource="nhn:pps")
    assert failed.value.error == "login_required"


def test_a_login_in_two_steps_as_with_a_browser(epj: EpjClient) -> None:
    started = epj.begin(PPS, hint="H01", resource="nhn:pps")
    came_back = httpx.get(started.url).headers["Location"]
    assert epj.finish(started, came_back).token_type == "DPoP"


def test_one_login_serves_two_services(sandbox: Sandbox, epj: EpjClient) -> None:
    first = epj.login(f"{PPS} {PROBE} openid offline_access", hint="H01", resource=("nhn:pps", "sandkasse:probe"))
    other = epj.refresh(first, resource="sandkasse:probe", details=HERE)
    assert whoami(sandbox, first.auth()).status_code == 401
    assert whoami(sandbox, other.auth()).status_code == 200


def test_an_old_token_ends_the_session(reader: Reader, sandbox: Sandbox, frozen_clock: Clock) -> None:
    results = reader()
    frozen_clock.advance(timedelta(minutes=11))
    with pytest.raises(LoggedOut):
        results.read(sandbox.patient("P01").nin)


def test_an_old_token_is_refreshed_unseen(sandbox: Sandbox, epj: EpjClient, frozen_clock: Clock) -> None:
    tokens = epj.login(f"{PPS} openid offline_access", hint="H01", resource="nhn:pps")
    renew = lambda: epj.refresh(tokens, resource="nhn:pps").auth()  # noqa: E731
    with ResultsReader(sandbox.url("pps-v2"), tokens.auth(), renew=renew) as results:
        frozen_clock.advance(timedelta(minutes=11))
        assert len(results.read(sandbox.patient("P01").nin).reports) == 73


def test_after_a_night_the_login_is_over(epj: EpjClient, frozen_clock: Clock) -> None:
    tokens = epj.login(f"{PPS} openid offline_access", hint="H01", resource="nhn:pps")
    frozen_clock.advance(timedelta(hours=9))
    with pytest.raises(LoginFailed, match="invalid_grant"):
        epj.refresh(tokens)


def test_our_own_client_with_our_own_key(sandbox: Sandbox) -> None:
    key = SigningKey.generate("ES384")
    sandbox.clients.register("vendor-epj", key)
    with EpjClient(sandbox.issuer, "vendor-epj", key) as ours:
        assert ours.login(PPS, hint="H01", resource="nhn:pps").expires_in == 600
    stranger = EpjClient(sandbox.issuer, "vendor-epj", SigningKey.generate("ES384"))
    with stranger, pytest.raises(LoginFailed, match="invalid_client"):
        stranger.login(PPS, hint="H01", resource="nhn:pps")


def test_the_issuer_changes_its_key(reader: Reader, sandbox: Sandbox, epj: EpjClient, faults: Faults) -> None:
    before = epj.login(PPS, hint="H01", resource="nhn:pps")
    faults.add(effects.rotate_keys(), service="helseid", path="/connect/token", count=1)
    after = epj.login(PPS, hint="H01", resource="nhn:pps")
    number = sandbox.patient("P01").nin
    for tokens in (before, after):
        with ResultsReader(sandbox.url("pps-v2"), tokens.auth()) as results:
            assert results.read(number, page_size=100).pages == 1


@pytest.mark.sandbox(settings={"profile": "strict"})
def test_nothing_is_wrong_with_our_login_when_all_rules_count(sandbox: Sandbox, epj: EpjClient) -> None:
    epj.login(PPS, hint="H01", resource="nhn:pps", details=HERE)
    (token,) = sandbox.journal.list(service="helseid", path="/connect/token", status=200)
    assert sandbox.journal.explain(token).findings == ()


@pytest.mark.sandbox(settings={"access_token_seconds": 7200})
def test_an_attest_grows_old_before_the_token(sandbox: Sandbox, epj: EpjClient, frozen_clock: Clock) -> None:
    tokens = epj.login(PROBE, hint="H01", resource="sandkasse:probe", details=HERE)
    assert whoami(sandbox, tokens.auth()).status_code == 200
    frozen_clock.advance(timedelta(minutes=61))
    assert whoami(sandbox, tokens.auth()).status_code == 401
    sandbox.journal.expect(service="trust-probe", reason="ATTEST_STALE")
