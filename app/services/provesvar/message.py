"""The typed content of a svarrapport (KITH XML v1.3 and v1.4): values only, no behaviour.

Names are English; the XML element each field comes from is named where it is not obvious.
An absent text is ``""``, an absent value ``None``, an absent list ``()``.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.services.provesvar.times import When


@dataclass(frozen=True, slots=True)
class Coded:
    """A coded value (CS or CV): ``V``, ``S`` (a bare OID), ``DN`` and ``OT``."""

    code: str = ""
    system: str = ""
    display: str = ""
    text: str = ""

    def __bool__(self) -> bool:
        return bool(self.code or self.display or self.text)


@dataclass(frozen=True, slots=True)
class Ident:
    """An identifier with its type code (8116 or the organisation types): ``HER``, ``HPR``, ``ENH`` …"""

    value: str
    type: str


@dataclass(frozen=True, slots=True)
class Party:
    """An institution, a department or a person: a name and its identifiers, the main one first."""

    name: str = ""
    ids: tuple[Ident, ...] = ()


@dataclass(frozen=True, slots=True)
class Hcp:
    """A health care party: an institution with departments and persons, or a person alone."""

    institution: Party | None = None
    departments: tuple[Party, ...] = ()
    person: Party | None = None
    telecom: tuple[str, ...] = ()
    relation: str = ""


@dataclass(frozen=True, slots=True)
class Remark:
    """A heading, a text and a code: ReasonAsText, Comment to a requisition, Pretreatment."""

    heading: Coded = Coded()
    text: str = ""
    code: Coded = Coded()


@dataclass(frozen=True, slots=True)
class Requisition:
    """ServReq."""

    id: str
    id_by_provider: str = ""
    issued: When | None = None
    received: When | None = None
    payment: Coded = Coded()
    remark: str = ""
    reservations: tuple[Coded, ...] = ()
    reasons: tuple[Remark, ...] = ()
    comments: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class ClinicalInfo:
    """InfItem."""

    type: Coded
    description: str = ""
    comment: str = ""
    coded: Coded = Coded()
    start: When | None = None
    end: When | None = None
    recorded: When | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """AnalysedSubject; ``taken`` is CollectedDate or ProducedDate, ``part`` the nested AnalysedSubject."""

    id: str
    id_by_requester: str = ""
    taken: When | None = None
    type: str = ""
    type_coded: Coded = Coded()
    collector_comment: str = ""
    collector_codes: tuple[Coded, ...] = ()
    logistics: str = ""
    product_type: str = ""
    product_ref: str = ""
    preservative: str = ""
    comment: str = ""
    origin: str = ""
    count: int | None = None
    procedure: Coded = Coded()
    handling: tuple[str, ...] = ()
    accredited: bool | None = None
    pretreatment: Remark | None = None
    collector: Hcp | None = None
    part: Sample | None = None


@dataclass(frozen=True, slots=True)
class Quantity:
    value: float | int
    unit: str = ""


@dataclass(frozen=True, slots=True)
class NumValue:
    quantity: Quantity
    comparator: str = ""


@dataclass(frozen=True, slots=True)
class TextValue:
    heading: Coded = Coded()
    text: str = ""
    codes: tuple[Coded, ...] = ()
    unit: str = ""


@dataclass(frozen=True, slots=True)
class IntervalValue:
    low: Quantity | None = None
    high: Quantity | None = None


@dataclass(frozen=True, slots=True)
class DateValue:
    when: When


Value = NumValue | TextValue | IntervalValue | DateValue


@dataclass(frozen=True, slots=True)
class Investigation:
    ids: tuple[Coded, ...]
    specs: tuple[Coded, ...] = ()
    comment: str = ""


@dataclass(frozen=True, slots=True)
class StructuredInfo:
    type: Coded
    texts: tuple[str, ...] = ()
    integers: tuple[int, ...] = ()
    quantities: tuple[Quantity, ...] = ()
    codes: tuple[Coded, ...] = ()
    booleans: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class ResultItem:
    value: Value | None = None
    change: str = ""
    ranges: tuple[str, ...] = ()
    investigations: tuple[Investigation, ...] = ()
    investigated: When | None = None
    comment: str = ""
    deviation: Coded = Coded()
    id: str = ""
    refers_to: str = ""
    status: str = ""
    status_changed: When | None = None
    described: When | None = None
    counter_signed: When | None = None
    validated: When | None = None
    samples: tuple[str, ...] = ()
    accredited: bool | None = None
    performers: tuple[Hcp, ...] = ()
    structured: tuple[StructuredInfo, ...] = ()
    items: tuple[ResultItem, ...] = ()


@dataclass(frozen=True, slots=True)
class Patient:
    """``number`` is OffId, ``type`` its kind (FNR, DNR, FHN). Name, sex, birth date, address are not read."""

    number: str
    type: str
    responsible: Hcp | None = None
    info: tuple[ClinicalInfo, ...] = ()
    samples: tuple[Sample, ...] = ()
    items: tuple[ResultItem, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """ServReport."""

    change: str
    issued: When
    status: str
    discipline: Coded
    provider_report_id: str
    provider: Hcp
    requester: Hcp
    patient: Patient
    approved: When | None = None
    comment: str = ""
    coded_comments: tuple[Coded, ...] = ()
    documents: int = 0
    requisitions: tuple[Requisition, ...] = ()
    related: Hcp | None = None
    wants_receipt: bool = False


@dataclass(frozen=True, slots=True)
class Svarrapport:
    """Message. v1.4 has one report, v1.3 one or more."""

    version: str
    type: Coded
    msg_id: str
    generated: When
    reports: tuple[Report, ...]

    @property
    def report(self) -> Report:
        return self.reports[0]


@dataclass(frozen=True, slots=True)
class Original:
    """What is known of a message that could not be read; what is not known is ``"unknown"`` or ``None``."""

    msg_id: str = "unknown"
    type: Coded = Coded()
    generated: When | None = None
    sender: Hcp | None = None


class MessageFault(Exception):
    """A svarrapport whose content is refused: an AppRec with status 2 answers it (R53).

    ``code`` is an 8221 code; ``text`` a short Norwegian text without patient data (AppRec ``Error/@OT``).
    """

    def __init__(self, code: str, text: str, original: Original | None = None) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.original = original if original is not None else Original()


def party_id(hcp: Hcp) -> str:
    """The identifier a party is known by: the last department's, else the institution's, the person's, a name.

    The department overrides the institution (pps.md §9.3). ``""`` when the party has neither id nor name.
    """
    parties = [*reversed(hcp.departments), hcp.institution, hcp.person]
    known = [party for party in parties if party is not None]
    for party in known:
        if party.ids:
            return party.ids[0].value
    return next((party.name for party in known if party.name), "")
