"""An authorization request: pushed (PAR) or, for clients that may, plain (trust.md section 2.3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from app.trust.sts.clients import CODE, REFRESH, Client
from app.trust.sts.context import Context, Tolerance
from app.trust.sts.enrich import check_request
from app.trust.sts.errors import StsError
from app.trust.sts.parameters import Parameters
from app.trust.sts.scopes import check_resources, check_scopes
from app.trust.sts.signed import CLIENT_TYP, check_audience, check_signature, read_jwt
from app.trust.sts.times import check_times

RESPONSE_MODES: Final = ("form_post", "query", "fragment")
_OBJECT_TYPES: Final = (None, "JWT", CLIENT_TYP, "oauth-authz-req+jwt")
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43,128}")
_THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_MAX_TEXT: Final = 8192
_MAX_HINT: Final = 200
_ERROR: Final = "invalid_request"


@dataclass(frozen=True, slots=True)
class AuthRequest:
    """A checked authorization request.

    ``structures`` came in a signed request object, received at ``received`` (real, sandbox); ``jkt`` is the key
    the code is bound to (RFC 9449 section 10); ``login`` the hint that logs a person in without a page.
    """

    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    code_challenge: str
    received: tuple[float, float]
    response_mode: str = "query"
    state: str | None = None
    nonce: str | None = None
    resources: tuple[str, ...] = ()
    structures: tuple[Mapping[str, Any], ...] = ()
    jkt: str | None = None
    login: str | None = None
    prompt: str | None = None
    locales: str | None = None

    def dump(self) -> dict[str, Any]:
        return asdict(self)


def load_request(body: Mapping[str, Any]) -> AuthRequest:
    """The request that ``dump`` gave."""
    known = {name: body[name] for name in AuthRequest.__dataclass_fields__}
    tuples = {name: tuple(body[name]) for name in ("scopes", "received", "resources", "structures")}
    return AuthRequest(**{**known, **tuples})


async def read_request(context: Context, client: Client, parameters: Parameters, jkt: str | None = None) -> AuthRequest:
    """Check an authorization request of ``client``; ``jkt`` is the key of a proof sent with it.

    Raises ``StsError``.
    """
    profile = context.profile_of(client)
    claims = _request_object(context, client, parameters.get("request"), Tolerance(context, profile, _ERROR))
    merged, conflicts = parameters.overlaid({name: claims[name] for name in _OVERLAID if name in claims})
    if conflicts:
        context.note("C19", "the request object and the form differ in " + ", ".join(conflicts))
    redirect_uri = check_redirect(client, merged.get("redirect_uri"))
    _check_grant(client, merged)
    _check_response_type(client, merged)
    scopes = merged.scopes()
    check_scopes(client, scopes)
    if "offline_access" in scopes and REFRESH not in client.grants:
        raise StsError("invalid_scope", "the client may not use refresh tokens")
    resources = merged.every("resource")
    check_resources(scopes, resources)
    _check_response_mode(client, merged)
    request = AuthRequest(
        client_id=client.id,
        redirect_uri=redirect_uri,
        scopes=scopes,
        code_challenge=_challenge(merged),
        received=(context.moment.real, context.moment.sandbox),
        response_mode=merged.get("response_mode") or "query",
        state=_bounded(merged, "state"),
        nonce=_bounded(merged, "nonce"),
        resources=resources,
        structures=await check_request(context, client, claims),
        jkt=_bound_key(merged.get("dpop_jkt"), jkt),
        prompt=_bounded(merged, "prompt"),
        locales=_bounded(merged, "ui_locales"),
    )
    return replace(request, login=_login(context, merged))


def is_loopback(uri: str) -> bool:
    """Whether a redirect goes to the caller's own machine; such need no registration here (trust.md section 2.3)."""
    try:
        parts = urlsplit(uri)
        return parts.scheme in ("http", "https") and parts.hostname in _LOOPBACK and "@" not in parts.netloc
    except ValueError:
        return False


def _check_grant(client: Client, _parameters: Parameters) -> None:
    if CODE not in client.grants:
        raise StsError("unauthorized_client", "the client may not use authorization_code")


def _check_response_type(_client: Client, parameters: Parameters) -> None:
    if parameters.get("response_type") != "code":
        raise StsError("unsupported_response_type", "response_type must be code")


def _check_response_mode(_client: Client, parameters: Parameters) -> None:
    if (parameters.get("response_mode") or "query") not in RESPONSE_MODES:
        raise StsError(_ERROR, "response_mode must be one of " + ", ".join(RESPONSE_MODES))


_OVERLAID: Final = (
    "response_type",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "resource",
    "code_challenge",
    "code_challenge_method",
    "response_mode",
    "login_hint",
    "acr_values",
    "prompt",
    "dpop_jkt",
    "ui_locales",
)


def _request_object(context: Context, client: Client, text: str | None, tolerance: Tolerance) -> Mapping[str, Any]:
    if text is None:
        return {}
    jwt = read_jwt(context, text, _ERROR)
    claims = jwt.claims
    if jwt.header.get("typ") not in _OBJECT_TYPES:
        raise StsError(_ERROR, "typ of the request object is not accepted")
    if claims.get("iss") != client.id or claims.get("client_id", client.id) != client.id:
        raise StsError(_ERROR, "iss and client_id of the request object must be the client_id")
    check_signature(jwt, client, tolerance)
    check_audience(claims, tolerance)
    check_times(claims, context.moment, tolerance)
    return claims


def check_redirect(client: Client, uri: str | None) -> str:
    """The redirect address, if it is the client's. Raises ``StsError`` (T-29, ruling R11)."""
    if uri is None:
        raise StsError("unauthorized_client", "redirect_uri is missing")
    if uri in client.redirect_uris:
        return uri
    if len(uri) > _MAX_TEXT or not uri.isprintable() or "#" in uri or not is_loopback(uri):
        raise StsError(_ERROR, "redirect_uri is not registered for the client")
    return uri


def _challenge(parameters: Parameters) -> str:
    challenge = parameters.get("code_challenge")
    if challenge is None:
        raise StsError(_ERROR, "code_challenge is missing")
    if parameters.get("code_challenge_method") != "S256":
        raise StsError(_ERROR, "code_challenge_method must be S256")
    if not _CHALLENGE.fullmatch(challenge):
        raise StsError(_ERROR, "code_challenge must be 43 to 128 base64url characters")
    return challenge


def _bounded(parameters: Parameters, name: str) -> str | None:
    value = parameters.get(name)
    if value is not None and len(value) > _MAX_TEXT:
        raise StsError(_ERROR, f"{name} is longer than {_MAX_TEXT} characters")
    return value


def _bound_key(named: str | None, proven: str | None) -> str | None:
    if named is not None and not _THUMBPRINT.fullmatch(named):
        raise StsError(_ERROR, "dpop_jkt must be a SHA-256 thumbprint in base64url")
    if named is not None and proven is not None and named != proven:
        raise StsError("invalid_dpop_proof", "dpop_jkt is not the thumbprint of the proof's key")
    return named or proven


def _login(context: Context, parameters: Parameters) -> str | None:
    """The login without a page: ``login_hint`` (R26), or Kjernejournal's ``test_pid`` (C32) in the same form."""
    hint = parameters.get("login_hint")
    pid = parameters.get("test_pid")
    if pid is not None and "idp:testidp-oidc" in (parameters.get("acr_values") or "").split():
        context.note("C32", "test_pid logs a person in without a page")
        hint = f"{pid} level:{parameters.get('test_security_level') or '4'}"
    if hint is not None and len(hint) > _MAX_HINT:
        raise StsError(_ERROR, f"login_hint is longer than {_MAX_HINT} characters")
    return hint


CHECKS: Final[tuple[Callable[[Client, Parameters], object], ...]] = (
    lambda client, parameters: check_redirect(client, parameters.get("redirect_uri")),
    _check_grant,
    _check_response_type,
    lambda client, parameters: check_scopes(client, parameters.scopes()),
    lambda _client, parameters: check_resources(parameters.scopes(), parameters.every("resource")),
    _check_response_mode,
    lambda _client, parameters: _challenge(parameters),
    lambda _client, parameters: _bounded(parameters, "state"),
    lambda _client, parameters: _bounded(parameters, "nonce"),
)
"""The checks of plain parameters, each by itself, for telling all that is wrong (ruling R63)."""
