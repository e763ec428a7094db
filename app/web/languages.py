"""Which of our two languages a reader gets."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

Language = Literal["nb", "en"]

LANGUAGES: Final[tuple[Language, ...]] = ("nb", "en")
_OF_TAG: Final[Mapping[str, Language]] = MappingProxyType({"nb": "nb", "no": "nb", "nn": "nb", "en": "en"})
_MAX_WISHES: Final = 10


def language_of(wishes: str) -> Language:
    """The first language we have of ``Accept-Language`` or ``ui_locales``, else bokmål."""
    for wish in wishes.replace(",", " ").split()[:_MAX_WISHES]:
        tag = wish.split(";")[0].split("-")[0].lower()
        if tag in _OF_TAG:
            return _OF_TAG[tag]
    return "nb"
