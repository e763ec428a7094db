"""The structures of a request made into claims: organisation, attest, journal id (trust.md sections 1.5 and 3.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.clock import Moment
from app.trust.sts.attest import attest_claim, check_attest
from app.trust.sts.clients import Client
from app.trust.sts.context import Context
from app.trust.sts.lookup import register_snapshot
from app.trust.sts.structures import (
    ATTEST_TYPE,
    OrgClaims,
    Structure,
    find,
    journal_id,
    organisation,
    read_carriers,
)
from app.trust.sts.subject import Subject
from app.values import per_request


@per_request
class Enriched:
    """What the structures say: the organisations, the attest claim and the SFM journal id."""

    orgs: OrgClaims
    attest: Mapping[str, Any] | None = None
    journal_id: str | None = None


async def check_request(context: Context, client: Client, claims: Mapping[str, Any]) -> tuple[Structure, ...]:
    """The structures of a request object, checked as far as they can be before the login (ruling R18).

    Raises ``StsError``.
    """
    structures = read_carriers({}, claims, context.note, context.profile_of(client)).from_request
    if structures:
        orgs = organisation(structures, client, context.note)
        lookup = await register_snapshot(context.core, context.sandbox.id, structures, None)
        check_attest(structures, orgs, lookup, context.settings, context.note)
        journal_id(structures)
    return structures


async def enrich(
    context: Context,
    client: Client,
    subject: Subject | None,
    *,
    assertion: Mapping[str, Any],
    stored: Sequence[Structure] = (),
    received: Moment | None = None,
) -> Enriched:
    """The claims for one token.

    ``assertion`` are the claims of the client assertion; ``stored`` the structures of the request object, which
    came in at ``received``. Raises ``StsError``.
    """
    profile = context.profile_of(client)
    carriers = read_carriers(assertion, {"authorization_details": list(stored)}, context.note, profile)
    structures = carriers.structures
    orgs = organisation(structures, client, context.note)
    if find(structures, ATTEST_TYPE) is None:
        return Enriched(orgs, None, journal_id(structures))
    pid = subject.pid if subject is not None else None
    attest = attest_claim(
        structures,
        subject,
        orgs,
        await register_snapshot(context.core, context.sandbox.id, structures, pid),
        context.moment,
        context.settings,
        context.note,
        received if find(carriers.from_request, ATTEST_TYPE) is not None else None,
    )
    return Enriched(orgs, attest, journal_id(structures))
