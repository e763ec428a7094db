"""``/scenarios`` of the control API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from app.routers import control
from app.routers.control import Ports
from app.synthetic.scenarios import library_text
from tests.support.scenarios import Service

YAML = {"Content-Type": "application/yaml"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = Service(tmp_path_factory.mktemp("scenarios"))
    yield made
    made.close()


def check(service: Service, content: str | bytes) -> Any:
    answer = service.call("POST", "/_sandbox/v1/scenarios/check", headers=YAML, content=content)
    assert answer.status_code == 200, answer.text
    return answer.json()


def load(service: Service, scenario: Any, root: str = "", **more: Any) -> Any:
    return service.call("POST", "/_sandbox/v1/scenarios/load", root, json={"scenario": scenario, **more})


def test_the_list_and_one_of_it(service: Service) -> None:
    listed = {each["name"]: each for each in service.control("GET", "/scenarios")["scenarios"]}
    assert listed["gp-office"]["title"]["nb"] == "Et fastlegekontor med liste"
    assert (listed["gp-office"]["base"], listed["gp-office"]["source"]) == ("empty", "library")
    one = service.control("GET", "/scenarios/gp-office")
    assert one["generate"][0]["count"] == 30
    assert one["try"][0]["expect"] == {"status": 200, "matches": 3}


def test_what_is_shown_can_be_loaded(service: Service) -> None:
    for name in ("stage-d", "stage-e", "expired-everything", "municipality-night"):
        shown = service.control("GET", f"/scenarios/{name}")
        assert check_json(service, shown) == {"ok": True, "faults": []}


def check_json(service: Service, scenario: Any) -> Any:
    return service.control("POST", "/scenarios/check", scenario)


def test_unknown_ones(service: Service) -> None:
    assert service.call("GET", "/_sandbox/v1/scenarios/nobody").status_code == 404
    answer = load(service, "nobody")
    assert (answer.status_code, answer.json()["pointer"]) == (404, "/scenario")


def test_the_schema_knows_every_member_and_leads_nowhere_unknown(service: Service) -> None:
    schema = service.control("GET", "/scenarios/schema")
    assert {"name", "title", "persons", "privacy", "faults", "try"} <= set(schema["properties"])
    assert "age" in schema["$defs"]["PersonEntry"]["properties"]
    assert schema["properties"]["practitioners"]["items"] == {"$ref": "#/$defs/PractitionerEntry"}

    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if "$ref" in value:
                yield value["$ref"]
            for each in value.values():
                yield from references(each)
        elif isinstance(value, list):
            for each in value:
                yield from references(each)

    assert {each.removeprefix("#/$defs/") for each in references(schema)} <= set(schema["$defs"])


def test_check_of_yaml_tells_lines(service: Service) -> None:
    assert check(service, library_text("stage-f") or "") == {"ok": True, "faults": []}
    assert check(service, "name: x\ntitle: t\nbase: nowhere\n")["faults"] == [
        {"pointer": "/base", "detail": "nowhere: there is no scenario of that name", "line": 3}
    ]
    assert check(service, "name: x\nname: y\n")["faults"][0]["line"] == 2
    assert not check(service, b"\xff\xfe")["ok"]
    assert not check(service, "")["ok"]
    assert not check(service, "[1, 2]")["ok"]


def test_check_changes_nothing(service: Service) -> None:
    before = service.control("GET", "/persons")
    assert check(service, library_text("blocked-everything") or "")["ok"]
    assert service.control("GET", "/persons") == before


def test_a_scenario_is_added_to_what_is_there(service: Service) -> None:
    root = service.sandbox("added", "default")
    service.control("PUT", "/persons/MINE", {"birthDate": "1980-01-01", "gender": "female"}, root)
    answer = load(service, "stage-f", root)
    assert answer.json() == {"scenario": "stage-f", "sandbox": "added", "reset": False}
    assert service.control("GET", "/persons/F01", root=root)["family"] == "GULROT"
    assert service.control("GET", "/persons/MINE", root=root)["id"] == "MINE"
    everybody = service.control("GET", "/persons", root=root)
    assert load(service, "stage-f", root).status_code == 200
    assert service.control("GET", "/persons", root=root) == everybody


def test_a_scenario_loaded_again_on_a_later_day(service: Service) -> None:
    root = service.sandbox("later", "stage-g")
    for days in (20, 30):
        service.control("PATCH", "/clock", {"advance": days * 86_400}, root)
        answer = load(service, "stage-g", root)
        assert answer.status_code == 200, answer.text


def test_with_reset_the_rest_goes(service: Service) -> None:
    root = service.sandbox("reset", "default")
    service.control("PUT", "/persons/MINE", {"birthDate": "1980-01-01", "gender": "female"}, root)
    assert load(service, "gp-office", root, reset=True).status_code == 200
    people = {each["id"] for each in service.control("GET", "/persons", root=root)["persons"]}
    assert {"K01", "L0030"} <= people
    assert not {"MINE", "P01"} & people
    assert service.control("GET", "/practitioners/L01/patients", root=root)["persons"][0] == "K01"


def test_clock_settings_and_faults_are_the_sandboxs_own(service: Service) -> None:
    scenario = {
        "name": "own",
        "title": "t",
        "settings": {"mode": "ehds"},
        "clock": {"now": "2027-01-01T00:00:00Z", "frozen": True},
        "faults": {
            "dependencies": {"privacy": "down"},
            "rules": [{"match": {"service": "PPS"}, "effect": {"kind": "latency", "ms": 1}}],
        },
    }
    root = service.sandbox("own", scenario)
    assert service.control("GET", "/sandboxes/own")["settings"] == {"mode": "ehds"}
    assert service.control("GET", "/clock", root=root)["frozen"] is True
    faults = service.control("GET", "/faults", root=root)
    assert faults["dependencies"] == {"privacy": "down"}
    assert [rule["id"] for rule in faults["rules"]] == ["r1"]
    assert service.control("GET", "/faults")["rules"] == []


def test_the_clock_does_not_go_back_past_a_token(service: Service) -> None:
    root = service.sandbox("back", "default")
    service.control("POST", "/tokens", {"persona": "H01"}, root)
    back = {
        "name": "back",
        "title": "t",
        "clock": {"now": "2020-01-01T00:00:00Z"},
        "persons": [{"id": "P01", "given": "X"}],
    }
    answer = load(service, back, root)
    assert (answer.status_code, answer.json()["pointer"]) == (409, "/scenario/clock")
    assert service.control("GET", "/persons/P01", root=root)["given"] == "FRODIG"
    assert load(service, back, root, reset=True).status_code == 200


def test_bodies_that_are_no_order(service: Service) -> None:
    bodies: list[dict[str, Any]] = [{}, {"scenario": 7}, {"scenario": "default", "colour": "red"}, {"scenario": {}}]
    for body in bodies:
        answer = service.call("POST", "/_sandbox/v1/scenarios/load", json=body)
        assert answer.status_code == 400, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_scenario_as_deep_as_the_sea(service: Service) -> None:
    deep: Any = []
    for _ in range(300):
        deep = [deep]
    answer = load(service, {"name": "deep", "title": "t", "practitioners": deep})
    assert (answer.status_code, answer.json()["pointer"]) == (400, "/scenario")


def test_what_is_not_given_is_501(service: Service) -> None:
    assert Ports().scenarios is None
    assert control.create(service.core).title  # made without scenarios, the API still stands
