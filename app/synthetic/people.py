"""People, health workers and organisations that do not exist, with the settings their stories need.

The numbers never change; what depends on the day moves with the time of seeding (ruling R49).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

from app.store import privacy, registers
from app.store.engine import Connection
from app.trust.facts import OrganisationRecord, Person, PractitionerRecord, Setting, SettingKind
from app.trust.privacy_forms import NEVER

Refs = tuple[tuple[str, str], ...]

_DAY: Final = 86_400.0
_NO_REFS: Final[Mapping[str, Refs]] = MappingProxyType({})


def seed_people(conn: Connection, sandbox: str, now: float, report_refs: Mapping[str, Refs] = _NO_REFS) -> None:
    """Put everybody into the sandbox. ``now`` is epoch seconds on its clock.

    ``report_refs`` gives, for each person with a setting about single reports (P19, P20, P23), the
    objects it is about, e.g. ``{"P23": (("Svarrapport", "<id>"),)}``; without it such a setting is left out.
    """
    for unit in organisations():
        registers.put_organisation(conn, sandbox, unit)
    for worker in practitioners():
        registers.put_practitioner(conn, sandbox, worker)
    for entry in _load("sandbox-patients", "patients"):
        person = _person(entry, now)
        previous = [entry["previousIdentifier"]["value"]] if "previousIdentifier" in entry else []
        registers.put_person(conn, sandbox, person, previous=previous)
        for setting in _settings(entry, now, report_refs.get(person.id, ())):
            privacy.put_setting(conn, sandbox, person.id, setting, now)


def persons(now: float) -> tuple[Person, ...]:
    """The patients as they are when seeded at ``now``."""
    return tuple(_person(entry, now) for entry in _load("sandbox-patients", "patients"))


def practitioners() -> tuple[PractitionerRecord, ...]:
    """The health workers; one whose authorisation is withdrawn holds no code (G-38)."""
    return tuple(
        PractitionerRecord(
            id=entry["id"],
            hpr=entry["hprNumber"],
            pid=entry["nin"],
            authorizations=frozenset(
                {entry["authorization"]["code"]} if entry["authorization"].get("active", True) else ()
            ),
            given=entry["given"],
            family=entry["family"],
        )
        for entry in _load("sandbox-practitioners", "practitioners")
    )


def organisations() -> tuple[OrganisationRecord, ...]:
    """The organisations, with those that have delegated to a supplier."""
    number = _orgnrs()
    return tuple(
        OrganisationRecord(
            id=entry["id"],
            orgnr=entry["orgnr"],
            name=entry["name"],
            parent_orgnr=number.get(entry["parent"] or ""),
            kind=entry["kind"],
            delegated_by=frozenset(number[each] for each in entry.get("delegatedBy", ())),
            her_id=_text(entry.get("herId")),
            resh_id=_text(entry.get("reshId")),
            kj_access=entry.get("kjAccess", True),
        )
        for entry in _load("sandbox-organizations", "organizations")
    )


def _person(entry: Mapping[str, Any], now: float) -> Person:
    extra: dict[str, object] = {"scenario": entry["scenario"]}
    if entry.get("ownEntries"):
        extra["own_entries"] = True
    if "gp" in entry:
        extra["gp_hpr"] = _hprs()[entry["gp"]]
    return Person(
        id=entry["id"],
        nin=entry["identifier"]["value"],
        nin_system=entry["identifier"]["system"],
        birth_date=_birth_date(entry, now),
        gender=entry["gender"],
        address_protection=entry.get("addressProtection", "Unclassified"),
        status=entry.get("personStatus", "Unknown"),
        deceased_date=entry.get("deceasedDate"),
        parents=frozenset(entry.get("parents", ())),
        address_group=entry.get("addressGroup"),
        guardian=entry.get("guardian"),
        fullmakt_to=frozenset(entry.get("fullmaktTo", ())),
        youth_consent=entry.get("youthConsent", False),
        given=entry["given"],
        family=entry["family"],
        municipality=entry.get("municipality"),
        extra=MappingProxyType(extra),
    )


def _birth_date(entry: Mapping[str, Any], now: float) -> str | None:
    stated: str | None = entry["birthDate"]
    age: int | None = entry.get("referenceAge")
    if stated is None or age is None:
        return stated
    today = datetime.fromtimestamp(now, UTC).date()
    born = date.fromisoformat(stated)
    still_to_come = (born.month, born.day) > (today.month, today.day)
    return born.replace(year=today.year - age - still_to_come).isoformat()


def _settings(entry: Mapping[str, Any], now: float, refs: Refs) -> list[Setting]:
    made = [_plain(each) for each in entry.get("settings", ())]
    made += [_privacy(each, refs) for each in entry.get("pts", ()) if each["privacyType"] == "Block" or refs]
    made += [_safety(each, now, refs) for each in entry.get("safety", ()) if refs]
    return made


def _plain(entry: Mapping[str, Any]) -> Setting:
    kind = SettingKind(entry["kind"])
    who = (("HPR", "hprRef", _hprs), ("ORGNR", "orgRef", _orgnrs))
    subjects = frozenset((name, numbers()[entry[ref]]) for name, ref, numbers in who if ref in entry)
    return Setting(
        id=f"{entry['svc']}-{kind.value}".lower().replace("_", "-"),
        service=entry["svc"],
        kind=kind,
        subjects=subjects,
        code=entry.get("module"),
    )


def _privacy(entry: Mapping[str, Any], refs: Refs) -> Setting:
    return Setting(
        id="pps-pts-privacy",
        service="PPS",
        kind=SettingKind.PTS_PRIVACY,
        objects=frozenset(refs if entry["privacyType"] == "Shield" else ()),
        level=entry["privacyLevel"],
        code=entry["privacyType"],
    )


def _safety(entry: Mapping[str, Any], now: float, refs: Refs) -> Setting:
    days = entry.get("delayDays")
    return Setting(
        id="pps-pts-safety",
        service="PPS",
        kind=SettingKind.PTS_SAFETY,
        objects=frozenset(refs),
        code=entry["code"],
        until=NEVER if days is None else now + days * _DAY,
    )


def _hprs() -> Mapping[str, str]:
    return {entry["id"]: entry["hprNumber"] for entry in _load("sandbox-practitioners", "practitioners")}


def _orgnrs() -> Mapping[str, str]:
    return {entry["id"]: entry["orgnr"] for entry in _load("sandbox-organizations", "organizations")}


def _text(value: object) -> str | None:
    return None if value is None else str(value)


@cache
def _load(name: str, member: str) -> Sequence[Mapping[str, Any]]:
    source = resources.files(__package__) / "persons" / f"{name}.json"
    entries: Sequence[Mapping[str, Any]] = json.loads(source.read_text("utf-8"))[member]
    return entries
