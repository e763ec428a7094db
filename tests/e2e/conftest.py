"""One running service for all end-to-end tests of a process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.browser import browser, page
from tests.support.prepared import seeded
from tools.live_server import LiveServer, live_server

__all__ = ["browser", "live", "page"]


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder: Path = tmp_path_factory.mktemp("live")
    with live_server(seeded(folder), "--tls") as running:
        yield running
