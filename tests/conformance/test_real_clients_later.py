"""The cases of real-clients.md section 6 whose services are not built yet: counted, never left out."""

import pytest

from app.addresses import resolve


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            path,
            id=name,
            marks=pytest.mark.xfail(strict=True, reason=f"{service} is not built yet", raises=AssertionError),
        )
        for name, service, path in (
            ("RC-33", "journaldokumenter", "/pjd/R4/fhir/documentreference/_search"),
            ("RC-34", "journaldokumenter", "/pjd/R4/fhir/Binary/1"),
        )
    ],
)
def test_real_clients(path: str) -> None:
    assert resolve("http", "localhost", path).service != "web"
