"""A client made in the portal, with the configuration file its vendor's program reads (selvbetjening.md section 5).

The private key exists in that file only; the sandbox keeps the public part.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from joserfc.jwk import RSAKey

from app.services.selvbetjening import drafts, keys
from app.services.selvbetjening.fields import Fields
from app.services.selvbetjening.registration import granted_scopes
from app.services.selvbetjening.templates import Template
from app.settings import Settings
from app.store import clients
from app.store.engine import Connection
from app.trust.jose import b64decode
from app.trust.sts.clients import CODE, GRANTS, Client
from app.trust.sts.structures import is_orgnr

RSA_BITS: Final = 4096
ALGORITHM: Final = "PS256"
_XML: Final = (
    ("Modulus", "n"),
    ("Exponent", "e"),
    ("P", "p"),
    ("Q", "q"),
    ("DP", "dp"),
    ("DQ", "dq"),
    ("InverseQ", "qi"),
    ("D", "d"),
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for in the portal."""

    name: str
    organisation: str
    scopes: tuple[str, ...]
    redirect_uris: tuple[str, ...]
    children: tuple[str, ...]


def read_wish(body: Mapping[str, Any], template: Template) -> Wish:
    """Check the form's fields. Raises ``Invalid`` with every fault, ``Refusal(CLIENT_NOT_ALLOWED)``."""
    drafts.refuse_multi_tenant(template)
    fields = Fields(body)
    organisation = fields.text("organizationNumber")
    if not is_orgnr(organisation):
        fields.fault("organizationNumber", "must be an organisation number of nine digits")
    scopes = fields.texts("apiScopes")
    fields.within("apiScopes", scopes, template.api_scopes)
    redirects = fields.redirects("redirectUris")
    drafts.refuse_other_redirects(fields, redirects, template)
    wish = Wish(
        fields.text("clientName") or template.name,
        organisation or "",
        scopes or template.api_scopes,
        template.redirect_uris or redirects,
        fields.organisations("childOrganizationNumbers"),
    )
    fields.settle()
    return wish


def generate_rsa() -> Mapping[str, Any]:
    """A private JWK for the file. Takes a second or more: not for the event loop.

    Keys come from the system's randomness, never from an injected source.
    """
    key = RSAKey.generate_key(RSA_BITS, private=True)
    members = {name: value for name, value in key.as_dict(private=True).items() if isinstance(value, str)}
    return {**members, "use": "sig", "alg": ALGORITHM, "kid": key.thumbprint()}


def create(
    conn: Connection,
    sandbox: str,
    wish: Wish,
    template: Template,
    client_id: str,
    jwk: Mapping[str, Any],
    now: float,
    settings: Settings,
) -> Client:
    """Register the client with the public part of ``jwk``. Raises ``Invalid`` for the organisation."""
    drafts.require_main_unit(conn, sandbox, wish.organisation)
    granted, pending = granted_scopes(wish.scopes, (), template)
    bare = Client(
        id=client_id,
        name=wish.name,
        grants=template.grants,
        scopes=(*template.identity_scopes, *granted),
        pending_scopes=pending,
        orgnr_parent=wish.organisation,
        children=wish.children,
        redirect_uris=wish.redirect_uris,
        template=template.id,
        made=now,
    )
    client = keys.with_key(bare, keys.public_key(jwk), "Gui", now, settings)
    clients.put(conn, sandbox, client)
    return client


def file_of(client: Client, authority: str, jwk: Mapping[str, Any]) -> bytes:
    """The configuration file, in the form published programs read."""
    body = {
        "clientName": client.name,
        "authority": authority,
        "clientId": client.id,
        "grantTypes": [grant for grant in GRANTS if grant in client.grants],
        "scopes": [*client.scopes, *client.pending_scopes],
        "redirectUris": list(client.redirect_uris),
        "postLogoutRedirectUris": list(client.post_logout_redirect_uris),
        "secretType": "private_key_jwt:RsaPrivateKeyJwtSecret",
        "rsaPrivateKey": _xml(jwk, _XML),
        "rsaKeySizeBits": RSA_BITS,
        "privateJwk": orjson.dumps(dict(jwk)).decode(),
        "pkceRequired": CODE in client.grants,
    }
    return orjson.dumps(body, option=orjson.OPT_INDENT_2)


def _xml(jwk: Mapping[str, Any], members: Sequence[tuple[str, str]]) -> str:
    """The key as .NET's ``RSA.FromXmlString`` takes it."""
    parts = (f"<{name}>{base64.b64encode(b64decode(jwk[member])).decode()}</{name}>" for name, member in members)
    return f"<RSAKeyValue>{''.join(parts)}</RSAKeyValue>"
