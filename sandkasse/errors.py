"""What can go wrong when the kit talks to a sandbox."""

from __future__ import annotations


class KitError(Exception):
    """Common to the kit's own errors. A server that does not answer is an ``httpx.HTTPError``."""


class ControlError(KitError):
    """The control API said no: ``status``, ``detail``, and ``pointer`` to the member of the body that is wrong."""

    def __init__(self, asked: str, status: int, detail: str, pointer: str | None = None) -> None:
        self.status = status
        self.detail = detail
        self.pointer = pointer
        place = f" (at {pointer})" if pointer else ""
        super().__init__(f"{asked} answered {status}: {detail}{place}")


class UnexpectedAnswer(KitError):
    """The answer is not of the form this version of the kit knows."""


class NotSeen(AssertionError):
    """The exchanges that were expected did not come in time. The text tells what came instead."""
