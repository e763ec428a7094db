"""The conditions of rows G1–G7 (personnel, machines) and H14–H19 (citizens), judged for each object."""

from __future__ import annotations

from collections.abc import Iterable

from app.trust.facts import Setting, SettingKind
from app.trust.policy.blocks import NAMED_BLOCKS
from app.trust.policy.citizen import capacity, patient_age
from app.trust.policy.model import Capacity, ObjectFacts, Request, Scene
from app.trust.policy.reading import (
    active_settings,
    aimed_at,
    elevated,
    emergency_elevated,
    organisation_identities,
    person_identities,
)
from app.trust.principal import Channel

_OBJECT_KINDS = NAMED_BLOCKS | {SettingKind.GENERAL_BLOCK, SettingKind.PTS_PRIVACY}
_JUDGED_ELSEWHERE = frozenset({"N", "NORS", "NORU", "NORN_ALL", "NORN_FORANS", "NORN_UNGDOM"})


def scene(request: Request, objects: Iterable[ObjectFacts]) -> Scene:
    """What the rows need beside the object itself."""
    now = request.access.moment.sandbox
    active = active_settings(request)
    if request.access.principal.channel is Channel.CITIZEN:
        safety = tuple(s for s in active if s.kind is SettingKind.PTS_SAFETY)
        denied = any(s.code == "NORN_ALL" for s in safety) or any("NORN_ALL" in o.confidentiality for o in objects)
        return Scene(request, now, safety, denied, capacity(request), patient_age(request))
    if not active:
        return Scene(request, now, ())
    who = person_identities(request) | organisation_identities(request)
    return Scene(
        request,
        now,
        tuple(
            s
            for s in active
            if s.kind in _OBJECT_KINDS and s.objects and (s.kind is SettingKind.GENERAL_BLOCK or aimed_at(s, who))
        ),
    )


# personnel and machines


def outside_search(item: ObjectFacts, _: Scene) -> bool:
    return item.outside_search


def blocked(item: ObjectFacts, scene: Scene) -> bool:
    return _blocked(item, scene) and not elevated(scene.request)


def block_opened(item: ObjectFacts, scene: Scene) -> bool:
    return _blocked(item, scene) and elevated(scene.request)


def restricted_hard(item: ObjectFacts, scene: Scene) -> bool:
    """Also a block of a named person or organisation that is limited to objects: it never opens."""
    return any(
        setting.kind in NAMED_BLOCKS or (setting.kind is SettingKind.PTS_PRIVACY and setting.level != "Soft")
        for setting in _about(item, scene)
    )


def restricted_soft(item: ObjectFacts, scene: Scene) -> bool:
    return _soft(item, scene) and not emergency_elevated(scene.request)


def soft_opened(item: ObjectFacts, scene: Scene) -> bool:
    return _soft(item, scene) and emergency_elevated(scene.request)


def requisition_reserved(item: ObjectFacts, _: Scene) -> bool:
    return item.requisition_reserved


def binds_citizen_only(item: ObjectFacts, _: Scene) -> bool:
    return bool(item.confidentiality - {"NORS"})


# citizens


def everything_denied(_: ObjectFacts, scene: Scene) -> bool:
    return scene.everything_denied


def delayed(item: ObjectFacts, scene: Scene) -> bool:
    """A delay without a date lasts."""
    ends = [setting.until for setting in _about(item, scene) if setting.code == "NORU"]
    if item.delay_until is not None or "NORU" in item.confidentiality:
        ends.append(item.delay_until)
    return any(end is None or not end <= scene.now for end in ends)


def withheld(item: ObjectFacts, scene: Scene) -> bool:
    """Also a code that is not on the list: what is not understood is not shown."""
    return not _codes(item, scene) <= _JUDGED_ELSEWHERE


def withheld_from_parent(item: ObjectFacts, scene: Scene) -> bool:
    """A parent who asks in another capacity still has the parental responsibility."""
    if "NORN_FORANS" not in _codes(item, scene):
        return False
    patient, actor = scene.request.facts.patient, scene.request.facts.actor
    is_parent = patient is not None and actor is not None and actor.id in patient.parents
    return scene.capacity is Capacity.PARENT or is_parent


def withheld_from_youth(item: ObjectFacts, scene: Scene) -> bool:
    if scene.capacity is not Capacity.SELF or "NORN_UNGDOM" not in _codes(item, scene):
        return False
    return scene.age is None or scene.age < 16


def binds_personnel_only(item: ObjectFacts, _: Scene) -> bool:
    return "NORS" in item.confidentiality


def _about(item: ObjectFacts, scene: Scene) -> list[Setting]:
    return [setting for setting in scene.settings if not setting.objects or setting.objects & item.ids]


def _codes(item: ObjectFacts, scene: Scene) -> frozenset[str]:
    """The codes on the object and those set for it; a setting without a code counts as an unknown one."""
    if not scene.settings:
        return item.confidentiality
    return item.confidentiality | {setting.code or "" for setting in _about(item, scene)}


def _blocked(item: ObjectFacts, scene: Scene) -> bool:
    if "NORS" in item.confidentiality:
        return True
    return any(setting.kind is SettingKind.GENERAL_BLOCK for setting in _about(item, scene))


def _soft(item: ObjectFacts, scene: Scene) -> bool:
    return any(s.kind is SettingKind.PTS_PRIVACY and s.level == "Soft" for s in _about(item, scene))
