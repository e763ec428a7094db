"""The command line that the measurements share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def quick(module: str, about: str | None, arguments: Sequence[str]) -> bool:
    """Whether ``--quick`` is among the arguments. ``--help`` and what is unknown end the program (``SystemExit``)."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one short round: to see that it runs, not to compare")
    chosen: bool = parser.parse_args(arguments).quick
    return chosen
