"""The values of the headers."""

from __future__ import annotations

from urllib.parse import quote, quote_plus

import pytest

from app.errors import Reason, Refusal
from app.services.kritiskinfo import headers

ROLE = '{"system": "urn:oid:2.16.578.1.12.4.1.1.9060", "code": "SP"}'


@pytest.mark.parametrize("encoded", [quote(ROLE), quote_plus(ROLE), quote(ROLE.replace(", ", ",\n"))])
def test_a_role_in_either_encoding(encoded: str) -> None:
    assert headers.role(encoded) == "SP"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (ROLE, Reason.HEADER_INVALID),
        ("LE", Reason.HEADER_INVALID),
        (quote("[]"), Reason.HEADER_INVALID),
        (quote('{"code":"LE"}'), Reason.HEADER_INVALID),
        (quote(ROLE.replace("SP", "QQ")), Reason.HEADER_INVALID),
        ("%FF", Reason.HEADER_INVALID),
        (quote(ROLE) + "x" * 1000, Reason.HEADER_INVALID),
        (quote("[" * 900), Reason.HEADER_INVALID),
        (quote('{"system":"kjernejournal_userrole","code":"LE"}'), Reason.ROLE_NOT_ALLOWED),
    ],
)
def test_what_is_no_role(value: str, reason: Reason) -> None:
    with pytest.raises(Refusal) as caught:
        headers.role(value)
    assert caught.value.reason is reason


def test_a_role_that_has_ended_is_known_and_left_to_the_register() -> None:
    assert headers.role(quote(ROLE.replace("SP", "MT"))) == "MT"


@pytest.mark.parametrize("length", [2, 513])
def test_the_length_of_the_system(length: int) -> None:
    with pytest.raises(Refusal):
        headers.system("e" * length)


def test_the_basis_is_exact() -> None:
    assert headers.basis("AKUTT").value == "AKUTT"
    with pytest.raises(Refusal) as caught:
        headers.basis("akutt")
    assert caught.value.reason is Reason.BASIS_INVALID
