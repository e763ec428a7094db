"""Prøvesvar put as FHIR, through the control API: checked as R4, made the person's, and stored like the rest.

The real service takes no FHIR in (pps.md §1); this is how a test gives a patient exactly the data it needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson
from pydantic import ValidationError

from app import identity
from app.core import Core
from app.errors import Reason, Refusal
from app.fhir.search import read_guid
from app.identity import Identifier
from app.ids import IdSource, new_uuid
from app.services.provesvar.ingest import is_reserved, person_of, store_report
from app.services.provesvar.report import REPORT_DATE, MappedReport, Resource
from app.services.provesvar.rules import SERVICE
from app.services.provesvar.times import parse_when
from app.settings import Settings
from app.store import resources
from app.store.engine import Connection
from app.trust.trail import Trail

TYPES: Final = ("DiagnosticReport", "Observation", "ServiceRequest", "Specimen", "PractitionerRole")
MAX_RESOURCES: Final = 2000

_DATED: Final = frozenset({"DiagnosticReport", "Observation"})
_WITHOUT_SUBJECT: Final = "PractitionerRole"


async def put_fhir(core: Core, trail: Trail, service: str, body: bytes) -> Mapping[str, Any]:
    """Store the reports in ``body``: a Bundle, a list of resources or one DiagnosticReport.

    Each report is about the person its ``subject.identifier.value`` names, who need not be in the register
    (R51). A report with a known id is replaced whole. Raises ``Refusal``: CONTENT_INVALID, NOT_FOUND for
    another service, CONFLICT when an id is another report's or the person has reserved.
    """
    if service.upper() != SERVICE:
        raise Refusal(Reason.NOT_FOUND, f"FHIR is taken for the service {SERVICE}")
    settings, now = trail.call.sandbox.settings, trail.call.moment.sandbox
    found = read_fhir(_json(body), settings, now=now, ids=core.ids)
    await core.store.write(lambda conn: store_fhir(conn, trail.call.sandbox.id, found, now, core.ids))
    return {
        "stored": [f"{each['resourceType']}/{each['id']}" for report in found for each in report.resources],
        "reports": [report.report_id for report in found],
    }


def read_fhir(content: object, settings: Settings, *, now: float, ids: IdSource) -> tuple[MappedReport, ...]:
    """The reports in ``content``, each with the resources it leads to. Raises ``Refusal(CONTENT_INVALID)``."""
    placed = _with_ids(list(_resources(content)), ids)
    for resource in placed.values():
        _check(resource)
    reports = [key for key in placed if key.startswith("DiagnosticReport/")]
    if not reports:
        raise _invalid("there is no DiagnosticReport")
    groups = _groups(placed, reports)
    return tuple(_report(placed[key], [placed[other] for other in groups[key]], settings, now) for key in reports)


def _json(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _invalid("the body is not JSON") from None


def store_fhir(conn: Connection, sandbox: str, reports: Sequence[MappedReport], now: float, ids: IdSource) -> None:
    """Store what was read, inside one transaction. Raises ``Refusal(CONFLICT)``."""
    for report in reports:
        person = person_of(conn, sandbox, report.patient, ids)
        if is_reserved(conn, sandbox, person, now):
            raise Refusal(Reason.CONFLICT, "the person has reserved against registration in this service")
        for type_ in TYPES:
            wanted = [resource["id"] for resource in report.resources if resource["resourceType"] == type_]
            for id_, part in resources.part_of(conn, sandbox, SERVICE, type_, wanted).items():
                if part != report.report_id:
                    raise Refusal(Reason.CONFLICT, f"{type_}/{id_} belongs to another report")
        store_report(conn, sandbox, person, report, now)


def _resources(content: object) -> Iterator[tuple[str | None, Resource]]:
    """Each resource with the ``fullUrl`` it may be referred to by."""
    entries: Sequence[Any]
    if isinstance(content, Mapping) and content.get("resourceType") == "Bundle":
        entries = content.get("entry") or []
    elif isinstance(content, list):
        entries = [{"resource": resource} for resource in content]
    else:
        entries = [{"resource": content}]
    if not isinstance(entries, list) or len(entries) > MAX_RESOURCES:
        raise _invalid(f"at most {MAX_RESOURCES} resources in a list are read")
    for entry in entries:
        resource = entry.get("resource") if isinstance(entry, Mapping) else None
        if not isinstance(resource, Mapping) or resource.get("resourceType") not in TYPES:
            raise _invalid(f"each resource must be one of {', '.join(TYPES)}")
        url = entry.get("fullUrl")
        yield url if isinstance(url, str) else None, dict(resource)


def _with_ids(found: Sequence[tuple[str | None, Resource]], ids: IdSource) -> dict[str, Resource]:
    """The resources by ``Type/id``, every reference between them rewritten to that form."""
    places: dict[str, str] = {}
    placed: dict[str, Resource] = {}
    for url, resource in found:
        sent = resource.get("id")
        id_ = _guid(sent) if sent is not None else new_uuid(ids)
        place = f"{resource['resourceType']}/{id_}"
        if place in placed:
            raise _invalid("two resources have the same id")
        if url is not None:
            places[url] = place
        places[f"{resource['resourceType']}/{sent}"] = places[place] = place
        placed[place] = {**resource, "id": id_}
    return {place: _rewritten(resource, places) for place, resource in placed.items()}


def _rewritten(value: Any, places: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_rewritten(each, places) for each in value]
    if not isinstance(value, Mapping):
        return value
    changed = {name: _rewritten(each, places) for name, each in value.items()}
    reference = changed.get("reference")
    if isinstance(reference, str):
        if reference not in places:
            raise _invalid("a reference leads to nothing in the content")
        changed["reference"] = places[reference]
    return changed


def _check(resource: Resource) -> None:
    """Valid R4 with a subject, and with what the service searches by in usable form."""
    # Imported here: the models take a second to load, and most processes never need them.
    from fhir.resources.R4B import get_fhir_model_class

    kind = resource["resourceType"]
    if kind != _WITHOUT_SUBJECT and "subject" not in resource:
        resource["subject"] = {"display": "set when stored"}
    try:
        get_fhir_model_class(kind).model_validate(resource)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise _invalid(f"{kind}.{where}: {first['msg']}") from None
    for identifier in resource.get("identifier", ()):
        if not identifier.get("system") or not identifier.get("value"):
            raise _invalid(f"{kind}.identifier: system and value are needed")
    for tag in resource.get("meta", {}).get("tag", ()):
        if not tag.get("code"):
            raise _invalid(f"{kind}.meta.tag: a code is needed")
    if kind in _DATED:
        _moment(kind, "effectiveDateTime", resource)


def _groups(placed: Mapping[str, Resource], reports: Sequence[str]) -> dict[str, list[str]]:
    """What belongs to each report: all it leads to; with one report alone also what leads nowhere else."""
    owner: dict[str, str] = {}
    for report in reports:
        waiting = [report]
        while waiting:
            place = waiting.pop()
            if place in owner:
                continue
            owner[place] = report
            for target in _targets(placed[place]):
                if target not in owner and not target.startswith("DiagnosticReport/"):
                    waiting.append(target)
                elif owner.get(target, report) != report and target not in reports:
                    raise _invalid("a resource belongs to two reports; give each its own")
    for place in placed:
        if place not in owner:
            if len(reports) > 1:
                raise _invalid("a resource belongs to no report")
            owner[place] = reports[0]
    groups: dict[str, list[str]] = {report: [] for report in reports}
    for place in placed:
        if place not in groups:
            groups[owner[place]].append(place)
    return groups


def _targets(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _targets(each)
    elif isinstance(value, Mapping):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for each in value.values():
            yield from _targets(each)


def _report(head: Resource, others: Sequence[Resource], settings: Settings, now: float) -> MappedReport:
    patient = _patient(head, others, settings)
    names = {("Svarrapport", head["id"])}
    for resource in (head, *others):
        kind = _RESTRICTED_BY.get(resource["resourceType"])
        if kind is not None:
            names |= {
                (kind[0], identifier["value"])
                for identifier in resource.get("identifier", ())
                if identifier["system"] == kind[1]
            }
    return MappedReport(
        key=("", head["id"]),
        report_id=head["id"],
        msg_id="",
        change="N",
        patient=patient.value,
        patient_type=patient.type.value,
        generated=_moment("DiagnosticReport", "issued", head) if "issued" in head else now,
        effective=_moment("DiagnosticReport", "effectiveDateTime", head),
        report_date=_report_date(head),
        resources=(head, *others),
        object_ids=frozenset(names),
        reserved=False,
    )


def _patient(head: Resource, others: Sequence[Resource], settings: Settings) -> Identifier:
    """Whom the report is about; what belongs to it may say the same or nothing."""
    number = _number(head)
    if any(_number(other) not in (None, number) for other in others):
        raise _invalid("the resources of a report are about the same person")
    try:
        return identity.parse(number or "", rule=settings.nin_rule, aliases=identity.aliases_for(settings.docs_aliases))
    except Refusal as refusal:
        raise _invalid(f"DiagnosticReport.subject.identifier: {refusal.detail}") from None


def _number(resource: Resource) -> str | None:
    value = resource.get("subject", {}).get("identifier", {}).get("value")
    return value if isinstance(value, str) else None


def _report_date(head: Resource) -> str:
    dates = [each["valueDateTime"] for each in head.get("extension", ()) if each.get("url") == REPORT_DATE]
    return str(dates[0]) if dates else str(head["effectiveDateTime"])


def _moment(kind: str, name: str, resource: Resource) -> float:
    try:
        return parse_when(str(resource[name])).low
    except (KeyError, ValueError):
        raise _invalid(f"{kind}.{name}: a date or time is needed") from None


def _guid(value: object) -> str:
    try:
        return read_guid(value if isinstance(value, str) else "")
    except ValueError:
        raise _invalid("an id must be a GUID") from None


def _invalid(why: str) -> Refusal:
    return Refusal(Reason.CONTENT_INVALID, why, source="pps.md §8")


_RESTRICTED_BY: Final = {
    "DiagnosticReport": ("Svarrapport", "ServReportId"),
    "ServiceRequest": ("Rekvisisjon", "ServReqId"),
}
