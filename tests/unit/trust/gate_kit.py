"""What the gate's tests share: a caller with keys, its access tokens and proofs, and the calls they are judged in."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any, Final

from app.clock import ClockState
from app.sandboxes.state import Call, SandboxState
from app.settings import Settings
from app.trust.attest import CLAIM
from app.trust.jose import access_token_hash, generate_key, import_key, public_members, sign
from app.trust.trail import Trail

NOW: Final = 1_795_000_000.0
HOST: Final = "http://localhost:8000"
ISSUER: Final = HOST + "/helseid"
URL: Final = HOST + "/trust-probe/whoami"
AUDIENCE: Final = "sandkasse:probe"
SCOPE: Final = "sandkasse:probe/read"
KID: Final = "K1"

IDENTITY: Final = "helseid://claims/identity/"
CLIENT: Final = "helseid://claims/client/claims/"
HPR: Final = "helseid://claims/hpr/hpr_number"
ORGNR: Final = "urn:oid:2.16.578.1.12.4.1.4.101"

# H01 of the sandbox's people, at the unit O03 of O01.
PID: Final = "02828049251"
HPR_NUMBER: Final = "222250101"
PARENT: Final = "315500109"
CHILD: Final = "315500303"

ABSENT: Final = object()
"""A claim given this value is left out."""

ISSUER_JWK: Final = generate_key("RS256")
ISSUER_KEY: Final = import_key(ISSUER_JWK)
CLIENT_JWK: Final = generate_key("ES256")
CLIENT_KEY: Final = import_key(CLIENT_JWK)


def attest(
    practitioner: Mapping[str, Any] | None = None, relationship: Mapping[str, Any] | None = None, **root: Any
) -> dict[str, Any]:
    """The attest as the issuer makes it; what is given replaces or drops members of its three levels."""
    made: dict[str, Any] = {
        "practitioner": {
            "identifier": {"id": PID, "system": "urn:oid:2.16.578.1.12.4.1.4.1"},
            "hpr_nr": {"id": HPR_NUMBER, "system": "urn:oid:2.16.578.1.12.4.1.4.4"},
            "authorization": {"code": "LE", "system": "urn:oid:2.16.578.1.12.4.1.1.9060"},
            "legal_entity": {"id": PARENT, "system": ORGNR},
            "point_of_care": {"id": CHILD, "system": ORGNR},
        },
        "care_relationship": {
            "healthcare_service": {"code": "KP01", "system": "urn:oid:2.16.578.1.12.4.1.1.8663"},
            "purpose_of_use": {"code": "TREAT", "system": "urn:oid:2.16.840.1.113883.1.11.20448"},
            "decision_ref": {"id": "decision-1", "user_selected": False},
        },
        "patients": [],
    }
    _change(made["practitioner"], practitioner or {})
    _change(made["care_relationship"], relationship or {})
    _change(made, root)
    return made


def claims(now: float = NOW, jkt: str | None = CLIENT_KEY.thumbprint, **changes: Any) -> dict[str, Any]:
    """The claims of an access token for the probe; ``cnf`` follows from ``jkt``."""
    made: dict[str, Any] = {
        "iss": ISSUER,
        "nbf": int(now),
        "iat": int(now),
        "exp": int(now) + 600,
        "aud": AUDIENCE,
        "scope": ["openid", "profile", SCOPE],
        "client_id": "client-1",
        "sub": "subject-1",
        "jti": "token-1",
        "name": "Test Person",
        IDENTITY + "pid": PID,
        IDENTITY + "security_level": "4",
        IDENTITY + "network": "helsenett",
        HPR: HPR_NUMBER,
        CLIENT + "orgnr_parent": PARENT,
        CLIENT + "orgnr_child": CHILD,
        CLAIM: attest(toa=int(now)),
    }
    if jkt is not None:
        made["cnf"] = {"jkt": jkt}
    _change(made, {_LONG.get(name, name): value for name, value in changes.items()})
    return made


def token(made: Mapping[str, Any] | None = None, **header: Any) -> str:
    """An access token signed by the tests' issuer; keywords replace or drop header members."""
    base: dict[str, Any] = {"alg": "RS256", "kid": KID, "typ": "at+jwt"}
    _change(base, header)
    return sign(base, claims() if made is None else made, ISSUER_KEY)


def proof(
    access_token: str,
    jwk: Mapping[str, str] = CLIENT_JWK,
    *,
    now: float = NOW,
    header: Mapping[str, Any] | None = None,
    **changes: Any,
) -> str:
    """A DPoP proof for GET of the probe with ``access_token``; keywords replace or drop its claims."""
    made: dict[str, Any] = {
        "jti": f"proof-{next(_NUMBERS)}",
        "htm": "GET",
        "htu": URL,
        "iat": int(now),
        "ath": access_token_hash(access_token),
    }
    _change(made, changes)
    base: dict[str, Any] = {"alg": "ES256", "typ": "dpop+jwt", "jwk": public_members(jwk)}
    _change(base, header or {})
    return sign(base, made, import_key(jwk))


def trail(
    *,
    settings: Settings | None = None,
    sandbox: str = "default",
    clock: ClockState | None = None,
    real: float = NOW,
    url: str = URL,
) -> Trail:
    """The trail of a call to the probe at ``real`` on the real clock."""
    state = SandboxState(sandbox, settings or Settings(), clock or ClockState())
    root = HOST if sandbox == "default" else f"{HOST}/s/{sandbox}"
    return Trail(
        Call(
            sandbox=state,
            service="trust-probe",
            tail="/whoami",
            base=root + "/trust-probe",
            root=root,
            url=url,
            issuer=root + "/helseid",
            host="localhost:8000",
            form="path",
            exchange="exchange-1",
            moment=state.moment(real),
        )
    )


_LONG: Final = {
    "pid": IDENTITY + "pid",
    "level": IDENTITY + "security_level",
    "hpr": HPR,
    "parent": CLIENT + "orgnr_parent",
    "child": CLIENT + "orgnr_child",
    "attest": CLAIM,
}
_NUMBERS: Final = count(1)


def _change(place: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        if value is ABSENT:
            place.pop(name, None)
        else:
            place[name] = value
