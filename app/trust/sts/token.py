"""The token endpoint: client, proof, nonce, grant, in this order (ruling C3); one durable write a request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from app.core import Core
from app.store import grants as store
from app.store.engine import Connection, Replayed, Unit
from app.trust.dpop import REPLAY_TEXT, Proof
from app.trust.sts import assertion, proof
from app.trust.sts.assertion import Caller
from app.trust.sts.clients import GRANTS
from app.trust.sts.context import Context
from app.trust.sts.errors import StsError
from app.trust.sts.grants import HANDLERS
from app.trust.sts.grants.base import Ask, Plan, nothing
from app.trust.sts.parameters import Parameters
from app.trust.sts.tokens import access_token, id_token
from app.trust.trail import Trail

UNSERVED_GRANTS: Final = (
    "implicit",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:openid:params:grant-type:ciba",
)
"""Grants that the metadata name as HelseID's do, and no client here has."""


async def token(core: Core, trail: Trail, form: Iterable[tuple[str, str]], proofs: tuple[str, ...]) -> dict[str, Any]:
    """Answer a token request; ``proofs`` are the values of its ``DPoP`` headers. Raises ``StsError``."""
    context, parameters = Context(core, trail), Parameters(form)
    caller = await assertion.authenticate(context, parameters)
    try:
        shown = proof.read(context, proofs, "POST")
        proof.demand(context, caller.client, shown)
        if shown is not None:
            await proof.demand_nonce(context, shown)
        planned = await plan(Ask(context, caller, parameters, shown))
    except StsError as error:
        # An answered assertion is used up, whatever the answer, but for a nonce challenge (ruling C2).
        challenged = error.error == proof.CHALLENGE
        await core.store.write(lambda conn: assertion.settle(conn, context.sandbox.id, caller, challenged=challenged))
        raise
    refused = await _settled(context, caller, shown, planned)
    if refused is not None:
        raise refused
    return await _answer(context, planned)


async def plan(ask: Ask) -> Plan:
    """What the grant would write and answer; nothing is written yet. Raises ``StsError``."""
    grant = ask.parameters.get("grant_type")
    if grant not in GRANTS and grant not in UNSERVED_GRANTS:
        raise StsError("unsupported_grant_type", "grant_type is missing or not supported")
    if grant not in ask.caller.client.grants:
        raise StsError("unauthorized_client", f"the client may not use {grant}")
    return await HANDLERS[grant](ask)


async def _settled(context: Context, caller: Caller, shown: Proof | None, plan: Plan) -> StsError | None:
    """Assertion and proof are used up, and what the grant remembers is written; or why that may not be."""
    sandbox, database = context.sandbox.id, context.core.store
    first = assertion.first_use(sandbox, caller)
    if plan.work is not nothing or first is None:
        return await database.write(lambda conn: _record(conn, context, caller, shown, plan))
    # Single-use keys alone: the writer claims those of many requests in one step.
    keys = [first]
    if shown is not None:
        keys.append(store.proof_key(sandbox, shown.jkt, shown.jti, _until(context, shown)))
    try:
        await database.commit(Unit(replay=tuple(keys)))
    except Replayed as replay:
        return assertion.replayed() if store.ASSERTION in replay.kinds else _proof_replayed()
    return None


def _record(conn: Connection, context: Context, caller: Caller, shown: Proof | None, plan: Plan) -> StsError | None:
    sandbox = context.sandbox.id
    if not assertion.settle(conn, sandbox, caller):
        return assertion.replayed()
    if shown is not None and not store.claim_proof(conn, sandbox, shown.jkt, shown.jti, _until(context, shown)):
        return _proof_replayed()
    return plan.work(conn)


def _until(context: Context, shown: Proof) -> float:
    return max(shown.iat, context.moment.real) + proof.REPLAY_SECONDS


def _proof_replayed() -> StsError:
    return StsError("invalid_dpop_proof", REPLAY_TEXT)


async def _answer(context: Context, plan: Plan) -> dict[str, Any]:
    content = plan.content
    minted = await access_token(context, content)
    context.trail.notes["issued"] = {name: minted.claims.get(name) for name in ("jti", "aud", "scope", "exp")}
    answer: dict[str, Any] = {
        "access_token": minted.token,
        "token_type": "DPoP" if content.jkt is not None else "Bearer",
        "expires_in": minted.expires_in,
        "scope": " ".join(content.scopes),
        "rejected_scope": " ".join(content.rejected),
    }
    if plan.id_token is not None:
        wanted = plan.id_token
        answer["id_token"] = await id_token(context, content, minted.token, nonce=wanted.nonce, state=wanted.state)
    if plan.refresh is not None:
        answer["refresh_token"] = plan.refresh.token
        answer["rt_expires_in"] = int(plan.refresh.expires - context.moment.sandbox)
    return {**answer, **plan.extra}
