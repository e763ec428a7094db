"""The test-token request: whatever JSON comes, a token is made or ``TttError`` says why not."""

from __future__ import annotations

from functools import cache

import orjson
from hypothesis import given
from hypothesis import strategies as st

from app.ids import SeededIds
from app.trust.issuer_keys import SigningKey
from app.trust.jose import generate_key, import_key, parse
from app.trust.sts.ttt import Keys, batch, build
from app.trust.sts.ttt_claims import World
from app.trust.sts.ttt_request import ATTEST_PARAMETERS, CLIENT_CLAIMS, LEAVE_OUT, USER_CLAIMS, TttError, read_request

WORLD = World("http://localhost:8000/helseid", 1_795_000_000, SeededIds("ttt"), b"secret", "default")

_SCALAR = (
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=4) | st.sampled_from(["a", "2", "None"])
)
_ATTEST = [group + ending for group, endings in ATTEST_PARAMETERS.items() for ending in endings]
_ATTEST += ["dontSet" + name for name in LEAVE_OUT] + ["careRelationshipDecisionRefUserSelected"]


def _object(names: list[str]) -> st.SearchStrategy[object]:
    return _SCALAR | st.dictionaries(st.sampled_from(names), _SCALAR, max_size=6)


_BODY = st.fixed_dictionaries(
    {"audience": st.sampled_from(["sandkasse:probe", "own:api"])},
    optional={
        "persona": st.sampled_from(["maskin", "gp-fastlege", ""]),
        "clientClaimsParameters": _object(
            [*CLIENT_CLAIMS, "scope", "clientTenancy", "clientTenancyType", "cnfJkt", "cnfPublicKey"]
        ),
        "userClaimsParameters": _object([*USER_CLAIMS, "amr"]),
        "clientClaimsParametersGeneration": _SCALAR,
        "userClaimsParametersGeneration": st.sampled_from([0, 1, 2, 3]),
        "createTillitsrammeverkClaims": st.just(True),
        "tillitsrammeverkClaimsParameters": _object(_ATTEST),
        "expirationParameters": _object(
            ["expirationTimeInSeconds", "expirationTimeInDays", "setExpirationTimeAsExpired"]
        ),
        "apiSpecificClaims": st.lists(_object(["type", "value"]), max_size=3),
        "toaAgeSeconds": _SCALAR,
        "identifierMismatch": st.booleans(),
        "legalEntityMismatch": st.booleans(),
        "createTokenExchangeClaims": st.booleans(),
    },
)


@cache
def keys() -> Keys:
    key = import_key(generate_key("RS256"))
    return Keys(SigningKey("kid", "x5t", key), key, generate_key("ES256"))


@given(_BODY)
def test_a_token_is_made_or_the_request_refused(body: dict[str, object]) -> None:
    try:
        built = build(read_request(orjson.dumps(body)), WORLD, keys())
    except TttError as error:
        assert str(error)
    else:
        assert parse(built.token, max_bytes=1_000_000).claims["iss"] == WORLD.issuer


@given(st.binary(max_size=60))
def test_any_bytes(body: bytes) -> None:
    try:
        assert read_request(body).audience
    except TttError as error:
        assert str(error)


@given(st.sampled_from([0, 1, 2, 3]), st.sampled_from([0, 1, 2, 3]), st.booleans())
def test_a_batch_of_any_claims_can_be_made(client: int, user: int, attest: bool) -> None:
    body = {
        "audience": "nhn:pps",
        "clientClaimsParametersGeneration": client,
        "userClaimsParametersGeneration": user,
        "createTillitsrammeverkClaims": attest,
    }
    entries = batch(read_request(orjson.dumps(body)), WORLD, keys())
    assert len({entry["fault"] for entry in entries}) == len(entries)
