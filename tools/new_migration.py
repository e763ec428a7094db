"""Write the next revision from the difference between ``app.store.tables`` and the newest one; then read it.

usage: python -m tools.new_migration "what changes" [--replace-initial]
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

from alembic import command
from sqlalchemy import create_engine

from app.store import migrate

_VERSIONS = Path("app/store/migrations/versions")


def main(arguments: Sequence[str]) -> int:
    if not arguments:
        print(__doc__)
        return 2
    if "--replace-initial" in arguments:  # before the first release only: afterwards databases exist
        for old in _VERSIONS.glob("0*.py"):
            old.unlink()
    number = len(list(_VERSIONS.glob("0*.py"))) + 1
    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{folder}/empty.db")
        config = migrate.alembic_config()
        config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            if number > 1:
                command.upgrade(config, "head")
            with redirect_stdout(io.StringIO()):
                command.revision(config, message=arguments[0], autogenerate=True, rev_id=f"{number:04}")
        engine.dispose()
    written = sorted(_VERSIONS.glob("0*.py"))[-1]
    lines = written.read_text(encoding="utf-8").splitlines(keepends=True)
    written.write_text("".join(line for line in lines if "# ###" not in line), encoding="utf-8")
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(written)], check=True)
    subprocess.run([sys.executable, "-m", "ruff", "check", "--quiet", "--fix", str(written)], check=True)
    print(f"{written}: read it through, then run the tests")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
