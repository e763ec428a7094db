"""pytest fixtures: an isolated sandbox for each test, personas, clock, faults, and why a test was told no.

Nothing is loaded before a test asks for a fixture.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import pytest

if TYPE_CHECKING:
    import httpx

    from sandkasse.answers import Exchange
    from sandkasse.groups import Clock, Faults
    from sandkasse.sandbox import AsyncSandbox, Sandbox
    from sandkasse.server import Server

_MARKER: Final = (
    "sandbox(scenario=None, content='seeded', seed=None, settings=None): how the fixture `sandbox` is made for a test"
)
_SANDBOX: Final = pytest.StashKey["Sandbox"]()
_LIFE_SECONDS: Final = 3600.0  # one whose test was killed goes away by itself
_NAME_LENGTH: Final = 30


class Persona(Protocol):
    """Logs a persona in and gives a client of a service as that person."""

    def __call__(
        self,
        who: str | None = "H01",
        service: str = "pps-v2",
        *,
        scopes: Sequence[str] = (),
        attest: Mapping[str, Any] | None = None,
        client: str | None = None,
        **options: Any,
    ) -> httpx.Client: ...


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test tells why its sandbox last refused something."""
    report = yield
    sandbox = item.stash.get(_SANDBOX, None)
    if sandbox is not None and report.when == "call" and report.failed:
        from sandkasse.report import TITLE

        story = _refusal(sandbox)
        if story is not None:
            report.sections.append((TITLE, story))
    return report


@pytest.fixture(scope="session")
def sandkasse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The installation: the one at ``SANDKASSE_URL``, else a server of this test run's own, which workers share."""
    from sandkasse.server import CannotStart, running

    with ExitStack() as stack:
        try:
            server = stack.enter_context(running(_common_folder(tmp_path_factory)))
        except CannotStart as error:
            pytest.fail(str(error), pytrace=False)
        yield server


@pytest.fixture(scope="session")
def sandkasse_http() -> Iterator[httpx.Client]:
    """Connections to the control API, kept for the whole run."""
    import httpx

    with httpx.Client(timeout=30) as http:
        yield http


@pytest.fixture
def sandbox(
    request: pytest.FixtureRequest, sandkasse_server: Server, sandkasse_http: httpx.Client
) -> Iterator[Sandbox]:
    """A sandbox of the test's own, made as the marker ``sandbox`` says; gone at the end."""
    from sandkasse.sandbox import Sandbox

    marker = request.node.get_closest_marker("sandbox")
    options = dict(marker.kwargs) if marker is not None else {}
    with Sandbox.create(
        sandkasse_server.url,
        _name(request.node.name),
        admin_key=sandkasse_server.admin_key,
        http=sandkasse_http,
        **{"expires_in": _LIFE_SECONDS, **options},
    ) as made:
        request.node.stash[_SANDBOX] = made
        yield made


@pytest.fixture
def async_sandbox(sandbox: Sandbox) -> AsyncSandbox:
    """The test's sandbox for ``await``. It belongs to no event loop: each call makes a connection of its own."""
    import httpx

    from sandkasse.sandbox import AsyncSandbox

    http = httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_keepalive_connections=0))
    return AsyncSandbox(sandbox.place, http)


@pytest.fixture
def persona(sandbox: Sandbox) -> Iterator[Persona]:
    """Call it with a practitioner's id, ``persona("H01")``, for an ``httpx.Client`` that is logged in to a service.

    ``service`` is where its addresses begin and what decides the scopes; ``attest={}`` sends an ordinary attest.
    """
    import httpx

    opened: list[httpx.Client] = []

    def log_in(
        who: str | None = "H01",
        service: str = "pps-v2",
        *,
        scopes: Sequence[str] = (),
        attest: Mapping[str, Any] | None = None,
        client: str | None = None,
        **options: Any,
    ) -> httpx.Client:
        base = sandbox.url(service)
        token = sandbox.token(who, scopes=scopes, attest=attest, client=client, url=base)
        opened.append(httpx.Client(base_url=base, auth=token.auth(), **options))
        return opened[-1]

    yield log_in
    for each in opened:
        each.close()


@pytest.fixture
def frozen_clock(sandbox: Sandbox) -> Clock:
    """The sandbox's clock, stopped."""
    sandbox.clock.freeze()
    return sandbox.clock


@pytest.fixture
def faults(sandbox: Sandbox) -> Faults:
    """The sandbox's faults: none yet."""
    return sandbox.faults


@pytest.fixture
def expect_exchange(sandbox: Sandbox) -> Callable[..., tuple[Exchange, ...]]:
    """``expect_exchange(service="pps-v2", status=200)`` waits for what matches; the test fails if it does not come."""
    return sandbox.journal.expect


def _refusal(sandbox: Sandbox) -> str | None:
    import httpx

    from sandkasse.errors import KitError
    from sandkasse.report import last_refused

    try:
        return last_refused(sandbox)
    except (httpx.HTTPError, KitError) as error:
        return f"the journal could not be read: {error}"


def _common_folder(factory: pytest.TempPathFactory) -> Path:
    """The temporary folder of the test run; a worker of pytest-xdist has one of its own below it."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def _name(test: str) -> str:
    """A sandbox's name by which its test is known in the console."""
    slug = re.sub(r"[^a-z0-9]+", "-", test.lower()).strip("-")[:_NAME_LENGTH].strip("-")
    return f"{slug}-{uuid.uuid4().hex[:8]}"
