"""The Python of the recipes is run as it stands, as a vendor who copies it would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PAGES = [_ROOT / "README.md", *sorted((_ROOT / "docs" / "recipes").glob("*.md"))]


def test_the_tests_of_readme_and_recipes_pass(tmp_path: Path) -> None:
    written = 0
    for page in _PAGES:
        blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        if blocks:
            name = page.stem.lower().replace("-", "_")
            (tmp_path / f"test_{name}.py").write_text("\n".join(blocks), encoding="utf-8")
            written += len(re.findall(r"^def test_", "\n".join(blocks), re.MULTILINE))
    assert written >= 5
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "SANDKASSE_"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=kept, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{written} passed" in done.stdout
