"""DPoP proofs at the issuer: which are demanded, how old they may be, and the nonce (rulings C3–C5, C30, R30)."""

from __future__ import annotations

from typing import Final

from app.trust import issuer_keys
from app.trust.dpop import Proof, ProofFault, check_window, read_proof
from app.trust.sts import nonce
from app.trust.sts.clients import Client
from app.trust.sts.context import Context
from app.trust.sts.errors import StsError

PAST: Final = 60.0
AHEAD: Final = 5.0
REPLAY_SECONDS: Final = PAST + AHEAD
CHALLENGE: Final = "use_dpop_nonce"


def read(context: Context, values: tuple[str, ...], method: str) -> Proof | None:
    """The proof of the request, None without a ``DPoP`` header. Raises ``StsError("invalid_dpop_proof")``."""
    if not values:
        return None
    try:
        proof = read_proof(
            values,
            method=method,
            url=context.trail.call.url,
            cache=context.core.keys,
            max_bytes=context.settings.max_jwt_bytes,
            note=context.note,
        )
        context.trail.proof = dict(proof.claims)
        check_window(proof, context.moment, PAST, AHEAD)
    except ProofFault as fault:
        raise StsError("invalid_dpop_proof", fault.text) from fault
    return proof


def demand(context: Context, client: Client, proof: Proof | None) -> None:
    """A client without a proof must be one that may have unbound tokens. Raises ``StsError("invalid_request")``."""
    if proof is not None:
        return
    if client.dpop == "required":
        raise StsError("invalid_request", "the DPoP header is missing")
    context.note("C25", "the token is not bound to a key: the client sent no DPoP proof")


async def demand_nonce(context: Context, proof: Proof) -> None:
    """Raises ``StsError("use_dpop_nonce")`` with a new nonce when the proof has none that is valid now."""
    secret = await issuer_keys.secret(context.core)
    sandbox, now = context.sandbox.id, context.moment.sandbox
    if proof.nonce is not None and nonce.valid(secret, sandbox, proof.nonce, now, context.settings.nonce_seconds):
        return
    raise StsError(
        CHALLENGE,
        "the DPoP proof must have the nonce of the DPoP-Nonce header",
        extra={"DPoP-Nonce": nonce.issue(secret, sandbox, now)},
    )
