"""Every reason has a status, a code and a text, whichever of the two services has the row."""

import orjson
import pytest

from app.adapters import CRITICAL_INFORMATION
from app.errors import Reason, Refusal
from app.services.kjernejournal.errors import OWN, KjError, error_of
from app.services.kritiskinfo import errors


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_row(reason: Reason) -> None:
    found = error_of(reason, CRITICAL_INFORMATION)
    assert 400 <= found.status < 600
    assert found.text
    own, theirs = OWN.get(reason), errors.wire(reason)
    assert found == (own or KjError(theirs.status, theirs.legacy_code, theirs.text))


def test_a_refusal_that_names_its_row() -> None:
    both = Refusal(Reason.CONFLICT, "x", extra={"key": "exclusive"})
    assert error_of(both, CRITICAL_INFORMATION).code == "KI-9009"
    assert error_of(Refusal(Reason.CONFLICT, "x"), CRITICAL_INFORMATION).code == "KJF-000065"


def test_the_two_forms() -> None:
    shown = KjError(401, "KJF-000011", "Billetten er ikke gyldig")
    assert orjson.loads(shown.plain()) == {"feilkode": "KJF-000011", "feilmelding": "Billetten er ikke gyldig"}
    issues = orjson.loads(shown.outcome())["issue"]
    assert [each["diagnostics"] for each in issues] == ["KJF-000011", "Billetten er ikke gyldig"]
