"""The prøvesvar of the seed (rulings R48 and R49)."""

from __future__ import annotations

from collections import Counter
from datetime import date

from sqlalchemy import create_engine

from app import identity
from app.services.provesvar import seed
from app.services.provesvar.svarrapport import read
from app.services.provesvar.writer import svarrapport_xml
from app.store import resources, tables
from app.synthetic import people


def of_main() -> list[seed.SeededReport]:
    return [report for report in seed.reports() if report.person == seed.MAIN]


def test_p01_has_exactly_the_reports_of_the_ruling() -> None:
    kinds = Counter(report.kind for report in of_main())
    assert sum(kinds.values()) == 73
    groups = Counter(kind.partition("-")[0] for kind in kinds.elements() if kind != "CLIN-cancelled")
    assert groups == {
        "CLIN": 48,
        "MBIO": 8,
        "IMTR": 3,
        "FARM": 2,
        "MGEN": 1,
        "HIST": 2,
        "CYTO": 2,
        "RTG": 2,
        "CT": 2,
        "MR": 1,
        "UL": 1,
    }
    assert (kinds["CLIN-cancelled"], kinds["CLIN-amended"], kinds["CLIN-dirty"], kinds["MBIO-culture"]) == (1, 3, 1, 2)


def test_days() -> None:
    days = [report.day for report in of_main()]
    assert days == sorted(set(days))
    assert (days[0], days[-1]) == (date(2016, 12, 1), date(2026, 11, 20))
    assert [day for day in days if date(2017, 9, 20) <= day <= date(2017, 9, 24)] == [
        date(2017, 9, 20),
        date(2017, 9, 22),
    ]


def test_laboratories() -> None:
    labs = {(spec.lab.name, spec.lab.dept) for spec in seed.messages() if spec.patient == seed.MAIN_NUMBER}
    assert len(labs) >= 4
    assert sum(dept == "Radiologi" for _, dept in labs) == 1


def test_ids_are_published_and_unique() -> None:
    for name in ("report_id", "serv_prov_id", "requisition_id", "msg_id"):
        values = [getattr(report, name) for report in seed.reports()]
        assert len(values) == len(set(values))
    documented = next(report for report in of_main() if report.kind == "CLIN-documented")
    assert documented.serv_prov_id == "55b6344fc-a61d-4a67-95fe-7276613785ab"
    assert documented.msg_id == "01c59bd0-c6a5-11e6-9598-0800200c9a66"


def test_numbers_are_those_of_the_people() -> None:
    numbers = {person.id: person.nin for person in people.persons(0.0)}
    seeded = {seed.MAIN: seed.MAIN_NUMBER, **{person: entry[0][0] for person, entry in seed.OTHERS.items()}}
    assert seeded == {person: numbers[person] for person in seeded}
    for entry in seed.OTHERS.values():
        assert identity.parse(entry[0][0]).type.value == entry[0][1]


def test_refs_for_the_settings_about_single_reports() -> None:
    refs = seed.report_refs()
    assert set(refs) == {"P19", "P20", "P23"}
    first = next(report for report in seed.reports() if report.person == "P23")
    assert refs["P23"] == (("Svarrapport", first.report_id),)


def test_every_message_can_be_read() -> None:
    for spec in seed.messages():
        body = svarrapport_xml(spec)
        assert read(body, max_bytes=len(body)).msg_id == spec.msg_id


def test_two_sandboxes_get_the_same() -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as conn:
        tables.metadata.create_all(conn)
        for sandbox in ("one", "two"):
            seed.seed_reports(conn, sandbox, 5.0)
        found = [
            resources.find(conn, resources.Owner(sandbox, "P01", "PPS"), resources.Query("DiagnosticReport", count=100))
            for sandbox in ("one", "two")
        ]
    engine.dispose()
    assert found[0] == found[1]
    assert found[0].total == 73
    assert {row.id for row in found[0].rows} == {report.report_id for report in of_main()}
