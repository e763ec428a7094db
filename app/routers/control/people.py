"""``/persons``, ``/practitioners`` and ``/organisations``: the registers, by id (ruling R62)."""

from __future__ import annotations

import re
from datetime import date
from types import MappingProxyType
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response

from app import identity
from app.core import Core
from app.errors import Reason, Refusal
from app.routers.common import trail_of
from app.routers.control.bodies import OrganisationBody, PersonBody, PractitionerBody
from app.routers.control.problems import limited_route, responses
from app.sandboxes.state import SandboxState
from app.store import registers
from app.store.engine import Connection
from app.trust.facts import OrganisationRecord, Person, PractitionerRecord

PersonId = Annotated[str, Path(description="Id such as `P01`; never a national identity number.", max_length=64)]

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_NUMBER: Final = re.compile(r"[0-9]{9,}")
_SERIALS: Final = 200


def routes(core: Core) -> APIRouter:
    """Read, put and delete in the three registers."""
    router = APIRouter(route_class=limited_route(core.settings.max_body_bytes), tags=["registers"])

    @router.get("/persons", summary="Every person")
    async def list_persons(request: Request) -> dict[str, Any]:
        sandbox = trail_of(request).call.sandbox.id

        def read(conn: Connection) -> list[dict[str, Any]]:
            return [_person(conn, sandbox, each) for each in registers.list_persons(conn, sandbox)]

        return {"persons": await core.store.read(read)}

    @router.get("/persons/{person_id}", summary="One person", responses=responses(404))
    async def get_person(request: Request, person_id: PersonId) -> dict[str, Any]:
        sandbox = trail_of(request).call.sandbox.id
        return await core.store.read(lambda conn: _person(conn, sandbox, required(conn, sandbox, person_id)))

    @router.put("/persons/{person_id}", summary="Put a person", responses=responses(400, 409))
    async def put_person(request: Request, response: Response, person_id: PersonId, body: PersonBody) -> dict[str, Any]:
        state = trail_of(request).call.sandbox
        _check_id(person_id)

        def write(conn: Connection) -> tuple[bool, dict[str, Any]]:
            old = registers.person_by_id(conn, state.id, person_id)
            person, previous = _new_person(conn, state, person_id, body, old)
            registers.put_person(conn, state.id, person, previous=previous)
            return old is None, _person(conn, state.id, person)

        made, shown = await core.store.write(write)
        response.status_code = 201 if made else 200
        return shown

    @router.delete(
        "/persons/{person_id}", status_code=204, summary="Take a person away with all data", responses=responses(404)
    )
    async def delete_person(request: Request, person_id: PersonId) -> None:
        sandbox = trail_of(request).call.sandbox.id
        _found(await core.store.write(lambda conn: registers.remove_person(conn, sandbox, person_id)), "person")

    @router.get("/practitioners", summary="Every health worker")
    async def list_practitioners(request: Request) -> dict[str, Any]:
        sandbox = trail_of(request).call.sandbox.id
        found = await core.store.read(lambda conn: registers.list_practitioners(conn, sandbox))
        return {"practitioners": [_practitioner(each) for each in found]}

    @router.get("/practitioners/{practitioner_id}", summary="One health worker", responses=responses(404))
    async def get_practitioner(request: Request, practitioner_id: PersonId) -> dict[str, Any]:
        sandbox = trail_of(request).call.sandbox.id
        found = await core.store.read(lambda conn: registers.practitioner_by_id(conn, sandbox, practitioner_id))
        if found is None:
            raise _unknown("practitioner")
        return _practitioner(found)

    @router.put("/practitioners/{practitioner_id}", summary="Put a health worker", responses=responses(400, 409))
    async def put_practitioner(request: Request, practitioner_id: PersonId, body: PractitionerBody) -> dict[str, Any]:
        state = trail_of(request).call.sandbox
        _check_id(practitioner_id)
        if not identity.is_hpr(body.hpr):
            raise _invalid("/hpr", "an HPR number has 1-9 digits and no leading zero")
        record = PractitionerRecord(
            id=practitioner_id,
            hpr=body.hpr,
            pid=number(state, body.nin, "/nin").value,
            authorizations=frozenset(body.authorizations),
            given=body.given,
            family=body.family,
        )
        await core.store.write(lambda conn: registers.put_practitioner(conn, state.id, record))
        return _practitioner(record)

    @router.delete(
        "/practitioners/{practitioner_id}",
        status_code=204,
        summary="Take a health worker away",
        responses=responses(404),
    )
    async def delete_practitioner(request: Request, practitioner_id: PersonId) -> None:
        sandbox = trail_of(request).call.sandbox.id
        gone = await core.store.write(lambda conn: registers.remove_practitioner(conn, sandbox, practitioner_id))
        _found(gone, "practitioner")

    @router.get("/organisations", summary="Every organisation")
    async def list_organisations(request: Request) -> dict[str, Any]:
        sandbox = trail_of(request).call.sandbox.id
        found = await core.store.read(lambda conn: registers.list_organisations(conn, sandbox))
        return {"organisations": [_organisation(each) for each in found]}

    @router.get("/organisations/{organisation_id}", summary="One organisation", responses=responses(404))
    async def get_organisation(request: Request, organisation_id: PersonId) -> dict[str, Any]:
        sandbox = trail_of(request).call.sandbox.id
        found = await core.store.read(lambda conn: registers.organisation_by_id(conn, sandbox, organisation_id))
        if found is None:
            raise _unknown("organisation")
        return _organisation(found)

    @router.put("/organisations/{organisation_id}", summary="Put an organisation", responses=responses(400, 409))
    async def put_organisation(request: Request, organisation_id: PersonId, body: OrganisationBody) -> dict[str, Any]:
        state = trail_of(request).call.sandbox
        _check_id(organisation_id)
        for pointer, value in (("/orgnr", body.orgnr), ("/parentOrgnr", body.parent_orgnr)):
            if value is not None and not identity.is_orgnr(value, docs_aliases=state.settings.docs_aliases):
                raise _invalid(pointer, "the organisation number is not valid: nine digits, the last by modulus 11")
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
        )
        await core.store.write(lambda conn: registers.put_organisation(conn, state.id, record))
        return _organisation(record)

    @router.delete(
        "/organisations/{organisation_id}",
        status_code=204,
        summary="Take an organisation away",
        responses=responses(404),
    )
    async def delete_organisation(request: Request, organisation_id: PersonId) -> None:
        sandbox = trail_of(request).call.sandbox.id
        gone = await core.store.write(lambda conn: registers.remove_organisation(conn, sandbox, organisation_id))
        _found(gone, "organisation")

    return router


def required(conn: Connection, sandbox: str, person_id: str) -> Person:
    """The person with an id. Raises ``Refusal(NOT_FOUND)``."""
    found = registers.person_by_id(conn, sandbox, person_id)
    if found is None:
        raise _unknown("person")
    return found


def number(state: SandboxState, value: str, pointer: str) -> identity.Identifier:
    """A national identity number from a body, by the sandbox's rules. Raises ``Refusal(PATIENT_ID_INVALID)``."""
    settings = state.settings
    try:
        return identity.parse(value, rule=settings.nin_rule, aliases=identity.aliases_for(settings.docs_aliases))
    except Refusal as refusal:
        raise Refusal(refusal.reason, refusal.detail, source=refusal.source, extra={"pointer": pointer}) from None


def _new_person(
    conn: Connection, state: SandboxState, person_id: str, body: PersonBody, old: Person | None
) -> tuple[Person, list[str]]:
    previous = [number(state, each, "/previousNins").value for each in body.previous_nins]
    if body.nin is not None:
        found = number(state, body.nin, "/nin")
    elif old is not None:
        found = identity.parse(old.nin)
    else:
        found = identity.parse(_made_number(conn, state, body))
    if body.gp_hpr is not None and not identity.is_hpr(body.gp_hpr):
        raise _invalid("/gpHpr", "an HPR number has 1-9 digits and no leading zero")
    extra = dict(old.extra) if old is not None else {}
    extra.pop("gp_hpr", None)
    if body.gp_hpr is not None:
        extra["gp_hpr"] = body.gp_hpr
    person = Person(
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
    return person, previous


def _made_number(conn: Connection, state: SandboxState, body: PersonBody) -> str:
    if body.birth_date is None or body.gender not in ("female", "male"):
        raise _invalid("/nin", "without nin, birthDate and gender (female or male) are needed to make a number")
    for serial in range(_SERIALS):
        try:
            made = identity.generate(body.birth_date, body.gender, serial)
        except ValueError as error:
            raise _invalid("/birthDate", str(error)) from error
        if registers.person_by_nin(conn, state.id, made) is None:
            return made
    raise _invalid("/birthDate", "the day has no more numbers; send nin")


def _person(conn: Connection, sandbox: str, person: Person) -> dict[str, Any]:
    return {
        "id": person.id,
        "nin": person.nin,
        "system": person.nin_system,
        "previousNins": [value for value, current in registers.identifiers_of(conn, sandbox, person.id) if not current],
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
        "scenario": person.extra.get("scenario"),
    }


def _practitioner(record: PractitionerRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "nin": record.pid,
        "hpr": record.hpr,
        "authorizations": sorted(record.authorizations),
        "given": record.given,
        "family": record.family,
    }


def _organisation(record: OrganisationRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "orgnr": record.orgnr,
        "name": record.name,
        "parentOrgnr": record.parent_orgnr,
        "kind": record.kind,
        "delegatedBy": sorted(record.delegated_by),
        "helsenettMember": record.helsenett_member,
        "herId": record.her_id,
        "reshId": record.resh_id,
    }


def _check_id(value: str) -> None:
    # An address with a national number in it would stand in every log on the way (ruling R62).
    if not _ID.fullmatch(value) or _NUMBER.fullmatch(value):
        raise Refusal(
            Reason.CONTENT_INVALID, "an id has 1-64 letters, digits and hyphens, and is not a bare number", source="R62"
        )


def _date(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


def _found(gone: bool, what: str) -> None:
    if not gone:
        raise _unknown(what)


def _unknown(what: str) -> Refusal:
    return Refusal(Reason.NOT_FOUND, f"there is no {what} with that id")


def _invalid(pointer: str, text: str) -> Refusal:
    return Refusal(Reason.CONTENT_INVALID, text, extra={"pointer": pointer})
