"""Keys somebody posts: what is read of a JWK, and how long a key lives."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from app.services.selvbetjening import keys
from app.services.selvbetjening.errors import Invalid
from app.settings import Settings
from app.trust.jose import generate_key, public_members
from app.trust.sts.clients import Client

DAY = 86_400.0
NOW = 1_795_000_000.0  # 2026-11-18T11:06:40Z
KEYS = [public_members(generate_key("ES256")) for _ in range(5)]


def read(number: int) -> keys.PublicKey:
    return keys.read_jwk(KEYS[number])


def with_keys(*numbers: int, limit: int = 3) -> Client:
    client = Client("x")
    for place, number in enumerate(numbers):
        client = keys.with_key(client, read(number), "Api", NOW + place, Settings(max_client_keys=limit))
    return client


def test_a_key_without_a_name_is_named_by_its_thumbprint() -> None:
    found = read(0)
    assert found.jwk["kid"] == found.thumbprint
    assert keys.read_jwk({**KEYS[0], "kid": "mine"}).jwk["kid"] == "mine"


def test_members_that_are_no_part_of_a_public_key_are_left_out() -> None:
    found = keys.read_jwk(json.dumps({**KEYS[0], "x5c": ["…"], "name": "Ola"}))
    assert set(found.jwk) == {"kty", "crv", "x", "y", "kid"}


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        [],
        "",
        "5",
        "{",
        "[]",
        {},
        {"kty": 5},
        {**KEYS[0], "kid": 5},
        {**KEYS[0], "kid": "k" * 5000},
        {**KEYS[0], "alg": "ES384"},
        {**KEYS[0], "alg": "none"},
        {**KEYS[0], "x": "not on the curve"},
        {**KEYS[0], "d": None},
        json.dumps("x" * 30_000),
    ],
)
def test_what_is_no_public_key_is_refused(value: Any) -> None:
    with pytest.raises(Invalid) as caught:
        keys.read_jwk(value)
    assert list(caught.value.errors) == ["publicJwk"]


@pytest.mark.parametrize(
    ("value", "private"),
    [
        (KEYS[0], False),
        (json.dumps(KEYS[0]), False),
        ({"apiScopes": ["d"], "claims": [{"key": "d", "value": "p"}]}, False),
        ({**KEYS[0], "d": "x"}, True),
        ([{"deep": {"jwk": {"d": "x"}}}], True),
        ({"publicJwk": json.dumps({"d": "x"})}, True),
        (json.dumps(json.dumps({"d": "x"})), True),
        ("d", False),
        (None, False),
    ],
)
def test_private_members_are_found_wherever_they_are(value: Any, private: bool) -> None:
    assert keys.holds_private(value) is private


def test_a_key_ends_at_the_midnight_after_its_days() -> None:
    (note,) = keys.with_key(Client("x"), read(0), "Api", NOW, Settings(key_days=1)).keys
    assert note.expires is not None
    assert note.expires % DAY == 0
    assert DAY <= note.expires - NOW < 2 * DAY


def test_the_oldest_key_gives_way_and_an_ended_one_goes() -> None:
    client = with_keys(0, 1, 2, 3)
    assert [jwk["x"] for jwk in client.jwks] == [KEYS[number]["x"] for number in (1, 2, 3)]
    later = keys.with_key(client, read(4), "Api", NOW + 400 * DAY, Settings(max_client_keys=3))
    assert [jwk["x"] for jwk in later.jwks] == [KEYS[4]["x"]]


def test_a_key_that_is_there_lives_anew_and_keeps_its_place() -> None:
    client = with_keys(0, 1)
    again = keys.with_key(client, read(0), "Api", NOW + 10 * DAY, Settings())
    assert [note.thumbprint for note in again.keys] == [note.thumbprint for note in client.keys]
    assert (again.keys[0].expires or 0) > (client.keys[0].expires or 0)
    assert again.keys[1] == client.keys[1]


def test_keys_made_by_hand_give_way_to_none() -> None:
    settings = Settings(max_client_keys=2)
    client = Client("x", jwks=tuple(KEYS[:2]))
    with pytest.raises(Invalid):
        keys.with_key(client, read(2), "Api", NOW, settings)
    fewer = replace(client, jwks=client.jwks[:1])
    assert [note.origin for note in keys.with_key(fewer, read(2), "Api", NOW, settings).keys] == ["Gui", "Api"]
