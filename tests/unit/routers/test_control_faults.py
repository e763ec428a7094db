"""``/faults`` of the control API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.routers.control import Ports
from app.sandboxes.faults import MOST_RULES
from tests.unit.routers.test_control import BASE, Desk, make, problem, seeder

DOWN = {"match": {"service": "PPS"}, "effect": {"kind": "status", "status": 503}}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = make(tmp_path, Ports(seeder))
    yield made
    made.core.store.close()


def ids(desk: Desk) -> list[str]:
    return [rule["id"] for rule in desk.get("/faults")["rules"]]


def test_nothing_fails_in_a_new_sandbox(desk: Desk) -> None:
    assert desk.get("/faults") == {"dependencies": {}, "rules": []}


def test_a_rule_is_added_read_and_removed(desk: Desk) -> None:
    added = desk.call("POST", "/faults", {**DOWN, "note": "for the retry test"})
    assert (added.status_code, added.headers["Location"]) == (201, f"{BASE}/faults/r1")
    shown = {
        "id": "r1",
        "note": "for the retry test",
        "match": {"service": "PPS"},
        "effect": {"kind": "status", "status": 503, "body": "service", "headers": {}},
        "seen": 0,
        "hits": 0,
    }
    assert added.json() == shown == desk.get("/faults/r1")
    assert desk.get("/faults") == {"dependencies": {}, "rules": [shown]}
    assert desk.call("POST", "/faults", {**DOWN, "id": "mine"}).json()["id"] == "mine"
    assert desk.call("POST", "/faults", DOWN).json()["id"] == "r2"
    assert ids(desk) == ["r1", "mine", "r2"]
    assert desk.call("DELETE", "/faults/mine").status_code == 204
    assert ids(desk) == ["r1", "r2"]
    problem(desk.call("DELETE", "/faults/mine"), 404, "no rule has that id")
    problem(desk.call("GET", "/faults/mine"), 404, "no rule has that id")


def test_what_is_put_replaces_and_what_is_left_out_stays(desk: Desk) -> None:
    put = desk.call("PUT", "/faults", {"dependencies": {"privacy": "timeout"}, "rules": [DOWN, {**DOWN, "id": "r1"}]})
    assert put.status_code == 200, put.text
    assert put.json()["dependencies"] == {"privacy": "timeout"}
    assert ids(desk) == ["r2", "r1"]
    desk.call("PUT", "/faults", {"dependencies": {"audit": "down"}})
    assert (desk.get("/faults")["dependencies"], ids(desk)) == ({"audit": "down"}, ["r2", "r1"])
    desk.call("PUT", "/faults", {"rules": []})
    assert desk.get("/faults") == {"dependencies": {"audit": "down"}, "rules": []}


def test_what_was_got_can_be_put(desk: Desk) -> None:
    desk.call("POST", "/faults", DOWN)
    got = desk.get("/faults")
    assert desk.call("PUT", "/faults", got).json() == got


def test_everything_works_again(desk: Desk) -> None:
    desk.call("PUT", "/faults", {"dependencies": {"audit": "down"}, "rules": [DOWN]})
    assert desk.call("DELETE", "/faults").status_code == 204
    assert desk.get("/faults") == {"dependencies": {}, "rules": []}


@pytest.mark.parametrize(
    ("body", "pointer", "text"),
    [
        ({"match": {}, "effect": {"kind": "reset"}}, "/match", "every call"),
        ({"match": {"nth": 1}, "effect": {"kind": "reset"}}, "/match", "every call"),
        ({"match": {"service": "moon"}, "effect": {"kind": "reset"}}, "/match/service", "unknown service"),
        ({"match": {"service": "PPS"}}, "/effect", "required"),
        ({"match": {"service": "PPS"}, "effect": {"kind": "moon"}}, "/effect", "kind that is known"),
        ({"match": {"service": "PPS"}, "effect": {"kind": "status"}}, "/effect/status", "required"),
        (
            {"match": {"service": "PPS"}, "effect": {"kind": "dependency", "dependency": "moon"}},
            "/effect/dependency",
            "Input should be",
        ),
        ({**DOWN, "moon": 1}, "/moon", "not permitted"),
        ({**DOWN, "id": ""}, "/id", "pattern"),
        ({**DOWN, "note": "x" * 201}, "/note", "at most 200"),
    ],
)
def test_a_bad_rule_changes_nothing(desk: Desk, body: dict[str, Any], pointer: str, text: str) -> None:
    problem(desk.call("POST", "/faults", body), 400, text, pointer)
    problem(desk.call("PUT", "/faults", {"rules": [DOWN, body]}), 400, text, f"/rules/1{pointer}")
    assert desk.get("/faults") == {"dependencies": {}, "rules": []}


def test_unknown_dependencies_change_nothing(desk: Desk) -> None:
    body = {"dependencies": {"audit": "slow"}, "rules": [DOWN]}
    problem(desk.call("PUT", "/faults", body), 400, "unknown fault", "/dependencies/audit")
    assert desk.get("/faults") == {"dependencies": {}, "rules": []}


def test_ids_are_unique(desk: Desk) -> None:
    desk.call("POST", "/faults", DOWN)
    problem(desk.call("POST", "/faults", {**DOWN, "id": "r1"}), 409, "there is a rule of that id", "/id")
    twice = {"rules": [DOWN, {**DOWN, "id": "a"}, {**DOWN, "id": "a"}]}
    problem(desk.call("PUT", "/faults", twice), 400, "another rule has that id", "/rules/2/id")


def test_a_sandbox_has_so_many_rules_at_most(desk: Desk) -> None:
    assert desk.call("PUT", "/faults", {"rules": [DOWN] * MOST_RULES}).status_code == 200
    problem(desk.call("POST", "/faults", DOWN), 409, "at most 100")
    problem(desk.call("PUT", "/faults", {"rules": [DOWN] * (MOST_RULES + 1)}), 400, "at most 100", "/rules")
    assert len(ids(desk)) == MOST_RULES


def test_each_sandbox_has_its_own(desk: Desk) -> None:
    for name in ("one", "two"):
        desk.call("POST", "/sandboxes", {"name": name, "content": "empty"})
    elsewhere = "http://localhost:8000/s/one/_sandbox/v1/faults"
    assert desk.call("POST", elsewhere, DOWN).headers["Location"] == elsewhere + "/r1"
    assert ids(desk) == []
    assert desk.call("GET", "http://localhost:8000/s/two/_sandbox/v1/faults").json()["rules"] == []
    assert len(desk.call("GET", elsewhere).json()["rules"]) == 1


def test_other_changes_of_the_sandbox_keep_the_rules_and_reset_removes_them(desk: Desk) -> None:
    desk.call("POST", "/faults", DOWN)
    assert desk.call("PATCH", "/sandboxes/default", {"settings": {"mode": "ehds"}}).status_code == 200
    assert ids(desk) == ["r1"]
    assert desk.call("POST", "/sandboxes/default/reset").status_code == 200
    assert ids(desk) == []
