from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from time import sleep

import pytest

from app.ondemand import OnDemand


def _counted() -> tuple[OnDemand[str], list[str]]:
    made: list[str] = []

    def make(name: str) -> str:
        made.append(name)
        return name.upper()

    return OnDemand({name: partial(make, name) for name in ("a", "b")}), made


def test_a_value_is_made_once_when_it_is_asked_for() -> None:
    values, made = _counted()
    assert (list(values), len(values), "a" in values, "c" in values) == (["a", "b"], 2, True, False)
    assert made == []
    assert (values["b"], values["b"], values.get("c")) == ("B", "B", None)
    assert made == ["b"]


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="c"):
        _counted()[0]["c"]


def test_threads_that_ask_at_once_get_the_same() -> None:
    begun = Event()

    def make() -> object:
        begun.set()
        sleep(0.05)
        return object()

    values = OnDemand({"a": make})
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(values.__getitem__, "a")
        begun.wait()
        assert values["a"] is other.result()
