"""The code systems on the wire (ruling S26): who may ask, headers, ETag, errors, the clock."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.routers import codingsystems
from tests.support.asgi import World
from tests.support.caller import MACHINE, Caller
from tests.unit.trust.gate_kit import ABSENT

ROOT = "/codingsystems/api/v1/codingsystems"
FEST = ROOT + "/DrugTradeName"
DAY = 86_400.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, {"codingsystems": codingsystems.create})
    yield made
    made.close()


@pytest.fixture
def epj(world: World) -> Caller:
    headers = {"nhn-source-system": "Eksempel EPJ 1.0"}
    return Caller(world, "nhn:critical-information", "nhn:critical-information/api", headers)


def test_the_overview_and_a_list(epj: Caller) -> None:
    shown = epj.get(ROOT)
    assert shown.status_code == 200
    assert {"id", "name", "system", "version", "lastChanged", "count"} == set(shown.json()[0])
    fest = epj.get(FEST + "?includeInactive=true").json()
    assert any(not each["active"] for each in fest["codes"])
    one = epj.get(ROOT + "/7655/codes/1")
    assert one.json()["display"] == "Gjelder inntil videre"


@pytest.mark.parametrize("audience", ["critical-information", "kjernejournal"])
@pytest.mark.parametrize("machine", [True, False])
def test_users_and_machines_of_either_service_may_ask(world: World, audience: str, machine: bool) -> None:
    headers = {"hit-source-system": "Eksempel EPJ 1.0"}
    caller = Caller(world, f"nhn:{audience}", f"nhn:{audience}/api", headers)
    assert caller.get(ROOT, token=caller.token(**(MACHINE if machine else {}))).status_code == 200


def test_an_unchanged_list_is_not_sent_again(epj: Caller) -> None:
    tag = epj.get(FEST).headers["ETag"]
    same = epj.get(FEST, headers={"If-None-Match": f'"other", W/{tag}'})
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
    assert epj.get(FEST + "?includeInactive=true", headers={"If-None-Match": tag}).status_code == 200


def test_a_list_is_as_it_was_on_the_day_of_the_sandbox_clock(world: World, epj: Caller) -> None:
    before = epj.get(ROOT + "/SandboxInfection/codes/108")
    world.move_sandbox_clock(-400 * DAY)
    token = epj.token(iat=int(world.clock.time() - 400 * DAY), nbf=0)
    earlier = epj.get(ROOT + "/SandboxInfection/codes/108", token=token)
    assert (before.status_code, earlier.status_code) == (200, 404)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"nhn-source-system": None}, 400, "AUTH-0003"),
        ({"nhn-source-system": "ab"}, 400, "AUTH-0003"),
        ({"nhn-source-system": "x" * 513}, 400, "AUTH-0003"),
        ({"nhn-event-id": "x" * 129}, 400, "AUTH-0003"),
        ({"hit-source-system": "Noe annet 2.0"}, 400, "AUTH-0003"),
        ({"Authorization": None}, 401, "AUTH-0010"),
        ({"DPoP": None}, 401, "AUTH-0010"),
    ],
)
def test_headers_are_demanded(epj: Caller, headers: dict[str, str | None], status: int, code: str) -> None:
    answer = epj.get(ROOT, headers=headers)
    assert (answer.status_code, answer.json()["code"], answer.headers["nhn-error-code"]) == (status, code, code)
    assert ("WWW-Authenticate" in answer.headers) is (status == 401)


def test_tokens_of_others_are_refused(epj: Caller) -> None:
    assert epj.get(ROOT, token=epj.token(aud="nhn:pps")).status_code == 401
    for changes in ({"scope": ["openid"]}, {"parent": ABSENT}, {"level": "3"}):
        refused = epj.get(ROOT, token=epj.token(**changes))
        assert (refused.status_code, refused.json()["code"]) == (403, "AUTH-0010")


def test_a_proof_is_used_once(epj: Caller) -> None:
    token = epj.token()
    first = epj.get(ROOT, token=token)
    again = epj.get(ROOT, token=token, headers={"DPoP": first.request.headers["DPoP"]})
    assert (first.status_code, again.status_code) == (200, 401)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", ROOT + "/Nothing", 404),
        ("GET", ROOT + "/ATC/codes/X", 404),
        ("GET", ROOT + "/ATC?version=1999", 404),
        ("GET", ROOT + "/ATC?changedSince=x", 400),
        ("GET", "/codingsystems/api/v1/other", 404),
        ("POST", ROOT, 405),
    ],
)
def test_what_there_is_not(epj: Caller, method: str, path: str, status: int) -> None:
    answer = epj.send(method, path, headers={"nhn-event-id": "abc-1"})
    assert (answer.status_code, answer.json()["eventId"]) == (status, "abc-1")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers.get("Allow") == ("GET" if status == 405 else None)
