"""The served OpenAPI documents against a running server: whatever is sent, the answer is never a 5xx."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from tools.live_server import live_server

_FEW = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with live_server(tmp_path_factory.mktemp("contract")) as live:
        yield live.url


@pytest.mark.parametrize(
    "service", ["pps", "pps-v2", "pps-backdoor", "pps-sandbox", "helseid", "helseid-ttt", "control"]
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
        answer = case.call()
        assert answer.status_code < 500, (operation.label, answer.status_code, answer.text)

    send()
