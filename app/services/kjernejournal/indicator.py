"""The kjernejournal symbol: one number and a text, what has changed, and what the patient has restricted.

Pure: kritisk-info.md section 2, ruling S28.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any, Final

import orjson

from app.services.kjernejournal.port import Summary
from app.services.kjernejournal.rules import address_acts
from app.trust.facts import Facts, Setting, SettingKind

INVALID, NO_JOURNAL, JOURNAL, OWN_ENTRIES, CRITICAL = range(5)
TEXTS: Final[Mapping[int, str]] = MappingProxyType(
    {
        INVALID: "Fødselsnummeret er ikke gyldig",
        NO_JOURNAL: "Ingen kjernejournal",
        JOURNAL: "Kjernejournal er tilgjengelig",
        OWN_ENTRIES: "Innbyggeren har egne registreringer i kjernejournal",
        CRITICAL: "OBS: Kritisk informasjon i kjernejournal",
    }
)
"""The text of each symbol; that of the last is documented."""

_NAMED_BLOCKS: Final = frozenset({SettingKind.SPECIFIC_BLOCK, SettingKind.ORG_BLOCK})
_CONSONANTS: Final = "bcdfghjklmnpqrstvwxz"
_NONSENSE: Final = ("tull", "vrøvl", "sludder", "vas")


@dataclass(frozen=True, slots=True)
class Symbol:
    """What is shown of a patient. ``ticket`` is to be given out with it: only where there is a journal."""

    status: int
    changed: float | None = None
    kategorier: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    restrictions: tuple[str, ...] = ()
    blocked: bool = False

    @property
    def has_journal(self) -> bool:
        return self.status >= JOURNAL


def symbol(facts: Facts, summary: Summary | None) -> Symbol:
    """The symbol of a patient who has been looked up; ``summary`` tells of the critical information."""
    patient = facts.patient
    if patient is None or any(setting.kind is SettingKind.RESERVATION for setting in facts.settings):
        return Symbol(NO_JOURNAL)
    status = JOURNAL
    if patient.extra.get("own_entries"):
        status = OWN_ENTRIES
    if summary is not None and summary.has:
        status = CRITICAL
    whole = [setting for setting in facts.settings if not setting.objects]
    # Whoever is blocked, no clinical data are told of to anybody: what is shown on cannot be controlled.
    blocked = any(setting.kind in _NAMED_BLOCKS for setting in whole)
    told = summary if status == CRITICAL and not blocked else None
    return Symbol(
        status,
        told.last_changed if told is not None else None,
        told.kategorier if told is not None else MappingProxyType({}),
        _restrictions(whole),
        blocked,
    )


def as_known(facts: Facts, now: float) -> Facts:
    """The facts as the symbol sees them: blocks and restrictions are shown, not obeyed; addresses come late."""
    patient = facts.patient
    if patient is not None and not address_acts(patient, now):
        patient = replace(patient, address_protection="Unclassified")
    return replace(facts, patient=patient, settings=())


def body(shown: Symbol, ticket: str | None, nonsense: tuple[str, str]) -> bytes:
    """The answer. ``nonsense`` is a member no client knows: the real service sends such, now and then."""
    answer: dict[str, Any] = {"status": shown.status, "returTekst": TEXTS[shown.status]}
    if shown.has_journal:
        if shown.changed is not None:
            answer["sistEndretKritiskInfoDato"] = _time(shown.changed)
            answer["sistEndretKritiskInfo"] = [
                {"kategori": kategori, "sistEndret": _time(changed)} for kategori, changed in shown.kategorier.items()
            ]
        answer["sperringDetaljer"] = [{"modul": modul} for modul in shown.restrictions]
        answer["eksistererBlokkertHelsepersonell"] = shown.blocked
        # No prescriptions are held here, so there are none to tell of.
        answer |= {"harLasteResepter": False, "harLegemidler": False}
    if ticket is not None:
        answer["ticket"] = ticket
    name, value = nonsense
    return orjson.dumps({**answer, name: value})


def nonsense(seed: str, number: str, day: date) -> tuple[str, str]:
    """A member that no client can know, the same for the same seed, number and day."""
    drawn = hashlib.sha256("\x1f".join((seed, number, day.isoformat())).encode()).digest()
    name = "".join(_CONSONANTS[each % len(_CONSONANTS)] for each in drawn[:4])
    return name, _NONSENSE[drawn[4] % len(_NONSENSE)]


def _restrictions(settings: Sequence[Setting]) -> tuple[str, ...]:
    """The modules that are restricted; the shape they are told in is the sandbox's own."""
    found = []
    for setting in settings:
        if setting.kind is SettingKind.GENERAL_BLOCK:
            found.append("KJERNEJOURNAL")
        elif setting.kind is SettingKind.MODULE_RESTRICTION:
            found.append(setting.code or "KJERNEJOURNAL")
    return tuple(dict.fromkeys(found))


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
