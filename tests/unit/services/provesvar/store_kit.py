"""An in-memory store with two people, for tests of what is stored and found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from sqlalchemy import Connection, create_engine, select

from app.ids import SeededIds
from app.services.provesvar import ingest
from app.services.provesvar.report import MappedReport
from app.services.provesvar.svarrapport import read
from app.services.provesvar.writer import ReportSpec, svarrapport_xml
from app.store import registers, tables
from app.trust.facts import Person
from tests.unit.services.svarrapport_specs import SPECS

SANDBOX = "default"
NOW = 1_795_000_000.0
FNR = "urn:oid:2.16.578.1.12.4.1.4.1"
P01 = Person(id="P01", nin="14838449698", nin_system=FNR)
P13 = Person(id="P13", nin="25854649879", nin_system=FNR)
IDS = SeededIds("tests")


@contextmanager
def store() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    try:
        with engine.begin() as conn:
            tables.metadata.create_all(conn)
            for person in (P01, P13):
                registers.put_person(conn, SANDBOX, person)
            yield conn
    finally:
        engine.dispose()


def spec(name: str = "biochemistry", **changes: Any) -> ReportSpec:
    members = {each: getattr(SPECS[name], each) for each in ReportSpec.__slots__}
    return ReportSpec(**{**members, "msg_id": f"message-{len(changes)}-{sorted(changes.items())!r}"[:100], **changes})


def prepared(made: ReportSpec) -> ingest.Prepared:
    body = svarrapport_xml(made)
    return ingest.mapped(read(body, max_bytes=len(body)))


def put(conn: Connection, made: ReportSpec, now: float = NOW) -> ingest.Applied:
    return ingest.apply(conn, SANDBOX, prepared(made), now=now, ids=IDS)


def mapped(made: ReportSpec) -> MappedReport:
    return prepared(made).reports[0]


def stored(conn: Connection, kind: str = "DiagnosticReport", patient: str | None = None) -> list[dict[str, Any]]:
    columns = tables.resource.c
    statement = select(columns.body).where(columns.type == kind).order_by(columns.id)
    if patient is not None:
        statement = statement.where(columns.patient == patient)
    return [orjson.loads(row[0]) for row in conn.execute(statement)]
