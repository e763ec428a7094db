"""``client_credentials``: a machine without a user (T-01, rulings C13, C17)."""

from __future__ import annotations

from app.trust.sts.enrich import enrich
from app.trust.sts.grants.base import Ask, Plan
from app.trust.sts.scopes import api_scopes, check_machine_scopes, check_resources, check_scopes, narrow, signed_terms
from app.trust.sts.structures import require_organisation
from app.trust.sts.tokens import Content


async def handle(ask: Ask) -> Plan:
    """A token for the client itself. Without ``scope`` it gets all its API scopes."""
    client = ask.caller.client
    scopes = ask.parameters.scopes()
    if not scopes:
        ask.context.note("C13", "scope is missing; all API scopes of the client are taken")
        scopes = api_scopes(client.scopes)
    check_machine_scopes(scopes)
    check_scopes(client, scopes)
    resources = ask.parameters.every("resource")
    check_resources(scopes, resources)
    narrowed = narrow(scopes, resources)
    enriched = await enrich(ask.context, client, None, assertion=ask.caller.claims)
    require_organisation(enriched.orgs, client, "client_credentials", narrowed, ask.caller.profile)
    granted, rejected = signed_terms(client, enriched.orgs.parent, narrowed)
    return Plan(Content(client, granted, None, enriched, ask.jkt, rejected=rejected))
