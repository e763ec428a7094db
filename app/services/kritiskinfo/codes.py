"""Which codes a record may have: systems, lists in force, and how several codings of one thing stand together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Final

from app.catalogue.codelists import known
from app.services.kritiskinfo.elements import INACTIVE_INGREDIENT, Json, codings, value
from app.services.kritiskinfo.errors import rule

SYSTEM_BASE: Final = "http://nhn.no/kj/fhir/CodeSystem/"
ATC: Final = SYSTEM_BASE + "ATC"
TRADE_NAME: Final = SYSTEM_BASE + "DrugTradeName"
SOURCES: Final = SYSTEM_BASE + "SourceOfInformation"
REACTIONS: Final = SYSTEM_BASE + "TypeOfReaction"
INFECTIONS: Final = SYSTEM_BASE + "SandboxInfection"
ICD_10: Final = "urn:oid:2.16.578.1.12.4.1.1.7110"
DURATIONS: Final = "urn:oid:2.16.578.1.12.4.1.1.7655"

_ATC_POSITIONS: Final = frozenset({7, 5, 4})
_ATC_CONTRAST_MEDIA: Final = "V08"
_ICD_EXCLUDED: Final = frozenset("VWXYZ")
# Their values are judged by the status and category rules, in systems of HL7 or ones that are not public.
_OTHER_RULES: Final = frozenset(
    {"clinicalStatus", "verificationStatus", "category", "scope", "policyRule", "meta", "security"}
)

Coded = tuple[str, str]
"""System and code."""


def check(resource: Json, today: date, kept: frozenset[Coded] = frozenset()) -> Iterator[str]:
    """Judge every coding; gives the paths of those without a display, which is wanted but not demanded.

    ``kept`` are the codings of the version before: a record may be changed or refuted although its code has gone out
    of use since. Raises ``Refusal(CONTENT_INVALID)``.
    """
    for path, found in concepts(resource):
        selected = [each for each in found if each.get("userSelected") is True]
        if len(selected) > 1 or (len(found) > 1 and not selected):
            raise rule("of several codings exactly one must be userSelected", path)
        for coding in found:
            _check(coding, path, today, kept)
            if not coding.get("display"):
                yield path


def concepts(resource: Json) -> Iterator[tuple[str, list[Json]]]:
    """The codings of every coded element that is judged by the code lists, with its path."""
    type_ = str(resource.get("resourceType"))
    waiting: list[tuple[str, object]] = [
        (f"{type_}.{name}", element) for name, element in resource.items() if name not in _OTHER_RULES
    ]
    while waiting:
        path, element = waiting.pop()
        if isinstance(element, list):
            waiting += [(path, each) for each in element]
        elif isinstance(element, Mapping):
            if found := list(codings(element)):
                yield path, found
            single = element.get("valueCoding")
            if isinstance(single, Mapping):
                yield path, [single]
            waiting += [
                (f"{path}.{name}", each) for name, each in element.items() if name not in ("coding", "valueCoding")
            ]


def coded(resource: Json) -> frozenset[Coded]:
    """Every system and code of a resource."""
    return frozenset(pair(coding) for _, found in concepts(resource) for coding in found)


def chosen(concept: object) -> Coded | None:
    """The coding a concept stands for: the one the user selected, or the only one."""
    found = codings(concept)
    selected = [each for each in found if each.get("userSelected") is True]
    return pair((selected or found)[0]) if found else None


def pair(coding: Json) -> Coded:
    return str(coding.get("system", "")), str(coding.get("code", ""))


def check_inactive_ingredient(concept: object, path: str) -> None:
    """An inactive ingredient is named by the trade name of what it is in. Raises ``Refusal(CONTENT_INVALID)``."""
    if value(concept, INACTIVE_INGREDIENT) is True:
        stated = chosen(concept)
        if stated is None or stated[0] != TRADE_NAME:
            raise rule("an inactive ingredient needs the coding of a trade name", path)


def _check(coding: Json, path: str, today: date, kept: frozenset[Coded]) -> None:
    system, code = pair(coding)
    if not code:
        raise rule("a coding needs a code", path, "code")
    if not (system.startswith(SYSTEM_BASE) or system in (ICD_10, DURATIONS)):
        raise rule("the code system is not one of this service", path, "code")
    if (system, code) not in kept and known(system, code, today) is None:
        raise rule("the code is unknown or not in use", path, "code")
    if system == ATC and not (len(code) in _ATC_POSITIONS or code == _ATC_CONTRAST_MEDIA):
        raise rule("an ATC code must have 7, 5 or 4 positions; 3 only for V08", path)
    if system == ICD_10 and code[0] in _ICD_EXCLUDED:
        raise rule("chapters XX and XXI of ICD-10 are not used", path)
