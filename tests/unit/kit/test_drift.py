"""The kit's values have the members that the control API sends: all of them, and no others."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from sandkasse import Sandbox, answers, effects
from sandkasse.answers import wire_name
from sandkasse.sandbox import AsyncSandbox

# Members of ours that the wire names otherwise, or that are added when an answer is read.
_OURS: Mapping[type[Any], set[str]] = {answers.Setting: {"person"}}
# Members the kit leaves out on purpose: the explanation keeps the whole body beside what it names.
_WHOLE_BODY = {answers.Explanation}


@pytest.fixture
def busy(sandbox: Sandbox) -> Sandbox:
    """A sandbox in which something of everything has been."""
    sandbox.faults.add(effects.latency(1), note="a note", service="pps", count=1)
    sandbox.settings.block("P01")
    sandbox.snapshot("one")
    url = sandbox.url("pps-v2", "/DiagnosticReport/_search")
    auth = sandbox.token("H01", url=url).auth()
    httpx.post(url, headers={"person-id": sandbox.patient("P02").nin, "X-Correlation-Id": "c"}, auth=auth)
    return sandbox


def _get(path: str, *place: str | int) -> Callable[[Sandbox], Any]:
    def ask(sandbox: Sandbox) -> Any:
        body = httpx.get(sandbox.url("control") + path, headers=sandbox.place.headers).json()
        for step in place:
            body = body[step]
        return body

    return ask


def _post(path: str, sent: Mapping[str, Any], *place: str | int) -> Callable[[Sandbox], Any]:
    def ask(sandbox: Sandbox) -> Any:
        body = httpx.post(sandbox.url("control") + path, json=sent, headers=sandbox.place.headers).json()
        for step in place:
            body = body[step]
        return body

    return ask


def _managed(path: str = "", *place: str | int) -> Callable[[Sandbox], Any]:
    def ask(sandbox: Sandbox) -> Any:
        url = f"{sandbox.place.server}/_sandbox/v1/sandboxes/{sandbox.name}{path}"
        body = httpx.get(url, headers=sandbox.place.headers).json()
        for step in place:
            body = body[step]
        return body

    return ask


def _last(path: str, *place: str | int) -> Callable[[Sandbox], Any]:
    def ask(sandbox: Sandbox) -> Any:
        row = sandbox.journal.last_refused()
        assert row is not None
        return _get(f"/exchanges/{row.id}{path}", *place)(sandbox)

    return ask


_ORDER = {"persona": "H01", "scopes": ["openid", "nhn:pps/provesvar-read"], "url": "http://localhost:1/pps/v2"}
_SENT: list[tuple[type[Any], Callable[[Sandbox], Any]]] = [
    (answers.ClockReading, _get("/clock")),
    (answers.SandboxState, _managed()),
    (answers.Snapshot, _managed("/snapshots", "snapshots", 0)),
    (answers.Person, _get("/persons/P01")),
    (answers.Person, _post("/persons/generate", {"count": 1}, "persons", 0)),
    (answers.Practitioner, _get("/practitioners/H01")),
    (answers.Organisation, _get("/organisations/O01")),
    (answers.Setting, _get("/persons/P01/settings", "settings", 0)),
    (answers.Named, _get("/persons/P03/settings", "settings", 0, "subjects", 0)),
    (answers.Client, _get("/clients/sandkasse-epj")),
    (answers.MintedToken, _post("/tokens", _ORDER)),
    (answers.FaultRule, _get("/faults", "rules", 0)),
    (answers.Exchange, _get("/exchanges", "exchanges", 0)),
    (answers.Explanation, _last("")),
    (answers.Advice, _last("/ways")),
    (answers.Way, _last("/ways", "ways", 0)),
    (answers.Change, _last("/ways", "ways", 0, "changes", 0)),
    (answers.Judgement, _post("/explain", {"token": "x"})),
    (answers.Fault, _post("/explain", {"token": "x"}, "faults", 0)),
    (answers.Checks, _get("/checks?client=sandkasse-epj&format=json")),
    (answers.CheckResult, _get("/checks?client=sandkasse-epj&format=json", "results", 0)),
]
# What an answer has only at times, and what the kit does not read.
_AT_TIMES: Mapping[type[Any], set[str]] = {
    answers.SandboxState: {"base", "adminKey"},
    answers.Explanation: {"body"},
}
_UNREAD: Mapping[type[Any], set[str]] = {answers.Judgement: {"findings", "attest", "claims"}}


@pytest.mark.parametrize(("cls", "ask"), [pytest.param(cls, ask, id=cls.__name__) for cls, ask in _SENT])
def test_members(cls: type[Any], ask: Callable[[Sandbox], Any], busy: Sandbox) -> None:
    sent = set(ask(busy))
    fields = {each.name for each in dataclasses.fields(cls)} - _OURS.get(cls, set())
    ours = {name if name in sent else wire_name(name) for name in fields}
    assert ours - _AT_TIMES.get(cls, set()) <= sent
    if cls not in _WHOLE_BODY:
        assert sent - ours <= _UNREAD.get(cls, set())


def test_every_value_is_compared() -> None:
    values = {each for each in vars(answers).values() if isinstance(each, type) and dataclasses.is_dataclass(each)}
    # The receipt is XML, and advice gives a fix only for what the gate refuses.
    assert values - {cls for cls, _ in _SENT} == {answers.Receipt, answers.Fix}


def test_sync_and_async_offer_the_same() -> None:
    def offered(cls: type[Any]) -> set[str]:
        return {name for name in dir(cls) if not name.startswith("_")}

    assert offered(Sandbox) == offered(AsyncSandbox)
