"""What codes and refresh tokens have in common: the login they stand for, and the narrowing of what it may get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.clock import Moment
from app.trust.sts.enrich import enrich
from app.trust.sts.errors import StsError
from app.trust.sts.grants.base import Ask
from app.trust.sts.request import AuthRequest, load_request
from app.trust.sts.scopes import check_resources, narrow, signed_terms
from app.trust.sts.structures import require_organisation
from app.trust.sts.subject import Subject
from app.trust.sts.tokens import Content


@dataclass(frozen=True, slots=True)
class Login:
    """An authorization request that a person has answered."""

    request: AuthRequest
    subject: Subject

    def dump(self) -> dict[str, Any]:
        return {"request": self.request.dump(), "subject": self.subject.dump()}


def load_login(body: Mapping[str, Any]) -> Login:
    """The login that ``dump`` gave."""
    return Login(load_request(body["request"]), Subject.load(body["subject"]))


async def content_of(ask: Ask, login: Login, scopes: Sequence[str]) -> Content:
    """The access token for ``scopes`` of the login, narrowed to ``resource``. Raises ``StsError``."""
    context, client, request = ask.context, ask.caller.client, login.request
    resources = ask.parameters.every("resource")
    if request.resources and not set(resources) <= set(request.resources):
        raise StsError("invalid_target", "resource was not among those of the authorization request")
    check_resources(scopes, resources)
    narrowed = narrow(scopes, resources or request.resources)
    enriched = await enrich(
        context,
        client,
        login.subject,
        assertion=ask.caller.claims,
        stored=request.structures,
        received=Moment(*request.received),
    )
    grant_type = ask.parameters.get("grant_type") or ""
    require_organisation(enriched.orgs, client, grant_type, narrowed, ask.caller.profile)
    granted, rejected = signed_terms(client, enriched.orgs.parent, narrowed)
    return Content(client, granted, login.subject, enriched, ask.jkt, rejected=rejected)
