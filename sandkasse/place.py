"""A sandbox's address, and the calls of its control API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from sandkasse.calls import Ask, Async, Steps, Sync
from sandkasse.errors import ControlError, UnexpectedAnswer
from sandkasse.services import MOUNTS

DEFAULT: Final = "default"
_ADMIN_HEADER: Final = "X-Admin-Key"
_SHOWN: Final = 500


@dataclass(frozen=True, slots=True)
class Place:
    """The sandbox ``name`` of the installation at ``server`` (``http://localhost:8000``)."""

    server: str
    name: str = DEFAULT
    admin_key: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, url: str, admin_key: str | None = None) -> Place:
        """From a sandbox's own address, ``…`` or ``…/s/<name>``.

        >>> Place.of("http://localhost:8000/s/team-a/").name
        'team-a'
        """
        server, _, name = url.rstrip("/").partition("/s/")
        return cls(server, name or DEFAULT, admin_key)

    @property
    def root(self) -> str:
        """The sandbox's address, which its services are below."""
        return self.server if self.name == DEFAULT else f"{self.server}/s/{self.name}"

    def url(self, service: str) -> str:
        """Base URL of a service. Raises ``KeyError`` for one that is unknown."""
        return self.root + MOUNTS[service]

    @property
    def headers(self) -> dict[str, str]:
        return {_ADMIN_HEADER: self.admin_key} if self.admin_key else {}


class Group:
    """Operations on one sandbox."""

    place: Place

    def __init__(self, place: Place, http: Any) -> None:
        self.place = place
        self._http = http

    def _control(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        patience: float | None = None,
    ) -> Steps[Any]:
        """One call of the sandbox's own control API, and what it answered as JSON. Raises ``ControlError``."""
        return control(self.place, method, self.place.url("control") + path, body, params=params, patience=patience)

    def _manage(self, method: str, path: str = "", body: Any = None) -> Steps[Any]:
        """One call on the sandbox as a whole, which the installation answers. Raises ``ControlError``."""
        url = f"{self.place.server}{MOUNTS['control']}/sandboxes/{self.place.name}{path}"
        return control(self.place, method, url, body)


class SyncGroup(Group, Sync):
    """Its operations wait."""


class AsyncGroup(Group, Async):
    """Its operations are awaited."""


def control(
    place: Place,
    method: str,
    url: str,
    body: Any = None,
    *,
    params: Mapping[str, Any] | None = None,
    patience: float | None = None,
) -> Steps[Any]:
    """One call of the control API at ``url``, and its answer as JSON. Raises ``ControlError``."""
    query = {name: _text(value) for name, value in (params or {}).items() if value is not None}
    answer = yield Ask(method, url, params=query or None, json=body, headers=place.headers, patience=patience)
    return checked(answer)


def checked(answer: httpx.Response) -> Any:
    """The JSON of an answer; None of one without a body. Raises ``ControlError``, ``UnexpectedAnswer``."""
    asked = f"{answer.request.method} {answer.request.url.path}"
    try:
        body = answer.json() if answer.content else None
    except ValueError:
        if answer.is_success:
            raise UnexpectedAnswer(f"{asked} answered no JSON; is a sandbox there?") from None
        body = answer.text[:_SHOWN]
    if answer.is_success:
        return body
    said: Mapping[str, Any] = body if isinstance(body, dict) else {"detail": body}
    detail = str(said.get("detail") or said.get("title") or "")
    raise ControlError(asked, answer.status_code, detail, said.get("pointer"))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
