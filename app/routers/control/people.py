"""``/persons``, ``/practitioners`` and ``/organisations``: the registers, by id (ruling R62)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Path, Request, Response

from app.core import Core
from app.routers.common import trail_of
from app.routers.control.ports import Ports
from app.routers.problems import limited_router, responses
from app.sandboxes import registry
from app.sandboxes.register_bodies import Criteria, OrganisationBody, PatientList, PersonBody, PractitionerBody
from app.sandboxes.registry import required
from app.store import registers
from app.store.engine import Connection
from app.trust.facts import OrganisationRecord, Person, PractitionerRecord

PersonId = Annotated[str, Path(description="Id such as `P01`; never a national identity number.", max_length=64)]
_PATCH = "JSON merge patch (RFC 7396): members that are sent replace, null removes, the rest stays."


def _patch(example: dict[str, Any]) -> Any:
    return Body(media_type="application/merge-patch+json", examples=[example])


PersonPatch = Annotated[dict[str, Any], _patch({"addressProtection": "Confidential", "gpHpr": None})]
PractitionerPatch = Annotated[dict[str, Any], _patch({"authorizations": []})]
OrganisationPatch = Annotated[dict[str, Any], _patch({"helsenettMember": False})]


def routes(core: Core, ports: Ports) -> APIRouter:
    """Read, put, change and delete in the three registers; make persons by criteria."""
    router = limited_router(core.settings.max_body_bytes, tags=["registers"])
    _persons(router, core, ports)
    _practitioners(router, core)
    _organisations(router, core)
    return router


def _persons(router: APIRouter, core: Core, ports: Ports) -> None:
    @router.get("/persons", summary="Every person")
    async def list_persons(request: Request) -> dict[str, Any]:
        sandbox = trail_of(request).call.sandbox.id

        def read(conn: Connection) -> list[dict[str, Any]]:
            return [_person(conn, sandbox, each) for each in registers.list_persons(conn, sandbox)]

        return {"persons": await core.store.read(read)}

    @router.post(
        "/persons/generate",
        status_code=201,
        summary="Make synthetic persons by criteria",
        description="All of them or none. Their numbers and ids are free in the sandbox; their names are invented.",
        responses=responses(400, 501),
    )
    async def generate(request: Request, body: Criteria) -> dict[str, Any]:
        if ports.generate is None:
            raise HTTPException(501, "this installation makes no persons")
        call, make = trail_of(request).call, ports.generate
        made = await core.store.write(lambda conn: make(conn, call.sandbox, body, call.moment.sandbox))
        return {"persons": [_shown(each, ()) for each in made]}

    @router.get("/persons/{person_id}", summary="One person", responses=responses(404))
    async def get_person(request: Request, person_id: PersonId) -> dict[str, Any]:
        sandbox = trail_of(request).call.sandbox.id
        return await core.store.read(lambda conn: _person(conn, sandbox, required(conn, sandbox, person_id)))

    @router.put("/persons/{person_id}", summary="Put a person", responses=responses(400, 409))
    async def put_person(request: Request, response: Response, person_id: PersonId, body: PersonBody) -> dict[str, Any]:
        call = trail_of(request).call

        def write(conn: Connection) -> tuple[bool, dict[str, Any]]:
            person, made = registry.put_person(conn, call.sandbox, person_id, body, call.moment.sandbox)
            return made, _person(conn, call.sandbox.id, person)

        made, shown = await core.store.write(write)
        response.status_code = 201 if made else 200
        return shown

    @router.patch(
        "/persons/{person_id}", summary="Change a person", description=_PATCH, responses=responses(400, 404, 409)
    )
    async def patch_person(request: Request, person_id: PersonId, body: PersonPatch) -> dict[str, Any]:
        call = trail_of(request).call

        def write(conn: Connection) -> dict[str, Any]:
            person = registry.patch_person(conn, call.sandbox, person_id, body, call.moment.sandbox)
            return _person(conn, call.sandbox.id, person)

        return await core.store.write(write)

    @router.delete(
        "/persons/{person_id}", status_code=204, summary="Take a person away with all data", responses=responses(404)
    )
    async def delete_person(request: Request, person_id: PersonId) -> None:
        sandbox = trail_of(request).call.sandbox.id
        _found(await core.store.write(lambda conn: registers.remove_person(conn, sandbox, person_id)), "person")

    @router.get(
        "/persons/{person_id}/relations",
        summary="Whom a person is related to",
        description="Parents, children, guardianship, powers of attorney, those at the same address, and the "
        "general practitioner. `sameAddress` of a relation tells whether the two share an address group.",
        responses=responses(404),
    )
    async def get_relations(request: Request, person_id: PersonId) -> dict[str, Any]:
        sandbox = trail_of(request).call.sandbox.id
        return await core.store.read(lambda conn: _relations(conn, sandbox, required(conn, sandbox, person_id)))


def _practitioners(router: APIRouter, core: Core) -> None:
    @router.get("/practitioners", summary="Every health worker")
    async def list_practitioners(request: Request) -> dict[str, Any]:
        sandbox = trail_of(request).call.sandbox.id
        found = await core.store.read(lambda conn: registers.list_practitioners(conn, sandbox))
        return {"practitioners": [_practitioner(each) for each in found]}

    @router.get("/practitioners/{practitioner_id}", summary="One health worker", responses=responses(404))
    async def get_practitioner(request: Request, practitioner_id: PersonId) -> dict[str, Any]:
        sandbox = trail_of(request).call.sandbox.id
        found = await core.store.read(lambda conn: registry.required_practitioner(conn, sandbox, practitioner_id))
        return _practitioner(found)

    @router.put("/practitioners/{practitioner_id}", summary="Put a health worker", responses=responses(400, 409))
    async def put_practitioner(request: Request, practitioner_id: PersonId, body: PractitionerBody) -> dict[str, Any]:
        state = trail_of(request).call.sandbox
        put = await core.store.write(lambda conn: registry.put_practitioner(conn, state, practitioner_id, body))
        return _practitioner(put)

    @router.patch(
        "/practitioners/{practitioner_id}",
        summary="Change a health worker",
        description=_PATCH + " `authorizations: []` withdraws every authorisation.",
        responses=responses(400, 404, 409),
    )
    async def patch_practitioner(
        request: Request, practitioner_id: PersonId, body: PractitionerPatch
    ) -> dict[str, Any]:
        state = trail_of(request).call.sandbox
        put = await core.store.write(lambda conn: registry.patch_practitioner(conn, state, practitioner_id, body))
        return _practitioner(put)

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

    @router.get(
        "/practitioners/{practitioner_id}/patients",
        summary="Who has the health worker as general practitioner",
        responses=responses(404),
    )
    async def get_patients(request: Request, practitioner_id: PersonId) -> dict[str, Any]:
        sandbox = trail_of(request).call.sandbox.id

        def read(conn: Connection) -> list[str]:
            hpr = registry.required_practitioner(conn, sandbox, practitioner_id).hpr
            return [person.id for person in registers.patients_of(conn, sandbox, hpr)]

        return {"persons": await core.store.read(read)}

    @router.put(
        "/practitioners/{practitioner_id}/patients",
        summary="Put the whole list of a general practitioner",
        responses=responses(400, 404),
    )
    async def put_patients(request: Request, practitioner_id: PersonId, body: PatientList) -> dict[str, Any]:
        state = trail_of(request).call.sandbox
        return {
            "persons": await core.store.write(
                lambda conn: registry.put_patients(conn, state, practitioner_id, body.persons)
            )
        }


def _organisations(router: APIRouter, core: Core) -> None:
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
            raise registry.unknown("organisation")
        return _organisation(found)

    @router.put("/organisations/{organisation_id}", summary="Put an organisation", responses=responses(400, 409))
    async def put_organisation(request: Request, organisation_id: PersonId, body: OrganisationBody) -> dict[str, Any]:
        state = trail_of(request).call.sandbox
        put = await core.store.write(lambda conn: registry.put_organisation(conn, state, organisation_id, body))
        return _organisation(put)

    @router.patch(
        "/organisations/{organisation_id}",
        summary="Change an organisation",
        description=_PATCH,
        responses=responses(400, 404, 409),
    )
    async def patch_organisation(
        request: Request, organisation_id: PersonId, body: OrganisationPatch
    ) -> dict[str, Any]:
        state = trail_of(request).call.sandbox
        put = await core.store.write(lambda conn: registry.patch_organisation(conn, state, organisation_id, body))
        return _organisation(put)

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


def _person(conn: Connection, sandbox: str, person: Person) -> dict[str, Any]:
    return _shown(person, [value for value, now in registers.identifiers_of(conn, sandbox, person.id) if not now])


def _shown(person: Person, previous: Sequence[str]) -> dict[str, Any]:
    return {
        "id": person.id,
        "system": person.nin_system,
        **registry.person_body(person, previous),
        "scenario": person.extra.get("scenario"),
    }


def _relations(conn: Connection, sandbox: str, person: Person) -> dict[str, Any]:
    everybody = registers.list_persons(conn, sandbox)
    by_id = {each.id: each for each in everybody}
    group = person.address_group
    gp = person.extra.get("gp_hpr")
    practitioner = registers.practitioner_by_hpr(conn, sandbox, str(gp)) if gp is not None else None

    def shared(other: Person | None) -> bool:
        return other is not None and group is not None and other.address_group == group

    return {
        "parents": [{"id": each, "sameAddress": shared(by_id.get(each))} for each in sorted(person.parents)],
        "children": [{"id": each.id, "sameAddress": shared(each)} for each in everybody if person.id in each.parents],
        "guardian": person.guardian,
        "guardianOf": [each.id for each in everybody if each.guardian == person.id],
        "fullmaktTo": sorted(person.fullmakt_to),
        "fullmaktFrom": [each.id for each in everybody if person.id in each.fullmakt_to],
        "addressGroup": group,
        "atSameAddress": [each.id for each in everybody if each.id != person.id and shared(each)],
        "gp": None if gp is None else {"hpr": gp, "practitioner": None if practitioner is None else practitioner.id},
    }


def _practitioner(record: PractitionerRecord) -> dict[str, Any]:
    return {"id": record.id, **registry.practitioner_body(record)}


def _organisation(record: OrganisationRecord) -> dict[str, Any]:
    return {"id": record.id, **registry.organisation_body(record)}


def _found(gone: bool, what: str) -> None:
    if not gone:
        raise registry.unknown(what)
