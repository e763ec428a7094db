"""``create_app``: composes everything, decides nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import date
from functools import partial
from typing import Final

from fastapi import FastAPI

from app import addresses
from app.clock import RealClock, SystemClock
from app.core import Core
from app.directory import BY_NAME
from app.errors import Refusal
from app.ids import IdSource, SystemIds
from app.ondemand import OnDemand
from app.routers import (
    citizen,
    codingsystems,
    control,
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
    web,
)
from app.routers.control.ports import Ports
from app.routers.examining import Reader, by_routes
from app.routers.resolver import Resolver
from app.routers.wire import KeepingCase
from app.sandboxes import journal, manager
from app.services.fhirfacade.port import Records
from app.services.kjernejournal.port import CriticalInformation, Summary
from app.services.kritiskinfo import categories, errors, records, status
from app.services.kritiskinfo.source import objects_of
from app.services.provesvar.ingest_fhir import put_fhir
from app.settings import Settings
from app.store import migrate
from app.store.engine import Connection, Store
from app.store.retention import Limits
from app.synthetic import generate, seed
from app.synthetic.scenarios import Scenarios
from app.trust import audit, issuer_keys
from app.trust.sts.orders import fill_order

LOG: Final = logging.getLogger("sandkasse")
_HOUR: Final = 3600.0
_MINUTE: Final = 60.0


def _summary(conn: Connection, sandbox: str, person: str, today: date) -> Summary:
    return status.summary(records.heads(conn, sandbox, person), today)


CRITICAL_INFORMATION: Final = CriticalInformation(
    latest=records.latest,
    summary=_summary,
    kind=categories.category,
    groups=categories.GROUPS,
    wire=errors.wire,
)
"""What kjernejournal shows is critical information's: no service knows another."""
RECORDS: Final = Records(latest=records.latest, objects=objects_of)
"""What the facade and the citizen side show of it."""


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
    services, ports = assemble(core)
    pages = {addresses.WEB: lambda: web.create(core, services, ports)}
    apps = OnDemand({name: partial(services.__getitem__, name) for name in services} | pages)
    return Resolver(core, apps, FastAPI(lifespan=_lifespan(core, apps)))


def assemble(core: Core) -> tuple[OnDemand[FastAPI], Ports]:
    """The application of each service by its name in the directory, made when first asked for.

    With them what control API and pages need besides.
    """
    services: OnDemand[FastAPI] = OnDemand(
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
            "control": lambda: control.create(core, ports),
        }
    )
    ports = _ports(core.settings, _readers(core, services))
    return services, ports


def _readers(core: Core, services: Mapping[str, FastAPI]) -> Mapping[str, Reader]:
    """What reads a request to each service for an explanation; its routes alone where there is nothing better."""

    def routes_of(name: str) -> Reader:
        return by_routes(services[name])

    return OnDemand(
        {
            **{name: partial(routes_of, name) for name in services if name != "control"},
            "helseid": lambda: helseid.reader(core, services["helseid"]),
            "pps": lambda: pps.reader(core, pps.V1),
            "pps-v2": lambda: pps.reader(core, pps.V2),
            "pps-backdoor": lambda: pps.reader(core, pps.BACKDOOR),
            "trust-probe": lambda: trust_probe.reader(core, BY_NAME["trust-probe"]),
            "trust-probe-bearer": lambda: trust_probe.reader(core, BY_NAME["trust-probe-bearer"]),
            "selvbetjening-api": lambda: selvbetjening.reader(core, services["selvbetjening-api"]),
            "critical-information": lambda: critical_information.reader(core, services["critical-information"]),
            "fhir-facade": lambda: fhir_facade.reader(core, services["fhir-facade"], RECORDS),
            "kjernejournal": lambda: kjernejournal.reader(core, CRITICAL_INFORMATION),
            "kjernejournal-innlogging": lambda: kjernejournal_session.reader(core, CRITICAL_INFORMATION),
        }
    )


def _ports(settings: Settings, readers: Mapping[str, Reader]) -> Ports:
    library = Scenarios(settings)
    return Ports(
        seeder=seed.SEEDED,
        mint=fill_order,
        put_fhir=put_fhir,
        generate=generate.generate,
        scenario=library.seeder,
        scenarios=library,
        readers=readers,
    )


def served_app(settings: Settings | None = None) -> KeepingCase:
    """The application for a real server; ``uvicorn --factory app.main:served_app`` reads the environment."""
    app = create_app(settings)
    return KeepingCase(app, app.stopping)


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


def _lifespan(core: Core, apps: OnDemand[FastAPI]) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await start(core)
        apps.make_all()
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
            core.signer.shutdown()

    return lifespan


async def _every(seconds: float, work: Callable[[Core], Awaitable[object]], core: Core) -> None:
    """Do ``work`` again and again, in real time; when the store does not answer, the next time."""
    while True:
        await asyncio.sleep(seconds)
        with contextlib.suppress(Refusal):
            await work(core)
