"""The conditions of rows E0–F4: blocks aimed at the actor, the general block, and elevation.

Every function is total and pure. A setting without subjects is aimed at all.
"""

from __future__ import annotations

from collections.abc import Iterable

from app.trust.facts import Setting, SettingKind
from app.trust.policy.model import READ_OPS, WRITE_OPS, Request
from app.trust.policy.reading import (
    active_settings,
    aimed_at,
    attest_of,
    elevated,
    emergency_elevated,
    organisation_identities,
    person_identities,
)
from app.trust.principal import Basis

NAMED_BLOCKS = frozenset({SettingKind.SPECIFIC_BLOCK, SettingKind.ORG_BLOCK})
_EMERGENCY = frozenset({Basis.AKUTT, Basis.FORHOYET_AKUTT})
_EMERGENCY_PURPOSES = frozenset({"ETREAT", "BTG"})


# E. blocks aimed at this actor


def any_named_block(request: Request) -> bool:
    return request.service.any_block_denies and any(s.kind in NAMED_BLOCKS for s in _whole(request))


def person_blocked(request: Request) -> bool:
    who = person_identities(request)
    return any(
        setting.kind in NAMED_BLOCKS
        and (setting.subjects & who or (not setting.subjects and setting.kind is SettingKind.SPECIFIC_BLOCK))
        for setting in _whole(request)
    )


def organisation_blocked(request: Request) -> bool:
    who = organisation_identities(request)
    return any(
        setting.kind in NAMED_BLOCKS
        and (setting.subjects & who or (not setting.subjects and setting.kind is SettingKind.ORG_BLOCK))
        for setting in _whole(request)
    )


def restricted_hard(request: Request) -> bool:
    """A level that is not Soft counts as Hard."""
    return any(s.kind is SettingKind.PTS_PRIVACY and s.level != "Soft" for s in _whole_for_actor(request))


def restricted_soft(request: Request) -> bool:
    return _soft(request) and not emergency_elevated(request)


def soft_opened(request: Request) -> bool:
    """R36: Soft gives way to FORHOYET_AKUTT only, also when it is aimed at all."""
    return _soft(request) and emergency_elevated(request)


# F. general block and elevation


def own_gp_passes(request: Request) -> bool:
    return _generally_blocked(request) and _is_exempt_gp(request)


def general_block_opened(request: Request) -> bool:
    return _generally_blocked(request) and not _is_exempt_gp(request) and elevated(request)


def general_block(request: Request) -> bool:
    return _generally_blocked(request) and not _is_exempt_gp(request) and not elevated(request)


def ehds_elevated(request: Request) -> bool:
    """Section 7.2: elevation is never refused there, and never unlogged."""
    return request.ehds and elevated(request)


def basis_mismatch(request: Request) -> bool:
    """The purpose says emergency and the basis does not; not where the purpose itself elevates (S8)."""
    attest = attest_of(request)
    return (
        attest is not None
        and attest.purpose in _EMERGENCY_PURPOSES
        and attest.purpose not in request.service.elevating_purposes
        and request.access.basis not in _EMERGENCY
    )


def elevation_needless(request: Request) -> bool:
    """R34, R35: nothing more is released because of it, over all that the service holds of the patient."""
    if request.elevated_adds is not False or not elevation_is_judged(request):
        return False
    opened = general_block_opened(request) or soft_opened(request)
    return not (opened and (request.facts.has_data or not request.service.elevation_needs_data))


def elevation_is_judged(request: Request) -> bool:
    """Whether row F3 has anything to say: not for legacy values (R35), and never in ehds mode (section 7.2)."""
    return elevated(request) and not request.access.legacy_basis and not request.ehds


def _whole(request: Request) -> Iterable[Setting]:
    """Settings about everything the service holds, where blocks apply to this operation at all."""
    if not request.facts.settings or not _blocks_apply(request):
        return ()
    return [setting for setting in active_settings(request) if not setting.objects]


def _blocks_apply(request: Request) -> bool:
    """An ingest brings data in and shows none; writes by the service's choice (S9)."""
    if request.op in READ_OPS:
        return True
    return request.op in WRITE_OPS and request.service.blocks_apply_to_write


def _whole_for_actor(request: Request) -> Iterable[Setting]:
    settings = _whole(request)
    if not settings:
        return ()
    who = person_identities(request) | organisation_identities(request)
    return [setting for setting in settings if aimed_at(setting, who)]


def _soft(request: Request) -> bool:
    return any(s.kind is SettingKind.PTS_PRIVACY and s.level == "Soft" for s in _whole_for_actor(request))


def _generally_blocked(request: Request) -> bool:
    """A restricted module counts as a general block in the service that module belongs to."""
    return any(
        setting.kind is SettingKind.GENERAL_BLOCK
        or (
            setting.kind is SettingKind.MODULE_RESTRICTION
            and (setting.code is None or setting.code == request.service.module)
        )
        for setting in _whole(request)
    )


def _is_exempt_gp(request: Request) -> bool:
    hpr = request.access.principal.hpr
    return request.service.gp_exempt_from_general_block and hpr is not None and hpr == request.facts.gp_hpr
