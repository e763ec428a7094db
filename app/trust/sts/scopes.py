"""Scopes and audiences: what a client may ask for, and what one token gets of it (rulings R21, C13)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from app.directory import Api
from app.trust.sts.clients import IDENTITY_SCOPES, Client, api_of
from app.trust.sts.errors import StsError

_DIGITS: Final = re.compile(r"\d{6,}")


def check_scopes(client: Client, scopes: Sequence[str]) -> None:
    """Raises ``StsError("invalid_scope")`` when there is none, or one the client was not granted (T-22)."""
    if not scopes:
        raise StsError("invalid_scope", "scope is missing")
    refused = [scope for scope in scopes if scope not in client.scopes]
    if refused:
        raise StsError("invalid_scope", "not granted to the client: " + _shown(refused))


def check_machine_scopes(scopes: Sequence[str]) -> None:
    """Raises ``StsError("invalid_scope")`` for a scope about a user, where there is none (T-23)."""
    refused = [scope for scope in scopes if scope in IDENTITY_SCOPES]
    if refused:
        raise StsError("invalid_scope", "identity scopes need a login: " + _shown(refused))


def check_resources(scopes: Sequence[str], resources: Sequence[str]) -> None:
    """Each ``resource`` must be an audience of ``scopes``. Raises ``StsError("invalid_target")`` (T-40, RFC 8707)."""
    known = {api.audience for api in apis_of(scopes)}
    refused = [resource for resource in resources if resource not in known]
    if refused:
        raise StsError("invalid_target", "no granted scope belongs to: " + _shown(refused))


def narrow(scopes: Sequence[str], resources: Sequence[str]) -> tuple[str, ...]:
    """The scopes of the chosen audiences and those that belong to none; all of them without ``resources``."""
    if not resources:
        return tuple(scopes)
    return tuple(scope for scope in scopes if (api := api_of(scope)) is None or api.audience in resources)


def signed_terms(client: Client, parent: str | None, scopes: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those of ``scopes`` whose terms the organisation ``parent`` has signed, and those it has not.

    The latter are answered as ``rejected_scope``, not refused (selvbetjening.md section 3.7).
    """
    unsigned = {terms.audience for terms in client.unsigned_terms if terms.delegator == parent}
    rejected = [scope for scope in scopes if (api := api_of(scope)) is not None and api.audience in unsigned]
    return tuple(scope for scope in scopes if scope not in rejected), tuple(rejected)


def apis_of(scopes: Sequence[str]) -> tuple[Api, ...]:
    """The APIs that ``scopes`` belong to, in the order they come."""
    found = {api.audience: api for scope in scopes if (api := api_of(scope)) is not None}
    return tuple(found.values())


def api_scopes(scopes: Sequence[str]) -> tuple[str, ...]:
    """Those that belong to an API."""
    return tuple(scope for scope in scopes if api_of(scope) is not None)


def _shown(values: Sequence[str]) -> str:
    """What may be repeated in an error: no long digit runs, which could be a national number."""
    return " ".join(_DIGITS.sub("…", value[:100]) for value in values[:5])
