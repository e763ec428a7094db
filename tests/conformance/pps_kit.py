"""A seeded sandbox with prøvesvar behind the resolving middleware, and a caller with token and proofs."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx
from fastapi import FastAPI
from sqlalchemy import Connection

from app.clock import ManualClock
from app.core import Core
from app.ids import SeededIds
from app.routers import control, pps, pps_sandbox
from app.routers.resolver import Resolver
from app.sandboxes import manager
from app.sandboxes.state import DEFAULT
from app.services.provesvar import seed
from app.settings import Settings
from app.store import audit, privacy, tables
from app.store.engine import Store
from app.synthetic.people import seed_people
from app.trust import issuer_keys
from app.trust.facts import Setting
from app.trust.jose import sign
from tests.unit.trust.gate_kit import ABSENT, NOW, claims, proof

T = TypeVar("T")
Form = Mapping[str, str] | Iterable[tuple[str, str]] | bytes

HOST = "http://localhost:8000"
BASES = {"v1": "/pps", "v2": "/pps/v2", "backdoor": "/pps-backdoor/fhir"}
SCOPES = {"v1": "nhn:pps/provesvar", "v2": "nhn:pps/provesvar-read"}
FORM = "application/x-www-form-urlencoded"

P01, P02, P03, P04 = "14838449698", "02917149979", "21869049848", "30816549910"
P12, P13, P19, P22, P23 = "43909349738", "25854649879", "07819149881", "07877749961", "04849649839"
H01, H02 = "222250101", "222250102"
H02_PID = "16867649135"
STRANGER = "9144889"
"""An HPR number of published examples, not in the register."""


class PpsWorld:
    """One installation, its clock standing still."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        path = folder / "pps.db"
        path.write_bytes(_template())
        self.core = _core(path, **settings)
        self.core.store.start()
        self._runner = asyncio.Runner()
        apps = {
            "pps": pps.create_v1(self.core),
            "pps-v2": pps.create_v2(self.core),
            "pps-backdoor": pps.create_backdoor(self.core),
            "pps-sandbox": pps_sandbox.create(self.core),
            "control": control.create(self.core),
            "web": FastAPI(openapi_url=None),
            **self.more_apps(),
        }
        self._app = Resolver(self.core, apps, FastAPI())

    def more_apps(self) -> Mapping[str, FastAPI]:
        """Other services of the installation, in a world that is about them."""
        return {}

    def close(self) -> None:
        self._runner.close()
        self.core.store.close()

    def run(self, work: Awaitable[T]) -> T:
        async def wait() -> T:
            return await work

        return self._runner.run(wait())

    def write(self, work: Callable[[Connection], T]) -> T:
        return self.run(self.core.store.write(work))

    def configure(self, *, faults: Mapping[str, str] | None = None, **settings: Any) -> None:
        """The sandbox's own settings and faults, until configured again."""
        self.run(manager.configure(self.core, DEFAULT, settings=settings, faults=faults))

    def set(self, person: str, setting: Setting) -> None:
        self.write(lambda conn: privacy.put_setting(conn, DEFAULT, person, setting, NOW))

    def audit(self, **wanted: Any) -> list[dict[str, Any]]:
        return self.run(self.core.store.read(lambda conn: audit.query(conn, DEFAULT, service="PPS", **wanted)))

    def token(self, version: str = "v2", **changes: Any) -> str:
        """An access token for ``version``; keywords replace claims (``ABSENT`` drops one)."""
        made = claims(**{"aud": "nhn:pps", "scope": ["openid", SCOPES[version]], "attest": ABSENT, **changes})
        return self.signed(made)

    def signed(self, made: Mapping[str, Any]) -> str:
        async def key() -> Any:
            state = await manager.state(self.core, DEFAULT)
            assert state is not None
            return await issuer_keys.signing_key(self.core, state)

        found = self.run(key())
        return sign(found.header("at+jwt"), made, found.key)

    def headers(self, version: str, path: str, method: str = "POST", **changes: Any) -> dict[str, str]:
        """What a caller of ``path`` sends by default: token, fresh proof, patient, correlation id."""
        if version == "backdoor":
            return {"x-nilar-patient": P01, "x-nilar-requester-hpr": H01}
        token = self.token(version, **changes)
        url = HOST + BASES[version] + path
        return {
            "Authorization": f"DPoP {token}",
            "DPoP": proof(token, htm=method, htu=url),
            "person-id": P01,
            "X-Request-Id": "request-1",
        }

    def send(self, method: str, url: str, *, raise_errors: bool = True, **arguments: Any) -> httpx.Response:
        async def sending() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._lower_case, raise_app_exceptions=raise_errors)
            async with httpx.AsyncClient(transport=transport, base_url=HOST) as client:
                return await client.request(method, url, **arguments)

        return self._runner.run(sending())

    async def _lower_case(self, scope: Any, receive: Any, send: Any) -> None:
        """As a socket would: the test client looks header names up as ASGI says they are, in lower case."""

        async def lowered(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [(bytes(name).lower(), value) for name, value in message["headers"]]}
            await send(message)

        await self._app(scope, receive, lowered)

    def search(
        self,
        form: Form = b"",
        *,
        kind: str = "DiagnosticReport",
        version: str = "v2",
        query: str = "",
        claims: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | Iterable[tuple[str, str]] = (),
        raise_errors: bool = True,
    ) -> httpx.Response:
        """Search; ``headers`` replace the default ones, a value of None leaves one out, pairs are added."""
        path = f"/{kind}/_search"
        sent: dict[str, str] = self.headers(version, path, **(claims or {}))
        more: list[tuple[str, str]] = []
        if isinstance(headers, Mapping):
            for name, value in headers.items():
                sent.pop(name, None)
                if value is not None:
                    sent[name] = value
        else:
            more = list(headers)
        body = form if isinstance(form, bytes) else urlencode(list(form.items() if isinstance(form, Mapping) else form))
        if body:
            sent.setdefault("Content-Type", FORM)
        url = BASES[version] + path + (f"?{query}" if query else "")
        return self.send("POST", url, content=body, headers=[*sent.items(), *more], raise_errors=raise_errors)

    def ingest(self, body: bytes, **headers: str) -> httpx.Response:
        sent = {"Content-Type": "application/xml", **headers}
        return self.send("POST", "/pps-sandbox/svarrapport", content=body, headers=sent)


def matches(answer: httpx.Response, mode: str = "match") -> list[dict[str, Any]]:
    """The resources of the entries with a search mode; the answer must be a searchset."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["resourceType"], body["type"]) == ("Bundle", "searchset")
    return [entry["resource"] for entry in body.get("entry", []) if entry["search"]["mode"] == mode]


def outcome(answer: httpx.Response) -> dict[str, Any]:
    """The issue of the only OperationOutcome, whatever the status; a searchset must have nothing beside it."""
    body = answer.json()
    if body["resourceType"] == "Bundle":
        assert body["total"] == 0
        (entry,) = body["entry"]
        assert entry["search"] == {"mode": "outcome"}
        body = entry["resource"]
    assert body["resourceType"] == "OperationOutcome"
    (issue,) = body["issue"]
    found: dict[str, Any] = issue
    return found


def link(answer: httpx.Response, relation: str) -> str | None:
    return next((each["url"] for each in answer.json()["link"] if each["relation"] == relation), None)


def blocked(answer: httpx.Response, code: str) -> None:
    """200, nothing found, and the PVK code in both systems, the old one first."""
    assert answer.status_code == 200
    issue = outcome(answer)
    assert (issue["severity"], issue["code"]) == ("warning", "suppressed")
    assert issue["details"]["coding"] == [
        {"system": "NilarPvkOutcome", "code": code},
        {"system": "http://nhn.no/fhir/nilar/CodeSystem/pvk-outcome-cs", "code": code},
    ]


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert outcome(answer)["code"] == code


def nothing(answer: httpx.Response) -> None:
    """The answer to a patient without data."""
    assert answer.status_code == 200
    issue = outcome(answer)
    assert (issue["severity"], issue["code"]) == ("information", "not-found")
    assert "details" not in issue


@cache
def _template() -> bytes:
    """A seeded database, made once for a test run."""
    with tempfile.TemporaryDirectory(prefix="sandkasse-pps-") as folder:
        path = Path(folder) / "template.db"
        core = _core(path)
        tables.metadata.create_all(core.store.engine)
        core.store.start()
        asyncio.run(_fill(core))
        core.store.close()
        return path.read_bytes()


async def _fill(core: Core) -> None:
    await issuer_keys.ensure(core)
    await manager.ensure(core)
    await core.store.write(lambda conn: seed_people(conn, DEFAULT, NOW, seed.report_refs()))
    await core.store.write(lambda conn: seed.seed_reports(conn, DEFAULT, NOW))


def _core(path: Path, **settings: Any) -> Core:
    made = Settings(database_url=f"sqlite:///{path}", **settings)
    clock = ManualClock(NOW)
    return Core(made, Store(made.database_url, clock), clock, SeededIds(str(path)))
