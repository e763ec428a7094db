"""What a privacy setting sent as JSON comes to: the settings to store, in whichever of the four forms it was sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from app import identity
from app.ids import derived_uuid
from app.sandboxes.forms import invalid
from app.sandboxes.registry import number
from app.sandboxes.setting_bodies import PatientPrivacy, PatientSafety, PvkPeriod, PvkSetting, ShortSetting, Subject
from app.sandboxes.state import SandboxState
from app.store import privacy, registers
from app.store.engine import Connection
from app.store.privacy import StoredSetting
from app.trust import privacy_forms
from app.trust.facts import Person, Setting, SettingKind
from app.trust.privacy_forms import CODES_9603, Pair, Period

AnyForm = ShortSetting | PvkSetting | PatientPrivacy | PatientSafety
_OSLO: Final = ZoneInfo("Europe/Oslo")


def put(conn: Connection, state: SandboxState, person: Person, body: AnyForm, now: float) -> list[StoredSetting]:
    """Store what ``body`` stands for. ``now`` is epoch seconds on the sandbox clock.

    A PVK body with ``aktiv`` false removes the setting. Raises ``Refusal`` with a pointer into the body.
    """
    change = _change(conn, state, person, body, now)
    return privacy.replace_settings(conn, state.id, person.id, change.base, change.settings, now)


def short(conn: Connection, state: SandboxState, body: ShortSetting) -> Setting:
    """The setting a body in the short form stands for; its id follows from what it is about."""
    subjects = [*_subjects(state, body.subjects)]
    if body.hpr_ref is not None:
        worker = registers.practitioner_by_id(conn, state.id, body.hpr_ref)
        if worker is None:
            raise invalid("/hprRef", "no practitioner has that id")
        subjects.append(("HPR", worker.hpr))
    if body.org_ref is not None:
        unit = registers.organisation_by_id(conn, state.id, body.org_ref)
        if unit is None:
            raise invalid("/orgRef", "no organisation has that id")
        subjects.append(("ORGNR", unit.orgnr))
    setting = Setting(
        id="",
        service=body.svc,
        kind=body.kind,
        subjects=frozenset(subjects),
        objects=frozenset(_pairs(body.objects)),
        level=body.level,
        code=body.code if body.module is None else body.module,
        until=_seconds(body.until),
        active_from=_seconds(body.from_),
        active_to=_seconds(body.to),
    )
    for kind, pointer, holds, text in _SHORT_RULES:
        if setting.kind is kind and not holds(setting):
            raise invalid(pointer, text)
    about = [f"{kind}={value}" for kind, value in (*sorted(setting.subjects), *sorted(setting.objects))]
    return replace(setting, id=derived_uuid("short", setting.service, setting.kind.value, setting.code or "", *about))


@dataclass(frozen=True, slots=True)
class Change:
    """What a body stands for: the settings that shall be all that is stored under ``base``."""

    base: str
    settings: tuple[Setting, ...]


def _change(
    conn: Connection,
    state: SandboxState,
    person: Person,
    body: AnyForm,
    now: float,
) -> Change:
    if isinstance(body, ShortSetting):
        setting = short(conn, state, body)
        return Change(setting.id, (setting,))
    if isinstance(body, PvkSetting):
        _same(conn, state, person, body.innbygger_fnr, "/innbyggerFnr")
        return _pvk(state, body)
    if isinstance(body, PatientPrivacy):
        _same(conn, state, person, body.off_id, "/offId")
        settings = privacy_forms.patient_privacy(
            body.privacy_type,
            body.privacy_level,
            body.restriction_domain,
            objects=_scope(body.object_scope.type, _pairs(body.object_scope.identifiers), "/objectScope"),
            subjects=_scope(body.subject_scope.type, _subjects(state, body.subject_scope.identifiers), "/subjectScope"),
            periods=[_period(each.from_, each.to) for each in body.time_scope],
        )
        return Change(settings[0].id, settings)
    about = body.patient_safety_object
    _same(conn, state, person, about.person.off_id, "/patientSafetyObject/person/offId")
    target = about.confidential_object_id
    safety = privacy_forms.patient_safety(
        body.confidentiality_code,
        (target.type, target.value),
        now,
        delay_days=body.delay_days,
        delay_until=_seconds(body.delay_delivery_until),
        delay_from=_seconds(body.delay_from_time),
    )
    return Change(safety.id, (safety,))


def _pvk(state: SandboxState, body: PvkSetting) -> Change:
    own = body.innbygger_metadata
    settings = privacy_forms.pvk(
        body.definisjon_guid,
        body.type_pi,
        body.aktiv,
        part=body.part_kode,
        actors=_subjects(state, own.aktorer),
        objects=_pairs(own.objekter),
        periods=[_days(each) for each in own.perioder],
    )
    return Change(body.definisjon_guid.lower(), settings)


_SHORT_RULES: Final[tuple[tuple[SettingKind, str, Callable[[Setting], bool], str], ...]] = (
    (
        SettingKind.SPECIFIC_BLOCK,
        "/subjects",
        lambda setting: bool(setting.subjects) and all(kind != "ORGNR" for kind, _ in setting.subjects),
        "a specific block names personnel by HPR or PID",
    ),
    (
        SettingKind.ORG_BLOCK,
        "/subjects",
        lambda setting: bool(setting.subjects) and all(kind == "ORGNR" for kind, _ in setting.subjects),
        "an organisation block names organisations by ORGNR",
    ),
    (
        SettingKind.GENERAL_BLOCK,
        "/subjects",
        lambda setting: not setting.subjects,
        "a general block is aimed at all personnel",
    ),
    (SettingKind.PTS_PRIVACY, "/level", lambda setting: setting.level is not None, "level must be Soft or Hard"),
    (
        SettingKind.PTS_SAFETY,
        "/code",
        lambda setting: setting.code in CODES_9603,
        "code must be a code of list 9603",
    ),
    (
        SettingKind.PTS_SAFETY,
        "/until",
        lambda setting: setting.code != "NORU" or setting.until is not None,
        "NORU needs until",
    ),
)


def _subjects(state: SandboxState, subjects: Sequence[Subject]) -> list[Pair]:
    return [_subject(state, each, f"/subjects/{place}") for place, each in enumerate(subjects)]


def _subject(state: SandboxState, subject: Subject, pointer: str) -> Pair:
    if subject.type == "PID":
        return "PID", number(state, subject.value, pointer).value
    if subject.type == "HPR" and not identity.is_hpr(subject.value):
        raise invalid(pointer, "an HPR number has 1-9 digits and no leading zero")
    if subject.type == "ORGNR" and not identity.is_orgnr(subject.value, docs_aliases=state.settings.docs_aliases):
        raise invalid(pointer, "the organisation number is not valid")
    return subject.type, subject.value


def _scope(kind: Literal["All", "Specified"], named: list[Pair], pointer: str) -> list[Pair]:
    if (kind == "Specified") != bool(named):
        raise invalid(pointer, "type Specified has identifiers, type All has none")
    return named


def _pairs(targets: Sequence[Any]) -> list[Pair]:
    return [(each.type, each.value) for each in targets]


def _same(conn: Connection, state: SandboxState, person: Person, sent: str, pointer: str) -> None:
    found = registers.person_by_nin(conn, state.id, number(state, sent, pointer).value)
    if found is None or found.id != person.id:
        raise invalid(pointer, "the number is not that of the person in the address")


def _period(start: datetime | None, end: datetime | None) -> Period:
    return _seconds(start), _seconds(end)


def _days(period: PvkPeriod) -> Period:
    after = None if period.til is None else period.til + timedelta(days=1)
    return _midnight(period.fra), _midnight(after)


def _midnight(day: date | None) -> float | None:
    return None if day is None else datetime.combine(day, time(), _OSLO).timestamp()


def _seconds(instant: datetime | None) -> float | None:
    return None if instant is None else instant.timestamp()
