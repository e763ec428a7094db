"""The portal page of kjernejournal, its sessions, and what helseindikator tells late."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from app.clock import ManualClock
from app.routers.kjernejournal_portal import COOKIE
from app.trust.facts import Setting, SettingKind
from tests.conformance.kj_kit import INDICATOR, KJ, PORTAL, KjWorld, feil, findings
from tests.support.world import HOST
from tests.unit.trust.gate_kit import ABSENT, NOW, attest, proof

B, D, E, F, G, J = "14838449698", "09895949814", "03836249851", "21869049848", "02917149979", "05928849688"
H02 = {"pid": "16867649135", "hpr": "222250102"}
OSLO = ZoneInfo("Europe/Oslo")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[KjWorld]:
    made = KjWorld(tmp_path)
    yield made
    made.close()


def advance(world: KjWorld, seconds: float) -> None:
    clock = world.core.clock
    assert isinstance(clock, ManualClock)
    clock.now += seconds


def protect(world: KjWorld, person: str, level: str = "Confidential") -> None:
    answer = world.send("PATCH", f"/_sandbox/v1/persons/{person}", json={"addressProtection": level})
    assert answer.status_code == 200, answer.text


# the page


def test_the_page_shows_six_groups_with_what_is_known_of_each_entry(world: KjWorld) -> None:
    world.record("P01")
    page = world.page(world.browser(B))
    assert page.status_code == 200, page.text
    assert page.text.count("<h2") == 6
    for shown in ("FRODIG BREGNE", "1984-03-14", "Penicillin V", "Legemiddelreaksjon", "Anafylaktisk reaksjon"):
        assert shown in page.text
    for shown in ("2021-05-01", "Tester", "Legerot, Årvåken, Frisk fjord", "Etter første tablett", "Aktiv"):
        assert shown in page.text
    assert B not in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    (row,) = world.audited()
    assert row["target"] == ["AllergyIntolerance/record-P01-1"]
    assert (row["actor"]["hpr"], row["basis"], row["decision"]["outcome"]) == ("222250101", "SAMTYKKE", "PERMIT")


def test_the_page_in_english(world: KjWorld) -> None:
    cookie = world.browser(B)
    page = world.send("GET", f"{PORTAL}/", headers={**cookie, "Accept-Language": "en"})
    assert '<html lang="en">' in page.text
    assert page.text.count("Nothing recorded.") == 6


@pytest.mark.parametrize("person", ["E", "G"])
def test_a_padlock_that_a_ground_opens_for_this_session_only(world: KjWorld, person: str) -> None:
    number, id_ = {"E": (E, "P17"), "G": (G, "P02")}[person]
    world.record(id_)
    cookie, other = world.browser(number), world.browser(number)
    locked = world.page(cookie)
    assert locked.status_code == 200
    assert "Penicillin V" not in locked.text
    assert [row["decision"]["reason"] for row in world.audited()] == ["GENERAL_BLOCK"]
    for ground in ("", "SAMTYKKE"):
        wrong = unlock(world, cookie, locked, ground)
        assert wrong.status_code == 400
        assert "Penicillin V" not in wrong.text
    opened = unlock(world, cookie, locked, "FORHOYET_AKUTT")
    assert (opened.status_code, opened.headers["Location"]) == (303, f"{HOST}{PORTAL}/")
    page = world.page(cookie)
    assert "Penicillin V" in page.text
    assert 'id="opened"' in page.text
    openings = [row for row in world.audited() if row["elevated"]]
    assert sorted(row["kind"] for row in openings) == ["decision", "release"]
    assert {row["basis"] for row in openings} == {"FORHOYET_AKUTT"}
    assert "Penicillin V" not in world.page(other).text


def test_an_opened_page_stays_open_when_the_restriction_is_lifted(world: KjWorld) -> None:
    world.record("P17")
    cookie = world.browser(E)
    unlock(world, cookie, world.page(cookie), "FORHOYET_SAMTYKKE")
    world.send("DELETE", "/_sandbox/v1/persons/P17/settings/kj-module-restriction")
    page = world.page(cookie)
    assert "Penicillin V" in page.text
    assert 'id="opened"' not in page.text


def test_a_form_of_another_page_opens_nothing(world: KjWorld) -> None:
    world.record("P17")
    cookie = world.browser(E)
    sent = {"grunnlag": "FORHOYET_AKUTT", "form": "0" * 64}
    answer = world.send("POST", f"{PORTAL}/lukk-opp", headers=cookie, data=sent)
    assert answer.status_code >= 400
    assert "Penicillin V" not in world.page(cookie).text


@pytest.mark.parametrize(
    ("number", "more", "heading"),
    [
        pytest.param(D, {}, "Innbyggeren har reservert seg", id="reserved"),
        pytest.param(J, {}, "Kjernejournalen kan ikke åpnes", id="protected"),
        pytest.param(F, H02, "Du har ikke tilgang til denne kjernejournalen", id="blocked"),
    ],
)
def test_a_page_of_its_own_for_what_no_ground_opens(
    world: KjWorld, number: str, more: dict[str, str], heading: str
) -> None:
    world.record("P03")
    cookie = world.browser(number, token=portal_token(world, **more) if more else None)
    page = world.page(cookie)
    assert page.status_code == 403
    assert f"<h1>{heading}</h1>" in page.text
    assert "Penicillin V" not in page.text
    assert "lukk-opp" not in page.text


def test_the_portal_works_for_others_than_the_blocked(world: KjWorld) -> None:
    world.record("P03")
    assert "Penicillin V" in world.page(world.browser(F)).text


def test_in_ehds_mode_a_restriction_looks_like_nothing_recorded(world: KjWorld) -> None:
    world.record("P17")
    world.configure(mode="ehds")
    page = world.page(world.browser(E))
    assert page.status_code == 200
    assert page.text.count("Ingenting registrert.") == 6
    assert "lukk-opp" not in page.text


def test_without_a_session_the_page_says_so(world: KjWorld) -> None:
    absent = world.page({})
    assert (absent.status_code, "AUT_105" in absent.text) == (403, True)
    strange = world.page({"Cookie": f"{COOKIE}=made-up"})
    assert (strange.status_code, "AUT_002" in strange.text) == (403, True)
    missing = world.send("GET", f"{PORTAL}/nothing")
    assert (missing.status_code, "Siden finnes ikke" in missing.text) == (404, True)


def test_leaving_closes_the_browser_and_not_the_session(world: KjWorld) -> None:
    answer = world.launch(B).json()
    cookie = {"Cookie": world.enter(answer["code"]).headers["set-cookie"].partition(";")[0]}
    assert "Du er logget ut" in world.page(cookie, "/loggut").text
    assert world.page(cookie).status_code == 403
    assert world.session("refresh", {"sessionId": answer["sessionId"]}).status_code == 200


def test_ending_the_session_closes_the_page(world: KjWorld) -> None:
    answer = world.launch(B).json()
    cookie = {"Cookie": world.enter(answer["code"]).headers["set-cookie"].partition(";")[0]}
    assert world.page(cookie).status_code == 200
    world.session("end", {"sessionId": answer["sessionId"]})
    assert world.page(cookie).status_code == 403


# the session


def test_a_session_ends_with_its_token_unless_it_is_refreshed(world: KjWorld) -> None:
    answer = world.launch(B).json()
    cookie = {"Cookie": world.enter(answer["code"]).headers["set-cookie"].partition(";")[0]}
    advance(world, 500)
    refreshed = world.session("refresh", {"sessionId": answer["sessionId"]}, token=world.portal_token(attest=ABSENT))
    assert refreshed.status_code == 200, refreshed.text
    advance(world, 500)
    assert world.page(cookie).status_code == 200
    advance(world, 200)
    over = world.page(cookie)
    assert (over.status_code, "AUT_002" in over.text) == (403, True)
    assert world.session("refresh", {"sessionId": answer["sessionId"]}).status_code == 404


def test_a_code_is_good_for_a_minute(world: KjWorld) -> None:
    code = world.launch(B).json()["code"]
    advance(world, 61)
    assert world.enter(code).status_code == 403


@pytest.mark.parametrize("change", [{"client_id": "another"}, {"parent": "315500206", "child": ABSENT}, H02])
def test_another_may_neither_refresh_nor_end_a_session(world: KjWorld, change: dict[str, object]) -> None:
    session = world.launch(B).json()["sessionId"]
    for operation in ("refresh", "end"):
        token = world.portal_token(attest=ABSENT, **change)
        feil(world.session(operation, {"sessionId": session}, token=token), 404, "KI-9003")
    assert world.session("refresh", {"sessionId": session}).status_code == 200


def test_two_sessions_of_one_browser_do_not_mix(world: KjWorld) -> None:
    world.record("P01")
    first, second = world.browser(B), world.browser(D)
    assert "Penicillin V" in world.page(first).text
    assert "Penicillin V" not in world.page(second).text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param({}, 400, "KJF-000018", id="nothing"),
        pytest.param({"sessionId": 7}, 400, "KJF-000018", id="a number"),
        pytest.param({"sessionId": "x" * 65}, 400, "KJF-000018", id="too long"),
        pytest.param({"sessionId": "unknown"}, 404, "KI-9003", id="unknown"),
    ],
)
def test_a_session_that_cannot_be_found(world: KjWorld, body: dict[str, object], status: int, code: str) -> None:
    feil(world.session("refresh", body), status, code)


@pytest.mark.parametrize(
    ("launch", "status", "code"),
    [
        pytest.param({"number": "14838449699"}, 400, "KJF-000016", id="a wrong number"),
        pytest.param({"number": "45920040881"}, 400, "KJF-000016", id="an unknown patient"),
        pytest.param({"number": B, "role": "SP"}, 403, "AUTH-0010", id="a role not held"),
        pytest.param({"number": B, "role": "ZZ"}, 400, "AUTH-0003", id="a role nobody has"),
        pytest.param({"number": B, "basis": "FORHOYET_AKUTT"}, 400, "KJF-000018", id="an elevated basis"),
        pytest.param({"number": B, "headers": {"X-EVENT-ID": "a_b"}}, 400, "AUTH-0003", id="an event id"),
    ],
)
def test_a_launch_that_is_refused(world: KjWorld, launch: dict[str, str], status: int, code: str) -> None:
    feil(world.launch(**launch), status, code)


def test_a_launch_needs_an_attest(world: KjWorld) -> None:
    refused = world.launch(B, token=world.portal_token(attest=ABSENT))
    feil(refused, 403, "AUTH-9002")
    assert [row["decision"]["reason"] for row in world.audited()] == ["ATTEST_MISSING"]


def test_a_replayed_proof_is_refused(world: KjWorld) -> None:
    token = world.kj_token()
    url = KJ + INDICATOR
    sent = {
        "Authorization": f"DPoP {token}",
        "DPoP": proof(token, htm="POST", htu=HOST + url),
        "X-EPJ-System": "EPJ",
    }
    answers = [world.send("POST", url, headers=sent, json={"fnr": B}) for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 401]


# helseindikator


def test_the_symbol_learns_of_a_protected_address_at_night(world: KjWorld) -> None:
    assert datetime.fromtimestamp(NOW, OSLO).hour == 12
    protect(world, "P01")
    assert world.indicator(B).json()["status"] == 2
    assert world.page(world.browser(B)).status_code == 403
    advance(world, 14 * 3600)
    assert world.indicator(B).status_code == 200
    advance(world, 3600)
    feil(world.indicator(B), 403, "KI-9011")
    protect(world, "P01", "Unclassified")
    assert world.indicator(B).status_code == 200


def test_restrictions_are_told_and_not_obeyed(world: KjWorld) -> None:
    world.record("P17")
    told = world.indicator(E).json()
    assert (told["status"], told["sperringDetaljer"]) == (4, [{"modul": "KRITISK_INFO"}])
    assert told["sistEndretKritiskInfoDato"]
    assert world.indicator(G).json()["sperringDetaljer"] == [{"modul": "KJERNEJOURNAL"}]


def test_a_deleted_record_is_not_critical_information(world: KjWorld) -> None:
    world.record("P01", state="deleted")
    assert world.indicator(B).json()["status"] == 2
    world.set("P01", Setting("block", "KJ", SettingKind.ORG_BLOCK, subjects=frozenset({("ORGNR", "315500206")})))
    assert world.indicator(B).json()["eksistererBlokkertHelsepersonell"] is True


@pytest.mark.parametrize(
    "body",
    [
        {"fnr": 7},
        {"fnr": None},
        {"samtykke": "SAMTYKKE"},
        {"samtykke": 1},
        {"legemiddelFraDato": "yesterday"},
        {"legemiddelFraDato": 20260101},
    ],
)
def test_a_question_that_breaks_the_schema(world: KjWorld, body: dict[str, object]) -> None:
    feil(world.indicator(B, body=body), 400, "KJF-000018")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff"])
def test_a_question_that_is_no_object(world: KjWorld, content: bytes) -> None:
    answer = world.call("POST", KJ + INDICATOR, content=content, headers={"X-EPJ-System": "EPJ"})
    feil(answer, 400, "KJF-000018")


@pytest.mark.parametrize(
    ("faults", "status"), [({"privacy": "down"}, 500), ({"store": "down"}, 503), ({"privacy": "timeout"}, 500)]
)
def test_what_a_fault_takes_away(world: KjWorld, faults: dict[str, str], status: int) -> None:
    world.configure(faults=faults, privacy_timeout=0.01)
    feil(world.indicator(B), status, "KI-9002")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", INDICATOR, 405), ("POST", "/v1/nothing", 404), ("POST", INDICATOR + "/", 404)],
)
def test_no_such_operation(world: KjWorld, method: str, path: str, status: int) -> None:
    feil(world.call(method, KJ + path), status, "KI-9005")


def test_tickets_and_numbers_are_not_in_the_journal(world: KjWorld) -> None:
    answer = world.indicator(B)
    assert findings(world, answer) == []
    told = world.send("GET", f"/_sandbox/v1/exchanges/{answer.headers['Sandbox-Exchange']}").text
    assert answer.json()["ticket"] not in told
    assert B not in told
    launched = world.launch(B)
    findings(world, launched)
    entered = world.enter(launched.json()["code"])
    findings(world, entered)
    for each in (launched, entered):
        told = world.send("GET", f"/_sandbox/v1/exchanges/{each.headers['Sandbox-Exchange']}").text
        assert launched.json()["code"] not in told
        assert launched.json()["sessionId"] not in told


# helpers


def portal_token(world: KjWorld, *, pid: str, hpr: str) -> str:
    practitioner = {
        "identifier": {"id": pid, "system": "urn:oid:2.16.578.1.12.4.1.4.1"},
        "hpr_nr": {"id": hpr, "system": "urn:oid:2.16.578.1.12.4.1.4.4"},
    }
    return world.portal_token(pid=pid, hpr=hpr, attest=attest(practitioner, toa=int(NOW)))


def unlock(world: KjWorld, cookie: dict[str, str], page: httpx.Response, ground: str) -> httpx.Response:
    token = page.text.partition('name="form" value="')[2].partition('"')[0]
    return world.send("POST", f"{PORTAL}/lukk-opp", headers=cookie, data={"form": token, "grunnlag": ground})
