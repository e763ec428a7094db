"""Reading the ``nhn-*`` headers of the services that share critical information (kritisk-info.md §1.1)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Final

from fastapi import Request

from app import identity
from app.core import Core
from app.errors import Reason, Refusal
from app.identity import Identifier
from app.ids import new_uuid
from app.routers.common import single
from app.services.kritiskinfo import headers
from app.services.kritiskinfo.headers import BASIS, EVENT, PATIENT, ROLE, SYSTEM, Name
from app.trust.principal import Basis
from app.trust.trail import Trail

OF_USERS: Final = frozenset({SYSTEM, PATIENT, BASIS, ROLE})
"""What a call for a health worker must have."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the headers say, and what is wrong with them, in the order they are judged."""

    event: str | None = None
    system: str | None = None
    patient: Identifier | None = None
    basis: Basis | None = None
    role: str | None = None
    faults: tuple[Refusal, ...] = ()

    @property
    def fault(self) -> Refusal | None:
        return next(iter(self.faults), None)


def said(request: Request, trail: Trail, needed: Collection[Name] = OF_USERS) -> Said:
    """Every header is read, whatever is wrong with the others: the attempt is audited when the patient is known."""
    found: dict[str, object] = {}
    faults: list[Refusal] = []
    for part, name, read in (
        ("event", EVENT, headers.event),
        ("system", SYSTEM, headers.system),
        ("patient", PATIENT, partial(identifier, trail)),
        ("basis", BASIS, headers.basis),
        ("role", ROLE, headers.role),
    ):
        try:
            value = sent(request, trail, name)
            if value:
                found[part] = read(value)
            elif name in needed:
                raise headers.missing(name)
        except Refusal as refusal:
            faults.append(refusal)
    return Said(**found, faults=tuple(faults))  # type: ignore[arg-type]


def sent(request: Request, trail: Trail, name: Name) -> str | None:
    """The header by its present name or the one before; both may be sent, with one value (ruling S6).

    Raises ``Refusal(HEADER_INVALID)`` otherwise.
    """
    now, before = single(request, name.now), single(request, name.before)
    if now is not None and before is not None and now != before:
        text = f"the headers {name.now} and {name.before} have different values"
        raise Refusal(Reason.HEADER_INVALID, text, source="ruling S6")
    if before is not None:
        trail.note("HEADER", f"the header {name.before} is now called {name.now}")
    return now if now is not None else before


def identifier(trail: Trail, value: str) -> Identifier:
    """A patient's number by the rules of the sandbox. Raises ``Refusal(PATIENT_ID_INVALID)``."""
    settings = trail.call.sandbox.settings
    found = identity.parse(value, rule=settings.nin_rule, aliases=identity.aliases_for(settings.docs_aliases))
    if found.alias:
        trail.note("ALIAS", "a published number that fails its control digits was read as a seeded person's (R50)")
    return found


def event_of(core: Core, request: Request) -> str:
    """The caller's id of the call when it is a good one, else a new one."""
    try:
        stated = single(request, EVENT.now) or single(request, EVENT.before)
        return headers.event(stated) if stated else new_uuid(core.ids)
    except Refusal:
        return new_uuid(core.ids)
