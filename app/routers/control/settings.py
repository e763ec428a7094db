"""``/persons/{id}/settings``: privacy settings in the sandbox's short form and in those of PVK and PTS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response

from app import identity
from app.clock import rfc3339
from app.core import Core
from app.errors import Reason, Refusal
from app.ids import derived_uuid
from app.routers.common import trail_of
from app.routers.control.bodies import (
    AnySetting,
    PatientPrivacy,
    PatientSafety,
    PvkPeriod,
    PvkSetting,
    ShortSetting,
    Subject,
)
from app.routers.control.people import PersonId, number, required
from app.routers.control.problems import limited_route, responses
from app.sandboxes.state import SandboxState
from app.store import privacy, registers
from app.store.engine import Connection
from app.store.privacy import StoredSetting
from app.trust import privacy_forms
from app.trust.facts import Person, Setting, SettingKind
from app.trust.privacy_forms import CODES_9603, Pair, Period

_OSLO: Final = ZoneInfo("Europe/Oslo")


@dataclass(frozen=True, slots=True)
class _Change:
    """What a body stands for: the settings that shall be all that is stored under ``base``."""

    base: str
    settings: tuple[Setting, ...]


def routes(core: Core) -> APIRouter:
    """Read, add, replace and remove the settings of a person."""
    router = APIRouter(route_class=limited_route(core.settings.max_body_bytes), tags=["settings"])

    @router.get("/persons/{person_id}/settings", summary="A person's settings", responses=responses(404))
    async def list_settings(request: Request, person_id: PersonId) -> dict[str, Any]:
        call = trail_of(request).call

        def read(conn: Connection) -> list[StoredSetting]:
            required(conn, call.sandbox.id, person_id)
            return privacy.settings_of(conn, call.sandbox.id, person_id)

        found = await core.store.read(read)
        return {"settings": [_shown(each, call.moment.sandbox) for each in found]}

    @router.post(
        "/persons/{person_id}/settings",
        status_code=201,
        summary="Set what a body in the short form, or that of PVK or PTS, stands for",
        description="A PVK body with `aktiv` false removes the setting. The same rule sent again replaces itself.",
        responses=responses(400, 404),
    )
    async def add_setting(request: Request, person_id: PersonId, body: AnySetting) -> dict[str, Any]:
        call = trail_of(request).call
        now = call.moment.sandbox

        def write(conn: Connection) -> list[StoredSetting]:
            person = required(conn, call.sandbox.id, person_id)
            change = _change(conn, call.sandbox, person, body, now)
            return privacy.replace_settings(conn, call.sandbox.id, person_id, change.base, change.settings, now)

        stored = await core.store.write(write)
        return {"settings": [_shown(each, now) for each in stored]}

    @router.get("/persons/{person_id}/settings/{sid}", summary="One setting", responses=responses(404))
    async def get_setting(request: Request, person_id: PersonId, sid: str) -> dict[str, Any]:
        call = trail_of(request).call
        found = await core.store.read(lambda conn: privacy.settings_of(conn, call.sandbox.id, person_id))
        for each in found:
            if each.setting.id == sid:
                return _shown(each, call.moment.sandbox)
        raise _unknown()

    @router.put(
        "/persons/{person_id}/settings/{sid}", summary="Put a setting under an id", responses=responses(400, 404)
    )
    async def put_setting(
        request: Request, response: Response, person_id: PersonId, sid: str, body: ShortSetting
    ) -> dict[str, Any]:
        call = trail_of(request).call
        now = call.moment.sandbox
        if len(sid) > 64:
            raise Refusal(Reason.CONTENT_INVALID, "a setting's id has at most 64 characters")

        def write(conn: Connection) -> StoredSetting:
            required(conn, call.sandbox.id, person_id)
            setting = replace(_short(conn, call.sandbox, body), id=sid)
            return privacy.replace_settings(conn, call.sandbox.id, person_id, sid, (setting,), now)[0]

        stored = await core.store.write(write)
        response.status_code = 201 if stored.sequence == 1 else 200
        return _shown(stored, now)

    @router.delete(
        "/persons/{person_id}/settings/{sid}", status_code=204, summary="Remove a setting", responses=responses(404)
    )
    async def delete_setting(request: Request, person_id: PersonId, sid: str) -> None:
        sandbox = trail_of(request).call.sandbox.id
        if not await core.store.write(lambda conn: privacy.remove_setting(conn, sandbox, person_id, sid)):
            raise _unknown()

    return router


def _change(
    conn: Connection,
    state: SandboxState,
    person: Person,
    body: ShortSetting | PvkSetting | PatientPrivacy | PatientSafety,
    now: float,
) -> _Change:
    if isinstance(body, ShortSetting):
        short = _short(conn, state, body)
        return _Change(short.id, (short,))
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
        return _Change(settings[0].id, settings)
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
    return _Change(safety.id, (safety,))


def _pvk(state: SandboxState, body: PvkSetting) -> _Change:
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
    return _Change(body.definisjon_guid.lower(), settings)


def _short(conn: Connection, state: SandboxState, body: ShortSetting) -> Setting:
    subjects = [*_subjects(state, body.subjects)]
    if body.hpr_ref is not None:
        worker = registers.practitioner_by_id(conn, state.id, body.hpr_ref)
        if worker is None:
            raise _invalid("/hprRef", "no practitioner has that id")
        subjects.append(("HPR", worker.hpr))
    if body.org_ref is not None:
        unit = registers.organisation_by_id(conn, state.id, body.org_ref)
        if unit is None:
            raise _invalid("/orgRef", "no organisation has that id")
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
            raise _invalid(pointer, text)
    about = [f"{kind}={value}" for kind, value in (*sorted(setting.subjects), *sorted(setting.objects))]
    return replace(setting, id=derived_uuid("short", setting.service, setting.kind.value, setting.code or "", *about))


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
        raise _invalid(pointer, "an HPR number has 1-9 digits and no leading zero")
    if subject.type == "ORGNR" and not identity.is_orgnr(subject.value, docs_aliases=state.settings.docs_aliases):
        raise _invalid(pointer, "the organisation number is not valid")
    return subject.type, subject.value


def _scope(kind: Literal["All", "Specified"], named: list[Pair], pointer: str) -> list[Pair]:
    if (kind == "Specified") != bool(named):
        raise _invalid(pointer, "type Specified has identifiers, type All has none")
    return named


def _pairs(targets: Sequence[Any]) -> list[Pair]:
    return [(each.type, each.value) for each in targets]


def _same(conn: Connection, state: SandboxState, person: Person, sent: str, pointer: str) -> None:
    found = registers.person_by_nin(conn, state.id, number(state, sent, pointer).value)
    if found is None or found.id != person.id:
        raise _invalid(pointer, "the number is not that of the person in the address")


def _period(start: datetime | None, end: datetime | None) -> Period:
    return _seconds(start), _seconds(end)


def _days(period: PvkPeriod) -> Period:
    after = None if period.til is None else period.til + timedelta(days=1)
    return _midnight(period.fra), _midnight(after)


def _midnight(day: date | None) -> float | None:
    return None if day is None else datetime.combine(day, time(), _OSLO).timestamp()


def _seconds(instant: datetime | None) -> float | None:
    return None if instant is None else instant.timestamp()


def _shown(stored: StoredSetting, now: float) -> dict[str, Any]:
    setting = stored.setting
    return {
        "id": setting.id,
        "svc": setting.service,
        "kind": setting.kind.value,
        "subjects": [{"type": kind, "value": value} for kind, value in sorted(setting.subjects)],
        "objects": [{"type": kind, "value": value} for kind, value in sorted(setting.objects)],
        "level": setting.level,
        "code": setting.code,
        "until": _time(setting.until),
        "from": _time(setting.active_from),
        "to": _time(setting.active_to),
        "active": setting.active(now),
        "sequence": stored.sequence,
        "created": rfc3339(stored.created),
        "changed": rfc3339(stored.changed),
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)


def _unknown() -> Refusal:
    return Refusal(Reason.NOT_FOUND, "the person has no setting with that id")


def _invalid(pointer: str, text: str) -> Refusal:
    return Refusal(Reason.CONTENT_INVALID, text, extra={"pointer": pointer})
