from __future__ import annotations

import pytest

from app.store import registers
from app.store.engine import Connection
from app.store.scratch import SCRATCH, in_memory
from app.trust.facts import Person

PERSON = Person("P01", "14838449698", "FNR")


def _put(conn: Connection) -> list[Person]:
    registers.put_person(conn, SCRATCH, PERSON)
    return registers.list_persons(conn, SCRATCH)


def test_the_work_has_every_table_and_nothing_in_them() -> None:
    assert in_memory(_put, 0.0) == [PERSON]
    assert in_memory(lambda conn: registers.list_persons(conn, SCRATCH), 0.0) == []


def test_its_error_is_the_callers() -> None:
    def fail(_conn: Connection) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        in_memory(fail, 0.0)
