"""Pushed authorization requests (RFC 9126, trust.md section 2.3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from app.core import Core
from app.ids import new_token
from app.store import grants as store
from app.store.engine import Connection
from app.trust.sts import assertion, proof
from app.trust.sts.context import Context
from app.trust.sts.errors import StsError
from app.trust.sts.parameters import Parameters
from app.trust.sts.request import read_request
from app.trust.trail import Trail

URI_PREFIX: Final = "urn:ietf:params:oauth:request_uri:"


async def push(core: Core, trail: Trail, form: Iterable[tuple[str, str]], proofs: tuple[str, ...]) -> dict[str, Any]:
    """Check and remember an authorization request; a proof binds its code (ruling C30). Raises ``StsError``."""
    context, parameters = Context(core, trail), Parameters(form)
    caller = await assertion.authenticate(context, parameters)
    sandbox = context.sandbox.id
    try:
        if parameters.get("request_uri") is not None:
            raise StsError("invalid_request", "request_uri may not be pushed")
        shown = proof.read(context, proofs, "POST")
        request = await read_request(context, caller.client, parameters, shown.jkt if shown is not None else None)
    except StsError:
        await core.store.write(lambda conn: assertion.settle(conn, sandbox, caller))
        raise
    handle, now = new_token(core.ids), context.moment.sandbox
    seconds = context.settings.par_seconds

    def record(conn: Connection) -> StsError | None:
        if not assertion.settle(conn, sandbox, caller):
            return assertion.replayed()
        store.sweep(conn, sandbox, now)
        store.keep(conn, sandbox, "par", handle, request.dump(), now + seconds)
        return None

    refused = await core.store.write(record)
    if refused is not None:
        raise refused
    return {"request_uri": URI_PREFIX + handle, "expires_in": seconds}
