"""The cases of personvern.md section 11 that ruling R57 puts on the wire, through prøvesvar: ``V-<n>``."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.trust.facts import Setting, SettingKind
from tests.conformance.pps_kit import (
    H02,
    H02_PID,
    P01,
    P02,
    P03,
    P04,
    P13,
    P22,
    P23,
    PpsWorld,
    blocked,
    matches,
    nothing,
    outcome,
    refused,
)
from tests.unit.trust.gate_kit import ABSENT, NOW, attest

P07, H08_PID = "17847949732", "18885849179"
AS_H02 = {"helseid://claims/identity/pid": H02_PID, "helseid://claims/hpr/hpr_number": H02}
GENERAL = Setting("adm", "PPS", SettingKind.GENERAL_BLOCK)

Case = Callable[[PpsWorld], None]
_CASES: list[Any] = []


def case(number: int) -> Callable[[Case], Case]:
    def add(check: Case) -> Case:
        _CASES.append(pytest.param(check, id=f"V-{number}"))
        return check

    return add


@pytest.fixture
def world(tmp_path: Path) -> Iterator[PpsWorld]:
    made = PpsWorld(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("check", _CASES)
def test_personvern(check: Case, world: PpsWorld) -> None:
    check(world)


def ask(world: PpsWorld, number: str, basis: str | None = None, **claims: Any) -> httpx.Response:
    return world.search(headers={"person-id": number, "access-basis": basis}, claims=claims)


@case(1)
def _(world: PpsWorld) -> None:
    assert matches(ask(world, P01))
    (record,) = world.audit()
    assert (record["decision"]["outcome"], record["patient"]["nin"]) == ("PERMIT", P01)


@case(2)
def _(world: PpsWorld) -> None:
    blocked(ask(world, P02), "General")


@case(3)
def _(world: PpsWorld) -> None:
    blocked(ask(world, P02, "SAMTYKKE"), "General")


@case(4)
def _(world: PpsWorld) -> None:
    blocked(ask(world, P02, "AKUTT"), "General")


def opened(world: PpsWorld, basis: str) -> None:
    assert len(matches(ask(world, P02, basis))) == 2
    records = world.audit(elevated=True)
    assert sorted(record["kind"] for record in records) == ["decision", "release"]
    for record in records:
        assert {"BREAK_GLASS", "SHOW_IN_CITIZEN_LOG"} <= set(record["decision"]["obligations"])
        assert record["citizenVisible"] is True


@case(5)
def _(world: PpsWorld) -> None:
    opened(world, "FORHOYET_SAMTYKKE")


@case(6)
def _(world: PpsWorld) -> None:
    opened(world, "FORHOYET_AKUTT")


@case(7)
def _(world: PpsWorld) -> None:
    blocked(ask(world, P03, "FORHOYET_AKUTT", **AS_H02), "Specific")


@case(8)
def _(world: PpsWorld) -> None:
    assert matches(ask(world, P03))


@case(10)
def _(world: PpsWorld) -> None:
    blocked(ask(world, P04, "FORHOYET_AKUTT"), "Reservation")


@case(11)
def _(world: PpsWorld) -> None:
    world.set("P04", GENERAL)
    subjects = frozenset({("HPR", "222250101")})
    world.set("P04", Setting("adm2", "PPS", SettingKind.SPECIFIC_BLOCK, subjects=subjects))
    blocked(ask(world, P04), "Reservation")


@case(12)
def _(world: PpsWorld) -> None:
    world.set("P03", GENERAL)
    blocked(ask(world, P03, **AS_H02), "Specific")


@case(13)
def _(world: PpsWorld) -> None:
    refused(ask(world, P01, "FORHOYET_SAMTYKKE"), 400, "business-rule")


@case(14)
def _(world: PpsWorld) -> None:
    world.set("P13", GENERAL)
    blocked(ask(world, P13), "General")


@case(17)
def _(world: PpsWorld) -> None:
    answer = ask(world, P07)
    assert matches(answer)
    assert '"address"' not in answer.text
    (record,) = world.audit()
    assert "MASK_ADDRESS" in record["decision"]["obligations"]


@case(22)
def _(world: PpsWorld) -> None:
    blocked(ask(world, P22, "FORHOYET_AKUTT"), "Specific")  # ruling R39
    assert world.audit()[0]["decision"]["reason"] == "RESTRICTED_HARD"


@case(23)
def _(world: PpsWorld) -> None:
    kept = len(matches(ask(world, P23, "FORHOYET_AKUTT")))
    assert len(matches(ask(world, P23))) == kept - 1
    refused(ask(world, P23, "FORHOYET_SAMTYKKE"), 400, "business-rule")  # ruling R37


@case(26)
def _(world: PpsWorld) -> None:
    ended = Setting("adm", "PPS", SettingKind.PTS_PRIVACY, level="Hard", active_to=NOW - 86_400)
    world.set("P01", ended)
    assert matches(ask(world, P01))
    world.set("P01", replace(ended, active_to=NOW + 86_400))
    blocked(ask(world, P01), "Specific")


@case(27)
def _(world: PpsWorld) -> None:
    world.configure(faults={"privacy": "timeout"}, privacy_timeout=0.05)
    refused(ask(world, P01), 500, "timeout")
    assert [record["decision"]["code"] for record in world.audit()] == [8]


@case(28)
def _(world: PpsWorld) -> None:
    named = attest(toa=int(NOW), patients=[{"identifier": {"id": P01}}])
    refused(ask(world, P02, attest=named), 403, "forbidden")
    assert world.audit()[0]["decision"]["reason"] == "ATTEST_PATIENT_MISMATCH"


@case(29)
def _(world: PpsWorld) -> None:
    answer = ask(world, P01, attest=attest(toa=int(NOW) - 25 * 3600))
    assert answer.status_code == 401  # ruling R15
    assert 'error_description="attestation_has_expired"' in answer.headers["WWW-Authenticate"]


@case(30)
def _(world: PpsWorld) -> None:
    withdrawn: dict[str, Any] = {"helseid://claims/identity/pid": H08_PID, "helseid://claims/hpr/hpr_number": ABSENT}
    refused(ask(world, P01, **withdrawn), 403, "forbidden")
    assert world.audit()[0]["decision"]["reason"] == "HPR_NOT_AUTHORISED"


@case(31)
def _(world: PpsWorld) -> None:
    low = {"helseid://claims/identity/security_level": "3"}
    refused(ask(world, P01, **low), 401, "forbidden")  # ruling R1: PPS answers 401 where the others answer 403
    assert world.audit() == []


@case(60)
def _(world: PpsWorld) -> None:
    world.configure(mode="ehds")
    hidden, empty = ask(world, P02), ask(world, P13)
    nothing(hidden)  # ruling R10
    assert hidden.content == empty.content


@case(61)
def _(world: PpsWorld) -> None:
    world.configure(faults={"audit": "down"})
    answer = ask(world, P01)
    assert answer.status_code == 500
    assert outcome(answer)["code"] == "exception"
    assert "DiagnosticReport" not in answer.text
