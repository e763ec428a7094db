"""What a sandbox begins with: every category in several states, one patient with everything, histories by several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import orjson
import pytest
from sqlalchemy import Connection, create_engine

from app.services.kritiskinfo import elements, mapping, records, status
from app.services.kritiskinfo.categories import CATEGORIES
from app.services.kritiskinfo.records import Record
from app.services.kritiskinfo.seed import ENTRIES, record_id, seed_records
from app.store import tables
from app.synthetic.people import seed_people

SANDBOX = "default"
NOW = 1_795_000_000.0
TODAY = records.today(NOW)
PEOPLE = sorted({entry.person for entry in ENTRIES})
FORMS = {(row.type, row.code) for row in CATEGORIES}


@pytest.fixture(scope="module")
def seeded() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.begin() as conn:
        tables.metadata.create_all(conn)
        seed_people(conn, SANDBOX, NOW)
        seed_records(conn, SANDBOX, NOW)
        yield conn
    engine.dispose()


def held(conn: Connection, person: str) -> list[Record]:
    return records.latest(conn, SANDBOX, person, deleted=True)


def state(record: Record) -> str:
    return "expired" if record.state == "active" and status.expired(record, TODAY) else record.state


def everything(conn: Connection) -> list[Record]:
    """Every version of every record."""
    heads = [(person, head) for person in PEOPLE for head in records.heads(conn, SANDBOX, person)]
    return [each for person, head in heads for each in records.versions(conn, SANDBOX, person, head.type, head.id)]


def test_every_category_in_each_of_its_forms_is_there_in_two_states(seeded: Connection) -> None:
    found = {(record.type, record.category, state(record)) for person in PEOPLE for record in held(seeded, person)}
    states = Counter((type_, code) for type_, code, _ in found)
    assert states.keys() == FORMS
    assert min(states.values()) >= 2
    assert {state for _, _, state in found} == {"active", "expired", "refuted", "deleted"}


def test_one_patient_has_everything(seeded: Connection) -> None:
    found = held(seeded, "P16")
    assert {(record.type, record.category) for record in found} == FORMS
    assert {state(record) for record in found} == {"active", "expired", "refuted", "deleted"}
    assert {record.category for record in found if state(record) == "active"} == {*range(1, 12)} - {8}


def test_one_patient_has_nothing_that_is_still_so(seeded: Connection) -> None:
    found = held(seeded, "P19")
    assert {(record.type, record.category) for record in found} == FORMS
    assert {state(record) for record in found} == {"refuted", "deleted"}
    assert not status.summary(found, TODAY).has


def test_histories_are_by_several_organisations(seeded: Connection) -> None:
    found = records.versions(seeded, SANDBOX, "P16", "AllergyIntolerance", record_id("P16", "penicillin"))
    bodies = [orjson.loads(record.body) for record in reversed(found)]
    writers = [elements.UPDATER_ID if body["meta"]["versionId"] != "1" else elements.RECORDER_ID for body in bodies]
    by = [elements.person(elements.contained(body, name)) for body, name in zip(bodies, writers, strict=True)]
    assert [record.version for record in found] == [4, 3, 2, 1]
    assert [person and person.organisation for person in by] == ["315500303", "315500400", "315500508", "315500303"]
    assert [len(body["note"]) for body in bodies] == [1, 2, 3, 4]


def test_every_version_is_valid_fhir_without_markup(seeded: Connection) -> None:
    versions = everything(seeded)
    assert len(versions) > len(ENTRIES)
    for record in versions:
        assert mapping.read(record.body, record.type)["id"] == record.id


def test_versions_have_no_gaps_and_grow_in_time(seeded: Connection) -> None:
    for person in PEOPLE:
        for head in records.heads(seeded, SANDBOX, person):
            found = records.versions(seeded, SANDBOX, person, head.type, head.id)
            assert [record.version for record in reversed(found)] == [*range(1, head.version + 1)]
            times = [record.updated for record in reversed(found)]
            assert times == sorted(set(times))
            assert times[-1] <= NOW
