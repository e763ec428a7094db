"""Requests for the policy tests: an ordinary one, and ways to make it less ordinary.

Persons, health workers and organisations are the sandbox's own synthetic ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from app.clock import Moment
from app.trust.facts import Facts, Fullmakt, OrganisationRecord, Person, PractitionerRecord, Setting, SettingKind
from app.trust.policy import PPS, ObjectFacts, Request, ServicePolicy
from app.trust.principal import Access, Attest, Channel, Principal

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC).timestamp()
DAY = 86_400.0
FNR = "urn:oid:2.16.578.1.12.4.1.4.1"

P01 = Person(id="P01", nin="14838449698", nin_system=FNR, birth_date="1984-03-14")
P08 = Person(id="P08", nin="08851899805", nin_system=FNR, birth_date="2018-05-08", parents=frozenset({"P15", "P16"}))
P09 = Person(
    id="P09",
    nin="19881299960",
    nin_system=FNR,
    birth_date="2012-08-19",
    parents=frozenset({"P15", "P16"}),
    youth_consent=True,
)
P10 = Person(id="P10", nin="11820999845", nin_system=FNR, birth_date="2009-02-11", parents=frozenset({"P15", "P16"}))
P13 = Person(id="P13", nin="25854649879", nin_system=FNR, birth_date="1946-05-25", fullmakt_to=frozenset({"P14"}))
P14 = Person(id="P14", nin="01897549995", nin_system=FNR, birth_date="1975-09-01")
P15 = Person(id="P15", nin="06868549848", nin_system=FNR, birth_date="1985-06-06", address_group="A1")
P16 = Person(id="P16", nin="20828349954", nin_system=FNR, birth_date="1983-02-20", address_group="A2")
P17 = Person(id="P17", nin="03836249851", nin_system=FNR, birth_date="1962-03-03")
P18 = Person(id="P18", nin="11919949904", nin_system=FNR, birth_date="1999-11-11", guardian="P17")

H01 = PractitionerRecord("H01", "222250101", "02828049251", frozenset({"LE"}), "ÅRVÅKEN", "LEGEROT")
H02 = PractitionerRecord("H02", "222250102", "16867649135", frozenset({"LE"}), "MUNTER", "TRESKO")

O01 = OrganisationRecord("O01", "315500109", "FRISK FJORD HELSEFORETAK (SANDKASSE)")
O02 = OrganisationRecord("O02", "315500206", "RAUS DAL HELSEFORETAK (SANDKASSE)")
O03 = OrganisationRecord("O03", "315500303", "FRISK FJORD SYKEHUS, SOMATIKK", parent_orgnr="315500109")
O04 = OrganisationRecord("O04", "315500400", "RAUS DAL SYKEHUS, PSYKISK HELSEVERN", parent_orgnr="315500206")

BOTH_AREAS = Fullmakt(frozenset({"innsyn", "digitale helsetjenester"}))


def attest(**changes: Any) -> Attest:
    """A complete attest by H01 at O03, taken now."""
    plain = Attest(
        practitioner_id=H01.pid,
        hpr=H01.hpr,
        authorization="LE",
        legal_entity=O01.orgnr,
        point_of_care=O03.orgnr,
        department=None,
        purpose="TREAT",
        purpose_details=None,
        healthcare_service=None,
        decision_ref="d-1",
        user_selected=True,
        patient=None,
        toa=int(NOW),
    )
    return replace(plain, **changes)


def personnel(
    *settings: Setting,
    patient: Person | None = P01,
    by: PractitionerRecord | None = H01,
    service: ServicePolicy = PPS,
    access: dict[str, Any] | None = None,
    principal: dict[str, Any] | None = None,
    facts: dict[str, Any] | None = None,
    **request: Any,
) -> Request:
    """H01 at O03 of O01 searches for P01, who has data and no settings; everything in order."""
    who = Principal(
        channel=Channel.PERSONNEL,
        pid=by.pid if by else "02828049251",
        hpr=by.hpr if by else None,
        level=4,
        orgnr_parent=O01.orgnr,
        orgnr_child=O03.orgnr,
    )
    asked = Access(
        sandbox="default",
        service=service.name,
        operation="search",
        moment=Moment(NOW, NOW),
        principal=replace(who, **(principal or {})),
        attest=attest(),
        patient_nin=patient.nin if patient else P01.nin,
        role="LE",
    )
    known = Facts(patient=patient, practitioner=by, parent_org=O01, child_org=O03, settings=settings, has_data=True)
    return Request(
        access=replace(asked, **(access or {})),
        facts=replace(known, **(facts or {})),
        service=service,
        **{"op": "search", **request},
    )


def machine(*settings: Setting, **changes: Any) -> Request:
    """A machine of O03 that may do the operation."""
    principal = {"channel": Channel.MACHINE, "pid": None, "hpr": None, "level": 0, **changes.pop("principal", {})}
    service = changes.pop("service", PPS)
    allowed = replace(service, machine_ops=frozenset({"search", "read", "create", "ingest"}))
    return personnel(*settings, by=None, service=allowed, principal=principal, **changes)


def citizen(
    *settings: Setting,
    patient: Person | None = P01,
    actor: Person | None = None,
    service: ServicePolicy = PPS,
    access: dict[str, Any] | None = None,
    principal: dict[str, Any] | None = None,
    facts: dict[str, Any] | None = None,
    **request: Any,
) -> Request:
    """``actor`` (else the patient) asks about ``patient``; a parent lives at the child's address."""
    acting = actor or patient
    who = Principal(channel=Channel.CITIZEN, pid=acting.nin if acting else "14838449698", level=4)
    asked = Access(
        sandbox="default",
        service=service.name,
        operation="search",
        moment=Moment(NOW, NOW),
        principal=replace(who, **(principal or {})),
        patient_nin=patient.nin if patient else P01.nin,
    )
    known = Facts(patient=patient, actor=acting, settings=settings, coresident_parent=True, has_data=True)
    return Request(
        access=replace(asked, **(access or {})),
        facts=replace(known, **(facts or {})),
        service=service,
        **{"op": "search", **request},
    )


def setting(kind: SettingKind, **values: Any) -> Setting:
    return Setting(id=f"s-{kind}", service="PPS", kind=kind, **values)


def hpr(*numbers: str) -> frozenset[tuple[str, str]]:
    return frozenset(("HPR", number) for number in numbers)


def orgnr(*numbers: str) -> frozenset[tuple[str, str]]:
    return frozenset(("ORGNR", number) for number in numbers)


def report(key: str, *codes: str, **values: Any) -> ObjectFacts:
    """An object known as Svarrapport ``key``, with 9603 codes."""
    ids: Iterable[tuple[str, str]] = values.pop("ids", (("Svarrapport", key),))
    return ObjectFacts(key=key, ids=frozenset(ids), confidentiality=frozenset(codes), **values)


GENERAL = setting(SettingKind.GENERAL_BLOCK)
RESERVATION = setting(SettingKind.RESERVATION)
HARD = setting(SettingKind.PTS_PRIVACY, level="Hard")
SOFT = setting(SettingKind.PTS_PRIVACY, level="Soft")
