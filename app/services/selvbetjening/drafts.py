"""Drafts of clients: what an installer posts with its vendor's API key, and what waits to be confirmed (B2 to B7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from app.errors import Reason, Refusal
from app.ids import IdSource, new_uuid
from app.services.selvbetjening import keys
from app.services.selvbetjening.errors import Invalid
from app.services.selvbetjening.fields import Fields
from app.services.selvbetjening.keys import PublicKey
from app.services.selvbetjening.templates import Template
from app.settings import Settings
from app.store import drafts as store
from app.store import registers
from app.store.drafts import DraftRow
from app.store.engine import Connection
from app.trust.sts.registered import ClientClaim
from app.trust.sts.structures import Note, is_orgnr

OPEN: Final = "DRAFT"
CONFIRMED: Final = "CONFIRMED"
REJECTED: Final = "REJECTED"
EXPIRED: Final = "EXPIRED"
State = Literal["DRAFT", "CONFIRMED", "REJECTED", "EXPIRED"]
_MEMBERS: Final = frozenset(
    {
        "organizationNumber",
        "publicJwk",
        "apiScopes",
        "audienceSpecificClientClaims",
        "redirectUris",
        "postLogoutRedirectUris",
        "childOrganizationNumbers",
        "postClientConfirmationRedirectUri",
    }
)
_HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Order:
    """What a draft asks for, checked against its template."""

    organisation: str
    key: PublicKey
    scopes: tuple[str, ...]
    claims: tuple[ClientClaim, ...]
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]
    children: tuple[str, ...]
    confirmation_uri: str | None

    def dump(self, template: str) -> dict[str, Any]:
        return {
            "template": template,
            "organizationNumber": self.organisation,
            "publicJwk": dict(self.key.jwk),
            "apiScopes": list(self.scopes),
            "claims": [[claim.type, claim.pending] for claim in self.claims],
            "redirectUris": list(self.redirect_uris),
            "postLogoutRedirectUris": list(self.post_logout_redirect_uris),
            "childOrganizationNumbers": list(self.children),
            "postClientConfirmationRedirectUri": self.confirmation_uri,
        }


@dataclass(frozen=True, slots=True)
class Draft:
    """A stored draft. ``id`` is the client_id it will have; times are epoch seconds on the sandbox clock."""

    id: str
    state: State
    made: float
    expires: float
    template: str
    order: Order

    def dump(self) -> dict[str, Any]:
        """As the control API and the console show it."""
        order = self.order
        return {
            "id": self.id,
            "state": self.state,
            "made": self.made,
            "expires": self.expires,
            **order.dump(self.template),
            "claims": [{"key": claim.type, "value": claim.pending} for claim in order.claims],
        }


def read_order(body: Mapping[str, Any], template: Template, profile: str, note: Note) -> Order:
    """Check what an installer posted. Raises ``Refusal``: CLIENT_NOT_ALLOWED, or ``Invalid`` with every fault.

    A JWK that is an object, not a text, is taken with a finding unless ``profile`` is strict (SB-4).
    """
    refuse_multi_tenant(template)
    fields = Fields(body)
    organisation = fields.text("organizationNumber")
    if not is_orgnr(organisation):
        fields.fault("organizationNumber", "must be an organisation number of nine digits")
    key = fields.attempt("publicJwk", keys.read_jwk)
    if isinstance(body.get("publicJwk"), dict) and profile == "strict":
        fields.fault("publicJwk", "must be a text that holds the JWK as JSON")
    scopes = fields.texts("apiScopes")
    if not scopes:
        fields.fault("apiScopes", "must name at least one scope")
    fields.within("apiScopes", scopes, template.api_scopes)
    claims = fields.claims("audienceSpecificClientClaims")
    fields.within("audienceSpecificClientClaims", [claim.type for claim in claims], template.claims)
    redirects = fields.redirects("redirectUris")
    refuse_other_redirects(fields, redirects, template)
    order = Order(
        organisation or "",
        key,
        scopes,
        claims,
        template.redirect_uris or redirects,
        fields.redirects("postLogoutRedirectUris"),
        fields.organisations("childOrganizationNumbers"),
        fields.text("postClientConfirmationRedirectUri"),
    )
    fields.settle()
    _tell(body, note)
    return order


def file(
    conn: Connection, sandbox: str, template: Template, order: Order, ids: IdSource, now: float, settings: Settings
) -> str:
    """Store the draft; gives its id. Raises ``Invalid`` for the organisation or the key, ``Refusal(TOO_MANY)``."""
    require_main_unit(conn, sandbox, order.organisation)
    keys.refuse_foreign(conn, sandbox, order.key, None)
    oldest = now - settings.draft_hours * _HOUR
    if store.count_drafts(conn, sandbox, OPEN, oldest) >= settings.max_open_drafts:
        raise Refusal(Reason.TOO_MANY, "too many drafts wait to be confirmed")
    draft_id = new_uuid(ids)
    store.add_draft(conn, sandbox, DraftRow(draft_id, OPEN, now, order.dump(template.id)))
    return draft_id


def find(conn: Connection, sandbox: str, draft_id: str, now: float, settings: Settings) -> Draft:
    """The draft as it stands at ``now``. Raises ``Refusal(NOT_FOUND)``."""
    row = store.draft(conn, sandbox, draft_id)
    if row is None:
        raise Refusal(Reason.NOT_FOUND, "there is no client draft with that id")
    return _draft(row, now, settings)


def listed(conn: Connection, sandbox: str, now: float, settings: Settings) -> Sequence[Draft]:
    """Every draft, the newest first, those that were confirmed or have expired too."""
    return [_draft(row, now, settings) for row in store.drafts(conn, sandbox)]


def refuse_multi_tenant(template: Template) -> None:
    """Drafts and the portal give single-tenant clients only (B4). Raises ``Refusal(CLIENT_NOT_ALLOWED)``."""
    if template.tenancy != "single-tenant":
        raise Refusal(Reason.CLIENT_NOT_ALLOWED, "the client template is multi-tenant: it gives no drafts", source="B4")


def refuse_other_redirects(fields: Fields, redirects: Sequence[str], template: Template | None) -> None:
    """Where the template has addresses of its own, a client has no others."""
    if template is not None and template.redirect_uris and not set(redirects) <= set(template.redirect_uris):
        fields.fault("redirectUris", "the client template has fixed redirect addresses")


def require_main_unit(conn: Connection, sandbox: str, number: str) -> str:
    """The name of the organisation that will own the client. Raises ``Invalid``."""
    unit = registers.organisation(conn, sandbox, number)
    if unit is None:
        raise Invalid({"organizationNumber": ["the organisation is not known"]})
    if unit.parent_orgnr is not None:
        raise Invalid({"organizationNumber": ["the organisation is a sub-unit; a main unit owns clients"]})
    return unit.name


def _tell(body: Mapping[str, Any], note: Note) -> None:
    if isinstance(body["publicJwk"], dict):
        note("SB-4", "publicJwk is an object; the API documents a text that holds the JWK as JSON", "note")
    if not _MEMBERS.issuperset(body):
        note("SELVBETJENING", "members of the body that the API does not know were ignored", "note")


def _draft(row: DraftRow, now: float, settings: Settings) -> Draft:
    body, expires = row.body, row.at + settings.draft_hours * _HOUR
    states: dict[str, State] = {OPEN: "DRAFT", CONFIRMED: "CONFIRMED", REJECTED: "REJECTED"}
    order = Order(
        organisation=body["organizationNumber"],
        key=keys.public_key(body["publicJwk"]),
        scopes=tuple(body["apiScopes"]),
        claims=tuple(ClientClaim(name, pending=value) for name, value in body["claims"]),
        redirect_uris=tuple(body["redirectUris"]),
        post_logout_redirect_uris=tuple(body["postLogoutRedirectUris"]),
        children=tuple(body["childOrganizationNumbers"]),
        confirmation_uri=body["postClientConfirmationRedirectUri"],
    )
    state = "EXPIRED" if row.state == OPEN and now >= expires else states[row.state]
    return Draft(row.id, state, row.at, expires, body["template"], order)
