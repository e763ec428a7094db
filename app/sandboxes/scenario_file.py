"""Scenario files read: YAML with JSON's scalars, bounded, and every fault told with its pointer and its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml
from pydantic import ValidationError

from app.errors import Reason, Refusal
from app.sandboxes.forms import pointer_to
from app.sandboxes.scenario import Scenario

LARGEST: Final = 262_144
_DEEPEST: Final = 40
_MOST_EVENTS: Final = 50_000
_WHOLE: Final = r"^-?(?:0|[1-9][0-9]{0,17})"
_BRANCHES: Final = frozenset({"constrained-str", "str", "Texts", "dict[str,any]", "list[dict[str,any]]"})
"""What pydantic calls the alternatives of a scenario's unions; they are not in the file."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in a scenario: where, as a JSON pointer, and on which line of the file when it came as one."""

    pointer: str
    detail: str
    line: int | None = None

    def told(self) -> str:
        """The fault in one line."""
        line = f"line {self.line}: " if self.line is not None else ""
        return f"{line}{self.pointer or '/'}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Document:
    """A file as read: its content, and the line each JSON pointer of it begins on."""

    content: Any
    lines: Mapping[str, int]

    def at(self, pointer: str, detail: str) -> Fault:
        """The fault with its line: that of the nearest place above it which stands in the file."""
        place = pointer
        while place and place not in self.lines:
            place = place.rpartition("/")[0]
        return Fault(pointer, detail, self.lines.get(place))


def read_yaml(text: str) -> Document:
    """A YAML (or JSON) document. Raises ``Refusal(CONTENT_INVALID)`` with ``pointer`` and, where known, ``line``.

    Only what JSON knows is read: days and times stay texts, ``yes`` is no truth value. Aliases are refused, for with
    them a page of text can stand for more than any memory holds.
    """
    if len(text.encode()) > LARGEST:
        raise _unreadable(f"a scenario has at most {LARGEST} bytes")
    try:
        _guard(text)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            lines = dict(_places(node)) if node is not None else {}
            return Document(loader.construct_document(node) if node is not None else None, lines)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "the text is not YAML"
        raise _unreadable(str(what), None if mark is None else mark.line + 1) from None


def faults_in(content: object) -> tuple[Scenario | None, list[Fault]]:
    """The scenario, or everything that its own form says is wrong with it."""
    if _too_deep(content):
        return None, [Fault("", "the document is too deep")]
    try:
        return Scenario.model_validate(content), []
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        return None, [Fault(pointer_to(_kept(each["loc"])), str(each["msg"])) for each in errors]


def fault_of(refusal: Refusal) -> Fault:
    """A refusal of ``read_yaml``, or of loading, as a fault."""
    line = refusal.extra.get("line")
    return Fault(refusal.extra.get("pointer", ""), refusal.detail, None if line is None else int(line))


class _Loader(yaml.SafeLoader):
    """Safe YAML with JSON's scalars."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:null", r"^(?:~|null|)$", ["~", "n", ""]),
    ("tag:yaml.org,2002:bool", r"^(?:true|false)$", ["t", "f"]),
    ("tag:yaml.org,2002:int", _WHOLE + "$", list("-0123456789")),
    (
        "tag:yaml.org,2002:float",
        _WHOLE + r"(?:\.[0-9]{1,18})?(?:[eE][-+]?[0-9]{1,2})?$",
        list("-0123456789"),
    ),
):
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), _first)


def _guard(text: str) -> None:
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_Loader)):
        line = None if event.start_mark is None else event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise _unreadable("aliases are not used in scenarios", line)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST or count > _MOST_EVENTS:
            raise _unreadable("the document is too deep or has too many parts", line)


def _too_deep(content: object) -> bool:
    layer, depth = [content], 0
    while layer and depth <= _DEEPEST:
        layer = [
            inner
            for each in layer
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        depth += 1
    return bool(layer)


def _places(node: yaml.Node, pointer: str = "") -> Iterator[tuple[str, int]]:
    yield pointer, node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for place, item in enumerate(node.value):
            yield from _places(item, f"{pointer}/{place}")
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise _unreadable("the name of a member is a text", line, pointer)
            below = f"{pointer}/{key.value.replace('~', '~0').replace('/', '~1')}"
            if key.value in seen:
                raise _unreadable("the member stands here twice", line, below)
            seen.add(key.value)
            yield from _places(value, below)
            yield below, line


def _unreadable(text: str, line: int | None = None, pointer: str = "") -> Refusal:
    extra = {"pointer": pointer} | ({} if line is None else {"line": str(line)})
    return Refusal(Reason.CONTENT_INVALID, text, extra=extra)


def _kept(path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """A path without the names pydantic gives the branches of a union of texts."""
    return tuple(part for part in path if part not in _BRANCHES)
