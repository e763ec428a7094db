"""The older FHIR surface: the same records as critical information v1, read and written with a ticket."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from app.routers.kjernejournal_fhir import OPENING, USE
from app.services.kritiskinfo import samples
from app.trust.facts import Setting, SettingKind
from tests.conformance.ki_kit import BASE, DOCTOR, place, role
from tests.conformance.kj_kit import MACHINE, KjWorld, two_issues
from tests.unit.trust.gate_kit import ABSENT

B, D, E, J = "14838449698", "09895949814", "03836249851", "05928849688"
FHIR = "application/fhir+json; charset=UTF-8"


class Both(KjWorld):
    """Kjernejournal and critical information v1 in one installation."""

    def new(self, path: str) -> httpx.Response:
        """Read B's records in critical information v1."""
        token = self.signed_for("nhn:critical-information", "nhn:critical-information/api")
        headers = {
            "nhn-user-role": role(),
            "nhn-source-system": "Sandkasse EPJ 1.0",
            "nhn-access-basis": "SAMTYKKE",
            "nhn-patient-nin": B,
        }
        return self.call("GET", BASE + path, token=token, headers=headers)

    def signed_for(self, audience: str, scope: str) -> str:
        return self.kj_token(aud=audience, scope=["openid", scope])

    def wrote(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        content = None if body is None else orjson.dumps(body)
        headers: dict[str, str | None] = {"Content-Type": FHIR, **more.pop("headers", {})}
        return self.fhir(path, more.pop("ticket", None) or self.ticket(B), method, content=content, headers=headers)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Both]:
    made = Both(tmp_path)
    yield made
    made.close()


def test_a_record_is_the_same_on_both_surfaces(world: Both) -> None:
    made = world.wrote("POST", "AllergyIntolerance", samples.drug_reaction(place()))
    assert made.status_code == 201, made.text
    id_ = made.json()["id"]
    assert made.headers["Location"].endswith(f"/kjernejournal/v1/fhir/AllergyIntolerance/{id_}/_history/1")
    read = world.new(f"/AllergyIntolerance/{id_}")
    old = world.fhir(f"AllergyIntolerance/{id_}", world.ticket(B))
    assert read.content == old.content == made.content
    assert old.headers["ETag"] == 'W/"1"'
    rows = world.audited()
    assert [row["operation"] for row in rows] == [f"AllergyIntolerance/{name}" for name in ("create", "read", "read")]
    assert rows[0]["target"] == [f"AllergyIntolerance/{id_}/_history/1"]


def test_changing_and_deleting(world: Both) -> None:
    body = world.wrote("POST", "AllergyIntolerance", samples.drug_reaction(place())).json()
    where = f"AllergyIntolerance/{body['id']}"
    newer = samples.changed(body, DOCTOR, criticality="low")
    assert world.wrote("PUT", where, newer).status_code == 200
    two_issues(world.wrote("PUT", where, newer), 409, "KJF-000065")
    assert world.fhir(f"{where}/_history", world.ticket(B)).json()["total"] == 2
    assert world.wrote("DELETE", where).status_code == 204
    gone = world.fhir(where, world.ticket(B))
    assert (gone.status_code, gone.json()["id"]) == (410, body["id"])
    assert "subject" not in gone.json()
    assert gone.headers["X-EVENT-ID"]
    assert world.fhir("Patient/$everything", world.ticket(B)).json()["total"] == 0
    assert world.indicator(B).json()["status"] == 2


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        pytest.param({"meta": {}}, 400, "KI-0014", id="no profile"),
        pytest.param({"note": [{"text": "x" * 501}]}, 400, "KI-0014", id="a long note"),
        pytest.param({"resourceType": "Flag"}, 400, "KJF-000018", id="another type"),
    ],
)
def test_content_that_breaks_a_rule(world: Both, change: dict[str, Any], status: int, code: str) -> None:
    two_issues(world.wrote("POST", "AllergyIntolerance", {**samples.drug_reaction(place()), **change}), status, code)
    assert world.indicator(B).json()["status"] == 2


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "Patient", 404, "KI-9005"),
        ("GET", "Observation/1", 404, "KI-9005"),
        ("PATCH", "Flag/1", 405, "KI-9005"),
        ("GET", "Flag/unknown", 404, "KI-9003"),
        ("GET", "Flag?criticalInfoType=x", 400, "KI-9007"),
    ],
)
def test_what_is_not_there(world: Both, method: str, path: str, status: int, code: str) -> None:
    two_issues(world.fhir(path, world.ticket(B), method), status, code)


def test_the_methods_of_an_address(world: Both) -> None:
    answer = world.fhir("Flag/1", world.ticket(B), "PATCH")
    assert answer.headers["Allow"] == "DELETE, GET, PUT"


def test_a_machine_gets_a_ticket_it_cannot_read_with(world: Both) -> None:
    machine = world.kj_token(**MACHINE)
    ticket = world.ticket(B, token=machine)
    two_issues(world.fhir("Flag", ticket, token=machine), 403, "AUTH-9002")
    assert world.fhir("Flag", ticket).status_code == 200


@pytest.mark.parametrize(
    ("asked", "sent", "basis"),
    [
        ({}, {}, "SAMTYKKE"),
        ({"samtykke": "HPUNNTAK"}, {}, "UNNTAK"),
        ({"samtykke": "HPUNNTAK"}, {USE: "HPAKUTT"}, "AKUTT"),
    ],
)
def test_the_ground_of_a_call(world: Both, asked: dict[str, str], sent: dict[str, str | None], basis: str) -> None:
    assert world.fhir("Flag", world.ticket(B, body=asked), headers=sent).status_code == 200
    assert world.audited()[-1]["basis"] == basis


def test_an_attempt_with_a_wrong_header_is_audited(world: Both) -> None:
    ticket = world.ticket(B)
    two_issues(world.fhir("Flag", ticket, headers={"X-EPJ-System": None}), 400, "AUTH-0003")
    two_issues(world.fhir("Flag", ticket, headers={OPENING: "TULL"}), 400, "AUTH-0003")
    assert [row["decision"]["reason"] for row in world.audited()] == ["HEADER_MISSING", "BASIS_INVALID"]


def test_what_is_set_after_the_ticket_counts(world: Both) -> None:
    ticket = world.ticket(B)
    world.set("P01", Setting("kj-reservation", "KJ", SettingKind.RESERVATION))
    two_issues(world.fhir("Flag", ticket), 403, "KJF-000017")
    two_issues(
        world.wrote("POST", "AllergyIntolerance", samples.drug_reaction(place()), ticket=ticket), 403, "KJF-000017"
    )


def test_a_protected_address_counts_at_once(world: Both) -> None:
    ticket = world.ticket(B)
    world.send("PATCH", "/_sandbox/v1/persons/P01", json={"addressProtection": "Confidential"})
    two_issues(world.fhir("Flag", ticket), 403, "KI-9011")
    again = world.ticket(B)  # the symbol learns of it at night
    two_issues(world.fhir("Flag", again), 403, "KI-9011")


def test_a_nurse_reads_and_a_withdrawn_doctor_does_not(world: Both) -> None:
    ticket = world.ticket(B)
    nurse = world.kj_token(pid="10909049240", hpr="222250103")
    assert world.fhir("Flag", ticket, token=nurse).status_code == 200
    withdrawn = world.kj_token(pid="18885849179", hpr="222250108")
    two_issues(world.fhir("Flag", ticket, token=withdrawn), 403, "AUTH-0010")
    two_issues(world.fhir("Flag", ticket, token=world.kj_token(hpr=ABSENT)), 403, "AUTH-0010")


def test_an_organisation_that_loses_its_access(world: Both) -> None:
    ticket = world.ticket(B)
    body = {"kjAccess": False}
    assert world.send("PATCH", "/_sandbox/v1/organisations/O01", json=body).json()["kjAccess"] is False
    two_issues(world.fhir("Flag", ticket), 403, "KJF-000022")
    assert world.audited()[-1]["decision"]["row"] == "C0"


def test_a_scope_of_the_portal_is_not_enough(world: Both) -> None:
    two_issues(world.fhir("Flag", world.ticket(B), token=world.portal_token()), 403, "AUTH-9002")


def test_a_bound_token_is_no_bearer_token_here(world: Both) -> None:
    ticket = world.ticket(B)
    two_issues(world.fhir("Flag", ticket, scheme="Bearer"), 401, "KJF-000123")
    assert world.fhir("Flag", ticket, scheme="Bearer", token=world.kj_token(cnf=ABSENT)).status_code == 200


def test_in_ehds_mode_a_block_looks_like_nothing_recorded(world: Both) -> None:
    world.record("P17")
    world.configure(mode="ehds")
    answer = world.fhir("AllergyIntolerance", world.ticket(E))
    assert (answer.status_code, answer.json()["total"]) == (200, 0)
