"""What kjernejournal takes of a request, and the values it was not possible to find a public source for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote

import orjson

from app.errors import Reason, Refusal
from app.fhir.search import OSLO
from app.trust.facts import Person
from app.trust.principal import Basis

TICKET_SECONDS: Final = 1200.0
"""Life of a ticket; the real one is not public (ruling S27)."""
CODE_SECONDS: Final = 60.0
"""Life of the code that the portal is opened with: as that of an authorization code."""
SYNCHRONISED: Final = time(3)
"""When helseindikator learns of protected addresses, in Norway (ruling S28)."""

CONSENTS: Final[Mapping[str, Basis]] = MappingProxyType(
    {"HPMOTTATTSAMTYKKE": Basis.SAMTYKKE, "HPAKUTT": Basis.AKUTT, "HPUNNTAK": Basis.UNNTAK}
)
"""The grounds by the names that tickets and KJ-SAMTYKKE-BRUK have for them."""
OPENING_CONSENTS: Final[Mapping[str, Basis]] = MappingProxyType(
    {"HPMOTTATTSAMTYKKE": Basis.FORHOYET_SAMTYKKE, "HPAKUTT": Basis.FORHOYET_AKUTT}
)
"""The grounds that open what the patient has restricted (KJ-SAMTYKKE-SPERRET-KRITISKINFO)."""
PORTAL_BASES: Final[Mapping[str, Basis]] = MappingProxyType(
    {basis.value: basis for basis in (Basis.SAMTYKKE, Basis.AKUTT, Basis.UNNTAK)}
)
ROLE_SYSTEM: Final = "urn:oid:2.16.578.1.12.4.1.1.9060"

_SYSTEM: Final = re.compile(r"[^\W_](?:[^\W_]|[ .,()-]){2,511}")
_EVENT: Final = re.compile(r"[A-Za-z0-9-]{1,128}")
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_SESSION: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_MAX_TICKET: Final = 400
_MAX_TEXT: Final = 512


@dataclass(frozen=True, slots=True)
class Question:
    """The body of helseindikator; ``consent`` is what its ticket is bound to."""

    number: str
    consent: Basis | None


@dataclass(frozen=True, slots=True)
class Launch:
    """The body of ``session/create``: ``challenge`` is the S256 of a verifier that the browser brings."""

    challenge: str
    number: str
    role: str
    basis: Basis


def read_question(body: bytes) -> Question:
    """Raises ``Refusal`` with BODY_INVALID or BASIS_INVALID; whether the number is one is for the answer to tell."""
    data = _object(body)
    number = data.get("fnr")
    if not isinstance(number, str) or len(number) > _MAX_TEXT:
        raise _schema("fnr must be a text")
    start = data.get("legemiddelFraDato")
    if start is not None:
        try:
            date.fromisoformat(start if isinstance(start, str) else "")
        except ValueError:
            raise _schema("legemiddelFraDato must be a date, as in 2026-01-31") from None
    consent = data.get("samtykke")
    if consent is None:
        return Question(number, None)
    if not isinstance(consent, str) or consent not in CONSENTS:
        raise _schema(f"samtykke must be one of {', '.join(CONSENTS)}")
    return Question(number, CONSENTS[consent])


def read_launch(body: bytes) -> Launch:
    """Raises ``Refusal(BODY_INVALID)`` for a body that is not as kritisk-info.md section 7 has it."""
    data = _object(body)
    challenge, claims = data.get("ehr_code_challenge"), data.get("claims")
    if not isinstance(challenge, str) or _CHALLENGE.fullmatch(challenge) is None:
        raise _schema("ehr_code_challenge must be a base64url SHA-256")
    number = _text(claims, "patient_identifier", "id")
    role = _text(claims, "practitioner_authorization", "code")
    if _text(claims, "practitioner_authorization", "system") != ROLE_SYSTEM:
        raise _schema(f"the system of practitioner_authorization must be {ROLE_SYSTEM}")
    basis = _text(claims, "access_basis", "code")
    if basis not in PORTAL_BASES:
        raise _schema(f"the code of access_basis must be one of {', '.join(PORTAL_BASES)}")
    return Launch(challenge, number, role, PORTAL_BASES[basis])


def read_session(body: bytes) -> str:
    """The session id of ``session/refresh`` and ``session/end``. Raises ``Refusal(BODY_INVALID)``."""
    session = _object(body).get("sessionId")
    if not isinstance(session, str) or _SESSION.fullmatch(session) is None:
        raise _schema("sessionId must be the id that session/create gave")
    return session


def source_system(value: str | None, name: str) -> str:
    """Name and version of the EHR: 3 to 512 letters, digits, spaces and ``.,()-``. Raises ``Refusal``."""
    if not value:
        raise Refusal(Reason.HEADER_MISSING, f"the header {name} is missing", source="kritisk-info.md §7")
    if _SYSTEM.fullmatch(value) is None:
        raise Refusal(
            Reason.HEADER_INVALID,
            f"{name} must have 3-512 letters, digits, spaces or any of .,()-",
            source="kritisk-info.md §7",
        )
    return value


def epj_system(value: str | None) -> str:
    """X-EPJ-System, for which no form is documented. Raises ``Refusal``."""
    if not value:
        raise Refusal(Reason.HEADER_MISSING, "the header X-EPJ-System is missing", source="kritisk-info.md §1.2")
    if len(value) > _MAX_TEXT:
        raise Refusal(Reason.HEADER_INVALID, f"X-EPJ-System is longer than {_MAX_TEXT} characters")
    return value


def event_id(value: str | None) -> str | None:
    """The caller's own id of a call. Raises ``Refusal(HEADER_INVALID)``."""
    if value is not None and _EVENT.fullmatch(value) is None:
        raise Refusal(Reason.HEADER_INVALID, "X-EVENT-ID must have 1-128 letters, digits or hyphens")
    return value


def ticket(value: str | None) -> str:
    """The ticket of a header; published documents show it both as it is and percent-encoded. Raises ``Refusal``."""
    if not value:
        raise Refusal(Reason.HEADER_MISSING, "the header X-kj-ticket is missing", source="kritisk-info.md §1.2")
    if len(value) > _MAX_TICKET:
        raise Refusal(Reason.TICKET_INVALID, "the ticket is not one that helseindikator gave")
    return unquote(value)


def ground(use: str | None, opening: str | None, bound: Basis | None) -> Basis:
    """The access basis of a legacy call: the consent headers, then the ticket's, then consent (ruling S7).

    Raises ``Refusal(BASIS_INVALID)``.
    """
    given = bound if use is None else _consent("KJ-SAMTYKKE-BRUK", use, CONSENTS)
    if opening is not None:
        return _consent("KJ-SAMTYKKE-SPERRET-KRITISKINFO", opening, OPENING_CONSENTS)
    return given or Basis.SAMTYKKE


def address_acts(person: Person, now: float) -> bool:
    """Whether helseindikator has learnt of the protection of an address by ``now`` (epoch seconds).

    Where it is not known since when the address is protected, it has been for long.
    """
    since = person.extra.get("protected_since")
    if not isinstance(since, int | float):
        return True
    began = datetime.fromtimestamp(since, OSLO)
    day = began.date() if began.time() < SYNCHRONISED else began.date() + timedelta(days=1)
    return now >= datetime.combine(day, SYNCHRONISED, OSLO).timestamp()


def today_at(now: float) -> date:
    """The day in Norway (ruling S15)."""
    return datetime.fromtimestamp(now, OSLO).date()


def _consent(name: str, value: str, known: Mapping[str, Basis]) -> Basis:
    if value not in known:
        raise Refusal(Reason.BASIS_INVALID, f"{name} must be one of {', '.join(known)}", source="kritisk-info.md §1.2")
    return known[value]


def _object(body: bytes) -> dict[str, Any]:
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _schema("the body is not JSON") from None
    if not isinstance(data, dict):
        raise _schema("the body must be a JSON object")
    return data


def _text(claims: object, member: str, part: str) -> str:
    """``claims.<member>.<part>``."""
    whole = claims.get(member) if isinstance(claims, dict) else None
    value = whole.get(part) if isinstance(whole, dict) else None
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT:
        raise _schema(f"claims.{member}.{part} must be a text")
    return value


def _schema(text: str) -> Refusal:
    return Refusal(Reason.BODY_INVALID, text, source="kritisk-info.md §2 and §7")
