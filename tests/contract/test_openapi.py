"""The served OpenAPI documents against a running server: whatever is sent, the answer is never a 5xx."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings

from tests.support.prepared import seeded
from tools.live_server import live_server

_FEW = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with live_server(seeded(tmp_path_factory.mktemp("contract"))) as live:
        yield live.url


@pytest.mark.parametrize(
    "service",
    [
        "pps",
        "pps-v2",
        "pps-backdoor",
        "pps-sandbox",
        "helseid",
        "helseid-ttt",
        "selvbetjening-api",
        "selvbetjening",
        "critical-information",
        "kjernejournal",
        "kjernejournal-innlogging",
        "kjernejournal-portal",
        "control",
    ],
)
def test_whatever_the_document_allows_is_never_a_server_error(url: str, service: str) -> None:
    schema: Any = schemathesis.openapi.from_url(f"{url}/openapi/{service}.json")
    tried = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        _probe(operation)
        tried += 1
    assert tried > 0


def _probe(operation: Any) -> None:
    @_FEW
    @given(case=operation.as_strategy())
    def send(case: Any) -> None:
        answer = _begun(case) if _streams(operation) else _unhurried(case).call(timeout=30)
        assert answer.status_code < 500, (operation.label, answer.status_code, answer.text)

    send()


def _streams(operation: Any) -> bool:
    """Whether the answer has no end."""
    return any(
        "text/event-stream" in each.get("content", {}) for each in operation.definition.raw["responses"].values()
    )


def _begun(case: Any) -> requests.Response:
    """The head of an answer whose body is not waited for."""
    with requests.request(**case.as_transport_kwargs(), stream=True, timeout=30) as answer:
        return answer


def _unhurried(case: Any) -> Any:
    """The case without waiting for something to happen."""
    if isinstance(case.query, dict) and "wait" in case.query:
        case.query["wait"] = 0
    if case.path.endswith("/expect") and isinstance(case.body, dict):
        case.body["timeout"] = 0
    return case
