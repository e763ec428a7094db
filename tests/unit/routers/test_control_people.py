"""Registers of the control API: changes, lists, relations, people made by criteria, and what cannot be."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from app import identity
from tests.support.scenarios import Service

FREE = "16817614977"  # a man born 1976-01-16, in no register


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = Service(tmp_path_factory.mktemp("people"))
    yield made
    made.close()


class Desk:
    """One sandbox of the installation."""

    def __init__(self, service: Service, name: str) -> None:
        self.service, self.root = service, service.sandbox(name, "default")

    def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        extra = {} if body is None else {"json": body}
        return self.service.call(method, f"/_sandbox/v1{path}", self.root, **extra)

    def get(self, path: str) -> Any:
        return self.service.control("GET", path, root=self.root)


@pytest.fixture
def desk(installation: Service, request: pytest.FixtureRequest) -> Desk:
    return Desk(installation, "p-" + hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12])


def refused(answer: httpx.Response, pointer: str | None, status: int = 400) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json().get("pointer") == pointer, answer.text


def _real_series() -> str:
    """A number that only its series makes wrong; made here, so that none stands in a file."""
    nine = "140384" + "496"
    return nine + (identity.check_digits(nine) or "")


class TestPatchPerson:
    def test_what_is_sent_changes_and_the_rest_stays(self, desk: Desk) -> None:
        before = desk.get("/persons/P01")
        answer = desk.send("PATCH", "/persons/P01", {"addressProtection": "Confidential", "gpHpr": None})
        assert answer.status_code == 200
        assert answer.json() == {**before, "addressProtection": "Confidential", "gpHpr": None}
        assert desk.get("/persons/P01") == answer.json()

    def test_null_gives_the_member_its_default(self, desk: Desk) -> None:
        desk.send("PATCH", "/persons/P09", {"youthConsent": None, "parents": None, "status": None})
        changed = desk.get("/persons/P09")
        assert (changed["youthConsent"], changed["parents"], changed["status"]) == (False, [], "Resident")

    def test_a_merge_patch_has_a_media_type_of_its_own(self, desk: Desk) -> None:
        headers = {"Content-Type": "application/merge-patch+json"}
        path = "/_sandbox/v1/persons/P01"
        answer = desk.service.call("PATCH", path, desk.root, content=b'{"given": "NY"}', headers=headers)
        assert answer.json()["given"] == "NY"

    def test_a_new_number_leaves_the_old_one_behind(self, desk: Desk) -> None:
        changed = desk.send("PATCH", "/persons/P12", {"nin": "03909314517"}).json()
        assert changed["previousNins"] == ["43909349738"]

    def test_a_seeded_child_whose_birth_year_moved_can_be_changed(self, desk: Desk) -> None:
        desk.service.control("PATCH", "/clock", {"advance": "P400D"}, desk.root)
        assert desk.send("PATCH", "/persons/P08", {"addressGroup": "A9"}).status_code == 200

    @pytest.mark.parametrize(
        ("person", "patch", "pointer", "status"),
        [
            pytest.param("P01", {"colour": "red"}, "/colour", 400, id="unknown-member"),
            pytest.param("P01", {"colour": None, "id": "X"}, "/id", 400, id="the-id-is-no-member"),
            pytest.param("P01", {"nin": None}, "/nin", 400, id="no-number"),
            pytest.param("P01", {"nin": "14838449699"}, "/nin", 400, id="control-digits"),
            pytest.param("P01", {"nin": _real_series()}, "/nin", 400, id="real-series"),
            pytest.param("P01", {"nin": FREE}, "/birthDate", 400, id="number-of-another-day"),
            pytest.param("P01", {"birthDate": "1984-03-15"}, "/birthDate", 400, id="birth-date-against-number"),
            pytest.param("P01", {"gender": "male"}, "/gender", 400, id="gender-against-number"),
            pytest.param("P01", {"birthDate": "2084-03-14"}, "/birthDate", 400, id="born-in-the-future"),
            pytest.param("P01", {"deceasedDate": "2026-11-19"}, "/deceasedDate", 400, id="dead-in-the-future"),
            pytest.param("P01", {"deceasedDate": "1984-03-13"}, "/deceasedDate", 400, id="dead-before-birth"),
            pytest.param("P01", {"parents": ["P15", "P99"]}, "/parents/1", 400, id="unknown-parent"),
            pytest.param("P01", {"parents": ["P01"]}, "/parents/0", 400, id="parent-of-oneself"),
            pytest.param("P01", {"guardian": "P99"}, "/guardian", 400, id="unknown-guardian"),
            pytest.param("P01", {"fullmaktTo": ["H01"]}, "/fullmaktTo/0", 400, id="fullmakt-to-nobody"),
            pytest.param("P01", {"municipality": "Bergen"}, "/municipality", 400, id="municipality"),
            pytest.param("P01", {"gpHpr": "0123"}, "/gpHpr", 400, id="hpr"),
            pytest.param("P01", {"status": "Asleep"}, "/status", 400, id="status"),
            pytest.param("P01", {"nin": "02917149979"}, None, 409, id="number-of-somebody-else"),
            pytest.param("P99", {"given": "X"}, None, 404, id="nobody"),
        ],
    )
    def test_what_cannot_be(
        self, desk: Desk, person: str, patch: dict[str, Any], pointer: str | None, status: int
    ) -> None:
        before = desk.get("/persons")
        answer = desk.send("PATCH", f"/persons/{person}", {**patch, "family": "NY"})
        if "nin" in patch and status == 409:
            patch.update(birthDate="1971-11-02", gender="male")
            answer = desk.send("PATCH", f"/persons/{person}", patch)
        refused(answer, pointer, status)
        assert desk.get("/persons") == before
        assert patch.get("nin") is None or patch["nin"] not in answer.text

    @pytest.mark.parametrize("body", [[], "x", 7, None])
    def test_a_patch_is_an_object(self, desk: Desk, body: Any) -> None:
        headers = {"Content-Type": "application/json"}
        path = "/_sandbox/v1/persons/P01"
        answer = desk.service.call("PATCH", path, desk.root, content=orjson.dumps(body), headers=headers)
        assert answer.status_code == 400

    def test_a_put_is_held_to_the_same(self, desk: Desk) -> None:
        refused(desk.send("PUT", "/persons/X1", {"nin": FREE, "birthDate": "1976-01-17"}), "/birthDate")
        refused(desk.send("PUT", "/persons/X1", {"nin": FREE, "parents": ["X1"]}), "/parents/0")
        assert desk.send("GET", "/persons/X1").status_code == 404

    def test_who_was_named_before_may_have_gone(self, desk: Desk) -> None:
        assert desk.send("DELETE", "/persons/P16").status_code == 204
        assert desk.send("PATCH", "/persons/P08", {"given": "NY"}).status_code == 200


def test_changes_at_once_are_all_kept(desk: Desk) -> None:
    patches: list[dict[str, Any]] = [
        {"given": "A"},
        {"family": "B"},
        {"municipality": "4601"},
        {"addressGroup": "C"},
        {"youthConsent": True},
    ]

    async def all_at_once() -> None:
        await asyncio.gather(
            *(desk.service.send("PATCH", "/_sandbox/v1/persons/P01", desk.root, each) for each in patches)
        )

    desk.service.run(all_at_once())
    changed = desk.get("/persons/P01")
    assert {name: changed[name] for each in patches for name in each} == {
        k: v for each in patches for k, v in each.items()
    }


class TestOtherRegisters:
    def test_an_authorisation_is_withdrawn(self, desk: Desk) -> None:
        changed = desk.send("PATCH", "/practitioners/H01", {"authorizations": []}).json()
        assert (changed["authorizations"], changed["hpr"]) == ([], "222250101")
        assert desk.get("/practitioners/H01") == changed

    @pytest.mark.parametrize(
        ("patch", "pointer", "status"),
        [
            ({"hpr": None}, "/hpr", 400),
            ({"hpr": "0222"}, "/hpr", 400),
            ({"nin": "1"}, "/nin", 400),
            ({"colour": 1}, "/colour", 400),
            ({"authorizations": ["doctor"]}, "/authorizations/0", 400),
            ({"hpr": "222250102"}, None, 409),
        ],
    )
    def test_a_bad_change_of_a_health_worker(
        self, desk: Desk, patch: dict[str, Any], pointer: str | None, status: int
    ) -> None:
        before = desk.get("/practitioners/H01")
        refused(desk.send("PATCH", "/practitioners/H01", {"given": "NY", **patch}), pointer, status)
        assert desk.get("/practitioners/H01") == before
        refused(desk.send("PATCH", "/practitioners/H99", {}), None, 404)

    def test_organisations(self, desk: Desk) -> None:
        assert desk.send("PATCH", "/organisations/O05", {"helsenettMember": False}).json()["herId"] == "990005"
        refused(desk.send("PATCH", "/organisations/O05", {"orgnr": "315500507"}), "/orgnr")
        refused(desk.send("PATCH", "/organisations/O05", {"parentOrgnr": "315500508"}), "/parentOrgnr")
        refused(desk.send("PATCH", "/organisations/O10", {"delegatedBy": ["1"]}), "/delegatedBy/0")
        refused(desk.send("PATCH", "/organisations/O05", {"name": None}), "/name")
        refused(desk.send("PATCH", "/organisations/O99", {}), None, 404)

    def test_the_list_of_a_general_practitioner(self, desk: Desk) -> None:
        assert desk.get("/practitioners/H01/patients") == {"persons": ["P01"]}
        put = desk.send("PUT", "/practitioners/H01/patients", {"persons": ["P03", "P02", "P03"]})
        assert put.json() == desk.get("/practitioners/H01/patients") == {"persons": ["P02", "P03"]}
        assert desk.get("/persons/P01")["gpHpr"] is None
        refused(desk.send("PUT", "/practitioners/H01/patients", {"persons": ["P01", "P99"]}), "/persons/1")
        assert desk.get("/practitioners/H01/patients") == {"persons": ["P02", "P03"]}
        refused(desk.send("GET", "/practitioners/H99/patients"), None, 404)
        refused(desk.send("PUT", "/practitioners/H99/patients", {"persons": []}), None, 404)

    def test_the_list_follows_to_a_new_hpr_number(self, desk: Desk) -> None:
        desk.send("PATCH", "/practitioners/H01", {"hpr": "222250999"})
        assert desk.get("/practitioners/H01/patients") == {"persons": ["P01"]}
        assert desk.get("/persons/P01")["gpHpr"] == "222250999"


def test_relations(desk: Desk) -> None:
    child = desk.get("/persons/P08/relations")
    assert child["parents"] == [{"id": "P15", "sameAddress": True}, {"id": "P16", "sameAddress": False}]
    assert (child["addressGroup"], child["atSameAddress"]) == ("A1", ["P09", "P10", "P15"])
    parent = desk.get("/persons/P16/relations")
    assert [each["id"] for each in parent["children"]] == ["P08", "P09", "P10"]
    assert {each["sameAddress"] for each in parent["children"]} == {False}
    assert desk.get("/persons/P13/relations")["fullmaktTo"] == ["P14"]
    assert desk.get("/persons/P14/relations")["fullmaktFrom"] == ["P13"]
    assert desk.get("/persons/P18/relations")["guardian"] == "P17"
    assert desk.get("/persons/P17/relations")["guardianOf"] == ["P18"]
    assert desk.get("/persons/P01/relations")["gp"] == {"hpr": "222250101", "practitioner": "H01"}
    refused(desk.send("GET", "/persons/P99/relations"), None, 404)


class TestGenerate:
    def test_they_are_in_the_register(self, desk: Desk) -> None:
        order = {"count": 3, "ageFrom": 70, "ageTo": 80, "gender": "male", "gpHpr": "222250102", "dNumber": True}
        made = desk.send("POST", "/persons/generate", order)
        assert made.status_code == 201
        for person in made.json()["persons"]:
            assert desk.get(f"/persons/{person['id']}") == person
            assert person["status"] == "Temporary"
        assert desk.get("/practitioners/H02/patients")["persons"] == ["G0001", "G0002", "G0003"]

    def test_an_equal_sandbox_gets_the_same(self, desk: Desk, installation: Service) -> None:
        other = Desk(installation, "equal")
        order = {"count": 10, "seed": "x"}
        one, two = (each.send("POST", "/persons/generate", order).json() for each in (desk, other))
        assert one == two

    def test_again_gives_others(self, desk: Desk) -> None:
        order = {"count": 10}
        both = [desk.send("POST", "/persons/generate", order).json()["persons"] for _ in range(2)]
        assert len({person["nin"] for made in both for person in made}) == 20
        assert len({person["id"] for made in both for person in made}) == 20

    @pytest.mark.parametrize(
        ("order", "pointer"),
        [
            ({}, "/count"),
            ({"count": 0}, "/count"),
            ({"count": 1001}, "/count"),
            ({"count": 1, "ageFrom": 5, "ageTo": 4}, "/ageFrom"),
            ({"count": 1, "prefix": "1234567890"}, "/prefix"),
            ({"count": 1, "gender": "other"}, "/gender"),
            ({"count": 1, "municipality": "12"}, "/municipality"),
            ({"count": 1, "gpHpr": "012"}, "/gpHpr"),
            ({"count": 1, "colour": "red"}, "/colour"),
        ],
    )
    def test_bad_criteria(self, desk: Desk, order: dict[str, Any], pointer: str) -> None:
        refused(desk.send("POST", "/persons/generate", order), pointer)
        assert len(desk.get("/persons")["persons"]) == 28

    def test_all_or_nothing(self, desk: Desk) -> None:
        clock = {"now": "1854-01-02T12:00:00Z", "force": True}
        desk.service.control("PUT", "/clock", clock, desk.root)
        refused(desk.send("POST", "/persons/generate", {"count": 1000, "ageTo": 0}), "/count")
        assert len(desk.get("/persons")["persons"]) == 28
