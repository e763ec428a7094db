"""Fault rules through the whole service, in this process: each effect, whom it meets, and what the journal shows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

import httpx
import orjson
import pytest
import pytest_asyncio
from sqlalchemy import select

from app import main
from app.routers import faulting
from app.sandboxes import faults
from app.store import faults as counts
from app.store import tables
from app.store.faults import Hits
from app.trust.jose import parse
from tests.unit.routers.test_service import BASE, P01, P02, SEARCH, Service

METADATA = "/pps/v2/metadata"
CONFIGURATION = "/helseid/.well-known/openid-configuration"
PPS = {"service": "PPS"}


class Faulty(Service):
    """The service with a hand on its rules."""

    async def add(self, match: dict[str, Any], effect: dict[str, Any], name: str = "r1", root: str = "") -> None:
        body = {"id": name, "match": match, "effect": effect}
        answer = await self.http.post(f"{root}/_sandbox/v1/faults", json=body)
        assert answer.status_code == 201, answer.text

    async def counts(self, name: str = "r1") -> Hits:
        return (await self.core.store.read(lambda conn: counts.counts(conn, "default"))).get(name, Hits())

    async def journaled(self) -> dict[str, Any]:
        """The newest exchange of the journal, read from the table."""
        await self.core.store.flush()
        exchange = tables.exchange.c
        newest = select(exchange.body).order_by(exchange.at.desc(), exchange.id.desc()).limit(1)
        told: dict[str, Any] = orjson.loads(await self.core.store.read(lambda conn: conn.execute(newest).scalar_one()))
        return told

    async def audited(self) -> int:
        chain = select(tables.audit.c.seq).where(tables.audit.c.sandbox == "default", tables.audit.c.service == "PPS")
        return len(await self.core.store.read(lambda conn: conn.execute(chain).all()))


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The database of a service that was started once: making its keys and people is what takes the time."""
    folder = tmp_path_factory.mktemp("started")
    made = Faulty(folder)
    asyncio.run(main.start(made.core))
    made.core.store.close()
    return (folder / "service.db").read_bytes()


@pytest_asyncio.fixture
async def service(tmp_path: Path, started: bytes) -> AsyncIterator[Faulty]:
    (tmp_path / "service.db").write_bytes(started)
    made = Faulty(tmp_path)
    await main.start(made.core)
    yield made
    await main.checkpoint(made.core)
    made.core.store.close()


def test_every_kind_of_effect_does_something() -> None:
    kinds = {get_args(each)[0].model_fields["kind"].annotation for each in get_args(get_args(faults.Effect)[0])}
    assert {get_args(kind)[0] for kind in kinds} == set(faulting._EFFECTS)


class TestInstead:
    @pytest.mark.parametrize(
        ("path", "status", "media", "says"),
        [
            (METADATA, 503, "application/fhir+json", '"code":"transient"'),
            (METADATA, 429, "application/fhir+json", '"code":"throttled"'),
            (METADATA, 400, "application/fhir+json", '"code":"invalid"'),
            (METADATA, 599, "application/fhir+json", '"code":"exception"'),
            ("/pps/metadata", 500, "application/fhir+json", "OperationOutcome"),
            ("/pps-backdoor/fhir/metadata", 401, "application/fhir+json", '"code":"login"'),
            (CONFIGURATION, 503, "application/json", '"error":"temporarily_unavailable"'),
            (CONFIGURATION, 500, "application/json", '"error":"server_error"'),
            (CONFIGURATION, 418, "application/json", '"error":"invalid_request"'),
            ("/helseid/connect/authorize", 503, "text/html; charset=utf-8", "temporarily_unavailable"),
            ("/helseid-ttt/v2/create-test-token-with-key", 500, "application/json", '"isError":true'),
            ("/trust-probe/whoami", 502, "application/problem+json", '"title":"Bad Gateway"'),
            ("/pps-sandbox/svarrapport", 499, "application/problem+json", '"title":"Error"'),
        ],
    )
    async def test_in_the_services_own_form(
        self, service: Faulty, path: str, status: int, media: str, says: str
    ) -> None:
        await service.add({"method": "GET"}, {"kind": "status", "status": status})
        answer = await service.http.get(path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, media)
        assert says in answer.text
        assert "Sandbox-Exchange" in answer.headers

    async def test_unauthorized_comes_with_a_challenge(self, service: Faulty) -> None:
        await service.add(PPS, {"kind": "status", "status": 401})
        assert (await service.http.get(METADATA)).headers["WWW-Authenticate"].startswith("DPoP error=")
        assert "WWW-Authenticate" not in (await service.http.get("/pps-backdoor/fhir/metadata")).headers

    @pytest.mark.parametrize(
        ("effect", "media", "body"),
        [
            ({"body": "text"}, "text/plain; charset=utf-8", "502 Bad Gateway\n"),
            ({"body": "<h1>no</h1>", "contentType": "text/html"}, "text/html; charset=utf-8", "<h1>no</h1>"),
            ({"body": "own"}, "text/plain; charset=utf-8", "own"),
            ({"body": "{", "contentType": "application/json"}, "application/json", "{"),
        ],
    )
    async def test_in_another_form(self, service: Faulty, effect: dict[str, Any], media: str, body: str) -> None:
        headers = {"Server": "gateway", "Retry-After": "soon"}
        await service.add(PPS, {"kind": "status", "status": 502, "headers": headers, **effect})
        answer = await service.http.get(METADATA)
        assert (answer.status_code, answer.headers["Content-Type"], answer.text) == (502, media, body)
        assert (answer.headers["Server"], answer.headers["Retry-After"]) == ("gateway", "soon")

    async def test_without_a_body_where_http_has_none(self, service: Faulty) -> None:
        await service.add(PPS, {"kind": "status", "status": 204, "body": "text"})
        answer = await service.http.get(METADATA)
        assert (answer.status_code, answer.content) == (204, b"")

    async def test_rate_limit(self, service: Faulty) -> None:
        await service.add({**PPS, "count": 1}, {"kind": "rate_limit", "retryAfter": 7})
        answer = await service.http.get(METADATA)
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
        assert answer.json()["issue"][0]["code"] == "throttled"
        assert (await service.http.get(METADATA)).status_code == 200

    async def test_nothing_is_done_and_the_journal_says_why(self, service: Faulty) -> None:
        await service.add(PPS, {"kind": "status", "status": 500})
        assert (await service.search("H01", P01)).status_code == 500
        assert await service.audited() == 0
        told = await service.journaled()
        assert told["notes"]["fault"] == [{"rule": "r1", "effect": "status"}]
        assert told["decision"]["outcome"] == "FAULT"
        assert told["summary"] == "FAULT: answered 500 in the service's place. Fault rule: r1 (status)."
        assert P01 not in str(told)


class TestConnection:
    async def test_reset_before_the_work(self, service: Faulty) -> None:
        await service.add(PPS, {"kind": "reset"})
        with pytest.raises(ConnectionResetError):
            await service.search("H01", P01)
        assert await service.audited() == 0
        told = await service.journaled()
        assert (told["answer"]["status"], told["notes"]["fault"][0]["effect"]) == (0, "reset")

    async def test_reset_after_the_work_leaves_it_done(self, service: Faulty) -> None:
        await service.add(PPS, {"kind": "reset", "after": True})
        with pytest.raises(ConnectionResetError):
            await service.search("H01", P01)
        assert await service.audited() == 1
        told = await service.journaled()
        assert (told["answer"]["status"], told["answer"]["size"], told["decision"]["outcome"]) == (0, 0, "PERMIT")

    async def test_truncated(self, service: Faulty) -> None:
        await service.add(PPS, {"kind": "truncate", "fraction": 0.5})
        with pytest.raises(ConnectionResetError):
            await service.search("H01", P01)
        assert await service.audited() == 1
        told = await service.journaled()
        noted = told["notes"]["fault"][0]
        assert noted["sent"] == noted["of"] // 2 == told["answer"]["size"]
        assert dict(told["answer"]["headers"])["content-length"] == str(noted["of"])
        assert told["summary"] == "Granted. Fault rule: r1 (truncate)."

    async def test_slow_but_whole(self, service: Faulty) -> None:
        whole = (await service.http.get(METADATA)).content
        await service.add(PPS, {"kind": "slow", "bytesPerSecond": len(whole) * 4})
        begun = time.perf_counter()
        assert (await service.http.get(METADATA)).content == whole
        assert time.perf_counter() - begun >= 0.2


class TestLatency:
    async def test_waits_and_then_the_next_rule_decides(self, service: Faulty) -> None:
        await service.add(PPS, {"kind": "latency", "ms": 120}, "slow")
        await service.add(PPS, {"kind": "latency", "uniform": {"low": 50, "high": 80}}, "slower")
        await service.add(PPS, {"kind": "status", "status": 503}, "down")
        await service.add(PPS, {"kind": "status", "status": 500}, "never")
        begun = time.perf_counter()
        assert (await service.http.get(METADATA)).status_code == 503
        assert time.perf_counter() - begun >= 0.17
        noted = (await service.journaled())["notes"]["fault"]
        assert [each["rule"] for each in noted] == ["slow", "slower", "down"]
        assert noted[0]["ms"] == 120
        assert 50 <= noted[1]["ms"] <= 80
        assert (await service.counts("never"), await service.counts("down")) == (Hits(1, 0), Hits(1, 1))


class TestDependencies:
    @pytest.mark.parametrize(
        ("effect", "status", "reason"),
        [
            ({"kind": "dependency", "dependency": "privacy"}, 500, "PRIVACY_UNAVAILABLE"),
            ({"kind": "dependency", "dependency": "audit"}, 500, "AUDIT_UNAVAILABLE"),
            ({"kind": "dependency", "dependency": "store"}, 503, "STORE_UNAVAILABLE"),
            ({"kind": "source_down", "source": "pps"}, 503, "STORE_UNAVAILABLE"),
            ({"kind": "source_down", "source": "ELSEWHERE"}, 200, None),
        ],
    )
    async def test_fail_for_one_call(
        self, service: Faulty, effect: dict[str, Any], status: int, reason: str | None
    ) -> None:
        await service.add({**PPS, "count": 1}, effect)
        assert (await service.search("H01", P01)).status_code == status
        assert (await service.journaled())["decision"]["reason"] == reason
        assert (await service.search("H01", P01)).status_code == 200

    async def test_the_store_of_a_whole_sandbox_can_be_down(self, service: Faulty) -> None:
        await service.http.put("/_sandbox/v1/faults", json={"dependencies": {"store": "down"}})
        assert (await service.search("H01", P01)).status_code == 503


class TestIssuer:
    async def test_keys_are_rotated_once(self, service: Faulty) -> None:
        async def keys(path: str = "/.well-known/openid-configuration/jwks") -> set[str]:
            return {key["kid"] for key in (await service.http.get(f"/helseid{path}")).json()["keys"]}

        before = await keys()
        await service.add({"service": "helseid", "path": "/.well-known/*", "count": 1}, {"kind": "rotate_keys"})
        rotated = await keys()
        assert rotated == await keys()
        assert (len(rotated - before), before - rotated) == (1, await keys("/connect/expiredjwks"))

    async def test_skew_moves_the_times_of_tokens(self, service: Faulty) -> None:
        async def issued_at() -> int:
            order = {"audience": "nhn:pps", "persona": "sykehuslege"}
            made = await service.http.post(
                "/helseid-ttt/v2/create-test-token-with-key",
                json=order,
                headers={"X-Auth-Key": service.core.settings.ttt_key},
            )
            claims = parse(made.json()["successResponse"]["accessTokenJwt"]).claims
            assert claims["nbf"] == claims["iat"]
            return int(claims["iat"])

        before = await issued_at()
        await service.add({"method": "POST"}, {"kind": "issuer_skew", "seconds": -600})
        assert await issued_at() == before - 600
        assert (await service.search("H01", P01)).status_code == 200  # no issuer: not touched
        assert (await service.counts()) == Hits(1, 1)


class TestWhom:
    async def test_a_patient_by_header_old_number_alias_and_body(self, service: Faulty) -> None:
        await service.add({"patient": "P01"}, {"kind": "status", "status": 503})
        assert (await service.search("H01", P01)).status_code == 503
        assert (await service.search("H01", P02)).status_code == 200
        for form in ({"person": P01}, {"person": f"urn:oid:1|{P01}"}, {"person": "10086055555"}):
            assert (await service.http.post(SEARCH, data=form)).status_code == 503
        assert (await service.http.post(SEARCH, json={"a": [P01]})).status_code == 503
        for form in ({"person": P02}, {"person": f"1{P01}"}, {}):
            assert (await service.http.post(SEARCH, data=form)).status_code == 401
        assert P01 not in str(await service.journaled())

    async def test_a_client_by_token_assertion_and_parameter(self, service: Faulty) -> None:
        await service.add({"client": "sandkasse-epj"}, {"kind": "status", "status": 503})
        assert (await service.search("H01", P01)).status_code == 503
        token = "/helseid/connect/token"
        assertion = "e30.eyJpc3MiOiJzYW5ka2Fzc2UtZXBqIn0.AA"  # {"iss":"sandkasse-epj"}
        for form in ({"client_id": "sandkasse-epj"}, {"client_assertion": assertion}):
            assert (await service.http.post(token, data=form)).status_code == 503
        authorize = "/helseid/connect/authorize"
        assert (await service.http.get(authorize, params={"client_id": "sandkasse-epj"})).status_code == 503
        for form in ({"client_id": "other"}, {"client_assertion": "broken"}, {}):
            assert (await service.http.post(token, data=form)).status_code in (400, 401)

    async def test_the_service_still_gets_the_whole_body(self, service: Faulty) -> None:
        await service.add({"patient": "P02"}, {"kind": "reset"})
        answer = await service.search("H01", P01)
        assert answer.json()["total"] == 73
        assert await service.counts() == Hits()

    async def test_large_bodies_are_passed_on_unread(self, service: Faulty) -> None:
        await service.add({"client": "nobody"}, {"kind": "reset"})

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(40):
                yield b"x" * 65_536

        answer = await service.http.post("/helseid/connect/token", content=pieces())
        assert answer.status_code == 413

    async def test_calls_of_the_control_api_and_pages_are_never_met(self, service: Faulty) -> None:
        await service.add({"method": "GET"}, {"kind": "reset"})
        for path in ("/_sandbox/v1/faults", "/healthz", "/docs"):
            assert (await service.http.get(path)).status_code == 200

    async def test_another_sandbox_is_not_met(self, service: Faulty) -> None:
        for name in ("one", "two"):
            assert (await service.http.post("/_sandbox/v1/sandboxes", json={"name": name})).status_code == 201
        await service.add(PPS, {"kind": "status", "status": 503}, root="/s/one")
        statuses = [(await service.http.get(root + METADATA)).status_code for root in ("/s/one", "/s/two", "")]
        assert statuses == [503, 200, 200]


class TestCounts:
    async def test_seen_counts_what_matches_and_hits_what_was_met(self, service: Faulty) -> None:
        await service.add({**PPS, "every": 2, "count": 2}, {"kind": "status", "status": 503})
        statuses = [(await service.http.get(METADATA)).status_code for _ in range(7)]
        assert statuses == [200, 503, 200, 503, 200, 200, 200]
        await service.http.get(CONFIGURATION)
        assert await service.counts() == Hits(7, 2)

    async def test_calls_at_once_are_each_counted(self, service: Faulty) -> None:
        await service.add({**PPS, "count": 5}, {"kind": "status", "status": 503})
        answers = await asyncio.gather(*(service.http.get(METADATA) for _ in range(40)))
        assert sorted(each.status_code for each in answers) == [200] * 35 + [503] * 5
        assert await service.counts() == Hits(40, 5)

    async def test_reset_of_the_sandbox_repairs_everything(self, service: Faulty) -> None:
        await service.add({**PPS, "count": 1}, {"kind": "status", "status": 503})
        assert (await service.http.get(METADATA)).status_code == 503
        assert (await service.http.post("/_sandbox/v1/sandboxes/default/reset")).status_code == 200
        assert await service.counts() == Hits()
        assert (await service.http.get("/_sandbox/v1/faults")).json() == {"dependencies": {}, "rules": []}

    async def test_a_sandbox_taken_away_meanwhile_leaves_no_counts(self, service: Faulty) -> None:
        await service.http.post("/_sandbox/v1/sandboxes", json={"name": "gone", "content": "empty"})
        await service.add(PPS, {"kind": "status", "status": 503}, root="/s/gone")
        call, gone = await asyncio.gather(
            service.http.get("/s/gone" + METADATA), service.http.delete("/_sandbox/v1/sandboxes/gone")
        )
        assert (call.status_code in (200, 404, 503), gone.status_code) == (True, 204)
        left = select(tables.fault_hit.c.rule).where(tables.fault_hit.c.sandbox == "gone")
        assert await service.core.store.read(lambda conn: conn.execute(left).all()) == []


async def test_without_a_journal_the_rules_still_hold(tmp_path: Path) -> None:
    made = Faulty(tmp_path, journal=False)
    await main.start(made.core)
    await made.add(PPS, {"kind": "status", "status": 503})
    answer: httpx.Response = await made.http.get(BASE + METADATA)
    assert answer.status_code == 503
    made.core.store.close()
