"""Patients: what each is for, their settings as switches, and a command that asks for their results."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.clock import rfc3339
from app.core import Core
from app.errors import Reason, Refusal
from app.routers.common import trail_of
from app.routers.console import view
from app.routers.console.guard import Form, form_of, guarded
from app.sandboxes import privacy_change
from app.sandboxes.forms import validated
from app.sandboxes.registry import required
from app.sandboxes.setting_bodies import ShortSetting
from app.services.provesvar import source as provesvar
from app.store import privacy, registers
from app.store.engine import Connection
from app.store.privacy import StoredSetting
from app.trust.facts import OrganisationRecord, Person, PractitionerRecord, SettingKind

_DAY: Final = 86_400.0
_MOST_DAYS: Final = 3650
_SERVICES: Final = ("PPS", "KJ", "PJD", "RF")
_SEARCH: Final = "/DiagnosticReport/_search"
_COUNTS: Final[Mapping[str, Callable[[Connection, str], Mapping[str, int]]]] = {"PPS": provesvar.counts}
"""How many results each service holds of its patients, by service."""


@dataclass(frozen=True, slots=True)
class Switch:
    """A setting that is on or off: about everything in one service, aimed at nobody in particular."""

    service: str
    kind: SettingKind
    level: str | None = None
    module: str | None = None

    @property
    def key(self) -> str:
        return "-".join(part for part in (self.service, self.kind.value, self.level, self.module) if part)

    def is_on(self, stored: StoredSetting) -> bool:
        setting = stored.setting
        return (setting.service, setting.kind, setting.level, setting.objects, setting.subjects) == (
            self.service,
            self.kind,
            self.level,
            frozenset(),
            frozenset(),
        ) and (self.module is None or setting.code == self.module)

    def body(self) -> dict[str, Any]:
        """The setting in the short form of the control API."""
        body = {"svc": self.service, "kind": self.kind.value, "level": self.level, "module": self.module}
        return {name: value for name, value in body.items() if value is not None}


SWITCHES: Final[tuple[Switch, ...]] = (
    *(Switch(service, SettingKind.GENERAL_BLOCK) for service in _SERVICES),
    Switch("PPS", SettingKind.RESERVATION),
    Switch("KJ", SettingKind.RESERVATION),
    Switch("KJ", SettingKind.MODULE_RESTRICTION, module="KRITISK_INFO"),
    Switch("PPS", SettingKind.PTS_PRIVACY, level="Soft"),
    Switch("PPS", SettingKind.PTS_PRIVACY, level="Hard"),
    Switch("*", SettingKind.OWN_ACCESS_REMOVED),
)
_BY_KEY: Final[Mapping[str, Switch]] = {switch.key: switch for switch in SWITCHES}


@dataclass(frozen=True, slots=True)
class Listed:
    """A patient in the list."""

    person: Person
    settings: int
    results: int


@dataclass(frozen=True, slots=True)
class Known:
    """Everything the page of a patient shows."""

    person: Person
    numbers: Sequence[tuple[str, bool]]
    settings: Sequence[StoredSetting]
    results: Mapping[str, int]
    names: Mapping[str, str]
    practitioners: Sequence[PractitionerRecord]
    organisations: Sequence[OrganisationRecord]


def routes(core: Core) -> APIRouter:
    """The list of patients, and the page of each."""
    router = APIRouter(route_class=guarded(core), include_in_schema=False)

    @router.get("/patients")
    async def patients(
        request: Request,
        text: Annotated[str, Query(max_length=100)] = "",
        only: Annotated[str, Query(max_length=20)] = "",
    ) -> Response:
        sandbox = trail_of(request).call.sandbox.id

        def read(conn: Connection) -> list[Listed]:
            counted = [count(conn, sandbox) for count in _COUNTS.values()]
            return [
                Listed(
                    each,
                    len(privacy.settings_of(conn, sandbox, each.id)),
                    sum(counts.get(each.id, 0) for counts in counted),
                )
                for each in registers.list_persons(conn, sandbox)
                if _found(each, text)
            ]

        listed = [each for each in await core.store.read(read) if _kept(each, only)]
        return view.page(request, "patients.html", listed=listed, text=text, only=only)

    @router.get("/patients/{person_id}")
    async def patient(request: Request, person_id: str) -> Response:
        return await shown(request, person_id)

    @router.post("/patients/{person_id}/settings")
    async def change(request: Request, person_id: str) -> Response:
        call, form = trail_of(request).call, form_of(request)
        try:
            remove = form.get("remove")
            if remove is not None:

                def take(conn: Connection) -> bool:
                    required(conn, call.sandbox.id, person_id)
                    return privacy.remove_setting(conn, call.sandbox.id, person_id, remove)

                await core.store.write(take)
                return view.moved(request, f"/patients/{person_id}", "removed")
            body = validated(ShortSetting, _body(form, call.moment.sandbox))

            def put(conn: Connection) -> None:
                person = required(conn, call.sandbox.id, person_id)
                privacy_change.put(conn, call.sandbox, person, body, call.moment.sandbox)

            await core.store.write(put)
        except Refusal as refusal:
            return await shown(request, person_id, refusal)
        return view.moved(request, f"/patients/{person_id}", "set")

    async def shown(request: Request, person_id: str, error: Refusal | None = None) -> Response:
        call = trail_of(request).call
        known = await core.store.read(lambda conn: _known(conn, call.sandbox.id, person_id))
        if known is None:
            return view.not_found(request, "no_person")
        switches = [(each, next((s for s in known.settings if each.is_on(s)), None)) for each in SWITCHES]
        return view.page(
            request,
            "patient.html",
            error=error,
            known=known,
            person=known.person,
            switches=switches,
            services=_SERVICES,
            commands=_commands(call.root, known.person),
        )

    return router


def _known(conn: Connection, sandbox: str, person_id: str) -> Known | None:
    person = registers.person_by_id(conn, sandbox, person_id)
    if person is None:
        return None
    related = {*person.parents, *person.fullmakt_to, *([person.guardian] if person.guardian else [])}
    people = {each: registers.person_by_id(conn, sandbox, each) for each in sorted(related)}
    return Known(
        person=person,
        numbers=registers.identifiers_of(conn, sandbox, person_id),
        settings=privacy.settings_of(conn, sandbox, person_id),
        results={
            service: stored for service, count in _COUNTS.items() if (stored := count(conn, sandbox).get(person_id))
        },
        names={each: _name(found) for each, found in people.items() if found is not None},
        practitioners=registers.list_practitioners(conn, sandbox),
        organisations=registers.list_organisations(conn, sandbox),
    )


def _body(form: Form, now: float) -> dict[str, Any]:
    """The setting a form asks for, in the short form. Raises ``Refusal(CONTENT_INVALID)``."""
    switch = _BY_KEY.get(form.get("switch", ""))
    if switch is not None:
        return switch.body()
    service, kind = form.get("svc", ""), form.get("kind", "")
    if kind == SettingKind.SPECIFIC_BLOCK:
        return {"svc": service, "kind": kind, "hprRef": form.get("who", "")}
    if kind == SettingKind.ORG_BLOCK:
        return {"svc": service, "kind": kind, "orgRef": form.get("who", "")}
    if kind == SettingKind.PTS_SAFETY:
        days = form.get("days", "")
        if not (days.isascii() and days.isdigit() and 1 <= int(days) <= _MOST_DAYS):
            raise Refusal(Reason.CONTENT_INVALID, f"days: a whole number from 1 to {_MOST_DAYS}")
        return {"svc": "PPS", "kind": kind, "code": "NORU", "until": rfc3339(now + int(days) * _DAY)}
    raise Refusal(Reason.CONTENT_INVALID, "kind: no such setting")


def _commands(root: str, person: Person) -> tuple[tuple[str, str], ...]:
    """Commands that work as they stand; a number stands in a header, never in an address."""
    url = f"{root}/pps/v2{_SEARCH}"
    return (
        ("with_sandkasse", f"sandkasse curl {shlex.quote(url)} --patient {shlex.quote(person.id)} -d _count=10"),
        (
            "with_curl",
            f"curl -X POST {shlex.quote(root + '/pps-backdoor/fhir' + _SEARCH)} \\\n"
            f"  -H 'x-nilar-patient: {person.nin}' -H 'x-nilar-requester-hpr: 222250101' \\\n"
            "  -H 'x-nilar-correlation-id: console' -d _count=10",
        ),
    )


def _found(person: Person, text: str) -> bool:
    looked_in = (person.id, person.given, person.family, person.municipality, str(person.extra.get("scenario", "")))
    return all(any(word in (value or "").casefold() for value in looked_in) for word in text.casefold().split())


def _kept(listed: Listed, only: str) -> bool:
    if only == "settings":
        return listed.settings > 0
    return only != "results" or listed.results > 0


def _name(person: Person) -> str:
    return " ".join(part for part in (person.given, person.family) if part)
