"""What a record must be to be stored (kritisk-info.md §3.2 and §5, rulings S23 and S24).

Every rule raises the refusal of its row in the error table, with the FHIR path at fault; the first that is broken
counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from app.clock import DAY
from app.services.kritiskinfo import codes, elements, mapping
from app.services.kritiskinfo.categories import (
    CATEGORIES,
    DRUG_REACTION,
    INFECTION,
    LIMITED_TREATMENT,
    NO_RESUSCITATION,
    Category,
    row_of,
)
from app.services.kritiskinfo.categories import category as row_at
from app.services.kritiskinfo.elements import Json, Person
from app.services.kritiskinfo.errors import rule
from app.services.kritiskinfo.records import Draft, Record, State, today
from app.services.kritiskinfo.status import instant

MAX_NOTE: Final = 500
MAX_REASON: Final = 80
"""Characters, line breaks counted."""

_YEAR: Final = 365.25 * DAY
_DOCTOR: Final = "LE"

Note = Callable[[str, str], None]
"""Takes a finding: its code and text."""


@dataclass(frozen=True, slots=True)
class Context:
    """Who writes about whom, and when: ``now`` in epoch seconds on the sandbox clock, ``born`` likewise.

    ``is_patient`` tells whether a national number is the patient's; ``organisations`` are those of the token.
    """

    now: float
    born: float | None
    is_patient: Callable[[str], bool]
    hpr: str | None
    role: str | None
    organisations: frozenset[str]
    note: Note


def new(resource: Json, context: Context) -> Draft:
    """The draft of a record that is created. Raises ``Refusal(CONTENT_INVALID)``."""
    type_ = resource["resourceType"]
    row, state = _category(resource), _state(resource)
    recorder = _recorder(resource)
    if recorder.hpr != context.hpr:
        raise rule("the recorder must be the health worker of the token", f"{type_}.contained")
    _check_content(resource, row, context, frozenset())
    content = _with_recorded(mapping.stored(resource), instant(context.now))
    content["contained"] = [each for each in content["contained"] if each.get("id") != elements.UPDATER_ID]
    _note_doctor_only(row, resource, context)
    if recorder.organisation not in context.organisations:
        context.note("ORG", "the recorder's organisation is not one of the token's")
    return _draft(content, row, state)


def changed(resource: Json, context: Context, before: Record) -> Draft:
    """The draft of the next version of ``before``. Raises ``Refusal(CONTENT_INVALID)``."""
    type_, old = resource["resourceType"], orjson.loads(before.body)
    row, state = _category(resource), _state(resource)
    if row != row_at(type_, before.category):
        raise rule("the category of a record cannot be changed", f"{type_}.category")
    if _recorder(resource) != elements.person(elements.contained(old, elements.RECORDER_ID)):
        raise rule("the recorder of a record cannot be changed", f"{type_}.contained")
    updater = elements.person(elements.contained(resource, elements.UPDATER_ID))
    if updater is None:
        raise rule(f"a change needs a contained {elements.UPDATER_ID}", f"{type_}.contained")
    if updater.hpr != context.hpr:
        raise rule("the updater must be the health worker of the token", f"{type_}.contained")
    if row.code == INFECTION and codes.chosen(resource.get("code")) != codes.chosen(old.get("code")):
        raise rule("the infection of a record cannot be changed", f"{type_}.code")
    _check_recorded(resource, old)
    _check_content(resource, row, context, codes.coded(old))
    content = _with_recorded(mapping.stored(resource), elements.recorded(old) or instant(context.now))
    kept = elements.contained(old, elements.RECORDER_ID)
    content["contained"] = [kept if each.get("id") == elements.RECORDER_ID else each for each in content["contained"]]
    _note_doctor_only(row, resource, context)
    return _draft(_with_updated(content, old, context), row, state)


def read_version(resource: Json, id_: str) -> int:
    """The version that a changed record was read in. Raises ``Refusal(CONTENT_INVALID)`` (ruling S24)."""
    type_, meta = resource["resourceType"], resource.get("meta")
    if resource.get("id") != id_:
        raise rule("the id must be that of the address", f"{type_}.id")
    stated = meta.get("versionId") if isinstance(meta, Mapping) else None
    if not isinstance(stated, str) or not stated.isascii() or not stated.isdigit() or len(stated) > 9:
        raise rule("a change needs the version that was read", f"{type_}.meta.versionId")
    return int(stated)


# the category and the status


def _category(resource: Json) -> Category:
    type_, meta = resource["resourceType"], resource.get("meta")
    stated = meta.get("profile") if isinstance(meta, Mapping) else None
    known = {url for row in CATEGORIES if row.type == type_ for url in row.profiles}
    if not isinstance(stated, list) or len(stated) != 1 or stated[0] not in known:
        raise rule(f"exactly one profile of {type_} must be named", f"{type_}.meta.profile")
    try:
        return row_of(resource)
    except ValueError as error:
        raise rule(str(error), f"{type_}.category") from None


_STATES: Final[Mapping[str, Mapping[str, State]]] = {
    "Procedure": {"in-progress": "active", "completed": "refuted"},
    "DeviceUseStatement": {"active": "active", "completed": "refuted"},
    "Flag": {"active": "active", "inactive": "refuted"},
    "Consent": {"active": "active", "inactive": "refuted"},
}
_CONDITION_STATES: Final[Mapping[tuple[str, str], State]] = {
    ("active", "confirmed"): "active",
    ("inactive", "refuted"): "refuted",
}
_ALLERGY_STATES: Final[Mapping[tuple[str, str], State]] = {
    **_CONDITION_STATES,
    ("active", "unconfirmed"): "active",
}
_CRITICALITY: Final = frozenset({"high", "low", "unable-to-assess"})


def _state(resource: Json) -> State:
    """The state that the status elements say, in the combinations of section 5.1."""
    type_ = resource["resourceType"]
    if type_ in _STATES:
        return _known(_STATES[type_].get(str(resource.get("status"))), resource.get("status"), f"{type_}.status")
    if resource.get("criticality") is not None and resource["criticality"] not in _CRITICALITY:
        raise rule(f"criticality must be one of {', '.join(sorted(_CRITICALITY))}", f"{type_}.criticality")
    clinical, verification = _only(resource.get("clinicalStatus")), _only(resource.get("verificationStatus"))
    if type_ == "AllergyIntolerance":
        if elements.value(resource.get("verificationStatus"), elements.PRESUMED) is True and not verification:
            verification = "unconfirmed"
        found = _ALLERGY_STATES.get((clinical, verification))
    else:
        found = _CONDITION_STATES.get((clinical, verification))
    return _known(found, verification, f"{type_}.verificationStatus")


def _known(found: State | None, stated: object, path: str) -> State:
    if stated == "entered-in-error":
        raise rule("a record entered in error is deleted with DELETE", path)
    if found is None:
        raise rule("the status is not one a record of this kind may have", path)
    return found


def _only(concept: object) -> str:
    found = elements.codes(concept)
    return next(iter(found)) if len(found) == 1 else ""


# persons and the patient


def _recorder(resource: Json) -> Person:
    type_ = resource["resourceType"]
    element = elements.RECORDER_ELEMENT[type_]
    stated = resource.get(element)
    reference = stated[0] if isinstance(stated, list) and stated else stated
    if not isinstance(reference, Mapping) or reference.get("reference") != f"#{elements.RECORDER_ID}":
        raise rule(f"the recorder must be the contained {elements.RECORDER_ID}", f"{type_}.{element}")
    for each in elements.all_contained(resource):
        wanted = "PractitionerRole" if each.get("id") in _ROLES else "Device"
        if each.get("resourceType") != wanted or (wanted == "Device" and type_ != "DeviceUseStatement"):
            raise rule("only persons, and the device of a DeviceUseStatement, are contained", f"{type_}.contained")
    found = elements.person(elements.contained(resource, elements.RECORDER_ID))
    if found is None or found.hpr is None:
        raise rule(f"a contained {elements.RECORDER_ID} with an HPR number is needed", f"{type_}.contained")
    return found


_ROLES: Final = (elements.RECORDER_ID, elements.UPDATER_ID)


def _check_patient(resource: Json, context: Context) -> None:
    type_ = resource["resourceType"]
    element = elements.PATIENT_ELEMENT[type_]
    stated = elements.number(resource.get(element))
    if stated is None or not context.is_patient(stated):
        raise rule("the patient must be the one of the header", f"{type_}.{element}")


# content


def _check_content(resource: Json, row: Category, context: Context, kept: frozenset[codes.Coded]) -> None:
    type_ = resource["resourceType"]
    _check_patient(resource, context)
    _check_times(resource, context)
    _check_lengths(resource)
    _check_needed(resource, row)
    for path in sorted(set(codes.check(resource, today(context.now), kept))):
        context.note("DISPLAY", f"{path}: a display should be sent with system and code")
    codes.check_inactive_ingredient(resource.get("code"), f"{type_}.code")
    if row.code == INFECTION and resource["code"].get("text"):
        context.note("TEXT", f"{type_}.code.text should not be sent for an infection")


def _check_needed(resource: Json, row: Category) -> None:
    """What the form of the category cannot be without."""
    type_ = resource["resourceType"]
    if type_ in ("AllergyIntolerance", "Condition", "Procedure", "Flag") and not elements.codings(resource.get("code")):
        raise rule("a coding is needed", f"{type_}.code")
    if row.code in (3, 4) and codes.chosen(resource["code"]) != (codes.SYSTEM_BASE + _CATEGORIES, str(row.code)):
        raise rule("the code must be that of the category", f"{type_}.code")
    if type_ == "DeviceUseStatement":
        device = next((each for each in elements.all_contained(resource) if each["resourceType"] == "Device"), None)
        if device is None or not elements.codings(device.get("type")):
            raise rule("a contained Device with a coded type is needed", f"{type_}.device")
    if type_ == "Consent":
        _check_consent(resource, row)
    stated = elements.extension(resource, elements.SOURCE_OF_INFORMATION)
    if stated is not None and codes.pair(stated.get("valueCoding") or {})[0] != codes.SOURCES:
        raise rule("the source of information must be of its own list", f"{type_}.extension", "code")


_CATEGORIES: Final = "CategoryOfCriticalInformation"
_CONSENTS: Final[Mapping[int, tuple[str, str]]] = {
    LIMITED_TREATMENT: ("adr", "1"),
    NO_RESUSCITATION: ("treatment", "2"),
}
"""Scope and policy rule of each category of consent."""


def _check_consent(resource: Json, row: Category) -> None:
    scope, policy_rule = _CONSENTS[row.code]
    if _only(resource.get("scope")) != scope:
        raise rule(f"the scope of category {row.code} is {scope}", "Consent.scope")
    if _only(resource.get("policyRule")) != policy_rule:
        raise rule(f"the policy rule of category {row.code} is {policy_rule}", "Consent.policyRule")
    if row.code == LIMITED_TREATMENT and elements.expires(resource) is None:
        raise rule(f"category {row.code} needs {elements.VALID_UNTIL}", "Consent.extension")


def _check_lengths(resource: Json) -> None:
    type_, notes = resource["resourceType"], resource.get("note")
    for note in notes if isinstance(notes, list) else []:
        _check_length(note.get("text"), MAX_NOTE, f"{type_}.note")
    _check_length(elements.value(resource, elements.TEXT), MAX_NOTE, f"{type_}.extension")
    _check_length(elements.value(resource, elements.NO_RESUSCITATION_REASON), MAX_REASON, f"{type_}.extension")


def _check_length(text: object, longest: int, path: str) -> None:
    if isinstance(text, str) and len(text) > longest:
        raise rule(f"Invalid element content - max: {longest}", path)


# times


def _check_times(resource: Json, context: Context) -> None:
    """Onset and performance between birth and now; made and changed not in the future."""
    type_ = resource["resourceType"]
    for name in ("onset", "performed"):
        if f"{name}DateTime" in resource:
            _check_lifetime(resource[f"{name}DateTime"], f"{type_}.{name}", context)
        period = resource.get(f"{name}Period")
        if isinstance(period, Mapping) and "start" in period:
            _check_lifetime(period["start"], f"{type_}.{name}", context)
        _check_age(resource.get(f"{name}Age"), f"{type_}.{name}", context)
    for path, stated in (
        (_recorded_path(type_), elements.recorded(resource)),
        (f"{type_}.extension", elements.value(resource, elements.UPDATED)),
    ):
        if stated is not None:
            _check_past(stated, path, context)


def _recorded_path(type_: str) -> str:
    return f"{type_}.{elements.RECORDED_ELEMENT.get(type_, 'extension')}"


def _check_past(stated: object, path: str, context: Context) -> None:
    found = elements.interval(stated)
    if found is None or found.low > context.now:
        raise rule("the time must be one that has been", path)


def _check_lifetime(stated: object, path: str, context: Context) -> None:
    _check_past(stated, path, context)
    found = elements.interval(stated)
    if found is not None and context.born is not None and found.high <= context.born:
        raise rule("the time must not be before the patient's birth", path)


def _check_age(stated: object, path: str, context: Context) -> None:
    if not isinstance(stated, Mapping):
        return
    years = stated.get("value")
    unit = {str(stated.get("code")), str(stated.get("unit"))}
    if isinstance(years, bool) or not isinstance(years, int | float) or unit.isdisjoint({"a", "year", "years", "år"}):
        raise rule("an age is a number of years", path)
    if years < 0 or (context.born is not None and years * _YEAR > context.now - context.born + DAY):
        raise rule("the age must be between 0 and the patient's age", path)


def _check_recorded(resource: Json, old: Json) -> None:
    stated, kept = elements.interval(elements.recorded(resource)), elements.interval(elements.recorded(old))
    if stated is not None and kept is not None and stated.low != kept.low:
        raise rule("when a record was made cannot be changed", _recorded_path(resource["resourceType"]))


# what the service adds


def _with_recorded(content: dict[str, Any], when: str) -> dict[str, Any]:
    """When it was made: as sent, else ``when``."""
    type_ = content["resourceType"]
    element = elements.RECORDED_ELEMENT.get(type_)
    if element is not None:
        return {**content, element: content.get(element, when)}
    if type_ == "Procedure" and elements.recorded(content) is None:
        return _with_time(content, elements.RECORDED, when)
    return content


def _with_updated(content: dict[str, Any], old: Json, context: Context) -> dict[str, Any]:
    """When it was changed: as sent, if not before the change before, else now."""
    stated = elements.value(content, elements.UPDATED)
    if stated is None:
        return _with_time(content, elements.UPDATED, instant(context.now))
    last = elements.value(old, elements.UPDATED) or elements.recorded(old)
    found, before = elements.interval(stated), elements.interval(last)
    if found is not None and before is not None and found.high <= before.low:
        raise rule("the change must not be before the change before", f"{content['resourceType']}.extension")
    return content


def _with_time(content: dict[str, Any], name: str, when: str) -> dict[str, Any]:
    added = {"url": elements.url(name), "valueDateTime": when}
    return {**content, "extension": [*content.get("extension", ()), added]}


def _draft(content: dict[str, Any], row: Category, state: State) -> Draft:
    if row.code == INFECTION:
        content = mapping.with_infection_guide(content)
    return Draft(row.type, row.code, state, elements.expires(content), content)


def _note_doctor_only(row: Category, resource: Json, context: Context) -> None:
    """Only doctors confirm a drug reaction or limit treatment; others are only noted (kritisk-info.md §6.3)."""
    confirmed = _only(resource.get("verificationStatus")) == "confirmed"
    theirs = row.type == "Consent" or (row.code == DRUG_REACTION and confirmed)
    if theirs and context.role != _DOCTOR:
        context.note("ROLE", "only a doctor should record this")


def birth(birth_date: str | None) -> float | None:
    """The start of the day of birth, in epoch seconds."""
    found = elements.interval(birth_date)
    return None if found is None else found.low
