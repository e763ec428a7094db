"""The kjernejournal portal: a read-only page of the critical information of one patient (ruling S29).

A browser comes with the code that the EHR was given, and its verifier. What is shown is decided anew at every view.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.exceptions import HTTPException

from app.core import Core
from app.directory import BY_NAME
from app.errors import Reason, Refusal
from app.ids import new_token
from app.routers.common import read_form, trail_of
from app.routers.kjernejournal_answers import Setup
from app.services.kjernejournal import rules, sessions
from app.services.kjernejournal.entries import page_of
from app.services.kjernejournal.port import CriticalInformation
from app.services.kjernejournal.sessions import Session
from app.services.kjernejournal.source import PageSource
from app.trust import attest
from app.trust.facts import Person
from app.trust.policy import KJ_PORTAL_PAGE
from app.trust.principal import Access, Basis
from app.trust.release import Released, accountable, release
from app.trust.tokens import principal_of
from app.trust.trail import Trail
from app.web.kjernejournal_texts import KJERNEJOURNAL_TEXTS
from app.web.login_texts import texts_for

SERVICE: Final = BY_NAME["kjernejournal-portal"]
COOKIE: Final = "kjernejournal"

_PAGES: Final = Environment(loader=PackageLoader("app.web"), autoescape=select_autoescape())
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}
_WEB: Final = "/hpp-webapp"
_OPENING: Final[Mapping[str, Basis]] = MappingProxyType(
    {basis.value: basis for basis in rules.OPENING_CONSENTS.values()}
)
_LOCKED: Final = frozenset({Reason.GENERAL_BLOCK, Reason.RESTRICTED_SOFT})
_OUTCOME: Final[Mapping[Reason, tuple[str, str]]] = MappingProxyType(
    {
        Reason.ACTOR_BLOCKED: ("blocked", ""),
        Reason.ORG_BLOCKED: ("blocked", ""),
        Reason.RESTRICTED_HARD: ("blocked", ""),
        Reason.PATIENT_RESERVED: ("reserved", ""),
        Reason.ADDRESS_PROTECTED: ("protected", ""),
        Reason.PATIENT_UNKNOWN: ("reserved", ""),
        Reason.TICKET_EXPIRED: ("expired", "AUT_002"),
        Reason.TICKET_INVALID: ("spent", "AUT_002"),
        Reason.TOKEN_MISSING: ("absent", "AUT_105"),
        Reason.HPR_MISSING: ("unauthorised", "AUT_104"),
        Reason.HPR_NOT_AUTHORISED: ("unauthorised", "AUT_101"),
        Reason.ROLE_NOT_ALLOWED: ("unauthorised", "AUT_108"),
        Reason.ORG_NOT_CONNECTED: ("unauthorised", "AUT_000"),
        Reason.ROUTE_UNKNOWN: ("unknown", ""),
    }
)
"""The page and code of each reason; which code goes with which is partly inferred (kritisk-info.md section 2)."""


def create(core: Core, info: CriticalInformation) -> FastAPI:
    """The application of the service ``kjernejournal-portal``."""
    setup = Setup(core, info, SERVICE.rule)
    app = FastAPI(
        title=SERVICE.title,
        description="A page for a browser: the critical information of the patient that an EHR opened it for.",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.mount("/static", StaticFiles(packages=[("app.web", "static")]))
    _add_entry(app, setup)
    _add_journal(app, setup)
    _add_errors(app, setup)
    return app


def _add_entry(app: FastAPI, setup: Setup) -> None:
    @app.get(
        f"{_WEB}/hentpasient.html",
        summary="Open the session of a code in this browser",
        status_code=302,
        response_class=Response,
    )
    async def enter(request: Request, code: str = "", ehr_code_verifier: str = "") -> Response:
        """The code is spent whatever comes of it; the browser goes on to an address without it."""
        trail = _begun(setup, request, "hentpasient")
        cookie, sandbox, now = new_token(setup.core.ids), trail.call.sandbox.id, trail.call.moment.sandbox
        found = await setup.core.store.write(
            lambda conn: sessions.redeem(conn, sandbox, code, ehr_code_verifier, cookie, now)
        )
        if found is None:
            raise Refusal(Reason.TICKET_INVALID, "the code is unknown, spent or too old, or not the verifier's")
        _recognise(trail, found)
        trail.outcome = "ACCEPTED"
        response = RedirectResponse(f"{trail.call.base}{_WEB}/", 302, headers=dict(_HEADERS))
        response.set_cookie(
            COOKIE,
            cookie,
            path=_cookie_path(trail),
            httponly=True,
            secure=trail.call.base.startswith("https:"),
            samesite="lax",
        )
        return response

    @app.get(f"{_WEB}/loggut", summary="Leave the portal in this browser", response_class=HTMLResponse)
    async def leave(request: Request) -> Response:
        trail = _begun(setup, request, "loggut")
        cookie, sandbox = request.cookies.get(COOKIE), trail.call.sandbox.id
        if cookie is not None:
            await setup.core.store.write(lambda conn: sessions.leave(conn, sandbox, cookie))
        response = _page(request, "message.html", outcome="out")
        response.delete_cookie(COOKIE, path=_cookie_path(trail))
        return response


def _add_journal(app: FastAPI, setup: Setup) -> None:
    @app.get(f"{_WEB}/", summary="The critical information of the patient", response_class=HTMLResponse)
    async def journal(request: Request) -> Response:
        """Six groups; a padlock where the patient has restricted them."""
        _begun(setup, request, "portal")
        session = await _session(setup.core, request)
        return await _journal(setup, request, session)

    @app.post(
        f"{_WEB}/lukk-opp", summary="Open what is restricted, in this session", status_code=303, response_class=Response
    )
    async def unlock(request: Request) -> Response:
        """The view that follows is audited as an opening."""
        trail = _begun(setup, request, "portal/lukk-opp")
        session = await _session(setup.core, request)
        form = dict(await read_form(request, setup.core.settings.max_body_bytes))
        expected = sessions.form_token(request.cookies.get(COOKIE, ""))
        if not hmac.compare_digest(form.get("form", "").encode(), expected.encode()):
            raise Refusal(Reason.CLIENT_NOT_ALLOWED, "the form was not sent by the portal's own page")
        basis = _OPENING.get(form.get("grunnlag", ""))
        if basis is None:
            return await _journal(setup, request, session, fault=_texts(request)["choose"])
        sandbox, now = trail.call.sandbox.id, trail.call.moment.sandbox
        if not await setup.core.store.write(lambda conn: sessions.unlock(conn, sandbox, session.id, basis, now)):
            raise Refusal(Reason.TICKET_EXPIRED, "the session has ended", source="S29")
        trail.outcome = "ACCEPTED"
        return RedirectResponse(f"{trail.call.base}{_WEB}/", 303, headers=dict(_HEADERS))


async def _journal(setup: Setup, request: Request, session: Session, *, fault: str | None = None) -> Response:
    trail = trail_of(request)
    access = _access(trail, session)
    source = PageSource(access.sandbox, setup.info, rules.today_at(access.moment.sandbox))
    async with accountable(setup.core, trail, access, KJ_PORTAL_PAGE):
        released = await release(setup.core, trail, access, KJ_PORTAL_PAGE, "read", source)
    decision, patient = released.decision, released.facts.patient
    if released.answer is not None and decision.releases:
        groups = orjson.loads(released.answer.body)
        opened = session.opened.value if session.opened is not None and _was_opened(released) else None
        return _page(request, "journal.html", patient=_line(patient), groups=groups, opened=opened)
    if decision.concealed:  # ehds mode: as for a patient without data
        groups = orjson.loads(page_of((), setup.info, source.today))
        return _page(request, "journal.html", patient=_line(patient), groups=groups)
    reason = decision.reason or Reason.INTERNAL
    if reason not in _LOCKED:
        raise Refusal(reason, "the page is not shown", source=decision.rule or "")
    form = sessions.form_token(request.cookies.get(COOKIE, ""))
    status = 200 if fault is None else 400
    return _page(
        request, "journal.html", status, patient=_line(patient), locked=True, form=form, fault=fault, groups=[]
    )


def _add_errors(app: FastAPI, setup: Setup) -> None:
    @app.exception_handler(Refusal)
    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        trail = trail_of(request)
        if trail.reason is None:
            trail.outcome, trail.reason, trail.detail = trail.outcome or "DENY", error.reason, error.detail
        outcome, code = _OUTCOME.get(error.reason, ("failed", ""))
        known = error.reason in _OUTCOME and error.reason is not Reason.ROUTE_UNKNOWN
        status = 403 if known else setup.status_of()(error.reason)
        return _page(request, "message.html", status, outcome=outcome, code=code)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        page = _page(request, "message.html", error.status_code, outcome="unknown", code="")
        page.headers.update(error.headers or {})
        return page


# whose session


async def _session(core: Core, request: Request) -> Session:
    """The session this browser has open. Raises ``Refusal`` with TOKEN_MISSING or TICKET_EXPIRED."""
    cookie, trail = request.cookies.get(COOKIE), trail_of(request)
    if cookie is None:
        raise Refusal(Reason.TOKEN_MISSING, "the browser has no session", source="S29")
    sandbox, now = trail.call.sandbox.id, trail.call.moment.sandbox
    found = await core.store.read(lambda conn: sessions.of_browser(conn, sandbox, cookie, now))
    if found is None:
        raise Refusal(Reason.TICKET_EXPIRED, "the session has ended", source="S29")
    _recognise(trail, found)
    return found


def _access(trail: Trail, session: Session) -> Access:
    """Who looks: the holder of the token that the session was last refreshed with."""
    return Access(
        sandbox=trail.call.sandbox.id,
        service=SERVICE.rule.audit_service,
        operation=trail.operation or "portal",
        moment=trail.call.moment,
        principal=principal_of(session.claims, session.jkt),
        attest=attest.read(session.claims).attest,
        patient_nin=session.number,
        basis=session.opened or session.basis,
        role=session.role,
    )


def _recognise(trail: Trail, session: Session) -> None:
    client = session.claims.get("client_id")
    trail.client_id = client if isinstance(client, str) else None


def _begun(setup: Setup, request: Request, operation: str) -> Trail:
    trail = trail_of(request)
    trail.operation, trail.status_of = operation, setup.status_of()
    trail.withheld = frozenset({"answer"})  # pages for people, with what was read
    return trail


def _was_opened(released: Released) -> bool:
    return any(item.value == "BREAK_GLASS" for item in released.decision.obligations)


def _cookie_path(trail: Trail) -> str:
    return urlsplit(trail.call.base).path + _WEB


# what is shown


def _line(patient: Person | None) -> dict[str, str]:
    """Name and birth date: who is looked at, without the number."""
    if patient is None:
        return {"name": "", "born": ""}
    return {
        "name": " ".join(part for part in (patient.given, patient.family) if part),
        "born": patient.birth_date or "",
    }


def _texts(request: Request) -> dict[str, str]:
    login = texts_for(request.headers.get("accept-language", ""))
    return {**login, **KJERNEJOURNAL_TEXTS[login["lang"]]}


def _page(request: Request, page: str, status: int = 200, **values: Any) -> Response:
    html = _PAGES.get_template(f"kjernejournal/{page}").render(
        base=trail_of(request).call.base, text=_texts(request), **values
    )
    return HTMLResponse(html, status, headers=_HEADERS)
