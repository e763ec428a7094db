"""What becomes of a message (rulings R50 to R53)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select

from app import identity
from app.clock import ManualClock, Moment
from app.errors import Reason, Refusal
from app.ids import SeededIds
from app.sandboxes.state import SandboxState
from app.services.provesvar import ingest
from app.services.provesvar.ingest import Fate, Receipt
from app.services.provesvar.message import MessageFault
from app.services.provesvar.writer import Org, svarrapport_xml
from app.settings import Settings
from app.store import privacy, registers, tables
from app.store.engine import Store
from app.trust.facts import Setting, SettingKind
from tests.unit.services.provesvar.store_kit import IDS, NOW, P01, P13, SANDBOX, put, spec, store, stored
from tests.unit.services.svarrapport_files import fixture


@pytest.fixture
def conn() -> Iterator[Connection]:
    with store() as connection:
        yield connection


def reserve(conn: Connection, service: str, until: float | None = None) -> None:
    setting = Setting("r", service, SettingKind.RESERVATION, active_to=until)
    privacy.put_setting(conn, SANDBOX, "P01", setting, NOW)


def test_stored_under_the_person(conn: Connection) -> None:
    applied = put(conn, spec(serv_prov_id="a"))
    assert applied.fates == (Fate.STORED,)
    (report,) = stored(conn, patient="P01")
    assert applied.report_ids == (report["id"],)


def test_corrected_cancelled_and_late(conn: Connection) -> None:
    assert put(conn, spec(serv_prov_id="a")).fates == (Fate.STORED,)
    assert put(conn, spec(serv_prov_id="a", change="M", generated="2026-03-03T12:00:00")).fates == (Fate.REPLACED,)
    late = put(conn, spec(serv_prov_id="a", generated="2026-03-02T13:00:00"))
    assert (late.fates, late.report_ids) == ((Fate.OLDER,), ())
    assert put(conn, spec(serv_prov_id="a", change="C", generated="2026-03-04T12:00:00")).fates == (Fate.CANCELLED,)
    (report,) = stored(conn)
    assert report["status"] == "cancelled"
    assert stored(conn, "Observation") == []


def test_r52_a_message_counts_once_for_its_sender(conn: Connection) -> None:
    first = spec(serv_prov_id="a", msg_id="m")
    assert put(conn, first).fates == (Fate.STORED,)
    assert put(conn, replace(first, serv_prov_id="b")).fates == (Fate.DUPLICATE,)
    assert put(conn, replace(first, lab=Org("ANNET LABORATORIUM", "990010"))).fates == (Fate.STORED,)


def test_a_long_sender_fits_its_column(conn: Connection) -> None:
    lab = Org("X" * 190)
    assert put(conn, spec(lab=lab, msg_id="m")).fates == (Fate.STORED,)
    assert put(conn, spec(lab=lab, msg_id="m")).fates == (Fate.DUPLICATE,)
    (sender,) = conn.execute(select(tables.received.c.sender)).scalars()
    assert len(sender) <= 120


@pytest.mark.parametrize("service", ["PPS", "*"])
def test_a_reserved_patient(conn: Connection, service: str) -> None:
    reserve(conn, service)
    assert put(conn, spec()).fates == (Fate.PATIENT_RESERVED,)
    assert stored(conn) == []


def test_a_reservation_elsewhere_or_at_another_time(conn: Connection) -> None:
    reserve(conn, "KJ")
    assert put(conn, spec(serv_prov_id="a")).fates == (Fate.STORED,)
    reserve(conn, "PPS", until=NOW)
    assert put(conn, spec(serv_prov_id="b")).fates == (Fate.STORED,)


def test_a_reserved_requisition_leaves_nothing(conn: Connection) -> None:
    stranger = identity.generate(date(1991, 1, 1), "male", 3)
    assert put(conn, spec(reservation="R", patient=stranger)).fates == (Fate.REQUISITION_RESERVED,)
    assert stored(conn) == []
    assert registers.person_by_nin(conn, SANDBOX, stranger) is None


def test_r51_an_unknown_number_gets_a_register_entry(conn: Connection) -> None:
    stranger = identity.generate(date(1991, 1, 1), "male", 3)
    put(conn, spec(serv_prov_id="a", patient=stranger))
    person = registers.person_by_nin(conn, SANDBOX, stranger)
    assert person is not None
    assert stranger not in person.id
    put(conn, spec(serv_prov_id="b", patient=stranger))
    assert len(stored(conn, patient=person.id)) == 2


def test_r50_the_current_number_is_stored(conn: Connection) -> None:
    old = identity.generate(date(1984, 3, 14), "female", 9, d_number=True)
    registers.put_person(conn, SANDBOX, P01, previous=[old])
    put(conn, spec(patient=old, patient_type="DNR"))
    for kind in ("DiagnosticReport", "Observation", "ServiceRequest", "Specimen"):
        for resource in stored(conn, kind, "P01"):
            assert resource["subject"] == {"identifier": {"system": P01.nin_system, "value": P01.nin}}


def test_a_report_that_was_somebody_elses_is_moved(conn: Connection) -> None:
    put(conn, spec(serv_prov_id="a", patient=P13.nin))
    moved = put(conn, spec(serv_prov_id="a", change="M", generated="2026-03-03T12:00:00"))
    assert moved.fates == (Fate.REPLACED,)
    assert (len(stored(conn, patient="P01")), stored(conn, patient="P13")) == (1, [])


def test_several_reports_in_one_message(conn: Connection) -> None:
    message = ingest.prepare(fixture("v13-to-rapporter"), Settings())
    applied = ingest.apply(conn, SANDBOX, message, now=NOW, ids=IDS)
    assert applied.fates == (Fate.STORED, Fate.STORED)
    again = ingest.apply(conn, SANDBOX, message, now=NOW, ids=IDS)
    assert (again.fates, again.report_ids) == ((Fate.DUPLICATE, Fate.DUPLICATE), ())


def test_references_and_values_are_found_by(conn: Connection) -> None:
    put(conn, spec("culture"))
    rows = conn.execute(select(tables.search_index.c.type, tables.search_index.c.param)).all()
    assert {(row[0], row[1]) for row in rows} >= {
        ("DiagnosticReport", "date"),
        ("DiagnosticReport", "identifier"),
        ("DiagnosticReport", "result"),
        ("Observation", "has-member"),
        ("Observation", "_tag"),
        ("ServiceRequest", "requester"),
        ("Specimen", "collector"),
    }


@pytest.mark.parametrize("number", ["1483844969", "14838449699", "1483844969x"])
def test_e31(number: str) -> None:
    with pytest.raises(MessageFault) as fault:
        ingest.prepare(svarrapport_xml(spec(patient=number)), Settings())
    assert fault.value.code == "E31"


def test_an_alias_is_read_as_the_person() -> None:
    made = ingest.prepare(svarrapport_xml(spec(patient="12345678910")), Settings(docs_aliases=True))
    assert made.reports[0].patient == P01.nin


def test_too_large() -> None:
    settings = Settings(max_message_bytes=1024)
    with pytest.raises(Refusal) as refusal:
        ingest.prepare(svarrapport_xml(spec()), settings)
    assert refusal.value.reason is Reason.BODY_TOO_LARGE


def receive(folder: Path, *bodies: bytes) -> list[Receipt]:
    clock = ManualClock(NOW)
    settings = Settings(database_url=f"sqlite:///{folder / 'ingest.db'}")
    database = Store(settings.database_url, clock)
    tables.metadata.create_all(database.engine)
    database.start()
    sandbox = SandboxState(SANDBOX, settings)

    async def all_of_them() -> list[Receipt]:
        ids, moment = SeededIds("receive"), Moment(NOW, NOW)
        return [await ingest.receive(database, sandbox, body, moment=moment, ids=ids) for body in bodies]

    try:
        found = asyncio.run(all_of_them())
        rows = database.read_now(lambda conn: conn.execute(select(func.count()).select_from(tables.part)).scalar_one())
        assert rows == sum(len(receipt.report_ids) for receipt in found)
        return found
    finally:
        database.close()


def test_receipts(tmp_path: Path) -> None:
    accepted, refused = receive(tmp_path, svarrapport_xml(spec()), b"<nonsense")
    assert (accepted.accepted, accepted.fates, accepted.code) == (True, (Fate.STORED,), None)
    assert b'Status V="1"' in accepted.body
    assert (refused.accepted, refused.fates, refused.code) == (False, (Fate.REFUSED,), "T01")
    assert b'Status V="2"' in refused.body
