"""Persons, health workers and organisations put or changed from JSON, with everything that must hold between them.

All functions run inside the caller's transaction and raise ``Refusal`` with a JSON pointer into the body;
a caller whose transaction is undone has changed nothing. Times are epoch seconds on the sandbox clock.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

from app import identity
from app.errors import Reason, Refusal
from app.sandboxes.forms import invalid, merged, validated
from app.sandboxes.register_bodies import OrganisationBody, PersonBody, PractitionerBody
from app.sandboxes.state import SandboxState
from app.store import registers
from app.store.engine import Connection
from app.trust.facts import OrganisationRecord, Person, PractitionerRecord

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_NUMBER: Final = re.compile(r"[0-9]{9,}")
_SERIALS: Final = 200
_OSLO: Final = ZoneInfo("Europe/Oslo")
_HPR_TEXT: Final = "an HPR number has 1-9 digits and no leading zero"


def put_person(
    conn: Connection, state: SandboxState, person_id: str, body: PersonBody, now: float, *, check_relations: bool = True
) -> tuple[Person, bool]:
    """Store the person; gives it, and whether it is new.

    With ``check_relations`` false the persons it names need not be there yet; ``check_relatives`` is for later.
    """
    check_id(person_id)
    old = registers.person_by_id(conn, state.id, person_id, lock=True)
    person = _person(conn, state, person_id, body, old, now)
    _check_life(person, old, now)
    _check_number(person, old)
    if check_relations:
        check_relatives(conn, state.id, person_id, body, old)
    previous = [number(state, each, "/previousNins").value for each in body.previous_nins]
    registers.put_person(conn, state.id, person, previous=previous)
    return person, old is None


def patch_person(
    conn: Connection,
    state: SandboxState,
    person_id: str,
    patch: Mapping[str, Any],
    now: float,
    *,
    check_relations: bool = True,
) -> Person:
    """Change some of a person's members (RFC 7396). Raises also ``Refusal(NOT_FOUND)``."""
    old = required(conn, state.id, person_id, lock=True)
    if "nin" in patch and patch["nin"] is None:
        raise invalid("/nin", "a person always has a number")
    previous = [value for value, current in registers.identifiers_of(conn, state.id, person_id) if not current]
    body = validated(PersonBody, merged(person_body(old, previous), patch))
    return put_person(conn, state, person_id, body, now, check_relations=check_relations)[0]


def put_practitioner(
    conn: Connection, state: SandboxState, practitioner_id: str, body: PractitionerBody
) -> PractitionerRecord:
    """Store the health worker. Those with the old HPR number as general practitioner follow to a new one."""
    check_id(practitioner_id)
    if not identity.is_hpr(body.hpr):
        raise invalid("/hpr", _HPR_TEXT)
    record = PractitionerRecord(
        id=practitioner_id,
        hpr=body.hpr,
        pid=number(state, body.nin, "/nin").value,
        authorizations=frozenset(body.authorizations),
        given=body.given,
        family=body.family,
    )
    old = registers.practitioner_by_id(conn, state.id, practitioner_id, lock=True)
    registers.put_practitioner(conn, state.id, record)
    if old is not None and old.hpr != record.hpr:
        for patient in registers.patients_of(conn, state.id, old.hpr):
            registers.put_person(conn, state.id, _with_gp(patient, record.hpr))
    return record


def patch_practitioner(
    conn: Connection, state: SandboxState, practitioner_id: str, patch: Mapping[str, Any]
) -> PractitionerRecord:
    """Change some of a health worker's members; ``authorizations: []`` withdraws. Raises also NOT_FOUND."""
    old = required_practitioner(conn, state.id, practitioner_id, lock=True)
    return put_practitioner(
        conn, state, practitioner_id, validated(PractitionerBody, merged(practitioner_body(old), patch))
    )


def put_patients(conn: Connection, state: SandboxState, practitioner_id: str, persons: Sequence[str]) -> list[str]:
    """Make ``persons`` the whole list of a general practitioner; gives their ids. Raises also NOT_FOUND."""
    hpr = required_practitioner(conn, state.id, practitioner_id).hpr
    listed = {}
    for place, person_id in enumerate(persons):
        person = registers.person_by_id(conn, state.id, person_id, lock=True)
        if person is None:
            raise invalid(f"/persons/{place}", "there is no person with that id")
        listed[person_id] = person
    for known in registers.patients_of(conn, state.id, hpr):
        if known.id not in listed:
            registers.put_person(conn, state.id, _with_gp(known, None))
    for person in listed.values():
        registers.put_person(conn, state.id, _with_gp(person, hpr))
    return sorted(listed)


def put_organisation(
    conn: Connection, state: SandboxState, organisation_id: str, body: OrganisationBody
) -> OrganisationRecord:
    """Store the organisation."""
    check_id(organisation_id)
    numbers = [("/orgnr", body.orgnr), ("/parentOrgnr", body.parent_orgnr)]
    numbers += [(f"/delegatedBy/{place}", each) for place, each in enumerate(body.delegated_by)]
    for pointer, value in numbers:
        if value is not None and not identity.is_orgnr(value, docs_aliases=state.settings.docs_aliases):
            raise invalid(pointer, "the organisation number is not valid: nine digits, the last by modulus 11")
    if body.parent_orgnr == body.orgnr:
        raise invalid("/parentOrgnr", "an organisation is not part of itself")
    record = OrganisationRecord(
        id=organisation_id,
        orgnr=body.orgnr,
        name=body.name,
        parent_orgnr=body.parent_orgnr,
        kind=body.kind,
        delegated_by=frozenset(body.delegated_by),
        helsenett_member=body.helsenett_member,
        her_id=body.her_id,
        resh_id=body.resh_id,
        kj_access=body.kj_access,
    )
    registers.put_organisation(conn, state.id, record)
    return record


def patch_organisation(
    conn: Connection, state: SandboxState, organisation_id: str, patch: Mapping[str, Any]
) -> OrganisationRecord:
    """Change some of an organisation's members. Raises also ``Refusal(NOT_FOUND)``."""
    old = registers.organisation_by_id(conn, state.id, organisation_id, lock=True)
    if old is None:
        raise unknown("organisation")
    return put_organisation(
        conn, state, organisation_id, validated(OrganisationBody, merged(organisation_body(old), patch))
    )


def required(conn: Connection, sandbox: str, person_id: str, *, lock: bool = False) -> Person:
    """The person with an id. Raises ``Refusal(NOT_FOUND)``."""
    found = registers.person_by_id(conn, sandbox, person_id, lock=lock)
    if found is None:
        raise unknown("person")
    return found


def required_practitioner(
    conn: Connection, sandbox: str, practitioner_id: str, *, lock: bool = False
) -> PractitionerRecord:
    """The health worker with an id. Raises ``Refusal(NOT_FOUND)``."""
    found = registers.practitioner_by_id(conn, sandbox, practitioner_id, lock=lock)
    if found is None:
        raise unknown("practitioner")
    return found


def number(state: SandboxState, value: str, pointer: str) -> identity.Identifier:
    """A national identity number from a body, by the sandbox's rules. Raises ``Refusal(PATIENT_ID_INVALID)``."""
    settings = state.settings
    try:
        return identity.parse(value, rule=settings.nin_rule, aliases=identity.aliases_for(settings.docs_aliases))
    except Refusal as refusal:
        raise Refusal(refusal.reason, refusal.detail, source=refusal.source, extra={"pointer": pointer}) from None


def check_id(value: str) -> None:
    """An id stands in addresses, and so in every log on the way: it is never a number of somebody (ruling R62)."""
    if not _ID.fullmatch(value) or _NUMBER.fullmatch(value):
        raise Refusal(
            Reason.CONTENT_INVALID, "an id has 1-64 letters, digits and hyphens, and is not a bare number", source="R62"
        )


def check_relatives(
    conn: Connection, sandbox: str, person_id: str, body: PersonBody, old: Person | None = None
) -> None:
    """Those the person names are there, and are somebody else. Who was named before may have gone since."""
    named = [(f"/parents/{place}", each) for place, each in enumerate(body.parents)]
    named += [(f"/fullmaktTo/{place}", each) for place, each in enumerate(body.fullmakt_to)]
    if body.guardian is not None:
        named.append(("/guardian", body.guardian))
    before = {*old.parents, *old.fullmakt_to, old.guardian} if old is not None else set()
    for pointer, each in named:
        if each == person_id:
            raise invalid(pointer, "nobody is a relation of their own")
        if each not in before and registers.person_by_id(conn, sandbox, each) is None:
            raise invalid(pointer, "there is no person with that id")


def person_body(person: Person, previous: Sequence[str]) -> dict[str, Any]:
    """The person as ``PersonBody`` has it: what a PUT takes. ``previous`` are the discontinued numbers."""
    return {
        "nin": person.nin,
        "previousNins": list(previous),
        "given": person.given,
        "family": person.family,
        "birthDate": person.birth_date,
        "gender": person.gender,
        "addressProtection": person.address_protection,
        "status": person.status,
        "deceasedDate": person.deceased_date,
        "parents": sorted(person.parents),
        "addressGroup": person.address_group,
        "guardian": person.guardian,
        "fullmaktTo": sorted(person.fullmakt_to),
        "youthConsent": person.youth_consent,
        "municipality": person.municipality,
        "gpHpr": person.extra.get("gp_hpr"),
        "ownEntries": person.extra.get("own_entries", False),
    }


def practitioner_body(record: PractitionerRecord) -> dict[str, Any]:
    """The health worker as ``PractitionerBody`` has it."""
    return {
        "nin": record.pid,
        "hpr": record.hpr,
        "authorizations": sorted(record.authorizations),
        "given": record.given,
        "family": record.family,
    }


def organisation_body(record: OrganisationRecord) -> dict[str, Any]:
    """The organisation as ``OrganisationBody`` has it."""
    return {
        "orgnr": record.orgnr,
        "name": record.name,
        "parentOrgnr": record.parent_orgnr,
        "kind": record.kind,
        "delegatedBy": sorted(record.delegated_by),
        "helsenettMember": record.helsenett_member,
        "herId": record.her_id,
        "reshId": record.resh_id,
        "kjAccess": record.kj_access,
    }


def today_at(now: float) -> date:
    """The day in Norway, where ages are counted, at ``now``."""
    return datetime.fromtimestamp(now, _OSLO).date()


def unknown(what: str) -> Refusal:
    return Refusal(Reason.NOT_FOUND, f"there is no {what} with that id")


def _person(
    conn: Connection, state: SandboxState, person_id: str, body: PersonBody, old: Person | None, now: float
) -> Person:
    if body.nin is not None:
        found = number(state, body.nin, "/nin")
    elif old is not None:
        found = identity.parse(old.nin)
    else:
        found = identity.parse(_made_number(conn, state, body))
    if body.gp_hpr is not None and not identity.is_hpr(body.gp_hpr):
        raise invalid("/gpHpr", _HPR_TEXT)
    extra = dict(old.extra) if old is not None else {}
    extra.pop("gp_hpr", None)
    if body.gp_hpr is not None:
        extra["gp_hpr"] = body.gp_hpr
    extra.pop("own_entries", None)
    if body.own_entries:
        extra["own_entries"] = True
    _note_protection(extra, old, body, now)
    return Person(
        id=person_id,
        nin=found.value,
        nin_system=found.system,
        birth_date=_date(body.birth_date),
        gender=body.gender,
        address_protection=body.address_protection,
        status=body.status,
        deceased_date=_date(body.deceased_date),
        parents=frozenset(body.parents),
        address_group=body.address_group,
        guardian=body.guardian,
        fullmakt_to=frozenset(body.fullmakt_to),
        youth_consent=body.youth_consent,
        given=body.given,
        family=body.family,
        municipality=body.municipality,
        extra=MappingProxyType(extra),
    )


def _note_protection(extra: dict[str, object], old: Person | None, body: PersonBody, now: float) -> None:
    """When the address came to be protected: what is synchronised once a day learns of it late (ruling S28)."""
    before = old.address_protection if old is not None else "Unclassified"
    if body.address_protection == "Unclassified":
        extra.pop("protected_since", None)
    elif before == "Unclassified":
        extra["protected_since"] = now


def _with_gp(person: Person, hpr: str | None) -> Person:
    extra = {name: value for name, value in person.extra.items() if name != "gp_hpr"}
    if hpr is not None:
        extra["gp_hpr"] = hpr
    return replace(person, extra=MappingProxyType(extra))


def _made_number(conn: Connection, state: SandboxState, body: PersonBody) -> str:
    if body.birth_date is None or body.gender not in ("female", "male"):
        raise invalid("/nin", "without nin, birthDate and gender (female or male) are needed to make a number")
    for serial in range(_SERIALS):
        try:
            made = identity.generate(body.birth_date, body.gender, serial)
        except ValueError as error:
            raise invalid("/birthDate", str(error)) from error
        if registers.person_by_nin(conn, state.id, made) is None:
            return made
    raise invalid("/birthDate", "the day has no more numbers; send nin")


def _check_life(person: Person, old: Person | None, now: float) -> None:
    """Nobody is born or dead in the future, nor dead before birth; what was so before may stand (the clock moves)."""
    today = today_at(now).isoformat()
    born, died = person.birth_date, person.deceased_date
    if born is not None and born > today and (old is None or old.birth_date != born):
        raise invalid("/birthDate", "the birth date is in the future on the sandbox clock")
    if died is None or (old is not None and (old.birth_date, old.deceased_date) == (born, died)):
        return
    if died > today:
        raise invalid("/deceasedDate", "the date of death is in the future on the sandbox clock")
    if born is not None and died < born:
        raise invalid("/deceasedDate", "the date of death is before the birth date")


def _check_number(person: Person, old: Person | None) -> None:
    """A number that is given anew, or a birth date or gender that is, agrees with the rest.

    Seeded children keep their number while their birth year moves (ruling R49), so what stood before may stand.
    """
    if old is not None and (old.nin, old.birth_date, old.gender) == (person.nin, person.birth_date, person.gender):
        return
    told = identity.told_by(person.nin)
    if told.day is not None and person.birth_date is not None and told.day != _day(person.birth_date):
        raise invalid("/birthDate", "the birth date is not the one in the number")
    if told.sex is not None and person.gender in ("female", "male") and told.sex != person.gender:
        raise invalid("/gender", "the gender is not the one in the number")


def _day(birth_date: str) -> tuple[int, int, int]:
    born = date.fromisoformat(birth_date)
    return born.day, born.month, born.year % 100


def _date(value: date | None) -> str | None:
    return None if value is None else value.isoformat()
