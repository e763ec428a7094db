"""Everything ``make check`` looks at, two steps at a time; all run, whatever the others said.

A step that cannot be judged here (an advisory service that does not answer) is SKIPPED with the reason, and does
not fail the run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Literal

_AT_ONCE: Final = 2
_PYTHON: Final = sys.executable
_CODE: Final = ("app", "sandkasse", "tests", "tools", "bench", "examples", "conftest.py")

_AUDIT_OPTIONS: Final = (
    "--progress-spinner=off",
    "--format=json",
    "--disable-pip",
    "--no-deps",
    "--timeout=20",
    "--requirement=requirements.lock",
)

Verdict = Literal["ok", "FAILED", "SKIPPED"]


@dataclass(frozen=True, slots=True)
class Step:
    """A command whose exit status is its verdict, unless ``judge`` knows better."""

    name: str
    command: Sequence[str]
    judge: Callable[[int, str], tuple[Verdict, str]] | None = None


def advisories(status: int, output: str) -> tuple[Verdict, str]:
    """pip-audit prints JSON when it has an answer; without one nothing was judged."""
    start = output.find('{"dependencies"')
    if start < 0:
        last = (output.strip().splitlines() or ["no output"])[-1]
        return "SKIPPED", f"the advisory service gave no answer: {last[:160]}"
    found, _ = json.JSONDecoder().raw_decode(output[start:])
    bad = [f"{row['name']} {v['id']}" for row in found["dependencies"] for v in row.get("vulns", ())]
    unknown = [row["name"] for row in found["dependencies"] if "skip_reason" in row]
    if bad:
        return "FAILED", "known vulnerabilities: " + ", ".join(bad)
    return ("SKIPPED", f"no answer about {len(unknown)} of {len(found['dependencies'])}") if unknown else ("ok", "")


STEPS: Final = (
    Step("style", [_PYTHON, "-m", "ruff", "check", "--quiet", "."]),
    Step("format", [_PYTHON, "-m", "ruff", "format", "--check", "--quiet", "."]),
    Step("types", [_PYTHON, "-m", "mypy", "--strict", *_CODE]),
    Step("import rules", [_PYTHON, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]),
    Step("release rules", [_PYTHON, "-m", "tools.check_release"]),
    Step("no real numbers", [_PYTHON, "-m", "tools.find_real_numbers"]),
    Step("generated pages", [_PYTHON, "-m", "tools.generate_docs", "--check"]),
    Step("documentation", [_PYTHON, "-m", "mkdocs", "build", "--strict", "--quiet"]),
    Step("advisories", [_PYTHON, "-m", "pip_audit", *_AUDIT_OPTIONS], advisories),
)


def main() -> int:
    verdicts = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for verdict, told in pool.map(_run, STEPS):
            print(told, flush=True)
            verdicts.append(verdict)
    print(f"{verdicts.count('ok')} ok, {verdicts.count('FAILED')} failed, {verdicts.count('SKIPPED')} skipped")
    return 1 if "FAILED" in verdicts else 0


def _run(step: Step) -> tuple[Verdict, str]:
    begun = time.monotonic()
    done = subprocess.run(step.command, capture_output=True, text=True)
    output = done.stdout + done.stderr
    judge = step.judge or _by_status
    verdict, note = judge(done.returncode, output)
    line = f"{verdict:<8} {step.name:<16} {time.monotonic() - begun:5.1f} s  {note}".rstrip()
    return verdict, f"{output.rstrip()}\n{line}".lstrip() if verdict == "FAILED" else line


def _by_status(status: int, _output: str) -> tuple[Verdict, str]:
    return ("FAILED" if status else "ok"), ""


if __name__ == "__main__":
    sys.exit(main())
