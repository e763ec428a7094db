"""The start page: the calls as they come in, and why each was answered as it was."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.core import Core
from app.directory import SERVICES
from app.routers.common import trail_of
from app.routers.console import view
from app.routers.console.guard import guarded
from app.store import exchanges
from app.store.engine import Connection
from app.store.exchanges import Row, Wanted

_SHOWN: Final = 100
_SEARCHED: Final = 1000  # newest rows looked through for a text
_CLASSES: Final = ("2xx", "3xx", "4xx", "5xx")
_STATUSES: Final = ("200", "201", "302", "400", "401", "403", "404", "405", "409", "413", "415", "429", "500", "503")
_STATUS: Final = re.compile(r"[1-5][0-9]{2}", re.ASCII)
_HIDDEN: Final = frozenset({"control"})

Word = Annotated[str, Query(max_length=255)]


@dataclass(frozen=True, slots=True)
class Filter:
    """What the page is narrowed to; an empty text does not narrow."""

    service: str = ""
    status: str = ""
    reason: str = ""
    client: str = ""
    patient: str = ""
    text: str = ""

    @property
    def query(self) -> str:
        """For a link that keeps the filter."""
        return urlencode({name: value for name in self.__slots__ if (value := getattr(self, name))})

    @property
    def wanted(self) -> Wanted:
        """What the store narrows by."""
        status = int(self.status) if _STATUS.fullmatch(self.status) else None
        return Wanted(
            service=self.service or None,
            status=status,
            reason=self.reason or None,
            client=self.client or None,
            patient=self.patient or None,
        )

    @property
    def searching(self) -> bool:
        """Whether there is something the store does not narrow by."""
        return bool(self.text) or self.status in _CLASSES

    def holds(self, row: Row) -> bool:
        if self.status in _CLASSES and str(row.status)[0] != self.status[0]:
            return False
        looked_in = (row.id, row.path, row.operation, row.reason, row.client, row.summary, row.method)
        return not self.text or any(self.text.casefold() in (value or "").casefold() for value in looked_in)


def routes(core: Core) -> APIRouter:
    """The start page and the rows it fetches."""
    router = APIRouter(route_class=guarded(core), include_in_schema=False)

    @router.get("/")
    async def start(
        request: Request,
        service: Word = "",
        status: Word = "",
        reason: Word = "",
        client: Word = "",
        patient: Word = "",
        text: Word = "",
    ) -> Response:
        chosen = Filter(service, status, reason, client, patient, text)
        sandbox = trail_of(request).call.sandbox.id
        await core.store.flush()

        def read(conn: Connection) -> tuple[list[Row], int, bool]:
            page = exchanges.newest(conn, sandbox, chosen.wanted, _SEARCHED if chosen.searching else _SHOWN)
            return [row for row in page.rows if chosen.holds(row)][:_SHOWN], page.cursor, page.cursor > 0

        rows, cursor, any_at_all = await core.store.read(read)
        return view.page(
            request,
            "journal.html",
            rows=rows,
            cursor=cursor,
            filter=chosen,
            any_at_all=any_at_all,
            services=[each for each in SERVICES if each.name not in _HIDDEN],
            statuses=(*_CLASSES, *_STATUSES),
            **_first_call(request),
        )

    @router.get("/console/journal/rows")
    async def rows(
        request: Request,
        after: Annotated[int, Query(ge=0, le=2**62)] = 0,
        service: Word = "",
        status: Word = "",
        reason: Word = "",
        client: Word = "",
        patient: Word = "",
        text: Word = "",
    ) -> Response:
        chosen = Filter(service, status, reason, client, patient, text)
        sandbox = trail_of(request).call.sandbox.id
        page = await core.store.read(lambda conn: exchanges.newer(conn, sandbox, chosen.wanted, after, _SHOWN))
        fresh = [row for row in reversed(page.rows) if chosen.holds(row)]
        if not fresh:
            return Response(status_code=204, headers=dict(view.HEADERS))
        return view.page(request, "journal_rows.html", rows=fresh, cursor=page.cursor, filter=chosen)

    return router


def _first_call(request: Request) -> Mapping[str, Any]:
    """How to make the first call, for an empty journal."""
    root = trail_of(request).call.root
    return {"command": f"sandkasse curl {root}/pps/v2/DiagnosticReport/_search --patient P01 -d _count=1"}
