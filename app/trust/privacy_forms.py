"""Privacy settings in the forms the nation writes them in: PVK's definitions, and PTS' privacy and safety rules.

personvern.md sections 2 and 3. Each function gives the settings a body stands for, or raises
``Refusal(CONTENT_INVALID)`` with the documented text (ruling R56) and a JSON pointer in ``extra``.
Times are epoch seconds on the sandbox clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

from app.errors import Reason, Refusal
from app.ids import derived_uuid
from app.trust.facts import Setting, SettingKind

Pair = tuple[str, str]
Period = tuple[float | None, float | None]
PiType = Literal["samtykke", "reservasjon", "tilgangsbegrensning"]

NEVER: Final = 253_402_300_799.0
"""The last second of the year 9999, stored for a denial without end."""
ALL_SERVICES: Final = "*"
CODES_9603: Final = frozenset(
    {
        "N",
        "NORN_FFL",
        "NORN_KUT",
        "NORN_EPO",
        "NORN_ALL",
        "NORN_FOR",
        "NORN_FORANS",
        "NORN_UNGDOM",
        "NORN_FFH",
        "NORN_FPB",
        "NORN_DUP",
        "NORN_ANG",
        "NORU",
        "NORS",
    }
)
"""Code list 9603, sperring og nekting av dokumenter."""

_DAY: Final = 86_400.0
_ALWAYS: Final[tuple[Period, ...]] = ((None, None),)
_DOMAINS: Final[Mapping[str, str]] = MappingProxyType({"PPS": "PPS", "Nilar": "PPS"})


@dataclass(frozen=True, slots=True)
class Definition:
    """A PVK definition: who owns it and what it does in the sandbox. ``kind`` None: nothing reads it yet.

    ``actors`` tells whether the citizen names whom it is aimed at.
    """

    part: str
    type_pi: PiType
    name: str
    guid: str
    service: str
    kind: SettingKind | None
    actors: Literal["none", "required", "optional"] = "none"
    code: str | None = None


_LIMIT: Final = "tilgangsbegrensning"
_RESERVE: Final = "reservasjon"
_CONSENT: Final = "samtykke"
_GENERAL, _NAMED = SettingKind.GENERAL_BLOCK, SettingKind.SPECIFIC_BLOCK

DEFINITIONS: Final[tuple[Definition, ...]] = (
    Definition(
        "pps",
        _LIMIT,
        "Sperre prøvesvar for alt helsepersonell",
        "0efc4be4-ea5e-5bca-9fcd-c0aec4ab4af4",
        "PPS",
        _GENERAL,
    ),
    Definition(
        "pps",
        _LIMIT,
        "Blokkere utvalgt helsepersonell fra prøvesvar",
        "ca32e9d8-df0f-5263-b6a7-d8dc009353b6",
        "PPS",
        _NAMED,
        "required",
    ),
    Definition(
        "pps",
        _RESERVE,
        "Reservasjon mot Pasientens prøvesvar",
        "a06367fa-45c9-5cd6-af7b-109af059bf55",
        "PPS",
        SettingKind.RESERVATION,
    ),
    Definition(
        "kj", _LIMIT, "Begrense tilgang til kjernejournal", "11d99786-412a-5fc5-b81d-9a17ce7d8fd8", "KJ", _GENERAL
    ),
    Definition(
        "kj",
        _LIMIT,
        "Begrense tilgang til kritisk informasjon",
        "56f8ff56-ff71-50d0-92bf-cb9c2811b641",
        "KJ",
        SettingKind.MODULE_RESTRICTION,
        code="KRITISK_INFO",
    ),
    Definition(
        "kj",
        _LIMIT,
        "Blokkere utvalgt helsepersonell fra kjernejournal",
        "51531e8a-eabe-5505-84f4-01ea8bda8bca",
        "KJ",
        _NAMED,
        "required",
    ),
    Definition(
        "kj",
        _RESERVE,
        "Reservasjon mot kjernejournal",
        "134c6390-02e7-55b1-91ee-61eb1e7d84d7",
        "KJ",
        SettingKind.RESERVATION,
    ),
    Definition(
        "rf", _LIMIT, "Blokkere resepter for alt helsepersonell", "190f0ac5-cd66-598e-b4ca-2b9cd071a30a", "RF", _GENERAL
    ),
    Definition(
        "pjd",
        _LIMIT,
        "Sperre journaldokumenter",
        "ca40d7fe-d230-55f5-93d6-e4411b40aca2",
        "PJD",
        _GENERAL,
        "optional",
    ),
    Definition(
        "helsenorge",
        _CONSENT,
        "Samtykke til bruk av Helsenorge",
        "8083b732-e675-553d-ae46-bfb4f7c296ba",
        ALL_SERVICES,
        SettingKind.HELSENORGE_CONSENT,
        code="FULL",
    ),
    Definition(
        "norpreg",
        _RESERVE,
        "Reservasjon mot oppføring i NORPREG",
        "56a8756c-49f7-4cb9-bfc0-ba282baf0f83",
        "NORPREG",
        SettingKind.RESERVATION,
    ),
    Definition(
        "prostraa",
        _CONSENT,
        "Proton- og stråleregister samtykke",
        "2c11f0ca-7270-43f1-a473-bac325feb3f6",
        "PROSTRAA",
        None,
    ),
)
"""The sandbox's definitions; the real GUIDs are mostly not public (section 2.6)."""

DEFINITION_BY_GUID: Final[Mapping[str, Definition]] = MappingProxyType({each.guid: each for each in DEFINITIONS})


def pvk(
    guid: str,
    type_pi: str,
    active: bool,
    *,
    part: str | None = None,
    actors: Sequence[Pair] = (),
    objects: Sequence[Pair] = (),
    periods: Sequence[Period] = (),
) -> tuple[Setting, ...]:
    """What a PVK setting stands for (section 2.4): nothing when it is not ``active``.

    All ids are the GUID, or begin with it and a dot.
    ``actors`` are ``(HPR|PID|ORGNR, number)``; the definition name is redundant and not checked.
    """
    definition = DEFINITION_BY_GUID.get(guid.lower())
    if definition is None:
        raise _invalid("/definisjonGuid", "definisjonGuid is not a definition of the sandbox")
    if definition.type_pi != type_pi:
        raise _invalid("/typePi", f"typePi of this definition is {definition.type_pi}")
    if part is not None and part != definition.part:
        raise _invalid("/partKode", "the definition belongs to another partKode")
    if definition.kind is None:
        raise _invalid("/definisjonGuid", "nothing in the sandbox reads this definition yet")
    if not active:
        return ()
    if definition.actors == "required" and not actors:
        raise _invalid("/innbyggerMetadata/aktorer", "the definition needs the personnel or organisations it is about")
    if definition.actors == "none" and actors:
        raise _invalid("/innbyggerMetadata/aktorer", "the definition is about all personnel")
    people = frozenset(pair for pair in actors if pair[0] != "ORGNR")
    units = frozenset(pair for pair in actors if pair[0] == "ORGNR")
    aimed: list[tuple[SettingKind, frozenset[Pair]]] = [(definition.kind, frozenset())]
    if actors:
        aimed = [(SettingKind.SPECIFIC_BLOCK, people), (SettingKind.ORG_BLOCK, units)]
        aimed = [(kind, subjects) for kind, subjects in aimed if subjects]
    settings = [
        Setting(
            id="",
            service=definition.service,
            kind=kind,
            subjects=subjects,
            objects=frozenset(objects),
            code=definition.code,
            active_from=start,
            active_to=end,
        )
        for kind, subjects in aimed
        for start, end in periods or _ALWAYS
    ]
    return _numbered(definition.guid, settings)


def patient_privacy(
    privacy_type: Literal["Shield", "Block"],
    privacy_level: Literal["Soft", "Hard"],
    domain: str,
    *,
    objects: Sequence[Pair] = (),
    subjects: Sequence[Pair] = (),
    periods: Sequence[Period] = (),
) -> tuple[Setting, ...]:
    """A PTS patient-privacy rule (section 3.2). Empty ``objects`` and ``subjects`` mean all.

    The ids follow from what the rule is about, so a rule sent again replaces itself.
    """
    service = _DOMAINS.get(domain)
    if service is None:
        raise _invalid("/restrictionDomain", "restrictionDomain must be PPS")
    settings = [
        Setting(
            id="",
            service=service,
            kind=SettingKind.PTS_PRIVACY,
            subjects=frozenset(subjects),
            objects=frozenset(objects),
            level=privacy_level,
            code=privacy_type,
            active_from=start,
            active_to=end,
        )
        for start, end in periods or _ALWAYS
    ]
    about = [f"{kind}={value}" for kind, value in (*sorted(objects), *sorted(subjects))]
    return _numbered(derived_uuid("pts-privacy", service, privacy_type, *about), settings)


def patient_safety(
    code: str,
    target: Pair,
    now: float,
    *,
    delay_days: int | None = None,
    delay_until: float | None = None,
    delay_from: float | None = None,
) -> Setting:
    """A PTS patient-safety rule about one requisition or report (section 3.1). A new rule replaces the old.

    ``delay_days`` count from ``now`` until a report is tied to the requisition.
    """
    if code not in CODES_9603:
        raise _invalid("/confidentialityCode", "confidentialityCode must be a code of list 9603")
    given = [value for value in (delay_days, delay_until, delay_from) if value is not None]
    if code == "N" and given:
        raise _invalid("/delayDeliveryUntil", "DelayDeliveryUntil cannot be specified with ConfidentialityCode N")
    if code.startswith("NORN_") and given:
        raise _invalid(
            "/delayDeliveryUntil",
            "DelayDeliveryUntil and DelayDays must be null for confidentialityCode NORN. "
            "DelayDeliveryUntil will be set by the service",
        )
    if len(given) > 1:
        raise _invalid(
            "/delayDeliveryUntil", "Only one of DelayDeliveryUntil, DelayDays and DelayFromTime can be specified"
        )
    until: float | None = None
    if code.startswith("NORN_"):
        until = NEVER
    elif code != "N":
        until = _delay(code, target, now, delay_days, delay_until)
    return Setting(
        id=derived_uuid("pts-safety", *target),
        service="PPS",
        kind=SettingKind.PTS_SAFETY,
        objects=frozenset({target}),
        code=code,
        until=until,
    )


def _delay(code: str, target: Pair, now: float, days: int | None, until: float | None) -> float:
    if days is None and until is None:
        raise _invalid(
            "/delayDeliveryUntil", f"DelayDeliveryUntil or DelayDays must have values for confidentialityCode {code}"
        )
    if until is not None:
        if until <= now:
            raise _invalid("/delayDeliveryUntil", "DelayDeliveryUntil must be set to a value in the future")
        return until
    assert days is not None
    if target[0] != "Rekvisisjon":
        raise _invalid("/delayDays", "DelayDays can only be specified for an object of type Rekvisisjon")
    if days < 1:
        raise _invalid("/delayDays", "DelayDays must be at least 1")
    return now + days * _DAY


def _numbered(base: str, settings: Sequence[Setting]) -> tuple[Setting, ...]:
    return tuple(
        replace(setting, id=base if place == 0 else f"{base}.{place + 1}") for place, setting in enumerate(settings)
    )


def _invalid(pointer: str, text: str) -> Refusal:
    return Refusal(Reason.CONTENT_INVALID, text, source="personvern.md sections 2 and 3", extra={"pointer": pointer})
