"""What a sandbox has of its own beside the national services: control API and console, composed as ``main`` does."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from fastapi import FastAPI

from app.adapters import CRITICAL_INFORMATION, RECORDS
from app.core import Core
from app.directory import BY_NAME
from app.ondemand import OnDemand
from app.routers import (
    control,
    critical_information,
    fhir_facade,
    helseid,
    kjernejournal,
    kjernejournal_session,
    pps,
    selvbetjening,
    trust_probe,
    web,
)
from app.routers.control.ports import Ports
from app.routers.examining import Reader, by_routes
from app.services.provesvar.ingest_fhir import put_fhir
from app.synthetic import generate, seed
from app.synthetic.scenarios import Scenarios
from app.trust.sts.orders import fill_order


class ControlPlane:
    """Both applications, over the services they tell of, and what they ask of rooms they may not import.

    ``apps`` has the services of the directory, and may have more.
    """

    def __init__(self, core: Core, apps: Mapping[str, FastAPI]) -> None:
        services = OnDemand({name: partial(apps.__getitem__, name) for name in apps if name in BY_NAME})
        self._core = core
        self._services = services
        library = Scenarios(core.settings)
        self._ports = Ports(
            seeder=seed.SEEDED,
            mint=fill_order,
            put_fhir=put_fhir,
            generate=generate.generate,
            scenario=library.seeder,
            scenarios=library,
            readers=_readers(core, services),
        )

    def control(self) -> FastAPI:
        """The control API."""
        return control.create(self._core, self._ports)

    def pages(self) -> FastAPI:
        """The console, the API explorer and all that no mount claims."""
        return web.create(self._core, self._services, self._ports)


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
