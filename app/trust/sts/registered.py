"""What a registration holds beside the client itself: the life of its keys, its own claims, unsigned terms.

selvbetjening.md sections 3.3, 3.6 and 3.7. Times are epoch seconds on the sandbox clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, get_args

from app.errors import Reason, Refusal

Origin = Literal["Gui", "Api"]
"""Where a key came from: made or uploaded by hand, or sent to the Selvbetjening API."""

_MAX_NOTES: Final = 100
_MAX_TEXT: Final = 500


@dataclass(frozen=True, slots=True)
class KeyNote:
    """What is known of one of a client's keys. A key without a note is a ``Gui`` key that never expires."""

    thumbprint: str
    origin: Origin = "Gui"
    made: float | None = None
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class ClientClaim:
    """A claim of the client itself: the value its tokens carry, and one that waits for the API's owner."""

    type: str
    active: str | None = None
    pending: str | None = None


@dataclass(frozen=True, slots=True)
class UnsignedTerms:
    """An organisation that delegated to the supplier but has not signed the terms of an API."""

    delegator: str
    audience: str


Note = KeyNote | ClientClaim | UnsignedTerms


def dump_all(notes: tuple[Note, ...]) -> list[dict[str, Any]]:
    """As JSON, the form ``read_key_notes``, ``read_claims`` and ``read_terms`` take."""
    return [asdict(note) for note in notes]


def read_key_notes(value: object) -> tuple[KeyNote, ...]:
    """Raises ``Refusal(CONTENT_INVALID)``, as do the two below."""
    return tuple(
        KeyNote(
            _text(entry, "thumbprint", "keys"),
            _origin(entry.get("origin", "Gui")),
            _time(entry, "made"),
            _time(entry, "expires"),
        )
        for entry in _entries(value, "keys", KeyNote)
    )


def read_claims(value: object) -> tuple[ClientClaim, ...]:
    return tuple(
        ClientClaim(
            _text(entry, "type", "claims"),
            _optional(entry, "active", "claims"),
            _optional(entry, "pending", "claims"),
        )
        for entry in _entries(value, "claims", ClientClaim)
    )


def read_terms(value: object) -> tuple[UnsignedTerms, ...]:
    return tuple(
        UnsignedTerms(_text(entry, "delegator", "unsigned_terms"), _text(entry, "audience", "unsigned_terms"))
        for entry in _entries(value, "unsigned_terms", UnsignedTerms)
    )


def _entries(value: object, name: str, kind: type[Note]) -> list[Mapping[str, Any]]:
    if (
        not isinstance(value, list)
        or len(value) > _MAX_NOTES
        or not all(isinstance(entry, dict) and set(entry) <= set(kind.__dataclass_fields__) for entry in value)
    ):
        members = ", ".join(kind.__dataclass_fields__)
        raise _invalid(name, f"{name} must be a list of at most {_MAX_NOTES} objects with {members}")
    return value


def _text(entry: Mapping[str, Any], member: str, name: str) -> str:
    text = _optional(entry, member, name)
    if not text:
        raise _invalid(name, f"{member} is missing")
    return text


def _optional(entry: Mapping[str, Any], member: str, name: str) -> str | None:
    text = entry.get(member)
    if text is not None and (not isinstance(text, str) or len(text) > _MAX_TEXT):
        raise _invalid(name, f"{member} must be a text of at most {_MAX_TEXT} characters")
    return text


def _origin(value: object) -> Origin:
    for origin in get_args(Origin):
        if value == origin:
            found: Origin = origin
            return found
    raise _invalid("keys", "origin must be Gui or Api")


def _time(entry: Mapping[str, Any], member: str) -> float | None:
    value = entry.get(member)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11):
        raise _invalid("keys", f"{member} must be a time in epoch seconds")
    return value


def _invalid(name: str, detail: str) -> Refusal:
    return Refusal(Reason.CONTENT_INVALID, detail, extra={"pointer": f"/{name}"})
