"""Values of a request: frozen to the type checker, cheap at run time."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest

from app.clock import ClockState, Moment


def test_they_are_equal_hashed_and_replaced_as_frozen_ones_are() -> None:
    moment = Moment(1.0, 2.0)
    assert moment == Moment(1.0, 2.0) != Moment(1.0, 3.0)
    assert len({moment, Moment(1.0, 2.0)}) == 1
    assert replace(moment, sandbox=3.0) == Moment(1.0, 3.0)
    assert repr(moment) == "Moment(real=1.0, sandbox=2.0)"


def test_nothing_else_can_be_put_on_them() -> None:
    with pytest.raises(AttributeError):
        Moment(1.0, 2.0).other = 1  # type: ignore[attr-defined]


def test_an_assignment_is_refused_by_the_type_checker() -> None:
    # mypy reports an ignore that ignores nothing: this line fails `make check` when assignments become allowed.
    moment = Moment(1.0, 2.0)
    moment.real = 3.0  # type: ignore[misc]
    assert moment.real == 3.0


def test_other_values_are_frozen_at_run_time_too() -> None:
    with pytest.raises(FrozenInstanceError):
        ClockState().offset = 1.0  # type: ignore[misc]
