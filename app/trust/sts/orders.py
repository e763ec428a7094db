"""A token on order: for a persona, ready to use, without the dance (design section 8).

What it carries is what the real flow would give the same person and client.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from app import addresses
from app.core import Core
from app.directory import BY_NAME, AccessRule
from app.errors import Reason, Refusal
from app.ids import new_uuid
from app.store import clients
from app.trust.jose import Key, access_token_hash, generate_key, import_key, public_members, sign
from app.trust.sts.broken import remake
from app.trust.sts.clients import Client
from app.trust.sts.context import Context
from app.trust.sts.errors import StsError
from app.trust.sts.login import Hint, log_in, read_hint
from app.trust.sts.scopes import check_scopes
from app.trust.sts.structures import Structure
from app.trust.sts.subject import Subject
from app.trust.sts.tokens import mint
from app.trust.sts.ttt_request import TttError
from app.trust.trail import Trail

ATTEST: Final = "nhn:tillitsrammeverk:parameters"
_ENH: Final = "urn:oid:2.16.578.1.12.4.1.4.101"
_PERSON_CLIENT: Final = "sandkasse-epj"
_MACHINE_CLIENT: Final = "sandkasse-maskin"
_DEFAULT_SCOPE: Final = "nhn:pps/provesvar-read"
_LOGIN_SCOPES: Final = ("openid", "profile")
_SHORT_FORM: Final = frozenset({"purpose", "decision_ref", "user_selected", "authorization", "healthcare_service"})


async def fill_order(core: Core, trail: Trail, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """Mint what is ``wanted``: any of ``persona`` (a login hint, R26), ``client``, ``scopes``, ``method``, ``url``,
    ``attest``, ``claims``, ``fault``. Without scopes the service at ``url`` decides them.

    Gives ``access_token``, ``token_type``, ``expires_in``, ``claims``, ``dpop_key`` (private JWK) and, with
    ``url``, ``headers`` for one request. Raises ``Refusal``: NOT_FOUND for an unknown client or persona,
    CONTENT_INVALID for what the issuer would refuse.
    """
    context = Context(core, trail)
    try:
        return await _filled(context, wanted)
    except StsError as error:
        raise Refusal(Reason.CONTENT_INVALID, f"{error.error}: {error.description}") from error
    except TttError as error:
        raise Refusal(Reason.CONTENT_INVALID, str(error), extra={"pointer": "/fault"}) from error


async def _filled(context: Context, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    core, persona = context.core, wanted.get("persona")
    client = await _client(context, wanted.get("client") or (_PERSON_CLIENT if persona else _MACHINE_CLIENT))
    subject = await _subject(context, persona)
    rule = _rule_at(wanted.get("url"))
    scopes = tuple(wanted.get("scopes") or ()) or _scopes_of(rule, subject is not None)
    check_scopes(client, scopes)
    structures = _structures(context, client, subject, rule, wanted.get("attest"))
    bound = rule is None or "DPoP" in rule.schemes
    jwk = generate_key("ES256")
    key = import_key(jwk)
    made = await mint(
        core,
        context.trail,
        client=client,
        subject=subject,
        scopes=scopes,
        structures=structures,
        jkt=key.thumbprint if bound else None,
    )
    token, proof, method, url = made.token, "", wanted.get("method") or "GET", wanted.get("url")
    if wanted.get("claims") or wanted.get("fault"):
        remade = await remake(
            core,
            context.trail,
            made.claims,
            jwk,
            changes=wanted.get("claims") or {},
            fault=wanted.get("fault"),
            proof_for=(method, str(url)) if bound and url else None,
        )
        token, proof = remade.token, remade.proof
    elif bound and url:
        proof = _proof(context, jwk, key, token, method, str(url))
    answer: dict[str, Any] = {
        "access_token": token,
        "token_type": "DPoP" if bound else "Bearer",
        "expires_in": made.expires_in,
        "claims": {**made.claims, **(wanted.get("claims") or {})},
    }
    if bound:
        answer["dpop_key"] = jwk
    if url:
        answer["headers"] = {"Authorization": f"{answer['token_type']} {token}"}
        if bound:
            answer["headers"]["DPoP"] = proof
    return answer


def _proof(context: Context, jwk: Mapping[str, Any], key: Key, token: str, method: str, url: str) -> str:
    claims = {
        "jti": new_uuid(context.core.ids),
        "htm": method,
        "htu": url.partition("?")[0].partition("#")[0],
        "iat": int(context.moment.real),
        "ath": access_token_hash(token),
    }
    return sign({"typ": "dpop+jwt", "alg": "ES256", "jwk": public_members(jwk)}, claims, key)


async def _client(context: Context, client_id: str) -> Client:
    sandbox = context.sandbox.id
    found = await context.core.store.read(lambda conn: clients.find(conn, sandbox, client_id))
    if found is None:
        raise Refusal(Reason.NOT_FOUND, "no client of that id is registered in this sandbox")
    return found


async def _subject(context: Context, persona: str | None) -> Subject | None:
    if persona is None:
        return None
    hint: Hint = read_hint(persona)
    try:
        return await log_in(context, hint)
    except StsError as error:
        raise Refusal(Reason.NOT_FOUND, "no such persona in this sandbox") from error


def _rule_at(url: object) -> AccessRule | None:
    if not isinstance(url, str):
        return None
    parts = urlsplit(url)
    where = addresses.resolve(parts.scheme, parts.netloc, parts.path)
    entry = BY_NAME.get(where.service)
    return entry.rule if entry is not None and entry.rule.grants else None


def _scopes_of(rule: AccessRule | None, person: bool) -> tuple[str, ...]:
    if rule is None:
        chosen: tuple[str, ...] = (_DEFAULT_SCOPE,)
    else:
        chosen = tuple(scope for _, scope in (rule.grants if rule.every_scope else rule.grants[:1]))
    return (*_LOGIN_SCOPES, *chosen) if person else chosen


def _structures(
    context: Context, client: Client, subject: Subject | None, rule: AccessRule | None, attest: Mapping[str, Any] | None
) -> list[Structure]:
    parent = client.orgnr_parent or next(iter(client.delegations), None)
    child = next(iter(client.children), None)
    found: list[Structure] = []
    if client.tenancy == "multi-tenant" and parent is not None:
        found.append(_organisation("urn:oid:1.0.6523", f"NO:ORGNR:{parent}:"))
    elif child is not None:
        found.append(_organisation(_ENH, child))
    demanded = rule is not None and rule.attest == "required"
    if subject is not None and parent is not None and (attest is not None or demanded):
        found.append(_attest(context, subject, parent, child or parent, attest or {}))
    return found


def _organisation(system: str, value: str) -> Structure:
    identifier = {"system": system, "type": "ENH", "value": value}
    return {"type": "helseid_authorization", "practitioner_role": {"organization": {"identifier": identifier}}}


def _attest(context: Context, subject: Subject, parent: str, child: str, given: Mapping[str, Any]) -> Structure:
    """The attest as sent: ``given`` whole when it has ``practitioner``, else its short form over a sound one."""
    if "practitioner" in given:
        return {"type": ATTEST, **given}
    unknown = set(given) - _SHORT_FORM
    if unknown:
        raise Refusal(Reason.CONTENT_INVALID, f"attest takes {', '.join(sorted(_SHORT_FORM))}, or a whole structure")
    practitioner: dict[str, Any] = {
        "legal_entity": {"id": parent, "system": _ENH},
        "point_of_care": {"id": child, "system": _ENH},
    }
    code = given.get("authorization") or next(iter(sorted(subject.authorizations)), None)
    if code is not None:
        practitioner["authorization"] = {"code": code, "system": "urn:oid:2.16.578.1.12.4.1.1.9060"}
    return {
        "type": ATTEST,
        "practitioner": practitioner,
        "care_relationship": {
            "healthcare_service": {
                "code": given.get("healthcare_service", "S03"),
                "system": "urn:oid:2.16.578.1.12.4.1.1.8655",
            },
            "purpose_of_use": {
                "code": given.get("purpose", "TREAT"),
                "system": "urn:oid:2.16.840.1.113883.1.11.20448",
            },
            "decision_ref": {
                "id": given.get("decision_ref") or new_uuid(context.core.ids),
                "user_selected": given.get("user_selected", False),
            },
        },
        "patients": [],
    }
