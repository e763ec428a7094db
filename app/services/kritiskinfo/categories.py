"""The eleven categories of critical information: how each is written, asked for and shown (kritisk-info.md §5).

Codes 1 and 2 are the store's own: an allergy has no numeric category. Category 7 has two forms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

KiType = Literal["AllergyIntolerance", "Condition", "Procedure", "DeviceUseStatement", "Flag", "Consent"]

PROFILE_BASE: Final = "http://nhn.no/kj/fhir/StructureDefinition/"
CATEGORY_SYSTEM: Final = "http://nhn.no/kj/fhir/CodeSystem/CategoryOfCriticalInformation"
TYPES: Final[tuple[KiType, ...]] = (
    "AllergyIntolerance",
    "Condition",
    "Procedure",
    "DeviceUseStatement",
    "Flag",
    "Consent",
)
MEDICATION: Final = "medication"
"""The FHIR category of an allergy that makes it a drug reaction."""

DRUG_REACTION: Final = 1
OTHER_ALLERGEN: Final = 2
INFECTION: Final = 10
LIMITED_TREATMENT: Final = 8
NO_RESUSCITATION: Final = 11
"""Category 11 replaces category 8: a patient may not have both in force at once."""


@dataclass(frozen=True, slots=True)
class Category:
    """One form of one category.

    ``profiles`` are full URLs, the one we write first. ``info_type`` is the value of ``criticalInfoType``;
    ``kategori`` the code of helseindikator; ``status_date`` the member of ``dateChanged`` in ``/status``.
    """

    code: int
    type: KiType
    name: str
    group: str
    profiles: tuple[str, ...]
    status_date: str
    kategori: str
    info_type: str | None = None

    @property
    def profile(self) -> str:
        return self.profiles[0]


def _row(
    code: int,
    type_: KiType,
    name: str,
    group: str,
    profiles: str,
    date: str,
    kategori: str,
    info_type: str | None = None,
) -> Category:
    urls = tuple([PROFILE_BASE + profile for profile in profiles.split()])
    return Category(code, type_, name, group, urls, date, kategori, info_type)


_HYPERSENSITIVITY: Final = "Overfølsomhetsreaksjoner"
_ANESTHESIA: Final = "Komplikasjoner ved anestesi"
_CONDITIONS: Final = "Kritiske medisinske tilstander"
_TREATMENT: Final = "Pågående behandlinger og implantater"
_ROUTINES: Final = "Endringer i behandlingsrutiner"
_INFECTION: Final = "Smitte"

GROUPS: Final = (_HYPERSENSITIVITY, _ANESTHESIA, _CONDITIONS, _TREATMENT, _ROUTINES, _INFECTION)
"""The six main groups, in the order they are shown."""

_ALLERGY: Final = ("KjAllergyIntolerance", "allergyIntoleranceDate", "OVER_REAK")
_COMPLICATION: Final = (
    "KjConditionComplicationsOfAnesthesia",
    "conditionComplicationsOfAnesthesiaDate",
    "KOMPL_ANEST",
)
_CONSENT_8: Final = "KjConsent KjConsentAvgrensningAvLivsforlengendeBehandling"
_IMPLANT: Final = "KjConditionTransplantsAndOtherForeignBodies"

CATEGORIES: Final[tuple[Category, ...]] = (
    _row(1, "AllergyIntolerance", "Legemiddelreaksjon", _HYPERSENSITIVITY, *_ALLERGY, "DrugReaction"),
    _row(2, "AllergyIntolerance", "Annen allergi", _HYPERSENSITIVITY, *_ALLERGY, "OtherAllergen"),
    _row(3, "Condition", "Intubasjonsproblem", _ANESTHESIA, *_COMPLICATION, "IntubationProblem"),
    _row(4, "Condition", "Annet problem ved anestesi", _ANESTHESIA, *_COMPLICATION, "OtherProblemWithAnesthesia"),
    _row(
        5,
        "Condition",
        "Kritisk medisinsk tilstand",
        _CONDITIONS,
        "KjConditionCriticalMedicalCondition",
        "conditionCriticalMedicalConditionDate",
        "KRIT_TILST",
        "CriticalMedicalCondition",
    ),
    _row(6, "Procedure", "Pågående behandling", _TREATMENT, "KjProcedure", "procedureDate", "PAAG_BEH"),
    _row(
        7, "DeviceUseStatement", "Implantat", _TREATMENT, "KjDeviceUseStatement", "deviceUseStatementDate", "PAAG_BEH"
    ),
    _row(
        7,
        "Condition",
        "Implantat",
        _TREATMENT,
        _IMPLANT,
        "conditionTransplantsAndOtherForeignBodiesDate",
        "PAAG_BEH",
        "TransplantsAndOtherForeignBodies",
    ),
    _row(
        8,
        "Consent",
        "Avgrensning av livsforlengende behandling",
        _ROUTINES,
        _CONSENT_8,
        "consentDate",
        "ENDR_RUTINE",
    ),
    _row(9, "Flag", "Annen prosedyreendring", _ROUTINES, "KjFlag", "flagDate", "ENDR_RUTINE"),
    _row(
        10, "Condition", "Smitte", _INFECTION, "KjConditionInfection", "conditionInfectionDate", "SMITTE", "Infection"
    ),
    _row(
        11,
        "Consent",
        "HLR-minus og behandlingsavklaringer",
        _ROUTINES,
        "KjConsentBehandlingsavklaring",
        "consentDate",
        "ENDR_RUTINE",
    ),
)

INFO_TYPES: Final[Mapping[str, Mapping[str, Category]]] = {
    type_: {row.info_type: row for row in CATEGORIES if row.type == type_ and row.info_type is not None}
    for type_ in TYPES
}
"""The values of ``criticalInfoType`` by resource type; a type without any takes none."""

_BY_PLACE: Final = {(row.type, row.code): row for row in CATEGORIES}


def category(type_: str, code: int) -> Category:
    """The row of a stored record. Raises ``KeyError`` for a pair that no category has."""
    return _BY_PLACE[(type_, code)]  # type: ignore[index]


def category_of(resource: Mapping[str, Any]) -> int:
    """The category 1 to 11 of a resource in the form of kjernejournal.

    Raises ``ValueError`` when neither profile nor category coding tells it, or they disagree.
    """
    return row_of(resource).code


def row_of(resource: Mapping[str, Any]) -> Category:
    """As ``category_of``, the whole row."""
    type_ = resource.get("resourceType")
    profiles = _profiles(resource)
    rows = [row for row in CATEGORIES if row.type == type_ and not profiles.isdisjoint(row.profiles)]
    if type_ == "AllergyIntolerance":
        code = DRUG_REACTION if MEDICATION in _list(resource.get("category")) else OTHER_ALLERGEN
        rows = [row for row in rows if row.code == code]
    elif stated := category_codes(resource):
        rows = [row for row in rows if str(row.code) in stated]
    if len(rows) != 1:
        raise ValueError("profile and category do not name one category of critical information")
    return rows[0]


def category_codes(resource: Mapping[str, Any]) -> frozenset[str]:
    """The codes of the category element, whatever their system (the system is not public)."""
    concepts = [each for each in _list(resource.get("category")) if isinstance(each, Mapping)]
    codings = [coding for each in concepts for coding in _list(each.get("coding")) if isinstance(coding, Mapping)]
    return frozenset(str(coding["code"]) for coding in codings if "code" in coding)


def _profiles(resource: Mapping[str, Any]) -> frozenset[str]:
    meta = resource.get("meta")
    stated = _list(meta.get("profile")) if isinstance(meta, Mapping) else []
    return frozenset(each for each in stated if isinstance(each, str))


def _list(value: object) -> Sequence[Any]:
    """R4 has some category elements as lists and Procedure's as a single concept."""
    if isinstance(value, Mapping):
        return [value]
    return value if isinstance(value, list) else []
