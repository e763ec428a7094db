"""The database behind the service: reads where they are asked, writes through one group-commit writer.

Many requests wait for one durable flush, so durability costs one ``fsync`` a batch, not a request.
A write is durable on disk when ``commit`` or ``write`` returns.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import anyio.to_thread
from sqlalchemy import BindParameter, ColumnElement, Engine, bindparam, create_engine, event, select, update
from sqlalchemy import Connection as Connection
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import SQLAlchemyError

from app.clock import RealClock
from app.errors import Reason, Refusal
from app.store import exchanges, stamp, statements, tables
from app.store.bell import Bell
from app.store.retention import Limits, Retention, forget_old
from app.store.statements import Compiled
from app.values import per_request

T = TypeVar("T")

_GENESIS = bytes(32)
_KEY = ("sandbox", "kind", "key")
_LIMITS = Limits()
_LISTENERS = 100
_MAX_BATCH = 256
_BATCHES_BETWEEN_SWEEPS = 512
_BUSY_MS = 15_000
_TRY_MS = 1
_PAUSE = 0.005  # seconds without another job after which the writer waits no longer


class Replayed(Exception):
    """A single-use value was seen before, in this process or another.

    ``kinds`` are those of a unit without ``work`` that were; its others are used up now.
    """

    def __init__(self, kinds: frozenset[str] = frozenset()) -> None:
        super().__init__(*sorted(kinds))
        self.kinds = kinds


@per_request
class ReplayKey:
    """A value that may be used once until ``until`` (real time, epoch seconds); ``value`` is remembered with it."""

    sandbox: str
    kind: str
    key: str
    until: float
    value: str = ""


@per_request
class AuditEntry:
    """A record to append to the chain ``(sandbox, service)``.

    ``seal(seq, previous_hash)`` gives ``(hash, body)``; the writer calls it when the place in the
    chain is known.
    """

    sandbox: str
    service: str
    recorded: float
    patient: str | None
    decision_ref: str | None
    elevated: bool
    seal: Callable[[int, bytes], tuple[bytes, bytes]]


@per_request
class Unit:
    """What belongs together: all of it is durable, or none (ruling S46).

    A replayed key stops the unit with ``Replayed``. ``work`` runs inside the transaction; what it
    raises rolls back this unit alone.
    """

    replay: tuple[ReplayKey, ...] = ()
    audit: tuple[AuditEntry, ...] = ()
    exchange: dict[str, Any] | None = None
    work: Callable[[Connection], Any] | None = None


class Store:
    """Opens the database; reads run inline on SQLite (tens of microseconds) and in a thread elsewhere."""

    def __init__(self, url: str, clock: RealClock, *, limits: Limits = _LIMITS, listeners: int = _LISTENERS) -> None:
        self.url = make_url(url)
        self.embedded = self.url.get_backend_name() == "sqlite"
        if self.embedded and self.url.database not in (None, "", ":memory:"):
            Path(str(self.url.database)).parent.mkdir(parents=True, exist_ok=True)
        self._reader = _engine(url, writer=False)
        self._local = threading.local()
        self._this_turn: dict[Hashable, Any] = {}
        self.bell = Bell(listeners)
        self._writer = _Writer(_engine(url, writer=True), clock, Retention(limits), self.bell)
        stamp.watch(self.engine)

    def entered(self) -> None:
        """Say that a request is at work: the writer waits for it a little before it flushes."""
        self._writer.at_work(1)

    def left(self) -> None:
        """Say that a request has been answered."""
        self._writer.at_work(-1)

    @contextmanager
    def resting(self) -> Iterator[None]:
        """While a request only waits for others: the writer need not wait for it."""
        self.left()
        try:
            yield
        finally:
            self.entered()

    @property
    def engine(self) -> Engine:
        """The engine migrations run on."""
        return self._writer.engine

    def start(self) -> None:
        self._writer.start()

    def close(self) -> None:
        """Finish what was handed in, then close. Nothing accepted is lost."""
        self.bell.close()
        self._writer.stop()
        open_one: tuple[Connection, Any] | None = getattr(self._local, "connection", None)
        if open_one is not None:
            with suppress(SQLAlchemyError):
                open_one[0].close()
            self._local.connection = None
        self._reader.dispose()
        self._writer.engine.dispose()

    def read_now(self, fn: Callable[[Connection], T]) -> T:
        """Run ``fn`` on this thread's read connection, in one snapshot."""
        with self._snapshot() as connection:
            return fn(connection)

    async def read_one(self, fn: Callable[[Connection], T]) -> T:
        """As ``read`` for an ``fn`` that makes a single statement, which is its own snapshot."""
        if not self.embedded:
            return await self.read(fn)
        try:
            return fn(self._connection()[0])
        except (SQLAlchemyError, sqlite3.Error) as error:
            self._forget(error)
            raise Refusal(Reason.STORE_UNAVAILABLE, "the store does not answer") from error

    async def read_together(self, key: Hashable, fn: Callable[[Connection], T]) -> T:
        """As ``read_one``; all who ask for ``key`` in one turn of the event loop get one reading.

        It is as good as their own: what made any of them ask was in the loop's queue before the reading, or
        comes after the forgetting, which the reading puts there.
        """
        if not self.embedded:
            return await self.read(fn)
        if key in self._this_turn:
            known: T = self._this_turn[key]
            return known
        found = await self.read_one(fn)
        if not self._this_turn:
            asyncio.get_running_loop().call_soon(self._this_turn.clear)
        self._this_turn[key] = found
        return found

    async def read(self, fn: Callable[[Connection], T]) -> T:
        """Run ``fn`` in one snapshot. Raises ``Refusal(STORE_UNAVAILABLE)`` when the database does not answer."""
        try:
            if self.embedded:
                return self.read_now(fn)
            return await anyio.to_thread.run_sync(self.read_now, fn)
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise Refusal(Reason.STORE_UNAVAILABLE, "the store does not answer") from error

    async def ping(self) -> None:
        """Ask the database for a sign of life. Raises ``Refusal(STORE_UNAVAILABLE)``."""
        await self.read(lambda connection: connection.exec_driver_sql("SELECT 1").fetchall())

    async def commit(self, unit: Unit) -> Any:
        """Make a unit durable and give what its ``work`` returned.

        Raises ``Replayed``, whatever ``work`` raised, or ``Refusal(AUDIT_UNAVAILABLE)`` when nothing
        could be written.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._writer.put(_Job(unit, loop, future))
        return await future

    def post(self, unit: Unit) -> None:
        """Hand in a unit nobody waits for: a journal entry, which may be lost when the process is killed."""
        self._writer.put(_Job(unit, None, None))

    async def flush(self) -> None:
        """Wait until all that this process posted is written."""
        await self.commit(Unit())

    async def write(self, fn: Callable[[Connection], T]) -> T:
        """Run ``fn`` in the writer's transaction; durable when it returns, rolled back when it raises."""
        result: T = await self.commit(Unit(work=fn))
        return result

    def write_now(self, fn: Callable[[Connection], T]) -> T:
        """As ``write``, for the command line and start-up, where no event loop runs."""
        with self._writer.engine.begin() as connection:
            return fn(connection)

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        if not self.embedded:
            with self._reader.connect() as connection, connection.begin():
                yield connection
            return
        # BEGIN and COMMIT are said to the driver: the library's own transaction handling costs more than a
        # typical read.
        connection, driver = self._connection()
        try:
            driver.execute("BEGIN")
            yield connection
            driver.execute("COMMIT")
        except BaseException as error:
            self._forget(error)
            if not isinstance(error, SQLAlchemyError) and driver.in_transaction:
                driver.execute("ROLLBACK")
            raise

    def _connection(self) -> tuple[Connection, Any]:
        """This thread's read connection, and the driver's."""
        open_one: tuple[Connection, Any] | None = getattr(self._local, "connection", None)
        if open_one is None:
            connection = self._reader.connect()
            open_one = (connection, connection.connection.driver_connection)
            self._local.connection = open_one
        return open_one

    def _forget(self, error: BaseException) -> None:
        """Close this thread's connection after an error of the library, which may have left it in any state."""
        open_one: tuple[Connection, Any] | None = getattr(self._local, "connection", None)
        if open_one is not None and isinstance(error, SQLAlchemyError):
            with suppress(SQLAlchemyError):
                open_one[0].close()
            self._local.connection = None


@per_request
class _Job:
    unit: Unit
    loop: asyncio.AbstractEventLoop | None
    future: asyncio.Future[Any] | None


class _Writer(threading.Thread):
    """Takes all that waits, writes it in one transaction, and tells each waiter its own outcome."""

    def __init__(self, engine: Engine, clock: RealClock, retention: Retention, bell: Bell) -> None:
        super().__init__(name="store-writer", daemon=True)
        self.engine = engine
        self._clock = clock
        self._retention = retention
        self._bell = bell
        self._waiting: list[_Job] = []
        self._lock = threading.Lock()
        self._change = threading.Condition(self._lock)
        self._at_work = 0
        self._batches = 0
        self._closed = False

    def put(self, job: _Job) -> None:
        with self._lock:
            if self._closed:
                raise Refusal(Reason.AUDIT_UNAVAILABLE, "the store is closing")
            self._waiting.append(job)
            if len(self._waiting) == 1 or self._enough():
                self._change.notify()

    def at_work(self, more: int) -> None:
        """Count requests at work. Called on the event loop's thread only."""
        self._at_work += more
        if more < 0 and self._waiting and self._enough():
            with self._lock:
                self._change.notify()

    def stop(self) -> None:
        with self._change:
            self._closed = True
            self._change.notify()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        while batch := self._gather():
            _tell(batch, self._write(batch))
            self._bell.ring({job.unit.exchange["sandbox"] for job in batch if job.unit.exchange is not None})

    def _gather(self) -> list[_Job]:
        """What waits, as soon as it is enough or no more comes. Nothing when the end has come."""
        with self._change:
            self._change.wait_for(lambda: self._waiting or self._closed)
            seen = 0
            while not self._enough() and not self._closed and len(self._waiting) > seen:
                seen = len(self._waiting)
                self._change.wait_for(lambda: self._enough() or self._closed, _PAUSE)
            batch, self._waiting = self._waiting[:_MAX_BATCH], self._waiting[_MAX_BATCH:]
            return batch

    def _enough(self) -> bool:
        """Half of the requests at work wait: a flush costs the same for one as for many, and while this half is
        flushed the other half is worked on. A lone request never waits.
        """
        waiting = len(self._waiting)
        return waiting * 2 >= self._at_work or waiting >= _MAX_BATCH

    def _write(self, batch: Sequence[_Job]) -> list[tuple[bool, Any]]:
        try:
            with self.engine.begin() as connection:
                outcomes, journaled = _apply(connection, [job.unit for job in batch])
                self._retention.added(connection, journaled)
                self._batches += 1
                if self._batches % _BATCHES_BETWEEN_SWEEPS == 0:
                    sweep(connection, self._clock.time(), self._retention.limits.seconds)
                return outcomes
        except Exception as error:  # whatever it is: the waiters must hear of it, and the writer must live on
            refusal = Refusal(Reason.AUDIT_UNAVAILABLE, "the store could not write")
            refusal.__cause__ = error
            return [(False, refusal)] * len(batch)


def sweep(connection: Connection, now: float, journal_seconds: float | None) -> None:
    """Remove what has had its time: used-up replay keys, and journal entries older than they are kept."""
    connection.execute(tables.replay.delete().where(tables.replay.c.until < now))
    if journal_seconds is not None:
        forget_old(connection, now - journal_seconds)


def claim(connection: Connection, keys: Sequence[ReplayKey]) -> set[tuple[str, str, str]]:
    """Insert single-use keys; the ones that are new come back as ``(sandbox, kind, key)``."""
    if not keys:
        return set()
    rows = {(key.sandbox, key.kind, key.key): {"until": key.until, "value": key.value} for key in keys}
    if connection.dialect.name == "sqlite":
        # The write lock is held, so nobody comes between the look and the insert.
        known = statements.among(connection, tables.replay, _KEY, list(rows))
        fresh = rows.keys() - known
        values = [{**dict(zip(_KEY, key, strict=True)), **rows[key]} for key in fresh]
        statements.run_many(connection, statements.insert_into(tables.replay, connection.dialect), values)
        return fresh
    statement = (
        postgresql.insert(tables.replay)
        .on_conflict_do_nothing()
        .returning(tables.replay.c.sandbox, tables.replay.c.kind, tables.replay.c.key)
    )
    wanted = [{**dict(zip(_KEY, key, strict=True)), **rest} for key, rest in rows.items()]
    return {(row[0], row[1], row[2]) for row in connection.execute(statement, wanted)}


def _apply(connection: Connection, units: Sequence[Unit]) -> tuple[list[tuple[bool, Any]], list[dict[str, Any]]]:
    """The outcome of each unit, and the journal rows written."""
    plain = [key for unit in units if unit.work is None for key in unit.replay]
    fresh = claim(connection, plain)
    outcomes: list[tuple[bool, Any]] = []
    audit: list[AuditEntry] = []
    journal: list[dict[str, Any]] = []
    for unit in units:
        if unit.work is None:
            wanted = {(key.sandbox, key.kind, key.key) for key in unit.replay}
            if not wanted <= fresh:
                outcomes.append((False, Replayed(frozenset([kind for _, kind, _ in wanted - fresh]))))
                fresh -= wanted
                continue
            fresh -= wanted  # the same key twice in one batch: the second is the replay
            outcomes.append((True, None))
        else:
            outcomes.append(_work(connection, unit))
            if not outcomes[-1][0]:
                continue
        audit.extend(unit.audit)
        if unit.exchange is not None:
            journal.append(unit.exchange)
    _append(connection, audit)
    return outcomes, exchanges.add(connection, journal) if journal else []


def _work(connection: Connection, unit: Unit) -> tuple[bool, Any]:
    assert unit.work is not None
    try:
        with _savepoint(connection):
            if len(claim(connection, unit.replay)) != len(unit.replay):
                raise Replayed
            return True, unit.work(connection)
    except (SQLAlchemyError, sqlite3.Error) as error:
        refusal = Refusal(Reason.STORE_UNAVAILABLE, "the write failed")
        refusal.__cause__ = error
        return False, refusal
    except Exception as error:  # handed to the waiter, who knows what it means
        return False, error


@contextmanager
def _savepoint(connection: Connection) -> Iterator[None]:
    """All of what is inside, or nothing. On SQLite it is said to the driver, which costs a tenth."""
    if connection.dialect.name != "sqlite":
        with connection.begin_nested():
            yield
        return
    driver: Any = connection.connection.driver_connection
    driver.execute("SAVEPOINT unit")
    try:
        yield
    except BaseException:
        driver.execute("ROLLBACK TO unit")
        driver.execute("RELEASE unit")
        raise
    driver.execute("RELEASE unit")


def _append(connection: Connection, entries: Sequence[AuditEntry]) -> None:
    if not entries:
        return
    heads = {
        chain: _lock_head(connection, *chain) for chain in sorted({(entry.sandbox, entry.service) for entry in entries})
    }
    rows = []
    for entry in entries:
        chain = (entry.sandbox, entry.service)
        seq, previous, _ = heads[chain]
        digest, body = entry.seal(seq + 1, previous)
        heads[chain] = (seq + 1, digest, entry.recorded)
        rows.append(
            {
                "sandbox": entry.sandbox,
                "service": entry.service,
                "seq": seq + 1,
                "recorded": entry.recorded,
                "patient": entry.patient,
                "decision_ref": entry.decision_ref,
                "elevated": entry.elevated,
                "hash": digest,
                "body": body,
            }
        )
    statements.run_many(connection, statements.insert_into(tables.audit, connection.dialect), rows)
    for chain, (seq, digest, recorded) in heads.items():
        place = {"of_sandbox": chain[0], "of_service": chain[1]}
        values = {"seq": seq, "hash": digest, "recorded": recorded}
        statements.run(connection, _move_head(connection.dialect), {**place, **values})


def _lock_head(connection: Connection, sandbox: str, service: str) -> tuple[int, bytes, float]:
    """Where the chain ends, locked until the transaction ends. A new chain begins with thirty-two zero bytes."""
    place = {"of_sandbox": sandbox, "of_service": service}
    found = statements.rows(connection, _head(connection.dialect), place)
    if not found:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        first = {"sandbox": sandbox, "service": service, "seq": 0, "hash": _GENESIS, "recorded": 0.0}
        # Of two processes that begin the chain at once, the second waits here and then reads the first one's head.
        connection.execute(dialect.insert(tables.audit_head).values(first).on_conflict_do_nothing())
        found = statements.rows(connection, _head(connection.dialect), place)
    return found[0][0], found[0][1], found[0][2]


@lru_cache(maxsize=4)
def _head(dialect: Dialect) -> Compiled:
    head = tables.audit_head.c
    statement = select(head.seq, head.hash, head.recorded).where(*_of_chain()).with_for_update()
    return statements.compiled(statement, dialect)


@lru_cache(maxsize=4)
def _move_head(dialect: Dialect) -> Compiled:
    new: dict[str, BindParameter[Any]] = {name: bindparam(name) for name in ("seq", "hash", "recorded")}
    return statements.compiled(update(tables.audit_head).where(*_of_chain()).values(new), dialect)


def _of_chain() -> tuple[ColumnElement[bool], ...]:
    head = tables.audit_head.c
    return head.sandbox == bindparam("of_sandbox"), head.service == bindparam("of_service")


def _tell(batch: Sequence[_Job], outcomes: Sequence[tuple[bool, Any]]) -> None:
    loops: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], bool, Any]]] = {}
    for job, (good, value) in zip(batch, outcomes, strict=True):
        if job.loop is None or job.future is None:
            continue
        loops.setdefault(job.loop, []).append((job.future, good, value))
    for loop, answers in loops.items():
        with suppress(RuntimeError):  # the loop has closed: nobody waits any more
            loop.call_soon_threadsafe(_resolve, answers)


def _resolve(answers: Sequence[tuple[asyncio.Future[Any], bool, Any]]) -> None:
    for future, good, value in answers:
        if future.done():
            continue
        if good:
            future.set_result(value)
        else:
            future.set_exception(value)


def _engine(url: str, *, writer: bool) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(
            url, pool_size=2 if writer else 8, max_overflow=8, pool_pre_ping=True, hide_parameters=True
        )
    arguments = {"check_same_thread": False, "timeout": _BUSY_MS / 1000}
    engine = create_engine(
        url, connect_args=arguments, hide_parameters=True, isolation_level=None if writer else "AUTOCOMMIT"
    )

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        # The driver's own transaction handling is turned off: BEGIN is ours (SQLAlchemy, "pysqlite" notes).
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")  # ruling R60: durable means synced to disk
        cursor.execute(f"PRAGMA busy_timeout={_TRY_MS if writer else _BUSY_MS}")
        cursor.execute("PRAGMA cache_size=-16000")
        cursor.execute("PRAGMA mmap_size=33554432")
        cursor.close()

    if writer:

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            _take_turn(connection)

    return engine


def _take_turn(connection: Connection) -> None:
    """Begin a transaction that writes, as soon as no other process has one; after ``_BUSY_MS`` in vain, raise.

    Tried every millisecond: the database's own waiting sleeps for up to a tenth of a second, while the others'
    transactions last some milliseconds.
    """
    driver: Any = connection.connection.driver_connection
    for tries_left in reversed(range(_BUSY_MS // _TRY_MS)):
        try:
            driver.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not tries_left or error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
        else:
            return
