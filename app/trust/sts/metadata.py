"""The discovery document: what HelseID advertises (trust.md section 2, ruling C23). What is enforced is stricter."""

from __future__ import annotations

from typing import Any, Final

from app.trust.jose import ALGORITHMS
from app.trust.sts.clients import CLIENT_SCOPES, GRANTS, IDENTITY_SCOPES
from app.trust.sts.login import IDENTITY_PROVIDER
from app.trust.sts.request import RESPONSE_MODES
from app.trust.sts.token import UNSERVED_GRANTS
from app.trust.sts.tokens import NAME_CLAIMS, ORG_CLAIMS, USER_CLAIMS

_ENDPOINTS: Final = {
    "jwks_uri": "/.well-known/openid-configuration/jwks",
    "authorization_endpoint": "/connect/authorize",
    "token_endpoint": "/connect/token",
    "userinfo_endpoint": "/connect/userinfo",
    "end_session_endpoint": "/connect/endsession",
    "check_session_iframe": "/connect/checksession",
    "revocation_endpoint": "/connect/revocation",
    "introspection_endpoint": "/connect/introspect",
    "device_authorization_endpoint": "/connect/deviceauthorization",
    "backchannel_authentication_endpoint": "/connect/ciba",
    "pushed_authorization_request_endpoint": "/connect/par",
    "expired_jwks_uri": "/connect/expiredjwks",
    "available_idps": "/connect/availableidps",
}

_OFFERED: Final[dict[str, Any]] = {
    "require_pushed_authorization_requests": False,
    "frontchannel_logout_supported": True,
    "frontchannel_logout_session_supported": True,
    "backchannel_logout_supported": True,
    "backchannel_logout_session_supported": True,
    "scopes_supported": [*IDENTITY_SCOPES, *CLIENT_SCOPES],
    "claims_supported": [
        "sub",
        *NAME_CLAIMS,
        *(claim for claim, _ in USER_CLAIMS.values()),
        "helseid://claims/client/client_name",
        "helseid://claims/client/client_tenancy",
        *(claim for claim, _ in ORG_CLAIMS.values()),
        "client_amr",
    ],
    "grant_types_supported": [*GRANTS, *UNSERVED_GRANTS],
    "response_types_supported": [
        "code",
        "token",
        "id_token",
        "id_token token",
        "code id_token",
        "code token",
        "code id_token token",
    ],
    "response_modes_supported": list(RESPONSE_MODES),
    "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
    "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
    "id_token_signing_alg_values_supported": ["RS256"],
    "subject_types_supported": ["public"],
    "code_challenge_methods_supported": ["plain", "S256"],
    "request_parameter_supported": True,
    "request_object_signing_alg_values_supported": [*ALGORITHMS, "HS256", "HS384", "HS512"],
    "prompt_values_supported": ["none", "login", "consent", "select_account"],
    "authorization_response_iss_parameter_supported": True,
    "backchannel_token_delivery_modes_supported": ["poll"],
    "backchannel_user_code_parameter_supported": True,
    "dpop_signing_alg_values_supported": list(ALGORITHMS),
}


def document(issuer: str) -> dict[str, Any]:
    """The document of ``issuer``; every URL in it stands under the issuer it was asked for."""
    return {"issuer": issuer, **{name: issuer + path for name, path in _ENDPOINTS.items()}, **_OFFERED}


def identity_providers() -> list[dict[str, str]]:
    """The identity providers to choose from: the sandbox has one, named as HelseID's test one."""
    return [{"identityProvider": IDENTITY_PROVIDER, "displayName": "Test IDP", "amr": "pwd"}]
