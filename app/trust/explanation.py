"""The story of one request for the journal: who, on what ground, which facts, every rule with its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import orjson

from app.trust import policy
from app.trust.facts import Facts
from app.trust.trail import Trail


def explanation(trail: Trail, redact: Callable[[str], str]) -> dict[str, Any]:
    """Claims, attest, facts, rules and findings, with ``redact`` applied to every text."""
    access = trail.access
    told: dict[str, Any] = {
        "decision": {
            "outcome": trail.outcome,
            "reason": trail.reason.value if trail.reason is not None else None,
            "rule": trail.rule,
            "detail": trail.detail,
            "obligations": list(trail.obligations),
        },
        "client": trail.client_id,
        "token": trail.claims,
        "proof": trail.proof or None,
        "findings": [asdict(finding) for finding in trail.findings],
        "dropped": [{"object": key, "rule": rule, "reason": reason} for key, rule, reason in trail.dropped],
        "released": list(trail.released),
        "notes": trail.notes,
    }
    if access is not None:
        told["attest"] = dict(access.attest.raw) if access.attest is not None else None
        told["access"] = {
            "channel": access.principal.channel.value,
            "basis": access.basis.value if access.basis is not None else None,
            "role": access.role,
            "correlationId": access.correlation_id,
            "legacyBasis": access.legacy_basis,
            "op": trail.op,
        }
    if trail.facts is not None:
        told["facts"] = _facts(trail.facts)
    told["rules"] = rules(trail)
    told["summary"] = summary(trail)
    masked: dict[str, Any] = _masked(orjson.dumps(told, default=str), redact)
    return masked


def rules(trail: Trail) -> list[dict[str, Any]]:
    """Every rule looked at, in order, with whether it fired; the same rows decide on the wire (R63)."""
    if trail.access is None or trail.facts is None or trail.policy is None:
        return []
    request = policy.Request(
        access=trail.access,
        facts=trail.facts,
        service=trail.policy,
        op=trail.op,
        mode=trail.call.sandbox.settings.mode,
    )
    return [
        {
            "rule": result.rule,
            "stage": result.stage.value,
            "fired": result.fired,
            "outcome": result.outcome.value if result.outcome is not None else None,
            "reason": result.reason.value if result.reason is not None else None,
            "text": result.text,
            "deciding": result.fired and result.rule == trail.rule,
        }
        for result in policy.explain(request)
    ]


def summary(trail: Trail) -> str:
    """One sentence for a person, and another when a fault rule took effect."""
    rules = ", ".join(f"{each['rule']} ({each['effect']})" for each in trail.notes.get("fault", ()))
    return _decided(trail) + (f" Fault rule: {rules}." if rules else "")


def _decided(trail: Trail) -> str:
    if trail.outcome == "PARTIAL":
        return f"Granted in part: {len(trail.dropped)} withheld."
    if trail.reason is None and trail.outcome in (None, "PERMIT"):
        return "Granted."
    cause = trail.reason.value if trail.reason is not None else trail.outcome
    by = f" by rule {trail.rule}" if trail.rule else ""
    detail = f": {trail.detail}" if trail.detail else ""
    return f"{cause}{by}{detail}."


def _masked(told: bytes, redact: Callable[[str], str]) -> Any:
    """All texts at once, which is fast; one by one when a client's JWT has a bare number that looks like a person's."""
    try:
        return orjson.loads(redact(told.decode()))
    except orjson.JSONDecodeError:
        return _each_masked(orjson.loads(told), redact)


def _each_masked(value: Any, redact: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {redact(name): _each_masked(each, redact) for name, each in value.items()}
    if isinstance(value, list):
        return [_each_masked(each, redact) for each in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        shown = redact(str(value))
        return value if shown == str(value) else shown
    return redact(value) if isinstance(value, str) else value


def _facts(facts: Facts) -> dict[str, Any]:
    patient, practitioner = facts.patient, facts.practitioner
    return {
        "patient": None
        if patient is None
        else {
            "id": patient.id,
            "status": patient.status,
            "addressProtection": patient.address_protection,
            "redirected": patient.redirected,
        },
        "practitioner": None
        if practitioner is None
        else {"id": practitioner.id, "hpr": practitioner.hpr, "authorizations": sorted(practitioner.authorizations)},
        "legalEntity": facts.parent_org.name if facts.parent_org is not None else None,
        "pointOfCare": facts.child_org.name if facts.child_org is not None else None,
        "hasData": facts.has_data,
        "privacyAvailable": facts.privacy_available,
        "settings": [
            {
                "id": setting.id,
                "kind": setting.kind.value,
                "subjects": sorted(":".join(pair) for pair in setting.subjects),
                "objects": sorted(":".join(pair) for pair in setting.objects),
                "level": setting.level,
                "code": setting.code,
            }
            for setting in facts.settings
        ],
    }
