"""How long from starting the service to its first answer, with the seeded database present, and its memory at rest.

python -m bench.start
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from tools.live_server import live_server

_ROUNDS = 5


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="sandkasse-bench-") as folder:
        with live_server(Path(folder)) as first:
            print(f"first start, seeding: {first.started_in:.2f} s")
        times, memory = [], 0
        for _ in range(_ROUNDS):
            with live_server(Path(folder)) as live:
                times.append(live.started_in)
                memory = max(memory, live.memory())
    print(f"start to first answer: median {statistics.median(times):.2f} s, slowest {max(times):.2f} s of {_ROUNDS}")
    print(f"memory at rest: {memory >> 20} MB")


if __name__ == "__main__":
    main()
