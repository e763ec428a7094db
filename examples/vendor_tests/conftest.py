"""What this vendor's tests share. The fixtures ``sandbox``, ``faults`` and so on come with the kit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from sandkasse import EpjClient, Sandbox
from vendor_tests.vendor_epj import ResultsReader

PPS = "nhn:pps/provesvar-read"

Reader = Callable[..., ResultsReader]


@pytest.fixture
def reader(sandbox: Sandbox) -> Iterator[Reader]:
    """The vendor's reader, logged in as a practitioner."""
    with ExitStack() as opened:

        def make(who: str = "H01", **options: Any) -> ResultsReader:
            base = sandbox.url("pps-v2")
            return opened.enter_context(ResultsReader(base, sandbox.token(who, url=base).auth(), **options))

        yield make


@pytest.fixture
def epj(sandbox: Sandbox) -> Iterator[EpjClient]:
    """The vendor's client at the sandbox's issuer."""
    with EpjClient(sandbox.issuer, "sandkasse-epj", sandbox.clients.key()) as client:
        yield client
