"""``POST /tokens``: any persona, any claims, and every fault of the test-token service."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from app import main
from app.trust.sts import ttt
from tests.unit.routers.test_service import BASE, P01, SEARCH, Service

ORDER = {"persona": "H01", "url": BASE + SEARCH, "method": "POST"}
TOKEN_FAULTS = (*ttt._TOKEN_ROWS, *ttt._PROOF_ROWS)


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    made = Service(tmp_path)
    await main.start(made.core)
    yield made
    made.core.store.close()


async def order(service: Service, **wanted: Any) -> dict[str, Any]:
    answer = await service.http.post("/_sandbox/v1/tokens", json={**ORDER, **wanted})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_every_fault_gets_the_answer_it_is_documented_with(service: Service) -> None:
    for fault in TOKEN_FAULTS:
        made = await order(service, fault=fault.name)
        headers = made["headers"] | {"person-id": P01, "X-Request-Id": "r"}
        answer = await service.http.post(SEARCH, headers=headers)
        assert answer.status_code == fault.status, fault.name
        assert (fault.error or "") in answer.headers.get("WWW-Authenticate", ""), fault.name


async def test_claims_are_laid_over_those_of_the_issuer(service: Service) -> None:
    level = "helseid://claims/identity/security_level"
    made = await order(service, claims={level: "3"})
    told = (await service.http.post("/_sandbox/v1/explain", json={"token": made["access_token"]})).json()
    assert told["ok"]
    assert told["claims"][level] == "3"
    headers = made["headers"] | {"person-id": P01, "X-Request-Id": "r"}
    assert (await service.http.post(SEARCH, headers=headers)).status_code in (401, 403)
    made = await order(service, claims={"helseid://claims/identity/pid": None, "sub": None})
    headers = made["headers"] | {"person-id": P01, "X-Request-Id": "r"}
    answer = await service.http.post(SEARCH, headers=headers)
    assert answer.status_code in (401, 403)


@pytest.mark.parametrize("persona", [P01, "hpr:222250101", "H01 level:3 network:internett"])
async def test_any_synthetic_person_or_health_worker_may_log_in(service: Service, persona: str) -> None:
    made = await order(service, persona=persona)
    assert made["claims"]["sub"]


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"fault": "nothing-known"}, "known are"),
        ({"fault": "wrongHtu", "url": None}, "one of a proof"),
        ({"persona": "H99"}, "persona"),
    ],
)
async def test_what_cannot_be_made(service: Service, wanted: dict[str, Any], told: str) -> None:
    sent = {name: value for name, value in {**ORDER, **wanted}.items() if value is not None}
    answer = await service.http.post("/_sandbox/v1/tokens", json=sent)
    assert answer.status_code in (400, 404)
    assert told in answer.json()["detail"]
