"""Every operation of the kit against the real service."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from sandkasse import AsyncSandbox, ControlError, NotSeen, Sandbox, SigningKey, effects
from sandkasse.report import last_refused
from sandkasse.server import Server

LETTERS = Path(__file__).parents[2] / "fixtures" / "svarrapport"


def search(sandbox: Sandbox, patient: str = "P01", who: str = "H01") -> httpx.Response:
    url = sandbox.url("pps-v2", "/DiagnosticReport/_search")
    headers = {"person-id": sandbox.patient(patient).nin, "X-Correlation-Id": "c"}
    return httpx.post(url, headers=headers, auth=sandbox.token(who, url=url).auth())


class TestLife:
    def test_it_is_gone_at_the_end(self, sandkasse_server: Server) -> None:
        with Sandbox.create(sandkasse_server.url, admin_key=sandkasse_server.admin_key) as made:
            assert made.state().name == made.name
            assert made.root == f"{sandkasse_server.url}/s/{made.name}"
        with Sandbox.connect(made.root, sandkasse_server.admin_key) as gone, pytest.raises(ControlError) as told:
            gone.state()
        assert told.value.status == 404

    def test_one_that_is_gone_already_is_no_error(self, sandkasse_server: Server) -> None:
        with Sandbox.create(sandkasse_server.url, admin_key=sandkasse_server.admin_key) as made:
            made.delete()

    def test_the_choices_at_its_making(self, sandkasse_server: Server) -> None:
        with Sandbox.create(
            sandkasse_server.url,
            seed="a seed",
            content="empty",
            settings={"profile": "strict"},
            expires_in=60,
            admin_key=sandkasse_server.admin_key,
        ) as made:
            state = made.state()
            assert (state.seed, state.settings) == ("a seed", {"profile": "strict"})
            assert state.expires is not None
            assert made.persons.list() == ()
            assert made.configure(profile=None).settings == {}

    def test_a_scenario_fills_it(self, sandkasse_server: Server) -> None:
        with Sandbox.create(sandkasse_server.url, scenario="gp-office", admin_key=sandkasse_server.admin_key) as made:
            assert made.persons.list()
            assert made.reset(content="empty").name == made.name
            assert made.persons.list() == ()
            made.reset(scenario="gp-office")
            assert made.persons.list()

    def test_a_name_that_is_taken(self, sandbox: Sandbox, sandkasse_server: Server) -> None:
        with pytest.raises(ControlError) as told:
            Sandbox.create(sandkasse_server.url, sandbox.name, admin_key=sandkasse_server.admin_key)
        assert told.value.status == 409

    def test_the_default_one_is_connected_to_and_left(self, sandkasse_server: Server) -> None:
        with Sandbox.connect(sandkasse_server.url, sandkasse_server.admin_key) as default:
            assert default.name == "default"
        with Sandbox.connect(sandkasse_server.url, sandkasse_server.admin_key) as default:
            assert default.state().name == "default"

    def test_snapshots(self, sandbox: Sandbox) -> None:
        made = sandbox.snapshot()
        assert sandbox.snapshots() == (made,)
        sandbox.settings.block("P01")
        assert sandbox.restore(made.name).name == sandbox.name
        assert sandbox.settings.list("P01") == ()

    def test_a_clone_is_another(self, sandbox: Sandbox) -> None:
        with sandbox.clone(f"{sandbox.name}-b"[:40], expires_in=60) as copy:
            copy.persons.remove("P01")
        assert sandbox.patient("P01").id == "P01"

    def test_async(self, async_sandbox: AsyncSandbox, sandkasse_server: Server) -> None:
        async def work() -> tuple[str, str, str]:
            key = sandkasse_server.admin_key
            async with AsyncSandbox.create(sandkasse_server.url, content="empty", admin_key=key) as made:
                first = (await made.state()).name
            waited = await AsyncSandbox.create(sandkasse_server.url, content="empty", admin_key=key)
            async with waited:
                second = waited.name
            async with async_sandbox.clone() as copy:
                third = (await copy.patient("P02")).nin
            with pytest.raises(ControlError, match="404"):
                await AsyncSandbox.connect(copy.root, key, http=async_sandbox._http).patient("P02")
            return first, second, third

        first, second, nin = asyncio.run(work())
        assert first != second
        assert nin == "02917149979"


class TestClock:
    def test_it_moves_as_told(self, sandbox: Sandbox) -> None:
        clock = sandbox.clock
        noon = datetime(2030, 1, 1, 12, tzinfo=UTC)
        assert clock.freeze(noon).now == noon
        assert clock.advance(timedelta(hours=1)).now == noon + timedelta(hours=1)
        assert clock.advance(60).frozen
        assert not clock.start().frozen
        assert clock.set(noon + timedelta(days=1), frozen=True).now == noon + timedelta(days=1) == clock.now()
        assert clock.freeze().frozen
        reading = clock.follow(force=True)
        assert abs(reading.now - reading.real) < timedelta(seconds=1)
        assert not clock.read().frozen

    def test_backwards_past_a_token_needs_force(self, sandbox: Sandbox) -> None:
        sandbox.token("H01")
        past = sandbox.clock.now() - timedelta(days=1)
        with pytest.raises(ControlError) as told:
            sandbox.clock.set(past)
        assert told.value.status == 409
        assert sandbox.clock.set(past, force=True).now - past < timedelta(seconds=5)


class TestFaults:
    def test_a_rule_lives(self, sandbox: Sandbox) -> None:
        faults = sandbox.faults
        rule = faults.add(effects.status(418, "a teapot", headers={"X-A": "b"}), service="pps-v2", note="why")
        answer = search(sandbox)
        assert (answer.status_code, answer.text, answer.headers["X-A"]) == (418, "a teapot", "b")
        assert (faults.get(rule).hits, faults.list()[0].note) == (1, "why")
        faults.remove(rule.id)
        assert search(sandbox).status_code == 200

    @pytest.mark.parametrize(
        "effect",
        [
            effects.latency(1),
            effects.latency(uniform=(1, 2)),
            effects.latency(normal=(1, 0.1)),
            effects.latency(exponential=1),
            effects.status(503),
            effects.rate_limit(1),
            effects.reset(),
            effects.reset(10),
            effects.truncate(size=5),
            effects.truncate(fraction=0.5),
            effects.slow(1000),
            effects.dependency("privacy", "timeout"),
            effects.source_down("PPS"),
            effects.rotate_keys(),
            effects.issuer_skew(60),
        ],
        ids=lambda effect: str(effect["kind"]),
    )
    def test_the_service_knows_each_effect(self, sandbox: Sandbox, effect: effects.Effect) -> None:
        with sandbox.faults.during(effect, path="/never/*") as rule:
            assert rule.effect["kind"] == effect["kind"]
        assert sandbox.faults.list() == ()

    def test_one_for_everything_is_refused(self, sandbox: Sandbox) -> None:
        with pytest.raises(ControlError) as told:
            sandbox.faults.add(effects.status(503))
        assert (told.value.status, told.value.pointer) == (400, "/match")

    def test_dependencies(self, sandbox: Sandbox) -> None:
        sandbox.faults.break_dependencies(privacy="down")
        assert search(sandbox).status_code >= 500
        sandbox.faults.clear()
        assert search(sandbox).status_code == 200

    def test_the_issuers_skew_is_seen_in_a_token(self, sandbox: Sandbox) -> None:
        sandbox.faults.add(effects.issuer_skew(3600), service="helseid")
        with pytest.raises(ControlError, match="404"):
            sandbox.faults.get("nothing")


class TestRegisters:
    def test_persons(self, sandbox: Sandbox) -> None:
        made = sandbox.persons.put("mine", given="RASK", family="REV", birth_date="1984-03-14", gender="male")
        assert made.nin[4:6] == "84"
        assert sandbox.persons.change("mine", municipality="4601").municipality == "4601"
        assert sandbox.persons.get("mine").given == "RASK"
        assert {each.id for each in sandbox.persons.list()} >= {"mine", "P01"}
        assert sandbox.persons.relations("P08")["parents"]
        sandbox.persons.remove("mine")
        with pytest.raises(ControlError, match="404"):
            sandbox.persons.get("mine")

    def test_practitioners(self, sandbox: Sandbox) -> None:
        assert sandbox.practitioners.change("H01", authorizations=[]).authorizations == ()
        (person,) = sandbox.persons.generate(1)
        put = sandbox.practitioners.put("mine", nin=person.nin, hpr="222250199", authorizations=["LE"])
        assert put in sandbox.practitioners.list()
        assert sandbox.practitioners.set_patients("H01", ["P02", "P03"]) == ("P02", "P03")
        assert sandbox.practitioners.patients("H01") == ("P02", "P03")

    def test_organisations(self, sandbox: Sandbox) -> None:
        put = sandbox.organisations.put("mine", orgnr="315502004", name="NY", kind="legal_entity")
        assert sandbox.organisations.get("mine") == put
        assert put in sandbox.organisations.list()

    def test_settings(self, sandbox: Sandbox) -> None:
        until = sandbox.clock.now() + timedelta(days=14)
        with sandbox.settings.during("P01", svc="PPS", kind="general_block") as held:
            assert held.kind == "general_block"
            assert search(sandbox).json()["total"] == 0
        assert search(sandbox).json()["total"] == 73
        made = [
            sandbox.settings.block("P01"),
            sandbox.settings.block("P01", against="H02"),
            sandbox.settings.reserve("P01"),
            sandbox.settings.delay("P01", "r1", until),
            sandbox.settings.add("P01", svc="KJ", kind="reservation"),
        ]
        assert {each.id for each in sandbox.settings.list("P01")} == {each.id for each in made}
        assert (made[1].subjects[0].type, made[3].until) == ("HPR", until)
        for each in made:
            sandbox.settings.remove(each)
        assert sandbox.settings.list("P01") == ()

    def test_clients(self, sandbox: Sandbox) -> None:
        key = SigningKey.generate()
        made = sandbox.clients.register("mine", key, redirect_uris=["https://mine.example/back"])
        assert (made.jwks, made.redirect_uris) == ((key.public,), ("https://mine.example/back",))
        assert made.scopes == sandbox.clients.get("sandkasse-epj").scopes
        assert sandbox.clients.register("mine", {**key.jwk, "kid": "k"}).jwks[0].get("d") is None
        assert "mine" in {each.id for each in sandbox.clients.list()}
        sandbox.clients.remove("mine")
        with pytest.raises(ControlError, match="404"):
            sandbox.clients.get("mine")

    def test_data(self, sandbox: Sandbox) -> None:
        receipt = sandbox.ingest((LETTERS / "biokjemi.xml").read_bytes())
        assert receipt.errors == ()
        assert receipt.taken
        assert not sandbox.ingest(b"<nothing/>").taken
        with pytest.raises(ControlError, match="400"):
            sandbox.put_fhir("pps", {"resourceType": "Basic"})


class TestJournal:
    def test_rows_and_their_story(self, sandbox: Sandbox) -> None:
        assert sandbox.journal.last_refused() is None
        search(sandbox, "P02")
        (row,) = sandbox.journal.list(service="pps-v2", patient="P02", since=sandbox.clock.now() - timedelta(hours=1))
        assert sandbox.journal.last_refused() == row
        told = sandbox.journal.explain(row.id)
        assert (told.decision["reason"], told.summary) == ("GENERAL_BLOCK", row.summary)
        assert told.deciding is not None
        assert sandbox.journal.ways(row.id).needed
        sandbox.journal.clear()
        assert sandbox.journal.list() == ()

    def test_waiting_for_what_comes(self, sandbox: Sandbox) -> None:
        search(sandbox)
        (first,) = sandbox.journal.expect(service="pps-v2", status=200, method="POST", patient="P01")
        with pytest.raises(NotSeen, match=r"expected 1 exchange\(s\) with service='pps-v2'; saw 0"):
            sandbox.journal.expect(service="pps-v2", after=first.id, timeout=0.1)
        assert sandbox.journal.list(after=first.id, wait=0.1) == ()

    def test_nothing_at_all_is_said_so(self, sandbox: Sandbox) -> None:
        with pytest.raises(NotSeen, match=r"anything; saw 0\. Newest first, there were:\n  none at all"):
            sandbox.journal.expect(timeout=0.05)

    def test_the_report_of_a_failed_test(self, sandbox: Sandbox) -> None:
        assert last_refused(sandbox) is None
        answer = search(sandbox, "P02")
        story = last_refused(sandbox)
        assert story is not None
        assert "GENERAL_BLOCK by rule F2" in story
        assert "would pass: Send the access basis FORHOYET_AKUTT." in story
        assert f"{sandbox.root}/exchanges/{answer.headers['Sandbox-Exchange']}" in story
        assert sandbox.patient("P02").nin not in story

    def test_the_report_says_what_to_do_about_a_bad_token(self, sandbox: Sandbox) -> None:
        headers = {"person-id": sandbox.patient("P01").nin, "X-Correlation-Id": "c"}
        httpx.post(sandbox.url("pps-v2", "/DiagnosticReport/_search"), headers=headers)
        story = last_refused(sandbox)
        assert story is not None
        assert "what to do: " in story

    def test_where_to_read_on(self, sandbox: Sandbox) -> None:
        search(sandbox, "P02")
        row = sandbox.journal.last_refused()
        assert row is not None
        assert httpx.get(sandbox.page(row.id)).status_code == 200


class TestTokens:
    def test_a_token_opens_the_service_it_is_for(self, sandbox: Sandbox) -> None:
        url = sandbox.url("trust-probe", "/whoami")
        token = sandbox.token("H02", attest={}, url=url, method="GET")
        assert httpx.get(url, auth=token.auth()).json()["hprNumber"] == "222250102"
        assert set(token.headers) == {"Authorization", "DPoP"}
        assert token.access_token not in repr(token)

    def test_a_bearer_token(self, sandbox: Sandbox) -> None:
        url = sandbox.url("trust-probe-bearer", "/whoami")
        token = sandbox.token("H02", attest={}, url=url)
        assert (token.token_type, httpx.get(url, auth=token.auth()).status_code) == ("Bearer", 200)

    def test_everything_wrong_is_told_at_once(self, sandbox: Sandbox) -> None:
        url = sandbox.url("pps-v2", "/DiagnosticReport/_search")
        judged = sandbox.explain(request=httpx.Request("POST", url, headers={"person-id": "1"}))
        assert len(judged.faults) >= 3
        assert not sandbox.explain(token="x").ok
        assert not sandbox.explain(proof="x", method="GET", url=url).ok
        assert not sandbox.explain(clientAssertion="x").ok
        sound = sandbox.token("H01", url=url)
        request = httpx.Request(
            "POST",
            url,
            headers={
                **sandbox.token("H01", url=url, method="POST").headers,
                "person-id": sandbox.patient("P01").nin,
                "X-Correlation-Id": "c",
            },
        )
        assert sandbox.explain(token=sound.access_token, service="pps-v2").faults == ()
        assert sandbox.explain(request=request).faults == ()
