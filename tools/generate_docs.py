"""Writes the reference pages of ``docs/`` and the collection from the code they describe, so that they cannot be wrong.

usage: python -m tools.generate_docs [--check]      --check: only say which pages are out of date, with exit status 1
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from app.trust import policy_docs
from tools import generate_collection
from tools.pages import addresses, client_checks, command_line, control_api, errors, people, scenarios, settings

DOCS: Final = Path("docs")
PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "addresses.md": addresses.page,
    "cli.md": command_line.page,
    "client-checks.md": client_checks.page,
    "control-api.md": control_api.page,
    "decisions.md": policy_docs.render,
    "errors.md": errors.page,
    "people.md": people.page,
    "scenarios.md": scenarios.page,
    "settings.md": settings.page,
    generate_collection.NAME: generate_collection.render,
}


def main(arguments: Sequence[str]) -> int:
    stale = [name for name, render in PAGES.items() if _update(DOCS / name, render(), write="--check" not in arguments)]
    for name in stale:
        print(f"docs/{name} " + ("is out of date: run make docs" if "--check" in arguments else "written"))
    return 1 if stale and "--check" in arguments else 0


def _update(path: Path, text: str, *, write: bool) -> bool:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    if write:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
