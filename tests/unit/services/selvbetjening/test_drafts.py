"""What an installer posts, and where the browser goes afterwards."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.errors import Reason, Refusal
from app.services.selvbetjening import confirmation, drafts, templates
from app.services.selvbetjening.confirmation import Asked
from app.services.selvbetjening.drafts import Draft, Order
from app.services.selvbetjening.errors import Invalid, problem
from app.services.selvbetjening.templates import Template
from app.trust.jose import generate_key, public_members

KEY = public_members(generate_key("ES256"))
TEMPLATES = {template.id: template for template, _ in templates.seeded()}
EPJ = TEMPLATES["epj"]
Findings = list[tuple[str, str]]


def body(**members: Any) -> dict[str, Any]:
    return {
        "organizationNumber": "315500109",
        "publicJwk": json.dumps(KEY),
        "apiScopes": ["nhn:selvbetjening/client"],
        **members,
    }


def read(value: dict[str, Any], template: Template = EPJ, findings: Findings | None = None) -> Order:
    found: Findings = [] if findings is None else findings
    return drafts.read_order(value, template, "lenient", lambda code, _text, level: found.append((code, level)))


def draft(uri: str | None) -> Draft:
    order = read(body(**({} if uri is None else {"postClientConfirmationRedirectUri": uri})))
    return Draft("id", "DRAFT", 0.0, 1.0, "epj", order)


def test_the_catalogue_holds_together() -> None:
    assert all(templates.checked(template) == template for template in TEMPLATES.values())
    assert all(templates.load(template.dump()) == template for template in TEMPLATES.values())
    assert {template.tenancy for template in TEMPLATES.values()} == {"single-tenant", "multi-tenant"}
    assert any(template.manual_scopes for template in TEMPLATES.values())
    assert any(template.redirect_uris for template in TEMPLATES.values())


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        read({"organizationNumber": "1", "apiScopes": ["a", "b"], "redirectUris": ["ftp://x"]})
    assert set(caught.value.errors) == {"organizationNumber", "publicJwk", "apiScopes", "redirectUris"}
    assert len(caught.value.errors["apiScopes"]) == 2
    shown = problem(caught.value, "/v1/client-drafts")
    assert (shown["status"], shown["instance"], shown["errors"]) == (400, "/v1/client-drafts", caught.value.errors)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("apiScopes", "nhn:selvbetjening/client"),
        ("apiScopes", [5]),
        ("apiScopes", ["x" * 501]),
        ("apiScopes", ["nhn:selvbetjening/client"] * 201),
        ("apiScopes", ["a\nb"]),
        ("audienceSpecificClientClaims", {"key": "herid", "value": "1"}),
        ("audienceSpecificClientClaims", [{"key": "herid"}]),
        ("audienceSpecificClientClaims", [{"key": "herid", "value": 1}]),
        ("audienceSpecificClientClaims", [{"key": "herid", "value": ""}]),
        ("audienceSpecificClientClaims", [{"key": "herid", "value": "1"}, {"key": "herid", "value": "2"}]),
        ("audienceSpecificClientClaims", [{"key": "other", "value": "1"}]),
        ("redirectUris", ["http://vendor.example/"]),
        ("redirectUris", ["https://vendor.example/#x"]),
        ("redirectUris", ["https://"]),
        ("redirectUris", ["http://localhost:99999/"]),
        ("redirectUris", ["http://[::1/"]),
        ("postLogoutRedirectUris", ["app://x"]),
        ("childOrganizationNumbers", ["12345678"]),
        ("postClientConfirmationRedirectUri", 5),
        ("postClientConfirmationRedirectUri", "http://localhost/\r\nX: y"),
    ],
)
def test_a_member_that_breaks_a_rule_is_named(member: str, value: Any) -> None:
    with pytest.raises(Invalid) as caught:
        read(body(**{member: value}))
    assert list(caught.value.errors) == [member]
    assert caught.value.extra["pointer"] == f"/{member}"


def test_unknown_members_are_ignored_with_a_finding() -> None:
    findings: Findings = []
    read(body(clientName="x"), findings=findings)
    assert findings == [("SELVBETJENING", "note")]


def test_a_multi_tenant_template_gives_no_drafts() -> None:
    with pytest.raises(Refusal) as caught:
        read(body(), TEMPLATES["skytjeneste"])
    assert caught.value.reason is Reason.CLIENT_NOT_ALLOWED


def test_fixed_addresses_are_the_clients() -> None:
    fixed = TEMPLATES["nettportal"]
    assert read(body(), fixed).redirect_uris == fixed.redirect_uris
    with pytest.raises(Invalid):
        read(body(redirectUris=["https://vendor.example/"]), fixed)


@pytest.mark.parametrize(
    ("uri", "asked", "target"),
    [
        ("http://localhost:1337/callback", Asked("<port>", "<path>"), "http://localhost:1337/callback?status=Success"),
        ("http://127.0.0.1:1/", Asked("2", "/other"), "http://127.0.0.1:1/?status=Success"),
        ("http://[::1]:1/a?b=c", Asked(), "http://[::1]:1/a?b=c&status=Success"),
        ("http://localhost/#x", Asked(), "http://localhost/?status=Success"),
        ("https://vendor.example/", Asked("1337", "/callback"), None),
        ("http://localhost.vendor.example/", Asked(), None),
        ("http://localhost@vendor.example/", Asked(), None),
        ("javascript:alert(1)", Asked(), None),
        (None, Asked("1337", "/callback"), "http://localhost:1337/callback?status=Success"),
        (None, Asked("1337", "callback"), "http://localhost:1337/callback?status=Success"),
        (None, Asked("1337", ""), "http://localhost:1337/?status=Success"),
        (None, Asked("1337", "//vendor.example"), "http://localhost:1337//vendor.example?status=Success"),
        (None, Asked("<port>", "<path>"), None),
        (None, Asked("0", "/"), None),
        (None, Asked("65536", "/"), None),
        (None, Asked("1337@vendor.example", "/"), None),
        (None, Asked("1337", "/a?b=c"), None),
        (None, Asked("1337", "/\\vendor.example"), None),
        (None, Asked(), None),
    ],
)
def test_the_browser_goes_to_the_users_own_machine_only(uri: str | None, asked: Asked, target: str | None) -> None:
    found = confirmation.target(draft(uri), asked)
    assert (None if found is None else confirmation.redirect(found, "Success")) == target
