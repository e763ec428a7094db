"""The commands that talk to a running sandbox, and what they say when something is wrong."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from app.cli import app, one_argument
from app.trust import jose
from tools.live_server import LiveServer

_SEARCH = "/pps/v2/DiagnosticReport/_search"


@pytest.fixture(autouse=True)
def environment(live: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDKASSE_URL", live.url)


def _run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_curl_reads_a_patients_reports(live: LiveServer) -> None:
    done = _run("curl", live.url + _SEARCH, "--patient", "P01", "-d", "_count=1")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["total"] == 73
    assert re.fullmatch(r"why: sandkasse explain [0-9A-Z]{26}\n", done.stderr)


def test_curl_shows_status_and_headers_and_sends_those_given(live: LiveServer) -> None:
    done = _run("curl", live.url + _SEARCH, "--patient", "P01", "-i", "-H", "access-basis: NONSENSE")
    assert done.exit_code == 1
    assert done.stdout.startswith("HTTP 400\n")
    assert "Sandbox-Exchange: " in done.stdout


def test_explain_tells_the_rule_that_decided(live: LiveServer) -> None:
    blocked = _run("curl", live.url + _SEARCH, "--patient", "P02")
    exchange = blocked.stderr.split()[-1]
    told = _run("explain", exchange).stdout
    assert "GENERAL_BLOCK by rule F2" in told
    assert "=> F2" in told
    assert json.loads(_run("explain", exchange, "--json").stdout)["id"] == exchange


def test_explain_tells_all_that_is_wrong_with_a_request_that_was_not_sent(live: LiveServer) -> None:
    words = f"curl -X POST {live.url}{_SEARCH} -H 'person-id: 123' -d _count=no".split(" ")
    line = " ".join(words)
    told = _run("explain", line)
    assert told.exit_code == 1
    assert told.stdout.startswith("4 found; first: No access token was sent.")
    assert "[B1b]" in told.stdout
    assert one_argument(["explain", "--json", *shlex.split(line)]) == ["explain", "--json", line]
    assert one_argument(["curl", "x"]) == ["curl", "x"]
    assert _run("explain", "curl --quic-magic 1").exit_code == 1


def test_token_gives_headers_for_one_request(live: LiveServer) -> None:
    lines = _run("token", live.url + _SEARCH).stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["Authorization", "DPoP"]
    claims = jose.parse(lines[1].partition(": ")[2]).claims
    assert (claims["htm"], claims["htu"]) == ("POST", live.url + _SEARCH)


def test_a_service_that_demands_an_attest_gets_one(live: LiveServer) -> None:
    told = json.loads(_run("curl", f"{live.url}/trust-probe/whoami", "-X", "GET").stdout)
    assert told["attest"]["practitioner"]["point_of_care"]["id"] == "315500303"
    assert told["attest"]["practitioner"]["authorization"]["code"] == "LE"


def test_a_multi_tenant_client_names_whom_it_acts_for(live: LiveServer) -> None:
    done = _run("curl", live.url + _SEARCH, "--patient", "P01", "--client", "sandkasse-leverandor", "--attest")
    assert done.exit_code == 0, done.output


def test_the_backdoor_needs_no_login(live: LiveServer) -> None:
    target = f"{live.url}/pps-backdoor/fhir/DiagnosticReport/_search"
    done = _run("curl", target, "--patient", "P01", "-H", "x-nilar-requester-hpr: 222250101", "-d", "_count=0")
    assert json.loads(done.stdout)["total"] == 73


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["{url}/critical-information/api/critical-information/v1/AllergyIntolerance", "-X", "GET"], "J01CE02"),
        (["{url}/critical-information/api/critical-information/v1/status", "-d", '{{"nin":"14838449698"}}'], "isHpr"),
        (["{url}/fhir/r4/AllergyIntolerance/_search"], "no-basis-AllergyIntolerance"),
        (["{url}/fhir/r4/Patient/$summary"], "Composition"),
    ],
)
def test_critical_information_is_asked_for_with_its_headers(words: list[str], shown: str, live: LiveServer) -> None:
    done = _run("curl", *(word.format(url=live.url) for word in words), "--patient", "P01")
    assert done.exit_code == 0, done.output
    assert shown in done.stdout


def test_a_machine_asks_for_the_status_and_names_its_unit(live: LiveServer) -> None:
    target = f"{live.url}/critical-information/api/critical-information/v1/status"
    told = json.loads(_run("curl", target, "--as", "machine", "-d", '{"nin":"14838449698"}').stdout)
    assert told["hasCriticalInformation"]
    assert "isHprNumberBlocked" not in told


def test_a_header_that_is_given_replaces_the_usual_one_in_any_case(live: LiveServer) -> None:
    words = [f"{live.url}/critical-information/api/critical-information/v1/AllergyIntolerance", "-X", "GET"]
    assert "KI-9015" in _run("curl", *words, "--patient", "P02").stdout
    opened = _run("curl", *words, "--patient", "P02", "-H", "NHN-Access-Basis: FORHOYET_SAMTYKKE")
    assert json.loads(opened.stdout)["total"] == 1


def test_the_kjernejournal_symbol_and_its_ticket(live: LiveServer) -> None:
    body = '{"fnr":"14838449698","samtykke":"HPMOTTATTSAMTYKKE"}'
    told = json.loads(_run("curl", f"{live.url}/kjernejournal/v1/helseindikator", "-d", body).stdout)
    words = [f"{live.url}/kjernejournal/v1/fhir/AllergyIntolerance", "-X", "GET"]
    assert json.loads(_run("curl", *words, "-H", f"X-kj-ticket: {told['ticket']}").stdout)["total"] == 1


def test_code_systems_and_the_citizen_side(live: LiveServer) -> None:
    listed = json.loads(_run("curl", f"{live.url}/codingsystems/api/v1/codingsystems", "-X", "GET").stdout)
    assert "ATC" in {each["id"] for each in listed}
    own = _run("curl", f"{live.url}/citizen/v1/critical-information", "-X", "GET", "--as", "P01")
    assert json.loads(own.stdout)["total"] == 1


def test_a_portal_session_takes_both_scopes_and_an_attest(live: LiveServer) -> None:
    role = {"system": "urn:oid:2.16.578.1.12.4.1.1.9060", "code": "LE"}
    claims = {
        "patient_identifier": {"id": "14838449698"},
        "practitioner_authorization": role,
        "access_basis": {"code": "SAMTYKKE"},
    }
    body = json.dumps({"ehr_code_challenge": "A" * 43, "claims": claims})
    made = _run("curl", f"{live.url}/kjernejournal-innlogging/api/session/create", "-d", body)
    assert made.exit_code == 0, made.output
    assert {"code", "sessionId"} <= set(json.loads(made.stdout))


def test_clients_are_listed_added_and_imported(live: LiveServer, tmp_path: Path) -> None:
    assert "sandkasse-epj " in _run("client", "list").stdout
    own = jose.generate_key("ES256")
    key = tmp_path / "key.json"
    key.write_text(json.dumps({**own, "alg": "ES256", "kid": "mine"}))
    assert _run("client", "add", "my-epj", "--jwk", str(key)).exit_code == 0
    done = _run("curl", live.url + _SEARCH, "--patient", "P01", "--client", "my-epj", "--jwk", str(key))
    assert done.exit_code == 0, done.output
    imported = _run("client", "import", "nhn-samples", "--jwk", str(key)).stdout.split()
    assert "helseid-sample-api-access" in imported
    listed = _run("client", "list").stdout
    assert all(name in listed for name in imported)
    assert own["d"] not in _run("client", "list").stdout


def test_a_machine_gets_a_token(live: LiveServer) -> None:
    target = live.url + _SEARCH
    done = _run("token", target, "--as", "machine", "--client", "sandkasse-maskin")
    assert done.stdout.startswith("Authorization: DPoP ")


def test_ingest_shows_each_receipt(tmp_path: Path) -> None:
    (tmp_path / "broken.xml").write_text("<Message")
    done = _run("ingest", str(tmp_path))
    assert done.exit_code == 1
    assert "[1/1] refused broken.xml: " in done.stdout
    assert "0 taken, 1 refused" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["explain", "0" * 26], "answered 404"),
        (["curl", "ftp://localhost/x"], "is no http or https URL"),
        (["curl", "{url}/nowhere"], "no service of the sandbox is at"),
        (["curl", "{url}/_sandbox/v1/clients", "-X", "GET", "--patient", "P01"], "takes no patient"),
        (["curl", "{url}/pps/v2/metadata", "-H", "nonsense"], "a header is"),
        (["token", "{url}/pps/v2/x", "--as", "H99"], "The issuer said no"),
        (["token", "{url}/pps/v2/x", "--client", "nobody"], "answered 404"),
        (["client", "key", "nobody"], "answered 404"),
        (["client", "import", "none"], "There is no preset none"),
        (["client", "add", "x", "--jwk", "absent.json"], "absent.json: No such file"),
        (["client", "list", "--url", "http://127.0.0.1:9"], "Is it running? Start it: sandkasse serve"),
        (["health", "--url", "http://127.0.0.1:9"], "does not answer"),
    ],
)
def test_what_goes_wrong_is_told_in_a_line(words: list[str], said: str, live: LiveServer) -> None:
    done = _run(*(word.format(url=live.url) for word in words))
    assert done.exit_code == 1
    assert said in done.stderr
    assert "Traceback" not in done.output


def test_a_named_sandbox_is_reached_by_its_name(live: LiveServer) -> None:
    httpx.post(f"{live.url}/_sandbox/v1/sandboxes", json={"name": "cli"}).raise_for_status()
    assert "sandkasse-epj" in _run("client", "list", "--sandbox", "cli").stdout
    done = _run("curl", f"{live.url}/s/cli{_SEARCH}", "--patient", "P01")
    assert json.loads(done.stdout)["total"] == 73
    exchange = done.stderr.split()[-1]
    assert _run("explain", exchange, "--sandbox", "cli").exit_code == 0
    assert _run("explain", exchange).exit_code == 1


def test_health() -> None:
    assert _run("health").exit_code == 0


def test_version() -> None:
    assert re.fullmatch(r"sandkasse \d+\.\d+\.\d+\n", _run("--version").stdout)


class TestOnTheDatabase:
    """Commands that need no running sandbox."""

    @pytest.fixture(autouse=True)
    def own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SANDKASSE_DATABASE_URL", f"sqlite:///{tmp_path}/own.db")
        monkeypatch.setenv("SANDKASSE_DATA_DIR", str(tmp_path))

    def test_upgrade_seed_and_verify(self) -> None:
        assert "upgraded from empty" in _run("db", "upgrade").stdout
        assert "already at" in _run("db", "upgrade").stdout
        assert _run("seed").exit_code == 0
        assert _run("seed", "--reset").exit_code == 0
        assert _run("audit", "verify").exit_code == 0

    def test_ca_export(self) -> None:
        done = _run("ca", "export")
        assert done.stdout.startswith("-----BEGIN CERTIFICATE-----")
        assert "NODE_EXTRA_CA_CERTS" in done.stderr

    def test_a_setting_that_cannot_be_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SANDKASSE_PORT", "nothing")
        assert "SANDKASSE_PORT" in _run("ca", "export").stderr
