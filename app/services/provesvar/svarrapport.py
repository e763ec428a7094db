"""Reads a svarrapport: bytes in, a typed message out, or a fault with an 8221 code (pps.md §9.1, §9.2).

Codes raised: T01 not well-formed (also any DTD or entity), T10 another format, T02 a mandatory element is
missing or a value has the wrong form, T99 beyond the structural limits, E10 no message id, E30 no patient
number, E31 a wrong one, E36 the message is not about a person with a national number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from lxml import etree

from app import identity
from app.errors import Refusal
from app.identity import Identifier
from app.services.provesvar import elements
from app.services.provesvar.hardened import parse_xml
from app.services.provesvar.message import (
    ClinicalInfo,
    Coded,
    DateValue,
    Hcp,
    Ident,
    IntervalValue,
    Investigation,
    MessageFault,
    NumValue,
    Original,
    Party,
    Patient,
    Quantity,
    Remark,
    Report,
    Requisition,
    ResultItem,
    Sample,
    StructuredInfo,
    Svarrapport,
    TextValue,
    Value,
    party_id,
)
from app.services.provesvar.times import When, parse_when

__all__ = ["MessageFault", "Svarrapport", "party_id", "read"]

PATIENT_TYPES = ("FNR", "DNR", "FHN")
NUMBER_LENGTH = 11
MAX_ID = 200
MAX_CODE = 100

Identify = Callable[[str], Identifier]


def read(body: bytes, *, max_bytes: int, identify: Identify = identity.parse) -> Svarrapport:
    """The message in ``body``.

    ``identify`` reads the patient number, and raises Refusal for one that is not a valid synthetic number (R51).
    Raises MessageFault with what is known of the original message, Refusal(BODY_TOO_LARGE) above ``max_bytes``.
    """
    root = parse_xml(body, max_bytes=max_bytes)
    known = _known(root)
    try:
        return _Reader(_version(root), identify).message(root)
    except MessageFault as fault:
        raise MessageFault(fault.code, fault.text, known) from fault


def _version(root: etree._Element) -> str:
    name = etree.QName(root)
    version = elements.NAMESPACES.get(name.namespace or "")
    if version is None or name.localname != "Message":
        raise MessageFault("T10", "Ukjent meldingsformat: navnerommet er ikke svarrapport v1.3 eller v1.4")
    return version


def _known(root: etree._Element) -> Original:
    """What can be told of a message that may be refused, without demanding anything of it."""
    found = Original()
    for child in root:
        name, value = _local(child), (child.get("V") or "").strip()
        if name == "MsgId" and (text := _clean(child.text)):
            found = replace(found, msg_id=text[:MAX_ID])
        elif name == "Type" and value:
            found = replace(found, type=Coded(value[:MAX_CODE], display=(child.get("DN") or "")[:MAX_ID]))
        elif name == "GenDate" and found.generated is None:
            found = replace(found, generated=_lenient(value))
        elif name == "ServReport" and found.sender is None:
            found = replace(found, sender=_lenient_sender(child))
    return found


def _lenient(value: str) -> When | None:
    try:
        return parse_when(value)
    except ValueError:
        return None


def _lenient_sender(report: etree._Element) -> Hcp | None:
    for child in report:
        if _local(child) == "ServProvider":
            try:
                return _Reader(elements.V14, identity.parse).hcp_of(child)
            except MessageFault:
                return None
    return None


_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Reader:
    """The walk over one message. Namespaces of children are not told apart: the root's decides the version."""

    version: str
    identify: Identify

    def message(self, root: etree._Element) -> Svarrapport:
        kind = self.must_code(root, "Type")
        if kind.code not in elements.MESSAGE_TYPES:
            raise MessageFault("T10", "Meldingstypen støttes ikke")
        for name in elements.AT_MOST_ONE[self.version]:
            if sum(1 for _ in _named(root, name)) > 1:
                raise MessageFault("T02", f"{name} er gjentatt")
        if not self.text(root, "MsgId"):
            raise MessageFault("E10", "MsgId mangler")
        _require(root)
        return Svarrapport(
            version=self.version,
            type=kind,
            msg_id=self.ident(root, "MsgId"),
            generated=self.must_when(root, "GenDate"),
            reports=tuple(self.report(child) for child in _named(root, "ServReport")),
        )

    def report(self, node: etree._Element) -> Report:
        _require(node)
        patient = _child(node, "Patient")
        if patient is None:
            raise MessageFault("E36", "Meldingen gjelder ikke en pasient")
        related = _child(node, "RelServProv")
        report = Report(
            change=self.must_code(node, "ServType").code,
            issued=self.must_when(node, "IssueDate"),
            approved=self.when(node, "ApprDate"),
            status=self.must_code(node, "Status").code,
            discipline=self.must_code(node, "MsgDescr"),
            provider_report_id=self.ident(node, "ServProvId"),
            provider=self.hcp_of(_must_child(node, "ServProvider")),
            requester=self.hcp_of(_must_child(node, "Requester")),
            related=self.hcp_of(related) if related is not None else None,
            patient=self.patient(patient),
            comment=self.text(node, "Comment"),
            coded_comments=self.coded_all(node, "CodedComment"),
            documents=sum(1 for _ in self.each(node, "RefDoc", self.document)),
            requisitions=tuple(self.each(node, "ServReq", self.requisition)),
            wants_receipt=self.code(node, "Ack").code == "J",
        )
        if not party_id(report.provider):
            raise MessageFault("T02", "ServProvider har verken id eller navn")
        return report

    def document(self, node: etree._Element) -> None:
        # Never read: a document may identify the person, only its presence counts.
        _require(node)

    def requisition(self, node: etree._Element) -> Requisition:
        _require(node)
        return Requisition(
            id=self.ident(node, "Id"),
            id_by_provider=self.ident(node, "IdByServProvider"),
            issued=self.when(node, "IssueDate"),
            received=self.when(node, "ReceiptDate"),
            payment=self.code(node, "PaymentCat"),
            remark=self.text(node, "ReqComment"),
            reservations=self.coded_all(node, "Reservation"),
            reasons=tuple(self.each(node, "ReasonAsText", self.remark)),
            comments=tuple(self.each(node, "Comment", self.remark)),
        )

    def patient(self, node: etree._Element) -> Patient:
        number = self.text(node, "OffId")
        if not number:
            raise MessageFault("E30", "OffId mangler")
        _require(node)
        kind = self.code(node, "TypeOffId").code
        if kind not in PATIENT_TYPES:
            raise MessageFault("E36", "TypeOffId er ikke FNR, DNR eller FHN")
        person = self.person(number)
        responsible = _child(node, "ResponsibleHcp")
        return Patient(
            number=person.value,
            type=person.type.value,
            responsible=self.hcp_of(responsible) if responsible is not None else None,
            info=tuple(self.each(node, "InfItem", self.info)),
            samples=tuple(self.each(node, "AnalysedSubject", self.sample)),
            items=tuple(self.each(node, "ResultItem", self.item)),
        )

    def person(self, number: str) -> Identifier:
        # A sender may declare a D-number as FNR: the number's own kind counts.
        try:
            return self.identify(number)
        except Refusal as refusal:
            if len(number) != NUMBER_LENGTH:
                raise MessageFault("E31", f"OffId har {len(number)} tegn, ikke elleve sifre") from refusal
            raise MessageFault("E31", "OffId er ikke et gyldig syntetisk nummer") from refusal

    def info(self, node: etree._Element) -> ClinicalInfo:
        _require(node)
        observation = _child(node, "Observation")
        return ClinicalInfo(
            type=self.code(node, "Type"),
            description=_flat_child(observation, "Description"),
            comment=self.text(observation, "Comment"),
            coded=self.code(observation, "CodedDescr"),
            start=self.when(node, "StartDateTime"),
            end=self.when(node, "EndDateTime"),
            recorded=self.when(node, "OrgDate"),
        )

    def sample(self, node: etree._Element) -> Sample:
        _require(node)
        taken, product = _child(node, "CollectedSample"), _child(node, "CollectedStudyProduct")
        pretreatment, related, part = (_child(node, n) for n in ("Pretreatment", "RelServProv", "AnalysedSubject"))
        return Sample(
            id=self.ident(node, "IdByServProvider"),
            id_by_requester=self.ident(node, "IdByRequester"),
            taken=self.when(taken, "CollectedDate") or self.when(product, "ProducedDate"),
            type=self.text(node, "Type"),
            type_coded=self.code(node, "TypeCoded"),
            collector_comment=self.text(taken, "CollectorComment"),
            collector_codes=self.coded_all(taken, "CollectorCommentCoded"),
            logistics=self.text(taken, "Logistics"),
            product_type=self.text(product, "Type"),
            product_ref=self.text(product, "RefRelatedProd"),
            preservative=self.text(node, "PreservMaterial"),
            comment=self.text(node, "Comment"),
            origin=self.text(node, "AnatomicalOrigin"),
            count=_integer(self.text(node, "Number"), "Number"),
            procedure=self.code(node, "SampleCollProc"),
            handling=tuple(self.texts(node, "SampleHandling")),
            accredited=self.boolean(node, "Accredited"),
            pretreatment=self.remark(pretreatment) if pretreatment is not None else None,
            collector=self.hcp_of(related) if related is not None else None,
            part=self.sample(part) if part is not None else None,
        )

    def item(self, node: etree._Element) -> ResultItem:
        return ResultItem(
            value=self.value(node),
            change=self.code(node, "ServType").code,
            ranges=tuple(text for child in _named(node, "RefInterval") if (text := self.text(child, "Descr"))),
            investigations=tuple(self.each(node, "Investigation", self.investigation)),
            investigated=self.when(node, "InvDate"),
            comment=self.text(node, "Comment"),
            deviation=self.code(node, "DevResultInd"),
            id=self.ident(node, "IdResultItem"),
            refers_to=self.ident(node, "RefIdResultItem"),
            status=self.code(node, "StatusInvestigation").code,
            status_changed=self.when(node, "StatusChangeDate"),
            described=self.when(node, "DescrDate"),
            counter_signed=self.when(node, "CounterSignDate"),
            validated=self.when(node, "MedicalValidationDate"),
            samples=tuple(self.texts(node, "RefAnalysedSubject")),
            accredited=self.boolean(node, "Accredited"),
            performers=tuple(self.each(node, "RelServProv", self.hcp_of)),
            structured=tuple(self.each(node, "StructuredInfo", self.structured)),
            items=tuple(self.each(node, "ResultItem", self.item)),
        )

    def value(self, node: etree._Element) -> Value | None:
        readers: tuple[tuple[str, Callable[[etree._Element], Value]], ...] = (
            ("NumResult", self.number),
            ("TextResult", self.text_value),
            ("Interval", self.interval),
            ("DateResult", self.date_value),
        )
        return next((reader(child) for name, reader in readers if (child := _child(node, name)) is not None), None)

    def number(self, node: etree._Element) -> NumValue:
        _require(node)
        quantity = self.quantity(node, "NumResultValue")
        if quantity is None:
            raise MessageFault("T02", "NumResultValue mangler verdi")
        return NumValue(quantity, self.code(node, "ArithmeticComp").code)

    def text_value(self, node: etree._Element) -> TextValue:
        return TextValue(
            heading=self.code(node, "Heading"),
            text=_flat_child(node, "TextResultValue"),
            codes=self.coded_all(node, "TextCode"),
            unit=self.text(node, "Unit"),
        )

    def interval(self, node: etree._Element) -> IntervalValue:
        return IntervalValue(self.quantity(node, "Low"), self.quantity(node, "High"))

    def date_value(self, node: etree._Element) -> DateValue:
        _require(node)
        return DateValue(self.must_when(node, "DateResultValue"))

    def investigation(self, node: etree._Element) -> Investigation:
        _require(node)
        return Investigation(
            ids=self.coded_all(node, "Id"), specs=self.coded_all(node, "Spec"), comment=self.text(node, "Comment")
        )

    def structured(self, node: etree._Element) -> StructuredInfo:
        _require(node)
        integers = (_integer(self.text(child, "Integer"), "Integer") for child in _named(node, "IntegerInfo"))
        quantities = (self.quantity(child, "Quantity") for child in _named(node, "PhysicalInfo"))
        coded = (self.code(child, "Code") for child in _named(node, "CodedInfo"))
        flags = (self.boolean(child, "Flag") for child in _named(node, "BooleanInfo"))
        return StructuredInfo(
            type=self.code(node, "Type"),
            texts=tuple(text for child in _named(node, "TextInfo") if (text := self.text(child, "Text"))),
            integers=tuple(number for number in integers if number is not None),
            quantities=tuple(quantity for quantity in quantities if quantity is not None),
            codes=tuple(code for code in coded if code),
            booleans=tuple(flag for flag in flags if flag is not None),
        )

    def remark(self, node: etree._Element) -> Remark:
        return Remark(self.code(node, "Heading"), _flat_child(node, "TextResultValue"), self.code(node, "TextCode"))

    def hcp_of(self, owner: etree._Element) -> Hcp:
        """The HCP below ServProvider, Requester, ResponsibleHcp or RelServProv."""
        _require(owner)
        node = _child(owner, "HCP")
        inst, prof, address = (_child(node, name) for name in ("Inst", "HCProf", "Address"))
        person = _child(inst, "HCPerson") if inst is not None else prof
        return Hcp(
            institution=self.party(inst) if inst is not None else None,
            departments=tuple(self.each(inst, "Dept", self.party)),
            person=self.party(person) if person is not None else None,
            telecom=tuple(v for child in _named(address, "TeleAddress") if (v := _clean(child.get("V")))),
            relation=self.code(owner, "Relation").code,
        )

    def party(self, node: etree._Element) -> Party:
        main = Ident(self.ident(node, "Id"), self.code(node, "TypeId").code)
        others = tuple(self.each(node, "AdditionalId", self.additional))
        return Party(self.text(node, "Name"), tuple(ident for ident in (main, *others) if ident.value))

    def additional(self, node: etree._Element) -> Ident:
        _require(node)
        return Ident(self.ident(node, "Id"), self.code(node, "Type").code)

    # --- leaves ---

    def each(self, node: etree._Element | None, name: str, reader: Callable[[etree._Element], _T]) -> Iterator[_T]:
        return (reader(child) for child in _named(node, name))

    def text(self, node: etree._Element | None, name: str) -> str:
        child = _child(node, name)
        return _clean(child.text) if child is not None else ""

    def texts(self, node: etree._Element | None, name: str) -> Iterator[str]:
        return (text for child in _named(node, name) if (text := _clean(child.text)))

    def ident(self, node: etree._Element | None, name: str) -> str:
        value = self.text(node, name)
        if len(value) > MAX_ID:
            raise MessageFault("T02", f"{name} er lengre enn {MAX_ID} tegn")
        return value

    def code(self, node: etree._Element | None, name: str) -> Coded:
        child = _child(node, name)
        return _coded(child) if child is not None else Coded()

    def must_code(self, node: etree._Element, name: str) -> Coded:
        found = self.code(node, name)
        if not found.code:
            raise MessageFault("T02", f"{_local(node)}/{name} mangler")
        return found

    def coded_all(self, node: etree._Element | None, name: str) -> tuple[Coded, ...]:
        return tuple(coded for child in _named(node, name) if (coded := _coded(child)))

    def when(self, node: etree._Element | None, name: str) -> When | None:
        child = _child(node, name)
        value = (child.get("V") or "").strip() if child is not None else ""
        if not value:
            return None
        try:
            return parse_when(value)
        except ValueError as error:
            raise MessageFault("T02", f"{name} er ikke en gyldig dato eller tid") from error

    def must_when(self, node: etree._Element, name: str) -> When:
        found = self.when(node, name)
        if found is None:
            raise MessageFault("T02", f"{_local(node)}/{name} mangler")
        return found

    def boolean(self, node: etree._Element | None, name: str) -> bool | None:
        child = _child(node, name)
        value = (child.get("V") or "").strip() if child is not None else ""
        if value not in ("", "true", "false"):
            raise MessageFault("T02", f"{name} er verken true eller false")
        return value == "true" if value else None

    def quantity(self, node: etree._Element | None, name: str) -> Quantity | None:
        child = _child(node, name)
        value = (child.get("V") or "").strip() if child is not None else ""
        if child is None or not value:
            return None
        return Quantity(_number(value, name), _words(child.get("U")))


def _require(node: etree._Element) -> None:
    name = _local(node)
    children = list(node)
    present = {_local(child) for child in children}
    filled = {_local(child) for child in children if _carries(child)}
    absent = elements.missing(name, present, filled)
    if absent is not None:
        raise MessageFault("T02", f"{name}/{absent} mangler")


def _carries(node: etree._Element) -> bool:
    return len(node) > 0 or bool((node.get("V") or "").strip()) or bool((node.text or "").strip())


def _local(node: etree._Element) -> str:
    return etree.QName(node).localname if isinstance(node.tag, str) else ""


def _named(node: etree._Element | None, name: str) -> Iterator[etree._Element]:
    return (child for child in node if _local(child) == name) if node is not None else iter(())


def _child(node: etree._Element | None, name: str) -> etree._Element | None:
    return next(_named(node, name), None)


def _must_child(node: etree._Element, name: str) -> etree._Element:
    found = _child(node, name)
    if found is None:
        raise MessageFault("T02", f"{_local(node)}/{name} mangler")
    return found


def _coded(node: etree._Element) -> Coded:
    code, oid = _words(node.get("V")), (node.get("S") or "").strip().removeprefix("urn:oid:")
    if len(code) > MAX_CODE:
        raise MessageFault("T02", f"Koden i {_local(node)} er lengre enn {MAX_CODE} tegn")
    # A system that is no OID cannot be shown as one; the code is kept without it.
    valid = len(oid) <= MAX_ID and re.fullmatch(r"[0-9]+(\.[0-9]+)*", oid) is not None
    return Coded(code, oid if valid else "", _words(node.get("DN")), _words(node.get("OT")))


def _number(value: str, name: str) -> float | int:
    if re.fullmatch(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?", value) is None:
        raise MessageFault("T02", f"{name} er ikke et tall")
    number = float(value)
    if not math.isfinite(number):
        raise MessageFault("T02", f"{name} er ikke et tall som kan gjengis")
    whole = re.fullmatch(r"[+-]?[0-9]+", value) is not None and abs(number) < 2**53
    return int(number) if whole else number


def _integer(value: str, name: str) -> int | None:
    if not value:
        return None
    number = _number(value, name)
    if not isinstance(number, int) or abs(number) >= 2**31:
        raise MessageFault("T02", f"{name} er ikke et heltall")
    return number


def _clean(text: str | None) -> str:
    return (text or "").replace("\r\n", "\n").replace("\r", "\n").strip()


def _words(text: str | None) -> str:
    return " ".join((text or "").split())


def _flat_child(node: etree._Element | None, name: str) -> str:
    child = _child(node, name)
    if child is None:
        return ""
    return _clean(child.text) if len(child) == 0 else flatten(child)


_BLOCKS = frozenset({"p", "br", "div", "li", "tr", "ul", "ol", "table", "h1", "h2", "h3", "h4", "h5", "h6"})
_UNSEEN = frozenset({"script", "style", "head"})


def flatten(node: etree._Element) -> str:
    """The plain text of XHTML: a line for each block, blanks joined, scripts and styles left out."""
    lines = (_words(line) for line in "".join(_pieces(node)).split("\n"))
    return "\n".join(line for line in lines if line)


def _pieces(node: etree._Element) -> Iterator[str]:
    yield _words_apart(node.text)
    for child in node:
        name = _local(child).lower()
        block = "\n" if name in _BLOCKS else ""
        yield block
        if name not in _UNSEEN:
            yield from _pieces(child)
        yield block + _words_apart(child.tail)


def _words_apart(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "")
