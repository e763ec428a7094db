"""The conditions of rows A1–D7: what must hold of a request for the row to fire.

Every function is total and pure. Where a needed fact is missing the strict answer is given.
"""

from __future__ import annotations

from collections.abc import Callable

from app.errors import Reason
from app.trust.facts import SettingKind
from app.trust.policy.model import WRITE_OPS, Request
from app.trust.policy.reading import active_settings, attest_of, is_protected

TOKEN_REASONS = frozenset(
    {
        Reason.TOKEN_MISSING,
        Reason.DPOP_INVALID,
        Reason.AUDIENCE_WRONG,
        Reason.SCOPE_MISSING,
        Reason.PID_MISSING,
        Reason.LEVEL_TOO_LOW,
        Reason.ORG_MISSING,
        Reason.ORG_RELATION,
        Reason.USER_REQUIRED,
    }
)
REQUEST_REASONS = frozenset(
    {Reason.HEADER_MISSING, Reason.PATIENT_ID_INVALID, Reason.BASIS_INVALID, Reason.ATTEST_MISSING}
)


# A. authenticity


def token_fault(reason: Reason) -> Callable[[Request], bool]:
    """A condition that holds when the gate found ``reason`` in the token or proof."""
    return lambda request: request.token_fault is reason


def token_invalid(request: Request) -> bool:
    """Also any fault that no other row of stage A names, so that none can slip through."""
    return request.token_fault is not None and request.token_fault not in TOKEN_REASONS


def scope_missing(request: Request) -> bool:
    if request.token_fault is Reason.SCOPE_MISSING:
        return True
    accepted = request.scopes_accepted
    return bool(accepted) and not any(needed <= request.access.principal.scopes for needed in accepted)


def pid_missing(request: Request) -> bool:
    return request.token_fault is Reason.PID_MISSING or not request.access.principal.pid


def level_too_low(request: Request) -> bool:
    return request.token_fault is Reason.LEVEL_TOO_LOW or request.access.principal.level < request.service.min_level


def organisation_missing(request: Request) -> bool:
    principal, service = request.access.principal, request.service
    return (
        request.token_fault is Reason.ORG_MISSING
        or (service.org_parent_required and not principal.orgnr_parent)
        or (service.org_child_required and not principal.orgnr_child)
    )


def organisations_unrelated(request: Request) -> bool:
    """Both are in the register and the child is neither the parent itself nor one of its units (R17)."""
    if request.token_fault is Reason.ORG_RELATION:
        return True
    parent, child = request.facts.parent_org, request.facts.child_org
    if parent is None or child is None:
        return False
    return child.orgnr != parent.orgnr and child.parent_orgnr != parent.orgnr


def user_required(request: Request) -> bool:
    return request.token_fault is Reason.USER_REQUIRED or request.op not in request.service.machine_ops


# B. request


def request_fault(reason: Reason) -> Callable[[Request], bool]:
    """A condition that holds when the gate found ``reason`` in headers or parameters."""
    return lambda request: reason in request.request_faults


def header_invalid(request: Request) -> bool:
    """Also any fault that no other row of stage B names."""
    return bool(request.request_faults) and not request.request_faults <= REQUEST_REASONS


def attest_missing(request: Request) -> bool:
    return Reason.ATTEST_MISSING in request.request_faults or (
        request.service.attest == "required" and request.access.attest is None
    )


def attest_stale(request: Request) -> bool:
    """``toa``, else the token's ``iat``, on the sandbox clock (R14, R15); no usable time is stale."""
    attest = attest_of(request)
    if attest is None:
        return False
    taken = attest.toa if attest.toa is not None else request.access.principal.claims.get("iat")
    if isinstance(taken, bool) or not isinstance(taken, int | float):
        return True
    now, service = request.access.moment.sandbox, request.service
    return not (now - service.attest_max_age <= taken <= now + service.attest_future)


def attest_patient_mismatch(request: Request) -> bool:
    """Only when the attest names a patient, which the national one does not (R16)."""
    attest, asked = attest_of(request), request.access.patient_nin
    if attest is None or attest.patient is None or asked is None:
        return False
    return attest.patient not in _patient_numbers(request)


def attest_actor_mismatch(request: Request) -> bool:
    """The attest is about another organisation, another place of care (R17) or another person."""
    attest, principal = attest_of(request), request.access.principal
    if attest is None:
        return False
    return (
        attest.legal_entity != principal.orgnr_parent
        or _differ(attest.point_of_care, principal.orgnr_child)
        or _differ(attest.practitioner_id, principal.pid)
        or _differ(attest.hpr, principal.hpr)
        or (attest.practitioner_id is None and attest.hpr is None)
    )


# C. actor and purpose


def organisation_not_connected(request: Request) -> bool:
    """Organisations that the register does not know have access: published clients send such (C40)."""
    if not request.service.kj_access_required:
        return False
    return any(org is not None and not org.kj_access for org in (request.facts.parent_org, request.facts.child_org))


def hpr_not_authorised(request: Request) -> bool:
    """Known to the register without an active authorisation, or without the one claimed (R41)."""
    practitioner = request.facts.practitioner
    if practitioner is None:
        return False
    held = practitioner.authorizations
    return not held or not _claimed_roles(request) <= held


def hpr_missing(request: Request) -> bool:
    """R40: where the service says so, an access basis stands in for the number."""
    if request.access.principal.hpr or not request.service.hpr_required:
        return False
    stated = request.access.basis is not None or request.access.legacy_basis
    return not (request.service.hpr_waived_with_basis and stated)


def role_not_allowed(request: Request) -> bool:
    """S14 says where each service takes the role from; where several roles count, one is enough."""
    service = request.service
    allowed = service.roles_allowed
    if request.op in WRITE_OPS and service.write_roles_allowed is not None:
        allowed = service.write_roles_allowed
    if service.role_source == "none" or (allowed is None and not service.roles_denied):
        return False
    usable = _roles(request) - service.roles_denied
    return not (usable if allowed is None else usable & allowed)


def purpose_not_allowed(request: Request) -> bool:
    attest = attest_of(request)
    return attest is not None and attest.purpose not in request.service.purposes_allowed


def self_access(request: Request) -> bool:
    pid = request.access.principal.pid
    return pid is not None and pid in _patient_numbers(request)


# D. person


def patient_unknown(request: Request) -> bool:
    return request.facts.patient is None and request.access.patient_nin is not None


def identifier_redirected(request: Request) -> bool:
    return request.facts.patient is not None and request.facts.patient.redirected


def privacy_unavailable(request: Request) -> bool:
    return not request.facts.privacy_available


def address_denied(request: Request) -> bool:
    return request.service.protected_policy == "deny" and is_protected(request.facts.patient)


def address_masked(request: Request) -> bool:
    return request.service.protected_policy == "mask" and is_protected(request.facts.patient)


def deceased_write(request: Request) -> bool:
    patient = request.facts.patient
    if patient is None or request.op not in WRITE_OPS or request.service.deceased_writes:
        return False
    return patient.deceased_date is not None or patient.status == "Deceased"


def reserved(request: Request) -> bool:
    return any(setting.kind is SettingKind.RESERVATION for setting in active_settings(request))


def _patient_numbers(request: Request) -> frozenset[str | None]:
    """The number asked for and the one it stands for now (row D2)."""
    patient = request.facts.patient
    return frozenset({request.access.patient_nin} if patient is None else {request.access.patient_nin, patient.nin})


def _differ(attested: str | None, claimed: str | None) -> bool:
    return attested is not None and claimed is not None and attested != claimed


def _claimed_roles(request: Request) -> frozenset[str]:
    attest = attest_of(request)
    claimed = [attest.authorization if attest is not None else None]
    if request.service.role_source == "header":
        claimed.append(request.access.role)
    return frozenset(role for role in claimed if role)


def _roles(request: Request) -> frozenset[str]:
    """The roles the request may be judged by; a number not in the register is taken at its word (R41)."""
    practitioner = request.facts.practitioner
    held = practitioner.authorizations if practitioner is not None else frozenset()
    source = request.service.role_source
    if source == "register" and practitioner is not None:
        return held
    if source == "attest":
        claimed = _claimed_roles(request)
        return claimed or (held if len(held) == 1 else frozenset())
    return frozenset({request.access.role}) if request.access.role else frozenset()
