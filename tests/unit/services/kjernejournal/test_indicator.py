"""The symbol: which number, what is told with it, and what no client can know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Any

import orjson
import pytest

from app.services.kjernejournal import indicator
from app.services.kjernejournal.indicator import Symbol, symbol
from app.trust.facts import Facts, Person, Setting, SettingKind

DAY = date(2026, 11, 21)


@dataclass(frozen=True)
class Told:
    has: bool = True
    last_changed: float | None = 1_700_000_000.5
    kategorier: Mapping[str, float] = field(default_factory=lambda: {"OVER_REAK": 1_700_000_000.5})


def facts(*kinds: SettingKind, own: bool = False, **setting: Any) -> Facts:
    extra: Mapping[str, object] = {"own_entries": True} if own else {}
    patient = Person("P01", "14838449698", "urn:oid:2.16.578.1.12.4.1.4.1", extra=MappingProxyType(extra))
    return Facts(patient, settings=tuple(Setting(kind.value, "KJ", kind, **setting) for kind in kinds))


@pytest.mark.parametrize(
    ("known", "summary", "status"),
    [
        (Facts(), None, 1),
        (facts(SettingKind.RESERVATION), Told(), 1),
        (facts(), Told(has=False), 2),
        (facts(own=True), Told(has=False), 3),
        (facts(own=True), Told(), 4),
        (facts(), Told(), 4),
    ],
)
def test_the_number(known: Facts, summary: Told | None, status: int) -> None:
    shown = symbol(known, summary)
    assert (shown.status, shown.has_journal) == (status, status >= 2)


@pytest.mark.parametrize("kind", [SettingKind.SPECIFIC_BLOCK, SettingKind.ORG_BLOCK])
def test_whoever_is_blocked_nothing_clinical_is_told(kind: SettingKind) -> None:
    shown = symbol(facts(kind, subjects=frozenset({("HPR", "1")})), Told())
    assert (shown.status, shown.blocked, shown.changed, dict(shown.kategorier)) == (4, True, None, {})


@pytest.mark.parametrize(
    ("kind", "code", "told"),
    [
        (SettingKind.GENERAL_BLOCK, None, ("KJERNEJOURNAL",)),
        (SettingKind.MODULE_RESTRICTION, "KRITISK_INFO", ("KRITISK_INFO",)),
        (SettingKind.MODULE_RESTRICTION, None, ("KJERNEJOURNAL",)),
        (SettingKind.PTS_PRIVACY, None, ()),
    ],
)
def test_restrictions(kind: SettingKind, code: str | None, told: tuple[str, ...]) -> None:
    shown = symbol(facts(kind, code=code), Told())
    assert (shown.restrictions, shown.changed) == (told, 1_700_000_000.5)


def test_the_body() -> None:
    shown = Symbol(4, 1_700_000_000.5, {"OVER_REAK": 1_700_000_000.5}, ("KRITISK_INFO",))
    assert orjson.loads(indicator.body(shown, "ticket", ("qzxv", "tull"))) == {
        "status": 4,
        "returTekst": "OBS: Kritisk informasjon i kjernejournal",
        "sistEndretKritiskInfoDato": "2023-11-14T22:13:20.500Z",
        "sistEndretKritiskInfo": [{"kategori": "OVER_REAK", "sistEndret": "2023-11-14T22:13:20.500Z"}],
        "sperringDetaljer": [{"modul": "KRITISK_INFO"}],
        "eksistererBlokkertHelsepersonell": False,
        "harLasteResepter": False,
        "harLegemidler": False,
        "ticket": "ticket",
        "qzxv": "tull",
    }
    assert set(orjson.loads(indicator.body(Symbol(1), None, ("qzxv", "tull")))) == {"status", "returTekst", "qzxv"}


def test_nonsense_is_the_same_for_the_same_and_another_for_another() -> None:
    first = indicator.nonsense("seed", "1", DAY)
    assert first == indicator.nonsense("seed", "1", DAY)
    others = {indicator.nonsense(seed, number, DAY) for seed in "ab" for number in "12"}
    assert len(others) == 4
    assert all(len(name) == 4 and not set(name) & set("aeiouyæøå") for name, _ in others)


def test_blocks_and_restrictions_are_not_obeyed() -> None:
    known = indicator.as_known(facts(SettingKind.GENERAL_BLOCK, SettingKind.RESERVATION), 0.0)
    assert known.settings == ()
