"""A client that changes itself: what it may ask for, what it keeps and what waits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.services.selvbetjening import registration, templates
from app.services.selvbetjening.errors import Invalid
from app.services.selvbetjening.templates import Template
from app.trust.sts.clients import CODE, MACHINE, Client
from app.trust.sts.registered import ClientClaim

SELV, PAREK, OWN = "nhn:selvbetjening/client", "nhn:parek/rekvisisjon", "nhn:vkp/client/claims/vkp-id"
TEMPLATE = {template.id: template for template, _ in templates.seeded()}["rekvirering"]
MACHINE_CLIENT = Client("x", grants=frozenset({MACHINE}), scopes=(SELV,), template="rekvirering")


def change(client: Client, body: dict[str, Any], template: Template | None = TEMPLATE) -> Client:
    return registration.updated(client, registration.read_update(body, client, template), template)


def test_what_is_left_out_becomes_nothing() -> None:
    full = replace(MACHINE_CLIENT, children=("315500303",), claims=(ClientClaim("herid", "1"),))
    bare = change(full, {})
    assert (bare.scopes, bare.claims, bare.children) == ((), (), ())


def test_the_scopes_about_a_user_stay() -> None:
    client = replace(MACHINE_CLIENT, scopes=("openid", "nhn:tillitsrammeverk:parameters", SELV))
    assert change(client, {}).scopes == ("openid", "nhn:tillitsrammeverk:parameters")


def test_a_scope_granted_by_hand_waits_until_it_is_and_stays_then() -> None:
    asked = change(MACHINE_CLIENT, {"apiScopes": [SELV, PAREK]})
    assert (asked.scopes, asked.pending_scopes) == ((SELV,), (PAREK,))
    granted = registration.approved(asked, None, None)
    assert (granted.scopes, granted.pending_scopes) == ((SELV, PAREK), ())
    assert change(granted, {"apiScopes": [PAREK]}).scopes == (PAREK,)
    again = change(change(granted, {"apiScopes": [SELV]}), {"apiScopes": [SELV, PAREK]})
    assert again.pending_scopes == (PAREK,), "given up and asked for anew"


def test_a_claim_goes_through_its_three_states() -> None:
    def value(text: str) -> dict[str, Any]:
        return {"audienceSpecificClientClaims": [{"key": OWN, "value": text}]}

    first = change(MACHINE_CLIENT, value("1"))
    assert first.claims == (ClientClaim(OWN, None, "1"),)
    granted = registration.approved(first, (), (OWN,))
    assert granted.claims == (ClientClaim(OWN, "1"),)
    waiting = change(granted, value("2"))
    assert waiting.claims == (ClientClaim(OWN, "1", "2"),)
    assert change(waiting, value("2")) == waiting
    assert change(waiting, value("1")) == granted, "taken back"
    free = change(MACHINE_CLIENT, {"audienceSpecificClientClaims": [{"key": "herid", "value": "9"}]})
    assert free.claims == (ClientClaim("herid", "9"),)


def test_a_client_without_a_template_keeps_and_gives_up_but_gets_no_more() -> None:
    client = replace(MACHINE_CLIENT, template=None, pending_scopes=(PAREK,))
    assert change(client, {"apiScopes": [SELV, PAREK]}, None) == client
    assert change(client, {"apiScopes": [SELV]}, None).pending_scopes == ()
    with pytest.raises(Invalid, match="nhn:pps/provesvar"):
        change(client, {"apiScopes": ["nhn:pps/provesvar"]}, None)


def test_a_client_that_logs_users_in_needs_an_address() -> None:
    client = replace(MACHINE_CLIENT, grants=frozenset({CODE}), redirect_uris=("https://a.example/",))
    bodies: tuple[dict[str, Any], ...] = ({}, {"redirectUris": []})
    for body in bodies:
        with pytest.raises(Invalid, match="redirect"):
            change(client, body, None)
    without = replace(client, redirect_uris=())
    assert change(without, {"redirectUris": []}, None).redirect_uris == ()


def test_the_old_status_has_three_values() -> None:
    pending = replace(MACHINE_CLIENT, pending_scopes=(PAREK,))
    found = [registration.old_status(each) for each in (MACHINE_CLIENT, pending, replace(pending, blocked=True))]
    assert [each["status"] for each in found] == ["Active", "Limited", "Blocked"]
    assert found[2]["details"]["clientStatus"] == {"active": False, "reason": "BlockedByAdmin"}


def test_an_instant_has_a_zone() -> None:
    assert registration.instant(1_810_771_200.0) == "2027-05-20T00:00:00Z"
