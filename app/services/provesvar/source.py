"""The stored prøvesvar of one patient, as the release asks for them (``app.trust.release.Source``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from urllib.parse import urlencode

from app.fhir import bundle
from app.services.provesvar import errors
from app.services.provesvar.report import stored_version
from app.services.provesvar.rules import GRAPH, SERVICE, Edge, Includes, Search
from app.store import resources
from app.store.engine import Connection
from app.store.resources import Owner, Row
from app.trust.facts import Person
from app.trust.policy import ObjectFacts
from app.trust.release import Answer
from app.values import per_request

_Ids = dict[str, dict[str, None]]


@per_request
class ProvesvarSource:
    """Reads for one request. ``base`` is the service's public address, which ``fullUrl`` and links begin with."""

    sandbox: str
    base: str
    search_for: Search

    def objects(self, conn: Connection, person: Person) -> Sequence[ObjectFacts]:
        """Every report of the patient; its resources inherit its verdict (ruling R38)."""
        return objects_of(conn, self.sandbox, person)

    def search(self, conn: Connection, person: Person, dropped: frozenset[str]) -> Answer:
        """The searchset without the reports in ``dropped``; totals leave them out too."""
        owner, search = self._owner(person), self.search_for
        found = resources.find(conn, owner, search.query, dropped)
        included: list[Row] = []
        if search.includes and found.rows:
            included = include(conn, owner, search.includes, found.rows, dropped)
        body = bundle.searchset(
            base=self.base,
            total=found.total,
            links=links(self.base, search, found.total),
            matches=found.rows,
            included=included,
            outcome=errors.NOTHING_FOUND if found.total == 0 else None,
        )
        ids = tuple([f"{row.type}/{row.id}" for row in chain(found.rows, included)])
        return Answer(body, ids, found.total)

    def _owner(self, person: Person) -> Owner:
        return Owner(self.sandbox, person.id, SERVICE)


def objects_of(conn: Connection, sandbox: str, person: Person) -> Sequence[ObjectFacts]:
    """Every stored report of a patient, as the policy judges them."""
    stored = resources.parts(conn, Owner(sandbox, person.id, SERVICE))
    return [ObjectFacts(key=part, ids=_object_ids(body)) for part, body in stored]


def counts(conn: Connection, sandbox: str) -> dict[str, int]:
    """How many reports are stored of each patient, by id: a number for who runs the sandbox, and no content."""
    return resources.counts(conn, sandbox, SERVICE)


def empty(base: str, search: Search, outcome: bytes) -> bytes:
    """A searchset without data that says why in its outcome entry."""
    return bundle.searchset(base=base, total=0, links=links(base, search, 0), outcome=outcome)


def links(base: str, search: Search, total: int) -> list[tuple[str, str]]:
    """``self``, and ``next`` and ``previous`` where there are such pages (ruling R45: POST to them)."""
    url = f"{base}/{search.query.type}/_search"
    count, skip = search.query.count, search.query.skip
    found = [("self", _url(url, search.honoured))]
    if count and skip + count < total:
        found.append(("next", _page(url, search, skip + count)))
    if count and skip:
        found.append(("previous", _page(url, search, max(0, skip - count))))
    return found


def include(
    conn: Connection, owner: Owner, includes: Includes, matches: Sequence[Row], dropped: Collection[str]
) -> list[Row]:
    """What the matches lead to, each resource once and none that is a match already (#74).

    The first round follows every include from the matches; the later ones only those that iterate, from
    what the round before found, until nothing new comes.
    """
    seen: _Ids = {}
    frontier = _collect(seen, matches)
    forward, reverse = (*includes.once, *includes.again), (*includes.reverse_once, *includes.reverse_again)
    found: list[Row] = []
    while frontier and (forward or reverse):
        fresh: list[Row] = []
        for source, params in _by_source(forward).items():
            if source in frontier:
                rows = resources.referred_to(conn, owner, source, params, frontier[source], dropped)
                fresh += _new(rows, seen)
        for edge in dict.fromkeys(reverse):
            targets = frontier.get(GRAPH[edge.source][edge.param])
            if targets:
                fresh += _new(resources.referring_to(conn, owner, edge.source, [edge.param], targets, dropped), seen)
        found += fresh
        frontier = _collect(seen, fresh)
        forward, reverse = includes.again, includes.reverse_again
    return found


def _new(rows: Sequence[Row], seen: _Ids) -> list[Row]:
    fresh = [row for row in rows if row.id not in seen.get(row.type, {})]
    _collect(seen, fresh)
    return fresh


def _collect(seen: _Ids, rows: Sequence[Row]) -> _Ids:
    """Remember ``rows`` as seen; gives their ids by type."""
    frontier: _Ids = {}
    for row in rows:
        seen.setdefault(row.type, {})[row.id] = None
        frontier.setdefault(row.type, {})[row.id] = None
    return frontier


def _by_source(edges: Sequence[Edge]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for edge in edges:
        found.setdefault(edge.source, []).append(edge.param)
    return found


def _page(url: str, search: Search, skip: int) -> str:
    kept = [(name, value) for name, value in search.honoured if name not in ("_count", "_skip")]
    return _url(url, [*kept, ("_count", str(search.query.count)), ("_skip", str(skip))])


def _url(url: str, fields: Sequence[tuple[str, str]]) -> str:
    return f"{url}?{_encoded(tuple(fields))}" if fields else url


@lru_cache(maxsize=1024)
def _encoded(fields: tuple[tuple[str, str], ...]) -> str:
    return urlencode(fields, safe=":,")


@lru_cache(maxsize=4096)
def _object_ids(body: bytes) -> frozenset[tuple[str, str]]:
    return stored_version(body).object_ids
