"""Reading and writing the records of critical information: the operations every national surface of them has.

A surface says by ``Admit`` who may come in and what their headers say, and renders what is refused; the rest is the
same everywhere (kritisk-info.md §3, ruling S27).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.responses import Response

from app.core import Core
from app.errors import Reason, Refusal
from app.fhir.bundle import JSON
from app.ids import new_uuid
from app.routers import critical_records_openapi as described
from app.routers.common import read_body, single, trail_of
from app.services.kritiskinfo import errors, mapping, rules, source, writes
from app.services.kritiskinfo.categories import INFO_TYPES, TYPES, KiType
from app.services.kritiskinfo.records import Record
from app.services.kritiskinfo.source import Asked, Everything, History, Read, RecordSource, Search
from app.services.kritiskinfo.writes import Prepare
from app.trust.amend import amend
from app.trust.examine import Flaws
from app.trust.policy import Decision, Op, ServicePolicy
from app.trust.principal import Access
from app.trust.release import accountable, release
from app.trust.trail import Trail

MEDIA_TYPES: Final = frozenset({JSON, "application/json"})
_MAX_ETAG: Final = 40


@dataclass(frozen=True, slots=True)
class Admitted:
    """A caller who passed the gate. ``refusal`` is what is wrong with the headers: the attempt is audited first."""

    access: Access
    policy: ServicePolicy
    refusal: Refusal | None = None


Admit = Callable[[Request, str], Awaitable[Admitted]]
"""Judges credentials and headers of a request to the named operation; raises ``Refusal`` for the credentials."""


@dataclass(frozen=True, slots=True)
class Surface:
    """An address the records are offered at. ``prefix`` stands between its base and the resource types.

    ``aliases`` gives further names of a type for reading all of it.
    """

    core: Core
    prefix: str
    admit: Admit
    headers: list[dict[str, Any]]
    aliases: Callable[[str], tuple[str, ...]] = lambda _type: ()

    def base(self, trail: Trail) -> str:
        return trail.call.base + self.prefix


def add_records(app: FastAPI, surface: Surface) -> None:
    """Put the operations on ``app``."""
    for type_ in TYPES:
        _add_reads(app, surface, type_)
        _add_writes(app, surface, type_)
    everything = partial(_read, surface, "Patient/$everything", lambda _request: Everything())
    _add(app, surface, "GET", "/Patient/$everything", everything, described.everything())


def _add_reads(app: FastAPI, surface: Surface, type_: KiType) -> None:
    def search(request: Request) -> Asked:
        return Search(type_, _info_type(request, type_))

    def read(request: Request) -> Asked:
        return Read(type_, request.path_params["id"])

    def read_version(request: Request) -> Asked:
        return Read(type_, request.path_params["id"], _version(request))

    def history(request: Request) -> Asked:
        return History(type_, request.path_params["id"])

    info_types = tuple(INFO_TYPES[type_])
    searched = partial(_read, surface, f"{type_}/search", search)
    _add(app, surface, "GET", f"/{type_}", searched, described.search(type_, info_types))
    for alias in surface.aliases(type_):
        app.add_api_route(f"{surface.prefix}/{alias}", _handler(searched), methods=["GET"], include_in_schema=False)
    for path, name, question, description in (
        ("/{id}", "read", read, described.read(type_)),
        ("/{id}/_history/{version}", "vread", read_version, described.read_version(type_)),
        ("/{id}/_history", "history", history, described.history(type_)),
    ):
        handler = partial(_read, surface, f"{type_}/{name}", question)
        _add(app, surface, "GET", f"/{type_}{path}", handler, description)


def _add_writes(app: FastAPI, surface: Surface, type_: KiType) -> None:
    for method, path, handler, description in (
        ("POST", "", _create, described.create(type_)),
        ("PUT", "/{id}", _update, described.update(type_)),
        ("DELETE", "/{id}", _delete, described.delete(type_)),
        ("DELETE", "/{id}/_history/{version}", _delete, described.delete_version(type_)),
    ):
        _add(app, surface, method, f"/{type_}{path}", partial(handler, surface, type_), description)


def _add(
    app: FastAPI,
    surface: Surface,
    method: str,
    path: str,
    work: Callable[[Request], Awaitable[Response]],
    description: described.Described,
) -> None:
    app.add_api_route(
        surface.prefix + path,
        _handler(work),
        methods=[method],
        summary=description.summary,
        operation_id=description.operation,
        response_class=Response,
        status_code=description.status,
        responses=description.responses,
        openapi_extra=description.told(surface.headers),
    )


def _handler(work: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        return await work(request)

    return handle


async def examine_record(request: Request, prefix: str, flaws: Flaws) -> tuple[Op, Asked] | None:
    """What is asked for, and everything that is wrong with parameters and body; rules that need the patient's data
    are not judged.
    """
    type_, _, rest = request.scope["path"].removeprefix(f"{prefix}/").partition("/")
    op = _OPS.get(request.method)
    if op is None or (type_ not in TYPES and request.method != "GET"):
        return None
    try:
        if op in ("create", "update"):
            resource = await _resource(request, type_)
            if op == "update":
                rules.read_version(resource, rest)
        elif type_ in TYPES and not rest:
            return "search", Search(type_, _info_type(request, type_))
    except Refusal as refusal:
        flaws.refuse(refusal)
    return (op, Everything()) if type_ in TYPES else ("search", Everything())


_OPS: Final[Mapping[str, Op]] = {"GET": "read", "POST": "create", "PUT": "update", "DELETE": "delete"}


# reading


async def _read(surface: Surface, operation: str, question: Callable[[Request], Asked], request: Request) -> Response:
    trail = trail_of(request)
    admitted = await surface.admit(request, operation)
    async with accountable(surface.core, trail, admitted.access, admitted.policy):
        if admitted.refusal is not None:
            raise admitted.refusal
        asked = question(request)
        wanted = RecordSource(trail.call.sandbox.id, surface.base(trail), asked)
        op = source.op_of(asked)
        released = await release(surface.core, trail, admitted.access, admitted.policy, op, wanted)
    answer = released.answer
    if answer is None:
        return _withheld(released.decision, wanted)
    headers = _etag(answer.ids[0].rpartition("/")[2]) if isinstance(asked, Read) else {}
    return Response(answer.body, media_type=answer.media_type, headers=headers)


def _withheld(decision: Decision, wanted: RecordSource) -> Response:
    """A refusal, or the answer of a patient without data where a restriction must not show (R10)."""
    if not decision.concealed:
        raise _refusal(decision)
    if source.op_of(wanted.asked) == "read":
        raise Refusal(Reason.NOT_FOUND, "the patient has no such record")
    return Response(wanted.empty(), media_type=JSON)


def _info_type(request: Request, type_: str) -> str | None:
    values = request.query_params.getlist(source.INFO_TYPE)
    for name in sorted(set(request.query_params) - {source.INFO_TYPE}):
        trail_of(request).note("PARAMETER", f"the search parameter {name[:100]} was ignored")
    if len(values) > 1:
        raise Refusal(Reason.PARAMETER_INVALID, f"{source.INFO_TYPE} was sent more than once", source="ruling S21")
    return source.require_info_type(type_, values[0] if values else None)


# writing


async def _create(surface: Surface, type_: KiType, request: Request) -> Response:
    trail = trail_of(request)
    id_ = new_uuid(surface.core.ids)

    async def prepare(access: Access) -> Prepare:
        return writes.creating(trail, access, await _resource(request, type_), id_)

    made = await _amended(surface, f"{type_}/create", "create", request, prepare)
    headers = {"Location": f"{surface.base(trail)}/{made.place}", **_etag(str(made.version))}
    return Response(made.body, 201, headers, JSON)


async def _update(surface: Surface, type_: KiType, request: Request) -> Response:
    id_ = request.path_params["id"]

    async def prepare(access: Access) -> Prepare:
        resource = await _resource(request, type_)
        expected = rules.read_version(resource, id_)
        matched = _if_match(request)
        if matched is not None and matched != expected:
            raise Refusal(Reason.HEADER_INVALID, "If-Match names another version than the body", source="ruling S24")
        return writes.changing(trail_of(request), access, resource, id_, expected)

    made = await _amended(surface, f"{type_}/update", "update", request, prepare)
    return Response(made.body, 200, _etag(str(made.version)), JSON)


async def _delete(surface: Surface, type_: KiType, request: Request) -> Response:
    async def prepare(access: Access) -> Prepare:
        version = _version(request) if "version" in request.path_params else None
        matched = _if_match(request)
        if version is not None and matched not in (None, version):
            raise Refusal(Reason.HEADER_INVALID, "If-Match names another version than the address", source="ruling S24")
        return writes.deleting(access, type_, request.path_params["id"], matched if version is None else version)

    await _amended(surface, f"{type_}/delete", "delete", request, prepare)
    return Response(status_code=204)


async def _amended(
    surface: Surface, operation: str, op: Op, request: Request, prepare: Callable[[Access], Awaitable[Prepare]]
) -> Record:
    trail = trail_of(request)
    admitted = await surface.admit(request, operation)
    async with accountable(surface.core, trail, admitted.access, admitted.policy):
        if admitted.refusal is not None:
            raise admitted.refusal
        change = await prepare(admitted.access)
        amended = await amend(surface.core, trail, admitted.access, admitted.policy, op, change)
    if amended.result is None:
        raise _refusal(amended.decision)
    return amended.result


async def _resource(request: Request, type_: str) -> dict[str, Any]:
    """The resource in the body, read in a thread: the models of FHIR are slow to load, and not fast to use."""
    media, _, parameters = (single(request, "Content-Type") or "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if media.strip().lower() not in MEDIA_TYPES or charset not in ("", "charset=utf-8"):
        raise Refusal(Reason.CONTENT_TYPE_INVALID, f"the body must be {JSON}; charset=UTF-8")
    body = await read_body(request, trail_of(request).call.sandbox.settings.max_body_bytes)
    return await anyio.to_thread.run_sync(mapping.read, body, type_)


def _refusal(decision: Decision) -> Refusal:
    reason = decision.reason or Reason.INTERNAL
    return Refusal(reason, errors.wire(reason).text, source=decision.rule or "")


# versions


def _version(request: Request) -> int:
    stated = request.path_params["version"]
    if not (stated.isascii() and stated.isdigit() and len(stated) <= 9):
        raise Refusal(Reason.NOT_FOUND, "the record has no such version", source="ruling S18")
    return int(stated)


def _if_match(request: Request) -> int | None:
    stated = single(request, "If-Match")
    if stated is None:
        return None
    number = stated.removeprefix("W/").strip('"')
    if len(stated) > _MAX_ETAG or not (number.isascii() and number.isdigit() and len(number) <= 9):
        raise Refusal(Reason.HEADER_INVALID, 'If-Match must be W/"n"', source="ruling S24")
    return int(number)


def _etag(version: str) -> dict[str, str]:
    return {"ETag": f'W/"{version}"'}
