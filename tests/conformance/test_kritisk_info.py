"""The numbered cases of kritisk-info.md section 11 on the wire, as the rulings correct them: ``ki-<n>``.

Default: valid DPoP user token (level 4, H01 of O01/O03, role LE), all headers, ``nhn-access-basis: SAMTYKKE``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import orjson
import pytest
from sqlalchemy import func, select

from app.clock import DAY
from app.sandboxes.state import DEFAULT
from app.services.kritiskinfo import elements, records, samples
from app.services.kritiskinfo.codes import ATC, TRADE_NAME
from app.services.kritiskinfo.seed import record_id
from app.store import registers, tables
from app.trust.facts import Setting, SettingKind
from tests.conformance.ki_kit import (
    BASE,
    C8,
    C11,
    DECEASED,
    DOCTOR,
    FHIR,
    H01,
    H02,
    H03,
    H05,
    MACHINE,
    NURSE,
    OTHER_DOCTOR,
    A,
    B,
    D,
    E,
    F,
    G,
    H,
    I,
    J,
    K,
    KiWorld,
    bundle,
    changed,
    place,
    refused,
    role,
    told,
)
from tests.support.world import HOST
from tests.unit.trust.gate_kit import ABSENT, NOW, proof

Case = Callable[[KiWorld], None]
CASES: dict[int, tuple[Case, bool]] = {}
NUMBERS = [*range(1, 72), 91]
TODAY = records.today(NOW)
PENICILLIN = f"/AllergyIntolerance/{record_id('P01', 'penicillin')}"
EXPIRED_NAME = "ID_D69E5E36-BA5D-578A-86BF-FA13E0FE8B48"


def case(*numbers: int, own: bool = False) -> Callable[[Case], Case]:
    """Register a case; ``own`` gives it a sandbox of its own because it changes something."""

    def register(function: Case) -> Case:
        for number in numbers:
            assert number not in CASES
            CASES[number] = (function, own)
        return function

    return register


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KiWorld]:
    world = KiWorld(tmp_path_factory.mktemp("ki"))
    yield world
    world.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[KiWorld]:
    world = KiWorld(tmp_path)
    yield world
    world.close()


@pytest.mark.parametrize("number", [pytest.param(number, id=f"ki-{number}") for number in NUMBERS])
def test_kritisk_info(number: int, request: pytest.FixtureRequest) -> None:
    function, own = CASES[number]
    function(request.getfixturevalue("own" if own else "shared"))


def day(days: int) -> str:
    return records.today(NOW + days * DAY).isoformat()


def stored_versions(world: KiWorld) -> int:
    """How many versions there are of anything."""

    def count(conn: Any) -> int:
        found = [
            conn.execute(select(func.count()).select_from(table).where(table.c.service == "KJ")).scalar()
            for table in (tables.resource, tables.resource_history)
        ]
        return sum(found)

    return world.run(world.core.store.read(count))


def unchanged(world: KiWorld, act: Callable[[], httpx.Response]) -> httpx.Response:
    """The answer of a write that must leave no version and exactly one record of the attempt."""
    versions, rows = stored_versions(world), len(world.audit(limit=1000))
    answer = act()
    assert stored_versions(world) == versions
    after = world.audit(limit=1000)
    assert len(after) == rows + 1
    assert after[0]["decision"]["code"] != 0
    assert after[0]["target"] == []
    return answer


# status


@case(1)
def _(world: KiWorld) -> None:
    found = told(world.status(B))
    assert found["hasCriticalInformation"] is True
    assert found["lastChangedDateTime"].endswith("Z")
    assert found["patientNIN"] == B
    assert "isHprNumberBlocked" not in found


@case(2)
def _(world: KiWorld) -> None:
    found = told(world.status(A))
    assert (found["hasCriticalInformation"], found["hasActiveCriticalInformation"]) == (False, False)
    assert found["dateChanged"] == {}
    assert "lastChangedDateTime" not in found


@case(3)
def _(world: KiWorld) -> None:
    found = told(world.status(D))
    assert found["hasKjernejournalReservation"] is True
    assert (found["hasCriticalInformation"], found["hasActiveCriticalInformation"]) == (False, False)
    assert found["dateChanged"] == {}


@case(4)
def _(world: KiWorld) -> None:
    found = told(world.status(E))
    assert found["hasCriticalInformationRestriction"] is True
    assert found["hasKjernejournalRestriction"] is False
    assert found["hasCriticalInformation"] is True
    assert found["dateChanged"]
    assert told(world.status(G))["hasKjernejournalRestriction"] is True


@case(5)
def _(world: KiWorld) -> None:
    assert told(world.status(F, person=H02, basis="UNNTAK"))["isHprNumberBlocked"] is True
    assert told(world.status(F, person=H01, basis="UNNTAK"))["isHprNumberBlocked"] is False


@case(6)
def _(world: KiWorld) -> None:
    answer = world.status(B, person=H01, headers={"nhn-user-role": None})
    refused(answer, 400, "AUTH-0003", "value")


@case(7, own=True)
def _(world: KiWorld) -> None:
    for _ in range(5):
        told(world.status(B))
    told(world.status(B, person=H01))
    assert world.audit() == []


@case(8)
def _(world: KiWorld) -> None:
    found = told(world.status(H))
    assert (found["hasCriticalInformation"], found["hasActiveCriticalInformation"]) == (True, False)


@case(9)
def _(world: KiWorld) -> None:
    answer = world.call("POST", "/status", patient=A, body={"nin": B})
    refused(answer, 400, "KI-9010", "value")
    machine = world.call("POST", "/status", patient=A, body={"nin": B}, claims=MACHINE)
    refused(machine, 400, "KI-9010", "value")


@case(10)
def _(world: KiWorld) -> None:
    bodies: list[Any] = [{}, {"nin": "14838449699"}, {"nin": 1}, []]
    for body in bodies:
        refused(world.call("POST", "/status", patient=None, body=body, claims=MACHINE), 400, "KI-9010")


# reading


@case(11)
def _(world: KiWorld) -> None:
    for resource in bundle(world.get("/AllergyIntolerance")):
        assert resource["meta"]["versionId"] == "1"
        assert resource["meta"]["profile"] == ["http://nhn.no/kj/fhir/StructureDefinition/KjAllergyIntolerance"]
        assert elements.contained(resource, "recorderRef") is not None
    assert len(bundle(world.get("/AllergyIntolerance"))) >= 1


@case(12)
def _(world: KiWorld) -> None:
    sent = world.headers("GET", "/AllergyIntolerance")
    old = {
        "nhn-user-role": "hit-user-role",
        "nhn-source-system": "hit-source-system",
        "nhn-access-basis": "hit-access-basis",
        "nhn-patient-nin": "hit-patient-pid",
    }
    renamed = {old.get(name, name): value for name, value in sent.items()}
    assert bundle(world.send("GET", BASE + "/AllergyIntolerance", headers=renamed))
    both = {**world.headers("GET", "/AllergyIntolerance"), "hit-access-basis": "AKUTT"}
    refused(world.send("GET", BASE + "/AllergyIntolerance", headers=both), 400, "AUTH-0003")


@case(13)
def _(world: KiWorld) -> None:
    text = '{ "system": "urn:oid:2.16.578.1.12.4.1.1.9060",\n "code": "LE" }'
    form = quote(text, safe=" ").replace(" ", "+")
    assert "+" in form
    assert "%0A" in form
    bundle(world.get("/AllergyIntolerance", headers={"nhn-user-role": form}))


@case(14)
def _(world: KiWorld) -> None:
    raw = '{"system":"urn:oid:2.16.578.1.12.4.1.1.9060","code":"LE"}'
    refused(world.get("/AllergyIntolerance", headers={"nhn-user-role": raw}), 400, "AUTH-0003", "value")
    unknown = {"nhn-user-role": role("QQ")}
    refused(world.get("/AllergyIntolerance", headers=unknown), 400, "AUTH-0003", "value")


@case(15)
def _(world: KiWorld) -> None:
    sent = {"nhn-user-role": role("LE", "kjernejournal_userrole")}
    refused(world.get("/AllergyIntolerance", headers=sent), 403, "AUTH-0010", "forbidden")


@case(16)
def _(world: KiWorld) -> None:
    answer = world.get("/AllergyIntolerance", claims={"hpr": H03})
    refused(answer, 403, "AUTH-0010", "forbidden")
    nurse = world.get("/AllergyIntolerance", claims={"hpr": H03}, headers={"nhn-user-role": role("SP")})
    bundle(nurse)


@case(17)
def _(world: KiWorld) -> None:
    for length, status in ((2, 400), (513, 400), (3, 200), (512, 200)):
        answer = world.get("/AllergyIntolerance", headers={"nhn-source-system": "e" * length})
        assert answer.status_code == status
    missing = world.get("/AllergyIntolerance", headers={"nhn-source-system": None})
    refused(missing, 400, "AUTH-0003", "value")


@case(18)
def _(world: KiWorld) -> None:
    refused(world.get("/AllergyIntolerance", headers={"nhn-event-id": "e" * 129}), 400, "AUTH-0003")
    bundle(world.get("/AllergyIntolerance", headers={"nhn-event-id": "e" * 128}))


@case(19)
def _(world: KiWorld) -> None:
    answer = world.get("/AllergyIntolerance", basis="TULL", headers={"nhn-event-id": "abc-1"})
    assert answer.json()["id"] == "abc-1"
    other = world.get("/AllergyIntolerance", basis="TULL")
    assert len(other.json()["id"]) == 36


@case(20)
def _(world: KiWorld) -> None:
    answer = world.send("GET", BASE + "/AllergyIntolerance")
    refused(answer, 401, "AUTH-9001", "login")
    assert answer.headers.get_list("WWW-Authenticate")


@case(21)
def _(world: KiWorld) -> None:
    """401 by ruling S1."""
    answer = world.get("/AllergyIntolerance", claims={"aud": "nhn:pps"})
    refused(answer, 401, "AUTH-9001", "login")


@case(22)
def _(world: KiWorld) -> None:
    answer = world.get("/AllergyIntolerance", claims={"scope": ["openid", "nhn:critical-information/other"]})
    refused(answer, 403, "AUTH-9002", "forbidden")


@case(23)
def _(world: KiWorld) -> None:
    refused(world.get("/AllergyIntolerance", claims=MACHINE), 403, "AUTH-9002", "forbidden")


@case(24)
def _(world: KiWorld) -> None:
    refused(world.get("/AllergyIntolerance", claims={"child": ABSENT}), 403, "AUTH-9002", "forbidden")


@case(25)
def _(world: KiWorld) -> None:
    sent = world.headers("GET", "/AllergyIntolerance")
    bundle(world.send("GET", BASE + "/AllergyIntolerance", headers=sent))
    refused(world.send("GET", BASE + "/AllergyIntolerance", headers=sent), 401, "AUTH-9001")
    token = sent["Authorization"].removeprefix("DPoP ")
    url = K + "/AllergyIntolerance"
    for made in (proof(token, htu=K + "/Flag"), proof(token, htu=url, ath="A" * 43)):
        refused(world.get("/AllergyIntolerance", headers={"DPoP": made}), 401, "AUTH-9001")


@case(26, own=True)
def _(world: KiWorld) -> None:
    def bearer() -> httpx.Response:
        token = world.token(jkt=None)
        return world.get("/AllergyIntolerance", headers={"Authorization": f"Bearer {token}", "DPoP": None})

    bundle(bearer())
    bound = {"Authorization": f"Bearer {world.token()}", "DPoP": None}
    refused(world.get("/AllergyIntolerance", headers=bound), 401, "AUTH-9001")
    world.configure(ki_bearer="off")
    answer = bearer()
    refused(answer, 401, "AUTH-9001")
    assert [value.partition(" ")[0] for value in answer.headers.get_list("WWW-Authenticate")] == ["DPoP"]


@case(27)
def _(world: KiWorld) -> None:
    refused(world.get("/AllergyIntolerance", basis="TULL"), 400, "AUTH-0003", "value")
    refused(world.get("/AllergyIntolerance", basis="samtykke"), 400, "AUTH-0003", "value")
    refused(world.get("/AllergyIntolerance", headers={"nhn-access-basis": None}), 400, "AUTH-0003", "value")


@case(28, own=True)
def _(world: KiWorld) -> None:
    other = world.created(samples.other_allergy(place()))
    found = bundle(world.get("/AllergyIntolerance?criticalInfoType=DrugReaction"))
    assert found
    assert all(resource["category"] == ["medication"] for resource in found)
    rest = bundle(world.get("/AllergyIntolerance?criticalInfoType=OtherAllergen"))
    assert [resource["id"] for resource in rest] == [other["id"]]


@case(29)
def _(world: KiWorld) -> None:
    one = world.get("/Condition?criticalInfoType=Infection", C8)
    many = world.get("/Conditions?criticalInfoType=Infection", C8)
    assert one.content == many.content
    (found,) = bundle(one)
    assert found["category"][0]["coding"][0]["code"] == "10"


@case(30)
def _(world: KiWorld) -> None:
    refused(world.get("/Condition?criticalInfoType=DrugReaction"), 400, "KI-9007")


@case(31)
def _(world: KiWorld) -> None:
    assert bundle(world.get("/Flag", A)) == []


@case(32)
def _(world: KiWorld) -> None:
    answer = world.get(PENICILLIN)
    assert answer.status_code == 200
    assert answer.headers["ETag"] == 'W/"1"'
    assert answer.headers["Content-Type"] == "application/fhir+json"
    assert answer.json()["meta"]["versionId"] == "1"


@case(33, own=True)
def _(world: KiWorld) -> None:
    first = world.get(PENICILLIN)
    answer = world.put(changed(first.json(), criticality="low"))
    assert answer.status_code == 200, answer.text
    assert world.get(f"{PENICILLIN}/_history/1").content == first.content
    assert world.get(PENICILLIN).json()["criticality"] == "low"
    versions = bundle(world.get(f"{PENICILLIN}/_history"), "history")
    assert [each["meta"]["versionId"] for each in versions] == ["2", "1"]


@case(34)
def _(world: KiWorld) -> None:
    for path in (
        f"{PENICILLIN}/_history/99",
        f"{PENICILLIN}/_history/x",
        "/AllergyIntolerance/unknown",
        "/Flag/x/_history",
    ):
        refused(world.get(path), 404, "KI-9003", "not-found")


@case(35)
def _(world: KiWorld) -> None:
    refused(world.get(PENICILLIN, A), 404, "KI-9003", "not-found")
    refused(world.get(f"{PENICILLIN}/_history/1", A), 404, "KI-9003", "not-found")


def gone(answer: httpx.Response, path: str) -> None:
    assert answer.status_code == 410, answer.text
    body = answer.json()
    assert f"/{body['resourceType']}/{body['id']}" == path
    assert set(body) == {"resourceType", "id", "meta", "verificationStatus"}
    assert set(body["meta"]) == {"versionId", "lastUpdated", "profile"}
    assert body["verificationStatus"]["coding"][0]["code"] == "entered-in-error"
    assert "nhn-error-code" not in answer.headers
    assert I not in answer.text


DELETED = f"/AllergyIntolerance/{record_id('P15', 'peanut')}"


@case(36)
def _(world: KiWorld) -> None:
    gone(world.get(DELETED, I), DELETED)
    assert all(each["id"] not in DELETED for each in bundle(world.get("/AllergyIntolerance", I)))
    refused(world.get(DELETED, B), 404, "KI-9003")


@case(37)
def _(world: KiWorld) -> None:
    for version in (1, 2, 3):
        gone(world.get(f"{DELETED}/_history/{version}", I), DELETED)
    gone(world.get(f"{DELETED}/_history", I), DELETED)


@case(38)
def _(world: KiWorld) -> None:
    for path in ("/Patient", "/Observation", "/Patient/1", ""):
        refused(world.get(path), 404, "KI-9005", "not-supported")
    answer = world.call("PATCH", "/Flag")
    refused(answer, 405, "KI-9005", "not-supported")
    assert answer.headers["Allow"] == "GET, POST"


# access


@case(39, own=True)
def _(world: KiWorld) -> None:
    refused(world.get("/AllergyIntolerance", E), 403, "KI-9015", "forbidden")
    assert len(bundle(world.get("/AllergyIntolerance", E, basis="FORHOYET_SAMTYKKE"))) == 1
    assert len(bundle(world.get("/AllergyIntolerance", E, basis="FORHOYET_AKUTT"))) == 1
    rows = world.audit(elevated=True)
    assert rows[0]["basis"] == "FORHOYET_AKUTT"
    assert rows[0]["decision"]["outcome"] == "PERMIT"
    assert {"BREAK_GLASS", "LOG_ELEVATED"} <= set(rows[0]["decision"]["obligations"])
    assert rows[0]["citizenVisible"] is True


@case(40)
def _(world: KiWorld) -> None:
    refused(world.get("/AllergyIntolerance", basis="FORHOYET_SAMTYKKE"), 403, "KI-9016", "forbidden")
    told(world.status(B, person=H01, basis="FORHOYET_AKUTT"))


@case(41)
def _(world: KiWorld) -> None:
    for basis in ("AKUTT", "FORHOYET_AKUTT"):
        refused(world.get("/AllergyIntolerance", F, basis=basis, claims={"hpr": H02}), 403, "KI-9014", "forbidden")
    assert bundle(world.get("/AllergyIntolerance", F))


@case(42)
def _(world: KiWorld) -> None:
    body = refused(world.get("/AllergyIntolerance", D), 403, "KI-9013", "forbidden")
    assert body["issue"][0]["details"]["coding"][1]["code"] == "KJF-000017"
    refused(world.get("/Patient/$everything", D), 403, "KI-9013")


@case(43)
def _(world: KiWorld) -> None:
    refused(world.get("/AllergyIntolerance", J), 403, "KI-9011", "forbidden")
    refused(world.status(J), 403, "KI-9011", "forbidden")


# writing


@case(44, own=True)
def _(world: KiWorld) -> None:
    sent = {**samples.drug_reaction(place(A)), "id": "mine", "recordedDate": "2026-02-03T09:15:00+01:00"}
    answer = world.post(sent, A)
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body["id"] != "mine"
    assert answer.headers["Location"] == f"{K}/AllergyIntolerance/{body['id']}/_history/1"
    assert answer.headers["ETag"] == 'W/"1"'
    assert body["meta"]["versionId"] == "1"
    assert body["recordedDate"] == sent["recordedDate"]
    assert body["note"] == sent["note"]
    assert world.get(f"/AllergyIntolerance/{body['id']}", A).content == answer.content


@case(45, own=True)
def _(world: KiWorld) -> None:
    made = world.created(samples.drug_reaction(place(A)), A)
    found = told(world.status(A))
    assert found["dateChanged"] == {"allergyIntoleranceDate": made["meta"]["lastUpdated"]}
    assert found["lastChangedDateTime"] == made["meta"]["lastUpdated"]
    again = world.created(samples.drug_reaction(place(A), "N02AA01"), A)
    assert again["meta"]["lastUpdated"] > made["meta"]["lastUpdated"]


def invalid(world: KiWorld, body: Mapping[str, Any], location: str = "", code: str = "KI-0014", **more: Any) -> None:
    """400, the path at fault, and nothing stored."""
    answer = unchanged(world, lambda: world.post(dict(body), **more))
    refused(answer, 400, code, "invariant" if code == "KI-0014" else "", location)


ALLERGY = samples.drug_reaction(place())


@case(46)
def _(world: KiWorld) -> None:
    invalid(world, {name: each for name, each in ALLERGY.items() if name != "meta"}, "AllergyIntolerance.meta.profile")
    invalid(world, {**ALLERGY, "meta": {"profile": ["http://example.org/other"]}}, "AllergyIntolerance.meta.profile")


def of_atc(code: str) -> dict[str, Any]:
    return {**ALLERGY, "code": {"coding": [{"system": ATC, "code": code, "display": code}]}}


@case(47, own=True)
def _(world: KiWorld) -> None:
    for code in ("J01C", "V08", "J01CE", "J01CE02"):
        world.created(of_atc(code))
    invalid(world, of_atc("J01"), "AllergyIntolerance.code")
    invalid(world, of_atc("Q99ZZ99"), "AllergyIntolerance.code", "KI-9007")


@case(48)
def _(world: KiWorld) -> None:
    code = {"coding": [{"system": TRADE_NAME, "code": EXPIRED_NAME, "display": "Utgått"}]}
    invalid(world, {**ALLERGY, "code": code}, "AllergyIntolerance.code", "KI-9007")


@case(49, own=True)
def _(world: KiWorld) -> None:
    answer = world.post({**ALLERGY, "note": [{"text": "n" * 501}]})
    body = refused(answer, 400, "KI-0014", "invariant", "AllergyIntolerance.note")
    assert body["issue"][0]["severity"] == "fatal"
    assert body["issue"][0]["diagnostics"] == "Invalid element content - max: 500"
    world.created({**ALLERGY, "note": [{"text": "n" * 499 + "\n"}]})


@case(50)
def _(world: KiWorld) -> None:
    invalid(world, {**ALLERGY, "note": [{"text": "Sett <script>alert(1)</script>"}]}, "AllergyIntolerance.note.text")


@case(51, own=True)
def _(world: KiWorld) -> None:
    invalid(world, {**ALLERGY, "onsetDateTime": day(1)}, "AllergyIntolerance.onset")
    invalid(world, {**ALLERGY, "onsetDateTime": "1984-03-13"}, "AllergyIntolerance.onset")
    rest = {name: each for name, each in ALLERGY.items() if name != "onsetDateTime"}
    unit = {"unit": "år", "system": "http://unitsofmeasure.org", "code": "a"}
    for years in (130, -1, 43):
        invalid(world, {**rest, "onsetAge": {"value": years, **unit}}, "AllergyIntolerance.onset")
    world.created({**rest, "onsetAge": {"value": 42, **unit}})
    world.created({**ALLERGY, "onsetDateTime": "1984"})


@case(52, own=True)
def _(world: KiWorld) -> None:
    system = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
    presumed = {"url": elements.url("KjPresumed"), "valueBoolean": True}
    status = {"extension": [presumed], "coding": [{"system": system}]}
    made = world.created({**ALLERGY, "verificationStatus": status})
    assert world.get(f"/AllergyIntolerance/{made['id']}").json()["verificationStatus"] == status
    invalid(world, {**ALLERGY, "verificationStatus": {"coding": [{"system": system}]}})


@case(53)
def _(world: KiWorld) -> None:
    codings = [{"system": ATC, "code": code, "display": code, "userSelected": True} for code in ("J01CE02", "J01CE01")]
    invalid(world, {**ALLERGY, "code": {"coding": codings}}, "AllergyIntolerance.code")


@case(54, own=True)
def _(world: KiWorld) -> None:
    inactive = [{"url": elements.url("KjInactiveIngredient"), "valueBoolean": True}]
    invalid(world, {**ALLERGY, "code": {**ALLERGY["code"], "extension": inactive}}, "AllergyIntolerance.code")
    name = samples.coding(TRADE_NAME, "ID_2075C1F3-4A50-5C20-A8EF-E8428D2FFD78")
    world.created({**ALLERGY, "code": {"coding": [name], "extension": inactive}})


@case(55)
def _(world: KiWorld) -> None:
    """A secretary is not seeded; an ambulance worker has no right to write either."""
    claims, headers = {"hpr": H05}, {"nhn-user-role": role("AA")}
    answer = unchanged(world, lambda: world.post(ALLERGY, claims=claims, headers=headers))
    refused(answer, 403, "AUTH-0010", "forbidden")
    bundle(world.get("/AllergyIntolerance", claims=claims, headers=headers))
    stranger = {"hpr": "9144889", "pid": "01897549995"}
    answer = unchanged(world, lambda: world.post(ALLERGY, claims=stranger, headers={"nhn-user-role": role("HE")}))
    refused(answer, 403, "AUTH-0010", "forbidden")


@case(56)
def _(world: KiWorld) -> None:
    invalid(world, samples.drug_reaction(place(writer=OTHER_DOCTOR)), "AllergyIntolerance.contained")


@case(57, own=True)
def _(world: KiWorld) -> None:
    made = world.created(ALLERGY)
    sent = changed(made, OTHER_DOCTOR, criticality="low")
    answer = world.put(sent, claims={"hpr": H02})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["meta"]["versionId"] == "2"
    assert answer.headers["ETag"] == 'W/"2"'
    assert elements.contained(body, "recorderRef") == elements.contained(made, "recorderRef")
    assert elements.contained(body, "updaterRef") == samples.person(OTHER_DOCTOR, "updaterRef")
    assert body["recordedDate"] == made["recordedDate"]
    assert body["meta"]["lastUpdated"] > made["meta"]["lastUpdated"]


@case(58, own=True)
def _(world: KiWorld) -> None:
    made = world.created(ALLERGY)
    assert world.put(changed(made, criticality="low")).status_code == 200
    answer = unchanged(world, lambda: world.put(changed(made, criticality="high")))
    refused(answer, 409, "KJF-000065", "conflict")
    ahead = {**made, "meta": {**made["meta"], "versionId": "9"}}
    refused(world.put(changed(ahead)), 409, "KJF-000065", "conflict")


@case(59, own=True)
def _(world: KiWorld) -> None:
    made = world.created(ALLERGY)
    contained = [samples.person(OTHER_DOCTOR), samples.person(DOCTOR, "updaterRef")]
    answer = unchanged(world, lambda: world.put({**changed(made), "contained": contained}))
    refused(answer, 400, "KI-0014", "invariant", "AllergyIntolerance.contained")
    refused(world.put(made), 400, "KI-0014", "invariant", "AllergyIntolerance.contained")
    refused(world.put(changed(made, OTHER_DOCTOR)), 400, "KI-0014", "invariant", "AllergyIntolerance.contained")
    moved = changed(made, recordedDate="2020-01-01")
    refused(world.put(moved), 400, "KI-0014", "invariant", "AllergyIntolerance.recordedDate")


@case(60, own=True)
def _(world: KiWorld) -> None:
    made = world.get(PENICILLIN).json()
    answer = world.put(samples.refuted(made, DOCTOR))
    assert answer.status_code == 200, answer.text
    found = told(world.status(B))
    assert (found["hasCriticalInformation"], found["hasActiveCriticalInformation"]) == (False, False)
    assert found["lastChangedDateTime"] == answer.json()["meta"]["lastUpdated"]
    assert [each["id"] for each in bundle(world.get("/AllergyIntolerance"))] == [made["id"]]


@case(61, own=True)
def _(world: KiWorld) -> None:
    made = world.created(ALLERGY)
    status = records.entered_in_error(made)["verificationStatus"]
    answer = unchanged(world, lambda: world.put(changed(made, verificationStatus=status)))
    refused(answer, 400, "KI-0014", "invariant", "AllergyIntolerance.verificationStatus")


@case(62, own=True)
def _(world: KiWorld) -> None:
    made = bundle(world.get("/Consent", C11))[0]
    eight = samples.limited_treatment(place(C11), day(30))
    for members in (
        {"scope": eight["scope"]},
        {"policyRule": eight["policyRule"]},
        {"category": eight["category"]},
        {name: eight[name] for name in ("scope", "policyRule", "category", "meta", "extension")},
    ):
        body = changed(made, **members)
        body["meta"] = {**body["meta"], "versionId": "1"}
        answer = unchanged(world, lambda body=body: world.put(body, C11))  # type: ignore[misc]
        refused(answer, 400, "KI-0014", "invariant")


@case(63, own=True)
def _(world: KiWorld) -> None:
    made = world.created(samples.infection(place()))
    answer = world.put(changed(made, code=samples.infection(place(), "102")["code"]))
    refused(answer, 400, "KI-0014", "invariant", "Condition.code")
    assert world.put(samples.refuted(made, DOCTOR)).status_code == 200


@case(64, own=True)
def _(world: KiWorld) -> None:
    before = told(world.status(B))["dateChanged"]["allergyIntoleranceDate"]
    answer = world.delete(PENICILLIN)
    assert (answer.status_code, answer.content) == (204, b"")
    gone(world.get(PENICILLIN), PENICILLIN)
    found = told(world.status(B))
    assert found["dateChanged"]["allergyIntoleranceDate"] > before
    assert found["hasCriticalInformation"] is False
    assert world.audit()[-1]["target"] == [f"{PENICILLIN[1:]}/_history/2"]


@case(65, own=True)
def _(world: KiWorld) -> None:
    made = world.get(PENICILLIN).json()
    assert world.put(changed(made, criticality="low")).status_code == 200
    answer = unchanged(world, lambda: world.delete(f"{PENICILLIN}/_history/1"))
    refused(answer, 409, "KJF-000065", "conflict")
    refused(world.delete(f"{PENICILLIN}/_history/3"), 404, "KI-9003")
    assert world.delete(f"{PENICILLIN}/_history/2").status_code == 204


@case(66, own=True)
def _(world: KiWorld) -> None:
    made = world.get(PENICILLIN).json()
    assert world.delete(PENICILLIN).status_code == 204
    gone(unchanged(world, lambda: world.delete(PENICILLIN)), PENICILLIN)
    gone(unchanged(world, lambda: world.put(changed(made))), PENICILLIN)


@case(67)
def _(world: KiWorld) -> None:
    body = samples.limited_treatment(place(), day(30))
    body["extension"] = [each for each in body["extension"] if not elements.is_extension(each, "KjValidUntil")]
    invalid(world, body, "Consent.extension")


@case(68, own=True)
def _(world: KiWorld) -> None:
    eight = bundle(world.get("/Consent", C8))[0]
    eleven = samples.no_resuscitation(place(C8))
    answer = unchanged(world, lambda: world.post(eleven, C8))
    refused(answer, 409, "KI-9009", "business-rule")
    assert world.put(samples.refuted(eight, DOCTOR), C8).status_code == 200
    world.created(eleven, C8)
    refused(world.post(samples.limited_treatment(place(C8), day(30)), C8), 409, "KI-9009")


@case(69, own=True)
def _(world: KiWorld) -> None:
    made = world.created(samples.limited_treatment(place(A), day(-1)), A)
    assert world.get(f"/Consent/{made['id']}", A).json()["status"] == "active"
    found = told(world.status(A))
    assert (found["hasCriticalInformation"], found["hasActiveCriticalInformation"]) == (True, True)
    world.created(samples.no_resuscitation(place(A)), A)


@case(70, own=True)
def _(world: KiWorld) -> None:
    world.created(samples.routine_change(place(A), until=TODAY.isoformat()), A)
    found = told(world.status(A))
    assert (found["hasCriticalInformation"], found["hasActiveCriticalInformation"]) == (True, False)
    world.created(samples.routine_change(place(A), until=day(1)), A)
    assert told(world.status(A))["hasActiveCriticalInformation"] is True


@case(71, own=True)
def _(world: KiWorld) -> None:
    sent = samples.infection(place())
    mine = {"url": elements.url("UrlInfectionGuide"), "valueUrl": "https://example.org/mine"}
    sent["code"]["coding"][0]["extension"] = [mine]
    made = world.created(sent)
    (guide,) = made["code"]["coding"][0]["extension"]
    assert elements.is_extension(guide, "UrlInfectionGuide")
    assert guide["valueUrl"] != mine["valueUrl"]
    again = world.put(changed(made)).json()
    assert again["code"] == made["code"]


@case(91, own=True)
def _(world: KiWorld) -> None:
    rule = {"match": {"service": "critical-information"}, "effect": {"kind": "rate_limit", "retryAfter": 7}}
    assert world.send("POST", "/_sandbox/v1/faults", json=rule).status_code == 201
    answer = world.get("/AllergyIntolerance")
    assert (answer.status_code, answer.content) == (429, b"")
    assert answer.headers["Retry-After"] == "7"


# beside the numbered cases


async def _at_once(world: KiWorld, calls: list[tuple[str, str, dict[str, str], bytes]]) -> list[int]:
    async with world.client() as client:
        answers = await asyncio.gather(
            *(client.request(method, url, headers=headers, content=body) for method, url, headers, body in calls)
        )
    return [answer.status_code for answer in answers]


def test_of_concurrent_updates_exactly_one_wins(own: KiWorld) -> None:
    made = own.get(PENICILLIN).json()
    versions = stored_versions(own)
    calls = []
    for number in range(8):
        body = orjson.dumps(changed(made, note=[{"text": f"Nummer {number}"}]))
        headers = {**own.headers("PUT", PENICILLIN), "Content-Type": FHIR}
        calls.append(("PUT", BASE + PENICILLIN, headers, body))
    assert sorted(own.run(_at_once(own, calls))) == [200, *[409] * 7]
    assert stored_versions(own) == versions + 1
    assert own.get(PENICILLIN).json()["meta"]["versionId"] == "2"
    outcomes = [row["decision"]["outcome"] for row in own.audit() if row["operation"].endswith("/update")]
    assert sorted(outcomes) == [*["ERROR"] * 7, "PERMIT"]


def test_eight_and_eleven_at_once(own: KiWorld) -> None:
    calls = [
        ("POST", f"{BASE}/Consent", {**own.headers("POST", "/Consent", A), "Content-Type": FHIR}, orjson.dumps(body))
        for body in (samples.limited_treatment(place(A), day(30)), samples.no_resuscitation(place(A)))
    ]
    assert sorted(own.run(_at_once(own, calls))) == [201, 409]
    assert len(bundle(own.get("/Consent", A))) == 1


def test_times_of_a_patient_grow_though_the_clock_stands_still(own: KiWorld) -> None:
    for code in ("N02AA01", "B01AA03", "M01AE01"):
        own.created(of_atc(code))
    times = [each["meta"]["lastUpdated"] for each in bundle(own.get("/AllergyIntolerance"))]
    assert times == sorted(set(times), reverse=True)
    assert told(own.status(B))["lastChangedDateTime"] == times[0]


@pytest.mark.parametrize("fault", [{"audit": "down"}, {"privacy": "down"}])
def test_nothing_is_stored_when_it_cannot_be_judged_or_logged(own: KiWorld, fault: Mapping[str, str]) -> None:
    versions = stored_versions(own)
    own.configure(faults=fault)
    refused(own.post(ALLERGY), 500, "KI-9002", "exception")
    assert stored_versions(own) == versions


def test_a_block_set_meanwhile_counts(own: KiWorld) -> None:
    own.set("P01", Setting("kj-block", "KJ", SettingKind.SPECIFIC_BLOCK, subjects=frozenset({("HPR", H01)})))
    answer = unchanged(own, lambda: own.post(ALLERGY))
    refused(answer, 403, "KI-9014", "forbidden")


def test_writes_about_the_dead_are_refused_and_reads_are_not(shared: KiWorld) -> None:
    answer = unchanged(shared, lambda: shared.post(samples.drug_reaction(place(DECEASED)), DECEASED))
    refused(answer, 403, "KI-9012", "forbidden")
    assert bundle(shared.get("/AllergyIntolerance", DECEASED)) == []


def test_if_match(own: KiWorld) -> None:
    made = own.get(PENICILLIN).json()
    refused(own.put(changed(made), headers={"If-Match": 'W/"2"'}), 400, "AUTH-0003")
    refused(own.put(changed(made), headers={"If-Match": "x"}), 400, "AUTH-0003")
    assert own.put(changed(made), headers={"If-Match": 'W/"1"'}).status_code == 200
    refused(own.delete(PENICILLIN, headers={"If-Match": 'W/"1"'}), 409, "KJF-000065")
    assert own.delete(PENICILLIN, headers={"If-Match": '"2"'}).status_code == 204


def test_what_a_put_must_say(own: KiWorld) -> None:
    made = own.get(PENICILLIN).json()
    sent = changed(made)
    without = {**sent, "meta": {"profile": sent["meta"]["profile"]}}
    refused(own.put(without), 400, "KI-0014", "invariant", "AllergyIntolerance.meta.versionId")
    body = orjson.dumps({**sent, "id": "other"})
    refused(own.call("PUT", PENICILLIN, body=body), 400, "KI-0014", "invariant", "AllergyIntolerance.id")
    refused(own.put({**sent, "id": "unknown"}), 404, "KI-9003")
    refused(own.put(sent, A), 404, "KI-9003")
    about = {**sent, "patient": samples.drug_reaction(place(A))["patient"]}
    refused(own.put(about), 400, "KI-0014", "invariant", "AllergyIntolerance.patient")


def test_bodies_that_cannot_be_read(shared: KiWorld) -> None:
    for body in (b"{", b"[]", b'{"resourceType":"Flag"}', orjson.dumps({**ALLERGY, "unknown": 1}), b"[" * 5000):
        refused(shared.call("POST", "/AllergyIntolerance", body=body), 400, "KI-9006", "structure")
    plain = shared.call("POST", "/AllergyIntolerance", body=ALLERGY, headers={"Content-Type": "text/plain"})
    refused(plain, 415, "KI-9018", "not-supported")
    large = b" " * (shared.core.settings.max_body_bytes + 1)
    refused(shared.call("POST", "/AllergyIntolerance", body=large), 413, "KI-9017", "too-long")


@pytest.mark.parametrize("number", [3, 4, 5, 7, 10])
def test_every_condition_can_be_stored_and_asked_for(shared: KiWorld, number: int) -> None:
    made = shared.created(samples.CONDITIONS[number](place(C8)), C8)
    assert made["id"] in [each["id"] for each in bundle(shared.get("/Condition", C8))]


def test_everything_is_all_types(shared: KiWorld) -> None:
    kinds = {each["resourceType"] for each in bundle(shared.get("/Patient/$everything", C11))}
    assert kinds == {"Condition", "Procedure", "DeviceUseStatement", "Flag", "Consent"}


def test_a_nurse_may_write(own: KiWorld) -> None:
    own.created(samples.drug_reaction(place(writer=NURSE)), claims={"hpr": H03}, headers={"nhn-user-role": role("SP")})


def test_in_ehds_mode_a_restriction_does_not_show(own: KiWorld) -> None:
    own.configure(mode="ehds")
    assert bundle(own.get("/AllergyIntolerance", E)) == []
    id_ = record_id("P17", "penicillin")
    refused(own.get(f"/AllergyIntolerance/{id_}", E), 404, "KI-9003")


def test_no_number_in_the_address_of_anything(shared: KiWorld) -> None:
    answer = shared.get("/Patient/$everything", C8)
    assert C8 not in "".join(entry["fullUrl"] for entry in answer.json()["entry"])
    assert answer.json()["link"][0]["url"] == f"{HOST}{BASE}/Patient/$everything"


def test_versions_have_no_gaps(own: KiWorld) -> None:
    person = own.run(own.core.store.read(lambda conn: registers.person_by_nin(conn, DEFAULT, I)))
    assert person is not None
    id_ = record_id("P15", "penicillin")
    found = own.run(
        own.core.store.read(lambda conn: records.versions(conn, DEFAULT, person.id, "AllergyIntolerance", id_))
    )
    assert [each.version for each in found] == [4, 3, 2, 1]
    assert [each.updated for each in found] == sorted((each.updated for each in found), reverse=True)


def test_everything_wrong_is_explained_at_once(own: KiWorld) -> None:
    sent = own.headers("GET", "/AllergyIntolerance", E)
    faulty = {**sent, "nhn-source-system": "x", "nhn-user-role": role("QQ")}
    request = {"method": "GET", "url": K + "/AllergyIntolerance?criticalInfoType=x", "headers": faulty}
    answer = own.send("POST", "/_sandbox/v1/explain", json={"request": request}).json()
    assert answer["ok"] is False
    assert [each["rule"] for each in answer["faults"]] == ["B1", "B1", "B1", "C3", "F2"]


@pytest.mark.parametrize("path", ["/AllergyIntolerance", "/Flag/x", "/Patient/$everything", "/status"])
def test_a_sound_request_is_explained_as_such(own: KiWorld, path: str) -> None:
    method = "POST" if path == "/status" else "GET"
    sent = {**own.headers(method, path), "Content-Type": "application/json"}
    request = {"method": method, "url": K + path, "headers": sent, "body": orjson.dumps({"nin": B}).decode()}
    answer = own.send("POST", "/_sandbox/v1/explain", json={"request": request}).json()
    assert answer["faults"] == []
