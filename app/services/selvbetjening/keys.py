"""The keys of a client: reading a JWK somebody posted, adding it, and how long it lives (B7 to B9, B15)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from app.services.selvbetjening.errors import invalid
from app.settings import Settings
from app.store import clients
from app.store.engine import Connection
from app.trust.jose import ALGORITHMS, JoseError, import_key, is_private, public_members
from app.trust.sts.clients import Client
from app.trust.sts.registered import KeyNote, Origin

PRIVATE_TEXT: Final = "Private key members are not allowed"
_DAY: Final = 86_400
_MAX_JWK: Final = 20_000
_MAX_MEMBER: Final = 4_000
_KEPT: Final = ("kty", "crv", "x", "y", "n", "e", "use", "kid", "alg")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public JWK that a client may use; without ``kid`` it is named by its thumbprint (RFC 7638)."""

    jwk: Mapping[str, Any]
    thumbprint: str


def holds_private(value: object) -> bool:
    """Whether private or symmetric members of a JWK stand anywhere in JSON, be it in a text of JSON (B15)."""
    if isinstance(value, str):
        if '"' not in value or len(value) > _MAX_JWK:
            return False
        try:
            return holds_private(orjson.loads(value))
        except orjson.JSONDecodeError:
            return False
    if isinstance(value, dict):
        return is_private(value) or any(holds_private(member) for member in value.values())
    return isinstance(value, list) and any(holds_private(member) for member in value)


def read_jwk(value: object) -> PublicKey:
    """The key of a JWK, given as an object or as a text of JSON. Raises ``Invalid``, which never repeats it."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value) if len(value) <= _MAX_JWK else None
        except orjson.JSONDecodeError:
            value = None
    if not isinstance(value, dict):
        raise invalid("publicJwk", "must be a JWK")
    if is_private(value):
        raise invalid("publicJwk", PRIVATE_TEXT)
    jwk = {name: value[name] for name in _KEPT if value.get(name) is not None}
    if not all(isinstance(member, str) and len(member) <= _MAX_MEMBER for member in jwk.values()):
        raise invalid("publicJwk", "the members of the JWK must be texts")
    alg = jwk.get("alg")
    if alg is not None and alg not in ALGORITHMS:
        raise invalid("publicJwk", "alg must be one of " + ", ".join(ALGORITHMS))
    try:
        key = import_key(jwk)
    except JoseError as error:
        raise invalid("publicJwk", str(error)) from error
    if alg is not None and not key.fits(alg):
        raise invalid("publicJwk", "alg does not go with the kind of key")
    return PublicKey({**jwk, "kid": jwk.get("kid") or key.thumbprint}, key.thumbprint)


def refuse_foreign(conn: Connection, sandbox: str, key: PublicKey, owner: str | None) -> None:
    """Raises ``Invalid`` when another client than ``owner`` has the key."""
    for client in clients.listed(conn, sandbox):
        if client.id != owner and key.thumbprint in notes_of(client):
            raise invalid("publicJwk", "the key belongs to another client")


def with_key(client: Client, key: PublicKey, origin: Origin, now: float, settings: Settings) -> Client:
    """The client with one more key. A key it has already is not added again, but lives anew.

    Keys from the API expire; what has expired is taken out. Raises ``Invalid`` when there are too many that none may
    give way to.
    """
    known = notes_of(client)
    jwk, note = known.get(key.thumbprint, (key.jwk, KeyNote(key.thumbprint, made=now)))
    expires = _end(now, settings) if origin == "Api" else None
    known[key.thumbprint] = jwk, replace(note, origin=origin, expires=expires)
    live = {thumb: pair for thumb, pair in known.items() if pair[1].expires is None or now < pair[1].expires}
    while len(live) > settings.max_client_keys:
        old = [note for _, note in live.values() if note.origin == "Api" and note.thumbprint != key.thumbprint]
        if not old:
            raise invalid("publicJwk", f"the client has {settings.max_client_keys} keys already")
        del live[min(old, key=lambda note: note.made or 0.0).thumbprint]
    return replace(client, jwks=tuple(jwk for jwk, _ in live.values()), keys=tuple(note for _, note in live.values()))


def notes_of(client: Client) -> dict[str, tuple[Mapping[str, Any], KeyNote]]:
    """Every key of the client by its thumbprint, with what is known of it."""
    notes = {note.thumbprint: note for note in client.keys}
    found = ((import_key(jwk).thumbprint, jwk) for jwk in client.jwks)
    return {thumb: (jwk, notes.get(thumb, KeyNote(thumb))) for thumb, jwk in found}


def public_key(jwk: Mapping[str, Any]) -> PublicKey:
    """The public part of a key of our own making."""
    public = public_members(jwk)
    thumbprint = import_key(public).thumbprint
    return PublicKey({**public, "kid": public.get("kid") or thumbprint}, thumbprint)


def _end(now: float, settings: Settings) -> float:
    """``key_days`` from now, rounded up to midnight UTC (B8)."""
    return float(math.ceil(now / _DAY + settings.key_days) * _DAY)
