"""Svarrapport → FHIR R4 resources, after the national mapping (pps.md §9.3).

Ids are derived from the laboratory and its ids, so the same message always gives the same resources and a
correction keeps the ids of what it repeats. The DiagnosticReport's id depends on (laboratory, ServProvId) only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import orjson

from app.ids import derived_uuid
from app.services.provesvar import codes, status
from app.services.provesvar.fhirparts import (
    PROFILE,
    Part,
    coding,
    compact,
    concept,
    extension,
    listed,
    reference,
    role,
    subject,
    text_of,
)
from app.services.provesvar.message import (
    ClinicalInfo,
    Coded,
    Hcp,
    Remark,
    Report,
    Requisition,
    Sample,
    Svarrapport,
    party_id,
)
from app.services.provesvar.observations import Context, Linked, link, observation, oldest
from app.services.provesvar.report import CANCELLATION, MappedReport

DOCUMENT_REMOVED = "Rapporten hadde et vedlagt dokument, som ikke er tatt med her."

RESERVED = "R"


def to_reports(message: Svarrapport) -> tuple[MappedReport, ...]:
    """Every report of the message, mapped: one in v1.4, one or more in v1.3."""
    return tuple(to_report(message, report) for report in message.reports)


def to_report(message: Svarrapport, report: Report | None = None) -> MappedReport:
    """``report`` of ``message`` (its first when not given) as resources, the DiagnosticReport first."""
    return _Mapper(message, report if report is not None else message.report).mapped()


class _Mapper:
    """One report being mapped: remembers the roles made so far, so that the same party is one resource."""

    def __init__(self, message: Svarrapport, report: Report) -> None:
        self._message = message
        self._report = report
        self._lab = party_id(report.provider)
        self._subject = subject(report.patient.number, report.patient.type)
        self._roles: dict[str, Part] = {}

    def mapped(self) -> MappedReport:
        report, message = self._report, self._message
        specimens = self._specimens()
        orders = [self._order(requisition, i, specimens) for i, requisition in enumerate(report.requisitions)]
        report_id = self._id("DiagnosticReport")
        linked = link((), "") if report.change == CANCELLATION else link(report.patient.items, report.change)
        context = Context(
            report=report,
            message=message,
            report_ref={"reference": f"DiagnosticReport/{report_id}"},
            subject=self._subject,
            based_on=reference(orders[0]) if orders else None,
            ids=self._observation_ids(linked),
            specimens={key: reference(specimen) for key, specimen in specimens.items()},
            taken=self._samples_by_id(),
            performer=self._performer,
        )
        observations = [observation(node, linked, context) for node in linked.nodes]
        effective = oldest(node.effective(context) for node in linked.nodes) or report.issued
        head = self._diagnostic_report(report_id, orders, specimens, linked, context)
        head["effectiveDateTime"] = effective.text
        return MappedReport(
            key=(self._lab, report.provider_report_id),
            report_id=report_id,
            msg_id=message.msg_id,
            change=report.change,
            patient=report.patient.number,
            patient_type=report.patient.type,
            generated=message.generated.low,
            effective=effective.low,
            report_date=report.issued.text,
            resources=(head, *orders, *specimens.values(), *observations, *self._roles.values()),
            object_ids=self._object_ids(report_id),
            reserved=any(_is_reserved(r) for requisition in report.requisitions for r in requisition.reservations),
        )

    def _id(self, kind: str, *parts: str) -> str:
        return derived_uuid(self._lab, self._report.provider_report_id, kind, *parts)

    def _object_ids(self, report_id: str) -> frozenset[tuple[str, str]]:
        return frozenset(
            {
                ("Svarrapport", self._report.provider_report_id),
                ("Svarrapport", report_id),
                *(("Rekvisisjon", requisition.id) for requisition in self._report.requisitions),
            }
        )

    def _diagnostic_report(
        self, report_id: str, orders: list[Part], specimens: dict[str, Part], linked: Linked, context: Context
    ) -> Part:
        report = self._report
        group = codes.main_group(report.discipline.code) or ("BLD" if self._message.type.code == "SVAR_RTG" else "LAB")
        comments = [{"text": report.comment}] if report.comment else []
        if report.documents:
            comments.append({"text": DOCUMENT_REMOVED})
        return compact(
            resourceType="DiagnosticReport",
            id=report_id,
            meta={"profile": [PROFILE + "diagnostic-report"]},
            extension=listed(
                [
                    extension("report-date", valueDateTime=report.issued.text),
                    extension("approval-date", valueDateTime=text_of(report.approved)),
                    *(extension("comment", valueAnnotation=comment) for comment in comments),
                    *(extension("comment", valueCodeableConcept=concept([c])) for c in report.coded_comments),
                    *(_inf_item(info) for info in report.patient.info),
                ]
            ),
            identifier=[
                {"system": "ServReportId", "value": report.provider_report_id},
                {"use": "secondary", "system": "MsgId", "value": self._message.msg_id},
            ],
            basedOn=[reference(order) for order in orders[:1]],
            status=status.report_status(report.status, report.change),
            category=[{"coding": [coding(Coded(group), 8202)]}],
            code=concept([report.discipline], 8202),
            subject=self._subject,
            issued=self._message.generated.instant,
            performer=listed([self._performer((report.related, report.provider))]),
            specimen=[reference(specimen) for specimen in specimens.values()],
            result=[{"reference": f"Observation/{context.ids[node.index]}"} for node in linked.top],
        )

    def _order(self, requisition: Requisition, position: int, specimens: dict[str, Part]) -> Part:
        comments = (
            extension("comment", valueCodeableConcept=_comment_concept(comment)) for comment in requisition.comments
        )
        reservations = (
            extension("reservation", valueCodeableConcept=concept([reservation], 3108))
            for reservation in requisition.reservations
        )
        identifiers = [{"system": "ServReqId", "value": requisition.id}]
        if requisition.id_by_provider:
            identifiers.append({"system": "ServReqIdByServProvider", "value": requisition.id_by_provider})
        return compact(
            resourceType="ServiceRequest",
            id=self._id("ServiceRequest", requisition.id, str(position)),
            meta={"profile": [PROFILE + "service-request"]},
            extension=listed(
                [
                    extension("receipt-date", valueDateTime=text_of(requisition.received)),
                    extension("payment-category", valueCodeableConcept=_one(requisition.payment, 4101)),
                    *comments,
                    *reservations,
                ]
            ),
            identifier=identifiers,
            status="completed",
            intent="order",
            subject=self._subject,
            authoredOn=text_of(requisition.issued),
            requester=self._performer((self._report.patient.responsible, self._report.requester)),
            reasonCode=listed(_reason(remark) for remark in requisition.reasons),
            specimen=[reference(specimen) for specimen in specimens.values()],
            note=[{"text": requisition.remark}] if requisition.remark else None,
        )

    def _specimens(self) -> dict[str, Part]:
        """Specimens by AnalysedSubject id; of several with the same id the first is the one referred to."""
        found: dict[str, Part] = {}

        def add(sample: Sample, parent: Part | None) -> None:
            key = sample.id if sample.id not in found else f"{sample.id}\x1f{len(found)}"
            found[key] = resource = self._specimen(sample, key, parent)
            if sample.part is not None:
                add(sample.part, resource)

        for sample in self._report.patient.samples:
            add(sample, None)
        return found

    def _samples_by_id(self) -> dict[str, Sample]:
        found: dict[str, Sample] = {}
        for sample in _all_samples(self._report.patient.samples):
            found.setdefault(sample.id, sample)
        return found

    def _specimen(self, sample: Sample, key: str, parent: Part | None) -> Part:
        comments = [{"text": sample.collector_comment}] if sample.collector_comment else []
        collection = compact(
            extension=listed(
                [
                    extension("logistics", valueString=sample.logistics),
                    *(extension("comment", valueAnnotation=comment) for comment in comments),
                    *(extension("comment", valueCodeableConcept=concept([c], 8275)) for c in sample.collector_codes),
                    extension("study-product-type", valueString=sample.product_type),
                    extension("study-product-ref", valueString=sample.product_ref),
                ]
            ),
            collector=self._performer((sample.collector, self._report.provider)),
            collectedDateTime=text_of(sample.taken),
            method=_one(sample.procedure, None),
            bodySite={"text": sample.origin} if sample.origin else None,
        )
        identifiers = [{"system": "AnalysedSubjectId", "value": sample.id}]
        if sample.id_by_requester:
            identifiers.append({"system": "AnalysedSubjectIdByRequester", "value": sample.id_by_requester})
        preservative = {"additiveCodeableConcept": {"text": sample.preservative}} if sample.preservative else None
        return compact(
            resourceType="Specimen",
            id=self._id("Specimen", key),
            meta={"profile": [PROFILE + "specimen"]},
            extension=listed(
                [
                    extension("accredited", valueBoolean=sample.accredited),
                    extension("pretreatment", valueCodeableConcept=_pretreatment(sample.pretreatment)),
                    extension("container-count", valueInteger=sample.count),
                    *(extension("sample-handling", valueString=handling) for handling in sample.handling),
                ]
            ),
            identifier=identifiers,
            accessionIdentifier={"system": "AnalysedSubjectId", "value": sample.id},
            type=concept([sample.type_coded], 8351, sample.type),
            subject=self._subject,
            parent=[reference(parent)] if parent is not None else None,
            collection=collection,
            container=listed([preservative]),
            note=[{"text": sample.comment}] if sample.comment else None,
        )

    def _observation_ids(self, linked: Linked) -> dict[int, str]:
        """Ids by IdResultItem, which need not be unique, else by the item's place in the report."""
        seen: dict[str, int] = {}
        ids: dict[int, str] = {}
        for node in linked.nodes:
            name = f"id:{node.item.id}" if node.item.id else f"path:{node.path}"
            seen[name] = seen.get(name, 0) + 1
            ids[node.index] = self._id("Observation", name, str(seen[name]))
        return ids

    def _performer(self, parties: Iterable[Hcp | None]) -> Part | None:
        """A reference to the first of ``parties`` that is somebody."""
        for party in parties:
            body = role(party) if party is not None else None
            if body is not None:
                key = orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode()
                if key not in self._roles:
                    self._roles[key] = {
                        "resourceType": "PractitionerRole",
                        "id": self._id("PractitionerRole", key),
                        **body,
                    }
                return reference(self._roles[key])
        return None


def _all_samples(samples: Iterable[Sample]) -> Iterator[Sample]:
    for sample in samples:
        yield sample
        if sample.part is not None:
            yield from _all_samples((sample.part,))


def _is_reserved(reservation: Coded) -> bool:
    return reservation.code == RESERVED and codes.list_of(reservation.system) in ("", "3108")


def _one(coded: Coded, default_list: int | None) -> Part | None:
    return concept([coded], default_list)


def _reason(remark: Remark) -> Part | None:
    return concept([remark.heading, remark.code], 8231, remark.text)


def _comment_concept(remark: Remark) -> Part | None:
    return (
        compact(
            coding=listed([coding(remark.heading, 8234), coding(remark.code, 8274)]),
            text=remark.text or remark.code.text,
        )
        or None
    )


def _pretreatment(remark: Remark | None) -> Part | None:
    return concept([remark.heading], 8232, remark.text) if remark is not None else None


def _inf_item(info: ClinicalInfo) -> Part | None:
    parts = listed(
        [
            extension("inf-item-type", valueCodeableConcept=_one(info.type, 8233)),
            extension("inf-item-descr", valueString=info.description),
            extension("comment", valueAnnotation={"text": info.comment} if info.comment else None),
            extension("inf-item-coded-descr", valueCodeableConcept=_one(info.coded, None)),
            extension("inf-item-start", valueDateTime=text_of(info.start)),
            extension("inf-item-end", valueDateTime=text_of(info.end)),
            extension("inf-item-org-time", valueDateTime=text_of(info.recorded)),
        ]
    )
    return extension("inf-item", extension=parts)
