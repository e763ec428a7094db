"""Client systems ("klientmal"): what a vendor lets its clients ask for, and the API key that makes drafts of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import orjson

from app.errors import Reason, Refusal
from app.ids import IdSource, new_token
from app.services.selvbetjening.errors import invalid
from app.services.selvbetjening.fields import Fields
from app.store import drafts as store
from app.store.drafts import TemplateRow
from app.store.engine import Connection
from app.trust.sts.clients import CODE, Tenancy

API_KEY_HEADER: Final = "api-key"
_MAX_KEY: Final = 200


@dataclass(frozen=True, slots=True)
class Template:
    """What clients made from it may be.

    ``identity_scopes`` every client gets; of ``api_scopes`` it asks for some, and those in ``manual_scopes`` wait for
    the API's owner, as do ``manual_claims`` among ``claims``. With ``redirect_uris`` all its clients have just these.
    """

    id: str
    name: str
    tenancy: Tenancy
    grants: frozenset[str]
    identity_scopes: tuple[str, ...]
    api_scopes: tuple[str, ...]
    manual_scopes: frozenset[str]
    claims: tuple[str, ...]
    manual_claims: frozenset[str]
    redirect_uris: tuple[str, ...]

    @property
    def logs_in(self) -> bool:
        return CODE in self.grants

    def dump(self) -> dict[str, Any]:
        """As JSON, the form of the catalogue and of the control API."""
        return {
            "id": self.id,
            "name": self.name,
            "tenancy": self.tenancy,
            "grants": sorted(self.grants),
            "identityScopes": list(self.identity_scopes),
            "apiScopes": list(self.api_scopes),
            "manualScopes": sorted(self.manual_scopes),
            "claims": list(self.claims),
            "manualClaims": sorted(self.manual_claims),
            "redirectUris": list(self.redirect_uris),
        }


def load(body: Mapping[str, Any]) -> Template:
    """The template that ``dump`` gave, from our own store or catalogue: not checked again."""
    return Template(
        id=body["id"],
        name=body["name"],
        tenancy=body["tenancy"],
        grants=frozenset(body["grants"]),
        identity_scopes=tuple(body["identityScopes"]),
        api_scopes=tuple(body["apiScopes"]),
        manual_scopes=frozenset(body["manualScopes"]),
        claims=tuple(body["claims"]),
        manual_claims=frozenset(body["manualClaims"]),
        redirect_uris=tuple(body["redirectUris"]),
    )


def seeded() -> Sequence[tuple[Template, str]]:
    """The templates of the catalogue with their published API keys."""
    document = orjson.loads((files("app.catalogue") / "client_templates.json").read_bytes())
    return [(load(entry), entry["apiKey"]) for entry in document["templates"]]


def seed(conn: Connection, sandbox: str) -> None:
    """Put the catalogue's templates into an empty sandbox."""
    for template, api_key in seeded():
        store.put_template(conn, sandbox, template.id, api_key, template.dump())


def put(conn: Connection, sandbox: str, template: Template, ids: IdSource) -> str:
    """Store the template, or replace the one with its id; gives its new API key, which is shown this once."""
    api_key = new_token(ids)
    store.put_template(conn, sandbox, template.id, api_key, template.dump())
    return api_key


def checked(template: Template) -> Template:
    """The template, if it holds together. Raises ``Invalid``."""
    for field, some, among in (
        ("manualScopes", template.manual_scopes, template.api_scopes),
        ("manualClaims", template.manual_claims, template.claims),
    ):
        stray = sorted(set(some) - set(among))
        if stray:
            raise invalid(field, f"{stray[0]} is not among those the template has")
    fields = Fields({"redirectUris": list(template.redirect_uris)})
    fields.redirects("redirectUris")
    fields.settle()
    return template


def revoke(conn: Connection, sandbox: str, template_id: str) -> None:
    """Take the template's API key away. Raises ``Refusal(NOT_FOUND)`` when it has none."""
    if not store.revoke_key(conn, sandbox, template_id):
        raise Refusal(Reason.NOT_FOUND, "there is no client template of that id with an API key")


def listed(conn: Connection, sandbox: str) -> Sequence[tuple[Template, bool]]:
    """Every template, and whether it has an API key."""
    return [(load(row.body), row.has_key) for row in store.templates(conn, sandbox)]


def find(conn: Connection, sandbox: str, template_id: str | None) -> Template | None:
    row = store.template(conn, sandbox, template_id) if template_id else None
    return None if row is None else load(row.body)


def of_key(conn: Connection, sandbox: str, api_key: str | None) -> Template:
    """The template the API key opens. Raises ``Refusal(API_KEY_INVALID)``."""
    row: TemplateRow | None = None
    if api_key and len(api_key) <= _MAX_KEY:
        row = store.template_of_key(conn, sandbox, api_key)
    if row is None:
        raise Refusal(Reason.API_KEY_INVALID, "the api-key is missing, unknown or revoked", source="B1")
    return load(row.body)
