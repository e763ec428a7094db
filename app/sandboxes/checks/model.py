"""What a client check is, and what it comes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from app.sandboxes.checks.seen import Seen

Severity = Literal["error", "warning", "note"]
State = Literal["passed", "failed", "not seen"]

MOST_EVIDENCE: Final = 20
SEVERITIES: Final[Mapping[Severity, str]] = {
    "error": "the national services refuse it, or it puts patients' data at risk",
    "warning": "it works, until something else goes wrong",
    "note": "it is taken, though a document says otherwise",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule found. ``evidence`` are ids of the exchanges that show it, the first so many."""

    state: State
    evidence: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing a client should do. ``looks_for`` says what in the journal shows that it does or does not."""

    id: str
    title: str
    severity: Severity
    source: str
    looks_for: str
    judge: Callable[[Sequence[Seen]], Verdict]


@dataclass(frozen=True, slots=True)
class Result:
    """A rule with what it found of one client."""

    id: str
    title: str
    severity: Severity
    state: State
    source: str
    evidence: tuple[str, ...]
    detail: str

    def dump(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | {"evidence": list(self.evidence)}


@dataclass(frozen=True, slots=True)
class Report:
    """All results of one client, from ``exchanges`` exchanges."""

    client: str
    exchanges: int
    results: tuple[Result, ...]

    def dump(self) -> dict[str, Any]:
        counts = Counter(result.state for result in self.results)
        summary = {
            "exchanges": self.exchanges,
            "passed": counts["passed"],
            "failed": counts["failed"],
            "notSeen": counts["not seen"],
        }
        return {"client": self.client, "results": [each.dump() for each in self.results], "summary": summary}


def load(report: Mapping[str, Any]) -> Report:
    """The report that ``dump`` gave."""
    results = tuple(Result(**{**each, "evidence": tuple(each["evidence"])}) for each in report["results"])
    return Report(report["client"], report["summary"]["exchanges"], results)


def verdict(good: Iterable[Seen], bad: Iterable[Seen], *, failed: str, passed: str = "") -> Verdict:
    """Failed when something was bad, passed when something was good, else not seen."""
    wrong, right = _ids(bad), _ids(good)
    if wrong:
        return Verdict("failed", wrong[:MOST_EVIDENCE], f"{failed} ({len(wrong)} of {len(wrong) + len(right)})")
    if right:
        return Verdict("passed", right[:MOST_EVIDENCE], passed)
    return Verdict("not seen")


def _ids(some: Iterable[Seen]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.id for each in some))
