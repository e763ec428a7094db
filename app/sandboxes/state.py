"""A sandbox as the rest of the service sees it: its clock, its own settings, its faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from app.clock import ClockState, Moment
from app.sandboxes.faults import Rule
from app.settings import Settings
from app.values import per_request

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class SandboxState:
    """One isolated world. ``settings`` are the installation's with the sandbox's own laid over.

    ``faults`` name a dependency that is made to fail: ``{"privacy": "timeout"}``, ``{"audit": "down"}``,
    ``{"store": "down"}``, and in a single call one source of several: ``{"source:NAME": "down"}``. ``rules`` are its
    fault rules. While ``stamp`` is the same number, so is everything stored (``app.store.stamp``); None is not known.
    """

    id: str
    settings: Settings
    clock: ClockState = field(default_factory=ClockState)
    seed: str = ""
    seeded_at: float | None = None
    issuer_key: str | None = None
    expires: float | None = None
    admin_key: str | None = field(default=None, repr=False)
    faults: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    rules: tuple[Rule, ...] = ()
    stamp: int | None = field(default=None, compare=False)

    def moment(self, real: float) -> Moment:
        return Moment(real, self.clock.at(real))


@per_request
class Call:
    """How a request came in: the sandbox, the service, and the public addresses to answer with.

    ``base`` is the service's own public base as called; ``url`` the full public URL as called, without
    query, which a DPoP proof's ``htu`` is compared with; ``issuer`` the HelseID address in the same form;
    ``host`` the Host header.
    """

    sandbox: SandboxState
    service: str
    tail: str
    base: str
    root: str
    url: str
    issuer: str
    host: str
    form: str  # path, subdomain or real
    exchange: str
    moment: Moment
