"""A registered client as it sees and changes itself (selvbetjening.md sections 3.3 to 3.8), and as its owner grants it.

What is asked for and not granted is kept beside what is: the issuer knows only the latter.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from app.errors import Reason, Refusal
from app.services.selvbetjening import keys
from app.services.selvbetjening.drafts import refuse_other_redirects
from app.services.selvbetjening.errors import invalid
from app.services.selvbetjening.fields import Fields
from app.services.selvbetjening.templates import Template
from app.store import clients, registers
from app.store.engine import Connection
from app.trust.sts.clients import CODE, IDENTITY_SCOPES, Client, api_of
from app.trust.sts.registered import ClientClaim

PENDING_TEXT: Final = "Venter på godkjenning fra API-eier"
_TERMS: Final = "urn:sandkasse:vilkar:"


@dataclass(frozen=True, slots=True)
class Update:
    """What a client sets itself to: all of it, a member that was left out being none."""

    scopes: tuple[str, ...]
    claims: tuple[ClientClaim, ...]
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]
    children: tuple[str, ...]


def find(conn: Connection, sandbox: str, client_id: str) -> Client:
    """Raises ``Refusal(NOT_FOUND)``."""
    client = clients.find(conn, sandbox, client_id) if client_id else None
    if client is None:
        raise Refusal(Reason.NOT_FOUND, "there is no client with that id")
    return client


def current(client: Client) -> dict[str, Any]:
    """The client as E3 shows it; members without a value are there all the same."""
    return {
        "apiScopes": [
            *(_scope(scope, pending=False) for scope in api_scopes(client)),
            *(_scope(scope, pending=True) for scope in client.pending_scopes),
        ],
        "audienceSpecificClientClaims": [_claim(claim) for claim in client.claims],
        "redirectUris": list(client.redirect_uris),
        "postLogoutRedirectUris": list(client.post_logout_redirect_uris),
        "childOrganizationNumbers": list(client.children),
    }


def read_update(body: Mapping[str, Any], client: Client, template: Template | None) -> Update:
    """Check what a client wants to be. Raises ``Invalid`` with every fault.

    Without a template it may keep what it has and give it up, not ask for more.
    """
    fields = Fields(body)
    scopes = fields.texts("apiScopes")
    held = (*api_scopes(client), *client.pending_scopes)
    fields.within("apiScopes", scopes, (*held, *(template.api_scopes if template is not None else ())))
    claims = fields.claims("audienceSpecificClientClaims")
    known = [claim.type for claim in client.claims]
    allowed = (*known, *(template.claims if template is not None else ()))
    fields.within("audienceSpecificClientClaims", [claim.type for claim in claims], allowed)
    redirects = fields.redirects("redirectUris")
    refuse_other_redirects(fields, redirects, template)
    fixed = template.redirect_uris if template is not None else ()
    unchanged = body.get("redirectUris") == [] and not client.redirect_uris
    if not redirects and not fixed and CODE in client.grants and not unchanged:
        fields.fault("redirectUris", "a client that logs users in needs at least one redirect address")
    update = Update(
        scopes,
        claims,
        fixed or redirects,
        fields.redirects("postLogoutRedirectUris"),
        fields.organisations("childOrganizationNumbers"),
    )
    fields.settle()
    return update


def updated(client: Client, update: Update, template: Template | None) -> Client:
    """The client as asked; what it did not hold and its template grants by hand only is pending."""
    before = api_scopes(client)
    granted, pending = granted_scopes(update.scopes, before, template)
    others = tuple(scope for scope in client.scopes if scope not in before)
    return replace(
        client,
        scopes=(*others, *granted),
        pending_scopes=pending,
        claims=granted_claims(update.claims, client.claims, template),
        redirect_uris=update.redirect_uris,
        post_logout_redirect_uris=update.post_logout_redirect_uris,
        children=update.children,
    )


def granted_scopes(
    asked: Sequence[str], held: Collection[str], template: Template | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those of ``asked`` that are granted, and those that wait (B5). What is ``held`` stays granted."""
    waiting = {scope for scope in asked if scope not in held and (template is None or scope in template.manual_scopes)}
    return tuple(scope for scope in asked if scope not in waiting), tuple(scope for scope in asked if scope in waiting)


def granted_claims(
    asked: Sequence[ClientClaim], held: Sequence[ClientClaim], template: Template | None
) -> tuple[ClientClaim, ...]:
    """The claims as asked; a new value of one that is granted by hand waits beside the old one (SB-24)."""
    active = {claim.type: claim.active for claim in held}
    by_hand = frozenset(active) if template is None else template.manual_claims
    return tuple(_settled(claim.type, claim.pending, active.get(claim.type), by_hand) for claim in asked)


def approved(client: Client, scopes: Sequence[str] | None, claims: Sequence[str] | None) -> Client:
    """The client with what waits granted: the named ones, all of them when neither list is given.

    Raises ``Invalid`` for one that does not wait.
    """
    waiting = [claim.type for claim in client.claims if claim.pending is not None]
    if scopes is None and claims is None:
        scopes, claims = client.pending_scopes, waiting
    scopes, claims = scopes or (), claims or ()
    for field, chosen, pending in (("scopes", scopes, client.pending_scopes), ("claims", claims, waiting)):
        unknown = [name for name in chosen if name not in pending]
        if unknown:
            raise invalid(field, f"{unknown[0]} does not wait for approval")
    return replace(
        client,
        scopes=(*client.scopes, *(scope for scope in client.pending_scopes if scope in scopes)),
        pending_scopes=tuple(scope for scope in client.pending_scopes if scope not in scopes),
        claims=tuple(
            replace(claim, active=claim.pending, pending=None) if claim.type in claims else claim
            for claim in client.claims
        ),
    )


def api_scopes(client: Client) -> tuple[str, ...]:
    """The scopes that are an API's: those a client may ask for and give up itself."""
    return tuple(scope for scope in client.scopes if scope not in IDENTITY_SCOPES and api_of(scope) is not None)


def key_list(client: Client) -> list[dict[str, Any]]:
    """The keys as E6 shows them."""
    return [
        {
            "expiration": None if note.expires is None else instant(note.expires),
            "kid": jwk.get("kid") or thumbprint,
            "jwkThumbprint": thumbprint,
            "origin": note.origin,
            "publicJwk": None,
        }
        for thumbprint, (jwk, note) in keys.notes_of(client).items()
    ]


def delegations(conn: Connection, sandbox: str, client: Client) -> list[dict[str, Any]]:
    """Who delegated to a multi-tenant client's supplier, and which terms they have signed (E7); else nothing."""
    if client.tenancy != "multi-tenant":
        return []
    return [
        {"delegator": _delegator(conn, sandbox, number), "serviceTerms": _terms(client, number)}
        for number in client.delegations
    ]


def old_status(client: Client) -> dict[str, Any]:
    """The client as E8 shows it."""
    limited = "Limited" if client.pending_scopes else "Active"
    return {
        "status": "Blocked" if client.blocked else limited,
        "details": {
            "clientStatus": {"active": not client.blocked, "reason": "BlockedByAdmin" if client.blocked else None},
            "apiScopeAccessStatuses": [
                *({"granted": True, "scope": scope, "reason": None} for scope in api_scopes(client)),
                *(
                    {"granted": False, "scope": scope, "reason": "ApiScopeAccessPending"}
                    for scope in client.pending_scopes
                ),
            ],
        },
    }


def instant(seconds: float) -> str:
    """``2027-05-20T00:00:00Z``: with a zone, which a published client cannot do without."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _settled(kind: str, value: str | None, active: str | None, by_hand: Collection[str]) -> ClientClaim:
    if value == active or kind not in by_hand:
        return ClientClaim(kind, active=value)
    return ClientClaim(kind, active=active, pending=value)


def _scope(scope: str, *, pending: bool) -> dict[str, Any]:
    return {
        "scope": scope,
        "status": "pending" if pending else "ok",
        "statusReason": PENDING_TEXT if pending else None,
    }


def _claim(claim: ClientClaim) -> dict[str, Any]:
    waiting = "pending" if claim.active is None else "updatePending"
    return {
        "claimType": claim.type,
        "activeClaimValue": claim.active,
        "pendingClaimValue": claim.pending,
        "status": "ok" if claim.pending is None else waiting,
        "statusReason": None if claim.pending is None else PENDING_TEXT,
    }


def _delegator(conn: Connection, sandbox: str, number: str) -> dict[str, Any]:
    unit = registers.organisation(conn, sandbox, number)
    return {
        "organizationNumber": number,
        "name": unit.name if unit is not None else "",
        "isHelsenettMember": unit is not None and unit.helsenett_member,
    }


def _terms(client: Client, delegator: str) -> list[dict[str, Any]]:
    """One set of terms for each API whose scopes the client has."""
    of_audience: dict[str, list[str]] = {}
    for scope in api_scopes(client):
        api = api_of(scope)
        if api is not None:
            of_audience.setdefault(api.audience, []).append(scope)
    unsigned = {terms.audience for terms in client.unsigned_terms if terms.delegator == delegator}
    return [
        {
            "uri": _TERMS + audience,
            "name": f"Bruksvilkår for {audience}",
            "delegatorHasSigned": audience not in unsigned,
            "scopes": scopes,
        }
        for audience, scopes in of_audience.items()
    ]
