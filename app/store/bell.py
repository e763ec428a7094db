"""Wakes those who wait for the journal of a sandbox when the writer has written rows of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from app.errors import Reason, Refusal


@dataclass(eq=False, slots=True)
class Listener:
    """One who waits, on one event loop."""

    loop: asyncio.AbstractEventLoop
    _rung: asyncio.Event = field(default_factory=asyncio.Event)

    async def rest(self, seconds: float) -> None:
        """Until the bell has rung since the last rest, or ``seconds`` of real time have passed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        self._rung.clear()

    def wake(self) -> None:
        """Callable from any thread."""
        with suppress(RuntimeError):  # the loop has closed: nobody waits any more
            self.loop.call_soon_threadsafe(self._rung.set)


class Bell:
    """Rung by the writer's thread; heard on event loops. At most ``most`` listen at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._listening: dict[str, list[Listener]] = {}
        self._number = 0
        self._lock = threading.Lock()
        self.closed = False

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return self._number

    @contextmanager
    def listen(self, sandbox: str) -> Iterator[Listener]:
        """Hear of rows of ``sandbox``. Raises ``Refusal(STORE_UNAVAILABLE)`` when too many listen already."""
        listener = Listener(asyncio.get_running_loop())
        with self._lock:
            if self._number >= self._most:
                raise Refusal(Reason.STORE_UNAVAILABLE, "too many already wait for the journal; try again later")
            self._number += 1
            self._listening.setdefault(sandbox, []).append(listener)
        try:
            yield listener
        finally:
            with self._lock:
                self._number -= 1
                others = self._listening[sandbox]
                others.remove(listener)
                if not others:
                    del self._listening[sandbox]

    def ring(self, sandboxes: Iterable[str]) -> None:
        """Wake those who listen to one of ``sandboxes``."""
        if not self._number:
            return
        with self._lock:
            woken = [one for sandbox in sandboxes for one in self._listening.get(sandbox, ())]
        for listener in woken:
            listener.wake()

    def close(self) -> None:
        """Tell all that no more comes: streams end, waiting calls answer."""
        self.closed = True
        with self._lock:
            everyone = [one for some in self._listening.values() for one in some]
        for listener in everyone:
            listener.wake()
