"""``create_app``: composes everything, decides nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI

from app.adapters import CRITICAL_INFORMATION, RECORDS
from app.addresses import WEB
from app.clock import RealClock, SystemClock
from app.core import Core
from app.errors import Refusal
from app.ids import IdSource, SystemIds
from app.ondemand import OnDemand
from app.routers import (
    citizen,
    codingsystems,
    critical_information,
    fhir_facade,
    helseid,
    helseid_ttt,
    kjernejournal,
    kjernejournal_portal,
    kjernejournal_session,
    pps,
    pps_sandbox,
    selvbetjening,
    selvbetjening_portal,
    trust_probe,
)
from app.routers.resolver import Resolver
from app.routers.wire import KeepingCase
from app.sandboxes import journal, manager
from app.settings import Settings
from app.store import migrate
from app.store.engine import Store
from app.store.retention import Limits
from app.synthetic import seed
from app.trust import audit, issuer_keys

if TYPE_CHECKING:
    from app.control_plane import ControlPlane

_HOUR: Final = 3600.0
_MINUTE: Final = 60.0


def create_app(
    settings: Settings | None = None, *, clock: RealClock | None = None, ids: IdSource | None = None
) -> Resolver:
    """The whole service as one ASGI application. The database is opened and seeded at start-up."""
    settings, clock = settings or Settings(), clock or SystemClock()
    limits = Limits(settings.journal_keep, settings.journal_keep_bytes, settings.journal_keep_seconds)
    store = Store(settings.database_url, clock, limits=limits, listeners=settings.journal_listeners)
    return compose(Core(settings, store, clock, ids or SystemIds()))


def compose(core: Core) -> Resolver:
    """Every service of an installation behind the resolving middleware."""
    return Resolver(core, assemble(core), FastAPI(lifespan=_lifespan(core)))


def assemble(core: Core) -> OnDemand[FastAPI]:
    """The application of each service by its name in the directory, and ``WEB``, made when it is first called."""

    @cache
    def plane() -> ControlPlane:
        from app.control_plane import ControlPlane  # its many models take a fifth of a start: after the first answer

        return ControlPlane(core, apps)

    apps: OnDemand[FastAPI] = OnDemand(
        {
            "helseid": lambda: helseid.create(core),
            "helseid-ttt": lambda: helseid_ttt.create(core),
            "pps": lambda: pps.create_v1(core),
            "pps-v2": lambda: pps.create_v2(core),
            "pps-backdoor": lambda: pps.create_backdoor(core),
            "pps-sandbox": lambda: pps_sandbox.create(core),
            "trust-probe": lambda: trust_probe.create(core),
            "trust-probe-bearer": lambda: trust_probe.create_bearer(core),
            "selvbetjening-api": lambda: selvbetjening.create(core),
            "selvbetjening": lambda: selvbetjening_portal.create(core),
            "codingsystems": lambda: codingsystems.create(core),
            "critical-information": lambda: critical_information.create(core),
            "fhir-facade": lambda: fhir_facade.create(core, RECORDS),
            "citizen": lambda: citizen.create(core, RECORDS),
            "kjernejournal": lambda: kjernejournal.create(core, CRITICAL_INFORMATION),
            "kjernejournal-innlogging": lambda: kjernejournal_session.create(core, CRITICAL_INFORMATION),
            "kjernejournal-portal": lambda: kjernejournal_portal.create(core, CRITICAL_INFORMATION),
            "control": lambda: plane().control(),
            WEB: lambda: plane().pages(),
        }
    )
    return apps


def served_app(settings: Settings | None = None) -> KeepingCase:
    """The application for a real server; ``uvicorn --factory app.main:served_app`` reads the environment."""
    app = create_app(settings)
    return KeepingCase(app, app.stopping, app.complete)


async def start(core: Core) -> None:
    """Bring the database up to date, make what the first start must make, and start the writer."""
    migrate.prepare(core.store)
    core.store.start()
    await issuer_keys.ensure(core)
    await manager.ensure(core, seeder=seed.SEEDED if core.settings.seed_on_start else seed.fill_bare)


async def checkpoint(core: Core) -> None:
    """Sign the head of every audit chain (audit spec section 7)."""
    made, now = core.ids.random(32), core.clock.time()
    await core.store.write(lambda conn: audit.checkpoint(conn, now, made))


def _lifespan(core: Core) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await start(core)
        chores = [
            asyncio.create_task(_every(_HOUR, checkpoint, core)),
            asyncio.create_task(_every(_MINUTE, manager.sweep, core)),
            asyncio.create_task(_every(_MINUTE, journal.forget, core)),
        ]
        try:
            yield
        finally:
            for chore in chores:
                chore.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await chore
            await checkpoint(core)
            core.store.close()
            core.signer.close()

    return lifespan


async def _every(seconds: float, work: Callable[[Core], Awaitable[object]], core: Core) -> None:
    """Do ``work`` again and again, in real time; when the store does not answer, the next time."""
    while True:
        await asyncio.sleep(seconds)
        with contextlib.suppress(Refusal):
            await work(core)
