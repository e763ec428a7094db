"""The kinds of report the seed is made of: each turns a place in the schedule into messages.

All of it is invented. The laboratory codes and their names are of the national list (7280), as are those of the
ultrasound; the other radiology codes have only the form of theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Final

from app.ids import derived_uuid
from app.services.provesvar.writer import (
    CYTOLOGY,
    NCRP,
    PATHOLOGY,
    Analysis,
    Clinician,
    Org,
    ReportSpec,
    SampleSpec,
)

RESISTANCE: Final = 8271
SEED: Final = "provesvar"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a report stands: whose it is, its number among that person's, and the day its sample was taken.

    ``series`` keeps the ids of reports made for something else than the seed apart from the seed's.
    """

    person: str
    number: str
    number_type: str
    position: int
    day: date
    series: str = SEED

    def at(self, hour: int, minute: int = 0, *, days: int = 0) -> str:
        """A Norwegian local time on the day, as messages write it."""
        moment = datetime(self.day.year, self.day.month, self.day.day, hour, minute) + timedelta(days=days)
        return moment.isoformat()

    def id(self, what: str) -> str:
        return derived_uuid(self.series, self.person, str(self.position), what)

    def result_id(self, item: int) -> str:
        if self.series == SEED:
            return str(300_000_000 + int(self.person[1:]) * 100_000 + self.position * 100 + item)
        return str(1_000_000_000 + int(self.id("results")[:6], 16) * 100 + item)


Kind = Callable[[Place], Sequence[ReportSpec]]

PRESIS: Final = Org("PRESIS LABORATORIUM AS", "990009")
FJORD: Final = Org("FRISK FJORD HELSEFORETAK (SANDKASSE)", "990001", dept="Medisinsk biokjemi", dept_id="990101")
MICROBIOLOGY: Final = replace(FJORD, dept="Mikrobiologi", dept_id="990102")
PATHOLOGIST: Final = replace(FJORD, dept="Patologi", dept_id="990103")
IMMUNOLOGY: Final = replace(FJORD, dept="Immunologi og transfusjonsmedisin", dept_id="990104")
GENETICS: Final = replace(FJORD, dept="Medisinsk genetikk", dept_id="990105")
DAL: Final = Org("RAUS DAL HELSEFORETAK (SANDKASSE)", "990002", dept="Medisinsk biokjemi", dept_id="990201")
RADIOLOGY: Final = replace(DAL, dept="Radiologi", dept_id="990202")
_OFFICE: Final = Org("LETT BAKKE LEGESENTER AS", "990005")
GP: Final = Clinician(_OFFICE, "ÅRVÅKEN LEGEROT", "222250101", "73000001")
COLLEAGUE: Final = Clinician(_OFFICE, "MUNTER TRESKO", "222250102", "73000002")

_PLASMA: Final = SampleSpec(id="P1", material="P", material_name="Plasma")
_BLOOD: Final = SampleSpec(id="B1", material="B", material_name="Blod")
_SERUM: Final = SampleSpec(id="S1", material="S", material_name="Serum")
_URINE: Final = SampleSpec(id="U1", material="U", material_name="Urin")


@dataclass(frozen=True, slots=True)
class Test:
    """A measurement: usual value, the step it varies by, and its reference limits."""

    code: str
    name: str
    usual: float
    step: float
    low: float | None
    high: float | None
    unit: str

    def analysis(self, place: Place, item: int, sample: str) -> Analysis:
        value = round(self.usual + ((place.position * 37 + item * 17) % 13 - 6) * self.step, 3)
        above, below = self.high is not None and value > self.high, self.low is not None and value < self.low
        return Analysis(
            code=self.code,
            name=self.name,
            number=f"{value:g}",
            unit=self.unit,
            reference=self._limits(),
            flag="1" if above else "2" if below else "",
            id=place.result_id(item),
            sample=sample,
            accredited=item % 2 == 0,
        )

    def _limits(self) -> str:
        if self.low is None:
            return f"< {self.high:g}"
        return f"{self.low:g} - {self.high:g}" if self.high is not None else f"> {self.low:g}"


BLOOD_COUNT: Final = (
    Test("NPU02593", "B-Leukocytter", 6.5, 0.8, 3.5, 10.5, "E9/L"),
    Test("NPU02902", "B-Neutrofile granulocytter", 3.6, 0.4, 1.5, 7.3, "E9/L"),
    Test("NPU02636", "B-Lymfocytter", 2.0, 0.2, 1.1, 3.3, "E9/L"),
    Test("NPU02840", "B-Monocytter", 0.5, 0.05, 0.2, 0.8, "E9/L"),
    Test("NPU01961", "B-EVF", 0.42, 0.01, 0.36, 0.46, "1"),
)
KIDNEY: Final = (Test("NPU04998", "P-Kreatinin", 74.0, 4.0, 45.0, 90.0, "µmol/L"),)
CLOTTING: Final = (
    Test("NPU19767", "P-D-dimer", 0.3, 0.05, None, 0.5, "mg/L"),
    Test("NPU01685", "P-INR", 1.0, 0.05, 0.8, 1.2, "1"),
)
VITAMIN: Final = (Test("NPU01700", "P-Vit. B12 (Kobalamin)", 320.0, 30.0, 150.0, 650.0, "pmol/L"),)
HEART: Final = (Test("NPU27501", "P-Troponin T", 8.0, 1.0, None, 15.0, "ng/L"),)
ANTIBODIES: Final = (
    Test("NPU19814", "P-IgG", 10.5, 0.6, 6.9, 15.7, "g/L"),
    Test("NPU19795", "P-IgA", 2.1, 0.2, 0.7, 3.7, "g/L"),
    Test("NPU19825", "P-IgM", 1.1, 0.1, 0.3, 2.1, "g/L"),
    Test("NPU01727", "P-Komplement C3", 1.2, 0.1, 0.8, 1.7, "g/L"),
)
TACROLIMUS: Final = (Test("NPU19912", "B-Takrolimus", 7.0, 0.6, 5.0, 10.0, "µg/L"),)

PANELS: Final = (
    (BLOOD_COUNT, _BLOOD, PRESIS),
    (CLOTTING, _PLASMA, FJORD),
    (KIDNEY + VITAMIN, _PLASMA, PRESIS),
    (HEART + KIDNEY, _PLASMA, DAL),
    (BLOOD_COUNT + CLOTTING, _BLOOD, FJORD),
)


def biochemistry(place: Place) -> Sequence[ReportSpec]:
    tests, sample, lab = PANELS[place.position % len(PANELS)]
    return [_measured(place, tests, sample, lab, "CLIN")]


def repeated_result_id(place: Place) -> Sequence[ReportSpec]:
    """A result that another laboratory has numbered like the documented one (#56)."""
    (spec,) = biochemistry(place)
    first = replace(spec.items[0], id=DOCUMENTED_RESULT)
    return [replace(spec, lab=DAL, items=(first, *spec.items[1:]))]


def documented(place: Place) -> Sequence[ReportSpec]:
    """The report of pps.md §6, with its ids, value and times."""
    item = Analysis(
        code="NOR05857",
        name="Us-LH",
        number="14",
        unit="IU/L",
        reference="< 12",
        flag="1",
        id=DOCUMENTED_RESULT,
        sample="S1",
        accredited=False,
    )
    return [
        ReportSpec(
            lab=PRESIS,
            patient=place.number,
            patient_type=place.number_type,
            msg_id="01c59bd0-c6a5-11e6-9598-0800200c9a66",
            serv_prov_id="55b6344fc-a61d-4a67-95fe-7276613785ab",
            requisition_id="e312fde3-66aa-40da-bec7-26abf4d29e82",
            generated=f"{place.day}T09:05:11",
            issued=f"{place.day}T09:04:10",
            ordered=place.day.isoformat(),
            comment="Kontroll",
            requester=GP,
            samples=(replace(_SERUM, collected=f"{place.day}T07:57:00"),),
            items=(item,),
        )
    ]


def amended(place: Place) -> Sequence[ReportSpec]:
    """A report and its correction two days later: the first result is changed."""
    (first,) = biochemistry(place)
    items = (
        replace(first.items[0], number=_halved(first.items[0].number), flag="", change="M", comment="Rettet verdi"),
        *(replace(item, change="H") for item in first.items[1:]),
    )
    return [first, _correction(place, first, change="M", comment="Rettet svar", items=items)]


def cancelled(place: Place) -> Sequence[ReportSpec]:
    """A report that is withdrawn the day after."""
    (first,) = biochemistry(place)
    return [first, _correction(place, first, change="C", comment="Svaret er trukket tilbake", items=())]


def dirty(place: Place) -> Sequence[ReportSpec]:
    """What a message should not be: no sampling time, codes as text, no requester (pps.md §8.1)."""
    (spec,) = biochemistry(place)
    items = (
        Analysis(name="Hemoglobin, hurtigtest", text="Normal", id=place.result_id(1), sample="X1"),
        Analysis(name="CRP (lokal)", number="4", unit="lokal enhet", sample="X1"),
    )
    sample = SampleSpec(id="X1", text="Kapillærblod")
    return [replace(spec, lab=DAL, requester=None, ordered="", samples=(sample,), items=items)]


def virus(place: Place) -> Sequence[ReportSpec]:
    items = (
        Analysis("NPU03952", "P-Kusmavirus (parotittvirus) IgG", text="Positiv", id=place.result_id(1), sample="S1"),
        Analysis("NPU03953", "P-Kusmavirus (parotittvirus) IgM", text="Negativ", id=place.result_id(2), sample="S1"),
    )
    return [_spec(place, MICROBIOLOGY, "MBIO", _SERUM, items)]


def antigen(place: Place) -> Sequence[ReportSpec]:
    name = "Us-SARS-relatert koronavirus (inkl. SARS-CoV-2) antigen"
    item = Analysis("NPU59390", name, text="Negativ", id=place.result_id(1), sample="N1")
    return [_spec(place, MICROBIOLOGY, "MBIO", SampleSpec(id="N1", text="Nasofarynx"), (item,))]


def culture(place: Place) -> Sequence[ReportSpec]:
    """Growth with its amount nested in it and the resistance of the microbe linked to it (#64, #93)."""
    grown = place.result_id(1)
    amount = Analysis(name="Mengde", text=">100 000 pr. mL", id=place.result_id(2))
    growth = Analysis(
        "NPU06073",
        "U-Bakterier dyrkning",
        heading="LR",
        text="Escherichia coli",
        id=grown,
        sample="U1",
        items=(amount,),
    )
    drugs = (
        ("NPU06045", "Us-Ampicillin", "R"),
        ("NPU06044", "Us-Mecillinam", "S"),
        ("NPU06048", "Us-Nitrofurantoin", "S"),
        ("NPU57715", "Us-Trimetoprim+Sulfametoksazol", "I"),
    )
    tested = tuple(
        Analysis(
            code,
            name,
            heading="RSB",
            answers=((RESISTANCE, answer, ""),),
            id=place.result_id(3 + i),
            refers_to=grown,
            sample="U1",
        )
        for i, (code, name, answer) in enumerate(drugs)
    )
    return [_spec(place, MICROBIOLOGY, "MBIO", _URINE, (growth, *tested))]


def immunology(place: Place) -> Sequence[ReportSpec]:
    return [_measured(place, ANTIBODIES, _PLASMA, IMMUNOLOGY, "IMTR")]


def drug_level(place: Place) -> Sequence[ReportSpec]:
    return [_measured(place, TACROLIMUS, _BLOOD, FJORD, "FARM")]


def genetics(place: Place) -> Sequence[ReportSpec]:
    text = "Påvist heterozygot for C282Y"
    item = Analysis("NPU19111", "B-HFE-genotype", text=text, id=place.result_id(1), sample="B1")
    return [_spec(place, GENETICS, "MGEN", _BLOOD, (item,))]


def histology(place: Place) -> Sequence[ReportSpec]:
    sample = SampleSpec(id="H1", text="Hudbiopsi", origin="Venstre overarm")
    found = _finding(place, "H1", "MAMI", "Makro- og mikroskopisk undersøkelse", "Godartet pigmentnevus.")
    return [_spec(place, PATHOLOGIST, "HIST", sample, found)]


def cytology(place: Place) -> Sequence[ReportSpec]:
    sample = SampleSpec(id="C1", material="CVX", material_name="Cervix", material_list=CYTOLOGY)
    found = _finding(place, "C1", "VC", "Væskebasert cytologi", "Normale celler.")
    return [_spec(place, PATHOLOGIST, "CYTO", sample, found)]


@dataclass(frozen=True, slots=True)
class Image:
    """A radiological examination: its type (8202), code and name (7270), what was seen."""

    discipline: str
    code: str
    name: str
    text: str
    method: tuple[int, str, str] | None = None


IMAGES: Final[Mapping[str, Image]] = MappingProxyType(
    {
        "RTG": Image("RTG", "SGA0AA", "RG Thorax", "Normale lunger.\nHjertet er ikke forstørret."),
        "CT": Image("CT", "SAA0AD", "CT Hode", "Ingen blødning eller infarkt."),
        "MR": Image("MR", "SKM0AG", "MR Kne", "Liten rift i mediale menisk."),
        "UL": Image(
            "UL", "SJJ0AK", "UL Lever", "Normal størrelse og ekkogenitet.", (NCRP, "ZTX0EA", "Intravenøs kontrast")
        ),
    }
)


def image(kind: str) -> Kind:
    found = IMAGES[kind]

    def examined(place: Place) -> Sequence[ReportSpec]:
        item = Analysis(
            found.code,
            found.name,
            NCRP,
            heading="FU",
            text=found.text,
            xhtml=True,
            method=found.method,
            investigated=place.at(10, 20),
            id=place.result_id(1),
        )
        return [_spec(place, RADIOLOGY, found.discipline, None, (item,))]

    return examined


DOCUMENTED_RESULT: Final = "118891125"

KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "CLIN": biochemistry,
        "CLIN-documented": documented,
        "CLIN-repeated-id": repeated_result_id,
        "CLIN-amended": amended,
        "CLIN-cancelled": cancelled,
        "CLIN-dirty": dirty,
        "MBIO-virus": virus,
        "MBIO-antigen": antigen,
        "MBIO-culture": culture,
        "IMTR": immunology,
        "FARM": drug_level,
        "MGEN": genetics,
        "HIST": histology,
        "CYTO": cytology,
        **{kind: image(kind) for kind in IMAGES},
    }
)


def _measured(place: Place, tests: Sequence[Test], sample: SampleSpec, lab: Org, discipline: str) -> ReportSpec:
    items = tuple(test.analysis(place, i, sample.id) for i, test in enumerate(tests, start=1))
    return _spec(place, lab, discipline, sample, items)


def _finding(place: Place, sample: str, code: str, name: str, text: str) -> tuple[Analysis, ...]:
    parts = (("FU", text), ("DIAG", "Ingen tegn til ondartet sykdom."))
    return tuple(
        Analysis(code, name, PATHOLOGY, heading=heading, text=each, id=place.result_id(i), sample=sample)
        for i, (heading, each) in enumerate(parts, start=1)
    )


def _spec(
    place: Place, lab: Org, discipline: str, sample: SampleSpec | None, items: tuple[Analysis, ...]
) -> ReportSpec:
    taken = () if sample is None else (replace(sample, collected=place.at(8, place.position % 60)),)
    return ReportSpec(
        lab=lab,
        patient=place.number,
        patient_type=place.number_type,
        msg_id=place.id("message"),
        serv_prov_id=place.id("report"),
        requisition_id=place.id("requisition"),
        generated=place.at(14, 5),
        issued=place.at(14, 0),
        discipline=discipline,
        ordered=place.day.isoformat(),
        received=place.at(11, 30),
        requester=GP if place.position % 3 else COLLEAGUE,
        reason="Kontroll" if place.position % 4 == 0 else "",
        info=(("OPPL", "Slapp den siste tiden"),) if place.position % 5 == 0 else (),
        samples=taken,
        items=items,
    )


def _correction(
    place: Place, first: ReportSpec, *, change: str, comment: str, items: tuple[Analysis, ...]
) -> ReportSpec:
    return replace(
        first,
        change=change,
        msg_id=place.id("correction"),
        generated=place.at(9, 15, days=2),
        comment=comment,
        items=items,
    )


def _halved(number: str) -> str:
    return f"{float(number) / 2:g}"
