"""What stands in the tokens the issuer makes (trust.md section 3, rulings R21 and C20–C22, C38).

The API decides which claims its access token carries; granted identity scopes add theirs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from app.core import Core
from app.ids import new_hex
from app.trust import issuer_keys
from app.trust.issuer_keys import SigningKey
from app.trust.jose import b64encode
from app.trust.sts.clients import Client
from app.trust.sts.context import Context
from app.trust.sts.enrich import Enriched, enrich
from app.trust.sts.scopes import apis_of, narrow
from app.trust.sts.structures import OrgClaims, Structure
from app.trust.sts.subject import Subject
from app.trust.trail import Trail
from app.values import per_request

PID: Final = "helseid://claims/identity/pid"
SECURITY_LEVEL: Final = "helseid://claims/identity/security_level"
NETWORK: Final = "helseid://claims/identity/network"
HPR_NUMBER: Final = "helseid://claims/hpr/hpr_number"
ORGNR_PARENT: Final = "helseid://claims/client/claims/orgnr_parent"
ORGNR_CHILD: Final = "helseid://claims/client/claims/orgnr_child"
ORGNR_SUPPLIER: Final = "helseid://claims/client/claims/orgnr_supplier"
ATTEST: Final = "nhn:tillitsrammeverk:parameters"
JOURNAL_ID: Final = "nhn:sfm:journal_id"

_ASSURANCE: Final = {2: "low", 3: "substantial", 4: "high"}

USER_CLAIMS: Final[Mapping[str, tuple[str, Callable[[Subject], str | None]]]] = MappingProxyType(
    {
        "pid": (PID, lambda subject: subject.pid),
        "pid_pseudonym": ("helseid://claims/identity/pid_pseudonym", lambda subject: subject.sub),
        "security_level": (SECURITY_LEVEL, lambda subject: str(subject.level)),
        "assurance_level": (
            "helseid://claims/identity/assurance_level",
            lambda subject: _ASSURANCE.get(subject.level),
        ),
        "network": (NETWORK, lambda subject: subject.network),
        "hpr_number": (HPR_NUMBER, lambda subject: subject.hpr),
    }
)
"""Claims of a user by the short name the directory uses; a claim without value is left out."""

NAME_CLAIMS: Final[Mapping[str, Callable[[Subject], str]]] = MappingProxyType(
    {
        "name": lambda subject: subject.name,
        "given_name": lambda subject: subject.given,
        "middle_name": lambda subject: subject.middle,
        "family_name": lambda subject: subject.family,
    }
)

ORG_CLAIMS: Final[Mapping[str, tuple[str, Callable[[OrgClaims], str | None]]]] = MappingProxyType(
    {
        "orgnr_parent": (ORGNR_PARENT, lambda orgs: orgs.parent),
        "orgnr_child": (ORGNR_CHILD, lambda orgs: orgs.child),
        "orgnr_supplier": (ORGNR_SUPPLIER, lambda orgs: orgs.supplier),
    }
)

_OF_SCOPE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        **{f"helseid://scopes/identity/{name}": (name,) for name in USER_CLAIMS if name != "hpr_number"},
        "helseid://scopes/identity/all": tuple(name for name in USER_CLAIMS if name != "hpr_number"),
        "helseid://scopes/hpr/hpr_number": ("hpr_number",),
    }
)

_CLIENT_CLAIMS: Final[Mapping[str, Callable[[Client], str]]] = MappingProxyType(
    {
        "helseid://claims/client/client_name": lambda client: client.name,
        "helseid://claims/client/claims/client_tenancy": lambda client: client.tenancy,
    }
)
_CLIENT_CLAIMS_OF_SCOPE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "helseid://scopes/client/client_name": ("helseid://claims/client/client_name",),
        "helseid://scopes/client/info": tuple(_CLIENT_CLAIMS),
    }
)


@per_request
class Content:
    """What one access token is about. ``jkt`` binds it to a key; ``act`` names the client that exchanged it.

    ``rejected`` are scopes that were asked for and are not in it, the terms not being signed.
    """

    client: Client
    scopes: tuple[str, ...]
    subject: Subject | None
    enriched: Enriched
    jkt: str | None = None
    act: Mapping[str, str] | None = None
    rejected: tuple[str, ...] = ()


@per_request
class Minted:
    """A signed access token, its claims, and its life in seconds."""

    token: str
    claims: Mapping[str, Any]
    expires_in: int


async def mint(
    core: Core,
    trail: Trail,
    *,
    client: Client,
    subject: Subject | None,
    scopes: Sequence[str],
    audience: Sequence[str] = (),
    structures: Sequence[Structure] = (),
    jkt: str | None = None,
) -> Minted:
    """Make an access token without a grant: for the control API and the test-token service.

    ``audience`` chooses among the audiences of ``scopes`` as ``resource`` does. Raises ``StsError`` for
    structures the issuer would refuse.
    """
    context = Context(core, trail)
    enriched = await enrich(context, client, subject, assertion={"assertion_details": list(structures)})
    return await access_token(context, Content(client, narrow(scopes, audience), subject, enriched, jkt))


async def access_token(context: Context, content: Content) -> Minted:
    """Make and sign the access token."""
    key = await issuer_keys.signing_key(context.core, context.sandbox)
    seconds = content.client.access_token_seconds or context.settings.access_token_seconds
    claims = _dated(context, seconds) | access_claims(content) | {"jti": new_hex(context.core.ids)}
    return Minted(await _signed(context.core, key, "at+jwt", claims), claims, seconds)


async def id_token(
    context: Context, content: Content, access: str, *, nonce: str | None = None, state: str | None = None
) -> str:
    """Make and sign the ID token that goes with the access token ``access`` (ruling C21)."""
    assert content.subject is not None
    key = await issuer_keys.signing_key(context.core, context.sandbox)
    claims = _dated(context, context.settings.id_token_seconds) | {"aud": content.client.id}
    claims |= login_claims(content.subject) | identity_claims(content.subject, content.scopes)
    claims["at_hash"] = _half_hash(access)
    if nonce is not None:
        claims["nonce"] = nonce
    if state is not None:
        claims["s_hash"] = _half_hash(state)
    return await _signed(context.core, key, "JWT", claims)


async def _signed(core: Core, key: SigningKey, typ: str, claims: Mapping[str, Any]) -> str:
    return await core.signer.sign(key.header(typ), claims, key.key)


def access_claims(content: Content) -> dict[str, Any]:
    """All claims of an access token but its times and ``jti``."""
    apis = apis_of(content.scopes)
    claims: dict[str, Any] = {}
    if apis:
        claims["aud"] = apis[0].audience if len(apis) == 1 else [api.audience for api in apis]
    if content.jkt is not None:
        claims["cnf"] = {"jkt": content.jkt}
    claims |= {"scope": list(content.scopes), "client_id": content.client.id, "client_amr": "private_key_jwt"}
    wanted = {name for api in apis for name in api.claims}
    if content.subject is not None:
        claims |= login_claims(content.subject) | _user_claims(content.subject, wanted)
        claims |= identity_claims(content.subject, content.scopes)
    for name, (claim, of) in ORG_CLAIMS.items():
        value = of(content.enriched.orgs)
        if name in wanted and value:
            claims[claim] = value
    for scope in content.scopes:
        for claim in _CLIENT_CLAIMS_OF_SCOPE.get(scope, ()):
            claims[claim] = _CLIENT_CLAIMS[claim](content.client)
    claims |= own_claims(content.client, {api.audience for api in apis})
    if content.enriched.attest is not None and any(api.attest for api in apis):
        claims[ATTEST] = content.enriched.attest
    if content.enriched.journal_id is not None:
        claims[JOURNAL_ID] = content.enriched.journal_id
    if content.act is not None:
        claims["act"] = dict(content.act)
    return claims


def own_claims(client: Client, audiences: Collection[str]) -> dict[str, str]:
    """The client's approved claims for ``audiences``; one whose name begins with no audience goes to every API."""
    return {
        claim.type: claim.active
        for claim in client.claims
        if claim.active is not None and (":" not in claim.type or claim.type.partition("/")[0] in audiences)
    }


def login_claims(subject: Subject) -> dict[str, Any]:
    """What every token of a login says of it."""
    return {
        "sub": subject.sub,
        "auth_time": subject.auth_time,
        "idp": subject.idp,
        "amr": list(subject.amr),
        "sid": subject.sid,
    }


def identity_claims(subject: Subject, scopes: Sequence[str]) -> dict[str, str]:
    """The claims that identity scopes give, in access token, ID token and userinfo alike."""
    claims = _user_claims(subject, {name for scope in scopes for name in _OF_SCOPE.get(scope, ())})
    if "profile" in scopes:
        claims |= {claim: of(subject) for claim, of in NAME_CLAIMS.items()}
    return claims


def _user_claims(subject: Subject, wanted: set[str]) -> dict[str, str]:
    values = ((claim, of(subject)) for name, (claim, of) in USER_CLAIMS.items() if name in wanted)
    return {claim: value for claim, value in values if value}


def _dated(context: Context, seconds: int) -> dict[str, Any]:
    now = int(context.moment.sandbox)
    return {"iss": context.issuer, "nbf": now, "iat": now, "exp": now + seconds}


def _half_hash(value: str) -> str:
    """``at_hash`` and ``s_hash``: the left half of the SHA-256 (OpenID Connect Core section 3.1.3.6)."""
    return b64encode(hashlib.sha256(value.encode()).digest()[:16])
