"""The control API, through the resolving middleware."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, cast

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, create_engine

from app.clock import ManualClock
from app.core import Core
from app.errors import Reason, Refusal
from app.ids import SeededIds
from app.routers import control
from app.routers.control import Ports
from app.routers.resolver import Resolver
from app.sandboxes import manager
from app.sandboxes.state import SandboxState
from app.settings import Settings
from app.store import clients, privacy, tables
from app.store.engine import AuditEntry, Store, Unit
from app.synthetic import people
from app.trust import audit
from app.trust.trail import Trail
from tests.support.lent import lent

NOW = 1_795_000_000.0  # 2026-11-18T11:06:40Z
BASE = "http://localhost:8000/_sandbox/v1"
REFS = {"P19": (("Svarrapport", "d19"),)}


def seeder(conn: Connection, state: SandboxState, now: float) -> None:
    people.seed_people(conn, state.id, now, REFS)
    clients.seed(conn, state.id)


async def mint(core: Core, trail: Trail, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"access_token": "t", "token_type": "DPoP", "wanted": dict(wanted)}


async def put_fhir(core: Core, trail: Trail, service: str, body: bytes) -> Mapping[str, Any]:
    if service != "pps":
        raise Refusal(Reason.NOT_FOUND, "the service takes no FHIR")
    return {"stored": len(body)}


@dataclass
class Desk:
    """The API with its clock and store at hand."""

    core: Core
    clock: ManualClock
    app: Resolver

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app)) as client:
                extra = {} if body is None else {"json": body}
                url = path if path.startswith("http") else BASE + path
                return await client.request(method, url, **extra, **options)

        return asyncio.run(send())

    def get(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()


def make(folder: Path, ports: Ports, **settings: Any) -> Desk:
    (folder / "a.db").write_bytes(_template())
    core, clock = _core(folder / "a.db", **settings)
    api = lent(core, _api, *cast(Any, (ports.seeder, ports.mint, ports.put_fhir)))
    return Desk(core, clock, Resolver(core, {"control": api, "web": FastAPI()}, FastAPI()))


def _api(core: Core, *ports: Any) -> FastAPI:
    return control.create(core, Ports(*ports))


@cache
def _template() -> bytes:
    """The file of an installation whose default sandbox has people and clients alone."""
    with tempfile.TemporaryDirectory(prefix="sandkasse-control-") as folder:
        path = Path(folder) / "template.db"
        tables.metadata.create_all(create_engine(f"sqlite:///{path}"))
        core, _ = _core(path)
        asyncio.run(manager.ensure(core, seeder=seeder))
        core.store.close()
        return path.read_bytes()


def _core(path: Path, **settings: Any) -> tuple[Core, ManualClock]:
    chosen, clock = Settings(database_url=f"sqlite:///{path}", **settings), ManualClock(NOW)
    core = Core(chosen, Store(chosen.database_url, clock), clock, SeededIds("t"))
    core.store.start()
    return core, clock


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = make(tmp_path, Ports(seeder, mint, put_fhir))
    yield made
    made.core.store.close()


def problem(answer: httpx.Response, status: int, detail: str, pointer: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert detail in body["detail"]
    assert body.get("pointer") == pointer
    assert set(body) <= {"type", "title", "status", "detail", "pointer"}


class TestAdminKey:
    @pytest.mark.parametrize(
        ("settings", "headers", "status"),
        [
            pytest.param({}, {}, 200, id="loopback"),
            pytest.param({"admin_key": "k"}, {}, 401, id="missing"),
            pytest.param({"admin_key": "k"}, {"X-Admin-Key": "x"}, 401, id="wrong"),
            pytest.param({"admin_key": "k"}, {"X-Admin-Key": "k"}, 200, id="right"),
            pytest.param({"host": "0.0.0.0"}, {}, 401, id="public-without-key"),
            pytest.param({"host": "0.0.0.0"}, {"X-Admin-Key": ""}, 401, id="public-empty-key"),
        ],
    )
    def test_who_may(self, tmp_path: Path, settings: dict[str, str], headers: dict[str, str], status: int) -> None:
        desk = make(tmp_path, Ports(), **settings)
        for path in ("/persons", "/sandboxes", "/clock", "/audit", "/clients/sandkasse-epj/key"):
            assert desk.call("GET", path, headers=headers).status_code == status
        desk.core.store.close()

    def test_the_refusal_is_a_problem(self, tmp_path: Path) -> None:
        desk = make(tmp_path, Ports(), admin_key="k")
        problem(desk.call("GET", "/persons"), 401, "X-Admin-Key")
        desk.core.store.close()


class TestSandboxes:
    def test_life_of_a_sandbox(self, desk: Desk) -> None:
        made = desk.call("POST", "/sandboxes", {"name": "team-a", "settings": {"mode": "ehds"}, "expiresIn": 60})
        assert made.status_code == 201
        assert made.headers["location"] == BASE + "/sandboxes/team-a"
        assert made.json()["base"] == "http://localhost:8000/s/team-a"
        assert made.json()["settings"] == {"mode": "ehds"}
        assert {each["name"] for each in desk.get("/sandboxes")["sandboxes"]} == {"default", "team-a"}
        inside = "http://localhost:8000/s/team-a/_sandbox/v1"
        assert len(desk.get(inside + "/persons")["persons"]) == 28
        changed = desk.call(
            "PATCH", "/sandboxes/team-a", {"faults": {"privacy": "timeout"}, "settings": {"mode": None}}
        )
        assert (changed.json()["faults"], changed.json()["settings"]) == ({"privacy": "timeout"}, {})
        assert desk.get("/sandboxes/team-a") == changed.json()
        assert desk.call("DELETE", inside + "/persons/P01").status_code == 204
        assert desk.call("POST", "/sandboxes/team-a/reset").json()["faults"] == {}
        assert desk.get(inside + "/persons/P01")["id"] == "P01"
        assert desk.call("POST", "/sandboxes/team-a/reset", {"content": "empty"}).status_code == 200
        assert desk.get(inside + "/persons") == {"persons": []}
        assert desk.call("DELETE", "/sandboxes/team-a").status_code == 204
        problem(desk.call("GET", "/sandboxes/team-a"), 404, "no sandbox")
        assert desk.call("GET", inside + "/persons").status_code == 404

    def test_an_empty_one_and_a_named_seed(self, desk: Desk) -> None:
        made = desk.call("POST", "/sandboxes", {"content": "empty", "seed": "mine"}).json()
        assert (made["seed"], made["seededAt"]) == ("mine", None)

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"name": "default"}, "/name"),
            ({"name": "A"}, "/name"),
            ({"nmae": "a"}, "/nmae"),
            ({"expiresIn": -1}, "/expiresIn"),
            ({"settings": {"mode": "x"}}, "/settings/mode"),
            ({"faults": {"moon": "down"}}, "/faults/moon"),
        ],
    )
    def test_what_is_wrong_is_pointed_at(self, desk: Desk, body: dict[str, Any], pointer: str) -> None:
        problem(desk.call("POST", "/sandboxes", body), 400, "", pointer)

    def test_taken_and_undeletable(self, desk: Desk) -> None:
        desk.call("POST", "/sandboxes", {"name": "a", "content": "empty"})
        problem(desk.call("POST", "/sandboxes", {"name": "a"}), 409, "of that name", "/name")
        problem(desk.call("DELETE", "/sandboxes/default"), 409, "default")

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/sandboxes"),
            ("POST", "/sandboxes"),
            ("GET", "/sandboxes/default"),
            ("PATCH", "/sandboxes/default"),
            ("DELETE", "/sandboxes/a"),
            ("POST", "/sandboxes/a/reset"),
        ],
    )
    def test_not_inside_a_sandbox(self, desk: Desk, method: str, path: str) -> None:
        desk.call("POST", "/sandboxes", {"name": "a", "content": "empty"})
        body: dict[str, Any] | None = {} if method in ("POST", "PATCH") else None
        problem(desk.call(method, "http://localhost:8000/s/a/_sandbox/v1" + path, body), 404, "outside")

    def test_unknown_sandbox_is_404(self, desk: Desk) -> None:
        assert desk.call("GET", "http://localhost:8000/s/nowhere/_sandbox/v1/clock").status_code == 404


class TestClock:
    def test_set_freeze_advance_release(self, desk: Desk) -> None:
        assert desk.get("/clock")["now"] == desk.get("/clock")["real"] == "2026-11-18T11:06:40.000000Z"
        put = desk.call("PUT", "/clock", {"now": "2026-12-01T08:00:00+01:00", "frozen": True}).json()
        assert (put["now"], put["frozen"]) == ("2026-12-01T07:00:00.000000Z", True)
        desk.clock.now += 100
        assert desk.call("PATCH", "/clock", {"advance": "P1D"}).json()["now"] == "2026-12-02T07:00:00.000000Z"
        assert desk.call("PATCH", "/clock", {"advance": 60, "frozen": False}).json()["frozen"] is False
        desk.clock.now += 10
        assert desk.get("/clock")["now"] == "2026-12-02T07:01:10.000000Z"
        assert desk.call("PUT", "/clock", {"now": "real"}).json()["now"] == desk.get("/clock")["real"]

    @pytest.mark.parametrize("body", [{}, {"now": "2026-12-01T08:00:00"}, {"now": "soon"}, {"now": "real", "x": 1}])
    def test_bad_times(self, desk: Desk, body: dict[str, Any]) -> None:
        assert desk.call("PUT", "/clock", body).status_code == 400

    @pytest.mark.parametrize("case", [pytest.param(None, id="R32")])
    def test_not_back_past_a_minted_token(self, desk: Desk, case: None) -> None:
        assert desk.call("POST", "/tokens", {"persona": "H01"}).status_code == 201
        problem(desk.call("PATCH", "/clock", {"advance": -1}), 409, "newest token")
        assert desk.get("/clock")["now"] == "2026-11-18T11:06:40.000000Z"
        forced = desk.call("PATCH", "/clock", {"advance": -1, "force": True}).json()
        assert forced["now"] == "2026-11-18T11:06:39.000000Z"


class TestRegisters:
    def test_a_person_by_id(self, desk: Desk) -> None:
        p25 = desk.get("/persons/P25")
        assert (p25["nin"], p25["previousNins"]) == ("23899449436", ["63899449853"])
        assert desk.get("/persons/P01")["gpHpr"] == "222250101"
        problem(desk.call("GET", "/persons/P99"), 404, "no person")

    def test_a_new_person_gets_a_synthetic_number(self, desk: Desk) -> None:
        body = {"birthDate": "1984-03-14", "gender": "female", "given": "NY", "family": "REV"}
        made = desk.call("PUT", "/persons/X1", body)
        again = desk.call("PUT", "/persons/X2", body)
        assert made.status_code == again.status_code == 201
        assert made.json()["nin"][:6] == "148384"
        assert made.json()["nin"] != again.json()["nin"]
        changed = desk.call("PUT", "/persons/X1", {**body, "status": "Deceased", "deceasedDate": "2026-01-01"})
        assert changed.status_code == 200
        assert (changed.json()["nin"], changed.json()["deceasedDate"]) == (made.json()["nin"], "2026-01-01")
        assert desk.call("DELETE", "/persons/X1").status_code == 204
        assert desk.call("DELETE", "/persons/X1").status_code == 404

    def test_a_changed_number_keeps_the_old_one(self, desk: Desk) -> None:
        made = desk.call("PUT", "/persons/P12", {"nin": "50846202355", "previousNins": ["68467038838"]}).json()
        assert made["previousNins"] == ["43909349738", "68467038838"]

    def test_the_story_and_the_gp_survive_a_put(self, desk: Desk) -> None:
        known = desk.get("/persons/P01")
        body = {"nin": known["nin"], "birthDate": known["birthDate"], "gpHpr": "222250102"}
        put = desk.call("PUT", "/persons/P01", body).json()
        assert (put["scenario"], put["gpHpr"]) == (known["scenario"], "222250102")

    @pytest.mark.parametrize(
        ("body", "status", "detail", "pointer"),
        [
            ({"nin": "14838449699"}, 400, "control digits", "/nin"),
            ({"nin": "02917149979"}, 409, "another person", None),
            ({}, 400, "birthDate and gender", "/nin"),
            ({"birthDate": "1700-01-01", "gender": "male"}, 400, "birth year", "/birthDate"),
            ({"birthDate": "x", "gender": "male"}, 400, "", "/birthDate"),
            ({"nin": "50846202355", "gpHpr": "0123"}, 400, "HPR", "/gpHpr"),
            ({"nin": "50846202355", "colour": "red"}, 400, "", "/colour"),
            ({"nin": "50846202355", "previousNins": ["1"]}, 400, "11 digits", "/previousNins"),
        ],
    )
    def test_bad_persons(self, desk: Desk, body: dict[str, Any], status: int, detail: str, pointer: str | None) -> None:
        answer = desk.call("PUT", "/persons/X", body)
        problem(answer, status, detail, pointer)
        assert not body.get("nin") or body["nin"] not in answer.text

    @pytest.mark.parametrize("case", [pytest.param(None, id="R62")])
    def test_no_number_in_an_address(self, desk: Desk, case: None) -> None:
        answer = desk.call("PUT", "/persons/50846202355", {"nin": "50846202355"})
        problem(answer, 400, "not a bare number")

    def test_practitioners(self, desk: Desk) -> None:
        assert desk.get("/practitioners/H08")["authorizations"] == []
        body = {"nin": "50846202355", "hpr": "222200063", "authorizations": ["LE", "SP"]}
        assert desk.call("PUT", "/practitioners/H99", body).json()["authorizations"] == ["LE", "SP"]
        assert len(desk.get("/practitioners")["practitioners"]) == 9
        problem(desk.call("PUT", "/practitioners/H98", body), 409, "another practitioner")
        problem(desk.call("PUT", "/practitioners/H98", {**body, "hpr": "0222"}), 400, "leading zero", "/hpr")
        assert desk.call("DELETE", "/practitioners/H99").status_code == 204
        problem(desk.call("DELETE", "/practitioners/H99"), 404, "no practitioner")
        problem(desk.call("GET", "/practitioners/H99"), 404, "no practitioner")

    def test_organisations(self, desk: Desk) -> None:
        assert desk.get("/organisations/O10")["delegatedBy"] == ["315500508", "315500605"]
        body = {"orgnr": "315501105", "name": "NY", "parentOrgnr": "315500109", "kind": "point_of_care"}
        assert desk.call("PUT", "/organisations/O99", body).json()["parentOrgnr"] == "315500109"
        assert len(desk.get("/organisations")["organisations"]) == 11
        problem(desk.call("PUT", "/organisations/O98", body), 409, "another organisation")
        problem(desk.call("PUT", "/organisations/O98", {**body, "orgnr": "315500108"}), 400, "modulus 11", "/orgnr")
        assert desk.call("DELETE", "/organisations/O99").status_code == 204
        problem(desk.call("DELETE", "/organisations/O99"), 404, "no organisation")
        problem(desk.call("GET", "/organisations/O99"), 404, "no organisation")


class TestShortForm:
    def put(self, desk: Desk, body: dict[str, Any], person: str = "P01") -> httpx.Response:
        return desk.call("POST", f"/persons/{person}/settings", body)

    def test_it_is_set_listed_and_removed(self, desk: Desk) -> None:
        made = self.put(desk, {"svc": "PPS", "kind": "specific_block", "hprRef": "H02"})
        assert made.status_code == 201
        (setting,) = made.json()["settings"]
        assert setting["subjects"] == [{"type": "HPR", "value": "222250102"}]
        assert (setting["active"], setting["sequence"]) == (True, 1)
        assert desk.get("/persons/P01/settings")["settings"] == [setting]
        path = f"/persons/P01/settings/{setting['id']}"
        assert desk.get(path) == setting
        assert desk.call("DELETE", path).status_code == 204
        problem(desk.call("DELETE", path), 404, "no setting")
        problem(desk.call("GET", path), 404, "no setting")

    def test_the_same_again_is_the_same(self, desk: Desk) -> None:
        body = {"svc": "PPS", "kind": "general_block"}
        assert self.put(desk, body).json() == self.put(desk, body).json()

    def test_put_under_an_id_counts_changes(self, desk: Desk) -> None:
        path = "/persons/P01/settings/mine"
        body = {"svc": "PPS", "kind": "org_block", "orgRef": "O02"}
        assert desk.call("PUT", path, body).status_code == 201
        changed = desk.call("PUT", path, {**body, "to": "2026-11-18T11:06:40Z"})
        assert changed.status_code == 200
        assert (changed.json()["sequence"], changed.json()["active"]) == (2, False)
        assert desk.call("PUT", "/persons/P01/settings/" + "x" * 65, body).status_code == 400

    def test_an_id_is_one_setting_whatever_the_service(self, desk: Desk) -> None:
        for service in ("PPS", "KJ"):
            desk.call("PUT", "/persons/P01/settings/mine", {"svc": service, "kind": "general_block"})
        assert [each["svc"] for each in desk.get("/persons/P01/settings")["settings"]] == ["KJ"]

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"svc": "PPS"}, "/kind"),
            ({"svc": "pps", "kind": "general_block"}, "/svc"),
            ({"svc": "PPS", "kind": "block"}, "/kind"),
            ({"svc": "PPS", "kind": "specific_block"}, "/subjects"),
            ({"svc": "PPS", "kind": "specific_block", "hprRef": "H99"}, "/hprRef"),
            ({"svc": "PPS", "kind": "specific_block", "orgRef": "O02"}, "/subjects"),
            ({"svc": "PPS", "kind": "org_block", "orgRef": "O99"}, "/orgRef"),
            ({"svc": "PPS", "kind": "org_block"}, "/subjects"),
            ({"svc": "PPS", "kind": "general_block", "hprRef": "H02"}, "/subjects"),
            ({"svc": "PPS", "kind": "pts_privacy"}, "/level"),
            ({"svc": "PPS", "kind": "pts_safety", "code": "X"}, "/code"),
            ({"svc": "PPS", "kind": "pts_safety", "code": "NORU"}, "/until"),
            ({"svc": "PPS", "kind": "specific_block", "subjects": [{"type": "HPR", "value": "0"}]}, "/subjects/0"),
            ({"svc": "PPS", "kind": "org_block", "subjects": [{"type": "ORGNR", "value": "1"}]}, "/subjects/0"),
            ({"svc": "PPS", "kind": "specific_block", "subjects": [{"type": "PID", "value": "1"}]}, "/subjects/0"),
            ({"svc": "PPS", "kind": "specific_block", "subjects": [{"type": "X", "value": "1"}]}, "/subjects/0/type"),
            ([], ""),
        ],
    )
    def test_bad_settings(self, desk: Desk, body: Any, pointer: str) -> None:
        problem(self.put(desk, body), 400, "", pointer)
        assert desk.get("/persons/P01/settings") == {"settings": []}

    def test_unknown_person(self, desk: Desk) -> None:
        problem(self.put(desk, {"svc": "PPS", "kind": "general_block"}, "P99"), 404, "no person")
        problem(desk.call("GET", "/persons/P99/settings"), 404, "no person")


class TestPvk:
    BLOCK = "ca32e9d8-df0f-5263-b6a7-d8dc009353b6"
    RESERVE = "a06367fa-45c9-5cd6-af7b-109af059bf55"
    JOURNAL = "ca40d7fe-d230-55f5-93d6-e4411b40aca2"

    def put(self, desk: Desk, guid: str, type_pi: str, **more: Any) -> httpx.Response:
        body = {"innbyggerFnr": "14838449698", "definisjonGuid": guid, "typePi": type_pi, "aktiv": True, **more}
        return desk.call("POST", "/persons/P01/settings", body)

    def test_reservation_on_and_off(self, desk: Desk) -> None:
        (made,) = self.put(desk, self.RESERVE.upper(), "reservasjon", partKode="pps").json()["settings"]
        assert (made["id"], made["kind"], made["svc"]) == (self.RESERVE, "reservation", "PPS")
        assert self.put(desk, self.RESERVE, "reservasjon", aktiv=False).json() == {"settings": []}
        assert desk.get("/persons/P01/settings") == {"settings": []}

    def test_named_personnel_in_periods(self, desk: Desk) -> None:
        own = {
            "aktorer": [{"type": "HPR", "value": "222250102"}],
            "perioder": [{"fra": "2026-11-01", "til": "2026-11-17"}, {"fra": "2026-11-18"}],
            "nivaa": "alle",
        }
        first, second = self.put(desk, self.BLOCK, "tilgangsbegrensning", innbyggerMetadata=own).json()["settings"]
        assert (first["kind"], first["active"], second["active"]) == ("specific_block", False, True)
        # Both days count, in Norwegian time.
        assert (first["from"], first["to"]) == ("2026-10-31T23:00:00.000000Z", "2026-11-17T23:00:00.000000Z")
        assert second["id"] == self.BLOCK + ".2"
        assert self.put(desk, self.BLOCK, "tilgangsbegrensning", aktiv=False).json() == {"settings": []}
        assert desk.get("/persons/P01/settings") == {"settings": []}

    def test_actors_of_both_kinds_become_a_setting_each(self, desk: Desk) -> None:
        actors = [{"type": "HPR", "value": "222250102"}, {"type": "ORGNR", "value": "315500206"}]
        made = self.put(desk, self.JOURNAL, "tilgangsbegrensning", innbyggerMetadata={"aktorer": actors})
        assert [each["kind"] for each in made.json()["settings"]] == ["specific_block", "org_block"]
        made = self.put(desk, self.JOURNAL, "tilgangsbegrensning")
        assert [each["kind"] for each in made.json()["settings"]] == ["general_block"]
        assert len(desk.get("/persons/P01/settings")["settings"]) == 1

    @pytest.mark.parametrize(
        ("guid", "type_pi", "more", "pointer"),
        [
            pytest.param(RESERVE, "tilgangsbegrensning", {}, "/typePi", id="V-52"),
            ("no-guid", "reservasjon", {}, "/definisjonGuid"),
            (RESERVE, "reservasjon", {"partKode": "kj"}, "/partKode"),
            (BLOCK, "tilgangsbegrensning", {}, "/innbyggerMetadata/aktorer"),
            (
                RESERVE,
                "reservasjon",
                {"innbyggerMetadata": {"aktorer": [{"type": "HPR", "value": "1"}]}},
                "/innbyggerMetadata/aktorer",
            ),
            ("2c11f0ca-7270-43f1-a473-bac325feb3f6", "samtykke", {}, "/definisjonGuid"),
            (RESERVE, "reservasjon", {"innbyggerFnr": "02917149979"}, "/innbyggerFnr"),
            (RESERVE, "reservasjon", {"innbyggerFnr": "02917149978"}, "/innbyggerFnr"),
            (RESERVE, "reservasjon", {"aktiv": "maybe"}, "/aktiv"),
        ],
    )
    def test_bad_bodies(self, desk: Desk, guid: str, type_pi: str, more: dict[str, Any], pointer: str) -> None:
        problem(self.put(desk, guid, type_pi, **more), 400, "", pointer)


class TestPatientPrivacy:
    BODY: ClassVar[dict[str, Any]] = {
        "offId": "14838449698",
        "privacyType": "Block",
        "privacyLevel": "Hard",
        "restrictionDomain": "PPS",
        "objectScope": {"type": "All"},
        "subjectScope": {"type": "Specified", "identifiers": [{"type": "HPR", "value": "222250102"}]},
    }

    def put(self, desk: Desk, **more: Any) -> httpx.Response:
        return desk.call("POST", "/persons/P01/settings", {**self.BODY, **more})

    def test_a_rule_and_its_successor(self, desk: Desk) -> None:
        scope = [{"from": "2026-01-01T00:00:00Z", "to": "2026-12-31T00:00:00Z"}]
        (made,) = self.put(desk, timeScope=scope).json()["settings"]
        assert (made["kind"], made["level"], made["code"], made["to"][:10]) == (
            "pts_privacy",
            "Hard",
            "Block",
            "2026-12-31",
        )
        (soft,) = self.put(desk, privacyLevel="Soft", restrictionDomain="Nilar").json()["settings"]
        assert (soft["id"], soft["level"], soft["sequence"]) == (made["id"], "Soft", 2)

    def test_single_objects(self, desk: Desk) -> None:
        scope = {"type": "Specified", "identifiers": [{"type": "Svarrapport", "value": "r1"}]}
        (made,) = self.put(desk, privacyType="Shield", objectScope=scope, subjectScope={"type": "All"}).json()[
            "settings"
        ]
        assert (made["objects"], made["subjects"]) == ([{"type": "Svarrapport", "value": "r1"}], [])

    @pytest.mark.parametrize(
        ("more", "pointer"),
        [
            ({"privacyType": "Wall"}, "/privacyType"),
            ({"privacyLevel": "Medium"}, "/privacyLevel"),
            ({"restrictionDomain": "KJ"}, "/restrictionDomain"),
            ({"objectScope": {"type": "Specified"}}, "/objectScope"),
            ({"subjectScope": {"type": "All", "identifiers": [{"type": "HPR", "value": "1"}]}}, "/subjectScope"),
            ({"offId": "02917149979"}, "/offId"),
        ],
    )
    def test_bad_rules(self, desk: Desk, more: dict[str, Any], pointer: str) -> None:
        problem(self.put(desk, **more), 400, "", pointer)


class TestPatientSafety:
    def put(
        self, desk: Desk, code: str, kind: str = "Rekvisisjon", nin: str = "14838449698", **more: Any
    ) -> httpx.Response:
        about = {"person": {"offId": nin}, "confidentialObjectId": {"type": kind, "value": "q1"}}
        body = {"patientSafetyObject": about, "confidentialityCode": code, **more}
        return desk.call("POST", "/persons/P01/settings", body)

    @pytest.mark.parametrize(
        ("code", "more", "text"),
        [
            pytest.param(
                "N",
                {"delayDeliveryUntil": "2027-01-01T00:00:00Z"},
                "DelayDeliveryUntil cannot be specified with ConfidentialityCode N",
                id="V-55, pps 99",
            ),
            pytest.param(
                "NORN_FFL",
                {"delayDays": 14},
                "DelayDeliveryUntil and DelayDays must be null for confidentialityCode NORN. "
                "DelayDeliveryUntil will be set by the service",
                id="pps 98",
            ),
            pytest.param(
                "NORU",
                {},
                "DelayDeliveryUntil or DelayDays must have values for confidentialityCode NORU",
                id="V-57",
            ),
            pytest.param(
                "NORU",
                {"delayDeliveryUntil": "2026-11-18T11:06:40Z"},
                "DelayDeliveryUntil must be set to a value in the future",
                id="past",
            ),
            pytest.param("NORU", {"delayDays": 1, "delayDeliveryUntil": "2027-01-01T00:00:00Z"}, "Only one", id="two"),
            pytest.param("NORU", {"delayDays": 0}, "at least 1", id="no days"),
            pytest.param("XXX", {"delayDays": 1}, "list 9603", id="code"),
        ],
    )
    def test_documented_texts(self, desk: Desk, code: str, more: dict[str, Any], text: str) -> None:
        answer = self.put(desk, code, **more)
        assert (answer.status_code, text in answer.json()["detail"]) == (400, True)
        assert desk.get("/persons/P01/settings") == {"settings": []}

    @pytest.mark.parametrize("case", [pytest.param(None, id="V-56")])
    def test_norn_is_stored_to_the_year_9999(self, desk: Desk, case: None) -> None:
        (made,) = self.put(desk, "NORN_FFL").json()["settings"]
        assert made["until"].startswith("9999-12-31")
        assert (made["kind"], made["code"]) == ("pts_safety", "NORN_FFL")

    def test_days_count_from_now_and_a_new_rule_replaces_the_old(self, desk: Desk) -> None:
        (first,) = self.put(desk, "NORU", delayDays=14).json()["settings"]
        assert first["until"] == "2026-12-02T11:06:40.000000Z"
        (second,) = self.put(desk, "N").json()["settings"]
        assert (second["id"], second["until"], second["sequence"]) == (first["id"], None, 2)

    def test_a_report_takes_a_date_but_no_days(self, desk: Desk) -> None:
        problem(self.put(desk, "NORU", "Svarrapport", delayDays=1), 400, "Rekvisisjon", "/delayDays")
        until = "2027-01-01T00:00:00Z"
        (made,) = self.put(desk, "NORU", "Svarrapport", delayDeliveryUntil=until).json()["settings"]
        assert made["until"][:10] == "2027-01-01"

    def test_another_persons_number(self, desk: Desk) -> None:
        answer = self.put(desk, "N", nin="02917149979")
        problem(answer, 400, "not that of the person", "/patientSafetyObject/person/offId")


class TestClients:
    def test_seeded_clients_and_their_keys(self, desk: Desk) -> None:
        found = {each["id"] for each in desk.get("/clients")["clients"]}
        assert found == {"sandkasse-epj", "sandkasse-leverandor", "sandkasse-maskin", "sandkasse-gammel"}
        answer = desk.call("GET", "/clients/sandkasse-epj/key")
        assert answer.json()["d"]
        assert answer.headers["cache-control"] == "no-store"
        assert "d" not in desk.get("/clients/sandkasse-epj")["jwks"][0]

    def test_an_own_client(self, desk: Desk) -> None:
        body = {"id": "mine", "orgnr_parent": "315500109"}
        assert desk.call("POST", "/clients", body).status_code == 201
        assert desk.call("POST", "/clients", body).status_code == 200
        problem(desk.call("GET", "/clients/mine/key"), 404, "seeded clients only")
        assert desk.call("DELETE", "/clients/mine").status_code == 204
        problem(desk.call("DELETE", "/clients/mine"), 404, "no client")
        problem(desk.call("GET", "/clients/mine/key"), 404, "no client")
        problem(desk.call("POST", "/clients", {"id": "mine", "colour": "red"}), 400, "unknown member")

    def test_tokens(self, desk: Desk) -> None:
        made = desk.call("POST", "/tokens", {"persona": "H01", "scopes": ["nhn:pps/provesvar-read"]})
        assert made.json()["wanted"] == {"persona": "H01", "scopes": ["nhn:pps/provesvar-read"]}
        assert made.headers["cache-control"] == "no-store"

    def test_resources(self, desk: Desk) -> None:
        assert desk.call("PUT", "/resources/pps", {}).json() == {"stored": 2}
        problem(desk.call("PUT", "/resources/kj", {}), 404, "takes no FHIR")

    def test_what_is_not_given_is_501(self, tmp_path: Path) -> None:
        desk = make(tmp_path, Ports())
        problem(desk.call("POST", "/tokens", {}), 501, "")
        problem(desk.call("PUT", "/resources/pps", {}), 501, "")
        assert desk.call("POST", "/sandboxes", {"name": "a"}).json()["seededAt"] is None
        desk.core.store.close()


class TestRecords:
    def test_exchanges(self, desk: Desk) -> None:
        rows = [
            {"id": "E1", "service": "pps-v2", "status": 200, "patient": "P01", "at": NOW, "client": "c"},
            {"id": "E2", "service": "pps", "status": 401, "patient": None, "at": NOW + 1, "reason": "TOKEN_MISSING"},
        ]
        for row in rows:
            stored = {"sandbox": "default", "reason": None, "client": None, **row, "body": b'{"id":"x"}'}
            asyncio.run(desk.core.store.commit(Unit(exchange=stored)))
        assert [each["id"] for each in desk.get("/exchanges")["exchanges"]] == ["E2", "E1"]
        for query in ("patient=P01", "service=pps-v2", "status=200", "client=c", "limit=1&status=200"):
            assert [each["id"] for each in desk.get("/exchanges?" + query)["exchanges"]] == ["E1"]
        assert [each["id"] for each in desk.get("/exchanges?since=2026-11-18T11:06:41Z")["exchanges"]] == ["E2"]
        assert desk.get("/exchanges/E1") == {"id": "x"}
        problem(desk.call("GET", "/exchanges/E9"), 404, "no exchange")
        problem(desk.call("GET", "/exchanges?limit=0"), 400, "limit")

    def test_audit(self, desk: Desk) -> None:
        key = desk.core.store.write_now(lambda conn: audit.index_key(conn, b"k" * 32))
        index = audit.patient_key("14838449698", key)

        def seal(seq: int, previous: bytes) -> tuple[bytes, bytes]:
            body = audit.canonical({"seq": seq, "prevHash": previous.hex()})
            return audit.chain_hash(previous, body), body

        entry = AuditEntry("default", "PPS", NOW, index, "ref", True, seal)
        asyncio.run(desk.core.store.commit(Unit(audit=(entry,))))
        for query in ("", "?patient=P01", "?decision_ref=ref", "?elevated=true", "?service=PPS"):
            assert len(desk.get("/audit" + query)["records"]) == 1
        for query in ("?patient=P02", "?decision_ref=x", "?elevated=false", "?until=2026-11-18T11:06:40Z"):
            assert desk.get("/audit" + query)["records"] == []
        assert desk.get("/audit?since=2026-11-18T11:06:40Z")["records"]
        problem(desk.call("GET", "/audit?patient=P99"), 404, "no person")
        checked = desk.get("/audit/verify")
        assert checked["ok"] is True
        assert [(each["service"], each["checked"]) for each in checked["chains"]] == [("PPS", 1)]
        assert desk.get("/audit/verify?service=KJ") == {"ok": True, "chains": []}
        desk.core.store.write_now(lambda conn: conn.execute(tables.audit.update().values(body=b'{"seq":1}')))
        broken = desk.get("/audit/verify")
        assert (broken["ok"], broken["chains"][0]["fault"]) == (False, {"seq": 1, "kind": "HASH_MISMATCH"})
        assert desk.get("/audit/keys")["keys"][0]["crv"] == "Ed25519"


class TestWire:
    def test_bodies_are_bounded(self, tmp_path: Path) -> None:
        desk = make(tmp_path, Ports(put_fhir=put_fhir), max_body_bytes=2000, max_message_bytes=4000)
        problem(desk.call("PUT", "/persons/X", {"given": "x" * 2000}), 413, "2000 bytes")
        assert desk.call("PUT", "/resources/pps", {"x": "x" * 3000}).status_code == 200
        problem(desk.call("PUT", "/resources/pps", {"x": "x" * 4000}), 413, "4000 bytes")
        desk.core.store.close()

    def test_what_is_not_json(self, desk: Desk) -> None:
        answer = desk.call("PUT", "/clock", headers={"content-type": "application/json"}, content=b"{")
        problem(answer, 400, "not JSON", "")
        answer = desk.call("PUT", "/clock", headers={"content-type": "text/plain"}, content=b'{"now":"real"}')
        assert answer.status_code == 400

    def test_routes_that_do_not_exist(self, desk: Desk) -> None:
        problem(desk.call("GET", "/moon"), 404, "Not Found")
        problem(desk.call("DELETE", "/clock"), 405, "Method Not Allowed")
        assert desk.call("DELETE", "/clock").headers["allow"]

    def test_errors_never_repeat_a_number(self, desk: Desk) -> None:
        wrong = {"nin": {"value": "02917149979"}}
        assert "02917149979" not in desk.call("PUT", "/persons/X", wrong).text

    def test_openapi_names_every_operation_with_an_example(self, desk: Desk) -> None:
        document = control.create(desk.core).openapi()
        operations = {(method, path) for path, each in document["paths"].items() for method in each}
        assert ("post", "/persons/{person_id}/settings") in operations
        assert len(operations) >= 40
        schemas = document["components"]["schemas"]
        assert "Problem" in schemas
        for name in ("NewSandbox", "PersonBody", "ShortSetting", "PvkSetting", "PatientPrivacy", "PatientSafety"):
            assert schemas[name]["examples"], name
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                assert operation["summary"], (method, path)
                assert "401" in operation["responses"], (method, path)

    def test_settings_written_here_are_what_gather_reads(self, desk: Desk) -> None:
        desk.call("POST", "/persons/P01/settings", {"svc": "PPS", "kind": "general_block"})
        found = desk.core.store.read_now(lambda conn: privacy.settings_of(conn, "default", "P01", service="PPS"))
        assert len(found) == 1
