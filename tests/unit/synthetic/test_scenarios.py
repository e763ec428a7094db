"""The library's scenarios: each can be loaded, each call to try gives what it says, and the same file gives the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.errors import Reason, Refusal
from app.sandboxes.scenario import both
from app.sandboxes.scenario_file import LARGEST, read_yaml
from app.settings import Settings
from app.synthetic.scenarios import Scenarios, library_text
from tests.support.scenarios import BASE, NOW, Service

LIBRARY = Scenarios(Settings())
NAMES = [each.name for each in LIBRARY.listed()]
STAGES = {f"stage-{letter}" for letter in "abcdefghi"}
SEARCH = "/pps/v2/DiagnosticReport/_search"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = Service(tmp_path_factory.mktemp("scenarios"))
    yield made
    made.close()


def matches(answer: httpx.Response) -> int:
    return sum(1 for entry in answer.json().get("entry", []) if entry["search"]["mode"] == "match")


def search(service: Service, root: str, who: str, patient: str, client: str | None = None) -> bytes:
    order = {"persona": who, "url": f"{BASE}{root}{SEARCH}", "method": "POST"}
    order |= {} if client is None else {"client": client}
    headers = service.control("POST", "/tokens", order, root)["headers"]
    number = service.control("GET", f"/persons/{patient}", root=root)["nin"]
    headers |= {"person-id": number, "X-Correlation-Id": "c", "Content-Type": "application/x-www-form-urlencoded"}
    answer = service.call("POST", SEARCH, root, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.content


def test_the_library_has_what_it_promises() -> None:
    promised = {"default", "gp-office", "emergency-ward", "municipality-night", "blocked-everything"}
    assert promised | {"identity-change", "expired-everything"} | STAGES <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_scenario_tells_what_it_is_for_in_both_languages(name: str) -> None:
    scenario = LIBRARY.get(name)
    for text in (scenario.title, scenario.description, *(call.title for call in scenario.try_)):
        assert both(text).nb
        assert both(text).nb != both(text).en, text


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_wrong_with_a_scenario_of_the_library(name: str) -> None:
    assert LIBRARY.check(read_yaml(library_text(name) or "").content, NOW) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_call_to_try_gives_what_the_scenario_says(service: Service, name: str) -> None:
    calls = LIBRARY.get(name).try_
    assert calls, "a scenario without a call shows nothing"
    root = service.sandbox(f"try-{name}", name)
    for call in calls:
        answer, told = service.tried(root, call)
        decision, expect = told["decision"], call.expect
        place = f"{name}: {both(call.title).en}: {told['summary']}"
        assert (answer.status_code, decision["reason"]) == (expect.status, expect.reason), place
        assert expect.rule in (None, decision["rule"]), place
        assert expect.matches is None or matches(answer) == expect.matches, place
        assert set(expect.obligations) <= set(decision["obligations"]), place


@pytest.mark.parametrize("letter", "abcdefgi")
def test_a_stage_shows_refusals_of_its_own_rows(letter: str) -> None:
    shown = {call.expect.reason for call in LIBRARY.get(f"stage-{letter}").try_} - {None}
    assert len(shown) >= (1 if letter == "i" else 2)


class TestTheSameAgain:
    FROZEN: dict[str, Any] = {  # noqa: RUF012
        "name": "frozen",
        "title": "A scenario on a clock that stands still",
        "clock": {"now": "2026-12-01T08:00:00Z", "frozen": True},
        "persons": [{"id": "Z01", "age": 40, "gender": "female"}],
        "generate": [{"count": 5, "prefix": "Z"}],
        "reports": [{"id": "r1", "person": "Z01"}, {"id": "r2", "person": "Z0002", "kind": "MBIO-culture"}],
    }

    @pytest.mark.parametrize("person", ["P01", "Z01", "Z0002"])
    def test_one_file_and_one_seed_give_the_same_bytes(self, service: Service, person: str) -> None:
        names = (f"same-{person.lower()}-a", f"same-{person.lower()}-b")
        roots = [service.sandbox(name, self.FROZEN) for name in names]
        service.clock.now += 3600  # the second is asked at another time of the real clock
        one, two = (search(service, root, "H01", person).replace(root.encode(), b"") for root in roots)
        assert one == two
        assert b'"entry"' in one

    def test_the_people_are_the_same_and_another_seed_gives_others(self, service: Service) -> None:
        roots = [service.sandbox(f"seed-{n}", self.FROZEN, seed) for n, seed in enumerate(("a", "a", "b"))]
        people = [service.control("GET", "/persons", root=root) for root in roots]
        assert people[0] == people[1]
        assert people[0] != people[2]

    def test_a_reset_gives_it_again(self, service: Service) -> None:
        root = service.sandbox("again", self.FROZEN)
        before = service.control("GET", "/persons", root=root)
        service.control("DELETE", "/persons/Z01", root=root)
        service.control("POST", "/scenarios/load", {"scenario": self.FROZEN, "reset": True}, root)
        assert service.control("GET", "/persons", root=root) == before
        assert service.control("GET", "/clock", root=root)["now"] == "2026-12-01T08:00:00.000000Z"


class TestBase:
    def test_one_is_built_on_another(self, service: Service) -> None:
        more = {"name": "more", "title": "t", "base": "stage-f", "persons": [{"id": "F01", "given": "NY"}]}
        root = service.sandbox("built-on", more)
        person = service.control("GET", "/persons/F01", root=root)
        assert (person["given"], person["family"]) == ("NY", "GULROT")
        assert service.control("GET", "/persons/F01/settings", root=root)["settings"][0]["kind"] == "general_block"

    def test_empty_has_the_clients_and_nobody(self, service: Service) -> None:
        root = service.sandbox("bare", {"name": "bare", "title": "t", "base": "empty"})
        assert service.control("GET", "/persons", root=root) == {"persons": []}
        assert len(service.control("GET", "/clients", root=root)["clients"]) == 4

    @pytest.mark.parametrize(
        ("base", "detail"), [("nowhere", "no scenario of that name"), ("round", "no scenario of that name")]
    )
    def test_a_base_that_is_not_there(self, base: str, detail: str) -> None:
        (fault,) = LIBRARY.check({"name": "round", "title": "t", "base": base}, NOW)
        assert fault.pointer == "/base"
        assert detail in fault.detail or "built on itself" in fault.detail


class TestOwnFolder:
    def folder(self, place: Path, **files: str) -> Scenarios:
        for name, text in files.items():
            (place / f"{name}.yaml").write_text(text, encoding="utf-8")
        return Scenarios(Settings(scenario_dir=place))

    def test_they_stand_beside_the_library(self, tmp_path: Path) -> None:
        own = self.folder(tmp_path, mine="name: mine\ntitle: Mine\nbase: stage-f\n", broken="name: [")
        listed = {each.name: each.source for each in own.listed()}
        assert (listed["mine"], listed["stage-f"]) == ("folder", "library")
        assert "broken" not in listed
        assert own.get("mine").base == "stage-f"
        with pytest.raises(Refusal):
            own.get("broken")

    def test_one_that_is_built_on_itself_through_another(self, tmp_path: Path) -> None:
        own = self.folder(tmp_path, a="name: a\ntitle: A\nbase: b\n", b="name: b\ntitle: B\nbase: a\n")
        with pytest.raises(Refusal, match="built on itself"):
            own.seeder("a")

    def test_the_name_is_that_of_the_file(self, tmp_path: Path) -> None:
        own = self.folder(tmp_path, mine="name: yours\ntitle: t\n")
        with pytest.raises(Refusal, match="name of its file"):
            own.get("mine")

    def test_a_name_is_no_path(self, tmp_path: Path) -> None:
        own = self.folder(tmp_path / ".", mine="name: mine\ntitle: t\n")
        for name in ("../mine", "/etc/passwd", "mine.yaml", ""):
            with pytest.raises(Refusal) as caught:
                own.get(name)
            assert caught.value.reason is Reason.NOT_FOUND


BAD: list[tuple[dict[str, Any], str]] = [
    ({"colour": "red"}, "/colour"),
    ({"persons": [{"id": "A1"}]}, "/persons/0/nin"),
    ({"persons": [{"id": "A1", "age": 3, "gender": "female", "parents": ["A2"]}]}, "/persons/0/parents/0"),
    ({"persons": [{"id": "A1", "age": 3, "gender": "female", "guardian": "A1"}]}, "/persons/0/guardian"),
    ({"persons": [{"id": "A1", "age": 3, "birthDate": "2020-01-01"}]}, "/persons/0"),
    ({"persons": [{"id": "14838449698", "age": 3, "gender": "female"}]}, "/persons/0"),
    (
        {"persons": [{"id": "A1", "birthDate": "2099-01-01", "gender": "female", "nin": "14838449698"}]},
        "/persons/0/birthDate",
    ),
    ({"persons": [{"id": "A1", "nin": "14038449698"}]}, "/persons/0/nin"),
    ({"persons": [{"id": "A1", "nin": "14838449698"}]}, "/persons/0"),
    ({"generate": [{"count": 1001}]}, "/generate/0/count"),
    ({"generate": [{"count": 1, "ageFrom": 9, "ageTo": 8}]}, "/generate/0/ageFrom"),
    ({"practitioners": [{"hpr": "1", "nin": "16817614977"}]}, "/practitioners/0/id"),
    ({"practitioners": [{"id": "H99", "nin": "16817614977"}]}, "/practitioners/0/hpr"),
    ({"organisations": [{"id": "O99", "orgnr": "315500108", "name": "X"}]}, "/organisations/0/orgnr"),
    ({"privacy": [{"person": "P99", "setting": {"svc": "PPS", "kind": "general_block"}}]}, "/privacy/0/person"),
    ({"privacy": [{"person": "P01", "setting": {"svc": "PPS", "kind": "blok"}}]}, "/privacy/0/setting/kind"),
    (
        {"privacy": [{"person": "P01", "setting": {"svc": "PPS", "kind": "specific_block"}}]},
        "/privacy/0/setting/subjects",
    ),
    (
        {"privacy": [{"person": "P01", "setting": {"offId": "$nin:P77", "privacyType": "Block"}}]},
        "/privacy/0/setting/offId",
    ),
    (
        {"privacy": [{"person": "P01", "setting": {"svc": "PPS", "kind": "general_block", "from": "$noon"}}]},
        "/privacy/0/setting/from",
    ),
    (
        {"privacy": [{"person": "P01", "setting": {"svc": "PPS", "kind": "general_block", "from": "$now+5"}}]},
        "/privacy/0/setting/from",
    ),
    ({"reports": [{"id": "r", "person": "P99"}]}, "/reports/0/person"),
    ({"reports": [{"id": "r", "person": "P04"}]}, "/reports/0/person"),
    ({"reports": [{"id": "r", "person": "P01", "kind": "CLAIRVOYANCE"}]}, "/reports/0/kind"),
    ({"reports": [{"id": "r", "person": "P01", "at": "yesterday"}]}, "/reports/0"),
    ({"reports": [{"id": "r", "person": "P01"}, {"id": "r", "person": "P01"}]}, "/reports/1/id"),
    ({"resources": [{"service": "KJ", "content": {}}]}, "/resources/0/service"),
    ({"resources": [{"content": {"resourceType": "Patient"}}]}, "/resources/0/content"),
    ({"clients": [{"preset": "nobody"}]}, "/clients/0/preset"),
    ({"clients": [{"client": {"id": ""}}]}, "/clients/0/client"),
    ({"clients": [{}]}, "/clients/0"),
    ({"settings": {"profile": "lax"}}, "/settings/profile"),
    ({"settings": {"port": 1}}, "/settings/port"),
    ({"clock": {"now": "2026-12-01"}}, "/clock/now"),
    ({"clock": {"now": "2026-12-01T08:00:00Z", "advance": "P1D"}}, "/clock"),
    ({"faults": {"dependencies": {"coffee": "down"}}}, "/faults/dependencies/coffee"),
    ({"faults": {"rules": [{"match": {}, "effect": {"kind": "reset"}}]}}, "/faults/rules/0/match"),
    ({"tokens": [{"title": "t", "persona": "H99"}]}, "/tokens/0/persona"),
    ({"tokens": [{"title": "t", "client": "nobody"}]}, "/tokens/0/client"),
    ({"try": [{"title": "t", "patient": "P99", "expect": {"status": 200}}]}, "/try/0/patient"),
    ({"try": [{"title": "t", "who": "H99", "expect": {"status": 200}}]}, "/try/0/who"),
    ({"try": [{"title": "t", "expect": {"status": 200, "reason": "BAD_LUCK"}}]}, "/try/0/expect/reason"),
]


class TestFaults:
    @pytest.mark.parametrize(("part", "pointer"), BAD, ids=[f"{pointer}-{n}" for n, (_, pointer) in enumerate(BAD)])
    def test_the_place_is_told(self, part: dict[str, Any], pointer: str) -> None:
        faults = LIBRARY.check({"name": "bad", "title": "t", **part}, NOW)
        assert [fault.pointer for fault in faults] == [pointer], faults
        assert "14038449698" not in faults[0].detail

    @pytest.mark.parametrize("place", [0, 4, 13, 21, 33, 39])
    def test_nothing_is_changed_by_a_bad_one(self, service: Service, place: int) -> None:
        before = service.control("GET", "/persons"), service.control("GET", "/faults"), service.control("GET", "/clock")
        good = {"persons": [{"id": "Q01", "age": 40, "gender": "female"}], "clock": {"advance": "P1D"}}
        scenario = {"name": "bad", "title": "t", **good, **BAD[place][0]}
        for reset in (False, True):
            answer = service.call("POST", "/_sandbox/v1/scenarios/load", json={"scenario": scenario, "reset": reset})
            assert answer.status_code == 400
            assert answer.json()["pointer"].startswith("/scenario")
        after = service.control("GET", "/persons"), service.control("GET", "/faults"), service.control("GET", "/clock")
        assert before == after

    def test_every_fault_of_the_form_is_told_with_its_line(self) -> None:
        document = read_yaml("name: bad\ntitle: t\npersons:\n  - id: A1\n    age: many\n  - {colour: red}\n")
        told = [document.at(each.pointer, each.detail) for each in LIBRARY.check(document.content, NOW)]
        assert {(each.pointer, each.line) for each in told} == {
            ("/persons/0/age", 5),
            ("/persons/1/id", 6),
            ("/persons/1/colour", 6),
        }


class TestYaml:
    @pytest.mark.parametrize(
        ("text", "detail", "line"),
        [
            pytest.param("a: &x [1]\nb: *x", "aliases", 2, id="alias"),
            pytest.param("a: 1\nb: 2\na: 3", "twice", 3, id="twice"),
            pytest.param("a: 1\n1: 2", "is a text", 2, id="key"),
            pytest.param("a: [", "expected", 1, id="broken"),
            pytest.param("a: !!python/object/apply:os.system [ls]", "constructor", 1, id="tag"),
            pytest.param("[" * 100 + "]" * 100, "too deep", 1, id="deep"),
            pytest.param("- x\n" * 60_000, "too many", 50001, id="many"),
            pytest.param("x" * (LARGEST + 1), "bytes", None, id="large"),
            pytest.param("a: 1\n---\nb: 2", "another document", 2, id="two-documents"),
        ],
    )
    def test_what_is_not_read(self, text: str, detail: str, line: int | None) -> None:
        with pytest.raises(Refusal, match=detail) as caught:
            read_yaml(text)
        if line is not None and detail != "too many":
            assert caught.value.extra["line"] == str(line)

    def test_scalars_are_those_of_json(self) -> None:
        text = (
            "a: 2026-12-01\nb: yes\nc: 02917149979\nd: 7\ne: true\nf: null\ng: 1.5\nh: 0x1F\ni: 1e3\nj: ~\nk: "
            + "9" * 5000
        )
        content = read_yaml(text).content
        assert content.pop("k") == "9" * 5000
        assert content == {
            "a": "2026-12-01",
            "b": "yes",
            "c": "02917149979",
            "d": 7,
            "e": True,
            "f": None,
            "g": 1.5,
            "h": "0x1F",
            "i": 1000.0,
            "j": None,
        }

    def test_an_empty_file_is_no_scenario(self) -> None:
        (fault,) = LIBRARY.check(read_yaml("").content, NOW)
        assert fault.pointer == ""


def test_results_and_resources_of_ones_own(service: Service) -> None:
    report = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"text": "Own"},
        "subject": {"identifier": {"value": "$nin:R01"}},
        "effectiveDateTime": "$today-P3D",
    }
    scenario = {
        "name": "own",
        "title": "t",
        "persons": [{"id": "R01", "age": 50, "gender": "male"}],
        "reports": [{"id": "r", "person": "R01", "results": [{"code": "NPU01685", "name": "P-INR", "number": "2.4"}]}],
        "resources": [{"content": report}],
    }
    root = service.sandbox("own", scenario)
    found = search(service, root, "H01", "R01")
    assert found.count(b'"mode":"match"') == 2
    assert b"2026-11-15" in found
    order = {"persona": "H01", "url": f"{BASE}{root}/pps/v2/Observation/_search", "method": "POST"}
    headers = service.control("POST", "/tokens", order, root)["headers"]
    headers |= {"person-id": service.control("GET", "/persons/R01", root=root)["nin"], "X-Correlation-Id": "c"}
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    answer = service.call("POST", "/pps/v2/Observation/_search", root, headers=headers).json()
    assert [entry["resource"]["valueQuantity"]["value"] for entry in answer["entry"]] == [2.4]
