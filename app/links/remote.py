"""A sandbox that runs elsewhere, reached over HTTP: what the command line asks of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

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
_MACHINE: Final = "machine"
_APPREC_TAKEN: Final = "1"


@dataclass(frozen=True, slots=True)
class _Manner:
    """How a service is called: the header its patient is named in, its media type, and other headers it demands."""

    patient: str | None = None
    media_type: str = "application/x-www-form-urlencoded"
    headers: Mapping[str, str] = field(default_factory=dict)


_SYSTEM: Final = "sandkasse 1.0"
_DOCTOR: Final = quote('{"system":"urn:oid:2.16.578.1.12.4.1.1.9060","code":"LE"}')
_NHN: Final = {"nhn-source-system": _SYSTEM, "nhn-user-role": _DOCTOR, "nhn-access-basis": "SAMTYKKE"}
_NHN_PATIENT: Final = "nhn-patient-nin"
_PLAIN: Final = _Manner()
_MANNERS: Final[Mapping[str, _Manner]] = {
    "pps": _Manner("person-id"),
    "pps-v2": _Manner("person-id"),
    "pps-backdoor": _Manner("x-nilar-patient"),
    "trust-probe": _Manner("person-id"),
    "trust-probe-bearer": _Manner("person-id"),
    "critical-information": _Manner(_NHN_PATIENT, "application/fhir+json", _NHN),
    "fhir-facade": _Manner(_NHN_PATIENT, headers=_NHN),
    "kjernejournal": _Manner(media_type="application/json", headers={"X-EPJ-System": _SYSTEM}),
    "kjernejournal-innlogging": _Manner(media_type="application/json", headers={"X-SOURCE-SYSTEM": _SYSTEM}),
    "codingsystems": _Manner(headers={"nhn-source-system": _SYSTEM}),
}


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
        name = _MANNERS.get(service_at(target).name, _PLAIN).patient
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
        if rule.every_scope:
            scope = " ".join(each for _, each in rule.grants)
        wish = login.Wish(scope, audience, None if persona == _MACHINE else persona, bound="DPoP" in rule.schemes)
        if attest or rule.attest == "required" or rule.orgnr_child:
            client = self.control("GET", f"/clients/{client_id}")
            alone = persona == _MACHINE and not attest  # an attest is a person's
            if alone:
                wish = login.with_unit(wish, client)
            else:
                wish = login.with_attest(wish, client, self._practitioner(persona), new_uuid(self._ids))
        key = jwk if jwk is not None else self.control("GET", f"/clients/{client_id}/key")
        issuer = addresses.address("helseid", resolved(target))
        who = login.ClientKey(client_id, key)
        made = login.Login(self._http, issuer, who, self._clock, self._ids).token(wish)
        if not wish.bound:
            return {"Authorization": f"Bearer {made.value}"}
        proof = login.make_proof(made.key, method, target, clock=self._clock, ids=self._ids, token=made.value)
        return {"Authorization": f"DPoP {made.value}", "DPoP": proof}

    def _practitioner(self, hint: str) -> Any:
        """The register's health worker that a login hint names (ruling R26), if it names one."""
        who = hint.partition(" ")[0]
        known = self.control("GET", "/practitioners")["practitioners"]
        return next((each for each in known if who in (each["id"], each["nin"], f"hpr:{each['hpr']}")), None)


def usual_headers(target: str, method: str) -> dict[str, str]:
    """What the service demands of every call beside credentials and patient, with values that suit most calls.

    Raises ``RemoteError``.
    """
    manner = _MANNERS.get(service_at(target).name, _PLAIN)
    media_type = {} if method in ("GET", "HEAD") else {"Content-Type": manner.media_type}
    return {**media_type, **manner.headers}


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
