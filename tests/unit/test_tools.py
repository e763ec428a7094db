"""The small tools of the project: what ``make check`` makes of an advisory service, counts, generated pages."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools import check, conformance, generate_docs, pages


def _report(*rows: dict[str, object]) -> str:
    return "a warning\n" + json.dumps({"dependencies": list(rows), "fixes": []}) + "\nmore"


@pytest.mark.parametrize(
    ("output", "verdict", "note"),
    [
        (_report({"name": "a", "version": "1", "vulns": []}), "ok", ""),
        (_report({"name": "a", "version": "1", "vulns": [{"id": "X-1"}]}), "FAILED", "a X-1"),
        (_report({"name": "a", "skip_reason": "unknown"}, {"name": "b", "vulns": []}), "SKIPPED", "1 of 2"),
        (_report({"name": "a", "skip_reason": "?"}, {"name": "b", "vulns": [{"id": "X-1"}]}), "FAILED", "b X-1"),
        ("Traceback\nConnectionError: no route", "SKIPPED", "no route"),
        ("", "SKIPPED", "no output"),
    ],
)
def test_advisories_that_cannot_be_had_are_skipped_and_found_ones_fail(output: str, verdict: str, note: str) -> None:
    judged, said = check.advisories(1, output)
    assert judged == verdict
    assert note in said


def test_a_step_that_fails_fails_the_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    steps = (check.Step("good", ["true"]), check.Step("bad", ["sh", "-c", "echo why; exit 3"]))
    monkeypatch.setattr(check, "STEPS", steps)
    assert check.main() == 1
    printed = capsys.readouterr().out
    assert "ok       good" in printed
    assert "why\nFAILED   bad" in printed
    assert "1 ok, 1 failed, 0 skipped" in printed


def test_conformance_cases_are_counted_once_and_others_not() -> None:
    cases = [SimpleNamespace(nodeid=name) for name in ("tests/conformance/a", "tests/conformance/a", "tests/unit/b")]
    lines: list[str] = []
    reporter = SimpleNamespace(stats={"passed": cases, "xfailed": cases[2:]}, write_line=lines.append)
    conformance.pytest_terminal_summary(reporter)
    assert lines == ["conformance: 1 passed, 0 failed, 0 xfail = 0.0%"]


def test_too_many_expected_failures_are_pointed_out() -> None:
    assert conformance.summary(90, 0, 10).endswith("10 xfail = 10.0%  (more than 5%)")


def test_without_conformance_cases_nothing_is_said() -> None:
    lines: list[str] = []
    conformance.pytest_terminal_summary(SimpleNamespace(stats={}, write_line=lines.append))
    assert lines == []


def test_a_stale_page_is_told_and_then_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate_docs, "DOCS", tmp_path)
    monkeypatch.setattr(generate_docs, "PAGES", {"page.md": lambda: "new\n"})
    assert generate_docs.main(["--check"]) == 1
    assert not (tmp_path / "page.md").exists()
    assert generate_docs.main([]) == 0
    assert (tmp_path / "page.md").read_text() == "new\n"
    assert generate_docs.main(["--check"]) == 0
    assert "page.md is out of date" in capsys.readouterr().out


def test_a_cell_cannot_break_a_table() -> None:
    assert pages.table(["a"], [["x|y\nz"]]) == "| a |\n| --- |\n| x\\|y z |\n"
