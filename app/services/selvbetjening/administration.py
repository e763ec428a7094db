"""What others do to a client: an API's owner grants, an administrator blocks, a person uploads a key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from app.services.selvbetjening import keys, registration
from app.services.selvbetjening.keys import PublicKey
from app.settings import Settings
from app.store import clients
from app.store.engine import Connection
from app.trust.sts.clients import Client

Change = Callable[[Client], Client]


def change(conn: Connection, sandbox: str, client_id: str, how: Change) -> Client:
    """Change a client and store it. Raises ``Refusal(NOT_FOUND)`` and whatever ``how`` raises."""
    client = how(registration.find(conn, sandbox, client_id))
    clients.put(conn, sandbox, client)
    return client


def approving(scopes: Sequence[str] | None = None, claims: Sequence[str] | None = None) -> Change:
    """Grants what waits: the named ones, all when neither list is given. Raises ``Invalid`` for one that does not."""
    return lambda client: registration.approved(client, scopes, claims)


def blocking(blocked: bool) -> Change:
    """Makes the client unknown to the issuer, or known again."""
    return lambda client: replace(client, blocked=blocked)


def add_key(conn: Connection, sandbox: str, client_id: str, key: PublicKey, now: float, settings: Settings) -> Client:
    """A key a person uploads: it never expires. Raises ``Refusal(NOT_FOUND)``, ``Invalid`` for another client's key."""
    keys.refuse_foreign(conn, sandbox, key, client_id)
    return change(conn, sandbox, client_id, lambda client: keys.with_key(client, key, "Gui", now, settings))
