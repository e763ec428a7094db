"""Everything that is wrong with a request to the token or PAR endpoint; nothing is used up or written (ruling R63)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from app.trust.dpop import Proof, ProofFault, Refuse, check_window, judge_proof
from app.trust.sts import assertion, proof, request, token
from app.trust.sts.assertion import ASSERTION_TYPE
from app.trust.sts.context import Context
from app.trust.sts.errors import StsError
from app.trust.sts.grants.base import Ask
from app.trust.sts.parameters import Parameters

PAR: Final = "/connect/par"
TOKEN: Final = "/connect/token"
ENDPOINTS: Final = (PAR, TOKEN)


async def examine(
    context: Context, endpoint: str, form: Iterable[tuple[str, str]], proofs: tuple[str, ...], refuse: Refuse
) -> None:
    """Judge a request to ``endpoint``, one of ``ENDPOINTS``: client, proof, nonce, then what is asked for."""
    parameters = Parameters(form)
    caller = await _caller(context, parameters, refuse)
    shown = _proof(context, proofs, refuse)
    if caller is None:
        return
    if endpoint == PAR:
        jkt = shown.jkt if shown is not None else None
        await _tried(lambda: request.read_request(context, caller.client, parameters, jkt), refuse)
        for check in request.CHECKS:
            _attempt(lambda check=check: check(caller.client, parameters), refuse)  # type: ignore[misc]
        return
    _attempt(lambda: proof.demand(context, caller.client, shown), refuse)
    if shown is not None:
        await _tried(lambda: proof.demand_nonce(context, shown), refuse)
    await _tried(lambda: token.plan(Ask(context, caller, parameters, shown)), refuse)


async def _caller(context: Context, parameters: Parameters, refuse: Refuse) -> assertion.Caller | None:
    kind = parameters.get("client_assertion_type")
    if kind != ASSERTION_TYPE:
        wrong = "client_assertion_type must name private_key_jwt"
        refuse(StsError("invalid_client", wrong, found=kind, expected=ASSERTION_TYPE))
    text = parameters.get("client_assertion")
    if text is None:
        refuse(StsError("invalid_client", "client_assertion is missing", expected="a JWT signed with the client's key"))
        return None
    return await assertion.examine(context, text, parameters.get("client_id"), refuse)


def _proof(context: Context, values: tuple[str, ...], refuse: Refuse) -> Proof | None:
    if not values:
        return None
    shown = judge_proof(
        values,
        refuse,
        method="POST",
        url=context.trail.call.url,
        cache=context.core.keys,
        max_bytes=context.settings.max_jwt_bytes,
        note=context.note,
    )
    if shown is not None:
        check_window(shown, context.moment, proof.PAST, proof.AHEAD, refuse)
    return shown


def _attempt(check: Callable[[], object], refuse: Refuse) -> None:
    try:
        check()
    except (StsError, ProofFault) as fault:
        refuse(fault)


async def _tried(check: Callable[[], Awaitable[object]], refuse: Refuse) -> None:
    try:
        await check()
    except StsError as fault:
        refuse(fault)
