"""How long the tests may take: `.ci/run` sets SANDKASSE_LONG for the runs that a developer need not wait for."""

from __future__ import annotations

import os
from typing import Final

LONG: Final = bool(os.environ.get("SANDKASSE_LONG"))
