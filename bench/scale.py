"""Does the time of one patient's search grow with what is stored for others?

    python -m bench.scale [--quick]

Fills the database with copies of a seeded patient's resources under other patients, until ten thousand and then one
million are stored (with --quick a hundred thousand), and times the same search, one at a time, over the backdoor.
"""

from __future__ import annotations

import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from bench import options
from tools.live_server import LiveServer, live_server

_TABLES = ("resource", "search_index", "part")
_SEARCHES = 300
_ENVIRONMENT = {"SANDKASSE_JOURNAL": "false"}
_PER_TRANSACTION = 200
_HERE = "WHERE sandbox = 'default'"  # beside it are the prepared templates of other sandboxes
_WHOSE = f"{_HERE} AND patient = :old"  # as the keys begin, or the whole table is read for every copy
_TOLD_EVERY = 100_000


def main(arguments: Sequence[str]) -> int:
    sizes = (10_000, 100_000) if options.quick("bench.scale", __doc__, arguments) else (10_000, 1_000_000)
    medians = []
    with tempfile.TemporaryDirectory(prefix="sandkasse-bench-") as folder:
        with live_server(Path(folder), environment=_ENVIRONMENT):
            pass  # makes and seeds the database
        for size in sizes:
            begun = time.perf_counter()
            stored = _fill(Path(folder) / "sandkasse.db", size)
            filled = time.perf_counter() - begun
            with live_server(Path(folder), environment=_ENVIRONMENT) as live:
                medians.append(_search(live))
            print(f"{stored:>9} resources (filled in {filled:.0f} s): search median {medians[-1]:.2f} ms", flush=True)
    print(f"ratio {medians[-1] / medians[0]:.2f}")
    return 0


def _search(live: LiveServer) -> float:
    headers = {"x-nilar-requester-hpr": "222250101", "x-nilar-correlation-id": "scale"}
    times = []
    with httpx.Client(base_url=live.url, timeout=30) as http:
        headers["x-nilar-patient"] = http.get("/_sandbox/v1/persons/P01").json()["nin"]
        for _ in range(_SEARCHES):
            begun = time.perf_counter()
            form = {"_count": "20"}
            answer = http.post("/pps-backdoor/fhir/DiagnosticReport/_search", data=form, headers=headers)
            answer.raise_for_status()
            times.append(1000 * (time.perf_counter() - begun))
    return statistics.median(times)


def _fill(path: Path, size: int) -> int:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA synchronous=OFF")
    database.execute("PRAGMA cache_size=-1000000")
    stored = _count(database)
    (patient, copied) = database.execute(
        f"SELECT patient, count(*) FROM resource {_HERE} GROUP BY patient ORDER BY count(*) DESC LIMIT 1"
    ).fetchone()
    (number,) = database.execute(
        f"SELECT count(DISTINCT patient) FROM resource {_HERE} AND patient LIKE 'X%'"
    ).fetchone()
    needed = max(0, -(-(size - stored) // copied))
    statements = [_copy(database, table) for table in _TABLES]
    for first in range(number, number + needed, _PER_TRANSACTION):
        database.execute("BEGIN")
        for copy in range(first, min(first + _PER_TRANSACTION, number + needed)):
            for statement in statements:
                database.execute(statement, {"new": f"X{copy:08}", "old": patient})
        database.execute("COMMIT")
        done = stored + (first - number) * copied
        if done // _TOLD_EVERY != (done + _PER_TRANSACTION * copied) // _TOLD_EVERY:
            print(f"{done:>9} …", file=sys.stderr, flush=True)
    stored = _count(database)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    if stored < size:
        raise RuntimeError(f"{stored} resources are stored, and {size} were wanted")
    return stored


def _copy(database: sqlite3.Connection, table: str) -> str:
    """All rows of one patient again under another, each with its own id where ids are looked up across patients."""
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    values = {
        "patient": ":new",
        "id": "substr(:new || id, 1, 64)",
        "key": ":new || key",
        "body": "substr(body, 1, 200)",
    }
    chosen = ", ".join(values.get(column, column) for column in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {chosen} FROM {table} {_WHOSE}"


def _count(database: sqlite3.Connection) -> int:
    (count,) = database.execute(f"SELECT count(*) FROM resource {_HERE}").fetchone()
    return int(count)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
