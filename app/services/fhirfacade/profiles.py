"""The profiles a resource follows, and the sections of a summary: data, from ``profiles.json`` (ruling S17).

A profile is claimed only of a resource that has what the profile demands, so that no answer says more than it holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

import orjson

Json = Mapping[str, Any]

_CHOICE: Final = "[x]"


@dataclass(frozen=True, slots=True)
class Profile:
    """What a type must have: paths that are there, that stand once only, and the system a path's codings have."""

    type: str
    url: str | None
    origin: str
    mandatory: tuple[str, ...]
    single: tuple[str, ...]
    system: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the summary by its LOINC code; ``holds`` are resource types, none where no source is built."""

    code: str
    title: str
    holds: tuple[str, ...]


def claimed(resource: Json) -> list[str]:
    """The URLs of the profiles that the resource has everything for."""
    return [
        profile.url for profile in of_type(resource["resourceType"]) if profile.url and not lacking(resource, profile)
    ]


def of_type(type_: str) -> Sequence[Profile]:
    return _BY_TYPE.get(type_, ())


def lacking(resource: Json, profile: Profile) -> list[str]:
    """The paths of ``profile`` that the resource does not keep to."""
    missing = [path for path in profile.mandatory if not _present(resource, path.split("."))]
    crowded = [path for path in profile.single if any(count > 1 for count in _counts(resource, path.split(".")))]
    foreign = [
        path
        for path, system in profile.system.items()
        if any(coding.get("system") != system for coding in _at(resource, path.split(".")))
    ]
    return missing + crowded + foreign


def _present(element: Any, path: Sequence[str]) -> bool:
    """Whether the path leads somewhere from every element it passes."""
    if not path:
        return True
    if isinstance(element, list):
        return bool(element) and all(_present(each, path) for each in element)
    if not isinstance(element, Mapping):
        return False
    if path[0].endswith(_CHOICE):
        stem = path[0].removesuffix(_CHOICE)
        return any(name.removeprefix("_").startswith(stem) for name in element)
    found = element.get(path[0])
    return found not in (None, [], {}, "") and (len(path) == 1 or _present(found, path[1:]))


def _counts(element: Any, path: Sequence[str]) -> Iterator[int]:
    """How often the last element of the path stands, at each place it can."""
    for each in element if isinstance(element, list) else [element]:
        found = each.get(path[0]) if isinstance(each, Mapping) else None
        if len(path) > 1:
            yield from _counts(found, path[1:])
        elif found is not None:
            yield len(found) if isinstance(found, list) else 1


def _at(element: Any, path: Sequence[str]) -> Iterator[Json]:
    for each in element if isinstance(element, list) else [element]:
        if not path:
            yield each
        elif isinstance(each, Mapping) and path[0] in each:
            yield from _at(each[path[0]], path[1:])


def _profile(entry: Json) -> Profile:
    return Profile(
        entry["type"],
        entry["url"],
        entry["origin"],
        tuple(entry["mandatory"]),
        tuple(entry.get("single", ())),
        MappingProxyType(entry.get("system", {})),
    )


_DATA: Final = orjson.loads(files(__package__).joinpath("profiles.json").read_bytes())
PROFILES: Final = tuple(_profile(entry) for entry in _DATA["profiles"])
SECTIONS: Final = tuple(Section(each["code"], each["title"], tuple(each["holds"])) for each in _DATA["sections"])
_BY_TYPE: Final[Mapping[str, Sequence[Profile]]] = MappingProxyType(
    {type_: [row for row in PROFILES if row.type == type_] for type_ in {row.type for row in PROFILES}}
)
