"""A seeded database, made once for a test run: tests that need the whole service begin with a copy of it."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import cache
from pathlib import Path

from app import main
from app.clock import ManualClock, RealClock, SystemClock
from app.core import Core
from app.ids import IdSource, SeededIds, SystemIds
from app.settings import Settings
from app.store.engine import Store

NOW = 1_795_000_000.0


@cache
def prepared() -> bytes:
    """The file of a default installation that was seeded at ``NOW``."""
    return _seeded(ManualClock(NOW), SeededIds("template"))


def seeded(folder: Path) -> Path:
    """The data folder of a real server with a database that was seeded just now: its start takes half the time."""
    (folder / "sandkasse.db").write_bytes(_seeded_now())
    return folder


@cache
def _seeded_now() -> bytes:
    return _seeded(SystemClock(), SystemIds())


def _seeded(clock: RealClock, ids: IdSource) -> bytes:
    with tempfile.TemporaryDirectory(prefix="sandkasse-test-") as folder:
        path = Path(folder) / "template.db"
        settings = Settings(database_url=f"sqlite:///{path}")
        core = Core(settings, Store(settings.database_url, clock), clock, ids)
        # On a thread of its own: the test's event loop is already running.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, main.start(core)).result()
        core.store.close()
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return path.read_bytes()
