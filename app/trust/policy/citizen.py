"""The conditions of rows H1–H13 and H20: a citizen asks, for themselves or for another.

Ages are whole years on the day of the request in Norway, from the registered birth date, never from the
number. An unknown age gives the strict answer. Source: personvern.md sections 5 and 7.
"""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from app.trust.facts import Person, SettingKind
from app.trust.policy.conditions import reserved
from app.trust.policy.model import WRITE_OPS, Capacity, Request
from app.trust.policy.reading import active_settings, is_protected

CONSENT_LEVELS = ("BASIS", "JOURNALINNSYN", "FULL")  # Helsenorge's levels, lowest first (sandbox codes)
PERSONAL_INTERESTS = "PersonalInterests"
_OSLO = ZoneInfo("Europe/Oslo")


def capacity(request: Request) -> Capacity:
    """Self, parent, verge or holder of a fullmakt; a stranger counts as the capacity that will be refused."""
    patient, actor = request.facts.patient, request.facts.actor
    if _is_self(request):
        return Capacity.SELF
    child = _under_16(patient_age(request))
    if patient is None or actor is None:
        return Capacity.PARENT if child else Capacity.FULLMAKT
    if child and actor.id in patient.parents:
        return Capacity.PARENT
    if actor.id in patient.fullmakt_to:
        return Capacity.FULLMAKT
    if patient.guardian == actor.id:
        return Capacity.GUARDIAN
    return Capacity.PARENT if child or actor.id in patient.parents else Capacity.FULLMAKT


def patient_age(request: Request) -> int | None:
    return age(request.facts.patient, request.access.moment.sandbox)


def age(person: Person | None, now: float) -> int | None:
    """Whole years at ``now`` (epoch seconds), or ``None`` when there is no usable birth date or day."""
    if person is None or person.birth_date is None:
        return None
    try:
        born = date.fromisoformat(person.birth_date)
        today = datetime.fromtimestamp(now, _OSLO).date()
    except (ValueError, OverflowError, OSError):
        return None
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def too_young(request: Request) -> bool:
    years = patient_age(request)
    return _is_self(request) and (years is None or years < 13)


def youth_not_consented(request: Request) -> bool:
    if not _is_self(request) or not _between(patient_age(request), 13, 15):
        return False
    patient = request.facts.patient
    return patient is None or not patient.youth_consent or not request.service.youth_service


def self_disabled(request: Request) -> bool:
    return _is_self(request) and any(s.kind is SettingKind.OWN_ACCESS_REMOVED for s in active_settings(request))


def consent_level_too_low(request: Request) -> bool:
    needed = request.service.consent_level_min
    if needed is None or not _is_self(request):
        return False
    given = [_level(s.code) for s in active_settings(request) if s.kind is SettingKind.HELSENORGE_CONSENT]
    demanded = _level(needed)
    return demanded < 0 or max(given, default=-1) < demanded


def representation_protected(request: Request) -> bool:
    if _is_self(request):
        return False
    sides = (request.facts.patient, request.facts.actor)
    return any(is_protected(person) for person in sides)


def representation_ended(request: Request) -> bool:
    return _is(Capacity.PARENT, request) and not _under_16(patient_age(request))


def no_responsibility(request: Request) -> bool:
    patient, actor = request.facts.patient, request.facts.actor
    return _is(Capacity.PARENT, request) and (patient is None or actor is None or actor.id not in patient.parents)


def no_coresident_parent(request: Request) -> bool:
    if not _is(Capacity.PARENT, request):
        return False
    patient, actor = request.facts.patient, request.facts.actor
    if request.service.parent_same_address_rule == "any_parent":
        return request.facts.coresident_parent is not True
    return (
        patient is None
        or actor is None
        or patient.address_group is None
        or patient.address_group != actor.address_group
    )


def parent_12_15(request: Request) -> bool:
    return (
        _is(Capacity.PARENT, request)
        and _between(patient_age(request), 12, 15)
        and request.op not in request.service.parent_12_15
    )


def parent_under_12(request: Request) -> bool:
    years = patient_age(request)
    return (
        _is(Capacity.PARENT, request)
        and years is not None
        and years < 12
        and request.op not in request.service.parent_under_12
    )


def fullmakt_invalid(request: Request) -> bool:
    if not _is(Capacity.FULLMAKT, request):
        return False
    patient, actor, fullmakt = request.facts.patient, request.facts.actor, request.facts.fullmakt
    now = request.access.moment.sandbox
    given = patient is not None and actor is not None and actor.id in patient.fullmakt_to
    in_force = fullmakt is not None and fullmakt.valid(now)
    giver, holder = patient_age(request), age(actor, now)
    return not (given and in_force and giver is not None and giver >= 16 and holder is not None and holder >= 18)


def fullmakt_area_missing(request: Request) -> bool:
    if not _is(Capacity.FULLMAKT, request) or _changes_settings(request):
        return False
    service, fullmakt = request.service, request.facts.fullmakt
    area = service.fullmakt_write_area if request.op in WRITE_OPS else service.fullmakt_read_area
    return fullmakt is None or area not in fullmakt.areas


def settings_not_delegable(request: Request) -> bool:
    return _changes_settings(request) and capacity(request) in (Capacity.FULLMAKT, Capacity.GUARDIAN)


def guardian_scope_missing(request: Request) -> bool:
    return _is(Capacity.GUARDIAN, request) and not (
        request.service.guardians and PERSONAL_INTERESTS in request.facts.guardian_scopes
    )


def citizen_reserved(request: Request) -> bool:
    """The page of the settings themselves stays open, or the reservation could not be withdrawn."""
    return reserved(request) and not request.service.privacy_settings


def _is(wanted: Capacity, request: Request) -> bool:
    return capacity(request) is wanted


def _is_self(request: Request) -> bool:
    patient, pid = request.facts.patient, request.access.principal.pid
    if patient is None:
        return pid is not None and pid == request.access.patient_nin
    actor = request.facts.actor
    return pid == patient.nin or (actor is not None and actor.id == patient.id)


def _under_16(years: int | None) -> bool:
    return years is not None and years < 16


def _between(years: int | None, low: int, high: int) -> bool:
    return years is not None and low <= years <= high


def _level(code: str | None) -> int:
    """The place in the list, -1 for a code outside it."""
    upper = (code or "").upper()
    return CONSENT_LEVELS.index(upper) if upper in CONSENT_LEVELS else -1


def _changes_settings(request: Request) -> bool:
    return request.service.privacy_settings and request.op in WRITE_OPS
