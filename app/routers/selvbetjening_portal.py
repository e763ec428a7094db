"""The Selvbetjening portal: a person confirms an installer's draft, or makes a client by hand.

selvbetjening.md sections 3.2 and 5.

A person is whoever the sandbox's login page would take; the browser is sent on to loopback addresses only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.exceptions import HTTPException

from app.core import Core
from app.errors import Reason, Refusal
from app.ids import new_uuid
from app.routers.common import read_form, trail_of
from app.services.selvbetjening import changes, configuration, confirmation, drafts, errors, templates
from app.services.selvbetjening.confirmation import Asked, Status, Verdict
from app.services.selvbetjening.drafts import Draft
from app.services.selvbetjening.errors import Invalid
from app.services.selvbetjening.templates import Template
from app.store import registers
from app.store.engine import Connection
from app.trust.facts import OrganisationRecord
from app.trust.sts.context import Context
from app.trust.sts.errors import StsError
from app.trust.sts.login import log_in, practitioners, read_hint
from app.trust.sts.subject import Subject
from app.trust.trail import Trail
from app.web.login_texts import texts_for
from app.web.selvbetjening_texts import PORTAL_TEXTS

_PAGES: Final = Environment(loader=PackageLoader("app.web"), autoescape=select_autoescape())
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
}
_PLACE: Final = "/confirm-client/{client_id}"
_VERDICTS: Final[Mapping[str, Verdict]] = {"Success": "Success", "Rejected": "Rejected"}
_SECRETS: Final = frozenset({"answer"})


def create(core: Core) -> FastAPI:
    """The application of the service ``selvbetjening``."""
    app = FastAPI(
        title="HelseID Selvbetjening, portal",
        description="Pages for a browser: confirm a client draft, make a client and download its configuration.",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.mount("/static", StaticFiles(packages=[("app.web", "static")]))
    _add_home(app, core)
    _add_confirmation(app, core)
    _add_new_client(app, core)
    _add_errors(app)
    return app


def _add_home(app: FastAPI, core: Core) -> None:
    @app.get("/", summary="What can be done here", tags=["Portal"], response_class=HTMLResponse)
    async def home(request: Request) -> Response:
        trail = trail_of(request)
        sandbox, settings, now = trail.call.sandbox.id, trail.call.sandbox.settings, trail.call.moment.sandbox

        def read(conn: Connection) -> tuple[Sequence[Draft], list[Template]]:
            known = drafts.listed(conn, sandbox, now, settings)
            return [draft for draft in known if draft.state == drafts.OPEN], _templates(conn, sandbox)

        waiting, known = await core.store.read(read)
        return _page(request, "home.html", drafts=waiting, templates=known)

    @app.get("/ttt", summary="Key of the test-token service", tags=["Portal"], response_class=HTMLResponse)
    async def ttt(request: Request) -> Response:
        settings = core.settings
        return _page(request, "ttt.html", key=settings.ttt_key if settings.loopback_only else None)


def _add_confirmation(app: FastAPI, core: Core) -> None:
    @app.get(_PLACE, summary="Confirm a client draft", tags=["Portal"], response_class=HTMLResponse)
    async def show(
        request: Request, client_id: str, redirectPort: str | None = None, redirectPath: str | None = None
    ) -> Response:
        """`redirectPort` and `redirectPath` count only where the draft has no address of its own."""
        draft = await _find(core, trail_of(request), client_id)
        asked = Asked(redirectPort, redirectPath)
        return _over(request, draft, asked) or await _form(core, request, draft, asked)

    @app.post(_PLACE, summary="Confirm or reject", tags=["Portal"], status_code=302, response_class=Response)
    async def decide(request: Request, client_id: str) -> Response:
        _refuse_foreign_form(request)
        trail = trail_of(request)
        draft = await _find(core, trail, client_id)
        form = dict(await read_form(request, core.settings.max_body_bytes))
        asked = Asked(form.get("redirectPort"), form.get("redirectPath"))
        over = _over(request, draft, asked)
        if over is not None:
            return over
        verdict = _VERDICTS.get(form.get("verdict", ""))
        text = _texts(request)
        if verdict is None:
            return await _form(core, request, draft, asked, fault=text["confirm_lead"])
        try:
            person = await _person(core, trail, form)
        except StsError:
            return await _form(core, request, draft, asked, fault=text["unknown"])
        settings = trail.call.sandbox.settings
        if not confirmation.may_confirm(person.pid, draft.order.organisation, settings):
            return await _form(core, request, draft, asked, fault=text["not_entitled"])
        sandbox, now = trail.call.sandbox.id, trail.call.moment.sandbox
        done = await core.store.write(lambda conn: confirmation.confirm(conn, sandbox, draft, verdict, now, settings))
        changes.record(trail, f"confirmation {done.status}", draft.id, by=f"person {person.sub}")
        return _sent_back(request, draft, asked, done.status)


def _add_new_client(app: FastAPI, core: Core) -> None:
    @app.get("/clients/new", summary="Make a client", tags=["Portal"], response_class=HTMLResponse)
    async def form(request: Request) -> Response:
        return await _new_form(core, request)

    @app.post("/clients", summary="Make a client and download its file", tags=["Portal"], response_class=Response)
    async def create(request: Request) -> Response:
        """The answer is the only copy of the private key."""
        _refuse_foreign_form(request)
        trail = trail_of(request)
        sandbox, settings, now = trail.call.sandbox.id, trail.call.sandbox.settings, trail.call.moment.sandbox
        sent = dict(await read_form(request, core.settings.max_body_bytes))
        template = await core.store.read(lambda conn: templates.find(conn, sandbox, sent.get("template")))
        if template is None:
            raise Refusal(Reason.NOT_FOUND, "there is no client template with that id")
        try:
            wish = configuration.read_wish(_members(sent), template)
            await core.store.read(lambda conn: drafts.require_main_unit(conn, sandbox, wish.organisation))
        except Invalid as error:
            return await _new_form(core, request, error)
        client_id = new_uuid(core.ids)
        trail.withheld = _SECRETS
        jwk = await anyio.to_thread.run_sync(configuration.generate_rsa)
        client = await core.store.write(
            lambda conn: configuration.create(conn, sandbox, wish, template, client_id, jwk, now, settings)
        )
        changes.record(trail, "client", client_id, by="portal", key=client.keys[0].thumbprint, org=wish.organisation)
        name = f'attachment; filename="{client_id}.json"'
        return Response(
            configuration.file_of(client, trail.call.issuer, jwk),
            headers={**_HEADERS, "Content-Disposition": name},
            media_type="application/json",
        )


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(Refusal)
    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        trail = trail_of(request)
        trail.outcome, trail.reason, trail.detail = "DENY", error.reason, error.detail
        status = errors.status_of(error.reason)
        outcome = {404: "unknown", 409: "used"}.get(status, "failed")
        return _page(request, "done.html", status=status, outcome=outcome)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        page = _page(request, "done.html", status=error.status_code, outcome="unknown")
        page.headers.update(error.headers or {})
        return page


def _refuse_foreign_form(request: Request) -> None:
    """A form that another site's page sent for its visitor decides nothing (OWASP: fetch metadata)."""
    if request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        raise Refusal(Reason.CLIENT_NOT_ALLOWED, "the form was sent by a page of another site")


# who, and which draft


async def _find(core: Core, trail: Trail, client_id: str) -> Draft:
    sandbox, settings, now = trail.call.sandbox.id, trail.call.sandbox.settings, trail.call.moment.sandbox
    return await core.store.read(lambda conn: drafts.find(conn, sandbox, client_id, now, settings))


async def _person(core: Core, trail: Trail, form: Mapping[str, str]) -> Subject:
    """Raises ``StsError("login_required")`` when the form names nobody."""
    who = (form.get("pid") or form.get("person") or "").replace(" ", "")
    return await log_in(Context(core, trail), read_hint(who))


# what is shown


def _over(request: Request, draft: Draft, asked: Asked) -> Response | None:
    """The answer for a draft that cannot be confirmed any more: an old one fails, one that was handled has a page."""
    if draft.state == drafts.EXPIRED:
        return _sent_back(request, draft, asked, "Failed")
    return None if draft.state == drafts.OPEN else _page(request, "done.html", status=409, outcome="used")


def _sent_back(request: Request, draft: Draft, asked: Asked, status: Status) -> Response:
    """Back to the installer where it is on the user's own machine, else a page that says how it went (SB-13)."""
    target = confirmation.target(draft, asked)
    if target is not None:
        return RedirectResponse(confirmation.redirect(target, status), 302, headers={"Cache-Control": "no-store"})
    kept_back = draft.order.confirmation_uri is not None
    return _page(request, "done.html", outcome=status.lower(), kept_back=kept_back)


async def _form(core: Core, request: Request, draft: Draft, asked: Asked, *, fault: str | None = None) -> Response:
    sandbox = trail_of(request).call.sandbox.id

    def read(conn: Connection) -> tuple[Template | None, OrganisationRecord | None]:
        unit = registers.organisation(conn, sandbox, draft.order.organisation)
        return templates.find(conn, sandbox, draft.template), unit

    template, unit = await core.store.read(read)
    if template is None:
        raise Refusal(Reason.NOT_FOUND, "the client template of the draft is gone")
    return _page(
        request,
        "confirm.html",
        status=200 if fault is None else 400,
        draft=draft,
        template=template,
        organisation=unit.name if unit is not None else "",
        people=await practitioners(Context(core, trail_of(request))),
        asked=asked,
        fault=fault,
    )


async def _new_form(core: Core, request: Request, error: Invalid | None = None) -> Response:
    sandbox = trail_of(request).call.sandbox.id
    known = await core.store.read(lambda conn: _templates(conn, sandbox))
    faults = [] if error is None else [f"{name}: {text}" for name, texts in error.errors.items() for text in texts]
    return _page(
        request,
        "new.html",
        status=400 if faults else 200,
        templates=[each for each in known if each.tenancy == "single-tenant"],
        faults=faults,
    )


def _members(form: Mapping[str, str]) -> dict[str, Any]:
    """The form as the body that ``read_wish`` takes: addresses one on each line, empty fields left out."""
    lists = {"redirectUris": form.get("redirectUris", "").split()}
    texts = {name: form[name].strip() for name in ("clientName", "organizationNumber") if form.get(name, "").strip()}
    return {**texts, **lists}


def _templates(conn: Connection, sandbox: str) -> list[Template]:
    return [template for template, _ in templates.listed(conn, sandbox)]


def _texts(request: Request) -> dict[str, str]:
    login = texts_for(request.headers.get("accept-language", ""))
    return {**login, **PORTAL_TEXTS[login["lang"]]}


def _page(request: Request, page: str, *, status: int = 200, **values: Any) -> Response:
    html = _PAGES.get_template(f"selvbetjening/{page}").render(
        base=trail_of(request).call.base, text=_texts(request), **values
    )
    return HTMLResponse(html, status, headers=_HEADERS)
