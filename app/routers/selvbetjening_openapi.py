"""What the OpenAPI document of the Selvbetjening API says of its bodies and errors."""

from __future__ import annotations

from typing import Any, Final

from app.routers.fills import FILL
from app.services.selvbetjening.errors import MEDIA_TYPE
from app.services.selvbetjening.templates import API_KEY_HEADER

_JWK_TEXT: Final = '{"kty":"EC","crv":"P-256","x":"…","y":"…","kid":"k1","alg":"ES256"}'
_TEXTS: Final = {"type": "array", "items": {"type": "string"}, "nullable": True}
_CLAIMS: Final = {
    "type": "array",
    "nullable": True,
    "items": {
        "type": "object",
        "required": ["key", "value"],
        "properties": {"key": {"type": "string"}, "value": {"type": "string"}},
    },
}
_CHANGEABLE: Final = {
    "apiScopes": _TEXTS,
    "audienceSpecificClientClaims": _CLAIMS,
    "redirectUris": _TEXTS,
    "postLogoutRedirectUris": _TEXTS,
    "childOrganizationNumbers": _TEXTS,
}
_DPOP: Final = [
    {
        "name": "Authorization",
        "in": "header",
        "required": True,
        "schema": {"type": "string"},
        "description": "`DPoP <token>`: a token of the client itself.",
        FILL: "authorization",
    },
    {
        "name": "DPoP",
        "in": "header",
        "required": True,
        "schema": {"type": "string"},
        "description": "A proof (RFC 9449) for this method and URL.",
        FILL: "proof",
    },
]
_PROBLEM: Final = {
    "type": "https://tools.ietf.org/html/rfc9110#section-15.5.1",
    "title": "One or more validation errors occurred.",
    "status": 400,
    "detail": "publicJwk: Private key members are not allowed",
    "instance": "/v1/client-drafts",
    "errors": {"publicJwk": ["Private key members are not allowed"]},
}
_UNAUTHORIZED: Final = {
    "type": "https://tools.ietf.org/html/rfc9110#section-15.5.2",
    "title": "Unauthorized",
    "status": 401,
    "detail": "No access token was sent",
    "instance": "/v1/client",
}
_STATUS_TEXTS: Final = {
    400: "A member is missing or breaks a rule; `errors` tells all that do",
    401: "The API key, the token or its proof is not accepted",
    403: "The scope is missing, the client is blocked, or the template is multi-tenant",
    404: "The client of the token is not registered here",
    415: "The body is not application/json",
    429: "Too many drafts wait to be confirmed",
}


def _json(schema: dict[str, Any], example: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema, "example": example}}


def _responses(status: int, text: str, example: Any, *errors: int) -> dict[int | str, dict[str, Any]]:
    content = {} if example is None else {"content": {"application/json": {"example": example}}}
    return {
        status: {"description": text, **content},
        **{
            code: {
                "description": _STATUS_TEXTS[code],
                "content": {MEDIA_TYPE: {"example": _PROBLEM if code == 400 else {**_UNAUTHORIZED, "status": code}}},
            }
            for code in errors
        },
    }


_DRAFT: Final = {
    "organizationNumber": "315500109",
    "publicJwk": _JWK_TEXT,
    "apiScopes": ["nhn:selvbetjening/client", "nhn:pps/provesvar-read"],
    "redirectUris": ["http://localhost:1337/callback"],
    "childOrganizationNumbers": ["315500303"],
    "postClientConfirmationRedirectUri": "http://localhost:1337/callback",
}
_CLIENT: Final = {
    "apiScopes": [
        {"scope": "nhn:selvbetjening/client", "status": "ok", "statusReason": None},
        {
            "scope": "nhn:parek/rekvisisjon",
            "status": "pending",
            "statusReason": "Venter på godkjenning fra API-eier",
        },
    ],
    "audienceSpecificClientClaims": [],
    "redirectUris": ["http://localhost:1337/callback"],
    "postLogoutRedirectUris": [],
    "childOrganizationNumbers": ["315500303"],
}
_KEY_SCHEMA: Final = {
    "oneOf": [
        {"type": "object", "description": "The JWK.", "required": ["kty"]},
        {"type": "string", "description": "The JWK as a text of JSON."},
    ]
}

OPERATIONS: Final[dict[str, dict[str, Any]]] = {
    "draft": {
        "summary": "Register a draft of a client",
        "tags": ["Onboarding"],
        "status_code": 201,
        "responses": _responses(201, "The client_id it will have", {"clientId": "3f6c…"}, 400, 401, 403, 415, 429),
        "openapi_extra": {
            "parameters": [
                {
                    "name": API_KEY_HEADER,
                    "in": "header",
                    "required": True,
                    "schema": {"type": "string"},
                    "example": "sbx-epj-dev-key",
                    "description": "The API key of the client template.",
                }
            ],
            "requestBody": {
                "required": True,
                "content": _json(
                    {
                        "type": "object",
                        "required": ["organizationNumber", "publicJwk", "apiScopes"],
                        "properties": {
                            "organizationNumber": {
                                "type": "string",
                                "pattern": "^[0-9]{9}$",
                                "description": "The main unit that will own the client.",
                            },
                            "publicJwk": {"type": "string", "description": "The public JWK as a text of JSON."},
                            **_CHANGEABLE,
                            "apiScopes": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                            "postClientConfirmationRedirectUri": {
                                "type": "string",
                                "nullable": True,
                                "description": "Where the browser goes after the confirmation; a loopback address.",
                            },
                        },
                    },
                    _DRAFT,
                ),
            },
        },
    },
    "client": {
        "summary": "The client as it is registered",
        "tags": ["Client"],
        "responses": _responses(200, "The client", _CLIENT, 401, 403, 404),
        "openapi_extra": {"parameters": _DPOP},
    },
    "update": {
        "summary": "Change the client",
        "tags": ["Client"],
        "status_code": 204,
        "responses": _responses(204, "Changed", None, 400, 401, 403, 404, 415),
        "openapi_extra": {
            "parameters": _DPOP,
            "requestBody": {
                "required": True,
                "content": _json(
                    {"type": "object", "properties": _CHANGEABLE},
                    {name: value for name, value in _DRAFT.items() if name in _CHANGEABLE},
                ),
            },
        },
    },
    "delegations": {
        "summary": "Who delegated to the client's supplier",
        "tags": ["Client"],
        "responses": _responses(
            200,
            "The delegations; none for a single-tenant client",
            [
                {
                    "delegator": {
                        "organizationNumber": "315500508",
                        "name": "LETT BAKKE LEGESENTER AS",
                        "isHelsenettMember": True,
                    },
                    "serviceTerms": [
                        {
                            "uri": "urn:sandkasse:vilkar:nhn:pps",
                            "name": "Bruksvilkår for nhn:pps",
                            "delegatorHasSigned": True,
                            "scopes": ["nhn:pps/provesvar-read"],
                        }
                    ],
                }
            ],
            401,
            403,
            404,
        ),
        "openapi_extra": {"parameters": _DPOP},
    },
    "status": {
        "summary": "The client's status, as it was shown before",
        "tags": ["Client"],
        "deprecated": True,
        "responses": _responses(
            200,
            "The status",
            {
                "status": "Active",
                "details": {"clientStatus": {"active": True, "reason": None}, "apiScopeAccessStatuses": []},
            },
            401,
            403,
            404,
        ),
        "openapi_extra": {"parameters": _DPOP},
    },
    "key": {
        "summary": "Add a key",
        "tags": ["Keys"],
        "responses": _responses(200, "When it ends", {"expiration": "2027-05-20T00:00:00Z"}, 400, 401, 403, 404, 415),
        "openapi_extra": {
            "parameters": _DPOP,
            "requestBody": {
                "required": True,
                "content": _json(_KEY_SCHEMA, {"kty": "EC", "crv": "P-256", "x": "…", "y": "…", "kid": "k2"}),
            },
        },
    },
    "keys": {
        "summary": "The client's keys",
        "tags": ["Keys"],
        "responses": _responses(
            200,
            "The keys",
            [{"expiration": None, "kid": "k1", "jwkThumbprint": "…", "origin": "Gui", "publicJwk": None}],
            401,
            403,
            404,
        ),
        "openapi_extra": {"parameters": _DPOP},
    },
}
"""Additions to the generated operations, by name."""
