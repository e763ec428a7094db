"""What several rows ask of a request: its settings, its actor, its elevation.

Every function is total and pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from app.trust.facts import Person, Setting
from app.trust.policy.model import Request
from app.trust.principal import Attest, Basis, Channel

_PROTECTED = frozenset({"Confidential", "StrictlyConfidential"})


def elevated(request: Request) -> bool:
    basis = request.access.basis
    if basis is not None and basis.elevated:
        return True
    purposes = request.service.elevating_purposes
    if not purposes:
        return False
    attest = attest_of(request)
    return attest is not None and attest.purpose in purposes


def emergency_elevated(request: Request) -> bool:
    return request.access.basis is Basis.FORHOYET_AKUTT


def active_settings(request: Request) -> Iterable[Setting]:
    """The settings in force now. ``Facts`` should hold no others; the policy does not rely on it."""
    settings = request.facts.settings
    if not settings:
        return ()
    now = request.access.moment.sandbox
    return [setting for setting in settings if setting.active(now)]


def person_identities(request: Request) -> frozenset[tuple[str, str]]:
    """The HPR number claimed; without a claim the national number, and the HPR number the register knows (R40)."""
    principal, practitioner = request.access.principal, request.facts.practitioner
    if principal.hpr:
        return frozenset({("HPR", principal.hpr)})
    known = {("PID", principal.pid)} if principal.pid else set()
    if practitioner is not None:
        known.add(("HPR", practitioner.hpr))
    return frozenset(known)


def organisation_identities(request: Request) -> frozenset[tuple[str, str]]:
    principal = request.access.principal
    return frozenset(("ORGNR", orgnr) for orgnr in (principal.orgnr_parent, principal.orgnr_child) if orgnr)


def aimed_at(setting: Setting, who: frozenset[tuple[str, str]]) -> bool:
    """Whether a setting whose empty subjects mean all is aimed at any of ``who``."""
    return not setting.subjects or bool(setting.subjects & who)


def attest_of(request: Request) -> Attest | None:
    """The attest, where the service looks at it and a health worker asks."""
    if request.service.attest == "ignore" or request.access.principal.channel is not Channel.PERSONNEL:
        return None
    return request.access.attest


def is_protected(person: Person | None) -> bool:
    return person is not None and person.address_protection in _PROTECTED
