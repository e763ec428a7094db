"""Sandboxes that share the installation's keys share the work of reading them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from app.clock import ManualClock
from app.core import Core
from app.ids import SeededIds
from app.sandboxes import manager
from app.settings import Settings
from app.store import tables
from app.store.engine import Store
from app.trust import issuer_keys
from app.trust.jose import Key, import_key, is_private

NOW = 1_795_000_000.0


def test_a_private_key_is_imported_once_for_all_and_a_rotation_is_seen_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path}/a.db")
    clock = ManualClock(NOW)
    core = Core(settings, Store(settings.database_url, clock), clock, SeededIds("t"))
    tables.metadata.create_all(core.store.engine)
    core.store.start()
    imported: list[object] = []

    def counted(jwk: Mapping[str, Any]) -> Key:
        if is_private(jwk):
            imported.append(jwk)
        return import_key(jwk)

    async def kid(name: str) -> str:
        state = await manager.state(core, name)
        assert state is not None
        return (await issuer_keys.signing_key(core, state)).kid

    async def story() -> None:
        await issuer_keys.ensure(core)
        monkeypatch.setattr(issuer_keys, "import_key", counted)
        for name in ("a", "b"):
            await manager.create(core, name)
        assert await kid("a") == await kid("b")
        assert len(imported) == 1
        state = await manager.state(core, "a")
        assert state is not None
        new = await issuer_keys.rotate(core, state)
        assert await kid("a") == new
        assert await kid("b") != new
        await manager.reset(core, "a")
        assert await kid("a") == await kid("b")

    try:
        asyncio.run(story())
    finally:
        core.store.close()
