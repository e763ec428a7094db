"""How long from starting the service to its first answer, with the seeded database present, and its memory at rest.

python -m bench.start [--quick]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import options
from tools.live_server import live_server


def main(arguments: Sequence[str]) -> int:
    rounds = 1 if options.quick("bench.start", __doc__, arguments) else 5
    with tempfile.TemporaryDirectory(prefix="sandkasse-bench-") as folder:
        with live_server(Path(folder)) as first:
            print(f"first start, seeding: {first.started_in:.2f} s")
        times, memory = [], 0
        for _ in range(rounds):
            with live_server(Path(folder)) as live:
                times.append(live.started_in)
                memory = max(memory, live.memory())
    print(f"start to first answer: median {statistics.median(times):.2f} s, slowest {max(times):.2f} s of {rounds}")
    print(f"memory at rest: {memory >> 20} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
