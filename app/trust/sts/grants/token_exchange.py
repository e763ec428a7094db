"""Token exchange (RFC 8693): an API acts on towards another API for the user or client that called it (T-43, T-44)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.trust.sts.enrich import Enriched
from app.trust.sts.errors import StsError
from app.trust.sts.grants.base import Ask, Plan
from app.trust.sts.issued import read_issued
from app.trust.sts.scopes import api_scopes, check_machine_scopes, check_resources, check_scopes, narrow
from app.trust.sts.structures import OrgClaims
from app.trust.sts.subject import Subject
from app.trust.sts.tokens import (
    ATTEST,
    HPR_NUMBER,
    JOURNAL_ID,
    NETWORK,
    ORGNR_CHILD,
    ORGNR_PARENT,
    ORGNR_SUPPLIER,
    PID,
    SECURITY_LEVEL,
    Content,
)

ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"
_ERROR = "invalid_request"


async def handle(ask: Ask) -> Plan:
    """Exchange a token whose audience is the client's own API for one to another API.

    User and organisation stay those of the subject token; ``act`` names the client that exchanged it
    (trust.md section 3.2, inferred).
    """
    client = ask.caller.client
    claims = await _subject_claims(ask)
    scopes = ask.parameters.scopes() or api_scopes(client.scopes)
    check_machine_scopes(scopes)
    check_scopes(client, scopes)
    resources = ask.parameters.every("resource")
    check_resources(scopes, resources)
    act = {"iss": ask.context.issuer, "client_id": client.id}
    if client.orgnr_parent is not None:
        act[ORGNR_PARENT] = client.orgnr_parent
    orgs = OrgClaims(_text(claims, ORGNR_PARENT), _text(claims, ORGNR_CHILD), _text(claims, ORGNR_SUPPLIER))
    attest = claims.get(ATTEST)
    enriched = Enriched(orgs, attest if isinstance(attest, dict) else None, _text(claims, JOURNAL_ID))
    content = Content(client, narrow(scopes, resources), _subject(claims), enriched, ask.jkt, act)
    return Plan(content, extra={"issued_token_type": ACCESS_TOKEN_TYPE})


async def _subject_claims(ask: Ask) -> Mapping[str, Any]:
    token = ask.parameters.get("subject_token")
    if token is None or ask.parameters.get("subject_token_type") != ACCESS_TOKEN_TYPE:
        raise StsError(_ERROR, f"subject_token and subject_token_type={ACCESS_TOKEN_TYPE} are needed")
    claims = await read_issued(ask.context, token)
    if claims is None:
        raise StsError(_ERROR, "the subject token is not valid here, or has expired")
    aud = claims.get("aud")
    audiences = _texts(aud if isinstance(aud, list) else [aud])
    if ask.caller.client.audiences.isdisjoint(audiences):
        raise StsError(_ERROR, "the subject token is not for an API of this client")
    return claims


def _subject(claims: Mapping[str, Any]) -> Subject | None:
    if "sub" not in claims:
        return None
    return Subject(
        pid=_text(claims, PID) or "",
        sub=str(claims["sub"]),
        sid=str(claims.get("sid", "")),
        auth_time=_whole(claims.get("auth_time")),
        given=_text(claims, "given_name") or "",
        middle=_text(claims, "middle_name") or "",
        family=_text(claims, "family_name") or "",
        hpr=_text(claims, HPR_NUMBER),
        level=_whole(claims.get(SECURITY_LEVEL)),
        network=_text(claims, NETWORK) or "",
        idp=_text(claims, "idp") or "",
        amr=_texts(claims.get("amr")),
    )


def _whole(value: object) -> int:
    # The test-token service signs what it is told to, so a token of ours may hold anything.
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        return int(value)
    return value if isinstance(value, int) else 0


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    return value if isinstance(value, str) else None
