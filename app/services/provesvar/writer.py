"""Writes svarrapport XML (v1.4 and v1.3) from a compact description: for the seed, examples and tests.

The element order is the message schema's. Times are given as they shall stand in the message.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from lxml import etree

from app.services.provesvar import codes, elements

NLK, NCRP, LOCAL, PATHOLOGY, MATERIAL, CYTOLOGY = 7280, 7270, 8212, 8219, 8351, 8216


@dataclass(frozen=True, slots=True)
class Org:
    """An institution, with a department when ``dept`` names one; ids are HER-ids unless ``type`` says otherwise."""

    name: str
    id: str = ""
    type: str = "HER"
    dept: str = ""
    dept_id: str = ""


@dataclass(frozen=True, slots=True)
class Clinician:
    """A person at an institution, known by HPR number."""

    org: Org
    name: str
    hpr: str
    phone: str = ""


@dataclass(frozen=True, slots=True)
class SampleSpec:
    """AnalysedSubject. ``material`` is a code of ``material_list``; without it only ``text`` is written."""

    id: str = "1"
    collected: str = ""
    material: str = ""
    material_name: str = ""
    material_list: int = MATERIAL
    text: str = ""
    origin: str = ""
    id_by_requester: str = ""
    count: int | None = None
    comment: str = ""
    collector_comment: str = ""


@dataclass(frozen=True, slots=True)
class Analysis:
    """ResultItem. One of ``number``, ``text``/``heading``/``answers``, ``interval``, ``date`` is its value.

    ``code`` is of ``code_list``; without it ``name`` alone is written as free text (dirty data), and without
    either no Investigation at all (a group or a text). ``method`` is (list, code, name). ``answers`` are
    (list, code, name), ``list`` 8271 for resistance. ``xhtml`` writes ``text`` as XHTML paragraphs, one a line.
    """

    code: str = ""
    name: str = ""
    code_list: int = NLK
    number: str = ""
    unit: str = ""
    comparator: str = ""
    text: str = ""
    xhtml: bool = False
    heading: str = ""
    answers: tuple[tuple[int, str, str], ...] = ()
    interval: tuple[str, str] | None = None
    date: str = ""
    change: str = "N"
    reference: str = ""
    method: tuple[int, str, str] | None = None
    investigated: str = ""
    comment: str = ""
    flag: str = ""
    id: str = ""
    refers_to: str = ""
    status: str = "3"
    sample: str = ""
    accredited: bool | None = None
    items: tuple[Analysis, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportSpec:
    """One message with one report. ``patient`` is (number, FNR/DNR/FHN).

    ``requester`` is the ResponsibleHcp; without it only the national receiver stands as requester (#95).
    ``requester_org`` is the Requester element, by default the national receiver's own address.
    """

    lab: Org
    patient: str
    msg_id: str
    serv_prov_id: str
    requisition_id: str
    generated: str
    issued: str
    patient_type: str = "FNR"
    discipline: str = "CLIN"
    change: str = "N"
    status: str = "F"
    version: str = elements.V14
    requester: Clinician | None = None
    requester_org: Org = Org("Norsk Helsenett AS", "112374", dept="NILAR", dept_id="8139764")
    responsible: Clinician | None = None
    ordered: str = ""
    received: str = ""
    reservation: str = ""
    reason: str = ""
    comment: str = ""
    document: str = ""
    info: tuple[tuple[str, str], ...] = ()
    samples: tuple[SampleSpec, ...] = ()
    items: tuple[Analysis, ...] = ()


def svarrapport_xml(spec: ReportSpec) -> bytes:
    """The message as UTF-8 XML. Raises KeyError for a version other than 1.3 and 1.4."""
    version = elements.MIG_VERSIONS[spec.version]
    namespace = next(uri for uri, name in elements.NAMESPACES.items() if name == spec.version)
    root = etree.Element(f"{{{namespace}}}Message", nsmap=_default(namespace))
    kind = "SVAR_RTG" if codes.main_group(spec.discipline) == "BLD" else "SVAR_LAB"
    _coded(root, "Type", kind, elements.MESSAGE_TYPES[kind])
    _text(root, "MIGversion", version)
    _time(root, "GenDate", spec.generated)
    _text(root, "MsgId", spec.msg_id)
    _report(_sub(root, "ServReport"), spec)
    etree.indent(root)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8") + b"\n"


def _report(node: etree._Element, spec: ReportSpec) -> None:
    _listed(node, "ServType", 7309, spec.change)
    _time(node, "IssueDate", spec.issued)
    _listed(node, "Status", 7306, spec.status)
    _listed(node, "MsgDescr", 8202, spec.discipline)
    _text(node, "ServProvId", spec.serv_prov_id)
    _text(node, "Comment", spec.comment)
    if spec.document:
        document = _sub(node, "RefDoc")
        _coded(document, "MsgType", "A", "Annet")
        _text(document, "MimeType", "application/pdf")
        _text(document, "FileReference", spec.document)
    _requisition(_sub(node, "ServReq"), spec)
    _patient(_sub(node, "Patient"), spec)
    _hcp(_sub(node, "ServProvider"), spec.lab)
    _hcp(_sub(node, "Requester"), spec.requester_org)
    if spec.responsible is not None:
        related = _sub(node, "RelServProv")
        _listed(related, "Relation", 8254, "AHP")
        _person(related, spec.responsible)


def _requisition(node: etree._Element, spec: ReportSpec) -> None:
    _time(node, "IssueDate", spec.ordered)
    _text(node, "Id", spec.requisition_id)
    _time(node, "ReceiptDate", spec.received)
    if spec.reservation:
        _value(node, "Reservation", 3108, spec.reservation, codes.display(3108, spec.reservation) or "")
    if spec.reason:
        reason = _sub(node, "ReasonAsText")
        _listed(reason, "Heading", 8231, "PROB")
        _text(reason, "TextResultValue", spec.reason)


def _patient(node: etree._Element, spec: ReportSpec) -> None:
    _text(node, "OffId", spec.patient)
    _coded(node, "TypeOffId", spec.patient_type, _NUMBER_NAMES.get(spec.patient_type, spec.patient_type))
    if spec.requester is not None:
        responsible = _sub(node, "ResponsibleHcp")
        _listed(responsible, "Relation", 8254, "REK")
        hcp = _hcp(responsible, spec.requester.org)
        person = _sub(hcp[0], "HCPerson")
        _identified(person, spec.requester.name, spec.requester.hpr, "HPR")
        _phone(hcp, spec.requester.phone)
    for kind, text in spec.info:
        info = _sub(node, "InfItem")
        _text(_sub(info, "Observation"), "Description", text)
        _listed(info, "Type", 8233, kind)
    for sample in spec.samples:
        _sample(_sub(node, "AnalysedSubject"), sample)
    for item in spec.items:
        _item(_sub(node, "ResultItem"), item)


def _sample(node: etree._Element, sample: SampleSpec) -> None:
    taken = _sub(node, "CollectedSample")
    _time(taken, "CollectedDate", sample.collected)
    _text(taken, "CollectorComment", sample.collector_comment)
    _text(node, "Type", sample.text)
    if sample.material:
        _value(node, "TypeCoded", sample.material_list, sample.material, sample.material_name)
    _text(node, "IdByRequester", sample.id_by_requester)
    _text(node, "Comment", sample.comment)
    _text(node, "AnatomicalOrigin", sample.origin)
    _text(node, "Number", str(sample.count) if sample.count is not None else "")
    _text(node, "IdByServProvider", sample.id)


def _item(node: etree._Element, item: Analysis) -> None:
    _item_value(node, item)
    _listed(node, "ServType", 8270, item.change)
    if item.reference:
        _text(_sub(node, "RefInterval"), "Descr", item.reference)
    if item.code or item.name:
        investigation = _sub(node, "Investigation")
        if item.code:
            _value(investigation, "Id", item.code_list, item.code, item.name)
        else:
            _sub(investigation, "Id").set("OT", item.name)
        if item.method is not None:
            _value(investigation, "Spec", *item.method)
    _time(node, "InvDate", item.investigated)
    _text(node, "Comment", item.comment)
    _listed(node, "DevResultInd", 8244, item.flag)
    _text(node, "IdResultItem", item.id)
    _text(node, "RefIdResultItem", item.refers_to)
    _listed(node, "StatusInvestigation", 8245, item.status)
    _text(node, "RefAnalysedSubject", item.sample)
    if item.accredited is not None:
        _sub(node, "Accredited").set("V", "true" if item.accredited else "false")
    for child in item.items:
        _item(_sub(node, "ResultItem"), child)


def _item_value(node: etree._Element, item: Analysis) -> None:
    if item.number:
        result = _sub(node, "NumResult")
        _listed(result, "ArithmeticComp", 8239, item.comparator)
        _quantity(result, "NumResultValue", item.number, item.unit)
    elif item.interval is not None:
        result = _sub(node, "Interval")
        for name, value in zip(("Low", "High"), item.interval, strict=True):
            _quantity(result, name, value, item.unit)
    elif item.date:
        _time(_sub(node, "DateResult"), "DateResultValue", item.date)
    elif item.text or item.heading or item.answers:
        result = _sub(node, "TextResult")
        _listed(result, "Heading", 8243, item.heading)
        if item.xhtml:
            _paragraphs(_sub(result, "TextResultValue"), item.text.split("\n"))
        else:
            _text(result, "TextResultValue", item.text)
        for answer in item.answers:
            _value(result, "TextCode", *answer)


def _paragraphs(node: etree._Element, lines: Iterable[str]) -> None:
    xhtml = "http://www.w3.org/1999/xhtml"
    box = etree.SubElement(node, f"{{{xhtml}}}div", nsmap=_default(xhtml))
    for line in lines:
        etree.SubElement(box, f"{{{xhtml}}}p").text = line


def _hcp(owner: etree._Element, org: Org) -> etree._Element:
    hcp = _sub(owner, "HCP")
    institution = _sub(hcp, "Inst")
    _identified(institution, org.name, org.id, org.type)
    if org.dept:
        _identified(_sub(institution, "Dept"), org.dept, org.dept_id, org.type)
    return hcp


def _person(owner: etree._Element, clinician: Clinician) -> None:
    hcp = _sub(owner, "HCP")
    _identified(_sub(hcp, "HCProf"), clinician.name, clinician.hpr, "HPR")
    _phone(hcp, clinician.phone)


def _phone(hcp: etree._Element, phone: str) -> None:
    if phone:
        address = _sub(hcp, "Address")
        _coded(address, "Type", "WP", "Arbeidsadresse")
        _sub(address, "TeleAddress").set("V", f"tel:{phone}")


def _identified(node: etree._Element, name: str, number: str, kind: str) -> None:
    _text(node, "Name", name)
    if number:
        _text(node, "Id", number)
        _coded(node, "TypeId", kind, _NUMBER_NAMES.get(kind, kind))


def _default(namespace: str) -> dict[str, str]:
    # lxml takes None for the default prefix; its type stubs know text only.
    return cast("dict[str, str]", {None: namespace})


def _sub(parent: etree._Element, local: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{etree.QName(parent).namespace}}}{local}")


def _text(parent: etree._Element, local: str, value: str) -> None:
    if value:
        _sub(parent, local).text = value


def _time(parent: etree._Element, local: str, value: str) -> None:
    if value:
        _sub(parent, local).set("V", value)


def _coded(parent: etree._Element, local: str, code: str, display: str) -> None:
    if code:
        node = _sub(parent, local)
        node.set("V", code)
        if display:
            node.set("DN", display)


def _listed(parent: etree._Element, local: str, list_nr: int, code: str) -> None:
    _coded(parent, local, code, codes.display(list_nr, code) or "")


def _value(parent: etree._Element, local: str, list_nr: int, code: str, display: str) -> None:
    node = _sub(parent, local)
    node.set("V", code)
    node.set("S", f"{codes.OID_ROOT}{list_nr}")
    if display:
        node.set("DN", display)


def _quantity(parent: etree._Element, local: str, value: str, unit: str) -> None:
    node = _sub(parent, local)
    node.set("V", value)
    if unit:
        node.set("U", unit)


_NUMBER_NAMES = {
    "FNR": "Fødselsnummer",
    "DNR": "D-nummer",
    "FHN": "Felles hjelpenummer",
    "HER": "HER-id",
    "HPR": "HPR-nummer",
    "ENH": "Organisasjonsnummeret i Enhetsregister",
}
