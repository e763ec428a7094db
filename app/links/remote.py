"""A sandbox that runs elsewhere, reached over HTTP: what the command line asks of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from lxml import etree

from app import addresses
from app.clock import RealClock
from app.directory import BY_NAME, Service
from app.ids import IdSource, new_uuid
from app.links import login

_CONTROL: Final = "/_sandbox/v1"
_ADMIN_HEADER: Final = "X-Admin-Key"
_SECONDS: Final = 30.0
_DEFAULT: Final = "default"
_PATIENT_HEADER: Final = {
    "pps": "person-id",
    "pps-v2": "person-id",
    "pps-backdoor": "x-nilar-patient",
    "trust-probe": "person-id",
    "trust-probe-bearer": "person-id",
}
_MACHINE: Final = "machine"
_APPREC_TAKEN: Final = "1"


class RemoteError(Exception):
    """The sandbox said no, or nothing of it is at that address. The text is for the user."""


class Remote:
    """One sandbox at ``root`` (``http://localhost:8000``, ``…/s/<name>``)."""

    def __init__(self, root: str, admin_key: str | None, clock: RealClock, ids: IdSource) -> None:
        self.root = root
        self._admin = {_ADMIN_HEADER: admin_key} if admin_key else {}
        self._clock = clock
        self._ids = ids
        self._http = httpx.Client(timeout=_SECONDS)

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.close()

    @classmethod
    def named(cls, url: str, sandbox: str, admin_key: str | None, clock: RealClock, ids: IdSource) -> Remote:
        return cls(url.rstrip("/") + ("" if sandbox == _DEFAULT else f"/s/{sandbox}"), admin_key, clock, ids)

    @classmethod
    def behind(cls, target: str, admin_key: str | None, clock: RealClock, ids: IdSource) -> Remote:
        """The sandbox that ``target``, the URL of one of its services, belongs to."""
        return cls(resolved(target).root, admin_key, clock, ids)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the control API. Raises ``RemoteError`` with what it said."""
        answer = self._http.request(method, self.root + _CONTROL + path, json=body, headers=self._admin)
        if answer.status_code >= 400:
            raise RemoteError(f"{method} {_CONTROL}{path} answered {answer.status_code}: {detail(answer)}")
        return answer.json() if answer.content else None

    def deliver(self, message: bytes) -> tuple[bool, str]:
        """Send a svarrapport in; whether it was taken, and what the receipt says."""
        headers = {"Content-Type": "application/xml", **self._admin}
        answer = self._http.post(f"{self.root}/pps-sandbox/svarrapport", content=message, headers=headers)
        if answer.status_code >= 400:
            return False, f"{answer.status_code} {detail(answer)}"
        return receipt(answer.content)

    def request(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> httpx.Response:
        return self._http.request(method, target, headers=dict(headers), content=body)

    def patient_header(self, target: str, person: str) -> dict[str, str]:
        """The header the service names its patient in; ``person`` is an id of the register or a number."""
        name = _PATIENT_HEADER.get(service_at(target).name)
        if name is None:
            raise RemoteError("that service takes no patient in a header")
        return {name: person if person.isdigit() else str(self.control("GET", f"/persons/{person}")["nin"])}

    def credentials(
        self, target: str, method: str, persona: str, client_id: str, jwk: Mapping[str, Any] | None, *, attest: bool
    ) -> dict[str, str]:
        """The headers that prove who asks for ``target``; none where the service demands nothing.

        Raises ``RemoteError``, ``login.LoginFailed``, ``httpx.HTTPError``.
        """
        rule = service_at(target).rule
        if rule.credential == "admin":
            return dict(self._admin)
        if not rule.grants:
            return {}
        audience, scope = rule.grants[0]
        wish = login.Wish(scope, audience, None if persona == _MACHINE else persona, bound="DPoP" in rule.schemes)
        if attest or rule.attest == "required" or rule.orgnr_child:
            wish = login.with_attest(wish, self.control("GET", f"/clients/{client_id}"), new_uuid(self._ids))
        key = jwk if jwk is not None else self.control("GET", f"/clients/{client_id}/key")
        issuer = addresses.address("helseid", resolved(target))
        who = login.ClientKey(client_id, key)
        made = login.Login(self._http, issuer, who, self._clock, self._ids).token(wish)
        if not wish.bound:
            return {"Authorization": f"Bearer {made.value}"}
        proof = login.make_proof(made.key, method, target, clock=self._clock, ids=self._ids, token=made.value)
        return {"Authorization": f"DPoP {made.value}", "DPoP": proof}


def resolved(target: str) -> addresses.Resolved:
    """Where a URL leads. Raises ``RemoteError``."""
    parts = urlsplit(target)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise RemoteError(f"{target} is no http or https URL")
    return addresses.resolve(parts.scheme, parts.netloc, parts.path)


def service_at(target: str) -> Service:
    """The service a URL belongs to. Raises ``RemoteError``."""
    service = BY_NAME.get(resolved(target).service)
    if service is None:
        raise RemoteError(f"no service of the sandbox is at {target}; /docs lists them")
    return service


def receipt(body: bytes) -> tuple[bool, str]:
    """What an AppRec says (pps.md section 9.2): taken or not, and its errors as ``code text``."""
    root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
    status = root.find("{*}Status")
    errors = [
        " ".join(part for part in (error.get("V"), error.get("DN"), error.get("OT")) if part)
        for error in root.iterfind("{*}Error")
    ]
    told = "; ".join(errors) or (status.get("DN") if status is not None else None) or "no status"
    return status is not None and status.get("V") == _APPREC_TAKEN, told


def read_file(path: Path) -> bytes:
    """The bytes of a file the user named. Raises ``RemoteError``."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise RemoteError(f"{path}: {error.strerror}") from error


def detail(answer: httpx.Response) -> str:
    """What an error answer says, in one line."""
    try:
        body = answer.json()
    except ValueError:
        return " ".join(answer.text.split())[:200]
    return str(body.get("detail") or body.get("title") or body) if isinstance(body, dict) else str(body)
