"""What every test run has: the count of conformance cases, and databases for the tests marked ``postgres``."""

from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

pytest_plugins = ["tools.conformance", "tools.pytest_postgres"]

# Machines that run tests are slow at times: how long an example takes says nothing about the code.
settings.register_profile("project", deadline=None)
settings.load_profile("project")

_MEASURED: Final = Path(__file__).parent / "tests" / "unit"
"""Coverage is what unit tests alone reach: measuring the others costs minutes and would hide what those forgot."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not item.path.is_relative_to(_MEASURED):
            item.add_marker("no_cover")
