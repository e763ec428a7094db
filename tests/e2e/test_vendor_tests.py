"""The kit as a vendor uses it: the example suite in parallel, and what the plugin prints when a test fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_SUITE = _ROOT / "examples" / "vendor_tests"
_LEAST = 25
_FAILING = """
import httpx

def test_reads(sandbox, persona):
    headers = {"person-id": sandbox.patient("P02").nin, "X-Correlation-Id": "c"}
    answer = persona("H01").post("/DiagnosticReport/_search", headers=headers)
    assert answer.json()["total"] == 2, "the vendor's own message"

def test_fails_elsewhere(sandbox):
    assert not sandbox.name, "nobody was refused"

def test_fails_without():
    assert False
"""


def _pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "SANDKASSE_"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, timeout=300)


def test_the_example_suite_passes_in_parallel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun = time.monotonic()
    done = _pytest(_SUITE, "-n", "2", "--basetemp", str(tmp_path / "own"), str(_SUITE))
    seconds = time.monotonic() - begun
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= _LEAST
    with capsys.disabled():
        print(f"\nvendor tests: {passed[1]} passed in {seconds:.0f} s (to be below 60)")
    assert _servers(tmp_path / "own") == 1, "the workers share one server"


def test_a_failed_test_tells_why_the_sandbox_said_no(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    (tmp_path / "test_fails.py").write_text(_FAILING)
    done = _pytest(tmp_path, "--basetemp", str(tmp_path / "own"))
    assert "3 failed" in done.stdout, done.stdout + done.stderr
    assert done.stdout.count("sandkasse: the last exchange that was refused") == 1
    for said in ("GENERAL_BLOCK by rule F2", "would pass: Send the access basis FORHOYET_AKUTT.", "/exchanges/"):
        assert said in done.stdout


def test_a_project_that_does_not_use_it_notices_nothing(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    (tmp_path / "test_plain.py").write_text(
        "import sys\n\ndef test_plain():\n    assert 'sandkasse.sandbox' not in sys.modules\n"
    )
    done = _pytest(tmp_path, "--basetemp", str(tmp_path / "own"))
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert not list((tmp_path / "own").glob("**/sandkasse*"))


def _servers(folder: Path) -> int:
    return (folder / "sandkasse" / "server.log").read_text(encoding="utf-8").count("synthetic people only")
