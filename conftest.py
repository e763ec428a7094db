"""What every test run has: the count of conformance cases, and databases for the tests marked ``postgres``."""

from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

pytest_plugins = ["tools.conformance", "tools.pytest_postgres"]

# Machines that run tests are slow at times: how long an example takes says nothing about the code.
settings.register_profile("project", deadline=None)
settings.load_profile("project")

_UNMEASURED: Final = tuple(Path(__file__).parent / "tests" / name for name in ("contract", "crash", "e2e", "property"))
"""These start processes of their own or repeat what other tests run once: measuring costs minutes and adds nothing."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in _UNMEASURED):
            item.add_marker("no_cover")
