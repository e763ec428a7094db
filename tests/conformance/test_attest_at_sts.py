"""T-51 to T-72 of trust.md section 9 (and RC-13, RC-14, RC-26): on the pure functions, and through the issuer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.routers import helseid
from app.trust.attest import CLAIM
from app.trust.sts.attest import attest_claim
from app.trust.sts.errors import StsError
from app.trust.sts.structures import OrgClaims, read_carriers
from tests.conformance.attest_cases import CASES, Case
from tests.support.asgi import World
from tests.support.epj import Epj, changed, claims_of, sent_back
from tests.unit.trust.sts.attests import H01, MOMENT, O06, O07, P15, REGISTERS, Notes, Person, Rules, put, valid

_USERS = {"H01": (H01, "ÅRVÅKEN LEGEROT"), "P15": (P15, "TÅLMODIG LINERLE")}


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_attest(case: Case) -> None:
    notes = Notes()
    subject = None if case.user == "machine" else Person(*_USERS[case.user], case.level)

    def issue() -> dict[str, object] | None:
        carriers = read_carriers(case.assertion, case.request, notes, "lenient")
        rules = Rules(attest_schema=case.schema)
        return attest_claim(carriers.structures, subject, OrgClaims(O06, O07), REGISTERS, MOMENT, rules, notes)

    if case.refusal is None:
        assert case.holds(issue())
        assert case.finding is None or case.finding in notes.codes
        return
    with pytest.raises(StsError) as error:
        issue()
    assert (error.value.error, error.value.status) == ("access_denied", 400)
    assert error.value.description.startswith(case.refusal)


def test_every_numbered_case_is_there() -> None:
    assert {f"T-{number}" for number in range(51, 73)} <= {case.id.split()[0] for case in CASES}


# ---- the same rows through PAR, login and the token endpoint ----

SCOPE = "openid profile offline_access sandkasse:probe/read"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("attest")
    world = World(folder, {"helseid": helseid.create})
    yield world
    world.close()


@pytest.fixture(scope="module")
def epj(world: World) -> Epj:
    return changed(world, "sandkasse-epj", orgnr_parent=O06, children=frozenset({O07}))


def asked(epj: Epj, case: Case) -> httpx.Response:
    """The answer to the first request that can carry the row's structures."""
    assertion = epj.assertion(**case.assertion)
    if case.user == "machine":
        return epj.token({"grant_type": "client_credentials", "scope": "sandkasse:probe/read"}, assertion=assertion)
    form = {"login_hint": f"{case.user} level:{case.level}"}
    if case.request:
        form["request"] = epj.request_object(**case.request)
    return epj.redeem(epj.log_in(SCOPE, **form), assertion=assertion)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_attest_through_the_issuer(world: World, epj: Epj, case: Case) -> None:
    with world.using(attest_schema=case.schema):
        answer = asked(epj, case)
    if case.refusal is None:
        assert answer.status_code == 200, answer.text
        assert case.holds(claims_of(answer.json()["access_token"]).get(CLAIM))
        assert case.finding is None or case.finding in {code for code, _ in world.findings}
        return
    assert answer.status_code == 400
    assert answer.json()["error"] == "access_denied"
    assert answer.json()["error_description"].startswith(case.refusal)


@pytest.mark.parametrize(
    ("assertion", "request_object", "kept"),
    [
        pytest.param({}, {"authorization_details": valid()}, True, id="T-53"),
        pytest.param({"assertion_details": valid()}, {}, False, id="T-54"),
        pytest.param({"authorization_details": valid()}, {}, False, id="RC-13"),
    ],
)
def test_after_a_refresh(epj: Epj, assertion: dict[str, Any], request_object: dict[str, Any], kept: bool) -> None:
    first = asked(epj, Case("first", assertion, request_object))
    toa = claims_of(first.json()["access_token"])[CLAIM]["toa"]
    second = epj.refresh(first.json()["refresh_token"], scope=SCOPE)
    assert second.status_code == 200, second.text
    claim = claims_of(second.json()["access_token"]).get(CLAIM)
    assert (claim is not None) is kept
    assert claim is None or claim["toa"] == toa


def test_par_refuses_what_needs_no_login(epj: Epj) -> None:
    """Ruling R18: structure and code errors at PAR, those of the person after the login."""
    broken = put(valid(), "care_relationship.purpose_of_use.code", "XYZ")
    answer = epj.push(SCOPE, request=epj.request_object(authorization_details=broken))
    assert (answer.status_code, answer.json()["error"]) == (400, "access_denied")
    assert answer.json()["error_description"].startswith("ATT-38 ")
    not_held = put(valid(), "practitioner.authorization.code", "TL")
    pushed = epj.push(SCOPE, request=epj.request_object(authorization_details=not_held))
    assert pushed.status_code == 201, pushed.text
    back = sent_back(epj.authorize(pushed.json()["request_uri"]))
    assert back["error"] == "access_denied"
    assert back["error_description"].startswith("ATT-31 ")
