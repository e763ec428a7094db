"""One request to the issuer, and how what the profile forbids is taken or refused (ruling C1)."""

from __future__ import annotations

from app import addresses
from app.clock import Moment
from app.core import Core
from app.sandboxes.state import SandboxState
from app.settings import Settings
from app.trust.dpop import Refuse, at_once
from app.trust.sts.clients import Client, Profile
from app.trust.sts.errors import StsError
from app.trust.trail import Trail
from app.values import per_request


@per_request
class Context:
    """The installation and the request on its way."""

    core: Core
    trail: Trail

    @property
    def sandbox(self) -> SandboxState:
        return self.trail.call.sandbox

    @property
    def settings(self) -> Settings:
        return self.trail.call.sandbox.settings

    @property
    def moment(self) -> Moment:
        return self.trail.call.moment

    @property
    def issuer(self) -> str:
        return self.trail.call.issuer

    def is_issuer(self, url: str) -> bool:
        """Whether ``url`` is exactly one of this sandbox's issuer names (ruling R27)."""
        call = self.trail.call
        return url == call.issuer or addresses.is_address_of(
            url, "helseid", call.sandbox.id, seen_host=call.host, public_url=self.settings.public_url
        )

    def profile_of(self, client: Client) -> Profile:
        return client.profile or self.settings.profile

    def knows(self, client: Client) -> bool:
        """Whether a registered client is one for the issuer now: a blocked or a very new one is not."""
        return client.known_at(self.moment.sandbox, self.settings.activation_delay)

    def note(self, code: str, text: str, level: str = "note") -> None:
        self.trail.note(code, text, level=level)


@per_request
class Tolerance:
    """What to do with a request a document forbids: a finding, or in the strict profile ``error``.

    ``sink`` takes what is refused: raises it, or keeps it to tell everything that is wrong (ruling R63).
    """

    context: Context
    profile: Profile
    error: str
    sink: Refuse = at_once

    def note(self, code: str, text: str) -> None:
        """Taken in both profiles."""
        self.context.note(code, text)

    def risk(self, code: str, text: str) -> None:
        """Taken with a finding when lenient. Raises ``StsError`` when strict."""
        if self.profile == "strict":
            self.refuse(f"{text} (profile strict, {code})")
        else:
            self.context.note(code, text, "risk")

    def refuse(self, text: str, found: object = None, expected: object = None) -> None:
        """Taken in neither profile. Raises ``StsError``, unless the sink keeps it."""
        self.sink(StsError(self.error, text, found=found, expected=expected))
