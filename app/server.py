"""Runs the application on its sockets: http and https side by side, one process or several, an orderly end.

On SIGTERM or SIGINT no new connection is taken, running requests finish (``shutdown_seconds`` at most), then the
store writes what it was handed and closes. Several workers share the listening sockets and the database.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import logging.config
import math
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app import tls
from app.clock import SystemClock, rfc3339
from app.ids import SystemIds
from app.loading import uncollected
from app.routers.wire import TRANSPORT
from app.settings import Settings

LOG: Final = logging.getLogger("sandkasse.server")
_BACKLOG: Final = 2048
_KEEP_ALIVE_SECONDS: Final = 30
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_POLL_SECONDS: Final = 0.5
_QUICK_DEATH_SECONDS: Final = 5.0
_STARTUP_FAILURE: Final = 3
_SETTLE_SECONDS: Final = 0.5
_SWITCH_SECONDS: Final = 0.0005  # the store's writer must not wait 5 ms for its turn while requests are worked on
_COLLECT_AFTER: Final = (20_000, 20, 50)


class CannotServe(Exception):
    """The service cannot start. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Listening:
    """The sockets that are listened on; ``secure`` only with ``tls``, ``selvbetjening`` only with a port of its own."""

    plain: socket.socket
    secure: socket.socket | None = None
    selvbetjening: socket.socket | None = None

    @property
    def fds(self) -> tuple[int, ...]:
        return tuple(sock.fileno() for sock in (self.plain, self.secure, self.selvbetjening) if sock is not None)


def run(settings: Settings) -> int:
    """Listen, serve until told to stop, and give the exit status. Raises ``CannotServe``, ``tls.TlsUnfit``."""
    if settings.tls:
        tls.material(settings, SystemClock(), SystemIds())  # made before any worker starts
    listening = listen(settings)
    if settings.workers == 1:
        return work(settings, listening)
    return supervise(settings, listening)


def listen(settings: Settings) -> Listening:
    """Bind the ports of the settings. Raises ``CannotServe`` when one cannot be had."""
    own = settings.selvbetjening_port
    return Listening(
        _bind(settings.host, settings.port),
        _bind(settings.host, settings.tls_port) if settings.tls else None,
        _bind(settings.host, own) if own is not None else None,
    )


def work(settings: Settings, listening: Listening, parent: int | None = None) -> int:
    """Serve in this process until told to stop. With ``parent``, also when that process is gone."""
    configure_logging(settings)
    sys.setswitchinterval(_SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(settings, listening, parent))


def supervise(settings: Settings, listening: Listening) -> int:
    """Keep ``settings.workers`` processes running on the same sockets until told to stop."""
    configure_logging(settings)
    clock, stopping = SystemClock(), False

    def stop(_signal: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    for number in _SIGNALS:
        signal.signal(number, stop)
    started = clock.time()
    workers = [_spawn(listening) for _ in range(settings.workers)]
    status = 0
    while not stopping:
        for place, worker in enumerate(workers):
            code = worker.poll()
            if code is None:
                continue
            if code == _STARTUP_FAILURE or clock.time() - started < _QUICK_DEATH_SECONDS:
                LOG.error("a worker could not start (status %s); stopping", code)
                stopping, status = True, 1
                break
            LOG.error("worker %s ended with status %s; another takes its place", worker.pid, code)
            workers[place] = _spawn(listening)
        with suppress(subprocess.TimeoutExpired):
            workers[0].wait(_POLL_SECONDS)
    return _end(workers, settings) or status


def configure_logging(settings: Settings) -> None:
    """One line an event to standard error, as text or JSON. Requests are not logged: the journal has them."""
    level = settings.log_level.upper()
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "text": {"format": "%(asctime)s %(levelname)-7s %(name)s: %(message)s"},
                "json": {"()": JsonFormatter},
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": settings.log_format}},
            "root": {"level": "WARNING", "handlers": ["stderr"]},
            "loggers": {"sandkasse": {"level": level}, "uvicorn": {"level": "WARNING"}},
        }
    )


class JsonFormatter(logging.Formatter):
    """``{"time", "level", "logger", "message"}``, and ``"error"`` with the traceback of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": rfc3339(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


class _NotStarted(Exception):
    """The application did not start; why has been logged."""


class _Server(uvicorn.Server):
    """Leaves the signals to us, as two servers share this process, and tells when it has started."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit as error:  # uvicorn's way of saying that the application, or TLS, did not start
            raise _NotStarted from error
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Protocol(HttpToolsProtocol):
    """Lends the connection to the application, which may have to cut it (fault rules)."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: self.transport}  # type: ignore[dict-item]


async def _serve(settings: Settings, listening: Listening, parent: int | None) -> int:
    with uncollected():
        from app import main  # only where it is served: the process that keeps the workers does without

        app = main.served_app(settings)
    plain = _Server(uvicorn_config(app, settings, lifespan="on"))
    servers = [(plain, listening.plain)]
    if listening.secure is not None:
        files = tls.material(settings, SystemClock(), SystemIds())
        secure = uvicorn_config(
            app, settings, lifespan="off", ssl_certfile=str(files.certificate), ssl_keyfile=str(files.key)
        )
        servers.append((_Server(secure), listening.secure))
    if listening.selvbetjening is not None:
        servers.append((_Server(uvicorn_config(app, settings, lifespan="off")), listening.selvbetjening))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.set)
    # The first server runs the application's start and end: it starts first and ends last.
    running: list[asyncio.Task[None]] = []
    for server, sock in servers:
        running.append(asyncio.create_task(server.serve(sockets=[sock])))
        await _until_started(server, running[-1])
        if running[-1].done():
            return _outcome(running[-1])
    settling = asyncio.create_task(_settle(app.complete))
    await _until_told(stop, running, parent)
    settling.cancel()
    app.stopping()
    for (server, _), task in reversed(list(zip(servers, running, strict=True))):
        server.should_exit = True
        await asyncio.wait([task])
    return max(_outcome(task) for task in running)


async def _settle(complete: Callable[[], Iterable[object]]) -> None:
    """After the first answers: make the rest, beside the calls, and keep all of it out of the collector's way."""
    await asyncio.sleep(_SETTLE_SECONDS)
    try:
        await asyncio.to_thread(deque, complete(), 0)
    except Exception:
        LOG.exception("an application cannot be made; calls to it are answered 500")
    _settle_memory()


def _settle_memory() -> None:
    """What was loaded stays: leave it out of later collections, and collect less often (30 % of the CPU otherwise)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


async def _until_started(server: _Server, task: asyncio.Task[None]) -> None:
    ready = asyncio.create_task(server.ready.wait())
    await asyncio.wait([ready, task], return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()


async def _until_told(stop: asyncio.Event, running: Sequence[asyncio.Task[None]], parent: int | None) -> None:
    while not stop.is_set() and not any(task.done() for task in running):
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _POLL_SECONDS)
        if parent is not None and os.getppid() != parent:
            return


def _outcome(task: asyncio.Task[None]) -> int:
    error = None if task.cancelled() else task.exception()
    if isinstance(error, _NotStarted):
        return _STARTUP_FAILURE
    if error is not None:
        LOG.error("the server ended", exc_info=error)
        return 1
    return 0


def uvicorn_config(app: Any, settings: Settings, **more: Any) -> uvicorn.Config:
    """What every server of this project runs with, the bare route of the benchmark too."""
    return uvicorn.Config(
        app,
        interface="asgi3",
        http=_Protocol,
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # the resolver reads forwarded headers, from trusted proxies only
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=math.ceil(settings.shutdown_seconds),
        **more,
    )


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:  # no build for this platform: the standard loop does the same, slower
        return None
    return uvloop.new_event_loop


def _bind(host: str, port: int) -> socket.socket:
    try:
        kinds = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = kinds[0]
        sock = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        raise CannotServe(f"Cannot listen on {host} port {port}: {error.strerror or error}.") from error
    sock.setblocking(False)
    return sock


def _spawn(listening: Listening) -> subprocess.Popen[bytes]:
    descriptors = [str(fd) for fd in listening.fds]
    return subprocess.Popen([sys.executable, "-m", "app.server", *descriptors], pass_fds=listening.fds)


def _end(workers: Sequence[subprocess.Popen[bytes]], settings: Settings) -> int:
    for worker in workers:
        if worker.poll() is None:
            worker.terminate()
    patience = settings.shutdown_seconds + _QUICK_DEATH_SECONDS
    for worker in workers:
        try:
            worker.wait(patience)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
    return max(0 if worker.returncode in (0, -signal.SIGTERM, -signal.SIGINT) else 1 for worker in workers)


def _worker(arguments: Sequence[str]) -> int:
    """A worker process: its settings are in the environment, the sockets are inherited by number."""
    settings = Settings()
    sockets = iter([socket.socket(fileno=int(number)) for number in arguments])
    listening = Listening(
        next(sockets),
        next(sockets) if settings.tls else None,
        next(sockets) if settings.selvbetjening_port is not None else None,
    )
    return work(settings, listening, parent=os.getppid())


if __name__ == "__main__":
    sys.exit(_worker(sys.argv[1:]))
