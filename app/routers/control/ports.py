"""What the control API asks of rooms it may not import: passed in by ``main``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from app.core import Core
from app.routers.examining import Reader
from app.sandboxes.content import Seeder
from app.sandboxes.register_bodies import Criteria
from app.sandboxes.scenario import Listed
from app.sandboxes.scenario import Scenario as ScenarioFile
from app.sandboxes.scenario_file import Fault
from app.sandboxes.state import SandboxState
from app.store.engine import Connection
from app.trust.facts import Person
from app.trust.trail import Trail


class Mint(Protocol):
    """Make a token for a persona; ``wanted`` has the members of ``bodies.TokenOrder`` that were sent.

    Gives at least ``access_token`` and ``token_type``. Raises ``Refusal(CONTENT_INVALID | NOT_FOUND)``.
    """

    async def __call__(self, core: Core, trail: Trail, wanted: Mapping[str, Any]) -> Mapping[str, Any]: ...


class PutFhir(Protocol):
    """Store FHIR resources (one, or a Bundle) in a service; gives what was stored.

    Raises ``Refusal(CONTENT_INVALID | NOT_FOUND)``.
    """

    async def __call__(self, core: Core, trail: Trail, service: str, body: bytes) -> Mapping[str, Any]: ...


class Scenario(Protocol):
    """What fills a sandbox as a scenario says, given by name or whole.

    Raises ``Refusal(CONTENT_INVALID)`` with a pointer below ``/scenario``.
    """

    def __call__(self, scenario: str | Mapping[str, Any], /) -> Seeder: ...


class ScenarioLibrary(Protocol):
    """The scenarios there are, and what is wrong with one that is not among them yet."""

    def listed(self) -> Sequence[Listed]: ...

    def get(self, name: str) -> ScenarioFile:
        """Raises ``Refusal(NOT_FOUND | CONTENT_INVALID)``."""

    def seeder(self, scenario: str | Mapping[str, Any], *, add: bool = False) -> Seeder:
        """As ``Scenario``; with ``add`` on top of what is in the sandbox."""

    def check(self, content: object, now: float) -> Sequence[Fault]:
        """``now`` is epoch seconds. Nothing is stored."""


class Generate(Protocol):
    """Make persons by criteria and store them. ``now`` is epoch seconds on the sandbox clock.

    Raises ``Refusal(CONTENT_INVALID)``.
    """

    def __call__(self, conn: Connection, state: SandboxState, criteria: Criteria, now: float) -> Sequence[Person]: ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Each is optional: what is not given answers 501, and without ``seeder`` a sandbox starts empty."""

    seeder: Seeder | None = None
    mint: Mint | None = None
    put_fhir: PutFhir | None = None
    generate: Generate | None = None
    scenario: Scenario | None = None
    scenarios: ScenarioLibrary | None = None
    readers: Mapping[str, Reader] = field(default_factory=lambda: MappingProxyType({}))  # by service, for /explain
