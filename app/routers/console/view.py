"""What every page of the console shares: language, texts, the frame around the page, and its headers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

import orjson
from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from app.clock import rfc3339
from app.errors import Refusal
from app.routers.common import trail_of
from app.routers.problems import STATUS
from app.web.console_texts import Texts, texts_in
from app.web.languages import LANGUAGES, Language, language_of

LANGUAGE_COOKIE: Final = "sandkasse-lang"
HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
    }
)
_OSLO: Final = ZoneInfo("Europe/Oslo")
_YEAR: Final = 31_536_000
_DONE: Final = "done"
"""The query parameter that tells, by a key of the texts, what a form just did."""


def page(
    request: Request, template: str, *, status: int | None = None, error: Refusal | None = None, **values: Any
) -> Response:
    """A page with its frame. ``error`` is shown above the content, and gives the status when there is one."""
    call, chosen = trail_of(request).call, language(request)
    text = texts_in(chosen)
    done = request.query_params.get(_DONE, "")
    html = _PAGES.get_template(f"console/{template}").render(
        t=text,
        lang=chosen,
        other=next(each for each in LANGUAGES if each != chosen),
        here=f"{call.root}{request.url.path}",
        root=call.root,
        sandbox=call.sandbox,
        now=call.moment.sandbox,
        frozen=call.sandbox.clock.frozen_at is not None,
        csrf=request.state.csrf,
        locked=request.state.locked,
        done=text(f"done_{done}") if f"done_{done}" in text else None,
        error=error,
        **values,
    )
    if status is None:
        status = 200 if error is None else STATUS.get(error.reason, 400)
    return HTMLResponse(
        html, status, headers={**HEADERS, "Content-Language": chosen, "Vary": "Accept-Language, Cookie"}
    )


def moved(request: Request, tail: str, done: str | None = None) -> Response:
    """On to another page after a form, so that a reload does not send it again."""
    query = "" if done is None else f"{'&' if '?' in tail else '?'}{_DONE}={done}"
    return RedirectResponse(f"{trail_of(request).call.root}{tail}{query}", 303, headers=dict(HEADERS))


def elsewhere(address: str) -> Response:
    """On to a complete address of ours."""
    return RedirectResponse(address, 303, headers=dict(HEADERS))


def quoted(part: str) -> str:
    """A text as one part of a path."""
    return quote(part, safe="")


def not_found(request: Request, what: str) -> Response:
    """The page for something that is not there; ``what`` is a key of the texts."""
    return page(request, "missing.html", status=404, what=what)


def language(request: Request) -> Language:
    """The language chosen by ``?lang=``, else the one chosen before, else what the browser asks for, else bokmål."""
    for wish in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        for known in LANGUAGES:
            if wish == known:
                return known
    return language_of(request.headers.get("accept-language", ""))


def texts(request: Request) -> Texts:
    return texts_in(language(request))


def remember_language(request: Request, response: Response) -> None:
    """Keep a language that was chosen by ``?lang=``."""
    wish = request.query_params.get("lang")
    if wish in LANGUAGES:
        response.set_cookie(LANGUAGE_COOKIE, wish, max_age=_YEAR, httponly=True, samesite="strict", path="/")


def _instant(value: float | str | None) -> str:
    """Norwegian time, as in ``21.11.2026 09:00:00``."""
    moment = _moment(value)
    return "–" if moment is None else moment.strftime("%d.%m.%Y %H:%M:%S")


def _time_of_day(value: float | str | None) -> str:
    moment = _moment(value)
    return "–" if moment is None else moment.strftime("%H:%M:%S.%f")[:-3]


def _machine_time(value: float | str) -> str:
    return value if isinstance(value, str) else rfc3339(value)


def _moment(value: float | str | None) -> datetime | None:
    if value is None:
        return None
    try:
        known = datetime.fromisoformat(value) if isinstance(value, str) else datetime.fromtimestamp(value, _OSLO)
        return known.astimezone(_OSLO)
    except (ValueError, OverflowError, OSError):
        return None


def _indented(value: object) -> str:
    """JSON for the eye. A text that is JSON is taken apart first; other text is shown as it is."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return str(value)
    return orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()


def _tone(status: int) -> str:
    """The colour of a status: good, no, or bad."""
    if status >= 500:
        return "bad"
    return "no" if status >= 400 else "good"


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("app.web"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(instant=_instant, clock=_time_of_day, machine=_machine_time, indented=_indented, tone=_tone)
    return made


_PAGES: Final = _environment()
