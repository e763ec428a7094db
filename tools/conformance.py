"""pytest plugin: prints how many conformance cases pass and how many are still expected
to fail, so that an unbuilt case is counted and never forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

FOLDER = "tests/conformance/"
_LIMIT = 0.05  # the share of expected failures above which the line says so


class _Reporter(Protocol):
    stats: Mapping[str, Sequence[Any]]

    def write_line(self, line: str) -> None: ...


def pytest_terminal_summary(terminalreporter: _Reporter) -> None:
    passed, failed, expected = (count(terminalreporter.stats, kind) for kind in ("passed", "failed", "xfailed"))
    total = passed + failed + expected
    if total:
        terminalreporter.write_line(summary(passed, failed, expected))


def count(stats: Mapping[str, Sequence[Any]], kind: str) -> int:
    """The conformance tests among the reports of one outcome; a test counts once, whatever its phases."""
    return len({report.nodeid for report in stats.get(kind, ()) if report.nodeid.startswith(FOLDER)})


def summary(passed: int, failed: int, expected: int) -> str:
    share = expected / (passed + failed + expected)
    note = f"  (more than {_LIMIT:.0%})" if share > _LIMIT else ""
    return f"conformance: {passed} passed, {failed} failed, {expected} xfail = {share:.1%}{note}"
