"""A caller of one API of a ``World``: tokens signed by the installation's issuer, and a fresh proof for each call."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import httpx

from app.sandboxes import manager
from app.sandboxes.state import DEFAULT
from app.trust import issuer_keys
from app.trust.jose import sign
from tests.support.asgi import BASE, World
from tests.unit.trust.gate_kit import ABSENT, claims, proof


class Caller:
    """``audience`` and ``scope`` of the tokens; ``headers`` go with every call."""

    def __init__(self, world: World, audience: str, scope: str, headers: Mapping[str, str]) -> None:
        self.world, self.audience, self.scope, self.headers = world, audience, scope, dict(headers)

    def token(self, **changes: Any) -> str:
        """An access token; keywords replace claims (``ABSENT`` drops one)."""
        own = {"aud": self.audience, "scope": ["openid", self.scope], "attest": ABSENT}
        made = claims(self.world.clock.time(), **{**own, **changes})

        async def key() -> Any:
            state = await manager.state(self.world.core, DEFAULT)
            assert state is not None
            return await issuer_keys.signing_key(self.world.core, state)

        found = self.world.run(key())
        return sign(found.header("at+jwt"), made, found.key)

    def send(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        headers: Mapping[str, str | None] = MappingProxyType({}),
        **arguments: Any,
    ) -> httpx.Response:
        """Call ``path`` below the default address; a header given as None is left out."""
        sent = token or self.token()
        made: dict[str, str | None] = {
            "Authorization": f"DPoP {sent}",
            "DPoP": proof(sent, now=self.world.clock.time(), htm=method, htu=BASE + path.partition("?")[0]),
            **self.headers,
            **headers,
        }
        kept = {name: value for name, value in made.items() if value is not None}
        return self.world.request(method, path, headers=kept, **arguments)

    def get(self, path: str, **arguments: Any) -> httpx.Response:
        return self.send("GET", path, **arguments)


MACHINE: Mapping[str, Any] = {"pid": ABSENT, "hpr": ABSENT, "level": ABSENT, "sub": ABSENT, "name": ABSENT}
"""Changes of claims that make a token stand for no person."""
