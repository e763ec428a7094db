"""The client registry: reading what is sent, the seeded clients, the presets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.directory import API_BY_AUDIENCE
from app.errors import Reason, Refusal
from app.trust.jose import generate_key, import_key
from app.trust.sts.clients import CODE, MACHINE, SEEDED, Client, api_of, load_client, read_client, with_key
from app.trust.sts.presets import PRESETS
from app.trust.sts.registered import ClientClaim, KeyNote
from app.trust.sts.tokens import own_claims

JWK = generate_key("ES256")


def test_a_client_survives_the_round_trip() -> None:
    for client in (*SEEDED, *(one for preset in PRESETS.values() for one in preset)):
        assert load_client(client.dump()) == client
        assert read_client(client.dump()) == client


def test_defaults_and_public_part() -> None:
    client = read_client({"id": "x", "jwks": {"keys": [JWK]}, "orgnr_parent": "315500109"})
    assert (client.name, client.grants, client.tenancy) == ("x", frozenset({CODE, "refresh_token"}), "single-tenant")
    assert "d" not in client.jwks[0]
    assert client.known_organisations == {"315500109"}


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        {"id": ""},
        {"id": 5},
        {"id": "x" * 121},
        {"id": "x", "other": 1},
        {"id": "x", "grants": ["password"]},
        {"id": "x", "grants": "authorization_code"},
        {"id": "x", "scopes": [1]},
        {"id": "x", "scopes": ["a"] * 501},
        {"id": "x", "tenancy": "many"},
        {"id": "x", "profile": []},
        {"id": "x", "dpop": None},
        {"id": "x", "orgnr_parent": "12345678"},
        {"id": "x", "children": ["abcdefghi"]},
        {"id": "x", "access_token_seconds": 0},
        {"id": "x", "access_token_seconds": True},
        {"id": "x", "jwks": [5]},
        {"id": "x", "jwks": {}},
        {"id": "x", "jwks": [{"kty": "oct"}]},
        {"id": "x", "jwks": [{"kty": "EC", "crv": "P-256"}]},
        {"id": "x", "name": "n" * 501},
        {"id": "x", "keys": [{"thumbprint": ""}]},
        {"id": "x", "keys": [{"thumbprint": "t", "origin": "Elsewhere"}]},
        {"id": "x", "keys": [{"thumbprint": "t", "expires": "soon"}]},
        {"id": "x", "keys": {}},
        {"id": "x", "claims": [{"type": "c", "other": 1}]},
        {"id": "x", "claims": [{"type": "c", "active": 5}]},
        {"id": "x", "unsigned_terms": [{"delegator": "315500605"}]},
        {"id": "x", "pending_scopes": "a"},
        {"id": "x", "made": -1},
        {"id": "x", "made": True},
        {"id": "x", "blocked": "yes"},
        {"id": "x", "template": 5},
    ],
)
def test_bad_clients_are_refused(value: Any) -> None:
    with pytest.raises(Refusal) as caught:
        read_client(value)
    assert caught.value.reason is Reason.CONTENT_INVALID


def test_the_seeded_clients() -> None:
    """Rulings R22 and R23."""
    by_id = {client.id: client for client in SEEDED}
    assert set(by_id) == {"sandkasse-epj", "sandkasse-leverandor", "sandkasse-maskin", "sandkasse-gammel"}
    assert "nhn:parek/rekvisisjon" not in by_id["sandkasse-epj"].scopes
    assert by_id["sandkasse-leverandor"].orgnr_supplier == "315501008"
    assert by_id["sandkasse-maskin"].grants == {MACHINE}
    assert {"nhn:pps/provesvar", "nhn:pps/provesvar-read"} <= set(by_id["sandkasse-gammel"].scopes)
    assert by_id["sandkasse-gammel"].dpop == "optional"


def test_the_api_of_a_scope() -> None:
    assert api_of("nhn:pps/provesvar-read") is API_BY_AUDIENCE["nhn:pps"]
    assert api_of("nhn:pps/of-tomorrow") is API_BY_AUDIENCE["nhn:pps"]
    assert api_of("openid") is None
    assert api_of("helseid://scopes/client/info") is None
    other = api_of("ks:fiks/api")
    assert other is not None
    assert other.audience == "ks:fiks"
    assert [api_of(scope) for scope in ("odd", "odd/scope", "owner:/scope", "helseid://scopes/other")] == [None] * 4


def test_a_key_holds_for_its_time() -> None:
    """selvbetjening.md B8 and B10; a key without a note is there for good."""
    other = generate_key("ES256")
    thumbprint = import_key(other).thumbprint
    client = with_key(with_key(Client("x", "X"), JWK), other)
    assert len(client.usable_jwks(0.0, 5.0)) == 2
    noted = replace(client, keys=(KeyNote(thumbprint, "Api", made=100.0, expires=200.0),))
    assert [len(noted.usable_jwks(now, 20.0)) for now in (119.0, 120.0, 199.0, 200.0)] == [1, 2, 2, 1]
    assert read_client(noted.dump()) == noted
    assert load_client(noted.dump()) == noted


def test_a_client_is_known_when_it_is_old_enough_and_not_blocked() -> None:
    assert Client("x").known_at(0.0, 20.0)
    assert [Client("x", made=100.0).known_at(now, 20.0) for now in (119.0, 120.0)] == [False, True]
    assert not Client("x", blocked=True).known_at(0.0, 0.0)


def test_a_client_stored_before_notes_were_kept_is_read() -> None:
    body = Client("x").dump()
    for name in ("keys", "claims", "pending_scopes", "unsigned_terms", "template", "made", "blocked"):
        del body[name]
    assert load_client(body) == Client("x")


def test_own_claims_go_to_the_api_they_are_named_for() -> None:
    claims = (ClientClaim("nhn:vkp/client/claims/id", "1"), ClientClaim("herid", "2"), ClientClaim("other", None, "3"))
    client = Client("x", claims=claims)
    assert own_claims(client, {"nhn:vkp"}) == {"nhn:vkp/client/claims/id": "1", "herid": "2"}
    assert own_claims(client, {"nhn:pps"}) == {"herid": "2"}


def test_a_key_is_kept_without_its_private_members() -> None:
    kept = with_key(Client("x"), JWK)
    assert "d" not in kept.jwks[0]
    with pytest.raises(Refusal):
        with_key(Client("x"), {"kty": "oct"})
