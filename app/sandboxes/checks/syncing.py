"""Checks of how a client keeps its copy of critical information in step: it asks what was changed, and reads only that.

Calls are told apart by the operations of the service; what was changed is what its status said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from app.sandboxes.checks.model import Rule, Verdict, verdict
from app.sandboxes.checks.seen import STATUS, Seen

_SERVICE: Final = "critical-information"
_SEARCH: Final = "search"
_WRITES: Final = frozenset({"create", "update", "delete"})
_READS: Final = frozenset({_SEARCH, "read"})
_OK: Final = range(200, 300)
_ERROR_CODE: Final = "nhn-error-code"
_OUTDATED: Final = "KJF-000065"  # 409 has another code when two records exclude each other


def status_first(seen: Sequence[Seen]) -> Verdict:
    """All records of a type are read after a status of the patient; read again after a new one, or after a write."""
    good: list[Seen] = []
    blind: list[Seen] = []
    for before, each in _searches(seen):
        asked = any(map(_tells, _since_read(before, each)))
        (good if asked or _wrote(before, each) else blind).append(each)
    return verdict(good, blind, failed="records were read without asking for the patient's status first")


def only_changed(seen: Sequence[Seen]) -> Verdict:
    """What the status names no change of since it was read is not read."""
    good: list[Seen] = []
    wasted: list[Seen] = []
    for before, each in _searches(seen):
        status = _last(before, _tells)
        if status is None or _wrote(before, each):
            continue
        read = _last(before, partial(_is_same_search, each))
        changed = _changed(status, each)
        new = changed is not None and (read is None or changed > read.at + read.moved)
        (good if new else wasted).append(each)
    return verdict(good, wasted, failed="types were read of which the status named no change")


def rereads_after_conflict(seen: Sequence[Seen]) -> Verdict:
    """After a conflict the record is read before it is written again, which succeeds."""
    good: list[Seen] = []
    stubborn: list[Seen] = []
    for patient in _patients(seen):
        for place, each in enumerate(patient):
            if each.answered.get(_ERROR_CODE) != _OUTDATED or _record(each) is None:
                continue
            later = patient[place + 1 :]
            again = next((at for at, other in enumerate(later) if _record(other) == _record(each)), None)
            if again is None:
                continue
            read = any(
                _type(other) == _type(each) and _act(other) in _READS and other.status in _OK for other in later[:again]
            )
            (good if read else stubborn).append(later[again])
    return verdict(good, stubborn, failed="records were written again after a conflict without reading them")


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "sync-status",
        "Asks for the status before it reads critical information",
        "warning",
        "kritisk-info.md section 4",
        "Calls for all records of a type: failed by one without a status of the patient since the last such call. A "
        "read after a write of one's own needs none. A status that another client asked for is not seen here.",
        status_first,
    ),
    Rule(
        "sync-changed",
        "Reads only the types that were changed",
        "warning",
        "kritisk-info.md section 4",
        "Calls for all records of a type after a status; failed by one for a type the status names no change of since "
        "the client read it.",
        only_changed,
    ),
    Rule(
        "sync-conflict",
        "Reads a record again after a conflict, before it writes",
        "error",
        "kritisk-info.md sections 3.1 and 4",
        "The next write to a record after 409; failed when the record was not read in between.",
        rereads_after_conflict,
    ),
)


def _patients(seen: Sequence[Seen]) -> Iterator[list[Seen]]:
    """The calls to the service, those of each patient together."""
    found: dict[str, list[Seen]] = defaultdict(list)
    for each in seen:
        if each.service == _SERVICE and each.patient is not None:
            found[each.patient].append(each)
    yield from found.values()


def _searches(seen: Sequence[Seen]) -> Iterator[tuple[list[Seen], Seen]]:
    """Calls for all records of a type that succeeded, each with the patient's calls before it."""
    for patient in _patients(seen):
        for place, each in enumerate(patient):
            if _act(each) == _SEARCH and each.status in _OK:
                yield patient[:place], each


def _since_read(before: Sequence[Seen], each: Seen) -> Sequence[Seen]:
    """The calls after the last read of the same type."""
    places = [place for place, other in enumerate(before) if _is_same_search(each, other)]
    return before[places[-1] + 1 :] if places else before


def _wrote(before: Sequence[Seen], each: Seen) -> bool:
    """Whether the client wrote, or tried to, since it last read the type."""
    return any(_type(other) == _type(each) and _act(other) in _WRITES for other in _since_read(before, each))


def _tells(each: Seen) -> bool:
    return each.operation == STATUS and each.status in _OK


def _is_same_search(each: Seen, other: Seen) -> bool:
    return other.operation == each.operation and other.status in _OK


def _last(before: Sequence[Seen], wanted: Callable[[Seen], bool]) -> Seen | None:
    return next((other for other in reversed(before) if wanted(other)), None)


def _changed(status: Seen, each: Seen) -> float | None:
    """When anything of the type was changed: the parts of a status begin with the name of their type."""
    start = _type(each).lower()
    return max((at for name, at in status.changed.items() if name.lower().startswith(start)), default=None)


def _type(each: Seen) -> str:
    return (each.operation or "").partition("/")[0]


def _act(each: Seen) -> str:
    return (each.operation or "").partition("/")[2]


def _record(each: Seen) -> str | None:
    """The record a write is about."""
    return each.path.partition("/_history/")[0] if _act(each) in _WRITES - {"create"} else None
