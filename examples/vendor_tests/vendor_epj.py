"""The part of a pretend vendor's EPJ that reads test results. It knows the national service, and no sandbox."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

_BROKEN = (502, 503, 504)


class Unavailable(Exception):
    """Prøvesvar cannot be read now. The user is told to try later."""


class LoggedOut(Exception):
    """The login no longer counts. The user must log in again."""


class Refused(Exception):
    """The service says no to this user or this request."""


@dataclass(frozen=True)
class Results:
    """What is shown: the reports, and why some or all are withheld."""

    reports: list[Mapping[str, Any]]
    withheld: str | None
    pages: int


class ResultsReader:
    """Reads a patient's reports from prøvesvar v2, page by page, and copes with what may happen on the way."""

    def __init__(
        self,
        base_url: str,
        auth: httpx.Auth,
        *,
        renew: Callable[[], httpx.Auth] | None = None,
        timeout: float = 2.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = httpx.Client(base_url=base_url, auth=auth, timeout=timeout)
        self._renew = renew
        self._sleep = sleep
        self.correlation_id = ""

    def __enter__(self) -> ResultsReader:
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.close()

    def read(self, number: str, *, basis: str | None = None, page_size: int = 25) -> Results:
        """All of a patient's reports. Raises ``Unavailable``, ``LoggedOut``, ``Refused``."""
        form = {"_count": str(page_size)}
        reports: list[Mapping[str, Any]] = []
        withheld = None
        for page in range(1, 1000):
            bundle = self._page(number, form, basis)
            for entry in bundle.get("entry", []):
                if entry["search"]["mode"] == "match":
                    reports.append(entry["resource"])
                elif entry["search"]["mode"] == "outcome":
                    withheld = _code(entry["resource"]) or withheld
            following = next((link["url"] for link in bundle.get("link", []) if link["relation"] == "next"), None)
            if following is None:
                return Results(reports, withheld, page)
            form = {name: values[0] for name, values in parse_qs(urlsplit(following).query).items()}
        raise Unavailable("the pages do not end")

    def _page(self, number: str, form: Mapping[str, str], basis: str | None) -> Mapping[str, Any]:
        self.correlation_id = str(uuid.uuid4())
        headers = {"person-id": number, "X-Correlation-Id": self.correlation_id}
        if basis is not None:
            headers["access-basis"] = basis
        answer = self._patiently(form, headers)
        if answer.status_code == 401 and self._renew is not None:
            self._http.auth = self._renew()
            answer = self._patiently(form, headers)
        if answer.status_code == 401:
            raise LoggedOut
        if answer.status_code >= 500 or answer.status_code == 429:
            raise Unavailable(str(answer.status_code))
        if answer.status_code >= 400:
            raise Refused(answer.text)
        try:
            bundle: Mapping[str, Any] = answer.json()
        except ValueError as error:
            raise Unavailable("half an answer") from error
        return bundle

    def _patiently(self, form: Mapping[str, str], headers: Mapping[str, str]) -> httpx.Response:
        """One call, made again once when it may have been bad luck."""
        for last in (False, True):
            try:
                answer = self._http.post("/DiagnosticReport/_search", data=form, headers=headers)
            except httpx.TransportError as error:
                if last:
                    raise Unavailable(type(error).__name__) from error
                continue
            if last or answer.status_code not in (*_BROKEN, 429):
                break
            self._sleep(float(answer.headers.get("Retry-After", 0)))
        return answer


def _code(outcome: Mapping[str, Any]) -> str | None:
    for issue in outcome["issue"]:
        for coding in issue.get("details", {}).get("coding", []):
            return str(coding["code"])
    return None
