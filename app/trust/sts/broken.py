"""A token made anew with other claims, or broken in one of the test-token service's ways (trust.md section 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import anyio.to_thread

from app.core import Core
from app.trust import issuer_keys
from app.trust.jose import Key, generate_key, import_key
from app.trust.sts import ttt
from app.trust.sts.personas import DEFAULT_PERSONA, PERSONAS
from app.trust.sts.ttt_claims import World
from app.trust.sts.ttt_request import ProofRequest, Source, TokenRequest, TttError
from app.trust.trail import Trail

_GIVEN: Final = Source(default=False, given=True)
_FOREIGN: Final = ("ttt-foreign-key",)


async def remake(
    core: Core,
    trail: Trail,
    claims: Mapping[str, Any],
    jwk: Mapping[str, Any],
    *,
    changes: Mapping[str, Any],
    fault: str | None,
    proof_for: tuple[str, str] | None,
) -> ttt.Built:
    """The ``claims`` with ``changes`` (None takes one away) signed anew, with ``fault``, a name of the batch.

    ``proof_for`` is the method and URL that a proof with ``jwk`` is made for. Raises ``TttError`` for a fault
    that is unknown, or of a proof when there is none.
    """
    call = trail.call
    made = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    request = TokenRequest(
        audience=str(made.get("aud")),
        persona=PERSONAS[DEFAULT_PERSONA],
        client_source=_GIVEN,
        user_source=_GIVEN,
        client={},
        user={},
        lifetime=call.sandbox.settings.access_token_seconds,
        proof=None if proof_for is None else ProofRequest(proof_for[1].partition("?")[0], proof_for[0], jwk),
    )
    if fault is not None:
        broken = ttt.fault_named(fault).change(request)
        if broken == request or (proof_for is None and ttt.is_proof_fault(fault)):
            raise TttError("that fault is one of a proof: give url, and a service that takes DPoP")
        request = broken
    world = World(
        issuer=call.issuer,
        now=int(call.moment.sandbox),
        ids=core.ids,
        secret=await issuer_keys.secret(core),
        sandbox=call.sandbox.id,
    )
    signing = await issuer_keys.signing_key(core, call.sandbox)
    foreign = await foreign_key(core) if ttt.needs_foreign_key(request) else signing.key
    return ttt.rebuild(made, request, world, ttt.Keys(signing, foreign, jwk))


async def foreign_key(core: Core) -> Key:
    """A key nobody trusts, made once a process: an RSA key takes some fifty milliseconds."""
    known = core.misc.get(_FOREIGN, core.clock.time())
    if isinstance(known, Key):
        return known
    made = import_key(await anyio.to_thread.run_sync(generate_key, issuer_keys.ALGORITHM))
    core.misc.put(_FOREIGN, made)
    return made
