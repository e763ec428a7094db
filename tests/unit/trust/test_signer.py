"""The thread that tokens are signed on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from app.trust import jose
from app.trust.signer import Signer

_KEY = jose.import_key(jose.generate_key("ES256"))
_HEADER = {"alg": "ES256"}
_SECONDS = 20.0


@pytest.fixture
def signer() -> Iterator[Signer]:
    made = Signer()
    yield made
    made.close()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Signing waits until it is set: what must come before the signature has come."""
    go_on = threading.Event()

    def sign(header: Mapping[str, Any], claims: Mapping[str, Any], key: jose.Key) -> str:
        assert go_on.wait(_SECONDS)
        return jose.sign(header, claims, key)

    monkeypatch.setattr("app.trust.signer.sign", sign)
    return go_on


async def test_many_are_signed_at_once_and_each_gets_its_own(signer: Signer) -> None:
    signed = await asyncio.gather(*[signer.sign(_HEADER, {"jti": str(number)}, _KEY) for number in range(20)])
    read = [jose.parse(token) for token in signed]
    assert [jwt.claims for jwt in read] == [{"jti": str(number)} for number in range(20)]
    assert all(jose.verify(jwt, _KEY) for jwt in read)


async def test_what_cannot_be_signed_is_heard_of_and_the_next_is_signed(signer: Signer) -> None:
    with pytest.raises(TypeError):
        await signer.sign(_HEADER, {"jti": object()}, _KEY)
    assert jose.parse(await signer.sign(_HEADER, {}, _KEY)).claims == {}


async def test_a_caller_that_has_gone_keeps_nobody_waiting(signer: Signer, held: threading.Event) -> None:
    unheard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unheard.append(context))
    gone = asyncio.ensure_future(signer.sign(_HEADER, {}, _KEY))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait([gone])
    held.set()
    token = await asyncio.wait_for(signer.sign(_HEADER, {"jti": "next"}, _KEY), _SECONDS)
    assert jose.parse(token).claims == {"jti": "next"}
    assert gone.cancelled()
    assert unheard == []


def test_an_event_loop_that_has_closed_does_not_end_the_thread(signer: Signer, held: threading.Event) -> None:
    async def ask() -> str:
        return await asyncio.wait_for(signer.sign(_HEADER, {"jti": "2"}, _KEY), _SECONDS)

    async def start() -> None:
        waiting = asyncio.ensure_future(signer.sign(_HEADER, {}, _KEY))
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(start())
    held.set()
    assert jose.parse(asyncio.run(ask())).claims == {"jti": "2"}


async def test_closing_ends_the_thread_after_what_was_handed_in() -> None:
    signer = Signer()
    waiting = [asyncio.ensure_future(signer.sign(_HEADER, {"jti": str(number)}, _KEY)) for number in range(5)]
    await asyncio.sleep(0)
    signer.close()
    assert [jose.parse(token).claims["jti"] for token in await asyncio.gather(*waiting)] == list("01234")
    with pytest.raises(RuntimeError):
        await signer.sign(_HEADER, {}, _KEY)


def test_one_that_never_signed_has_no_thread() -> None:
    before = threading.active_count()
    signer = Signer()
    assert threading.active_count() == before
    signer.close()
