"""A sandbox as a test sees it: made in milliseconds, arranged, asked what it saw, and gone at the end."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

import httpx

from sandkasse import groups
from sandkasse.answers import Checks, Judgement, MintedToken, Person, Receipt, SandboxState, Snapshot, read
from sandkasse.calls import Ask, Async, Steps, Sync, operation
from sandkasse.errors import ControlError
from sandkasse.place import Group, Place, checked, control
from sandkasse.services import MOUNTS

HOME: Final = "http://localhost:8000"
_SECONDS: Final = 30.0
_TAKEN: Final = "1"
S = TypeVar("S")


class _SandboxSteps(Group):
    @property
    def name(self) -> str:
        return self.place.name

    @property
    def root(self) -> str:
        """The sandbox's address; its services are below it."""
        return self.place.root

    @property
    def issuer(self) -> str:
        """The issuer, which clients call authority."""
        return self.place.url("helseid")

    def url(self, service: str, path: str = "") -> str:
        """Base URL of a service (``pps-v2``, ``trust-probe`` …), with ``path`` added. Raises ``KeyError``."""
        return self.place.url(service) + path

    def page(self, exchange: str) -> str:
        """Where a person reads about an exchange."""
        return f"{self.place.root}/exchanges/{exchange}"

    @operation
    def state(self) -> Steps[SandboxState]:
        """The sandbox with its seed, clock, settings and faults."""
        return read(SandboxState, (yield from self._manage("GET")))

    @operation
    def configure(self, /, **settings: Any) -> Steps[SandboxState]:
        """Change the sandbox's own settings, ``profile="strict"``; None gives the installation's value back."""
        return read(SandboxState, (yield from self._manage("PATCH", body={"settings": settings})))

    @operation
    def reset(self, *, scenario: str | Mapping[str, Any] | None = None, content: str = "seeded") -> Steps[SandboxState]:
        """Empty it and fill it anew."""
        body = {"scenario": scenario} if scenario is not None else {"content": content}
        return read(SandboxState, (yield from self._manage("POST", "/reset", body)))

    @operation
    def snapshot(self, name: str | None = None) -> Steps[Snapshot]:
        """Keep the sandbox as it is now, to restore it later."""
        return read(Snapshot, (yield from self._manage("POST", "/snapshots", {"name": name} if name else {})))

    @operation
    def snapshots(self) -> Steps[tuple[Snapshot, ...]]:
        """What can be restored."""
        body = yield from self._manage("GET", "/snapshots")
        return tuple(read(Snapshot, each) for each in body["snapshots"])

    @operation
    def restore(self, snapshot: Snapshot | str) -> Steps[SandboxState]:
        """Make everything as it was at the snapshot."""
        name = snapshot if isinstance(snapshot, str) else snapshot.name
        return read(SandboxState, (yield from self._manage("POST", f"/snapshots/{name}/restore")))

    @operation
    def delete(self) -> Steps[None]:
        """Take it away with all data."""
        yield from self._delete()

    @operation
    def patient(self, person: str) -> Steps[Person]:
        """A person by id, such as ``P02``; ``nin`` is the number for a header or a body."""
        return read(Person, (yield from self._control("GET", f"/persons/{person}")))

    @operation
    def token(
        self,
        /,
        persona: str | None = None,
        *,
        scopes: Sequence[str] = (),
        client: str | None = None,
        attest: Mapping[str, Any] | None = None,
        url: str | None = None,
        method: str | None = None,
        **more: Any,
    ) -> Steps[MintedToken]:
        """A token without a login, for a practitioner or a person (``H01``), or for a machine.

        Without ``scopes`` the service at ``url`` decides them. ``attest={}`` sends an ordinary attest. ``more`` are
        further members of the order (``level``, ``claims``, ``fault`` …) as the control API names them.
        """
        wanted = {
            "persona": persona,
            "scopes": [*scopes] or None,
            "client": client,
            "attest": attest,
            "url": url,
            "method": method,
            **more,
        }
        body = {name: value for name, value in wanted.items() if value is not None}
        return read(MintedToken, (yield from self._control("POST", "/tokens", body)))

    @operation
    def explain(self, /, **what: Any) -> Steps[Judgement]:
        """Everything that is wrong with what is not sent: ``request`` (an ``httpx.Request``), ``token``, ``proof`` or
        ``clientAssertion``."""
        request = what.get("request")
        if isinstance(request, httpx.Request):
            what["request"] = {
                "method": request.method,
                "url": str(request.url),
                "headers": dict(request.headers),
                "body": request.read().decode(),
            }
        return read(Judgement, (yield from self._control("POST", "/explain", what)))

    @operation
    def checks(self, client: str) -> Steps[Checks]:
        """What the journal says a client does right, does wrong, and has not yet shown."""
        return read(Checks, (yield from self._control("GET", "/checks", params={"client": client, "format": "json"})))

    @operation
    def put_fhir(self, service: str, resource: Mapping[str, Any]) -> Steps[Mapping[str, Any]]:
        """Store a FHIR resource, or a Bundle of them, past the national formats."""
        stored: Mapping[str, Any] = yield from self._control("PUT", f"/resources/{service}", resource)
        return stored

    @operation
    def ingest(self, message: bytes) -> Steps[Receipt]:
        """Send a svarrapport in, as a laboratory does."""
        headers = {"Content-Type": "application/xml", **self.place.headers}
        answer = yield Ask("POST", f"{self.place.url('pps-sandbox')}/svarrapport", content=message, headers=headers)
        if answer.status_code >= 400:
            checked(answer)
        return _receipt(answer.content)

    def _delete(self) -> Steps[None]:
        try:
            yield from self._manage("DELETE")
        except ControlError as error:
            if error.status != 404:  # already gone, or expired
                raise

    def _clone(self, name: str | None, expires_in: float | None) -> Steps[Place]:
        members = {"name": name, "expiresIn": expires_in}
        body = {each: value for each, value in members.items() if value is not None}
        return _placed(self.place, (yield from self._manage("POST", "/clone", body)))


class Sandbox(_SandboxSteps, Sync):
    """One isolated world.

        with Sandbox.create() as sandbox:
            number = sandbox.patient("P02").nin

    ``create`` makes one, which is deleted at the end of the block; ``connect`` takes one that is there.
    """

    def __init__(self, place: Place, http: httpx.Client | None = None, *, made: bool = False) -> None:
        super().__init__(place, http or httpx.Client(timeout=_SECONDS))
        self._own = http is None
        self._made = made
        self.clock: Final = groups.Clock(place, self._http)
        self.faults: Final = groups.Faults(place, self._http)
        self.persons: Final = groups.Persons(place, self._http)
        self.practitioners: Final = groups.Practitioners(place, self._http)
        self.organisations: Final = groups.Organisations(place, self._http)
        self.settings: Final = groups.Settings(place, self._http)
        self.clients: Final = groups.Clients(place, self._http)
        self.journal: Final = groups.Journal(place, self._http)

    @classmethod
    def connect(cls, url: str = HOME, admin_key: str | None = None, *, http: httpx.Client | None = None) -> Self:
        """The sandbox at ``url``: the default one, or ``…/s/<name>``. Asks nothing yet."""
        return cls(Place.of(url, admin_key), http)

    @classmethod
    def create(
        cls,
        url: str = HOME,
        name: str | None = None,
        *,
        scenario: str | Mapping[str, Any] | None = None,
        content: str = "seeded",
        seed: str | None = None,
        settings: Mapping[str, Any] | None = None,
        expires_in: float | None = None,
        admin_key: str | None = None,
        http: httpx.Client | None = None,
    ) -> Self:
        """Make a sandbox in the installation at ``url``; without ``name`` it gets one. Raises ``ControlError``."""
        found = cls.connect(url, admin_key, http=http)
        try:
            place = found._run(_create(found.place, name, scenario, content, seed, settings, expires_in))
        except BaseException:
            found.close()
            raise
        return cls(place, found._http, made=True)._closing(found._own)

    def clone(self, name: str | None = None, *, expires_in: float | None = None) -> Self:
        """A new sandbox with the same content and clock; deleted at the end of a ``with`` block."""
        return type(self)(self._run(self._clone(name, expires_in)), self._http, made=True)

    def close(self) -> None:
        """Delete the sandbox if this object made it, and close the connections if they are its own."""
        try:
            if self._made:
                self._run(self._delete())
        finally:
            if self._own:
                self._http.close()

    def _closing(self, own: bool) -> Self:
        self._own = own
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class AsyncSandbox(_SandboxSteps, Async):
    """``Sandbox`` for asyncio: the same operations, awaited.

    async with AsyncSandbox.create() as sandbox:
        number = (await sandbox.patient("P02")).nin
    """

    def __init__(self, place: Place, http: httpx.AsyncClient | None = None, *, made: bool = False) -> None:
        super().__init__(place, http or httpx.AsyncClient(timeout=_SECONDS))
        self._own = http is None
        self._made = made
        self.clock: Final = groups.AsyncClock(place, self._http)
        self.faults: Final = groups.AsyncFaults(place, self._http)
        self.persons: Final = groups.AsyncPersons(place, self._http)
        self.practitioners: Final = groups.AsyncPractitioners(place, self._http)
        self.organisations: Final = groups.AsyncOrganisations(place, self._http)
        self.settings: Final = groups.AsyncSettings(place, self._http)
        self.clients: Final = groups.AsyncClients(place, self._http)
        self.journal: Final = groups.AsyncJournal(place, self._http)

    @classmethod
    def connect(cls, url: str = HOME, admin_key: str | None = None, *, http: httpx.AsyncClient | None = None) -> Self:
        """The sandbox at ``url``: the default one, or ``…/s/<name>``. Asks nothing yet."""
        return cls(Place.of(url, admin_key), http)

    @classmethod
    def create(
        cls,
        url: str = HOME,
        name: str | None = None,
        *,
        scenario: str | Mapping[str, Any] | None = None,
        content: str = "seeded",
        seed: str | None = None,
        settings: Mapping[str, Any] | None = None,
        expires_in: float | None = None,
        admin_key: str | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> Coming[Self]:
        """As ``Sandbox.create``; to be awaited, or used as ``async with``."""

        async def make() -> Self:
            found = cls.connect(url, admin_key, http=http)
            try:
                place = await found._run(_create(found.place, name, scenario, content, seed, settings, expires_in))
            except BaseException:
                await found.close()
                raise
            return cls(place, found._http, made=True)._closing(found._own)

        return Coming(make)

    def clone(self, name: str | None = None, *, expires_in: float | None = None) -> Coming[Self]:
        """A new sandbox with the same content and clock; to be awaited, or used as ``async with``."""

        async def make() -> Self:
            return type(self)(await self._run(self._clone(name, expires_in)), self._http, made=True)

        return Coming(make)

    async def close(self) -> None:
        """Delete the sandbox if this object made it, and close the connections if they are its own."""
        try:
            if self._made:
                await self._run(self._delete())
        finally:
            if self._own:
                await self._http.aclose()

    def _closing(self, own: bool) -> Self:
        self._own = own
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()


class Coming(Generic[S]):
    """A sandbox that is being made: ``await`` gives it, ``async with`` gives it and deletes it at the end."""

    def __init__(self, make: Callable[[], Coroutine[Any, Any, S]]) -> None:
        self._make = make
        self._made: S | None = None

    def __await__(self) -> Generator[Any, None, S]:
        return self._make().__await__()

    async def __aenter__(self) -> S:
        self._made = await self._make()
        return self._made

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if isinstance(self._made, AsyncSandbox):
            await self._made.close()


def _create(
    place: Place,
    name: str | None,
    scenario: str | Mapping[str, Any] | None,
    content: str,
    seed: str | None,
    settings: Mapping[str, Any] | None,
    expires_in: float | None,
) -> Steps[Place]:
    members = {
        "name": name,
        "scenario": scenario,
        "content": content if scenario is None else None,
        "seed": seed,
        "settings": settings,
        "expiresIn": expires_in,
    }
    body = {each: value for each, value in members.items() if value is not None}
    return _placed(place, (yield from control(place, "POST", f"{place.server}{MOUNTS['control']}/sandboxes", body)))


def _placed(place: Place, body: Any) -> Place:
    made = read(SandboxState, body)
    return Place(place.server, made.name, made.admin_key or place.admin_key)


def _receipt(body: bytes) -> Receipt:
    """The AppRec (pps.md section 9.2): taken when its status is 1; an error is its code and texts."""
    root = ElementTree.fromstring(body)  # noqa: S314 - what our own sandbox wrote
    status = root.find("{*}Status")
    errors = tuple(
        " ".join(text for text in (error.get("V"), error.get("DN"), error.get("OT")) if text)
        for error in root.iterfind("{*}Error")
    )
    return Receipt(status is not None and status.get("V") == _TAKEN, errors, body)
