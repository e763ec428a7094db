"""``docs/errors.md``: each reason a request is refused or emptied for, and what each service shows of it."""

from __future__ import annotations

from app.errors import Reason
from app.routers import trust_probe
from app.services.provesvar.errors import ERRORS
from app.trust.policy import RULES
from tools.pages import NOTE, table

_INTRODUCTION = f"""\
# Errors

{NOTE}
A refusal has one *reason* inside the sandbox. On the wire each service shows what the national service shows, which may
be the same for several reasons; the reason itself stands in the journal (`sandkasse explain <id>`, the id being the
`Sandbox-Exchange` header of the answer).

An empty cell: the service has no such case. Sources are sections of the specification and rulings this project is
built on (see [Architecture](architecture.md)). The rows that decide are in [Decisions](decisions.md).

"""


def page() -> str:
    rows = [[f"`{reason}`", _rules(reason), *_prøvesvar(reason), _probe(reason)] for reason in Reason]
    header = ["Reason", "Rows", "Prøvesvar: status", "Issue", "Text", "Source", "Trust probe"]
    return _INTRODUCTION + table(header, rows)


def _rules(reason: Reason) -> str:
    return ", ".join(dict.fromkeys(rule.id for rule in RULES if rule.reason == reason))


def _prøvesvar(reason: Reason) -> list[str]:
    wire = ERRORS.get(reason)
    if wire is None:
        return ["", "", "", ""]
    coding = f", `{wire.pvk}`" if wire.pvk is not None else ""
    return [str(wire.status), f"`{wire.code}`{coding}", wire.text, wire.source]


def _probe(reason: Reason) -> str:
    return str(trust_probe.status_of(reason)) if _rules(reason) else ""
