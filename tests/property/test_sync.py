"""EPJs with copies of their own, kept in step by polling: they end at the national state and no write gets lost.

The EPJs are those of ``examples/epj_kritisk_info.py``. They take turns at random, also in the middle of what the other
does: before any request of the one, the other may do something whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.sandboxes.state import DEFAULT
from app.services.kritiskinfo import records, samples
from app.services.kritiskinfo.categories import TYPES
from app.services.kritiskinfo.records import Record
from app.services.kritiskinfo.samples import Resource, Writer
from sandkasse import DPoPAuth
from sandkasse.proofs import Fresh
from tests.conformance.ki_kit import DOCTOR, H01, H02, MACHINE, OTHER_DOCTOR, K, KiWorld, bundle, place
from tests.support.examples import load
from tests.support.length import LONG
from tests.unit.trust.gate_kit import CLIENT_JWK, NOW

if TYPE_CHECKING:
    import epj_kritisk_info as example
else:
    example = load("epj_kritisk_info")

PATIENT, PERSON = "20828349954", "P16"
OPERATIONS = 500 if LONG else 300
NEW: tuple[Callable[[], Resource], ...] = (
    lambda: samples.drug_reaction(place(PATIENT)),
    lambda: samples.other_allergy(place(PATIENT)),
    lambda: samples.critical_condition(place(PATIENT)),
    lambda: samples.infection(place(PATIENT)),
    lambda: samples.treatment(place(PATIENT)),
    lambda: samples.device(place(PATIENT)),
    lambda: samples.routine_change(place(PATIENT)),
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[KiWorld]:
    made = KiWorld(tmp_path)
    yield made
    made.close()


class InProcess(httpx.BaseTransport):
    """Brings requests to a world; ``before`` is called ahead of each."""

    def __init__(self, world: KiWorld, before: Callable[[], None]) -> None:
        self._world = world
        self._before = before

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._before()
        return self._world.run(self._answer(request))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        async with self._world.client() as client:
            answer = await client.send(request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content, request=request)


@dataclass
class Accepted:
    """A write that the service said it had stored."""

    stored: Resource
    marker: str


@dataclass
class Interleaving:
    """Two EPJs, what they do and when: all of it from ``seed``."""

    world: KiWorld
    folder: Path
    seed: int
    left: int = OPERATIONS
    accepted: list[Accepted] = field(default_factory=list)
    deleted: set[tuple[str, str]] = field(default_factory=set)
    told: list[str] = field(default_factory=list)
    nested: int = 0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self._inside = False
        self.epjs = [self._epj(0, H01, DOCTOR), self._epj(1, H02, OTHER_DOCTOR)]

    def run(self) -> None:
        while self.left > 0:
            self._act(self.random.randrange(2))

    def _epj(self, number: int, hpr: str, writer: Writer) -> example.Epj:
        fresh = Fresh(time=lambda: NOW, random=Random(f"{self.seed}-{number}").randbytes)

        def web(token: str) -> httpx.Client:
            transport = InProcess(self.world, lambda: self._between(number))
            return httpx.Client(transport=transport, auth=DPoPAuth(token, CLIENT_JWK, fresh=fresh))

        user, machine = web(self.world.token(hpr=hpr)), web(self.world.token(**MACHINE))
        copy = example.Copy(self.folder / f"{number}.db")
        me = example.Writer(writer.hpr, writer.name, writer.role, writer.orgnr, writer.organisation)
        return example.Epj(copy, K, user, machine, me, tell=self.told.append)

    def _between(self, number: int) -> None:
        if self._inside or self.left == 0 or self.random.random() > 0.2:
            return
        self._inside = True
        self.nested += 1
        self._act(1 - number)
        self._inside = False

    def _act(self, number: int) -> None:
        self.left -= 1
        epj, marker = self.epjs[number], f"m{self.left}"
        held = epj.copy.records(PATIENT)
        act = self.random.choices(["sync", "create", "edit", "refute", "delete"], (20, 8, 46, 8, 10))[0]
        if act == "sync":
            epj.sync(PATIENT)
        elif act == "create":
            made = self.random.choice(NEW)()
            mine = {**made, "contained": made["contained"][1:]}
            self._keep(epj.create(PATIENT, example.with_note(mine, marker)), marker)
        elif held:
            self._change(epj, act, self.random.choice(held), marker)

    def _change(self, epj: example.Epj, act: str, chosen: Resource, marker: str) -> None:
        type_, id_ = chosen["resourceType"], chosen["id"]
        if act == "delete":
            if epj.delete(PATIENT, type_, id_):
                self.deleted.add((type_, id_))
            return

        def change(found: Resource) -> Resource:
            noted: Resource = example.with_note(found, marker)
            return noted if act == "edit" else samples.refuted(noted, DOCTOR)

        self._keep(epj.edit(PATIENT, type_, id_, change), marker)

    def _keep(self, stored: Resource | None, marker: str) -> None:
        if stored is not None:
            self.accepted.append(Accepted(stored, marker))


@pytest.mark.parametrize("seed", [1, 2] if LONG else [1])
def test_two_epjs_end_at_the_national_state_and_no_write_is_lost(seed: int, world: KiWorld, tmp_path: Path) -> None:
    both = Interleaving(world, tmp_path, seed)
    both.run()
    assert both.nested > OPERATIONS // 10
    assert any("read again" in each for each in both.told)
    assert any("deleted" in each for each in both.told)
    assert len(both.accepted) > OPERATIONS * 3 // 10

    for epj in both.epjs:
        epj.sync(PATIENT)
        assert epj.sync(PATIENT) == example.Synced()
    national = {place_of(resource): resource for resource in shown(world)}
    for epj in both.epjs:
        assert {place_of(resource): resource for resource in epj.copy.records(PATIENT)} == national
    assert both.deleted.isdisjoint(national)

    for written in both.accepted:
        history = stored_versions(world, *place_of(written.stored))
        assert [record.version for record in history] == [*range(1, len(history) + 1)]
        assert orjson.loads(history[example.version_of(written.stored) - 1].body) == written.stored
        assert written.marker in markers(orjson.loads(history[-1].body))
        assert (history[-1].state == "deleted") == (place_of(written.stored) in both.deleted)


def shown(world: KiWorld) -> list[Resource]:
    """What anybody else reads about the patient."""
    return [resource for type_ in TYPES for resource in bundle(world.get(f"/{type_}", PATIENT))]


def place_of(resource: Resource) -> tuple[str, str]:
    return resource["resourceType"], resource["id"]


def stored_versions(world: KiWorld, type_: str, id_: str) -> list[Record]:
    """Every version of a record, oldest first, of deleted ones too."""
    found = world.run(world.core.store.read(lambda conn: records.versions(conn, DEFAULT, PERSON, type_, id_)))
    return found[::-1]


def markers(resource: Resource) -> set[str]:
    """The notes of a record, in whichever form it has them."""
    notes = {note["text"] for note in resource.get("note", ())}
    return notes | {each["valueString"] for each in resource.get("extension", ()) if "valueString" in each}


STEPS = st.lists(
    st.tuples(st.sampled_from(["note", "refute", "delete", "spoil"]), st.integers(0, 1), st.integers(0, 3)), max_size=8
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KiWorld]:
    made = KiWorld(tmp_path_factory.mktemp("history"))
    yield made
    made.close()


@settings(max_examples=20)
@given(steps=STEPS)
def test_whatever_is_written_a_history_only_grows_and_has_no_gaps(shared: KiWorld, steps: list[Any]) -> None:
    made = [shared.created(samples.device(place(PATIENT)), PATIENT) for _ in range(2)]
    histories = [stored_versions(shared, *place_of(resource)) for resource in made]
    for act, which, behind in steps:
        last = histories[which][-1]
        answer = write(shared, act, orjson.loads(last.body), max(last.version - behind, 1))
        for number, before in enumerate(histories):
            after = stored_versions(shared, *place_of(made[number]))
            more = 1 if number == which and answer.is_success else 0
            assert after[: len(before)] == [like(record, after[-1]) for record in before]
            assert [record.version for record in after] == [*range(1, len(before) + more + 1)]
            assert [record.updated for record in after] == sorted({record.updated for record in after})
            histories[number] = after
        stale, gone = behind > 0 and last.version > 1, last.state == "deleted"
        assert answer.is_success == (not stale and not gone and act != "spoil"), answer.text


def write(world: KiWorld, act: str, body: Resource, version: int) -> httpx.Response:
    """Send a change of a record as read in ``version``; a spoiled one breaks a rule."""
    if act == "delete":
        return world.delete(f"/{body['resourceType']}/{body['id']}/_history/{version}", PATIENT)
    meta = {**body["meta"], "versionId": str(version)}
    make: dict[str, Callable[[], Resource]] = {
        "note": lambda: samples.noted(body, DOCTOR, "sett"),
        "refute": lambda: samples.refuted(body, DOCTOR),
        "spoil": lambda: samples.noted(body, DOCTOR, "x" * 501),
    }
    return world.put({**make[act](), "meta": meta}, PATIENT)


def like(record: Record, last: Record) -> Record:
    """An earlier version as it is told of when ``last`` is the latest: with its state and expiry."""
    return Record(
        record.type, record.id, record.version, record.updated, last.category, last.state, last.expires, record.body
    )
