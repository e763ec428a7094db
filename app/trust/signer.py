"""The thread that tokens are signed on.

An RSA signature takes most of a millisecond, in which other threads may run. Two such threads gave no more tokens than
one: they wait for each other and for the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

from app.trust.jose import Key, sign
from app.values import per_request


@per_request
class _Job:
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    key: Key
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[str]


class Signer:
    """Signs in the order asked, for any event loop. An executor does so too, for more of the event loop's time."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._lock = Lock()
        self._closed = False

    async def sign(self, header: Mapping[str, Any], claims: Mapping[str, Any], key: Key) -> str:
        """``claims`` as a compact JWT. Raises what ``jose.sign`` does, and ``RuntimeError`` after ``close``."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[str] = loop.create_future()
        with self._lock:
            if self._closed:
                raise RuntimeError("the signer is closed")
            if self._thread is None:
                self._thread = Thread(target=self._run, name="token-signer", daemon=True)
                self._thread.start()
            self._jobs.put(_Job(header, claims, key, loop, future))
        return await future

    def close(self) -> None:
        """Sign what was handed in, then end."""
        with self._lock:
            self._closed = True
            self._jobs.put(None)
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            signed: str | Exception
            try:
                signed = sign(job.header, job.claims, job.key)
            except Exception as error:  # whatever it is: the waiter must hear of it, and the thread must live on
                signed = error
            with suppress(RuntimeError):  # the loop has closed: nobody waits any more
                job.loop.call_soon_threadsafe(_tell, job.future, signed)


def _tell(future: asyncio.Future[str], signed: str | Exception) -> None:
    if future.done():  # the caller has gone
        return
    if isinstance(signed, Exception):
        future.set_exception(signed)
    else:
        future.set_result(signed)
