"""The sandbox as a place to test in: isolation, snapshots, checks, explanations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

from sandkasse import AsyncSandbox, NotSeen, Sandbox
from sandkasse.pytest_plugin import Persona
from sandkasse.server import Server
from vendor_tests.conftest import Reader
from vendor_tests.vendor_epj import LoggedOut, ResultsReader


def test_a_snapshot_brings_everything_back(sandbox: Sandbox) -> None:
    before = sandbox.snapshot("before")
    sandbox.settings.block("P01")
    sandbox.persons.remove("P02")
    sandbox.restore(before)
    assert sandbox.settings.list("P01") == ()
    assert sandbox.patient("P02").id == "P02"


def test_a_clone_goes_its_own_way(sandbox: Sandbox) -> None:
    sandbox.settings.block("P01")
    with sandbox.clone() as copy:
        (setting,) = copy.settings.list("P01")
        copy.settings.remove(setting)
        assert copy.settings.list("P01") == ()
    assert len(sandbox.settings.list("P01")) == 1


def test_two_sandboxes_know_nothing_of_each_other(sandbox: Sandbox, sandkasse_server: Server, reader: Reader) -> None:
    number = sandbox.patient("P01").nin
    with Sandbox.create(sandkasse_server.url, admin_key=sandkasse_server.admin_key) as other:
        other.settings.block("P01")
        assert reader().read(number).withheld is None
        base = other.url("pps-v2")
        with ResultsReader(base, other.token("H01", url=base).auth()) as there:
            assert there.read(number).withheld == "General"
        assert sandbox.journal.list(reason="GENERAL_BLOCK") == ()


def test_a_token_of_one_sandbox_opens_no_other(sandbox: Sandbox, sandkasse_server: Server) -> None:
    token = sandbox.token("H01", url=sandbox.url("pps-v2"))
    number = sandbox.patient("P01").nin
    with Sandbox.create(sandkasse_server.url, admin_key=sandkasse_server.admin_key) as other:
        there = ResultsReader(other.url("pps-v2"), token.auth())
        with there, pytest.raises(LoggedOut):
            there.read(number)


def test_a_persona_is_a_ready_client(persona: Persona, sandbox: Sandbox) -> None:
    answer = persona("H02", "trust-probe", attest={"purpose": "TREAT"}).get("/whoami")
    assert answer.json()["hprNumber"] == sandbox.practitioners.get("H02").hpr


def test_what_did_not_happen_is_told_with_what_did(
    reader: Reader, sandbox: Sandbox, expect_exchange: Callable[..., object]
) -> None:
    reader().read(sandbox.patient("P02").nin)
    with pytest.raises(NotSeen, match="GENERAL_BLOCK"):
        expect_exchange(service="pps-v2", status=418, timeout=0.1)


def test_a_request_is_judged_without_being_sent(sandbox: Sandbox) -> None:
    request = httpx.Request("POST", sandbox.url("pps-v2", "/DiagnosticReport/_search"), data={"_count": "5"})
    judged = sandbox.explain(request=request)
    assert not judged.ok
    assert {"TOKEN_MISSING", "HEADER_MISSING"} <= {fault.reason for fault in judged.faults}
    assert sandbox.journal.list(service="pps-v2") == ()


def test_the_sandbox_checks_how_our_client_behaves(reader: Reader, sandbox: Sandbox) -> None:
    results = reader()
    results.read(sandbox.patient("P01").nin)
    results.read(sandbox.patient("P02").nin)
    checked = sandbox.checks("sandkasse-epj")
    assert [result.id for result in checked.results if result.state == "failed"] == []
    assert "passed" in {result.state for result in checked.results}


@pytest.mark.sandbox(content="empty")
def test_an_empty_sandbox_holds_what_we_put(sandbox: Sandbox) -> None:
    assert sandbox.persons.list() == ()
    made = sandbox.persons.put("mine", given="RASK", family="REV", birth_date="1984-03-14", gender="male")
    assert sandbox.persons.list() == (made,)


def test_everything_works_with_async_too(async_sandbox: AsyncSandbox) -> None:
    async def both() -> tuple[str, int]:
        patient, token = await asyncio.gather(async_sandbox.patient("P01"), async_sandbox.token("H01"))
        headers = {"person-id": patient.nin, "X-Correlation-Id": "test"}
        async with httpx.AsyncClient(auth=token.auth()) as http:
            answer = await http.post(async_sandbox.url("pps-v2", "/DiagnosticReport/_search"), headers=headers)
        (seen,) = await async_sandbox.journal.expect(service="pps-v2")
        return str(seen.patient), answer.status_code

    assert asyncio.run(both()) == ("P01", 200)
