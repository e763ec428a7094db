"""A sandbox's own admin key: made at random, shown once, kept as its hash."""

from __future__ import annotations

import hashlib
import hmac

from app.ids import IdSource, new_token
from app.sandboxes.state import SandboxState
from app.settings import Settings


def demanded(settings: Settings) -> bool:
    """Whether the control API asks for a key at all: others than this machine reach it, or it was given one."""
    return not settings.loopback_only or settings.admin_key is not None


def new(ids: IdSource) -> str:
    """A key of 256 random bits, as text."""
    return new_token(ids)


def digest(key: str) -> str:
    """What is stored of a key: its SHA-256 in hex. A random key needs no slow hash."""
    return hashlib.sha256(key.encode()).hexdigest()


def opens(key: str, sandbox: SandboxState) -> bool:
    """Whether ``key`` is the sandbox's own, compared in constant time."""
    return sandbox.admin_key is not None and hmac.compare_digest(digest(key), sandbox.admin_key)
