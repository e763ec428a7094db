"""HelseID's test-token service: ready access tokens and DPoP proofs, sound or broken on demand (trust.md section 6)."""

from __future__ import annotations

import hmac
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request, Response

from app.core import Core
from app.errors import Reason, Refusal
from app.routers.common import read_body, single, trail_of
from app.store import installation, registers
from app.trust import issuer_keys
from app.trust.jose import Key, generate_key
from app.trust.sts import ttt
from app.trust.sts.broken import foreign_key
from app.trust.sts.ttt_claims import World, effective_pid, organisations_named
from app.trust.sts.ttt_request import TokenRequest, TttError, read_request
from app.trust.trail import Trail

KEY_HEADER: Final = "X-Auth-Key"
AUDIENCE_HEADER: Final = "Audience"
PATHS: Final = ("/v2/create-test-token-with-key", "/create-test-token-with-key")
_PROOF_KEY: Final = "ttt-dpop-key"
_STATUS: Final = {Reason.BODY_TOO_LARGE: 413, Reason.STORE_UNAVAILABLE: 503}

_DESCRIPTION: Final = (
    "Makes an access token signed with the sandbox's issuer key, and a DPoP proof for it, from a JSON description. "
    "Members may be written in any case; enumerations are numbers or names. `batch: true` gives one token for every "
    "fault with the status an API must answer."
)
_EXAMPLE: Final = {
    "audience": "nhn:pps",
    "persona": "sykehuslege",
    "createDPoPTokenWithDPoPProof": True,
    "dPoPProofParameters": {
        "htuClaimValue": "http://localhost:8000/pps/v2/DiagnosticReport/_search",
        "htmClaimValue": "POST",
    },
}
_OPENAPI: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": KEY_HEADER,
            "in": "header",
            "required": True,
            "schema": {"type": "string"},
            "description": "The setting `ttt_key`.",
            "example": "sandkasse",
        },
        {
            "name": AUDIENCE_HEADER,
            "in": "header",
            "required": False,
            "schema": {"type": "string"},
            "description": "Audience, when the body names none (older clients).",
        },
    ],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}, "example": _EXAMPLE}},
    },
}


def create(core: Core) -> FastAPI:
    """The application of the service ``helseid-ttt``."""
    app = FastAPI(title="HelseID test-token service", description=_DESCRIPTION, docs_url=None, redoc_url=None)

    async def create_test_token(request: Request) -> Response:
        trail = trail_of(request)
        try:
            _check_key(request, trail)
            body = await read_body(request, trail.call.sandbox.settings.max_body_bytes)
            asked = read_request(body, single(request, AUDIENCE_HEADER))
            return _answer(await _made(core, trail, asked))
        except TttError as error:
            return _refused(trail, Reason.BODY_INVALID, 400, str(error))
        except Refusal as refusal:
            return _refused(trail, refusal.reason, _STATUS.get(refusal.reason, 400), refusal.detail)
        except _KeyRefused as error:
            return _refused(trail, Reason.ADMIN_KEY_INVALID, 401, str(error))

    responses: dict[int | str, dict[str, Any]] = {
        200: {"description": "The token and the proof."},
        400: {"description": "The request cannot be made a token of; `errorResponse.errorMessage` says why."},
        401: {"description": f"{KEY_HEADER} is missing or wrong."},
        413: {"description": "The body is too large."},
    }
    for path in PATHS:
        app.add_api_route(
            path,
            create_test_token,
            methods=["POST"],
            summary="Create a test token",
            operation_id="createTestToken" + ("V2" if path.startswith("/v2") else "V1"),
            responses=responses,
            openapi_extra=_OPENAPI,
            response_class=Response,
        )
    return app


class _KeyRefused(Exception):
    """The key header is missing or wrong."""


def _check_key(request: Request, trail: Trail) -> None:
    sent = (single(request, KEY_HEADER) or "").encode()
    if not hmac.compare_digest(sent, trail.call.sandbox.settings.ttt_key.encode()):
        raise _KeyRefused(f"{KEY_HEADER} is missing or wrong")


async def _made(core: Core, trail: Trail, asked: TokenRequest) -> dict[str, Any]:
    for name in asked.ignored:
        trail.note("C37", f"the member {name} is not known and was ignored")
    world = await _world(core, trail, asked)
    keys = ttt.Keys(
        signing=await issuer_keys.signing_key(core, trail.call.sandbox),
        foreign=await foreign_key(core) if ttt.needs_foreign_key(asked) else await _own_key(core, trail),
        proof=await _proof_key(core),
    )
    built = ttt.build(asked, world, keys)
    answer: dict[str, Any] = {
        "isError": False,
        "successResponse": {"accessTokenJwt": built.token, "dPoPProof": built.proof},
        "errorResponse": {"errorMessage": ""},
    }
    if asked.batch:
        answer["batch"] = ttt.batch(asked, world, keys)
    return answer


async def _world(core: Core, trail: Trail, asked: TokenRequest) -> World:
    call, pid = trail.call, effective_pid(asked)
    numbers = organisations_named(asked)
    person, practitioner, organisations = await core.store.read(
        lambda conn: (
            registers.person_by_nin(conn, call.sandbox.id, pid) if pid else None,
            registers.practitioner_by_pid(conn, call.sandbox.id, pid) if pid else None,
            [registers.organisation(conn, call.sandbox.id, number) for number in sorted(numbers)],
        )
    )
    return World(
        issuer=call.issuer,
        now=int(call.moment.sandbox),
        ids=core.ids,
        secret=await issuer_keys.secret(core),
        sandbox=call.sandbox.id,
        attest_max_age=call.sandbox.settings.attest_max_age,
        person=person,
        practitioner=practitioner,
        organisations={record.orgnr: record for record in organisations if record is not None},
    )


async def _own_key(core: Core, trail: Trail) -> Key:
    return (await issuer_keys.signing_key(core, trail.call.sandbox)).key


async def _proof_key(core: Core) -> dict[str, Any]:
    """The installation's own DPoP key, made at first use and kept."""
    stored = await core.store.read(lambda conn: installation.value(conn, _PROOF_KEY))
    if stored is None:
        made = orjson.dumps(generate_key("ES256"))
        stored = await core.store.write(lambda conn: installation.ensure(conn, _PROOF_KEY, lambda: made))
    key: dict[str, Any] = orjson.loads(stored)
    return key


def _answer(value: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


def _refused(trail: Trail, reason: Reason, status: int, message: str) -> Response:
    trail.reason, trail.detail = reason, message
    return error(status, message)


def error(status: int, message: str) -> Response:
    """The service's form of an error."""
    return _answer(
        {
            "isError": True,
            "successResponse": {"accessTokenJwt": "", "dPoPProof": ""},
            "errorResponse": {"errorMessage": message},
        },
        status,
    )
