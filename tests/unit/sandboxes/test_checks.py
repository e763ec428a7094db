"""Client checks: each rule passed, failed and not seen; what gate and issuer noted; the forms of a report."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from app.sandboxes import checks
from app.sandboxes.checks import render
from app.sandboxes.checks.model import MOST_EVIDENCE, Result, load
from app.sandboxes.checks.seen import Seen, read
from app.store.exchanges import Row

_SERIAL = count(1)
RULES = {rule.id: rule for rule in checks.RULES}
Story = Sequence[dict[str, Any]]

PLAIN = {
    "service": "pps-v2",
    "path": "/DiagnosticReport/_search",
    "at": 100.0,
    "moved": 0.0,
    "method": "POST",
    "url": "http://localhost:8000/pps/v2/DiagnosticReport/_search",
    "operation": "DiagnosticReport/_search",
    "status": 200,
    "outcome": "PERMIT",
    "reason": None,
    "detail": "",
    "patient": "P01",
    "token": {"jti": "T1", "exp": 700, "sid": "S", "aud": "nhn:pps"},
    "proof": {},
    "assertion": {},
    "issued": {},
    "form": {},
    "header": {"authorization": "DPoP <hidden>"},
    "answered": {},
    "access": {"basis": None, "correlationId": "c"},
    "attested": False,
    "paged": False,
    "next_page": False,
    "outcome_entry": False,
    "fault": False,
    "findings": (),
}
ISSUER: dict[str, Any] = {
    "service": "helseid",
    "patient": None,
    "token": {},
    "header": {},
    "access": None,
    "operation": None,
}


def api(**values: Any) -> dict[str, Any]:
    return values


def token(**values: Any) -> dict[str, Any]:
    return {**ISSUER, "path": "/connect/token", "form": {"grant_type": "client_credentials"}, **values}


def par(**values: Any) -> dict[str, Any]:
    return {**ISSUER, "path": "/connect/par", "status": 201, **values}


def authorize(url: str, **values: Any) -> dict[str, Any]:
    return {**ISSUER, "path": "/connect/authorize", "method": "GET", "url": url, "status": 302, **values}


def ki(operation: str, **values: Any) -> dict[str, Any]:
    path = f"/api/critical-information/v1/{operation.partition('/')[0]}/1"
    return {"service": "critical-information", "operation": operation, "path": path, **values}


def seen(story: Story) -> list[Seen]:
    return [Seen(**{"id": f"X{next(_SERIAL)}", **PLAIN, **each}) for each in story]


CHALLENGED = token(status=400, outcome="use_dpop_nonce", assertion={"ref": "a"}, proof={"jti": "p"})
ELEVATED = {"basis": "FORHOYET_SAMTYKKE", "correlationId": "c"}
ATTESTED = {"attested": True}
T2 = {"jti": "T2", "exp": 700, "sid": "S", "aud": "nhn:pps"}
T3 = {"jti": "T3", "exp": 700, "sid": "S", "aud": "nhn:pps"}

STATUS = ki("status", changed={"allergyIntoleranceDate": 50.0})
LATER = ki("status", at=200.0, changed={"allergyIntoleranceDate": 150.0, "flagDate": 50.0})
SEARCH, EDIT, READ = ki("AllergyIntolerance/search"), ki("AllergyIntolerance/update"), ki("AllergyIntolerance/read")
CONFLICT = ki("AllergyIntolerance/update", status=409, answered={"nhn-error-code": "KJF-000065"})

CASES: list[tuple[str, str, Story]] = [
    ("par", "passed", [par()]),
    ("par", "failed", [par(), authorize("http://x/connect/authorize?client_id=c&scope=openid")]),
    ("par", "not seen", [token()]),
    ("pkce", "passed", [par()]),
    ("pkce", "passed", [authorize("http://x/connect/authorize?code_challenge=c")]),
    ("pkce", "failed", [par(status=400, detail="code_challenge_method must be S256")]),
    ("pkce", "failed", [token(status=400, detail="code_verifier does not fit the code_challenge")]),
    ("pkce", "not seen", [par(status=400, detail="scope is missing")]),
    ("nonce-answered", "passed", [CHALLENGED, token()]),
    ("nonce-answered", "failed", [CHALLENGED, CHALLENGED, token()]),
    ("nonce-answered", "not seen", [CHALLENGED, token(form={"grant_type": "refresh_token"})]),
    ("nonce-fresh-assertion", "passed", [CHALLENGED, token(assertion={"ref": "b"}, proof={"jti": "q"})]),
    ("nonce-fresh-assertion", "failed", [CHALLENGED, token(assertion={"ref": "a"}, proof={"jti": "q"})]),
    ("nonce-fresh-assertion", "failed", [CHALLENGED, token(assertion={"ref": "b"}, proof={"jti": "p"})]),
    ("nonce-fresh-assertion", "not seen", [CHALLENGED]),
    ("assertion-once", "passed", [token(assertion={"ref": "a"})]),
    ("assertion-once", "failed", [token(assertion={"ref": "a"}, detail="the client assertion was used before")]),
    ("assertion-once", "not seen", [api()]),
    ("assertion-life", "passed", [token(assertion={"ref": "a", "iat": 100, "exp": 160})]),
    ("assertion-life", "passed", [token(assertion={"ref": "a", "iat": "100", "exp": "160"})]),
    ("assertion-life", "passed", [token(assertion={"ref": "a", "exp": 1160}, moved=1000.0)]),
    ("assertion-life", "failed", [token(assertion={"ref": "a", "iat": 100, "exp": 400})]),
    ("assertion-life", "failed", [token(assertion={"ref": "a", "exp": 300})]),
    ("assertion-life", "not seen", [token(assertion={"ref": "a", "iat": True, "exp": "soon"})]),
    ("proof-once", "passed", [api(proof={"jti": "a"}), api(proof={"jti": "b"})]),
    ("proof-once", "failed", [api(proof={"jti": "a"}), api(proof={"jti": "a"})]),
    ("proof-once", "not seen", [api(proof={"jti": "a"})]),
    ("proof-clock", "passed", [api(proof={"iat": 100}), api(proof={"iat": 1102}, moved=1000.0)]),
    ("proof-clock", "failed", [api(proof={"iat": 100}), api(proof={"iat": 95})]),
    ("proof-clock", "failed", [api(proof={"iat": 104})]),
    ("proof-clock", "not seen", [api(proof={"iat": "100"})]),
    ("token-reuse", "passed", [api(), api()]),
    ("token-reuse", "passed", [api(), api(), api(token=T2)]),
    ("token-reuse", "failed", [api(), api(token=T2), api(token=T3)]),
    ("token-reuse", "not seen", [api(at=690.0), api(at=691.0, token=T2), api(at=692.0, token=T3)]),
    ("token-reuse", "not seen", [api(), api(token={**T2, "sid": "another"}), api(token={**T3, "sid": "third"})]),
    ("token-reuse", "not seen", [api(), api(token={**T2, "nhn:tillitsrammeverk:parameters": {"toa": 1}})]),
    ("audience-single", "passed", [token(issued={"jti": "a", "aud": "nhn:pps"})]),
    ("audience-single", "failed", [token(issued={"jti": "a", "aud": ["nhn:pps", "nhn:phr"]})]),
    ("audience-single", "failed", [api(status=401, reason="AUDIENCE_WRONG")]),
    ("audience-single", "not seen", [api()]),
    ("after-401", "passed", [api(status=401, reason="TOKEN_INVALID"), token(), api(token=T2)]),
    ("after-401", "passed", [api(status=401, reason="DPOP_INVALID"), api()]),
    ("after-401", "passed", [api(status=401, fault=True), api()]),
    ("after-401", "failed", [api(status=401, reason="TOKEN_INVALID"), api(status=401, reason="TOKEN_INVALID")]),
    ("after-401", "not seen", [api(status=401, fault=True), api(status=401, fault=True)]),
    ("after-401", "not seen", [api(status=401, reason="TOKEN_INVALID"), api(service="trust-probe")]),
    ("attest-per-patient", "passed", [api(**ATTESTED), api(**ATTESTED, patient="P02", token=T2)]),
    ("attest-per-patient", "failed", [api(**ATTESTED), api(**ATTESTED, patient="P02")]),
    ("attest-per-patient", "failed", [api(reason="ATTEST_STALE")]),
    ("attest-per-patient", "not seen", [api(**ATTESTED), api(**ATTESTED), api(patient="P02")]),
    ("correlation-id", "passed", [api()]),
    ("correlation-id", "failed", [api(), api(access=None, reason="HEADER_MISSING", detail="a correlation id header")]),
    ("correlation-id", "not seen", [api(access=None, reason="HEADER_MISSING", detail="person-id is missing")]),
    ("number-in-url", "passed", [api()]),
    ("number-in-url", "failed", [api(), api(url="http://x/Patient?identifier=148384*****")]),
    ("number-in-url", "not seen", [token()]),
    ("after-block", "passed", [api(reason="GENERAL_BLOCK")]),
    ("after-block", "passed", [api(reason="GENERAL_BLOCK"), api(at=110.0, access=ELEVATED)]),
    ("after-block", "failed", [api(reason="GENERAL_BLOCK"), api(at=100.5, access=ELEVATED)]),
    ("after-block", "not seen", [api(), api(at=100.5, access=ELEVATED)]),
    ("elevated-needed", "passed", [api(access=ELEVATED)]),
    ("elevated-needed", "failed", [api(access=ELEVATED, reason="ELEVATED_NOT_NEEDED")]),
    ("elevated-needed", "not seen", [api(access=ELEVATED, reason="GENERAL_BLOCK")]),
    ("after-429", "passed", [api(status=429, answered={"retry-after": "5"}), api(at=105.0)]),
    ("after-429", "passed", [api(status=429, answered={"retry-after": "Fri, 01 Jan 2027 00:00:00 GMT"}), api()]),
    ("after-429", "failed", [api(status=429, answered={"retry-after": "5"}), api(at=104.0)]),
    ("after-429", "not seen", [api(status=429, answered={"retry-after": "5"}), api(service="helseid")]),
    ("pages", "passed", [api(next_page=True), api(paged=True, next_page=True), api(paged=True)]),
    ("pages", "failed", [api(next_page=True), api()]),
    ("pages", "failed", [api(next_page=True), api(paged=True, next_page=True)]),
    ("pages", "not seen", [api(), api(paged=True)]),
    ("outcome-entries", "passed", [api(outcome_entry=True), api(at=101.0, outcome_entry=True)]),
    ("outcome-entries", "passed", [api(at=100.0 + 5 * n, outcome_entry=True) for n in range(4)]),
    ("outcome-entries", "failed", [api(outcome_entry=True)] * 3),
    ("outcome-entries", "not seen", [api()]),
    ("unknown-fields", "passed", [api(fault=True, outcome=None), api()]),
    ("unknown-fields", "not seen", [api(fault=True, outcome=None)]),
    ("unknown-fields", "not seen", [api(fault=True), api()]),
    ("sync-status", "passed", [STATUS, SEARCH]),
    ("sync-status", "passed", [STATUS, SEARCH, LATER, SEARCH]),
    ("sync-status", "passed", [STATUS, SEARCH, EDIT, SEARCH]),
    ("sync-status", "passed", [STATUS, SEARCH, ki("Flag/search")]),
    ("sync-status", "failed", [SEARCH]),
    ("sync-status", "failed", [STATUS, SEARCH, SEARCH]),
    ("sync-status", "failed", [STATUS, {**SEARCH, "patient": "P02"}]),
    ("sync-status", "failed", [{**STATUS, "status": 403}, SEARCH]),
    ("sync-status", "not seen", [STATUS, READ, {**SEARCH, "status": 403}, {**SEARCH, "service": "fhir-facade"}]),
    ("sync-changed", "passed", [STATUS, SEARCH]),
    ("sync-changed", "passed", [STATUS, SEARCH, LATER, {**SEARCH, "at": 201.0}]),
    ("sync-changed", "passed", [{**SEARCH, "moved": -60.0}, STATUS, SEARCH]),
    ("sync-changed", "failed", [STATUS, SEARCH, {**STATUS, "at": 200.0}, {**SEARCH, "at": 201.0}]),
    ("sync-changed", "failed", [STATUS, ki("Flag/search")]),
    ("sync-changed", "not seen", [SEARCH, STATUS]),
    ("sync-changed", "not seen", [SEARCH, EDIT, STATUS, SEARCH]),
    ("sync-conflict", "passed", [CONFLICT, READ, EDIT]),
    ("sync-conflict", "passed", [CONFLICT, SEARCH, EDIT]),
    ("sync-conflict", "failed", [CONFLICT, EDIT]),
    ("sync-conflict", "failed", [CONFLICT, {**READ, "patient": "P02"}, {**EDIT, "path": CONFLICT["path"]}]),
    ("sync-conflict", "not seen", [CONFLICT, READ]),
    ("sync-conflict", "not seen", [{**CONFLICT, "answered": {"nhn-error-code": "KI-9009"}}, EDIT]),
    ("sync-conflict", "not seen", [CONFLICT, {**EDIT, "path": "/another"}]),
]


@pytest.mark.parametrize(
    ("rule", "state", "story"), CASES, ids=[f"{rule}-{state}-{place}" for place, (rule, state, _) in enumerate(CASES)]
)
def test_rule(rule: str, state: str, story: Story) -> None:
    exchanges = seen(story)
    found = RULES[rule].judge(exchanges)
    assert found.state == state
    assert set(found.evidence) <= {each.id for each in exchanges}
    assert bool(found.evidence) == (state != "not seen")
    assert bool(found.detail) or state != "failed"


@pytest.mark.parametrize("rule", checks.RULES, ids=lambda rule: rule.id)
def test_each_rule_is_told_and_tried_in_every_state(rule: checks.Rule) -> None:
    assert rule.title
    assert rule.source
    assert rule.looks_for
    tried = {state for name, state, _ in CASES if name == rule.id}
    # Whether a client broke on unknown members is not in the journal.
    assert tried == {"passed", "not seen"} | ({"failed"} if rule.id != "unknown-fields" else set())
    assert rule.judge([]).state == "not seen"


def test_evidence_is_bounded_and_each_exchange_once() -> None:
    found = RULES["number-in-url"].judge(seen([api(url="http://x/148384*****")] * 50))
    assert len(set(found.evidence)) == len(found.evidence) == MOST_EVIDENCE
    assert "50 of 50" in found.detail


def test_what_was_noted_becomes_results() -> None:
    note = {"code": "C29", "level": "note", "text": "htu fits only after normalisation"}
    risk = {"code": "T-14", "level": "risk", "text": "the JWT lives longer than 60 seconds"}
    own = {"code": "ALIAS", "level": "note", "text": "an alias"}
    exchanges = seen([api(findings=(note, note)), api(findings=(note, risk)), api(findings=(own,))])
    report = checks.check("c", exchanges)
    found = {each.id: each for each in report.results if each.id.startswith("finding-")}
    assert (found["finding-C29"].severity, found["finding-C29"].source) == ("note", "real-clients.md section 3, C29")
    assert found["finding-C29"].evidence == (exchanges[0].id, exchanges[1].id)
    assert (found["finding-T-14"].severity, found["finding-T-14"].source) == ("warning", "trust.md section 9, T-14")
    assert found["finding-ALIAS"].source == "ALIAS"
    assert all(each.state == "failed" for each in found.values())


def test_an_exchange_is_read_from_its_explanation() -> None:
    told = {
        "id": "X",
        "service": "pps-v2",
        "time": "2026-11-19T11:06:40.000000Z",
        "wallTime": "2026-11-18T11:06:40.000000Z",
        "patient": "P01",
        "request": {
            "method": "POST",
            "url": "http://x/_search?_count=1",
            "operation": "s",
            "headers": [["X-Request-Id", "r"]],
            "body": "_count=1&_skip=5",
        },
        "answer": {
            "status": 200,
            "headers": [["Retry-After", "3"]],
            "body": '{"link":[{"relation":"next"}],"entry":[{"search":{"mode":"outcome"}}]}',
        },
        "decision": {"outcome": "EMPTY", "reason": "GENERAL_BLOCK", "detail": None},
        "token": None,
        "notes": {"fault": [{"rule": "f"}], "assertion": {"ref": "a"}},
        "attest": {"toa": 1},
    }
    row = Row(1, "X", "pps-v2", "POST", "/_search", "s", 200, None, None, "c", "P01", 100.5, 1.0, "")
    found = read(told, row)
    assert (found.at, found.moved, found.path) == (100.5, 86_400.0, "/_search")
    assert (found.paged, found.next_page, found.outcome_entry, found.fault, found.attested) == (True,) * 5
    assert (found.header, found.answered) == ({"x-request-id": "r"}, {"retry-after": "3"})
    assert (found.form, found.assertion, found.token_id, found.detail) == ({}, {"ref": "a"}, None, "")
    assert found.changed == {}


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        ('{"patientNIN":"148384*****","dateChanged":{"flagDate":"1970-01-01T00:01:40.000Z"}}', {"flagDate": 100.0}),
        ('{"dateChanged":{"flagDate":"soon"}}', {}),
        ('{"dateChanged":', {}),
        ("[]", {}),
    ],
)
def test_what_a_status_told_is_read(body: str, changed: dict[str, float]) -> None:
    told = {
        "id": "X",
        "service": "critical-information",
        "time": "2026-11-19T11:06:40.000000Z",
        "wallTime": "2026-11-19T11:06:40.000000Z",
        "patient": "P01",
        "request": {"method": "POST", "url": "http://x/status", "operation": "status", "headers": [], "body": "{}"},
        "answer": {"status": 200, "headers": [], "body": body},
        "decision": {"outcome": "PERMIT", "reason": None, "detail": None},
    }
    row = Row(1, "X", "critical-information", "POST", "/status", "s", 200, None, None, "c", "P01", 100.5, 1.0, "")
    assert read(told, row).changed == changed


class TestForms:
    @pytest.fixture
    def report(self) -> checks.Report:
        return checks.check(
            "my|<epj>\x01",
            seen(
                [
                    par(),
                    authorize("http://x/connect/authorize"),
                    api(next_page=True, findings=({"code": "C29", "level": "note", "text": "a < b"},)),
                ]
            ),
        )

    def test_json_and_back(self, report: checks.Report) -> None:
        told = report.dump()
        assert load(told) == report
        assert sum(told["summary"][name] for name in ("passed", "failed", "notSeen")) == len(told["results"])
        assert told["summary"]["exchanges"] == 3

    def test_junit_counts_what_fails_and_what_was_not_seen(self, report: checks.Report) -> None:
        suite = ET.fromstring(render.junit(report)).find("testsuite")
        assert suite is not None
        cases = {case.get("name"): case for case in suite}
        assert len(cases) == len(report.results) == int(suite.get("tests", ""))
        failed = {name for name, case in cases.items() if case.find("failure") is not None}
        assert failed == {"par", "pages"}
        assert suite.get("failures") == "2"
        assert int(suite.get("skipped", "")) == sum(each.state == "not seen" for each in report.results)
        # A note is no failure of a build, but it is told.
        told = cases["finding-C29"].find("system-out")
        assert told is not None
        assert "a < b" in str(told.text)
        assert suite.get("name") == "client checks my|<epj>"

    def test_text_and_markdown_begin_with_what_failed(self, report: checks.Report) -> None:
        wrong = next(each for each in report.results if each.id == "par")
        text = render.text(report)
        assert f"sandkasse explain {wrong.evidence[0]}" in text
        assert text.index("FAILED   par") < text.index("ok       ")
        assert "warning  pages" in text
        table = render.markdown(report)
        assert "my\\|&lt;epj>" in table
        assert f"`{wrong.evidence[0]}`" in table
        rows = [line for line in table.splitlines() if line.startswith("| `")]
        assert len(rows) == len(report.results)
        assert [" | failed | " in row for row in rows] == sorted((" | failed | " in row for row in rows), reverse=True)

    def test_every_form_takes_a_report_of_nothing(self) -> None:
        empty = checks.check("c", [])
        assert {each.state for each in empty.results} == {"not seen"}
        for write, media in render.FORMATS.values():
            assert "c" in write(empty)
            assert "/" in media

    def test_a_result_without_evidence_can_be_written(self) -> None:
        bare = checks.Report("c", 0, (Result("x", "t", "error", "failed", "s", (), ""),))
        for write, _ in render.FORMATS.values():
            assert "x" in write(bare)
