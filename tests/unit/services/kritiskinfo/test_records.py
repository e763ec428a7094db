"""The store of versions: appended to only, without gaps, in growing time, whatever is done to it in what order."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from app.errors import Reason, Refusal
from app.services.kritiskinfo import records, rules, samples
from app.services.kritiskinfo.records import Draft, Record
from tests.unit.services.kritiskinfo.test_rules import NOW, PLACE, WRITER, context
from tests.unit.services.provesvar.store_kit import SANDBOX, store

TYPE = "AllergyIntolerance"


def draft() -> Draft:
    return rules.new(samples.drug_reaction(PLACE), context())


def next_draft(before: Record, refuted: bool = False) -> Draft:
    make = samples.refuted if refuted else samples.changed
    return rules.changed(make(orjson.loads(before.body), WRITER), context(), before)


@dataclass
class Model:
    """What must be there, and what was ever stored."""

    versions: dict[str, list[Record]] = field(default_factory=dict)

    def state(self, id_: str) -> str | None:
        return self.versions[id_][-1].state if id_ in self.versions else None


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["create", "update", "refute", "delete"]),
        st.sampled_from(["a", "b"]),
        st.integers(0, 4),
        st.integers(-5, 5),
    ),
    max_size=14,
)


@settings(max_examples=60)
@given(_STEPS)
def test_history_is_append_only_and_gap_free(steps: list[tuple[str, str, int, int]]) -> None:
    model = Model()
    with store() as conn:
        for action, id_, expected, drift in steps:
            before = {key: list(found) for key, found in model.versions.items()}
            made = _do(conn, model, action, id_, expected, NOW + drift)
            if made is not None:
                model.versions.setdefault(id_, []).append(made)
            _agrees(conn, model)
            for key, found in before.items():
                assert model.versions[key][: len(found)] == found


def _do(conn: Connection, model: Model, action: str, id_: str, expected: int, now: float) -> Record | None:
    """The version that was made; None when it was rightly refused."""
    last = model.versions[id_][-1] if id_ in model.versions else None
    if action == "create":
        return None if last is not None else records.create(conn, SANDBOX, "P01", draft(), id=id_, now=now)
    try:
        if action == "delete":
            made = records.delete(conn, SANDBOX, "P01", TYPE, id_, expected=expected, now=now)
        else:
            change = draft() if last is None or last.state == "deleted" else next_draft(last, action == "refute")
            made = records.update(conn, SANDBOX, "P01", change, id=id_, expected=expected, now=now)
    except Refusal as refusal:
        wanted = Reason.NOT_FOUND if last is None else Reason.GONE if last.state == "deleted" else Reason.CONFLICT
        assert refusal.reason is wanted
        assert last is None or last.state == "deleted" or last.version != expected
        return None
    assert last is not None
    assert last.version == expected
    return made


def _agrees(conn: Connection, model: Model) -> None:
    times: list[float] = []
    for id_, wanted in model.versions.items():
        found = records.versions(conn, SANDBOX, "P01", TYPE, id_)
        assert [each.body for each in found] == [each.body for each in reversed(wanted)]
        assert [each.version for each in found] == list(range(len(wanted), 0, -1))
        for each in found:
            meta = orjson.loads(each.body)["meta"]
            assert meta["versionId"] == str(each.version)
        times += [each.updated for each in found]
    assert len(times) == len(set(times))
    live = [id_ for id_ in model.versions if model.state(id_) != "deleted"]
    latest = records.latest(conn, SANDBOX, "P01")
    assert sorted(each.id for each in latest) == sorted(live)
    assert [each.updated for each in latest] == sorted((each.updated for each in latest), reverse=True)
    assert len(records.heads(conn, SANDBOX, "P01")) == len(model.versions)


def test_a_record_is_found_whoever_it_is_about() -> None:
    with store() as conn:
        made = records.create(conn, SANDBOX, "P01", draft(), id="a", now=NOW)
        assert records.find(conn, SANDBOX, TYPE, "a") == ("P01", made)
        assert records.find(conn, SANDBOX, "Flag", "a") is None
        assert records.current(conn, SANDBOX, "P13", TYPE, "a") is None
        assert records.latest(conn, SANDBOX, "P01", "Flag") == []


def test_the_patient_must_be_known() -> None:
    with store() as conn, pytest.raises(Refusal) as caught:
        records.create(conn, SANDBOX, "P99", draft(), id="a", now=NOW)
    assert caught.value.reason is Reason.PATIENT_UNKNOWN


def test_a_deleted_record_keeps_its_content_in_the_store_only() -> None:
    with store() as conn:
        records.create(conn, SANDBOX, "P01", draft(), id="a", now=NOW)
        last = records.delete(conn, SANDBOX, "P01", TYPE, "a", expected=1, now=NOW)
        assert orjson.loads(last.body)["code"] == draft().content["code"]
        assert b"J01CE02" not in records.gone(last)
        (kept,) = records.latest(conn, SANDBOX, "P01", deleted=True)
        assert kept == last


def test_whole_milliseconds() -> None:
    with store() as conn:
        made = records.create(conn, SANDBOX, "P01", draft(), id="a", now=NOW + 0.98765)
        assert orjson.loads(made.body)["meta"]["lastUpdated"] == "2026-11-18T11:06:40.987Z"
        again = records.update(conn, SANDBOX, "P01", next_draft(made), id="a", expected=1, now=NOW)
        assert orjson.loads(again.body)["meta"]["lastUpdated"] == "2026-11-18T11:06:40.988Z"
