"""The portal session: made by the EHR, opened once by a browser, kept alive with fresh tokens (ruling S29).

Session id, code and cookie are kept as their hashes. A session ends with the token it was last refreshed with.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import orjson

from app.services.kjernejournal.rules import CODE_SECONDS
from app.store import leases
from app.store.engine import Connection
from app.trust.principal import Basis

_SESSION: Final = "kj-session"
_CODE: Final = "kj-code"
_BROWSER: Final = "kj-browser"
_BROWSER_SECONDS: Final = 86_400.0  # a cookie alone opens nothing: the session decides


@dataclass(frozen=True, slots=True)
class Session:
    """Whom the portal shows to whom. ``claims`` are those of the access token, ``jkt`` the key it is bound to.

    ``opened`` is the ground on which a restriction was opened in this session; ``expires`` in epoch seconds on the
    sandbox clock.
    """

    id: str
    number: str
    role: str
    basis: Basis
    claims: Mapping[str, Any]
    jkt: str | None
    expires: float
    opened: Basis | None = None

    def owner(self) -> tuple[object, object, object]:
        """Who may refresh and end it: client, person and organisation."""
        return owner_of(self.claims)


def owner_of(claims: Mapping[str, Any]) -> tuple[object, object, object]:
    """Client, person and organisation of an access token."""
    identity, client = "helseid://claims/identity/pid", "helseid://claims/client/claims/orgnr_parent"
    return claims.get("client_id"), claims.get(identity), claims.get(client)


def create(conn: Connection, sandbox: str, session: Session, code: str, challenge: str, now: float) -> None:
    """Keep a new session, and the code that opens it in a browser."""
    for kind in (_SESSION, _CODE, _BROWSER):
        leases.let_go(conn, sandbox, kind, expired=now)
    _put(conn, sandbox, session, now)
    body = orjson.dumps({"session": _digest(session.id), "challenge": challenge})
    leases.bind(conn, sandbox, _CODE, _digest(code), body, now, now + CODE_SECONDS)


def redeem(conn: Connection, sandbox: str, code: str, verifier: str, cookie: str, now: float) -> Session | None:
    """Open the session of ``code`` in the browser that will hold ``cookie``; None when it cannot be.

    The code is spent whatever comes of it.
    """
    body = leases.take(conn, sandbox, _CODE, _digest(code), now)
    if body is None:
        return None
    data = orjson.loads(body)
    if not hmac.compare_digest(s256(verifier), data["challenge"]):
        return None
    found = _held(conn, sandbox, data["session"], now)
    if found is not None:
        held = data["session"].encode()
        leases.bind(conn, sandbox, _BROWSER, _digest(cookie), held, now, now + _BROWSER_SECONDS)
    return found


def of_browser(conn: Connection, sandbox: str, cookie: str, now: float) -> Session | None:
    """The session a browser has open, if it still lives."""
    key = leases.held(conn, sandbox, _BROWSER, _digest(cookie), now)
    return None if key is None else _held(conn, sandbox, key.decode(), now)


def find(conn: Connection, sandbox: str, session_id: str, claims: Mapping[str, Any], now: float) -> Session | None:
    """A living session of the holder of a token with ``claims``."""
    found = _held(conn, sandbox, _digest(session_id), now)
    return found if found is not None and found.owner() == owner_of(claims) else None


def refresh(
    conn: Connection, sandbox: str, session_id: str, claims: Mapping[str, Any], jkt: str | None, now: float
) -> bool:
    """Let a session live as long as a newer token; whether it still lived."""
    expires = float(claims["exp"])
    return _change(conn, sandbox, session_id, now, claims=claims, jkt=jkt, expires=expires)


def unlock(conn: Connection, sandbox: str, session_id: str, ground: Basis, now: float) -> bool:
    """Open in a session what the patient has restricted; whether it still lived."""
    return _change(conn, sandbox, session_id, now, opened=ground)


def end(conn: Connection, sandbox: str, session_id: str) -> None:
    leases.let_go(conn, sandbox, _SESSION, key=_digest(session_id))


def leave(conn: Connection, sandbox: str, cookie: str) -> None:
    """Close the session in one browser; the EHR may still end it."""
    leases.let_go(conn, sandbox, _BROWSER, key=_digest(cookie))


def form_token(cookie: str) -> str:
    """What a form of the page must bring, so that no other page can send it."""
    return hmac.new(cookie.encode(), b"kjernejournal-form", hashlib.sha256).hexdigest()


def s256(verifier: str) -> str:
    """RFC 7636 section 4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _change(conn: Connection, sandbox: str, session_id: str, now: float, **members: Any) -> bool:
    """Change what stands now, and nothing that was ended meanwhile."""
    body = leases.take(conn, sandbox, _SESSION, _digest(session_id), now)
    if body is None:
        return False
    _put(conn, sandbox, replace(_read(body), **members), now)
    return True


def _put(conn: Connection, sandbox: str, session: Session, now: float) -> None:
    members = {
        "id": session.id,
        "number": session.number,
        "role": session.role,
        "basis": session.basis.value,
        "claims": dict(session.claims),
        "jkt": session.jkt,
        "expires": session.expires,
        "opened": None if session.opened is None else session.opened.value,
    }
    key = _digest(session.id)
    leases.let_go(conn, sandbox, _SESSION, key=key)
    leases.bind(conn, sandbox, _SESSION, key, orjson.dumps(members), now, session.expires)


def _held(conn: Connection, sandbox: str, key: str, now: float) -> Session | None:
    body = leases.held(conn, sandbox, _SESSION, key, now)
    return None if body is None else _read(body)


def _read(body: bytes) -> Session:
    data = orjson.loads(body)
    opened = data.pop("opened")
    return Session(
        **{
            **data,
            "basis": Basis(data["basis"]),
            "claims": MappingProxyType(data["claims"]),
            "opened": None if opened is None else Basis(opened),
        }
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
