"""When things go wrong elsewhere."""

from __future__ import annotations

import pytest

from sandkasse import Sandbox, effects
from sandkasse.groups import Faults
from vendor_tests.conftest import Reader
from vendor_tests.vendor_epj import Unavailable


@pytest.fixture
def number(sandbox: Sandbox) -> str:
    return sandbox.patient("P01").nin


def test_one_failure_is_not_seen_by_the_user(reader: Reader, faults: Faults, number: str) -> None:
    rule = faults.add(effects.status(503), service="pps-v2", count=1)
    assert len(reader().read(number).reports) == 73
    assert faults.get(rule).hits == 1


def test_a_service_that_is_down(reader: Reader, faults: Faults, number: str) -> None:
    with faults.during(effects.status(503, "text"), service="pps-v2"), pytest.raises(Unavailable, match="503"):
        reader().read(number)
    assert faults.list() == ()
    assert len(reader().read(number).reports) == 73


def test_too_many_calls_are_followed_by_a_wait(reader: Reader, faults: Faults, number: str) -> None:
    faults.add(effects.rate_limit(7), service="pps-v2", nth=2)
    slept: list[float] = []
    assert len(reader(sleep=slept.append).read(number).reports) == 73
    assert slept == [7]


def test_a_broken_connection_is_tried_again(reader: Reader, faults: Faults, number: str) -> None:
    faults.add(effects.reset(), service="pps-v2", count=1)
    assert len(reader().read(number).reports) == 73


def test_half_an_answer_is_no_answer(reader: Reader, faults: Faults, number: str) -> None:
    faults.add(effects.truncate(fraction=0.5), service="pps-v2")
    with pytest.raises(Unavailable):
        reader().read(number)


def test_the_user_does_not_wait_for_ever(reader: Reader, faults: Faults, number: str) -> None:
    faults.add(effects.latency(5000), service="pps-v2")
    with pytest.raises(Unavailable, match="ReadTimeout"):
        reader(timeout=0.3).read(number)


def test_a_slow_answer_comes_through(reader: Reader, faults: Faults, number: str) -> None:
    rule = faults.add(effects.slow(400_000), service="pps-v2")
    assert len(reader().read(number, page_size=100).reports) == 73
    assert faults.get(rule).hits == 1


def test_nothing_is_shown_when_the_settings_cannot_be_read(
    reader: Reader, faults: Faults, number: str, sandbox: Sandbox
) -> None:
    faults.add(effects.dependency("privacy", "down"), service="pps-v2")
    with pytest.raises(Unavailable):
        reader().read(number)
    sandbox.journal.expect(service="pps-v2", reason="PRIVACY_UNAVAILABLE")


def test_a_dependency_that_fails_for_everyone(reader: Reader, faults: Faults, number: str) -> None:
    faults.break_dependencies(audit="down")
    with pytest.raises(Unavailable):
        reader().read(number)
    faults.clear()
    assert len(reader().read(number).reports) == 73
