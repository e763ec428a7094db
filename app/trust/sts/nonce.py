"""DPoP nonces that need no store: a time stamp and an HMAC over it (RFC 9449 section 8, ruling C4)."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from app.trust.jose import JoseError, b64decode, b64encode

_STAMP: Final = 8
_MAC: Final = 16
_AHEAD_MS: Final = 5_000


def issue(secret: bytes, sandbox: str, now: float) -> str:
    """A nonce for ``sandbox`` made at ``now`` (sandbox time, seconds)."""
    stamp = max(0, int(now * 1000)).to_bytes(_STAMP, "big")
    return b64encode(stamp + _mac(secret, sandbox, stamp))


def valid(secret: bytes, sandbox: str, nonce: str, now: float, life: float) -> bool:
    """Whether ``nonce`` was made here for ``sandbox`` at most ``life`` seconds ago. It may be used many times."""
    try:
        raw = b64decode(nonce)
    except JoseError:
        return False
    stamp, mac = raw[:_STAMP], raw[_STAMP:]
    if len(raw) != _STAMP + _MAC or not hmac.compare_digest(mac, _mac(secret, sandbox, stamp)):
        return False
    age = now * 1000 - int.from_bytes(stamp, "big")
    return -_AHEAD_MS <= age <= life * 1000


def _mac(secret: bytes, sandbox: str, stamp: bytes) -> bytes:
    return hmac.digest(secret, b"nonce\0" + sandbox.encode() + b"\0" + stamp, hashlib.sha256)[:_MAC]
