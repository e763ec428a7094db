"""The cases 72 to 88 of kritisk-info.md section 11 on the wire, as the rulings correct them, and RC-24 and RC-25.

Persons are those of ruling S30: A P26, B P01, D P05, E P17, F P03 (who has blocked H02), J P06; P14 has own entries.
Default: a token of H01 at O01, the clock standing still.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import orjson
import pytest

from app.clock import ManualClock
from app.routers.kjernejournal_fhir import OPENING
from app.services.kjernejournal.rules import TICKET_SECONDS
from tests.conformance.kj_kit import (
    INDICATOR,
    MACHINE,
    O09,
    PORTAL,
    KjWorld,
    feil,
    findings,
    flag,
    two_issues,
)
from tests.unit.trust.gate_kit import ABSENT

Case = Callable[[KjWorld], None]
CASES: list[tuple[str, Case]] = []
A, B, D, E, F, J = "01660199981", "14838449698", "09895949814", "03836249851", "21869049848", "05928849688"
OWN_ENTRIES, UNKNOWN, INVALID = "01897549995", "45920040881", "14838449699"
KNOWN = {
    "status",
    "returTekst",
    "sistEndretKritiskInfoDato",
    "sistEndretKritiskInfo",
    "sperringDetaljer",
    "eksistererBlokkertHelsepersonell",
    "harLasteResepter",
    "harLegemidler",
    "ticket",
}


def case(name: str) -> Callable[[Case], Case]:
    def add(function: Case) -> Case:
        CASES.append((name, function))
        return function

    return add


@pytest.fixture
def world(tmp_path: Path) -> Iterator[KjWorld]:
    made = KjWorld(tmp_path)
    yield made
    made.close()


# helseindikator


@case("ki-72")
def _(world: KjWorld) -> None:
    stored = world.record("P01")
    for more in ({}, {"token": world.kj_token(**MACHINE)}, {"path": INDICATOR + "/status"}):
        answer = world.indicator(B, **more)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert (told["status"], told["returTekst"]) == (4, "OBS: Kritisk informasjon i kjernejournal")
        assert told["ticket"]
        assert answer.headers["X-EVENT-ID"]
        assert answer.headers["Cache-Control"] == "no-cache, must-revalidate, private, s-maxage=0"
        assert told["sistEndretKritiskInfoDato"].endswith("Z")
        assert told["sistEndretKritiskInfo"] == [
            {"kategori": "OVER_REAK", "sistEndret": told["sistEndretKritiskInfoDato"]}
        ]
        assert told["sperringDetaljer"] == []
        assert told["eksistererBlokkertHelsepersonell"] is False
    assert stored.version == 1
    assert world.audited() == []


@case("ki-73")
def _(world: KjWorld) -> None:
    answers = [world.indicator(each).json() for each in (A, OWN_ENTRIES, D, UNKNOWN, INVALID)]
    assert [each["status"] for each in answers] == [2, 3, 1, 1, 0]
    assert ["ticket" in each for each in answers] == [True, True, False, False, False]
    assert all(each["returTekst"] for each in answers)
    assert all("sistEndretKritiskInfoDato" not in each for each in answers)


@case("ki-74")
def _(world: KjWorld) -> None:
    for number in (A, D, INVALID):
        first, second = (set(world.indicator(number).json()) - KNOWN for _ in range(2))
        assert len(first) == 1
        assert first == second


@case("ki-75")
def _(world: KjWorld) -> None:
    world.record("P03")
    told = world.indicator(F).json()
    assert told["status"] == 4
    assert told["eksistererBlokkertHelsepersonell"] is True
    assert "sistEndretKritiskInfoDato" not in told
    assert "sistEndretKritiskInfo" not in told
    two_issues(world.fhir("AllergyIntolerance", told["ticket"]), 403, "KI-9014")  # H01 is not the one who is blocked


@case("ki-76")
def _(world: KjWorld) -> None:
    feil(world.indicator(B, headers={"X-EPJ-System": None}), 400, "AUTH-0003")


@case("ki-77")
def _(world: KjWorld) -> None:
    feil(world.indicator(B, token=world.kj_token(parent=O09, child=ABSENT)), 403, "KJF-000022")
    feil(world.indicator(B, token=world.kj_token(**MACHINE, parent=O09, child=ABSENT)), 403, "KJF-000022")


@case("RC-24")
def _(world: KjWorld) -> None:
    portal = world.portal_token()
    answer = world.indicator(B, token=portal, scheme="Bearer")
    assert answer.status_code == 200, answer.text
    assert answer.json()["returTekst"]
    assert ("C27", "risk") in findings(world, answer)
    elsewhere = world.call("POST", "/pps/DiagnosticReport/_search", token=world.token("v1"), scheme="Bearer")
    assert elsewhere.status_code == 401


# legacy FHIR


@case("ki-78")
def _(world: KjWorld) -> None:
    stored = [world.record("P01"), world.record("P01", flag(), category=9)]
    world.record("P03")
    answer = world.fhir("Patient/$everything", world.ticket(B))
    assert answer.status_code == 200, answer.text
    assert answer.headers["X-EVENT-ID"]
    assert answer.headers["Content-Type"] == "application/fhir+json"
    bundle = answer.json()
    assert (bundle["resourceType"], bundle["type"], bundle["total"]) == ("Bundle", "searchset", 2)
    assert [each["resource"] for each in bundle["entry"]] == [orjson.loads(each.body) for each in reversed(stored)]
    (row,) = world.audited()
    assert (row["basis"], row["decision"]["outcome"]) == ("SAMTYKKE", "PERMIT")


@case("ki-79")
def _(world: KjWorld) -> None:
    two_issues(world.fhir("Flag", "garbage"), 401, "KJF-000011")
    two_issues(world.fhir("Flag", "x" * 1000), 401, "KJF-000011")
    two_issues(world.fhir("Flag", None), 400, "AUTH-0003")
    ticket = world.ticket(B)
    another = world.kj_token(parent="315500206", child=ABSENT)
    two_issues(world.fhir("Flag", ticket, token=another), 401, "KJF-000011")
    for way in (ticket, quote(ticket, safe="")):
        assert world.fhir("Flag", way).status_code == 200
    assert isinstance(world.core.clock, ManualClock)
    world.core.clock.now += TICKET_SECONDS
    expired = world.fhir("Flag", ticket)
    two_issues(expired, 401, "KJF-000015")
    assert expired.headers["WWW-Authenticate"]


@case("ki-80")
def _(world: KjWorld) -> None:
    world.record("P17")
    ticket = world.ticket(E)
    two_issues(world.fhir("AllergyIntolerance", ticket), 403, "KI-9015")
    for ground, basis in (("HPAKUTT", "FORHOYET_AKUTT"), ("HPMOTTATTSAMTYKKE", "FORHOYET_SAMTYKKE")):
        opened = world.fhir("AllergyIntolerance", ticket, headers={OPENING: ground})
        assert opened.status_code == 200, opened.text
        assert opened.json()["total"] == 1
        assert world.audited()[-1]["basis"] == basis
        assert world.audited()[-1]["elevated"] is True
    two_issues(world.fhir("AllergyIntolerance", ticket, headers={OPENING: "HPUNNTAK"}), 400, "AUTH-0003")


@case("ki-81")
def _(world: KjWorld) -> None:
    world.record("P01")
    two_issues(world.fhir("AllergyIntolerance", world.ticket(B), headers={OPENING: "HPAKUTT"}), 400, "KI-9016")


@case("ki-82")
def _(world: KjWorld) -> None:
    two_issues(world.fhir("Flag", world.ticket(B), token=world.kj_token(level="3")), 403, "AUTH-9002")
    feil(world.indicator(B, token=world.kj_token(level="3")), 403, "AUTH-9002")
    feil(world.launch(B, token=world.portal_token(level="3")), 403, "AUTH-9002")


# the portal session


@case("ki-84")
def _(world: KjWorld) -> None:
    answer = world.launch(B)
    assert answer.status_code == 200, answer.text
    assert answer.json()["code"]
    assert answer.json()["sessionId"]
    assert answer.headers["X-EVENT-ID"] == "event-1"


@case("ki-85")
def _(world: KjWorld) -> None:
    bearer = world.launch(B, scheme="Bearer")
    feil(bearer, 401, "KJF-000123")
    assert bearer.headers["WWW-Authenticate"].startswith("DPoP")
    feil(world.launch(B, headers={"DPoP": None}), 401, "AUTH-9001")
    only = world.portal_token("nhn:kjernejournal/innlogging")
    feil(world.launch(B, token=only), 403, "AUTH-9002")
    for wrong in ("EPJ_1", "EP", "E" * 513, None):
        feil(world.launch(B, headers={"X-SOURCE-SYSTEM": wrong}), 400, "AUTH-0003")


@case("ki-86")
def _(world: KjWorld) -> None:
    code = world.launch(B).json()["code"]
    wrong = world.enter(code, "wrong-verifier")
    assert wrong.status_code == 403
    assert world.enter(code).status_code == 403  # the code is spent on a wrong verifier too
    code = world.launch(B).json()["code"]
    opened = world.enter(code)
    assert opened.status_code == 302
    assert opened.headers["Location"].endswith(f"{PORTAL}/")
    assert "HttpOnly" in opened.headers["Set-Cookie"]
    assert world.enter(code).status_code == 403


@case("ki-87")
def _(world: KjWorld) -> None:
    session = world.launch(B).json()["sessionId"]
    answer = world.session("refresh", {"sessionId": session}, content_type=False)
    assert answer.status_code == 200, answer.text
    assert ("C28", "risk") in findings(world, answer)


@case("ki-88")
def _(world: KjWorld) -> None:
    session = world.launch(B).json()["sessionId"]
    assert world.session("end", {"sessionId": session}).status_code == 200
    assert world.session("refresh", {"sessionId": session}).status_code == 404
    assert world.session("end", {"sessionId": session}).status_code == 404


@case("RC-25")
def _(world: KjWorld) -> None:
    session = world.launch(B).json()["sessionId"]
    answer = world.session("end", {"sessionId": session}, content_type=False, proof_claims={"ath": ABSENT})
    assert answer.status_code == 200, answer.text
    assert findings(world, answer).count(("C28", "risk")) == 2
    world.configure(profile="strict")
    session = world.launch(B).json()["sessionId"]
    feil(world.session("end", {"sessionId": session}, proof_claims={"ath": ABSENT}), 401, "AUTH-9001")
    feil(world.session("end", {"sessionId": session}, content_type=False), 415, "KI-9018")


@pytest.mark.parametrize("run", [pytest.param(run, id=name) for name, run in CASES])
def test_kjernejournal(run: Case, world: KjWorld) -> None:
    run(world)
