"""A running installation without a server, on SQLite and, where a test asks for it, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from app.clock import ManualClock
from app.core import Core
from app.ids import SeededIds
from app.settings import Settings
from app.store import tables
from app.store.engine import Store

NOW = 1_795_000_000.0


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    yield from started(f"sqlite:///{tmp_path}/a.db")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def any_core(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Core]:
    if request.param == "postgresql":
        yield from started(cast("Callable[[], str]", request.getfixturevalue("postgres"))())
    else:
        yield from started(f"sqlite:///{tmp_path}/a.db")


def started(url: str) -> Iterator[Core]:
    settings = Settings(database_url=url)
    clock = ManualClock(NOW)
    store = Store(settings.database_url, clock)
    tables.metadata.create_all(store.engine)
    store.start()
    yield Core(settings, store, clock, SeededIds("t"))
    store.close()
