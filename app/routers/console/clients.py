"""Clients of the issuer: what each may ask for, its keys, findings and checks, and drafts of new ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import anyio.to_thread
import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.core import Core
from app.errors import Reason, Refusal
from app.routers.common import trail_of
from app.routers.console import view
from app.routers.console.guard import Form, form_of, guarded
from app.sandboxes import checks
from app.services.selvbetjening import confirmation, drafts
from app.services.selvbetjening.confirmation import Verdict
from app.services.selvbetjening.drafts import Draft
from app.store import clients, exchanges
from app.store.engine import Connection
from app.store.exchanges import Wanted
from app.trust.jose import import_key
from app.trust.sts.clients import CLIENT_SCOPES, IDENTITY_SCOPES, Client, read_client, with_key

_LOOKED_AT: Final = 200  # newest exchanges of a client that findings are gathered from
_MOST_KEYS: Final = 20
_ORDER: Final[Mapping[str, int]] = {"failed": 0, "not seen": 1, "passed": 2}
_SEVERITY: Final[Mapping[str, int]] = {each: place for place, each in enumerate(checks.SEVERITIES)}


@dataclass(frozen=True, slots=True)
class Noted:
    """A finding about a client, how often, and the newest exchange it was made in."""

    code: str
    level: str
    text: str
    count: int
    exchange: str


def routes(core: Core) -> APIRouter:
    """The list of clients, and the page of each."""
    router = APIRouter(route_class=guarded(core), include_in_schema=False)

    async def shown(request: Request, error: Refusal | None = None) -> Response:
        call = trail_of(request).call
        state, now = call.sandbox, call.moment.sandbox

        def read(conn: Connection) -> tuple[Sequence[Client], Sequence[Draft]]:
            return clients.listed(conn, state.id), drafts.listed(conn, state.id, now, state.settings)

        found, drafted = await core.store.read(read)
        return view.page(
            request,
            "clients.html",
            error=error,
            clients=found,
            drafts=drafted,
            open_draft=drafts.OPEN,
            form=form_of(request),
        )

    @router.get("/clients")
    async def listed(request: Request) -> Response:
        return await shown(request)

    @router.post("/clients")
    async def register(request: Request) -> Response:
        sandbox, form = trail_of(request).call.sandbox.id, form_of(request)
        try:
            client = read_client(_described(form))

            def put(conn: Connection) -> None:
                if clients.find(conn, sandbox, client.id) is not None:
                    raise Refusal(Reason.CONFLICT, "there is a client with that id")
                clients.put(conn, sandbox, client)

            await core.store.write(put)
        except Refusal as refusal:
            return await shown(request, refusal)
        return view.moved(request, f"/clients/{view.quoted(client.id)}", "client")

    @router.post("/drafts/{draft_id}")
    async def settle(request: Request, draft_id: str) -> Response:
        call = trail_of(request).call
        state, now = call.sandbox, call.moment.sandbox
        verdict: Verdict = "Success" if form_of(request).get("verdict") == "Success" else "Rejected"

        def confirm(conn: Connection) -> None:
            draft = drafts.find(conn, state.id, draft_id, now, state.settings)
            confirmation.confirm(conn, state.id, draft, verdict, now, state.settings)

        try:
            await core.store.write(confirm)
        except Refusal as refusal:
            return await shown(request, refusal)
        return view.moved(request, "/clients", "draft")

    async def one(request: Request, client_id: str, error: Refusal | None = None) -> Response:
        sandbox = trail_of(request).call.sandbox.id
        await core.store.flush()

        def read(conn: Connection) -> tuple[Client | None, Sequence[Noted], bool]:
            client = clients.find(conn, sandbox, client_id)
            if client is None:
                return None, (), False
            return client, noted(conn, sandbox, client_id), clients.private_key(conn, client_id) is not None

        client, findings, seeded = await core.store.read(read)
        if client is None:
            return view.not_found(request, "no_client")
        return view.page(
            request,
            "client.html",
            error=error,
            client=client,
            identity=[each for each in client.scopes if each in IDENTITY_SCOPES or each in CLIENT_SCOPES],
            apis=_by_audience(client),
            findings=findings,
            seeded=seeded,
            form=form_of(request),
        )

    @router.get("/clients/{client_id:path}/checks")
    async def checked(request: Request, client_id: str) -> Response:
        sandbox = trail_of(request).call.sandbox.id
        await core.store.flush()

        def judge(conn: Connection) -> tuple[Client | None, checks.Report]:
            return clients.find(conn, sandbox, client_id), checks.check_client(conn, sandbox, client_id)

        # Many exchanges take long to read: the event loop goes on meanwhile.
        client, report = await anyio.to_thread.run_sync(core.store.read_now, judge)
        if client is None and not report.exchanges:
            return view.not_found(request, "no_client")
        results = sorted(report.results, key=lambda each: (_ORDER[each.state], _SEVERITY[each.severity]))
        counts = Counter(each.state for each in report.results)
        return view.page(
            request, "checks.html", client_id=client_id, results=results, counts=counts, exchanges=report.exchanges
        )

    @router.get("/clients/{client_id:path}")
    async def client(request: Request, client_id: str) -> Response:
        return await one(request, client_id)

    @router.post("/clients/{client_id:path}/keys")
    async def keys(request: Request, client_id: str) -> Response:
        sandbox, form = trail_of(request).call.sandbox.id, form_of(request)

        def put(conn: Connection) -> None:
            known = clients.find(conn, sandbox, client_id)
            if known is None:
                raise Refusal(Reason.NOT_FOUND, "there is no client with that id")
            clients.put(conn, sandbox, _changed(known, form))

        try:
            await core.store.write(put)
        except Refusal as refusal:
            return await one(request, client_id, refusal)
        return view.moved(request, f"/clients/{view.quoted(client_id)}", "key")

    @router.post("/clients/{client_id:path}/delete")
    async def delete(request: Request, client_id: str) -> Response:
        sandbox = trail_of(request).call.sandbox.id
        if not await core.store.write(lambda conn: clients.remove(conn, sandbox, client_id)):
            return view.not_found(request, "no_client")
        return view.moved(request, "/clients", "client_gone")

    return router


def noted(conn: Connection, sandbox: str, client_id: str) -> tuple[Noted, ...]:
    """The findings of a client's newest exchanges, the most frequent first."""
    counts: Counter[tuple[str, str, str]] = Counter()
    newest: dict[tuple[str, str, str], str] = {}
    for body, row in exchanges.bodies(conn, sandbox, Wanted(client=client_id), _LOOKED_AT):
        for finding in orjson.loads(body).get("findings") or ():
            key = (finding["code"], finding["level"], finding["text"])
            counts[key] += 1
            newest[key] = row.id
    return tuple(Noted(*key, count, newest[key]) for key, count in counts.most_common())


def _described(form: Form) -> dict[str, Any]:
    """A client as ``read_client`` takes it. Raises ``Refusal(CONTENT_INVALID)``."""
    jwk = form.get("jwk", "").strip()
    described: dict[str, Any] = {
        "id": form.get("id", "").strip(),
        "name": form.get("name", "").strip() or form.get("id", "").strip(),
        "scopes": form.get("scopes", "").split(),
        "redirect_uris": form.get("redirect_uris", "").split(),
        "orgnr_parent": form.get("orgnr_parent", "").strip() or None,
        "jwks": [] if not jwk else _keys(jwk),
    }
    return described


def _changed(client: Client, form: Form) -> Client:
    """The client with a key more, or one less. Raises ``Refusal(CONTENT_INVALID)``."""
    remove = form.get("remove")
    if remove is not None:
        gone = [import_key(key).thumbprint for place, key in enumerate(client.jwks) if str(place) == remove]
        return replace(
            client,
            jwks=tuple(key for place, key in enumerate(client.jwks) if str(place) != remove),
            keys=tuple(note for note in client.keys if note.thumbprint not in gone),
        )
    for jwk in _keys(form.get("jwk", "")):
        if len(client.jwks) >= _MOST_KEYS:
            raise Refusal(Reason.CONTENT_INVALID, f"a client has at most {_MOST_KEYS} keys")
        client = with_key(client, jwk)
    return client


def _keys(text: str) -> list[Mapping[str, Any]]:
    """A JWK, or those of a JWKS, that somebody pasted."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Refusal(Reason.CONTENT_INVALID, "jwk: not JSON") from error
    keys = value.get("keys") if isinstance(value, dict) and "keys" in value else [value]
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) for key in keys):
        raise Refusal(Reason.CONTENT_INVALID, "jwk: a JWK is a JSON object, a JWKS has a list of them in keys")
    return keys


def _by_audience(client: Client) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for scope in client.scopes:
        if scope not in IDENTITY_SCOPES and scope not in CLIENT_SCOPES:
            found.setdefault(scope.partition("/")[0], []).append(scope)
    return found
