"""What a client does wrong, or has not shown yet: rules over its exchanges in the journal.

A rule is data with a pure function. ``not seen`` means that the journal shows neither: the client may never have been
in the situation. Exchanges refused before the client was known belong to nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import orjson

from app.sandboxes.checks import calls, credentials, findings, issuer, syncing
from app.sandboxes.checks.model import SEVERITIES, Report, Result, Rule
from app.sandboxes.checks.seen import Seen, read
from app.store import exchanges
from app.store.engine import Connection
from app.store.exchanges import Wanted

__all__ = ["MOST_EXCHANGES", "RULES", "SEVERITIES", "Report", "Rule", "Seen", "check", "check_client"]

RULES: Final[tuple[Rule, ...]] = (*issuer.RULES, *credentials.RULES, *calls.RULES, *syncing.RULES)
MOST_EXCHANGES: Final = 2000


def check_client(conn: Connection, sandbox: str, client: str) -> Report:
    """The report of a client from the newest of its exchanges, ``MOST_EXCHANGES`` at most."""
    return check(client, list(_of_client(conn, sandbox, client)))


def check(client: str, seen: Sequence[Seen]) -> Report:
    """Judge a client's exchanges, given in the order they began."""
    judged = []
    for rule in RULES:
        found = rule.judge(seen)
        judged.append(
            Result(rule.id, rule.title, rule.severity, found.state, rule.source, found.evidence, found.detail)
        )
    return Report(client, len(seen), (*judged, *findings.results(seen)))


def _of_client(conn: Connection, sandbox: str, client: str) -> Iterator[Seen]:
    """Rows come in the order they were answered; a client is judged by the order it asked in."""
    found = (
        read(orjson.loads(body), row)
        for body, row in exchanges.bodies(conn, sandbox, Wanted(client=client), MOST_EXCHANGES)
    )
    yield from sorted(found, key=lambda each: each.at)
