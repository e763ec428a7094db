"""ResultItem → Observation: the tree of items, what links them, and the mapping of one (pps.md §9.3).

Physical nesting and RefIdResultItem both become ``hasMember``; an item that no other holds is top-level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app.services.provesvar import codes, status
from app.services.provesvar.fhirparts import PROFILE, Part, coding, compact, concept, extension, listed, quantity
from app.services.provesvar.fhirparts import text_of as _text
from app.services.provesvar.message import (
    Coded,
    DateValue,
    Hcp,
    IntervalValue,
    NumValue,
    Report,
    ResultItem,
    Sample,
    StructuredInfo,
    Svarrapport,
    TextValue,
)
from app.services.provesvar.times import When

UNSPECIFIED = "Uspesifisert undersøkelse"
HISTORY = "H"

COMPARATORS: Mapping[str, str] = MappingProxyType(
    {"": "", "EQ": "", "LT": "<", "LE": "<=", "GT": ">", "GE": ">=", "ML": "<", "MG": ">"}
)
"""8239 → Quantity.comparator. NE has no FHIR counterpart: such a result becomes text."""


@dataclass(frozen=True, slots=True)
class ItemNode:
    """An item with its place in the tree and what it takes from the item above when it says nothing itself."""

    index: int
    path: str
    item: ResultItem
    parent: int | None
    change: str
    samples: tuple[str, ...]
    performers: tuple[Hcp, ...]

    def effective(self, context: Context) -> When:
        """Collection date, else InvDate, else the report's IssueDate."""
        taken = next((s.taken for name in self.samples if (s := context.taken.get(name)) and s.taken), None)
        return taken or self.item.investigated or context.report.issued


@dataclass(frozen=True, slots=True)
class Linked:
    """All items in document order, the indexes of each one's members, and of all that are members.

    ``updates`` tells that some item is more than history.
    """

    nodes: tuple[ItemNode, ...]
    members: Mapping[int, tuple[int, ...]]
    held: frozenset[int]
    updates: bool

    @property
    def top(self) -> tuple[ItemNode, ...]:
        return tuple(node for node in self.nodes if node.index not in self.held)

    def reach(self, index: int) -> Iterator[int]:
        """``index`` and everything below it, each once, depth first."""
        seen: set[int] = set()
        waiting = [index]
        while waiting:
            current = waiting.pop()
            if current not in seen:
                seen.add(current)
                yield current
                waiting.extend(reversed(self.members.get(current, ())))


@dataclass(frozen=True, slots=True)
class Context:
    """What an Observation needs of the report it belongs to."""

    report: Report
    message: Svarrapport
    report_ref: Part
    subject: Part
    based_on: Part | None
    ids: Mapping[int, str]
    specimens: Mapping[str, Part]
    taken: Mapping[str, Sample]
    performer: Callable[[Iterable[Hcp | None]], Part | None]


def link(items: tuple[ResultItem, ...], report_change: str) -> Linked:
    """The items of a report with their links. References that go round in a circle are left out."""
    nodes = tuple(_nodes(items, report_change))
    nested = [(node.parent, node.index) for node in nodes if node.parent is not None]
    first: dict[str, int] = {}
    for node in nodes:
        if node.item.id:
            first.setdefault(node.item.id, node.index)
    referred = [(first[node.item.refers_to], node.index) for node in nodes if node.item.refers_to in first]
    circular = _circular([*nested, *referred])
    kept = [edge for edge in referred if not (edge[0] in circular and edge[1] in circular)]
    members: dict[int, list[int]] = {}
    for owner, member in [*nested, *kept]:
        members.setdefault(owner, []).append(member)
    frozen = MappingProxyType({owner: tuple(dict.fromkeys(held)) for owner, held in members.items()})
    held = frozenset(index for indexes in frozen.values() for index in indexes)
    return Linked(nodes, frozen, held, any(node.change != HISTORY for node in nodes))


def observation(node: ItemNode, linked: Linked, context: Context) -> Part:
    """The Observation of one item."""
    item = node.item
    is_top = node.index not in linked.held
    tags = _tags(linked.nodes[index].item for index in linked.reach(node.index)) if is_top else None
    code, notes = _code(item)
    performers = [context.performer((party,)) for party in node.performers] or [
        context.performer((context.report.related, context.report.provider))
    ]
    specimen = next((context.specimens[name] for name in node.samples if name in context.specimens), None)
    return compact(
        resourceType="Observation",
        id=context.ids[node.index],
        meta=compact(profile=[PROFILE + "observation"], tag=tags),
        extension=_extensions(node, linked, context),
        identifier=[{"system": "ResultItemId", "value": item.id}] if item.id else None,
        basedOn=listed([context.based_on]),
        status=status.item_status(item.status, node.change),
        category=listed([_category(item, context.report)]),
        code=code,
        subject=context.subject,
        effectiveDateTime=node.effective(context).text,
        issued=context.message.generated.instant,
        performer=listed(performers),
        **_value(item),
        interpretation=listed([concept([item.deviation], 8244)]),
        note=[{"text": text} for text in (*notes, item.comment) if text],
        method=concept([spec for investigation in item.investigations for spec in investigation.specs]),
        specimen=specimen,
        referenceRange=[{"text": text} for text in item.ranges],
        hasMember=[{"reference": f"Observation/{context.ids[m]}"} for m in linked.members.get(node.index, ())],
    )


def oldest(moments: Iterable[When]) -> When | None:
    return min(moments, key=lambda when: when.low, default=None)


def _nodes(items: tuple[ResultItem, ...], report_change: str) -> Iterator[ItemNode]:
    waiting: list[tuple[ResultItem, str, ItemNode | None]] = [
        (item, str(position), None) for position, item in reversed(list(enumerate(items)))
    ]
    index = 0
    while waiting:
        item, path, above = waiting.pop()
        node = ItemNode(
            index=index,
            path=path,
            item=item,
            parent=above.index if above is not None else None,
            change=item.change or (above.change if above is not None else report_change),
            samples=item.samples or (above.samples if above is not None else ()),
            performers=item.performers or (above.performers if above is not None else ()),
        )
        yield node
        index += 1
        waiting.extend((child, f"{path}.{i}", node) for i, child in reversed(list(enumerate(item.items))))


def _circular(edges: list[tuple[int, int]]) -> frozenset[int]:
    """The items on a circle, or between two: what is left when ends are taken away from both sides."""
    kept = _without_ends(edges)
    kept = _without_ends([(member, owner) for owner, member in kept])
    return frozenset(index for edge in kept for index in edge)


def _without_ends(edges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The edges that do not start, step by step, from an item nothing points to."""
    targets: dict[int, list[int]] = {}
    pointed: dict[int, int] = {}
    for owner, member in edges:
        targets.setdefault(owner, []).append(member)
        pointed[member] = pointed.get(member, 0) + 1
    waiting = [owner for owner in targets if not pointed.get(owner)]
    gone: set[int] = set()
    while waiting:
        owner = waiting.pop()
        gone.add(owner)
        for member in targets.get(owner, ()):
            pointed[member] -= 1
            if not pointed[member]:
                waiting.append(member)
    return [edge for edge in edges if edge[0] not in gone]


def _extensions(node: ItemNode, linked: Linked, context: Context) -> list[Part]:
    item = node.item
    # A repeat of the whole report is not history: only what stands unchanged beside an update (pps.md §9.5).
    history = True if node.change == HISTORY and linked.updates and item.id else None
    return listed(
        [
            extension("diagnostic-report-ref", valueReference=context.report_ref),
            extension("accredited", valueBoolean=item.accredited),
            extension("history", valueBoolean=history),
            extension("investigation-date", valueDateTime=_text(item.investigated)),
            extension("status-change-date", valueDateTime=_text(item.status_changed)),
            extension("counter-sign-date", valueDateTime=_text(item.counter_signed)),
            extension("medical-validation-date", valueDateTime=_text(item.validated)),
            extension("description-date", valueDateTime=_text(item.described)),
            *(_structured(info) for info in item.structured),
        ]
    )


def _structured(info: StructuredInfo) -> Part | None:
    parts = [
        extension("structured-info-type", valueCodeableConcept=concept([info.type])),
        *(extension("structured-info-text", valueString=text) for text in info.texts),
        *(extension("structured-info-integer", valueInteger=number) for number in info.integers),
        *(extension("structured-info-physical", valueQuantity=quantity(value)) for value in info.quantities),
        *(extension("structured-info-coded", valueCodeableConcept=concept([code])) for code in info.codes),
        *(extension("structured-info-boolean", valueBoolean=flag) for flag in info.booleans),
    ]
    return extension("structured-info", extension=listed(parts))


def _code(item: ResultItem) -> tuple[Part, tuple[str, ...]]:
    """Observation.code, and the investigation comments that did not fit in it."""
    found = concept([coded for investigation in item.investigations for coded in investigation.ids])
    comments = tuple(investigation.comment for investigation in item.investigations if investigation.comment)
    if found is not None:
        if "text" in found or not comments:
            return found, comments
        return {**found, "text": comments[0]}, comments[1:]
    heading = item.value.heading if isinstance(item.value, TextValue) else Coded()
    text = codes.display(8243, heading.code) or heading.display or UNSPECIFIED
    return {"text": text}, comments


def _value(item: ResultItem) -> Part:
    value = item.value
    if isinstance(value, NumValue):
        comparator = COMPARATORS.get(value.comparator)
        if comparator is not None:
            return {"valueQuantity": quantity(value.quantity, comparator)}
        sign = codes.display(8239, value.comparator) or value.comparator
        return {"valueCodeableConcept": {"text": f"{sign} {value.quantity.value} {value.quantity.unit}".rstrip()}}
    if isinstance(value, TextValue):
        return compact(valueCodeableConcept=_text_concept(value))
    if isinstance(value, IntervalValue):
        low, high = (quantity(end) if end is not None else None for end in (value.low, value.high))
        return compact(valueRange=compact(low=low, high=high))
    if isinstance(value, DateValue):
        return {"valueDateTime": value.when.text}
    return {}


def _text_concept(value: TextValue) -> Part | None:
    text = f"{value.text} {value.unit}".strip() if value.text else next((c.text for c in value.codes if c.text), "")
    return compact(coding=_text_codings(value), text=text) or None


def _text_codings(value: TextValue) -> list[Part]:
    return listed([coding(value.heading, 8243), *(coding(code) for code in value.codes)])


def _category(item: ResultItem, report: Report) -> Part | None:
    """The discipline: of a radiology code by its first letter, of a pathology code, else of the report."""
    lists = {codes.list_of(c.system): c.code for investigation in item.investigations for c in investigation.ids}
    radiology = lists.get(str(codes.NCRP), "")
    if radiology:
        found: str | None = "NUK" if radiology.startswith("T") else "RAD"
    elif lists.get("8219"):
        found = "PAT"
    else:
        found = codes.discipline(report.discipline.code)
    return concept([Coded(found)], 8202) if found else None


def _tags(items: Iterable[ResultItem]) -> list[Part]:
    """Every code of the items once: investigation, specification, value, heading."""
    found: dict[tuple[str, str], Part] = {}
    for item in items:
        parts = [coding(c) for investigation in item.investigations for c in (*investigation.ids, *investigation.specs)]
        if isinstance(item.value, TextValue):
            parts += _text_codings(item.value)
        for part in listed(parts):
            found.setdefault((part.get("system", ""), part["code"]), part)
    return list(found.values())
