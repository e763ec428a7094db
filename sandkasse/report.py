"""What a failed test prints: why the sandbox last said no."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sandkasse.answers import Advice, Exchange, Explanation
from sandkasse.sandbox import Sandbox

TITLE: Final = "sandkasse: the last exchange that was refused"
_FINDINGS: Final = 5


def last_refused(sandbox: Sandbox) -> str | None:
    """The story of the newest refused exchange; None when nobody was refused."""
    row = sandbox.journal.last_refused()
    if row is None:
        return None
    explanation, advice = sandbox.journal.explain(row), sandbox.journal.ways(row)
    return "\n".join(_story(row, explanation, advice, sandbox.page(row.id)))


def _story(row: Exchange, explanation: Explanation, advice: Advice, link: str) -> Iterator[str]:
    asked: Mapping[str, Any] = explanation.body.get("request") or {}
    yield f"{asked.get('method', row.method)} {asked.get('url', row.path)} was answered {row.status}"
    yield f"  {explanation.summary}"
    rule = explanation.deciding
    if rule is not None:
        yield f"  deciding rule: {rule.get('rule')} {rule.get('text', '')}".rstrip()
    if advice.fix is not None:
        yield f"  what to do: {advice.fix.en}"
    for way in advice.ways:
        yield f"  would pass: {' '.join(change.en for change in way.changes)}"
    for finding in explanation.findings[:_FINDINGS]:
        yield f"  finding: {finding.get('code')} {finding.get('text')}"
    yield f"  more: {link}"
