"""Logs a synthetic person in at a running issuer and gets a token, as a client system does it: with the vendor's kit.

``login_hint`` stands for the page (ruling R26); a machine takes ``client_credentials``. Used by ``sandkasse token``
and ``sandkasse curl``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx

from app.clock import RealClock
from app.ids import IdSource
from sandkasse.attest import attest, customer, sub_unit
from sandkasse.epj import EpjClient, LoginFailed
from sandkasse.keys import SigningKey, public_part
from sandkasse.proofs import Fresh
from sandkasse.proofs import make_proof as prove

__all__ = [
    "ClientKey",
    "Login",
    "LoginFailed",
    "Token",
    "Wish",
    "make_proof",
    "public_part",
    "with_attest",
    "with_unit",
]


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A registered client with its private JWK."""

    client_id: str
    jwk: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted: a token for ``scope`` at ``audience``, for the person ``hint`` names, or for the machine.

    ``structures`` go into the client assertion; a token that is not ``bound`` is a Bearer token.
    """

    scope: str
    audience: str
    hint: str | None
    structures: tuple[Mapping[str, Any], ...] = ()
    bound: bool = True


@dataclass(frozen=True, slots=True)
class Token:
    """An access token with the key it is bound to, if it is."""

    value: str
    scheme: str
    expires_in: int
    key: Mapping[str, Any]


class Login:
    """One client system on its way to a token."""

    def __init__(self, http: httpx.Client, issuer: str, client: ClientKey, clock: RealClock, ids: IdSource) -> None:
        self._http = http
        self._issuer = issuer
        self._client = client
        self._fresh = _fresh(clock, ids)

    def token(self, wish: Wish) -> Token:
        """Log in and get the token. Raises ``LoginFailed``, ``httpx.HTTPError``."""
        who = self._client
        epj = EpjClient(self._issuer, who.client_id, who.jwk, bound=wish.bound, http=self._http, fresh=self._fresh)
        if wish.hint is None:
            made = epj.machine(wish.scope, resource=wish.audience, details=wish.structures)
        else:
            made = epj.login(wish.scope, hint=wish.hint, resource=wish.audience, details=wish.structures)
        return Token(made.access_token, made.token_type, made.expires_in, made.key.jwk if made.key else {})


def make_proof(
    key: Mapping[str, Any],
    method: str,
    url: str,
    *,
    clock: RealClock,
    ids: IdSource,
    nonce: str | None = None,
    token: str | None = None,
) -> str:
    """A DPoP proof for one request; ``url`` may have a query, which is cut."""
    return prove(SigningKey(key), method, url, token=token, nonce=nonce, fresh=_fresh(clock, ids))


def with_attest(wish: Wish, client: Mapping[str, Any], practitioner: Mapping[str, Any] | None, decision: str) -> Wish:
    """The wish with an ordinary attest: someone of the client's organisation treats a patient (trust.md section 1.4).

    ``client`` is the registration, ``practitioner`` the register's entry of the person, if there is one, as the
    control API gives them; the attest names the first authorisation held. The sub-unit is named as a structure of
    its own, too, so that the token carries it (trust.md section 3.4).
    """
    parent, child = _organisation(client)
    named = with_unit(wish, client)
    held = practitioner["authorizations"] if practitioner is not None else ()
    made = attest(parent, child or parent, decision, authorization=next(iter(held), None))
    return replace(named, structures=(made, *named.structures))


def with_unit(wish: Wish, client: Mapping[str, Any]) -> Wish:
    """The wish with the sub-unit the client acts for, if it has one: all a machine can name (trust.md section 3.4)."""
    parent, child = _organisation(client)
    if client["tenancy"] == "multi-tenant":
        return replace(wish, structures=(*wish.structures, customer(parent, child or "")))
    return wish if child is None else replace(wish, structures=(*wish.structures, sub_unit(child)))


def _organisation(client: Mapping[str, Any]) -> tuple[str, str | None]:
    parent = client["orgnr_parent"] or next(iter(client["delegations"]), "")
    return parent, next(iter(client["children"]), None)


def _fresh(clock: RealClock, ids: IdSource) -> Fresh:
    return Fresh(clock.time, ids.random)
