"""Trying changes on a refused request: each alone, then by twos, with the policy as the only judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from typing import Final

from app.trust.advice.candidates import Registers, candidates
from app.trust.advice.model import Candidate, Way
from app.trust.policy import ObjectFacts, Outcome, Request, Verdict, conclude, decide, filter_objects

MOST_PAIRS: Final = 2000
MOST_OBJECTS: Final = 500
_MOST_WAYS: Final = 8
_MOST_OF_A_SLOT: Final = 2
_NOBODY: Final = Registers()


def ways(
    request: Request, objects: Sequence[ObjectFacts] = (), registers: Registers = _NOBODY, *, most: int = _MOST_WAYS
) -> tuple[Way, ...]:
    """The smallest sets of changes, one or two, after which more is released: fewest first, then the likeliest.

    ``objects`` are the patient's stored objects in the service (the first 500 are judged); ``registers`` the
    people and organisations that could ask instead. Empty for a request that is granted in full, and where
    no two changes help. At most ``MOST_PAIRS`` pairs are tried. Pure.
    """
    items = tuple(objects[:MOST_OBJECTS])
    before = _judged(request, items)
    if before.full:
        return ()
    tries = [each for each in candidates(request, items, registers) if each.apply(request) != request]
    found = _better(request, items, before, [(each,) for each in tries])
    if not found:
        pairs = (pair for pair in combinations(tries, 2) if pair[0].slot != pair[1].slot)
        found = _better(request, items, before, list(islice(pairs, MOST_PAIRS)))
    return tuple(way for _, way in _chosen(found)[:most])


def granted(request: Request, objects: Sequence[ObjectFacts] = ()) -> bool:
    """Whether the request is granted in full."""
    return _judged(request, objects[:MOST_OBJECTS]).full


@dataclass(frozen=True, slots=True)
class _Judged:
    outcome: Outcome
    released: int
    withheld: int

    @property
    def full(self) -> bool:
        return self.outcome is Outcome.PERMIT

    @property
    def rank(self) -> tuple[bool, int]:
        return self.outcome in (Outcome.PERMIT, Outcome.PARTIAL), self.released


_Tried = tuple[tuple[Candidate, ...], Way]


def _judged(request: Request, objects: Sequence[ObjectFacts]) -> _Judged:
    decision = decide(request)
    if not decision.releases:
        return _Judged(decision.outcome, 0, len(objects))
    result = filter_objects(objects, request)
    final = conclude(request, decision, result, len(objects))
    kept = sum(verdict.verdict is Verdict.KEEP for verdict in result.verdicts.values()) if final.releases else 0
    return _Judged(final.outcome, kept, len(objects) - kept)


def _better(
    request: Request, objects: Sequence[ObjectFacts], before: _Judged, sets: Sequence[tuple[Candidate, ...]]
) -> list[_Tried]:
    found = []
    for tried in sets:
        changed = request
        for each in tried:
            changed = each.apply(changed)
        after = _judged(changed, objects)
        if after.rank > before.rank:
            way = Way(tuple(each.change for each in tried), after.outcome, after.released, after.withheld)
            found.append((tried, way))
    return found


def _chosen(found: Sequence[_Tried]) -> list[_Tried]:
    """In order, with a few of each kind, so that one kind of change does not crowd out the rest."""
    seen: dict[tuple[str, ...], int] = {}
    chosen = []
    for tried, way in sorted(found, key=_order):
        kind = tuple(sorted(each.slot.partition(":")[0] for each in tried))
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= _MOST_OF_A_SLOT:
            chosen.append((tried, way))
    return chosen


def _order(entry: _Tried) -> tuple[int, bool, int]:
    tried, way = entry
    return len(tried), way.outcome is not Outcome.PERMIT, sum(each.cost for each in tried)
