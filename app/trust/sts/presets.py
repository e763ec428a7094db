"""Registrations of published clients, to be given a key and imported (real-clients.md section 4).

Client ids, audiences and scopes of ``nhn-samples`` are those of the published samples; organisations are the ones
they send (ruling C40). What the other presets may do is inferred from what their clients ask for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from app.directory import APIS
from app.trust.sts.clients import CLIENT_SCOPES, CODE, EXCHANGE, IDENTITY_SCOPES, MACHINE, REFRESH, Client

_LOGIN: Final = frozenset({CODE, REFRESH})
_MACHINE: Final = frozenset({MACHINE})
_LOGIN_SCOPES: Final = (*IDENTITY_SCOPES, *CLIENT_SCOPES)
_API_SCOPES: Final = tuple(scope for api in APIS for scope in api.scopes)

_SAMPLE: Final = "nhn:test-public-samplecode"
_BEHIND: Final = f"{_SAMPLE}-for-token-exchange"
_MACHINE_SCOPE: Final = f"{_SAMPLE}/client-credentials"
_USER_SCOPE: Final = f"{_SAMPLE}/authorization-code"
_EXCHANGE_SCOPE: Final = f"{_BEHIND}/token-exhange-endpoint"
_INDICATOR_SCOPES: Final = ("nhn:test-public-sample-api-1/some-scope", "nhn:test-public-sample-api-2/some-scope")

_PARENT: Final = "999977774"
_CHILDREN: Final = ("999977775", "999977776")
_SUPPLIER: Final = "994598759"
_DELEGATIONS: Final = (_PARENT, *_CHILDREN, _SUPPLIER, "123456789")


def _scopes_of(*owners: str) -> tuple[str, ...]:
    return tuple(scope for scope in _API_SCOPES if scope.startswith(owners))


def _single(client_id: str, name: str, grants: frozenset[str], scopes: tuple[str, ...], **more: Any) -> Client:
    return Client(client_id, name, grants, scopes, orgnr_parent=_PARENT, children=_CHILDREN, **more)


def _multi(client_id: str, name: str, grants: frozenset[str], scopes: tuple[str, ...]) -> Client:
    tenant = _single(client_id, name, grants, scopes)
    return replace(
        tenant,
        tenancy="multi-tenant",
        orgnr_parent=None,
        children=(),
        orgnr_supplier=_SUPPLIER,
        delegations=_DELEGATIONS,
    )


_SAMPLES: Final = (
    _single("helseid-sample-client-credentials", "Sample, client credentials", _MACHINE, (_MACHINE_SCOPE,)),
    _single("helseid-sample-client-credentials-with-underenhet", "Sample, child", _MACHINE, (_MACHINE_SCOPE,)),
    _multi("helseid-sample-client-credentials-for-multitenant-app", "Sample, tenants", _MACHINE, (_MACHINE_SCOPE,)),
    _single("helseid-sample-client-authentication", "Sample, login only", _LOGIN, _LOGIN_SCOPES),
    _single("helseid-sample-api-access", "Sample, API access", _LOGIN, (*_LOGIN_SCOPES, _USER_SCOPE)),
    _multi("helseid-sample-api-access-for-multitenant-app", "Sample, tenants", _LOGIN, (*_LOGIN_SCOPES, _USER_SCOPE)),
    _single("helseid-sample-request-objects-console", "Sample, objects", _LOGIN, (*_LOGIN_SCOPES, _USER_SCOPE)),
    _single("helseid-sample-resource-indicators", "Sample, resources", _LOGIN, (*_LOGIN_SCOPES, *_INDICATOR_SCOPES)),
    _single(
        "helseid-sample-token-exchange-subject-client", "Sample, subject", _LOGIN, (*_LOGIN_SCOPES, _EXCHANGE_SCOPE)
    ),
    _single(
        "helseid-sample-token-exchange-actor-client",
        "Sample, actor",
        frozenset({EXCHANGE, MACHINE}),
        (_USER_SCOPE, _MACHINE_SCOPE, f"{_SAMPLE}/token-exhange-endpoint"),
        audiences=frozenset({_BEHIND}),
        dpop="optional",
    ),
)

PRESETS: Final[Mapping[str, tuple[Client, ...]]] = MappingProxyType(
    {
        "nhn-samples": _SAMPLES,
        "pjd-epj": (_single("pjd-epj", "PJD EPJ", _LOGIN, (*_LOGIN_SCOPES, *_scopes_of("nhn:phr/"))),),
        "kj-dev-epj": (
            _single(
                "kj-dev-epj",
                "Kjernejournal EPJ",
                _LOGIN,
                (*_LOGIN_SCOPES, *_scopes_of("nhn:kjernejournal/", "nhn:phr/")),
            ),
        ),
        "vkp": (
            _single("vkp", "VKP", _MACHINE, _scopes_of("nhn:careplan/", "nhn:patient-careplan/"), dpop="optional"),
        ),
        "fhi": (
            _single(
                "fhi",
                "FHI",
                frozenset({CODE, REFRESH, MACHINE}),
                (*_LOGIN_SCOPES, *_API_SCOPES),
                dpop="optional",
                par="optional",
            ),
        ),
        "ks": (replace(_multi("ks", "KS Fiks", _MACHINE, _API_SCOPES), dpop="optional"),),
    }
)
"""The presets by name."""
