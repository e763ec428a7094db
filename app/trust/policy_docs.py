"""Renders the decision table to Markdown, for ``tools.generate_docs``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields

from app.trust.policy import RULES, SERVICES, ObjectRule, Obligation, RequestRule, ServicePolicy, Stage
from app.trust.policy.model import Choice
from app.trust.principal import Channel

_TITLES = {
    Stage.AUTHENTICITY: "Authenticity",
    Stage.REQUEST: "Request",
    Stage.ACTOR: "Actor and purpose",
    Stage.PERSON: "Person",
    Stage.AIMED_BLOCKS: "Blocks aimed at this actor",
    Stage.GENERAL_BLOCK: "General block and elevation",
    Stage.OBJECTS: "Objects",
    Stage.CITIZEN: "Citizen",
}
_OBLIGATIONS = {
    Obligation.AUDIT: "write the audit record; if that fails nothing is released",
    Obligation.BREAK_GLASS: "write the record of the opening",
    Obligation.LOG_ELEVATED: "mark the access as elevated in the log",
    Obligation.SHOW_IN_CITIZEN_LOG: "show the opening to the citizen, whatever they have chosen to be told",
    Obligation.NOTIFY_CITIZEN: "tell the citizen",
    Obligation.MASK_ADDRESS: "leave out address, telephone, district and next of kin's address",
    Obligation.FLAG_SELF_ACCESS: "mark that the health worker asked about themselves",
    Obligation.IDENTIFIER_REDIRECTED: "answer with the current number",
    Obligation.FLAG_BASIS_MISMATCH: "mark that purpose and access basis do not agree",
}
_INTRODUCTION = """\
# Decisions

Generated from `app/trust/policy` by `python -m tools.generate_docs`. Do not edit.

Every request for patient data is judged by the rows below, in this order. The first row with an outcome
decides; a row without one lets the request go on, and may add obligations. For single objects the strictest
verdict wins. What a refusal looks like on the wire is each service's own matter.

Where the outcome is a name in `code`, the service chooses: see the last table. *Opened by* are the access
bases before which a row gives way. *Hidden* rows give, in `ehds` mode, an answer that cannot be told from
that for a patient without data. An outcome EMPTY is for reading; any other operation is denied instead.
Sources are sections of the privacy specification (§) and rulings (R, S).
"""


def render() -> str:
    """The whole document."""
    parts = [_INTRODUCTION]
    parts += [_stage(stage) for stage in Stage]
    parts += [_obligations(), _services()]
    return "\n".join(parts)


def _stage(stage: Stage) -> str:
    head = ("Row", "When", "Who", "Outcome", "Reason", "Obligations", "Opened by", "Source")
    rows = [_row(rule) for rule in RULES if rule.stage is stage]
    return f"## {stage}. {_TITLES[stage]}\n\n{_table(head, rows)}"


def _row(rule: RequestRule | ObjectRule) -> tuple[str, ...]:
    return (
        rule.id,
        rule.text,
        _channels(rule.channels),
        _outcome(rule),
        rule.reason or "",
        ", ".join(o for o in Obligation if o in rule.obligations),
        ", ".join(sorted(rule.opened_by)),
        rule.source,
    )


def _channels(channels: frozenset[Channel]) -> str:
    return "all" if channels == frozenset(Channel) else ", ".join(c for c in Channel if c in channels)


def _outcome(rule: RequestRule | ObjectRule) -> str:
    if isinstance(rule, ObjectRule):
        return rule.verdict or "`blocked_object`"
    shown = f"`{_attribute(rule.choice)}`" if rule.choice else rule.outcome or "goes on"
    return f"{shown}, hidden" if rule.hidden_in_ehds else shown


def _attribute(choice: Choice) -> str:
    return "general" if choice is Choice.GENERAL else choice.value


def _obligations() -> str:
    rows = [(str(place), o.value, _OBLIGATIONS[o]) for place, o in enumerate(Obligation, 1)]
    table = _table(("", "Obligation", "What"), rows)
    return f"## I. Obligations, in the order they are met before bytes leave\n\n{table}"


def _services() -> str:
    names = [f.name for f in fields(ServicePolicy) if f.name != "name"]
    head = ("Choice", *SERVICES)
    rows = [(f"`{name}`", *(_value(getattr(service, name)) for service in SERVICES.values())) for name in names]
    return f"## What each service chooses\n\n{_table(head, rows)}"


def _value(value: object) -> str:
    if isinstance(value, frozenset):
        return ", ".join(sorted(value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
