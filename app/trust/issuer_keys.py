"""The issuer's RS256 keys: made at first start, published as current and next (ruling C24), rotated on demand.

A key that was rotated out still verifies tokens until they end (T-108); it is published as expired.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import anyio.to_thread
import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509.oid import NameOID

from app.core import Core
from app.ids import IdSource
from app.sandboxes.state import SandboxState
from app.store import installation
from app.store import keys as key_store
from app.store.keys import StoredKey
from app.trust.jose import Key, b64encode, generate_key, import_key, public_members

ALGORITHM: Final = "RS256"
_MEMORY_SECONDS: Final = 5.0
_CERTIFICATE_YEARS: Final = 10
_SECRET: Final = "issuer-secret"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """What an issued token is signed with, and the header that names it."""

    kid: str
    x5t: str
    key: Key

    def header(self, typ: str) -> dict[str, str]:
        return {"alg": ALGORITHM, "kid": self.kid, "x5t": self.x5t, "typ": typ}


@dataclass(frozen=True, slots=True)
class Ring:
    """The keys valid in one sandbox."""

    signing: SigningKey
    published: tuple[Mapping[str, Any], ...]
    expired: tuple[Mapping[str, Any], ...]
    keys: Mapping[str, Key]


async def ensure(core: Core) -> None:
    """Make the installation's two keys if this is the first start; two processes that race agree on one pair."""
    if await core.store.read(key_store.has_keys):
        return
    pair = [await _make(core.ids, core.clock.time(), state) for state in ("current", "next")]
    await core.store.write(lambda conn: key_store.make_first(conn, pair))


async def signing_key(core: Core, sandbox: SandboxState) -> SigningKey:
    """The key that signs in ``sandbox`` now."""
    return (await ring(core, sandbox)).signing


async def verification_keys(core: Core, sandbox: SandboxState, *, refresh: bool = False) -> Mapping[str, Key]:
    """Every key a valid token of ``sandbox`` may be signed with, by ``kid``; ``refresh`` asks the store again."""
    return (await ring(core, sandbox, refresh=refresh)).keys


async def ring(core: Core, sandbox: SandboxState, *, refresh: bool = False) -> Ring:
    """The keys of ``sandbox``, remembered for a few seconds: another process may rotate them."""
    place = _place(sandbox)
    known = core.misc.get(place, core.clock.time())
    if isinstance(known, Ring) and not refresh:
        return known
    stored = await core.store.read(lambda conn: key_store.ring(conn, sandbox.id))
    fresh = _ring(stored)
    core.misc.put(place, fresh, core.clock.time() + _MEMORY_SECONDS)
    return fresh


async def rotate(core: Core, sandbox: SandboxState) -> str:
    """Retire the current key, promote the next, make a new next; gives the new current ``kid`` (R28, T-108)."""
    new = await _make(core.ids, core.clock.time(), "next")
    current = await core.store.write(lambda conn: key_store.rotate(conn, sandbox.id, new))
    core.misc.put(_place(sandbox), None)  # whoever has the state from before asks the store
    return current


def _place(sandbox: SandboxState) -> tuple[str, ...]:
    return ("issuer-ring", sandbox.id, sandbox.issuer_key or "")


async def secret(core: Core) -> bytes:
    """The installation's secret for nonces and pseudonyms."""
    known = core.misc.get((_SECRET,), core.clock.time())
    if isinstance(known, bytes):
        return known
    value = await core.store.read(lambda conn: installation.value(conn, _SECRET))
    if value is None:
        made = core.ids.random(32)
        value = await core.store.write(lambda conn: installation.ensure(conn, _SECRET, lambda: made))
    core.misc.put((_SECRET,), value)
    return value


def _ring(stored: Sequence[StoredKey]) -> Ring:
    current = next(key for key in stored if key.state == "current")
    return Ring(
        signing=SigningKey(current.kid, str(current.jwk["x5t"]), _private_key(orjson.dumps(current.jwk))),
        published=tuple(public_members(key.jwk) for key in stored if key.state != "expired"),
        expired=tuple(public_members(key.jwk) for key in stored if key.state == "expired"),
        keys={key.kid: import_key(public_members(key.jwk)) for key in stored},
    )


@lru_cache(maxsize=16)
def _private_key(jwk: bytes) -> Key:
    # A private RSA key takes some fifty milliseconds to import, and most sandboxes have the installation's.
    return import_key(orjson.loads(jwk))


async def _make(ids: IdSource, now: float, state: str) -> StoredKey:
    # An RSA key takes some fifty milliseconds: not on the event loop.
    return await anyio.to_thread.run_sync(_make_now, ids, now, state)


def _make_now(ids: IdSource, now: float, state: str) -> StoredKey:
    jwk = generate_key(ALGORITHM)
    certificate = _certificate(import_key(jwk), ids, now)
    digest = hashlib.sha1(certificate, usedforsecurity=False).digest()
    kid = digest.hex().upper()
    named = {
        **jwk,
        "use": "sig",
        "alg": ALGORITHM,
        "kid": kid,
        "x5t": b64encode(digest),
        "x5c": [base64.b64encode(certificate).decode()],
    }
    return StoredKey(kid, state, now, named)


def _certificate(key: Key, ids: IdSource, now: float) -> bytes:
    """A self-signed certificate (DER) of the key, as HelseID's JWKS carries one."""
    private = key.native.raw_value
    assert isinstance(private, RSAPrivateKey)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Sandkasse HelseID")])
    start = datetime.fromtimestamp(now, UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(int.from_bytes(ids.random(16), "big") >> 1 | 1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=365 * _CERTIFICATE_YEARS))
        .sign(private, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.DER)
