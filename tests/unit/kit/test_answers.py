"""Answers as values; that their members are those the server sends is shown in ``test_drift``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import pytest

from sandkasse.answers import CheckResult, Checks, Exchange, Judgement, Receipt, read
from sandkasse.errors import ControlError, UnexpectedAnswer
from sandkasse.place import Place, checked
from sandkasse.sandbox import _receipt


@dataclass(frozen=True)
class Inner:
    at: datetime


@dataclass(frozen=True)
class Outer:
    some_name: str
    inner: Inner | None
    many: tuple[Inner, ...] = ()
    from_: str | None = None


NOON = {"at": "2026-11-21T12:00:00.000000Z"}


def test_members_are_read_by_their_names_on_the_wire() -> None:
    body = {"someName": "a", "inner": NOON, "many": [NOON], "from": "b", "more": 1}
    noon = Inner(datetime(2026, 11, 21, 12, tzinfo=UTC))
    assert read(Outer, body) == Outer("a", noon, (noon,), "b")


def test_what_may_be_missing_may_be_missing() -> None:
    assert read(Outer, {"some_name": "a", "inner": None}) == Outer("a", None)


@pytest.mark.parametrize("body", [{"someName": "a"}, [], None, {"someName": "a", "inner": 5}])
def test_another_form_is_said_so(body: object) -> None:
    with pytest.raises(UnexpectedAnswer):
        read(Outer, body)


def test_a_refusal_is_one_by_status_or_reason() -> None:
    row = Exchange("i", "pps-v2", datetime.now(UTC), 200, None, None, None)
    assert not row.refused
    assert Exchange("i", "pps-v2", row.at, 200, "GENERAL_BLOCK", None, None).refused
    assert Exchange("i", "pps-v2", row.at, 401, None, None, None).refused


def test_checks_are_found_by_id() -> None:
    passed = CheckResult("par", "uses PAR", "error", "passed", None, ("i",), None)
    checks = Checks("mine", (passed,), {})
    assert checks["par"] is passed
    with pytest.raises(KeyError):
        checks["other"]


def test_a_judgement_keeps_every_fault() -> None:
    fault = {"rule": "A1", "severity": "error", "text": "t", "reason": None, "found": 1, "expected": 2, "source": "s"}
    assert len(read(Judgement, {"ok": False, "summary": "two", "faults": [fault, fault]}).faults) == 2


@pytest.mark.parametrize(
    ("status", "errors", "expected"),
    [("1", "", (True, ())), ("2", '<Error V="T10" DN="bad"/>', (False, ("T10 bad",)))],
)
def test_a_receipt(status: str, errors: str, expected: tuple[bool, tuple[str, ...]]) -> None:
    receipt = _receipt(f'<AppRec xmlns="urn:x"><Status V="{status}"/>{errors}</AppRec>'.encode())
    assert (receipt.taken, receipt.errors) == expected
    assert isinstance(receipt, Receipt)


def _answer(status: int, **content: object) -> httpx.Response:
    return httpx.Response(status, request=httpx.Request("PUT", "http://x/p"), **content)  # type: ignore[arg-type]


def test_a_problem_tells_where() -> None:
    problem = {"title": "Bad Request", "detail": "no such kind", "pointer": "/kind"}
    with pytest.raises(ControlError, match=r"PUT /p answered 400: no such kind \(at /kind\)") as told:
        checked(_answer(400, json=problem))
    assert (told.value.status, told.value.pointer) == (400, "/kind")


def test_an_error_page_of_something_else() -> None:
    with pytest.raises(ControlError, match="502: <html>"):
        checked(_answer(502, text="<html>"))
    with pytest.raises(UnexpectedAnswer, match="no JSON"):
        checked(_answer(200, text="<html>"))
    assert checked(_answer(204)) is None


def test_a_place_is_read_from_an_address() -> None:
    named = Place.of("http://localhost:8000/s/team-a/", "secret")
    assert (named.server, named.name, named.root) == (
        "http://localhost:8000",
        "team-a",
        "http://localhost:8000/s/team-a",
    )
    assert Place.of("http://localhost:8000/").url("pps-v2") == "http://localhost:8000/pps/v2"
    assert "secret" not in repr(named)
    with pytest.raises(KeyError):
        named.url("nothing")
