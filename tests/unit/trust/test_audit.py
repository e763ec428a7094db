"""The audit chain: canonical form, linking, verification, checkpoints (audit spec 4, 7 and cases 21–25, 34)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, update

from app.clock import ManualClock, Moment
from app.sandboxes.state import Call, SandboxState
from app.settings import Settings
from app.store import audit as chains
from app.store import tables
from app.store.engine import Store, Unit
from app.trust import audit
from app.trust.facts import Facts, Person, PractitionerRecord
from app.trust.jose import b64encode
from app.trust.principal import Access, Attest, Basis, Channel, Principal
from app.trust.trail import Trail

KEY = b"k" * 32
SEED = b"s" * 32
NIN = "14838449698"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path}/a.db", ManualClock(1000.0))
    tables.metadata.create_all(made.engine)
    made.start()
    yield made
    made.close()


def access(moment: Moment, *, attest: Attest | None = None) -> Access:
    principal = Principal(
        Channel.PERSONNEL,
        client_id="epj",
        pid="02828049251",
        hpr="222250101",
        orgnr_parent="315500109",
        jti="j",
        jkt="t",
    )
    return Access("default", "PPS", "search", moment, principal, attest, NIN, Basis.UNNTAK, correlation_id="c-1")


def trail(moment: Moment) -> Trail:
    call = Call(SandboxState("default", Settings()), "pps-v2", "/", "b", "r", "u", "i", "h", "path", "EX1", moment)
    person = Person("P01", NIN, "urn:oid:2.16.578.1.12.4.1.4.1")
    doctor = PractitionerRecord("H01", "222250101", "02828049251", frozenset({"LE"}), "ÅRVÅKEN", "LEGEROT")
    return Trail(call, facts=Facts(patient=person, practitioner=doctor))


def event(**changes: Any) -> audit.Event:
    values: dict[str, Any] = {
        "outcome": "PERMIT", "code": 0, "reason": None, "rule": None, "obligations": ("AUDIT",), "dropped": 0,
        "elevated": False, "status": 200, "target": ("r1",),
    }  # fmt: skip
    return audit.Event(**{**values, **changes})


async def append(store: Store, count: int, start: float = 1000.0) -> None:
    for number in range(count):
        moment = Moment(start + number, start + number)
        entry = audit.entry(f"id{number}", trail(moment), access(moment), event(), index_key=KEY)
        await store.commit(Unit(audit=(entry,)))


def verify(store: Store) -> audit.Verification:
    return store.read_now(lambda conn: audit.verify(conn, "default", "PPS"))


async def test_a_record_tells_who_whom_why_and_what(store: Store) -> None:
    await append(store, 1)
    (record,) = store.read_now(lambda conn: chains.query(conn, "default"))
    assert record["patient"] == {
        "nin": NIN, "key": audit.patient_key(NIN, KEY), "system": "urn:oid:2.16.578.1.12.4.1.4.1"
    }  # fmt: skip
    assert record["actor"]["name"] == "ÅRVÅKEN LEGEROT"
    assert record["org"]["legalEntity"] == "315500109"
    assert record["decision"]["outcome"] == "PERMIT"
    assert record["target"] == ["r1"]
    assert record["recorded"] == "1970-01-01T00:16:40.000000Z"
    assert (record["seq"], record["prevHash"]) == (1, "00" * 32)


async def test_records_are_found_by_patient_reference_elevation_and_time(store: Store) -> None:
    moment = Moment(5000.0, 5000.0)
    attest = Attest("02828049251", None, "LE", None, None, None, "BTG", None, None, "ref-1", True, None, 4990)
    entry = audit.entry("x", trail(moment), access(moment, attest=attest), event(elevated=True), index_key=KEY)
    await append(store, 2)
    await store.commit(Unit(audit=(entry,)))

    def found(**how: Any) -> int:
        return len(store.read_now(lambda conn: chains.query(conn, "default", **how)))

    assert found() == 3
    assert found(patient=audit.patient_key(NIN, KEY)) == 3
    assert found(patient="none") == 0
    assert found(decision_ref="ref-1") == 1
    assert found(elevated=True) == 1
    assert found(elevated=False, service="PPS") == 2
    assert found(since=4000.0) == 1
    assert found(until=4000.0) == 2
    (record,) = store.read_now(lambda conn: chains.query(conn, "default", decision_ref="ref-1"))
    assert record["decisionRef"] == {"id": "ref-1", "userSelected": True}


async def test_an_untouched_chain_verifies(store: Store) -> None:
    await append(store, 5)
    assert verify(store) == audit.Verification("default", "PPS", 5, None, ())
    assert store.read_now(lambda conn: audit.verify(conn, "default", "PPS", first=3, last=4)).checked == 2


async def test_A21_one_changed_byte_is_found(store: Store) -> None:
    await append(store, 5)
    table = tables.audit
    body = store.read_now(lambda conn: list(chains.links(conn, "default", "PPS")))[2].body.replace(b"PERMIT", b"PERMIX")
    store.write_now(lambda conn: conn.execute(update(table).where(table.c.seq == 3).values(body=body)))
    assert verify(store).fault == audit.Fault(3, "HASH_MISMATCH")


@pytest.mark.parametrize(("removed", "at"), [(3, 3), (5, 5), (1, 1)])
async def test_A22_a_removed_record_is_a_gap(store: Store, removed: int, at: int) -> None:
    await append(store, 5)
    store.write_now(lambda conn: conn.execute(delete(tables.audit).where(tables.audit.c.seq == removed)))
    assert verify(store).fault == audit.Fault(at, "GAP")


async def test_A25_the_chain_goes_on_after_a_restart(store: Store, tmp_path: Path) -> None:
    await append(store, 2)
    store.close()
    again = Store(f"sqlite:///{tmp_path}/a.db", ManualClock(2000.0))
    again.start()
    await append(again, 2, start=2000.0)
    assert verify(again) == audit.Verification("default", "PPS", 4, None, ())
    again.close()


async def test_A34_time_set_back_is_a_warning(store: Store) -> None:
    await append(store, 2, start=9000.0)
    await append(store, 1, start=1000.0)
    result = verify(store)
    assert result.ok
    assert result.warnings == (audit.Fault(3, "TIME_REVERSED"),)


async def test_checkpoints_are_signed_and_a_false_one_is_found(store: Store) -> None:
    await append(store, 3)
    assert store.write_now(lambda conn: audit.checkpoint(conn, 2000.0, SEED)) == 1
    assert store.write_now(lambda conn: audit.checkpoint(conn, 2001.0, b"other" * 8)) == 1  # the first key stays
    assert verify(store).ok
    keys = store.write_now(lambda conn: audit.public_keys(conn, SEED))
    assert keys["keys"][0]["crv"] == "Ed25519"
    mark = tables.audit_checkpoint
    store.write_now(lambda conn: conn.execute(update(mark).values(signature=b64encode(b"x" * 64))))
    assert verify(store).fault == audit.Fault(3, "BAD_CHECKPOINT")


async def test_a_rewritten_chain_fails_on_its_head(store: Store) -> None:
    await append(store, 2)
    store.write_now(lambda conn: conn.execute(update(tables.audit_head).values(hash=b"x" * 32)))
    assert verify(store).fault == audit.Fault(2, "HASH_MISMATCH")


_TEXT = st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFF))
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(_TEXT, _VALUES, max_size=6))
def test_canonical_form_is_rfc8785(record: dict[str, Any]) -> None:
    assert audit.canonical(record) == rfc8785.dumps(record)
