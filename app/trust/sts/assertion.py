"""Client authentication by ``private_key_jwt`` (trust.md section 2.2, rulings C2 and C7–C12)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from app.store import clients as client_store
from app.store import grants as grant_store
from app.store.engine import Connection, ReplayKey
from app.trust import recall
from app.trust.dpop import Refuse, at_once
from app.trust.jose import b64encode
from app.trust.recall import Data
from app.trust.sts.clients import Client, Profile
from app.trust.sts.context import Context, Tolerance
from app.trust.sts.errors import StsError
from app.trust.sts.parameters import Parameters
from app.trust.sts.signed import CLIENT_TYP, check_audience, check_signature, read_jwt
from app.trust.sts.times import check_times
from app.values import per_request

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ERROR: Final = "invalid_client"
_MAX_JTI: Final = 512
_USED: Final = "used"
REPLAYED: Final = "the client assertion was used before"


@per_request
class Caller:
    """An authenticated client.

    ``key`` names the assertion, ``digest`` is its SHA-256, ``until`` the real time it is worthless after;
    ``state`` is what the store knew of it before.
    """

    client: Client
    profile: Profile
    claims: Mapping[str, Any]
    key: str
    digest: str
    until: float
    state: str | None


async def authenticate(context: Context, parameters: Parameters) -> Caller:
    """Who sent the request. Raises ``StsError("invalid_client")``; nothing is written yet (see ``settle``)."""
    text = parameters.get("client_assertion")
    if text is None or parameters.get("client_assertion_type") != ASSERTION_TYPE:
        raise StsError(_ERROR, "authenticate with private_key_jwt: client_assertion and client_assertion_type")
    caller = await examine(context, text, parameters.get("client_id"), at_once)
    assert caller is not None  # every reading without a caller has a fault
    return caller


async def examine(context: Context, text: str, sent: str | None, refuse: Refuse) -> Caller | None:
    """Judge a client assertion, giving each fault to ``refuse`` in the order of the wire (ruling R63).

    ``sent`` is the parameter ``client_id``. None when the JWT cannot be read or its client is unknown.
    """
    try:
        jwt = read_jwt(context, text, _ERROR)
    except StsError as error:
        refuse(error)
        return None
    client_id, jti = _identity(jwt.claims, sent, refuse)
    key = f"{len(client_id)}:{client_id}{jti}"
    sandbox = context.sandbox.id
    client = await _client(context, client_id)
    state = await context.core.store.read_one(lambda conn: grant_store.assertion_state(conn, sandbox, key))
    if client is None or not context.knows(client):
        refuse(StsError(_ERROR, "unknown client", found=client_id, expected="a client of this sandbox, not blocked"))
        return None
    context.trail.client_id = client_id
    context.trail.notes["assertion"] = _told(key, jwt.claims)
    profile = context.profile_of(client)
    tolerance = Tolerance(context, profile, _ERROR, refuse)
    check_signature(jwt, client, tolerance)
    _check_typ(jwt.header.get("typ"), tolerance)
    check_audience(jwt.claims, tolerance)
    until = check_times(jwt.claims, context.moment, tolerance)
    caller = Caller(client, profile, jwt.claims, key, b64encode(hashlib.sha256(text.encode()).digest()), until, state)
    _check_replay(caller, tolerance)
    return caller


def settle(conn: Connection, sandbox: str, caller: Caller, *, challenged: bool = False) -> bool:
    """Record the assertion as used, or as answered with a nonce challenge (ruling C2).

    False when another request with the same ``jti`` was first.
    """
    state = _challenged(caller.digest) if challenged else _USED
    return grant_store.settle_assertion(conn, sandbox, caller.key, state, caller.until, expected=caller.state)


def first_use(sandbox: str, caller: Caller) -> ReplayKey | None:
    """What ``settle`` claims when that is all it does: nothing was known of the assertion."""
    if caller.state is not None:
        return None
    return grant_store.assertion_key(sandbox, caller.key, _USED, caller.until)


def replayed() -> StsError:
    return StsError(_ERROR, REPLAYED)


async def _client(context: Context, client_id: str) -> Client | None:
    sandbox = context.sandbox

    def find(data: Data) -> Client | None:
        key = ("client", sandbox.id, client_id)
        return data.get(key, lambda conn: client_store.find(conn, sandbox.id, client_id), _is_known)

    return await recall.over(context.core, sandbox.stamp, find)


def _is_known(client: Client | None) -> bool:
    return client is not None


def _identity(claims: Mapping[str, Any], sent: str | None, refuse: Refuse) -> tuple[str, str]:
    issuer, subject, jti = claims.get("iss"), claims.get("sub"), claims.get("jti")
    if not isinstance(issuer, str) or not issuer or issuer != subject:
        text = "iss and sub must both be the client_id"
        refuse(StsError(_ERROR, text, found={"iss": issuer, "sub": subject}, expected="the same client_id in both"))
    if sent is not None and sent != subject:
        text = "client_id is not the subject of the client assertion"
        refuse(StsError(_ERROR, text, found=sent, expected=subject))
    if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_JTI or len(str(issuer)) > _MAX_JTI:
        text = f"the client assertion needs a jti of at most {_MAX_JTI} characters"
        refuse(StsError(_ERROR, text, found=jti, expected="a new jti in each assertion"))
    return str(issuer or subject or "")[:_MAX_JTI], str(jti or "")[:_MAX_JTI]


def _told(key: str, claims: Mapping[str, Any]) -> dict[str, Any]:
    """What the journal tells of an assertion: which one it was, in a way that cannot be undone, and its times."""
    digest = b64encode(hashlib.sha256(key.encode()).digest()[:9])
    return {"ref": digest, "iat": claims.get("iat"), "exp": claims.get("exp")}


def _check_typ(typ: object, tolerance: Tolerance) -> None:
    if typ == CLIENT_TYP:
        return
    if typ is not None and typ != "JWT":
        tolerance.refuse(f"typ must be {CLIENT_TYP}", found=typ, expected=CLIENT_TYP)
        return
    tolerance.risk("T-19", f"typ of the client assertion is not {CLIENT_TYP}")


def _check_replay(caller: Caller, tolerance: Tolerance) -> None:
    if caller.state is None:
        return
    if caller.state != _challenged(caller.digest) or tolerance.profile == "strict":
        tolerance.refuse(REPLAYED, found="a jti that was used before", expected="a new jti in each assertion")
        return
    tolerance.note("C2", "the client assertion was sent again after a nonce challenge")


def _challenged(digest: str) -> str:
    return "challenged:" + digest
