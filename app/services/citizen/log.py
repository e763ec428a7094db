"""The log of who has read or changed a citizen's data, made of audit records (audit spec section 5). Pure.

Personnel are shown by name, never by number. Attempts that privacy or role stopped are shown as such; what failed for
reasons of its own, such as a record that broke a rule, is not (ruling S11).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import orjson

from app.catalogue.codelists import LISTS
from app.directory import BY_NAME
from app.errors import Reason, Refusal
from app.fhir.search import read_count, read_date

MOST: Final = 1000
"""Audit records looked at for one answer, the newest."""
PARAMETERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "from": "Only what happened from this day or time on.",
        "to": "Only what happened before this day's end, or this time.",
        "service": "Only one chain of the audit, such as `KJ` or `PPS`.",
        "elevated": "`true`: only where restricted data were opened; `false`: only where they were not.",
        "own": "`false` leaves out the citizen's own reading, and that of those who act for them.",
        "_count": "How many to show, 50 without it and 200 at most.",
    }
)

_DEFAULT_COUNT: Final = 50
_LARGEST_COUNT: Final = 200
_MAX_SERVICE: Final = 20
_BOOLEANS: Final = MappingProxyType({"true": True, "false": False})
_SOURCE: Final = "audit spec section 5"
_OPENED: Final = "åpnet sperrede opplysninger"
_GROUNDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "SAMTYKKE": "Samtykke",
        "AKUTT": "Akutt",
        "UNNTAK": "Unntak fra samtykkekrav",
        "FORHOYET_SAMTYKKE": f"Samtykke – {_OPENED}",
        "FORHOYET_AKUTT": f"Akutt – {_OPENED}",
        "TREAT": "Helsehjelp",
        "ETREAT": "Akutt",
        "BTG": "Akutt",
        "COC": "Helsehjelp",
    }
)
_ACTIONS: Final[Mapping[str, str]] = MappingProxyType({"create": "Registrert", "update": "Endret", "delete": "Slettet"})
_READ: Final = "Lest"
_WHAT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "DiagnosticReport": "Svarrapport",
        "AllergyIntolerance": "Overfølsomhet",
        "Condition": "Tilstand",
        "Procedure": "Pågående behandling",
        "DeviceUseStatement": "Implantat",
        "Flag": "Endring i behandlingsrutine",
        "Consent": "Behandlingsavklaring",
    }
)
_OWN_KINDS: Final = frozenset({"citizen", "representative"})
_SHOWN: Final = frozenset({"PERMIT", "PARTIAL", "EMPTY", "DENY"})
_GRANTED: Final = frozenset({"PERMIT", "PARTIAL"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What part of the log; times in epoch seconds on the sandbox clock."""

    since: float | None = None
    until: float | None = None
    service: str | None = None
    elevated: bool | None = None
    own: bool = True
    count: int = _DEFAULT_COUNT


def read_wanted(parameters: Mapping[str, str]) -> Wanted:
    """The query of the log; parameters that are not its own are not looked at.

    Raises ``Refusal(PARAMETER_INVALID)``.
    """
    since, until, service = parameters.get("from"), parameters.get("to"), parameters.get("service")
    if service is not None and len(service) > _MAX_SERVICE:
        raise _invalid("service is not the name of a service")
    own = _boolean(parameters, "own")
    return Wanted(
        since=None if since is None else _time("from", since)[0],
        until=None if until is None else _time("to", until)[1],
        service=service,
        elevated=_boolean(parameters, "elevated"),
        own=own is not False,
        count=_count(parameters.get("_count")),
    )


def page(records: Iterable[Mapping[str, Any]], wanted: Wanted, names: Mapping[str, str]) -> tuple[bytes, int]:
    """The answer as JSON and how many there are in all. ``names`` are those of organisations, by their number."""
    shown = [record for record in records if _is_shown(record, wanted)]
    shown.sort(key=lambda record: (record["recorded"], record["seq"]), reverse=True)
    items = [_item(record, names) for record in shown[: wanted.count]]
    return orjson.dumps({"total": len(shown), "items": items}), len(shown)


def organisations_of(record: Mapping[str, Any]) -> Sequence[str]:
    """The organisation numbers a record names."""
    org = record["org"]
    return [number for number in (org["pointOfCare"], org["legalEntity"]) if number]


def _is_shown(record: Mapping[str, Any], wanted: Wanted) -> bool:
    return (
        record["citizenVisible"]
        # Of the two records of an elevated release the second tells it all (R59).
        and record["kind"] == "release"
        and record["decision"]["outcome"] in _SHOWN
        and (wanted.own or record["actor"]["kind"] not in _OWN_KINDS)
    )


def _item(record: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    actor, org = record["actor"], record["org"]
    change = record["operation"].rpartition("/")[2]
    granted = record["decision"]["outcome"] in _GRANTED
    number = org["pointOfCare"] or org["legalEntity"]
    return {
        "time": record["recorded"],
        "service": _title(record),
        "action": _ACTIONS.get(change, _READ),
        "granted": granted,
        "elevated": record["elevated"],
        "ground": _GROUNDS.get(record["basis"] or record["purpose"] or ""),
        "person": {"kind": actor["kind"], "name": actor["name"], "role": _role(actor["role"]), "hpr": actor["hpr"]},
        "organisation": {"name": names.get(number or ""), "orgnr": number, "legalEntity": org["legalEntity"]},
        "what": sorted({_WHAT.get(type_, type_) for type_ in _types(record)}),
        "changed": granted and change in _ACTIONS,
        "eventId": record["eventId"],
    }


def _title(record: Mapping[str, Any]) -> str:
    entry = BY_NAME.get(record["apiVersion"])
    return entry.title if entry is not None else str(record["service"])


def _role(code: str | None) -> str | None:
    found = LISTS["CategoriesOfHealthProfessionals"].codes.get(code or "")
    return found.display if found is not None else code


def _types(record: Mapping[str, Any]) -> set[str]:
    """The types of what was shown; of what was asked for when nothing was."""
    types = {str(target).partition("/")[0] for target in record["target"]}
    return types or {type_ for type_ in (record["operation"].partition("/")[0],) if type_ in _WHAT}


def _time(name: str, value: str) -> tuple[float, float]:
    try:
        found = read_date(value)
    except ValueError as error:
        raise _invalid(f"{name} {error}") from None
    if found.prefix != "eq":
        raise _invalid(f"{name} takes no prefix")
    return found.low, found.high


def _boolean(parameters: Mapping[str, str], name: str) -> bool | None:
    value = parameters.get(name)
    if value is not None and value not in _BOOLEANS:
        raise _invalid(f"{name} must be true or false")
    return None if value is None else _BOOLEANS[value]


def _count(value: str | None) -> int:
    try:
        count = _DEFAULT_COUNT if value is None else read_count(value)
    except ValueError as error:
        raise _invalid(f"_count {error}") from None
    return min(count, _LARGEST_COUNT)


def _invalid(detail: str) -> Refusal:
    return Refusal(Reason.PARAMETER_INVALID, detail, source=_SOURCE)
