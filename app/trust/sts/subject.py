"""Who logged in, as the issuer remembers it in codes, refresh tokens and sessions."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Subject:
    """A person's login at one moment.

    ``hpr`` and ``authorizations`` are what HPR says of the person at the login: ``hpr`` is absent without an
    active authorisation (ruling R41). ``level`` is the security level (2–4), ``auth_time`` seconds on the sandbox
    clock, ``sub`` the pseudonym (base64 HMAC of the pid), ``sid`` the session.
    """

    pid: str
    sub: str
    sid: str
    auth_time: int
    given: str = ""
    middle: str = ""
    family: str = ""
    hpr: str | None = None
    authorizations: frozenset[str] = frozenset()
    level: int = 4
    network: str = "helsenett"
    idp: str = "testidp-oidc"
    amr: tuple[str, ...] = ("pwd",)

    @property
    def name(self) -> str:
        return " ".join(part for part in (self.given, self.middle, self.family) if part)

    def dump(self) -> dict[str, Any]:
        return {
            "pid": self.pid,
            "sub": self.sub,
            "sid": self.sid,
            "auth_time": self.auth_time,
            "given": self.given,
            "middle": self.middle,
            "family": self.family,
            "hpr": self.hpr,
            "authorizations": sorted(self.authorizations),
            "level": self.level,
            "network": self.network,
            "idp": self.idp,
            "amr": list(self.amr),
        }

    @staticmethod
    def load(body: Mapping[str, Any]) -> Subject:
        return Subject(**{**body, "authorizations": frozenset(body["authorizations"]), "amr": tuple(body["amr"])})


def pseudonym(secret: bytes, sandbox: str, pid: str) -> str:
    """The ``sub`` of a person in a sandbox: a base64 HMAC of the pid (trust.md section 3.2)."""
    digest = hmac.digest(secret, b"sub\0" + sandbox.encode() + b"\0" + pid.encode(), hashlib.sha256)
    return base64.b64encode(digest).decode()
