"""``/checks`` over HTTP, of a client that logged in and searched for real."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.links.remote import Remote
from tests.support.journaled import CLIENT, CONTROL, P01, P02, Epj, epj


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Epj]:
    with epj(tmp_path_factory.mktemp("checks")) as made:
        made.search(P01)
        made.search(P01)
        made.search(P02)
        made.search(P02, **{"access-basis": "FORHOYET_SAMTYKKE"})
        yield made


def results(client: Epj, name: str = CLIENT) -> dict[str, Any]:
    answer = client.http.get(CONTROL + "/checks", params={"client": name})
    assert answer.status_code == 200, answer.text
    return {each["id"]: each for each in answer.json()["results"]}


def test_what_a_real_run_shows(client: Epj) -> None:
    found = {name: each["state"] for name, each in results(client).items()}
    passed = {
        "par", "pkce", "nonce-answered", "nonce-fresh-assertion", "assertion-once", "assertion-life", "proof-once",
        "proof-clock", "token-reuse", "audience-single", "correlation-id", "number-in-url", "outcome-entries",
    }  # fmt: skip
    assert {name for name, state in found.items() if state == "passed"} >= passed
    assert found["pages"] == "failed"  # `_count=1` of many, and no more asked for
    assert found["after-block"] == "failed"  # the elevated call came at once
    assert {found[name] for name in ("after-401", "after-429", "unknown-fields")} == {"not seen"}


def test_evidence_can_be_explained(client: Epj) -> None:
    (evidence, *_) = results(client)["after-block"]["evidence"]
    told = client.http.get(f"{CONTROL}/exchanges/{evidence}").json()
    assert (told["patient"], told["access"]["basis"]) == ("P02", "FORHOYET_SAMTYKKE")


def test_a_used_proof_and_a_repeated_401_are_found(client: Epj) -> None:
    made = client.http.post(CONTROL + "/sandboxes", json={"name": "clumsy"})
    assert made.status_code == 201
    order = {"persona": "H01", "url": "http://localhost:8000/s/clumsy/pps/v2/DiagnosticReport/_search"}
    control = "http://localhost:8000/s/clumsy/_sandbox/v1"
    headers = client.http.post(control + "/tokens", json={**order, "method": "POST"}).json()["headers"]
    for _ in range(3):
        client.http.post(order["url"], headers={**headers, "person-id": P01, "X-Request-Id": "r"})
    answer = client.http.get(control + "/checks", params={"client": CLIENT}).json()
    found = {each["id"]: each for each in answer["results"]}
    assert found["proof-once"]["state"] == "failed"
    assert len(found["proof-once"]["evidence"]) == 2
    assert found["after-401"]["state"] == "failed"
    assert answer["summary"]["exchanges"] == 3


def test_a_fault_is_held_against_the_client_it_was_shown_to(client: Epj) -> None:
    rule = {
        "match": {"service": "pps-v2", "path": "/DiagnosticReport/_search", "count": 1},
        "effect": {"kind": "rate_limit", "retryAfter": 30},
    }
    made = client.http.post(CONTROL + "/faults", json=rule)
    assert made.status_code == 201, made.text
    assert client.search().status_code == 429
    client.http.delete(f"{CONTROL}/faults")
    client.search()
    assert results(client)["after-429"]["state"] == "failed"


def test_a_client_that_never_called_has_shown_nothing(client: Epj) -> None:
    assert {each["state"] for each in results(client, "sandkasse-maskin").values()} == {"not seen"}


def test_a_client_nobody_knows_is_a_404(client: Epj) -> None:
    answer = client.http.get(CONTROL + "/checks", params={"client": "nobody"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert client.http.get(CONTROL + "/checks").status_code == 400
    assert client.http.get(CONTROL + "/checks", params={"client": CLIENT, "format": "pdf"}).status_code == 400


@pytest.mark.parametrize(
    ("form", "media", "begins"),
    [
        ("junit", "application/xml", "<testsuites>"),
        ("markdown", "text/markdown; charset=utf-8", "# Client checks: sandkasse-epj"),
        ("text", "text/plain; charset=utf-8", "sandkasse-epj: "),
    ],
)
def test_forms(client: Epj, form: str, media: str, begins: str) -> None:
    answer = client.http.get(CONTROL + "/checks", params={"client": CLIENT, "format": form})
    assert answer.headers["content-type"] == media
    assert answer.text.startswith(begins)


class TestCommands:
    @pytest.fixture(autouse=True)
    def at_hand(self, client: Epj, monkeypatch: pytest.MonkeyPatch) -> None:
        """The commands reach the service in this process."""

        def control(_self: Remote, method: str, path: str, body: Any = None) -> Any:
            answer = client.http.request(method, CONTROL + path, json=body)
            assert answer.status_code < 400, answer.text
            return answer.json()

        monkeypatch.setattr(Remote, "control", control)

    @pytest.mark.parametrize(("fail_on", "status"), [("never", 0), ("failed", 1)])
    def test_the_exit_status(self, fail_on: str, status: int) -> None:
        done = CliRunner().invoke(app, ["check", "--client", CLIENT, "--fail-on", fail_on])
        assert done.exit_code == status, done.output
        assert "warning  pages" in done.output

    def test_junit_is_written_as_it_is(self) -> None:
        done = CliRunner().invoke(app, ["check", "--client", CLIENT, "--format", "junit", "--fail-on", "never"])
        suite = ET.fromstring(done.output).find("testsuite")
        assert suite is not None
        assert int(suite.get("failures", "0")) >= 2

    def test_the_journal_a_line_each(self) -> None:
        done = CliRunner().invoke(app, ["journal", "--patient", "P02", "--limit", "5"])
        assert done.exit_code == 0, done.output
        lines = done.output.splitlines()
        assert len(lines) == 2
        assert "GENERAL_BLOCK by rule F2." in lines[0]
        assert all(" pps-v2 " in line and "P02" in line for line in lines)
