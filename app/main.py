"""``create_app``: composes everything, decides nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from fastapi import FastAPI

from app import addresses
from app.clock import RealClock, SystemClock
from app.core import Core
from app.ids import IdSource, SystemIds
from app.routers import control, helseid, helseid_ttt, pps, pps_sandbox, trust_probe, web
from app.routers.control.ports import Ports
from app.routers.resolver import App, Resolver
from app.routers.wire import KeepingCase
from app.sandboxes import manager
from app.services.provesvar.ingest_fhir import put_fhir
from app.settings import Settings
from app.store import migrate
from app.store.engine import Store
from app.synthetic import seed
from app.trust import audit, issuer_keys
from app.trust.sts.orders import fill_order

LOG: Final = logging.getLogger("sandkasse")
_HOUR: Final = 3600.0


def create_app(
    settings: Settings | None = None, *, clock: RealClock | None = None, ids: IdSource | None = None
) -> Resolver:
    """The whole service as one ASGI application. The database is opened and seeded at start-up."""
    settings, clock = settings or Settings(), clock or SystemClock()
    store = Store(settings.database_url, clock, journal_keep=settings.journal_keep)
    return compose(Core(settings, store, clock, ids or SystemIds()))


def compose(core: Core) -> Resolver:
    """Every service of an installation behind the resolving middleware."""
    services: dict[str, FastAPI] = {
        "helseid": helseid.create(core),
        "helseid-ttt": helseid_ttt.create(core),
        "pps": pps.create_v1(core),
        "pps-v2": pps.create_v2(core),
        "pps-backdoor": pps.create_backdoor(core),
        "pps-sandbox": pps_sandbox.create(core),
        "trust-probe": trust_probe.create(core),
        "trust-probe-bearer": trust_probe.create_bearer(core),
        "control": control.create(core, Ports(seeder=seed.fill, mint=fill_order, put_fhir=put_fhir)),
    }
    apps: dict[str, App] = {**services, addresses.WEB: web.create(core, services)}
    return Resolver(core, apps, FastAPI(lifespan=_lifespan(core)))


def served_app(settings: Settings | None = None) -> KeepingCase:
    """The application for a real server; ``uvicorn --factory app.main:served_app`` reads the environment."""
    return KeepingCase(create_app(settings))


async def start(core: Core) -> None:
    """Bring the database up to date, make what the first start must make, and start the writer."""
    migrate.prepare(core.store)
    core.store.start()
    await issuer_keys.ensure(core)
    await manager.ensure(core, seeder=seed.fill if core.settings.seed_on_start else seed.fill_bare)


async def checkpoint(core: Core) -> None:
    """Sign the head of every audit chain (audit spec section 7)."""
    made, now = core.ids.random(32), core.clock.time()
    await core.store.write(lambda conn: audit.checkpoint(conn, now, made))


def _lifespan(core: Core) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await start(core)
        hourly = asyncio.create_task(_every_hour(core))
        try:
            yield
        finally:
            hourly.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await hourly
            await checkpoint(core)
            core.store.close()

    return lifespan


async def _every_hour(core: Core) -> None:
    while True:
        await asyncio.sleep(_HOUR)
        await checkpoint(core)
