"""``/explain``: everything that is wrong with a request, a token, a proof or a client assertion, without sending it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Final
from urllib.parse import unquote, urlsplit

import orjson
from fastapi import APIRouter, Request
from pydantic import ConfigDict, Field, model_validator

from app import addresses, identity
from app.core import Core
from app.directory import BY_NAME, Service
from app.errors import Reason, Refusal
from app.routers.common import SCOPE_KEY, call_of, trail_of
from app.routers.control.ports import Ports
from app.routers.journal import redact
from app.routers.problems import limited_router, responses
from app.sandboxes.forms import Body
from app.trust.examine import (
    Flaw,
    Flaws,
    examine_assertion,
    examine_decision,
    examine_proof,
    examine_token,
)
from app.trust.explanation import rules
from app.trust.policy import Decision
from app.trust.trail import Trail

_DIGITS: Final = re.compile(r"(?<!\d)\d{11}(?!\d)")
_KINDS: Final = ("request", "token", "proof", "clientAssertion")
Jwt = Annotated[str, Field(max_length=65_536)]
Header = Annotated[str, Field(max_length=32_768)]


class AskedRequest(Body):
    """A request as it would be sent."""

    method: Annotated[str, Field(pattern=r"^[A-Z]{1,10}$")] = "GET"
    url: Annotated[str, Field(max_length=8192, description="The whole URL.")]
    headers: dict[str, Header | list[Header]] | list[tuple[str, Header]] = Field(
        default_factory=dict, description="Names and values; an array where one name was sent several times."
    )
    body: Annotated[str, Field(max_length=1_048_576)] = ""


class Explain(Body):
    """One of ``request``, ``token``, ``proof`` and ``clientAssertion``.

    ``method`` and ``url`` tell which request a proof alone is for, ``service`` which service a token alone is for.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "request": {
                        "method": "POST",
                        "url": "http://localhost:8000/pps/v2/DiagnosticReport/_search",
                        "headers": {"Authorization": "DPoP eyJ…", "DPoP": "eyJ…", "person-id": "14838449698"},
                        "body": "_count=10",
                    }
                },
                {"token": "eyJ…", "service": "pps-v2"},
                {"proof": "eyJ…", "method": "POST", "url": "http://localhost:8000/helseid/connect/token"},
                {"clientAssertion": "eyJ…"},
            ]
        }
    )

    request: AskedRequest | None = None
    token: Jwt | None = None
    proof: Jwt | None = None
    client_assertion: Jwt | None = None
    method: Annotated[str, Field(pattern=r"^[A-Z]{1,10}$")] = "GET"
    url: Annotated[str, Field(max_length=8192)] | None = None
    service: Annotated[str, Field(max_length=40)] | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Explain:
        asked = [self.request, self.token, self.proof, self.client_assertion]
        if sum(each is not None for each in asked) != 1:
            raise ValueError(f"send exactly one of {', '.join(_KINDS)}")
        return self


def routes(core: Core, ports: Ports) -> APIRouter:
    """Explain without sending."""
    router = limited_router(2 * core.settings.max_body_bytes)

    @router.post(
        "/explain",
        tags=["explain"],
        summary="Everything that is wrong with a request, without sending it",
        description="Nothing is claimed, audited or released. `faults` stand in the order the service would find them; "
        "the first is what it would answer with.",
        responses=responses(400),
    )
    async def explain(request: Request, body: Explain) -> dict[str, Any]:
        trail = trail_of(request)
        if body.request is not None:
            return await _request(core, ports, trail, body.request)
        flaws = Flaws()
        if body.token is not None:
            rule = None if body.service is None else _service(body.service).rule
            token, judged_for = await examine_token(core, trail, body.token, rule, flaws)
            read = {} if token is None else {"claims": token.shown, "attest": token.attest.fault or "readable"}
            if judged_for is not None:
                read["judgedFor"] = judged_for.audit_service
            return _told(trail, flaws, read=read)
        if body.proof is not None:
            read = dict(examine_proof(core, trail, body.proof, flaws, method=body.method, url=body.url))
            return _told(trail, flaws, read=read)
        read = dict(await examine_assertion(core, _at_issuer(core, trail), body.client_assertion or "", flaws))
        return _told(trail, flaws, read=read)

    return router


async def _request(core: Core, ports: Ports, caller: Trail, asked: AskedRequest) -> dict[str, Any]:
    """Lead the request to its service's reader as the resolving middleware would, and judge what it read."""
    where, query = _resolved(core, asked.url)
    if where.sandbox != caller.call.sandbox.id:
        raise Refusal(
            Reason.CONTENT_INVALID,
            f"the URL is in the sandbox {where.sandbox}; ask there",
            extra={"pointer": "/request/url"},
        )
    flaws = Flaws()
    trail = Trail(call_of(core, where, caller.call.sandbox, caller.call.exchange, urlsplit(asked.url).netloc))
    if _has_number(asked.url):
        text = "a national identity number must not stand in the URL: it ends up in logs"
        flaws.add(Flaw("B1", "error", text, "PARAMETER_INVALID", "11 digits in the URL", "the header or body", "R45"))
    reader = ports.readers.get(where.service)
    decision = None
    if reader is None:
        mounts = ", ".join(sorted(BY_NAME[name].mount for name in ports.readers))
        flaws.add(Flaw("B1", "error", "no service is mounted there", "ROUTE_UNKNOWN", where.tail, mounts, "design 4"))
    else:
        read = await reader(_as_sent(where, query, asked, trail), flaws)
        if read is not None:
            decision = await examine_decision(core, trail, read, flaws)
    return _told(trail, flaws, decision=decision, read={"claims": trail.claims} if trail.claims else {})


def _resolved(core: Core, url: str) -> tuple[addresses.Resolved, str]:
    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme, parts.netloc
        if scheme not in ("http", "https") or not host:
            raise ValueError
    except ValueError:
        raise Refusal(
            Reason.CONTENT_INVALID, "url must be a whole http or https URL", extra={"pointer": "/request/url"}
        ) from None
    public = core.settings.public_url
    return addresses.resolve(scheme, host, unquote(parts.path) or "/", public_url=public), parts.query


def _as_sent(where: addresses.Resolved, query: str, asked: AskedRequest, trail: Trail) -> Request:
    """The request as the service's handlers would see it."""
    pairs: list[tuple[str, str]] = []
    if isinstance(asked.headers, Mapping):
        for name, value in asked.headers.items():
            pairs += [(name, each) for each in (value if isinstance(value, list) else [value])]
    else:
        pairs = list(asked.headers)
    body = asked.body.encode()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {
        "type": "http",
        "method": asked.method,
        "scheme": urlsplit(asked.url).scheme,
        "path": where.tail,
        "raw_path": where.tail.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in pairs],
        SCOPE_KEY: trail,
    }
    return Request(scope, receive)


def _at_issuer(core: Core, trail: Trail) -> Trail:
    """The trail of a call to the issuer of the same sandbox, under the address this call came in by."""
    scheme, _, rest = trail.call.issuer.partition("://")
    host, slash, path = rest.partition("/")
    where = addresses.resolve(scheme, host, slash + path or "/", public_url=core.settings.public_url)
    return Trail(call_of(core, where, trail.call.sandbox, trail.call.exchange, host))


def _told(
    trail: Trail, flaws: Flaws, *, decision: Decision | None = None, read: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    listed = flaws.listed()
    first = listed[0] if listed else None
    told: dict[str, Any] = {
        "ok": not listed,
        "summary": "Nothing is wrong with it." if first is None else f"{len(listed)} found; first: {first.text}.",
        "faults": [asdict(flaw) for flaw in listed],
        "findings": [asdict(finding) for finding in trail.findings],
        **(read or {}),
    }
    if decision is not None:
        told["decision"] = {
            "outcome": decision.outcome.value,
            "reason": decision.reason.value if decision.reason is not None else None,
            "rule": decision.rule,
        }
        told["rules"] = rules(trail)
        told["dropped"] = [{"object": key, "rule": rule, "reason": reason} for key, rule, reason in trail.dropped]
    shown: dict[str, Any] = orjson.loads(redact(orjson.dumps(told, default=str).decode()))
    return shown


def _service(name: str) -> Service:
    found = BY_NAME.get(name)
    if found is None or not found.rule.grants:
        known = ", ".join(name for name, service in BY_NAME.items() if service.rule.grants)
        raise Refusal(
            Reason.CONTENT_INVALID,
            f"no service of that name takes tokens; known are {known}",
            extra={"pointer": "/service"},
        )
    return found


def _has_number(url: str) -> bool:
    for number in _DIGITS.findall(unquote(url)):
        try:
            identity.parse(number, synthetic_only=False)
        except Refusal:
            continue
        return True
    return False
