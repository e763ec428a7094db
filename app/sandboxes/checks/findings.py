"""What gate and issuer noted of a client while they let it through: one result for each kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from app.sandboxes.checks.model import MOST_EVIDENCE, Result, Severity
from app.sandboxes.checks.seen import Seen

_SEVERITY: Final[Mapping[str, Severity]] = {"risk": "warning", "note": "note"}


def results(seen: Sequence[Seen]) -> list[Result]:
    """A failed result for each code that was noted, in the order of the codes."""
    noted: dict[tuple[str, str], list[str]] = defaultdict(list)
    texts: dict[tuple[str, str], str] = {}
    for each in seen:
        for finding in each.findings:
            key = (finding["code"], finding["level"])
            texts.setdefault(key, finding["text"])
            if each.id not in noted[key]:
                noted[key].append(each.id)
    return [
        Result(
            id=f"finding-{code}",
            title=texts[code, level],
            severity=_SEVERITY.get(level, "note"),
            state="failed",
            source=_source(code),
            evidence=tuple(ids[:MOST_EVIDENCE]),
            detail=f"noted in {len(ids)} exchanges",
        )
        for (code, level), ids in sorted(noted.items())
    ]


def _source(code: str) -> str:
    if code.startswith("T-"):
        return f"trust.md section 9, {code}"
    return f"real-clients.md section 3, {code}" if code[:1] == "C" and code[1:].isdigit() else code
