"""A report as it is stored, and which version of it wins (pps.md §9.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import orjson

REPORT_DATE = "http://nhn.no/fhir/nilar/StructureDefinition/nilar-report-date"
CANCELLATION = "C"

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class MappedReport:
    """One svarrapport as FHIR resources, the DiagnosticReport first.

    ``key`` is (laboratory id, ServProvId); ``report_id`` the DiagnosticReport.id, the same for every version;
    ``generated`` and ``effective`` are seconds since the epoch; ``object_ids`` are what per-report restrictions
    are keyed on (R38); ``reserved`` tells of a requisition with reservation R, which is not to be stored (#90).
    ``sender`` and ``msg_id`` together identify the message (R52). ``change`` is the 7309 code.
    """

    key: tuple[str, str]
    report_id: str
    msg_id: str
    change: str
    patient: str
    patient_type: str
    generated: float
    effective: float
    report_date: str
    resources: tuple[Resource, ...]
    object_ids: frozenset[tuple[str, str]]
    reserved: bool

    @property
    def sender(self) -> str:
        return self.key[0]

    @property
    def gen_date(self) -> float:
        return self.generated


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """What is remembered of the version in store: its GenDate (epoch seconds) and the first version's report date."""

    generated: float
    report_date: str
    msg_id: str = ""
    object_ids: frozenset[tuple[str, str]] = frozenset()


class Outcome(StrEnum):
    NEW = "NEW"
    REPLACED = "REPLACED"
    CANCELLED = "CANCELLED"
    IGNORED_OLDER = "IGNORED_OLDER"


@dataclass(frozen=True, slots=True)
class Merge:
    """What to do with an incoming report: ``report`` replaces everything stored under its key; None changes nothing."""

    outcome: Outcome
    report: MappedReport | None


def merge(stored: StoredVersion | None, incoming: MappedReport) -> Merge:
    """The newer GenDate wins as a whole; the report date stays the first version's (#81, #84, #89).

    An equal GenDate replaces: a laboratory that sends twice within its clock's resolution means the later one.
    A cancellation keeps the id and has no results; without a predecessor it is stored all the same (R51).
    """
    if stored is not None and incoming.generated < stored.generated:
        return Merge(Outcome.IGNORED_OLDER, None)
    report = incoming if stored is None else with_report_date(incoming, stored.report_date)
    if incoming.change == CANCELLATION:
        return Merge(Outcome.CANCELLED, report)
    return Merge(Outcome.NEW if stored is None else Outcome.REPLACED, report)


def with_report_date(report: MappedReport, report_date: str) -> MappedReport:
    """The same report with another report-date extension on its DiagnosticReport."""
    head, *rest = report.resources
    extensions = [
        {"url": REPORT_DATE, "valueDateTime": report_date} if extension["url"] == REPORT_DATE else extension
        for extension in head["extension"]
    ]
    return replace(report, report_date=report_date, resources=({**head, "extension": extensions}, *rest))


def stored_shape(report: MappedReport) -> bytes:
    """The JSON kept beside a stored report: what ``merge`` and the policy need of it."""
    return orjson.dumps(
        {
            "generated": report.generated,
            "reportDate": report.report_date,
            "msgId": report.msg_id,
            "objectIds": sorted(map(list, report.object_ids)),
        }
    )


def stored_version(shape: bytes) -> StoredVersion:
    """The inverse of ``stored_shape``. Raises KeyError or ValueError for bytes of another shape."""
    body: Mapping[str, Any] = orjson.loads(shape)
    return StoredVersion(
        generated=float(body["generated"]),
        report_date=str(body["reportDate"]),
        msg_id=str(body["msgId"]),
        object_ids=frozenset((str(kind), str(value)) for kind, value in body["objectIds"]),
    )
