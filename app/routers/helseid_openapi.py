"""What the OpenAPI document of the issuer says of its forms and errors."""

from __future__ import annotations

from typing import Any, Final

_DESCRIPTIONS: Final = {
    "use_dpop_nonce": "The DPoP proof lacks a valid nonce.",
    "invalid_client": "The client assertion is not accepted.",
    "invalid_request": "A parameter is missing or malformed.",
    "invalid_scope": "A scope is not granted to the client.",
    "invalid_grant": "The code or refresh token is not accepted.",
    "invalid_dpop_proof": "The DPoP proof is not accepted.",
    "access_denied": "An organisation or attest structure is not accepted; the description begins with its code.",
}

_ASSERTION: Final = {
    "client_id": "The client; taken from the assertion when absent.",
    "client_assertion_type": "`urn:ietf:params:oauth:client-assertion-type:jwt-bearer`",
    "client_assertion": "A JWT signed with the client's key, used once.",
}
_DPOP: Final = {
    "name": "DPoP",
    "in": "header",
    "schema": {"type": "string"},
    "description": "A DPoP proof (RFC 9449) for this method and URL.",
}


def responses(**errors: str) -> dict[int | str, dict[str, Any]]:
    """The 400 of an operation with an example of each error; an empty text takes the general one."""
    examples = {
        name: {"value": {"error": name, "error_description": text or _DESCRIPTIONS[name]}}
        for name, text in errors.items()
    }
    content = {"application/json": {"examples": examples}}
    return {400: {"description": "An OAuth error (RFC 6749 section 5.2)", "content": content}}


def _form(required: tuple[str, ...], fields: dict[str, str], *, dpop: bool = False) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": list(required),
        "properties": {name: {"type": "string", "description": text} for name, text in fields.items()},
    }
    extra: dict[str, Any] = {
        "requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}
    }
    if dpop:
        extra["parameters"] = [_DPOP]
    return extra


def _query(**fields: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "required": True, "schema": {"type": "string"}, "description": text}
        for name, text in fields.items()
    ]


FORMS: Final[dict[str, dict[str, Any]]] = {
    "par": _form(
        ("client_assertion_type", "client_assertion", "response_type", "redirect_uri", "scope", "code_challenge"),
        {
            **_ASSERTION,
            "response_type": "`code`",
            "redirect_uri": "Registered, or a loopback address with any port.",
            "scope": "Scopes, separated by spaces.",
            "code_challenge": "PKCE challenge.",
            "code_challenge_method": "`S256`",
            "resource": "An audience; may be repeated.",
            "state": "Comes back unchanged.",
            "nonce": "Comes back in the ID token.",
            "response_mode": "`query`, `fragment` or `form_post`.",
            "request": "A signed request object with `authorization_details`.",
            "login_hint": "Logs a person in without a page: `H01`, `P15`, a national number or `hpr:<number>`.",
            "dpop_jkt": "Thumbprint of the key the code is bound to.",
        },
        dpop=True,
    ),
    "token": _form(
        ("client_assertion_type", "client_assertion", "grant_type"),
        {
            **_ASSERTION,
            "grant_type": "The grant.",
            "code": "For `authorization_code`.",
            "redirect_uri": "For `authorization_code`.",
            "code_verifier": "For `authorization_code`.",
            "refresh_token": "For `refresh_token`.",
            "scope": "Scopes, separated by spaces.",
            "resource": "The audience of the access token.",
            "subject_token": "For token exchange.",
            "subject_token_type": "`urn:ietf:params:oauth:token-type:access_token`",
        },
        dpop=True,
    ),
    "introspect": _form(("client_assertion_type", "client_assertion", "token"), {**_ASSERTION, "token": "The token."}),
    "revoke": _form(
        ("client_assertion_type", "client_assertion", "token"), {**_ASSERTION, "token": "The refresh token."}
    ),
    "authorize": {
        "parameters": [
            *_query(client_id="The client that pushed the request.", request_uri="What the PAR endpoint answered."),
            {
                "name": "Sandbox-Login",
                "in": "header",
                "schema": {"type": "string"},
                "description": "Logs a person in without a page, as `login_hint` does. Ours, not HelseID's.",
            },
        ]
    },
}
"""Additions to the generated operations, by name."""
