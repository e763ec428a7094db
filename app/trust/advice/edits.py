"""Requests with one thing changed: what a candidate does when it is tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from app.trust.facts import OrganisationRecord, Person, PractitionerRecord, Setting
from app.trust.policy import Request
from app.trust.principal import Attest

Edit = Callable[[Request], Request]


def access(**changes: Any) -> Edit:
    return lambda request: replace(request, access=replace(request.access, **changes))


def principal(**changes: Any) -> Edit:
    return lambda request: replace(
        request, access=replace(request.access, principal=replace(request.access.principal, **changes))
    )


def facts(**changes: Any) -> Edit:
    return lambda request: replace(request, facts=replace(request.facts, **changes))


def attest(**changes: Any) -> Edit:
    """Members of the attest that is there; nothing without one."""

    def edit(request: Request) -> Request:
        known = request.access.attest
        return request if known is None else access(attest=replace(known, **changes))(request)

    return edit


def patient(**changes: Any) -> Edit:
    """Members of the patient's record; nothing for a patient the register does not know."""

    def edit(request: Request) -> Request:
        known = request.facts.patient
        return request if known is None else facts(patient=replace(known, **changes))(request)

    return edit


def both(*edits: Edit) -> Edit:
    """One edit after the other."""

    def edit(request: Request) -> Request:
        for each in edits:
            request = each(request)
        return request

    return edit


def without_setting(setting: Setting) -> Edit:
    return lambda request: facts(settings=tuple(each for each in request.facts.settings if each != setting))(request)


def at(moment: float) -> Edit:
    """The sandbox's clock at ``moment``, epoch seconds."""
    return lambda request: access(moment=replace(request.access.moment, sandbox=moment))(request)


def logged_in(worker: PractitionerRecord) -> Edit:
    """Another health worker; an attest that was about the old one is about the new one."""
    role = min(worker.authorizations, default=None)

    def edit(request: Request) -> Request:
        changed = both(
            principal(pid=worker.pid, hpr=worker.hpr, name=worker.name),
            facts(practitioner=worker),
            attest(practitioner_id=worker.pid, hpr=worker.hpr, authorization=role),
        )(request)
        return changed if changed.access.role is None else access(role=role)(changed)

    return edit


def acting_for(parent: OrganisationRecord, child: OrganisationRecord | None) -> Edit:
    """Another legal entity, and a unit of it when there is one; the attest follows."""
    unit = child or parent
    return both(
        principal(orgnr_parent=parent.orgnr, orgnr_child=child.orgnr if child is not None else None),
        facts(parent_org=parent, child_org=child),
        attest(legal_entity=parent.orgnr, point_of_care=unit.orgnr),
    )


def asked_by(person: Person) -> Edit:
    """The citizen who asks is ``person``."""
    return both(principal(pid=person.nin), facts(actor=person))


def matching_attest(request: Request) -> Request:
    """A new attest that agrees with the log-in and the patient asked about, taken now."""
    who, known = request.access.principal, request.facts.practitioner
    held = known.authorizations if known is not None else frozenset[str]()
    purposes = request.service.purposes_allowed
    old = request.access.attest
    made = Attest(
        practitioner_id=who.pid,
        hpr=who.hpr,
        authorization=min(held, default=None),
        legal_entity=who.orgnr_parent,
        point_of_care=who.orgnr_child or who.orgnr_parent,
        department=old.department if old is not None else None,
        purpose="TREAT" if "TREAT" in purposes else min(purposes, default=None),
        purpose_details=None,
        healthcare_service=old.healthcare_service if old is not None else None,
        decision_ref=old.decision_ref if old is not None else "new",
        user_selected=True,
        patient=None,
        toa=int(request.access.moment.sandbox),
    )
    return access(attest=made)(request)
