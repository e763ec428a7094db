"""``/drafts`` and ``/templates``, and what an API's owner or an administrator does to clients, without the portal."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, Final, Literal, TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field

from app.clock import rfc3339
from app.core import Core
from app.errors import Reason, Refusal
from app.routers.common import trail_of
from app.routers.problems import limited_router, responses
from app.sandboxes.forms import Body, Text
from app.services.selvbetjening import administration, changes, confirmation, drafts, keys, templates
from app.services.selvbetjening.confirmation import Asked
from app.services.selvbetjening.drafts import Draft
from app.services.selvbetjening.templates import Template
from app.store.engine import Connection
from app.trust.sts.clients import Client
from app.trust.trail import Trail

T = TypeVar("T")
_Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=500)]], Field(max_length=200)]
_Grant = Literal["authorization_code", "refresh_token", "client_credentials"]
_TAGS: Final[list[str | Enum]] = ["selvbetjening"]


class Decision(Body):
    """What the person in the portal would choose. The port and path are the confirmation page's older parameters."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "Success"}]})

    status: Literal["Success", "Rejected"] = "Success"
    redirect_port: Text | None = None
    redirect_path: Text | None = None


class Approval(Body):
    """What to grant of what waits; all of it when neither list is given."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"scopes": ["nhn:parek/rekvisisjon"]}, {}]})

    scopes: _Names | None = None
    claims: _Names | None = Field(None, description="Claim types.")


class Block(Body):
    """Whether the client is unknown to the issuer."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"blocked": True}]})

    blocked: bool = True


class NewKey(Body):
    """A public key, as a person uploads it in the portal: it never expires."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"publicJwk": {"kty": "EC", "crv": "P-256", "x": "…", "y": "…", "kid": "k2"}}]}
    )

    public_jwk: dict[str, Any] = Field(description="The public JWK.")


class NewTemplate(Body):
    """A client system. Of its scopes and claims, those listed as manual wait for approval."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "my-epj",
                    "name": "My EPJ",
                    "apiScopes": ["nhn:selvbetjening/client", "nhn:pps/provesvar-read"],
                    "identityScopes": ["openid", "helseid://scopes/identity/pid"],
                }
            ]
        }
    )

    id: str = Field(pattern=r"^[a-z0-9-]{1,40}$", description="1-40 of a-z, 0-9 and -.")
    name: Annotated[str, Field(min_length=1, max_length=200)]
    tenancy: Literal["single-tenant", "multi-tenant"] = "single-tenant"
    grants: Annotated[list[_Grant], Field(min_length=1, max_length=3)] = Field(
        ["authorization_code", "refresh_token", "client_credentials"]
    )
    identity_scopes: _Names = Field(default_factory=list)
    api_scopes: Annotated[_Names, Field(min_length=1)]
    manual_scopes: _Names = Field(default_factory=list)
    claims: _Names = Field(default_factory=list, description="Types of the claims a client may have.")
    manual_claims: _Names = Field(default_factory=list)
    redirect_uris: _Names = Field(default_factory=list, description="With these, all its clients have just these.")


def routes(core: Core) -> APIRouter:
    """Drafts, templates and the grants of clients."""
    router = limited_router(core.settings.max_body_bytes)

    @router.get("/drafts", tags=_TAGS, summary="Every client draft, the newest first")
    async def list_drafts(request: Request) -> dict[str, Any]:
        call = trail_of(request).call
        now, settings = call.moment.sandbox, call.sandbox.settings
        found = await core.store.read(lambda conn: drafts.listed(conn, call.sandbox.id, now, settings))
        return {"drafts": [_shown(draft) for draft in found]}

    @router.post(
        "/drafts/{draft_id}/confirm",
        tags=_TAGS,
        summary="Confirm or reject a draft, as a person does in the portal",
        responses=responses(400, 404, 409),
    )
    async def confirm(request: Request, draft_id: str, body: Decision) -> dict[str, Any]:
        """`redirect` is where the browser would be sent; null when the installer gave no loopback address."""
        trail = trail_of(request)
        call = trail.call

        def work(conn: Connection) -> tuple[Draft, confirmation.Confirmation]:
            now, settings = call.moment.sandbox, call.sandbox.settings
            draft = drafts.find(conn, call.sandbox.id, draft_id, now, settings)
            if draft.state == drafts.EXPIRED:
                raise Refusal(Reason.NOT_FOUND, "the client draft has expired")
            return draft, confirmation.confirm(conn, call.sandbox.id, draft, body.status, now, settings)

        draft, done = await core.store.write(work)
        changes.record(trail, f"confirmation {done.status}", draft.id, by=changes.CONTROL)
        target = confirmation.target(draft, Asked(body.redirect_port, body.redirect_path))
        return {
            "clientId": draft.id,
            "status": done.status,
            "redirect": None if target is None else confirmation.redirect(target, done.status),
        }

    _add_clients(router, core)
    _add_templates(router, core)
    return router


def _add_clients(router: APIRouter, core: Core) -> None:
    async def changed(trail: Trail, client_id: str, change: Callable[[Client], Client], what: str) -> dict[str, Any]:
        sandbox = trail.call.sandbox.id
        client = await core.store.write(lambda conn: administration.change(conn, sandbox, client_id, change))
        changes.record(trail, what, client_id, by=changes.CONTROL)
        return client.dump()

    @router.post(
        "/clients/{client_id}/approve",
        tags=_TAGS,
        summary="Grant scopes and claims that wait for the API's owner",
        responses=responses(400, 404),
    )
    async def approve(request: Request, client_id: str, body: Approval) -> dict[str, Any]:
        change = administration.approving(body.scopes, body.claims)
        return await changed(trail_of(request), client_id, change, "approval")

    @router.post(
        "/clients/{client_id}/block", tags=_TAGS, summary="Block a client, or let it in again", responses=responses(404)
    )
    async def block(request: Request, client_id: str, body: Block) -> dict[str, Any]:
        change = administration.blocking(body.blocked)
        return await changed(trail_of(request), client_id, change, "block" if body.blocked else "unblock")

    @router.post(
        "/clients/{client_id}/keys",
        status_code=201,
        tags=_TAGS,
        summary="Add a public key to a client",
        responses=responses(400, 404),
    )
    async def add_key(request: Request, client_id: str, body: NewKey) -> dict[str, Any]:
        trail = trail_of(request)
        call, key = trail.call, keys.read_jwk(body.public_jwk)
        client = await core.store.write(
            lambda conn: administration.add_key(
                conn, call.sandbox.id, client_id, key, call.moment.sandbox, call.sandbox.settings
            )
        )
        changes.record(trail, "key", client_id, by=changes.CONTROL, key=key.thumbprint)
        return client.dump()


def _add_templates(router: APIRouter, core: Core) -> None:
    @router.get("/templates", tags=_TAGS, summary="Every client template")
    async def list_templates(request: Request) -> dict[str, Any]:
        sandbox = trail_of(request).call.sandbox.id
        found = await core.store.read(lambda conn: templates.listed(conn, sandbox))
        return {"templates": [{**template.dump(), "hasApiKey": has_key} for template, has_key in found]}

    @router.post(
        "/templates",
        status_code=201,
        tags=_TAGS,
        summary="Make a client template, or replace one; its API key is shown this once",
        responses=responses(400),
    )
    async def put_template(request: Request, response: Response, body: NewTemplate) -> dict[str, Any]:
        trail = trail_of(request)
        template = _template(body)
        sandbox = trail.call.sandbox.id
        api_key = await core.store.write(lambda conn: templates.put(conn, sandbox, template, core.ids))
        changes.record(trail, "template", template.id, by=changes.CONTROL)
        response.headers["Cache-Control"] = "no-store"
        return {**template.dump(), "apiKey": api_key}

    @router.delete(
        "/templates/{template_id}/api-key",
        status_code=204,
        tags=_TAGS,
        summary="Revoke a template's API key",
        responses=responses(404),
    )
    async def revoke(request: Request, template_id: str) -> None:
        trail = trail_of(request)
        sandbox = trail.call.sandbox.id
        await core.store.write(lambda conn: templates.revoke(conn, sandbox, template_id))
        changes.record(trail, "api-key revoked", template_id, by=changes.CONTROL)


def _template(body: NewTemplate) -> Template:
    return templates.checked(
        Template(
            id=body.id,
            name=body.name,
            tenancy=body.tenancy,
            grants=frozenset(body.grants),
            identity_scopes=tuple(body.identity_scopes),
            api_scopes=tuple(body.api_scopes),
            manual_scopes=frozenset(body.manual_scopes),
            claims=tuple(body.claims),
            manual_claims=frozenset(body.manual_claims),
            redirect_uris=tuple(body.redirect_uris),
        )
    )


def _shown(draft: Draft) -> dict[str, Any]:
    return {**draft.dump(), "made": rfc3339(draft.made), "expires": rfc3339(draft.expires)}
