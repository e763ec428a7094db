"""What the control API asks of rooms it may not import: passed in by ``main``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from app.core import Core
from app.sandboxes.manager import Seeder
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


@dataclass(frozen=True, slots=True)
class Ports:
    """Each is optional: what is not given answers 501, and without ``seeder`` a sandbox starts empty."""

    seeder: Seeder | None = None
    mint: Mint | None = None
    put_fhir: PutFhir | None = None
