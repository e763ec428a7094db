"""What every grant is given and what it gives back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from app.store.engine import Connection
from app.trust.dpop import Proof
from app.trust.sts.assertion import Caller
from app.trust.sts.context import Context
from app.trust.sts.errors import StsError
from app.trust.sts.parameters import Parameters
from app.trust.sts.tokens import Content
from app.values import per_request

Work = Callable[[Connection], StsError | None]
"""What a grant writes. It returns an error instead of raising it, when what it wrote must stand all the same."""


@per_request
class Ask:
    """A token request whose client and proof are known."""

    context: Context
    caller: Caller
    parameters: Parameters
    proof: Proof | None

    @property
    def jkt(self) -> str | None:
        return self.proof.jkt if self.proof is not None else None


@dataclass(frozen=True, slots=True)
class IdToken:
    """An ID token is wanted; with these of the authorization request."""

    nonce: str | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class Refresh:
    """The refresh token to answer with, and when it ends (sandbox time)."""

    token: str
    expires: float


def nothing(_conn: Connection) -> StsError | None:
    """A grant that writes nothing of its own."""
    return None


@per_request
class Plan:
    """What to write, and the tokens to make once that is durable."""

    content: Content
    work: Work = nothing
    id_token: IdToken | None = None
    refresh: Refresh | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Ask], Awaitable[Plan]]
