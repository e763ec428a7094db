"""The journal while it grows: reading on, waiting, streaming, and the export."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from app.clock import ManualClock
from app.core import Core
from app.errors import Reason, Refusal
from app.ids import SeededIds
from app.sandboxes import journal
from app.settings import Settings
from app.store import tables
from app.store.engine import Store, Unit
from app.store.exchanges import Wanted

ANY = Wanted()
A, B, C, D = (f"01KAJ3V9Q4T5W8X2Y7Z6ABCDE{letter}" for letter in "ABCD")


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    made = open_core(tmp_path)
    tables.metadata.create_all(made.store.engine)
    made.store.start()
    yield made
    made.store.close()


def open_core(folder: Path, **settings: Any) -> Core:
    clock = ManualClock(1_000.0)
    chosen = Settings(database_url=f"sqlite:///{folder}/j.db", **settings)
    return Core(chosen, Store(chosen.database_url, clock), clock, SeededIds("j"))


def post(core: Core, name: str, **values: Any) -> None:
    row = {"sandbox": "s", "id": name, "service": "pps", "at": 1.0, "status": 200, "body": b"{}"}
    core.store.post(Unit(exchange={**row, **values}))


class TestPlace:
    async def test_a_number_is_itself_and_an_id_its_row(self, core: Core) -> None:
        post(core, A)
        post(core, B)
        assert await journal.place(core, "s", "7") == 7
        assert await journal.place(core, "s", B) == await journal.now(core, "s")

    async def test_what_is_no_longer_kept_is_before_everything(self, core: Core) -> None:
        assert await journal.place(core, "s", A) == 0

    @pytest.mark.parametrize("after", ["", "-1", "x", "1" * 19, "01kaj3v9q4t5w8x2y7z6abcdea"])
    async def test_anything_else_is_refused(self, core: Core, after: str) -> None:
        with pytest.raises(Refusal) as refused:
            await journal.place(core, "s", after)
        assert refused.value.reason is Reason.PARAMETER_INVALID


class TestNewer:
    async def test_what_is_there_is_given_at_once(self, core: Core) -> None:
        post(core, A)
        page = await journal.newer(core, "s", ANY, 0, 10, wait=60)
        assert [row.id for row in page.rows] == [A]

    async def test_it_waits_for_what_matches(self, core: Core) -> None:
        waiting = asyncio.create_task(journal.newer(core, "s", Wanted(status=403), 0, 10, wait=20))
        await asyncio.sleep(0.02)
        post(core, A)
        post(core, B, sandbox="other", status=403)
        await asyncio.sleep(0.05)
        assert not waiting.done()
        post(core, C, status=403)
        async with asyncio.timeout(5):
            page = await waiting
        assert [row.id for row in page.rows] == [C]
        assert core.store.bell.listeners == 0

    async def test_a_row_of_another_process_is_seen(self, core: Core, tmp_path: Path) -> None:
        other = open_core(tmp_path)
        other.store.start()
        waiting = asyncio.create_task(journal.newer(core, "s", ANY, 0, 10, wait=20))
        await asyncio.sleep(0.05)
        post(other, A)
        async with asyncio.timeout(5):
            assert [row.id for row in (await waiting).rows] == [A]
        other.store.close()

    async def test_the_time_ends_it_with_the_cursor_moved_on(self, core: Core) -> None:
        post(core, A)
        page = await journal.newer(core, "s", Wanted(status=403), 0, 10, wait=0.05)
        assert (page.rows, page.cursor) == ((), await journal.now(core, "s"))

    async def test_nobody_waits_for_a_caller_that_is_gone(self, core: Core) -> None:
        async def gone() -> bool:
            return True

        async with asyncio.timeout(5):
            assert (await journal.newer(core, "s", ANY, 0, 10, wait=60, gone=gone)).rows == ()

    async def test_a_stop_ends_it(self, core: Core) -> None:
        waiting = asyncio.create_task(journal.newer(core, "s", ANY, 0, 10, wait=60))
        await asyncio.sleep(0.02)
        core.store.bell.close()
        async with asyncio.timeout(5):
            assert (await waiting).rows == ()

    async def test_one_that_waits_does_not_delay_the_writer(self, core: Core) -> None:
        """The writer waits for requests at work; those that wait themselves are none."""
        core.store.entered()
        waiting = asyncio.create_task(journal.newer(core, "s", Wanted(status=1), 0, 10, wait=20))
        await asyncio.sleep(0.02)
        assert core.store._writer._at_work == 0
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert core.store._writer._at_work == 1
        assert core.store.bell.listeners == 0


class TestExpect:
    async def test_rows_from_before_count(self, core: Core) -> None:
        post(core, A)
        found = await journal.expect(core, "s", ANY, 1, 20)
        assert (found.satisfied, [row.id for row in found.rows]) == (True, [A])

    async def test_so_many_are_awaited(self, core: Core) -> None:
        post(core, A)
        waiting = asyncio.create_task(journal.expect(core, "s", ANY, 3, 20))
        for name in (B, C):
            await asyncio.sleep(0.03)
            assert not waiting.done()
            post(core, name)
        async with asyncio.timeout(5):
            assert [row.id for row in (await waiting).rows] == [A, B, C]

    async def test_time_over(self, core: Core) -> None:
        post(core, A)
        found = await journal.expect(core, "s", ANY, 2, 0.05)
        assert (found.satisfied, [row.id for row in found.rows]) == (False, [A])

    @pytest.mark.parametrize(("status", "satisfied"), [(403, True), (200, False)])
    async def test_none_expected(self, core: Core, status: int, satisfied: bool) -> None:
        post(core, A)
        assert (await journal.expect(core, "s", Wanted(status=status), 0, 0.05)).satisfied is satisfied

    async def test_after_a_place(self, core: Core) -> None:
        post(core, A)
        post(core, B)
        found = await journal.expect(core, "s", ANY, 1, 20, await journal.place(core, "s", A))
        assert [row.id for row in found.rows] == [B]


class TestEvents:
    async def test_rows_in_order_with_their_ids(self, core: Core) -> None:
        post(core, B)
        await core.store.flush()
        async with asyncio.timeout(10), aclosing(journal.events(core, "s", ANY, 0)) as events:
            first = await anext(events)
            assert first.startswith(b"retry: 1000\n\n")
            assert f"id: {B}\nevent: exchange\ndata: ".encode() in first
            post(core, A)
            assert (await anext(events)).startswith(f"id: {A}\n".encode())
            assert core.store.bell.listeners == 1
        assert core.store.bell.listeners == 0

    async def test_silence_is_broken(self, core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(journal, "HEARTBEAT", 0.0)
        async with asyncio.timeout(10), aclosing(journal.events(core, "s", ANY, 0)) as events:
            await anext(events)
            assert await anext(events) == b": still here\n\n"

    async def test_a_stop_ends_it(self, core: Core) -> None:
        events = journal.events(core, "s", ANY, 0)
        await anext(events)
        core.store.bell.close()
        async with asyncio.timeout(5):
            with pytest.raises(StopAsyncIteration):
                await anext(events)

    async def test_more_than_one_look_holds(self, core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(journal, "_AT_ONCE", 2)
        for name in (A, B, C, D):
            post(core, name)
        await core.store.flush()
        told = b""
        async with asyncio.timeout(10), aclosing(journal.events(core, "s", ANY, 0)) as events:
            while told.count(b"event: ") < 4:
                told += await anext(events)
        assert [told.find(name.encode()) for name in (A, B, C, D)] == sorted(
            told.find(name.encode()) for name in (A, B, C, D)
        )


async def test_age_counts_where_nothing_is_written(tmp_path: Path) -> None:
    core = open_core(tmp_path, journal_keep_seconds=60)
    tables.metadata.create_all(core.store.engine)
    core.store.start()
    post(core, A, at=900.0)
    post(core, B, at=990.0)
    await core.store.flush()
    await journal.forget(core)
    assert [row.id for row in (await journal.newest(core, "s", ANY, 10)).rows] == [B]
    core.store.close()


def test_har_has_what_the_format_demands() -> None:
    told = {
        "id": A,
        "service": "helseid",
        "wallTime": "2026-11-18T11:06:40.000000Z",
        "durationMs": 4.2,
        "request": {
            "method": "POST",
            "url": "http://localhost:8000/helseid/connect/token?a=1&b=",
            "headers": [["content-type", "application/x-www-form-urlencoded; charset=utf-8"]],
            "body": "grant_type=client_credentials&scope=a%20b",
        },
        "answer": {
            "status": 302,
            "headers": [["Location", "http://localhost:5000/?code=<hidden>"], ["Content-Type", "text/html"]],
            "body": "moved",
            "size": 5,
        },
        "decision": {"reason": None, "rule": "X1"},
        "summary": "Granted.",
    }
    log = journal.har([told], "1.0")["log"]
    assert (log["version"], log["creator"]) == ("1.2", {"name": "sandkasse", "version": "1.0"})
    (entry,) = log["entries"]
    assert {"startedDateTime", "time", "request", "response", "cache", "timings"} <= set(entry)
    assert sum(entry["timings"].values()) == entry["time"]
    request, response = entry["request"], entry["response"]
    assert set(request) == {
        "method", "url", "httpVersion", "cookies", "headers", "queryString", "postData", "headersSize", "bodySize"
    }  # fmt: skip
    assert set(response) == {
        "status", "statusText", "httpVersion", "cookies", "headers", "content", "redirectURL", "headersSize", "bodySize"
    }  # fmt: skip
    assert request["queryString"] == [{"name": "a", "value": "1"}, {"name": "b", "value": ""}]
    assert request["postData"]["params"][1] == {"name": "scope", "value": "a b"}
    assert "text" not in request["postData"]
    assert (response["statusText"], response["redirectURL"]) == ("Found", "http://localhost:5000/?code=<hidden>")
    assert response["content"] == {"size": 5, "mimeType": "text/html", "text": "moved"}
    told["request"] |= {"headers": [], "body": "<xml/>"}  # type: ignore[operator]
    told["answer"] |= {"status": 799}  # type: ignore[operator]
    entry = journal.har([told], "1.0")["log"]["entries"][0]
    assert entry["request"]["postData"] == {"mimeType": "application/octet-stream", "text": "<xml/>"}
    assert entry["response"]["statusText"] == ""
