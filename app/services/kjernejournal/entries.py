"""A stored record as a line of the portal page: pure, from the JSON that every surface gives."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final

import orjson

from app.services.kjernejournal.port import CriticalInformation, Record

CRITICALITIES: Final = ("high", "low", "unable-to-assess")

_EXTENSIONS: Final = "http://nhn.no/kj/fhir/StructureDefinition/"
_ONSETS: Final = ("onsetDateTime", "onsetString", "performedDateTime", "performedString", "timingDateTime")
_RECORDED: Final = ("recordedDate", "recordedOn", "dateTime", "date")
_DAY: Final = 10  # characters
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T")
_WITH_CODE: Final = ("code", "policyRule")


@dataclass(frozen=True, slots=True)
class Entry:
    """One record; texts are empty where the record says nothing.

    ``state`` is active, refuted, inactive or expired; ``criticality`` is one of ``CRITICALITIES``, or empty.
    """

    id: str
    name: str
    text: str
    state: str
    details: tuple[str, ...]
    criticality: str
    onset: str
    recorded: str
    until: str
    source: str
    recorder: str
    note: str


def page_of(records: Sequence[Record], info: CriticalInformation, today: date) -> bytes:
    """The six groups, each with its entries in the order of ``records``, as JSON for the page."""
    groups: dict[str, list[Entry]] = {name: [] for name in info.groups}
    for record in records:
        kind = info.kind(record.type, record.category)
        groups[kind.group].append(entry_of(record, kind.name, today))
    return orjson.dumps(
        [{"group": name, "entries": [asdict(entry) for entry in found]} for name, found in groups.items()]
    )


def entry_of(record: Record, name: str, today: date) -> Entry:
    """The record as a line; ``name`` is that of its category."""
    resource = orjson.loads(record.body)
    return Entry(
        id=f"{record.type}/{record.id}",
        name=name,
        text=_what(resource) or name,
        state=_state(record, today),
        details=tuple(_details(resource)),
        criticality=next((each for each in CRITICALITIES if each == resource.get("criticality")), ""),
        onset=_day(_first(resource, _ONSETS)),
        recorded=_day(_first(resource, _RECORDED) or _first(_extensions(resource), ("KjRecordedDate",))),
        until=record.expires.isoformat() if record.expires is not None else "",
        source=_first(_extensions(resource), ("KjSourceOfInformation",)),
        recorder=_recorder(resource),
        note=_note(resource),
    )


def _state(record: Record, today: date) -> str:
    """A Consent never leaves active by expiry (ruling S23)."""
    past = record.expires is not None and record.expires <= today
    return "expired" if past and record.state == "active" and record.type != "Consent" else record.state


def _what(resource: Mapping[str, Any]) -> str:
    """What the record is about: its code, or that of its device."""
    for member in _WITH_CODE:
        if text := _concept(resource.get(member)):
            return text
    provision = resource.get("provision")
    if isinstance(provision, Mapping) and (text := _concept(_one(provision.get("code")))):
        return text
    for device in _contained(resource, "Device"):
        names = [each.get("name", "") for each in _list(device.get("deviceName")) if isinstance(each, Mapping)]
        if text := _concept(device.get("type")) or next(iter(names), ""):
            return text
    return ""


def _details(resource: Mapping[str, Any]) -> Iterator[str]:
    """Reactions, what was found at anaesthesia."""
    for reaction in _list(resource.get("reaction")):
        for each in _list(reaction.get("manifestation")) if isinstance(reaction, Mapping) else ():
            yield _concept(each)
    for evidence in _list(resource.get("evidence")):
        for each in _list(evidence.get("code")) if isinstance(evidence, Mapping) else ():
            yield _concept(each)


def _concept(value: object) -> str:
    """Its text, or the text of the coding the user chose, or of the first one."""
    if not isinstance(value, Mapping):
        return ""
    codings = [each for each in _list(value.get("coding")) if isinstance(each, Mapping)]
    codings.sort(key=lambda coding: coding.get("userSelected") is not True)
    shown = next((coding.get("display") or coding.get("code") for coding in codings), None)
    return str(value.get("text") or shown or "")


def _recorder(resource: Mapping[str, Any]) -> str:
    """The person and organisation that made the first version."""
    for role in _contained(resource, "PractitionerRole"):
        if role.get("id") == "recorderRef":
            named = [role.get(member) for member in ("practitioner", "organization")]
            return ", ".join(str(each["display"]) for each in named if isinstance(each, Mapping) and "display" in each)
    return ""


def _note(resource: Mapping[str, Any]) -> str:
    notes = [str(each["text"]) for each in _list(resource.get("note")) if isinstance(each, Mapping) and "text" in each]
    return "\n".join(notes) or _first(_extensions(resource), ("KjText",))


def _extensions(resource: Mapping[str, Any]) -> dict[str, str]:
    """The extensions of kjernejournal by their names, as text."""
    found = {}
    for extension in _list(resource.get("extension")):
        if not isinstance(extension, Mapping) or not str(extension.get("url", "")).startswith(_EXTENSIONS):
            continue
        value = next((each for name, each in extension.items() if name.startswith("value")), None)
        text = str(value.get("display") or value.get("code") or "") if isinstance(value, Mapping) else str(value or "")
        found[str(extension["url"]).removeprefix(_EXTENSIONS)] = text
    return found


def _contained(resource: Mapping[str, Any], type_: str) -> list[Mapping[str, Any]]:
    return [
        each
        for each in _list(resource.get("contained"))
        if isinstance(each, Mapping) and each.get("resourceType") == type_
    ]


def _first(place: Mapping[str, Any], names: Sequence[str]) -> str:
    return next((str(place[name]) for name in names if place.get(name)), "")


def _day(text: str) -> str:
    """The day of a date with its time; any other text as it is."""
    return text[:_DAY] if _TIME.match(text) else text


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _one(value: object) -> object:
    """The first of a list."""
    return next(iter(value), None) if isinstance(value, list) else value
