"""The prøvesvar of the seeded patients: real svarrapport messages, run through the ingest (ruling R48).

Everything is fixed, days included, so every sandbox has the same reports under the same ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from types import MappingProxyType
from typing import Final

from app import identity
from app.ids import SeededIds
from app.services.provesvar import ingest
from app.services.provesvar.ingest import Prepared
from app.services.provesvar.rules import SERVICE
from app.services.provesvar.seed_reports import KINDS, Place
from app.services.provesvar.svarrapport import read
from app.services.provesvar.writer import ReportSpec, svarrapport_xml
from app.store import registers, resources
from app.store.engine import Connection
from app.store.scratch import SCRATCH, in_memory
from app.trust.facts import Person

MAIN: Final = "P01"
MAIN_REPORTS: Final = 73
MAIN_NUMBER: Final = "14838449698"
_FIRST: Final = date(2016, 12, 1)
_LAST: Final = date(2026, 11, 20)

MAIN_KINDS: Final[Mapping[int, str]] = MappingProxyType(
    {
        5: "CLIN-documented",
        6: "MBIO-culture",
        8: "RTG",
        10: "IMTR",
        11: "CLIN-amended",
        12: "HIST",
        14: "MBIO-virus",
        18: "FARM",
        20: "CT",
        22: "MBIO-antigen",
        26: "MGEN",
        29: "CLIN-cancelled",
        30: "MBIO-virus",
        32: "CYTO",
        34: "IMTR",
        35: "CLIN-amended",
        38: "MBIO-culture",
        42: "MR",
        44: "RTG",
        46: "MBIO-antigen",
        47: "CLIN-dirty",
        50: "HIST",
        54: "MBIO-virus",
        56: "CT",
        58: "IMTR",
        59: "CLIN-amended",
        60: "CLIN-repeated-id",
        62: "MBIO-antigen",
        64: "UL",
        66: "FARM",
        68: "CYTO",
    }
)
"""What stands where among P01's reports, oldest first; the rest is biochemistry."""

_FIXED_DAYS: Final = MappingProxyType({5: date(2017, 9, 20), 6: date(2017, 9, 22)})  # for #57 and #58

OTHERS: Final[Mapping[str, tuple[tuple[str, str], tuple[str, ...]]]] = MappingProxyType(
    {
        "P02": (("02917149979", "FNR"), ("CLIN", "CLIN")),
        "P03": (("21869049848", "FNR"), ("CLIN", "MBIO-virus")),
        "P05": (("09895949814", "FNR"), ("CLIN",)),
        "P06": (("05928849688", "FNR"), ("CLIN",)),
        "P07": (("17847949732", "FNR"), ("CLIN",)),
        "P08": (("08851899805", "FNR"), ("CLIN",)),
        "P09": (("19881299960", "FNR"), ("MBIO-antigen",)),
        "P10": (("11820999845", "FNR"), ("CLIN",)),
        "P11": (("27873849911", "FNR"), ("CLIN", "HIST")),
        "P12": (("43909349738", "DNR"), ("CLIN",)),
        "P15": (("06868549848", "FNR"), ("CLIN",)),
        "P19": (("07819149881", "FNR"), ("HIST", "CLIN")),
        "P20": (("12926849938", "FNR"), ("MGEN", "CLIN")),
        "P21": (("08888149822", "FNR"), ("CLIN",)),
        "P22": (("07877749961", "FNR"), ("CLIN",)),
        "P23": (("04849649839", "FNR"), ("MBIO-culture", "CLIN")),
        "P24": (("09837349734", "FNR"), ("CLIN",)),
        "P25": (("23899449436", "FNR"), ("CLIN",)),
        "P26": (("01660199981", "FNR"), ("CLIN",)),
        "P27": (("17458749817", "FNR"), ("RTG",)),
        "P28": (("81234567802", "FHN"), ("CLIN",)),
    }
)
"""Everybody else: number and kinds. Who is not here has no data, which #7 and #37 need (P04 has reserved)."""

_RESTRICTED: Final = ("P19", "P20", "P23")


@dataclass(frozen=True, slots=True)
class SeededReport:
    """A report of the seed, as the scenario documentation lists it."""

    person: str
    kind: str
    day: date
    report_id: str
    serv_prov_id: str
    requisition_id: str
    msg_id: str


def seed_reports(conn: Connection, sandbox: str, now: float) -> None:
    """Put every report into a sandbox whose people are seeded. ``now`` is epoch seconds on its clock."""
    resources.load(conn, sandbox, _content(), now)


def report_refs() -> Mapping[str, tuple[tuple[str, str], ...]]:
    """What the settings about single reports are about: the first report of P19, P20 and P23 (ruling R38)."""
    firsts = {report.person: report for report in reversed(reports())}
    return {person: (("Svarrapport", firsts[person].report_id),) for person in _RESTRICTED}


@cache
def reports() -> tuple[SeededReport, ...]:
    """Every report of the seed, by person and day."""
    mapped = {each.message.msg_id: each.reports[0].report_id for each in _prepared()}
    found = []
    for place, kind in _places():
        first = KINDS[kind](place)[0]
        found.append(
            SeededReport(
                person=place.person,
                kind=kind,
                day=place.day,
                report_id=mapped[first.msg_id],
                serv_prov_id=first.serv_prov_id,
                requisition_id=first.requisition_id,
                msg_id=first.msg_id,
            )
        )
    return tuple(found)


def messages() -> Iterator[ReportSpec]:
    """Every message of the seed, in the order it arrives."""
    for place, kind in _places():
        yield from KINDS[kind](place)


def _places() -> Iterator[tuple[Place, str]]:
    for position in range(MAIN_REPORTS):
        place = Place(MAIN, MAIN_NUMBER, "FNR", position, _main_day(position))
        yield place, MAIN_KINDS.get(position, "CLIN")
    for person, ((number, number_type), kinds) in OTHERS.items():
        for position, kind in enumerate(kinds):
            yield Place(person, number, number_type, position, _LAST - timedelta(days=30 * position + 2)), kind


def _main_day(position: int) -> date:
    span = (_LAST - _FIRST).days
    return _FIXED_DAYS.get(position) or _FIRST + timedelta(days=round(position * span / (MAIN_REPORTS - 1)))


@cache
def _prepared() -> tuple[Prepared, ...]:
    """The messages read and mapped, once in a process: they are the same for every sandbox."""
    bodies = [svarrapport_xml(spec) for spec in messages()]
    return tuple(ingest.mapped(read(body, max_bytes=len(body))) for body in bodies)


@cache
def _content() -> resources.Dump:
    """The rows the messages come to: the ingest is run once in a process, into a database in memory.

    A sandbox then costs a few inserts, so that a test suite can have one for each test.
    """
    ids = SeededIds("provesvar")

    def fill(conn: Connection) -> resources.Dump:
        for person, number in ((MAIN, MAIN_NUMBER), *((person, entry[0][0]) for person, entry in OTHERS.items())):
            known = identity.parse(number)
            registers.put_person(conn, SCRATCH, Person(id=person, nin=known.value, nin_system=known.system))
        for each in _prepared():
            ingest.apply(conn, SCRATCH, each, now=0.0, ids=ids)
        return resources.dump(conn, SCRATCH, SERVICE)

    return in_memory(fill, 0.0)
