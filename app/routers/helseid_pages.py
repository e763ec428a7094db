"""The issuer's pages: login, error, the self-posting answer, logged out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, select_autoescape

from app.routers.common import trail_of
from app.trust.facts import PractitionerRecord
from app.trust.sts.authorize import LoginPage, Redirect
from app.trust.sts.errors import StsError
from app.trust.sts.login import LEVELS, NETWORKS
from app.web.login_texts import texts_for

_PAGES: Final = Environment(loader=PackageLoader("app.web"), autoescape=select_autoescape())
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


def login_page(
    request: Request, page: LoginPage, people: Sequence[PractitionerRecord], *, failed: bool = False
) -> Response:
    """Choose a person or type a number; ``failed`` shows that the last try named nobody."""
    return _page(
        request,
        "login.html",
        400 if failed else 200,
        locales=page.request.locales or "",
        handle=page.handle,
        client=page.client.name or page.client.id,
        people=people,
        levels=LEVELS,
        networks=NETWORKS,
        failed=failed,
    )


def answer(request: Request, redirect: Redirect) -> Response:
    """Back to the client: a redirect, or for form_post a page that posts itself (ruling C33)."""
    if redirect.mode != "form_post":
        return RedirectResponse(redirect.location, 302, headers={"Cache-Control": "no-store"})
    return _page(request, "login_form_post.html", 200, uri=redirect.uri, parameters=redirect.parameters)


def error_page(request: Request, error: StsError) -> Response:
    """What must not go back to a client that is not known for sure."""
    return _page(request, "login_error.html", 400, error=error.error, description=error.description)


def logged_out(request: Request) -> Response:
    return _page(request, "login_out.html", 200)


def check_session() -> Response:
    """The frame of OpenID Connect Session Management; it says that nothing has changed."""
    return HTMLResponse("<!doctype html><html lang='en'><title>Session</title></html>")


def _page(request: Request, template: str, status: int, *, locales: str = "", **values: Any) -> Response:
    text = texts_for(f"{locales} {request.headers.get('accept-language', '')}")
    html = _PAGES.get_template(template).render(issuer=trail_of(request).call.issuer, text=text, **values)
    return HTMLResponse(html, status, headers=_HEADERS)
