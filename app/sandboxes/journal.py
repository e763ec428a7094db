"""The journal while it grows: reading on from a place, waiting for what comes, and the whole as HAR.

A *place* is the number of a row in the order rows came to be seen (``store.exchanges``), or the id of an exchange,
which stands for the number of its row. Reading on from a place misses nothing, whichever process wrote it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import orjson

from app.clock import rfc3339
from app.core import Core
from app.errors import Reason, Refusal
from app.store import exchanges
from app.store.engine import Connection
from app.store.exchanges import Page, Row, Wanted
from app.store.retention import forget_old

Gone = Callable[[], Awaitable[bool]]
"""Whether nobody waits for the answer any more."""

HEARTBEAT: Final = 15.0
"""Seconds without an event after which a stream says that it lives."""

MOST_EXPECTED: Final = 1000
_POLL: Final = 0.25  # how soon rows of another process are seen
_PAUSE: Final = 0.02  # between two looks, however many rows come meanwhile
_AT_ONCE: Final = 500
_ANOTHER_PROCESS: Final = (0.02, 0.05, 0.1, 0.0)  # a row another worker posted may be on its way
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_ULID: Final = re.compile(r"[0-9A-Z]{26}")
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Expected:
    """What waiting for exchanges came to. ``cursor`` is the place to go on from."""

    satisfied: bool
    rows: tuple[Row, ...]
    cursor: int


async def find(core: Core, sandbox: str, exchange_id: str) -> dict[str, Any] | None:
    """One exchange with its explanation, None when it is not, or no longer, kept."""
    await core.store.flush()
    for wait in _ANOTHER_PROCESS:
        found = await core.store.read(lambda conn: exchanges.get(conn, sandbox, exchange_id))
        if found is not None:
            return found
        await asyncio.sleep(wait)
    return None


async def place(core: Core, sandbox: str, after: str) -> int:
    """The number ``after`` stands for: itself, or that of the exchange of that id.

    An exchange that is no longer kept is older than all that are: everything comes after it. Raises
    ``Refusal(PARAMETER_INVALID)`` when ``after`` is neither a cursor nor an id.
    """
    if _NUMBER.fullmatch(after):
        return int(after)
    if not _ULID.fullmatch(after):
        raise Refusal(Reason.PARAMETER_INVALID, "after must be a cursor of an earlier answer or the id of an exchange")
    await core.store.flush()
    for wait in _ANOTHER_PROCESS:
        found = await core.store.read(lambda conn: exchanges.place(conn, sandbox, after))
        if found is not None:
            return found
        await asyncio.sleep(wait)
    return 0


async def now(core: Core, sandbox: str) -> int:
    """The place after everything there is."""
    await core.store.flush()
    return await core.store.read(lambda conn: exchanges.end(conn, sandbox))


async def newest(core: Core, sandbox: str, wanted: Wanted, limit: int) -> Page:
    """The newest exchanges first."""
    await core.store.flush()
    return await core.store.read(lambda conn: exchanges.newest(conn, sandbox, wanted, limit))


async def newer(
    core: Core, sandbox: str, wanted: Wanted, cursor: int, limit: int, wait: float = 0.0, gone: Gone | None = None
) -> Page:
    """The first exchanges after ``cursor``, in the order they came; waits up to ``wait`` seconds for one.

    Raises ``Refusal(STORE_UNAVAILABLE)`` when too many wait already.
    """
    await core.store.flush()
    page = await core.store.read(lambda conn: exchanges.newer(conn, sandbox, wanted, cursor, limit))
    if page.rows or not wait:
        return page
    with suppress(TimeoutError):
        async with asyncio.timeout(wait), aclosing(_looks(core, sandbox, wanted, page.cursor, limit)) as looks:
            async for page in looks:
                if page.rows or (gone is not None and await gone()):
                    break
    return page


async def expect(
    core: Core,
    sandbox: str,
    wanted: Wanted,
    count: int,
    timeout: float,  # noqa: ASYNC109 - the caller's to choose, and part of the answer
    cursor: int = 0,
    gone: Gone | None = None,
) -> Expected:
    """Wait until ``count`` exchanges after ``cursor`` match, or ``timeout`` seconds have passed.

    A ``count`` of 0 expects none: it waits the whole time, or until one comes.
    """
    await core.store.flush()
    rows: list[Row] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout), aclosing(_looks(core, sandbox, wanted, cursor, _AT_ONCE)) as looks:
            async for page in looks:
                rows += page.rows
                cursor = page.cursor
                if len(rows) >= max(count, 1) or (gone is not None and await gone()):
                    break
    satisfied = len(rows) >= count if count else not rows
    return Expected(satisfied, tuple(rows[:MOST_EXPECTED]), cursor)


async def events(core: Core, sandbox: str, wanted: Wanted, cursor: int) -> AsyncGenerator[bytes, None]:
    """Exchanges after ``cursor`` as server-sent events, until the server stops or the generator is closed.

    The first thing it gives says how soon to come again. Raises ``Refusal(STORE_UNAVAILABLE)`` before that, when too
    many listen already.
    """
    clock = asyncio.get_running_loop().time
    async with aclosing(_looks(core, sandbox, wanted, cursor, _AT_ONCE)) as looks:
        said = float("-inf")
        async for page in looks:
            told = b"".join(_event(row) for row in page.rows)
            if said == float("-inf"):
                told = b"retry: 1000\n\n" + told
            if not told and clock() - said >= HEARTBEAT:
                told = b": still here\n\n"
            if told:
                said = clock()
                yield told


async def forget(core: Core) -> None:
    """Remove what is older than the journal is kept, also where nothing is written any more."""
    kept = core.settings.journal_keep_seconds
    if kept is not None:
        before = core.clock.time() - kept
        await core.store.write(lambda conn: forget_old(conn, before))


def shown(row: Row) -> dict[str, Any]:
    """A row as the control API shows it."""
    return {
        "id": row.id,
        "service": row.service,
        "method": row.method,
        "path": row.path,
        "operation": row.operation,
        "status": row.status,
        "reason": row.reason,
        "rule": row.rule,
        "client": row.client,
        "patient": row.patient,
        "at": rfc3339(row.at),
        "durationMs": row.millis,
        "summary": row.summary,
    }


def har(told: Iterable[Mapping[str, Any]], version: str) -> dict[str, Any]:
    """Exchanges with their explanations as an HTTP Archive 1.2. It shows what the journal shows: no secrets.

    Members with an underscore are ours: the exchange's id, service and why it was answered so.
    """
    creator = {"name": "sandkasse", "version": version}
    return {"log": {"version": "1.2", "creator": creator, "entries": [_entry(each) for each in told]}}


async def _looks(core: Core, sandbox: str, wanted: Wanted, cursor: int, limit: int) -> AsyncGenerator[Page, None]:
    """Page after page from ``cursor``: at once, then whenever something was written, and every now and then."""
    clock = asyncio.get_running_loop().time
    # What waits for others must not be waited for by the writer.
    with core.store.bell.listen(sandbox) as listener, core.store.resting():
        while True:
            looked = clock()
            page = await core.store.read(partial(_newer, sandbox, wanted, cursor, limit))
            cursor = page.cursor
            yield page
            if core.store.bell.closed:
                return
            if len(page.rows) < limit:
                await listener.rest(_POLL)
                await asyncio.sleep(max(0.0, looked + _PAUSE - clock()))


def _newer(sandbox: str, wanted: Wanted, cursor: int, limit: int, conn: Connection) -> Page:
    return exchanges.newer(conn, sandbox, wanted, cursor, limit)


def _event(row: Row) -> bytes:
    return b"id: %b\nevent: exchange\ndata: %b\n\n" % (row.id.encode(), orjson.dumps(shown(row)))


def _entry(told: Mapping[str, Any]) -> dict[str, Any]:
    request, answer, decision = told["request"], told["answer"], told["decision"]
    sent, given = _named(request["headers"]), _named(answer["headers"])
    return {
        "startedDateTime": told["wallTime"],
        "time": told["durationMs"],
        "request": {
            "method": request["method"],
            "url": request["url"],
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": sent,
            "queryString": _pairs(urlsplit(request["url"]).query),
            "headersSize": -1,
            "bodySize": len(request["body"].encode()),
            **_post_data(request["body"], _value(sent, "content-type")),
        },
        "response": {
            "status": answer["status"],
            "statusText": _phrase(answer["status"]),
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": given,
            "content": {
                "size": answer["size"],
                "mimeType": _value(given, "content-type") or "application/octet-stream",
                "text": answer["body"],
            },
            "redirectURL": _value(given, "location"),
            "headersSize": -1,
            "bodySize": answer["size"],
        },
        "cache": {},
        "timings": {"send": 0, "wait": told["durationMs"], "receive": 0},
        "comment": told["summary"],
        "_exchange": told["id"],
        "_service": told["service"],
        "_reason": decision["reason"],
        "_rule": decision["rule"],
    }


def _named(headers: Iterable[Iterable[str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers]


def _value(headers: Iterable[Mapping[str, str]], name: str) -> str:
    return next((each["value"] for each in headers if each["name"].lower() == name), "")


def _post_data(body: str, media: str) -> dict[str, Any]:
    """A form as its fields, anything else as text: HAR 1.2 has one or the other."""
    if not body:
        return {}
    if media.partition(";")[0].strip().lower() == _FORM:
        return {"postData": {"mimeType": media, "params": _pairs(body)}}
    return {"postData": {"mimeType": media or "application/octet-stream", "text": body}}


def _pairs(text: str) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in parse_qsl(text, keep_blank_values=True)]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
