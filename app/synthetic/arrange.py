"""A scenario put into a sandbox, in the transaction it is given: all of it, or a ``Refusal`` that says where it fails.

Everything follows from the scenario, the sandbox's seed and its clock; nothing is drawn from chance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, Final

from app.clock import ClockState, rfc3339
from app.errors import Reason, Refusal
from app.ids import SeededIds, derived_uuid
from app.sandboxes import config, faults, privacy_change, registry
from app.sandboxes.config import Config
from app.sandboxes.content import Seeder
from app.sandboxes.forms import below, invalid, validated
from app.sandboxes.register_bodies import OrganisationBody, PersonBody, PractitionerBody
from app.sandboxes.registry import today_at
from app.sandboxes.scenario import (
    ClientEntry,
    FaultEntries,
    PersonEntry,
    ReportEntry,
    Scenario,
    ScenarioClock,
    SettingForm,
    day,
    duration,
    moved,
)
from app.sandboxes.state import SandboxState
from app.services.provesvar import ingest, ingest_fhir
from app.services.provesvar.ingest import Fate
from app.services.provesvar.rules import SERVICE
from app.services.provesvar.seed_reports import KINDS, Place
from app.services.provesvar.svarrapport import read
from app.services.provesvar.writer import Analysis, ReportSpec, svarrapport_xml
from app.store import clients, registers, sandboxes
from app.store.engine import Connection
from app.synthetic import generate
from app.trust.facts import Person
from app.trust.policy.citizen import age
from app.trust.sts.clients import Client, read_client
from app.trust.sts.presets import PRESETS

_TAKEN: Final = frozenset({Fate.STORED, Fate.REPLACED, Fate.CANCELLED, Fate.DUPLICATE})
_BEFORE_BIRTHDAY: Final = timedelta(days=100)


def fill(conn: Connection, state: SandboxState, real: float, chain: Sequence[Scenario], root: Seeder | None) -> None:
    """Put the scenarios of ``chain`` into the sandbox, the lowest first, on top of ``root`` when given.

    ``real`` is real time in epoch seconds. Clock, settings and faults are set before anything is put, so that all that
    counts from the clock counts from the scenario's. Raises ``Refusal``: CONTENT_INVALID or CONFLICT with a pointer.
    """
    state = _prepared(conn, state, real, chain)
    if root is not None:
        root(conn, state, real)
    for scenario in chain:
        _Work(conn, state, scenario, state.clock.at(real)).all()


def _prepared(conn: Connection, state: SandboxState, real: float, chain: Sequence[Scenario]) -> SandboxState:
    clock = next((each.clock for each in reversed(chain) if each.clock is not None), None)
    if clock is not None:
        state = _clocked(conn, state, real, clock)
    settings: dict[str, Any] = {}
    for scenario in chain:
        settings |= {name: value for name, value in scenario.settings.items() if value is not None}
    given = [each.faults for each in chain if each.faults.dependencies or each.faults.rules]
    if settings or given:
        state = _configured(conn, state, settings, given)
    return state


def _clocked(conn: Connection, state: SandboxState, real: float, wanted: ScenarioClock) -> SandboxState:
    before = state.clock.at(real)
    after = wanted.now.timestamp() if wanted.now is not None else real + wanted.advance.total_seconds()
    newest = sandboxes.newest_record(conn, state.id)
    if after < before and newest is not None and after < newest:
        raise Refusal(
            Reason.CONFLICT,
            "the clock would go back past the newest token or audit record; reset the sandbox with the scenario",
            source="R32",
            extra={"pointer": "/clock"},
        )
    clock = ClockState(after - real, after if wanted.frozen else None)
    sandboxes.change(conn, state.id, clock_offset=clock.offset, clock_frozen=clock.frozen_at)
    return replace(state, clock=clock)


def _configured(
    conn: Connection, state: SandboxState, settings: Mapping[str, Any], given: Sequence[FaultEntries]
) -> SandboxState:
    row = sandboxes.load(conn, state.id)
    known = config.load(row.config) if row is not None else Config()
    failing, rules = dict(known.faults), {rule.id: rule for rule in known.rules}
    for entries in given:
        failing |= config.checked_faults(entries.dependencies, "/faults/dependencies")
        for draft in entries.rules:
            rule = faults.named(draft, frozenset(rules))
            rules[rule.id] = rule
    if len(rules) > faults.MOST_RULES:
        raise invalid("/faults/rules", f"a sandbox has at most {faults.MOST_RULES} rules")
    chosen = Config({**known.settings, **config.checked_settings(settings)}, failing, tuple(rules.values()))
    sandboxes.change(conn, state.id, config=chosen.dump())
    return replace(state, settings=config.overlay(state.settings, chosen), faults=failing, rules=chosen.rules)


@dataclass(slots=True)
class _Work:
    """One scenario on its way in. ``now`` is epoch seconds on the sandbox clock."""

    conn: Connection
    state: SandboxState
    scenario: Scenario
    now: float
    reports: dict[str, tuple[str, str]] = field(default_factory=dict)

    def all(self) -> None:
        self._organisations()
        self._practitioners()
        self._persons()
        for place, criteria in enumerate(self.scenario.generate):
            seed = "\x1f".join((self.scenario.name, self.scenario.seed, str(place), criteria.seed))
            with below(f"/generate/{place}"):
                generate.generate(self.conn, self.state, criteria.model_copy(update={"seed": seed}), self.now)
        self._clients()
        for place, report in enumerate(self.scenario.reports):
            with below(f"/reports/{place}"):
                self._report(report, place)
        for place, resource in enumerate(self.scenario.resources):
            with below(f"/resources/{place}"):
                self._resource(resource.service, self.resolved(resource.content, "/content"), place)
        for place, entry in enumerate(self.scenario.privacy):
            with below(f"/privacy/{place}"):
                person = self._person(entry.person, "/person")
                with below("/setting"):
                    body = validated(SettingForm, self.resolved(entry.setting, "")).root
                    privacy_change.put(self.conn, self.state, person, body, self.now)
        self._references()

    def resolved(self, value: Any, pointer: str) -> Any:
        """``value`` with the texts that begin with a dollar sign replaced by what they stand for."""
        if isinstance(value, Mapping):
            return {name: self.resolved(each, f"{pointer}/{name}") for name, each in value.items()}
        if isinstance(value, list):
            return [self.resolved(each, f"{pointer}/{place}") for place, each in enumerate(value)]
        if isinstance(value, str) and value.startswith("$"):
            return self._meaning(value, pointer)
        return value

    def _meaning(self, text: str, pointer: str) -> str:
        kind, colon, name = text[1:].partition(":")
        if colon and kind in _NAMED:
            found = _NAMED[kind](self, name)
            if found is None:
                raise invalid(pointer, f"{text} leads to nothing in the scenario or what it is built on")
            return found
        for word, meaning in (("now", self._instant), ("today", self._date)):
            if text[1:].startswith(word) and text[1 + len(word) : 2 + len(word)] in ("", "+", "-"):
                try:
                    return meaning(text[1 + len(word) :])
                except ValueError as error:
                    raise invalid(pointer, str(error)) from None
        raise invalid(pointer, f"{text} is not known; texts with a dollar sign are {', '.join(_KNOWN)}")

    def _instant(self, by: str) -> str:
        return rfc3339(self.now + (duration(by).total_seconds() if by else 0.0))

    def _date(self, by: str) -> str:
        today = today_at(self.now)
        return (moved(by, today) if by else today).isoformat()

    def _organisations(self) -> None:
        for place, entry in enumerate(self.scenario.organisations):
            with below(f"/organisations/{place}"):
                organisation_id, members = _entry(entry)
                if registers.organisation_by_id(self.conn, self.state.id, organisation_id) is None:
                    body = validated(OrganisationBody, members)
                    registry.put_organisation(self.conn, self.state, organisation_id, body)
                else:
                    registry.patch_organisation(self.conn, self.state, organisation_id, members)

    def _practitioners(self) -> None:
        for place, entry in enumerate(self.scenario.practitioners):
            with below(f"/practitioners/{place}"):
                practitioner_id, members = _entry(entry)
                if registers.practitioner_by_id(self.conn, self.state.id, practitioner_id) is None:
                    body = validated(PractitionerBody, members)
                    registry.put_practitioner(self.conn, self.state, practitioner_id, body)
                else:
                    registry.patch_practitioner(self.conn, self.state, practitioner_id, members)

    def _persons(self) -> None:
        """Everybody first, then whom they name: a child may stand before its parents."""
        for place, entry in enumerate(self.scenario.persons):
            with below(f"/persons/{place}"):
                self._put_person(entry)
        for place, entry in enumerate(self.scenario.persons):
            with below(f"/persons/{place}"):
                registry.check_relatives(self.conn, self.state.id, entry.id, entry)

    def _put_person(self, entry: PersonEntry) -> None:
        members = entry.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"id", "age"})
        known = registers.person_by_id(self.conn, self.state.id, entry.id)
        # Loaded again on a later day: who still has the age keeps the birth date, which is in the number too.
        if entry.age is not None and age(known, self.now) != entry.age:
            members["birthDate"] = _born(entry.age, today_at(self.now)).isoformat()
        if known is None:
            body = validated(PersonBody, members)
            registry.put_person(self.conn, self.state, entry.id, body, self.now, check_relations=False)
        else:
            registry.patch_person(self.conn, self.state, entry.id, members, self.now, check_relations=False)

    def _clients(self) -> None:
        for place, entry in enumerate(self.scenario.clients):
            with below(f"/clients/{place}"):
                for client in _registrations(entry):
                    clients.put(self.conn, self.state.id, client)

    def _report(self, entry: ReportEntry, position: int) -> None:
        if entry.id in self.reports:
            raise invalid("/id", "another report of the scenario has the id")
        if entry.kind not in KINDS:
            raise invalid("/kind", f"the kinds are {', '.join(sorted(KINDS))}")
        person = self._person(entry.person, "/person")
        series = f"scenario/{self.scenario.name}/{entry.id}"
        taken = day(entry.at, today_at(self.now))
        type_ = registry.number(self.state, person.nin, "/person").type.value
        place = Place(person.id, person.nin, type_, position, taken, series)
        for spec in KINDS[entry.kind](place):
            self._send_in(entry, _with_results(spec, entry, place))

    def _send_in(self, entry: ReportEntry, spec: ReportSpec) -> None:
        # On another day the same report comes in a message of its own, which replaces what the first one brought.
        message = svarrapport_xml(replace(spec, msg_id=derived_uuid(spec.msg_id, spec.generated)))
        prepared = ingest.mapped(read(message, max_bytes=len(message)))
        applied = ingest.apply(self.conn, self.state.id, prepared, now=self.now, ids=self._ids(entry.id))
        if not _TAKEN.issuperset(applied.fates):
            raise invalid("/person", f"the report was not taken: {', '.join(applied.fates)}")
        self.reports[entry.id] = (prepared.reports[0].report_id, spec.requisition_id)

    def _resource(self, service: str, content: object, place: int) -> None:
        if service.upper() != SERVICE:
            raise invalid("/service", f"FHIR is taken for the service {SERVICE}")
        ids = self._ids(f"resource/{place}")
        with below("/content"):
            found = ingest_fhir.read_fhir(content, self.state.settings, now=self.now, ids=ids)
            ingest_fhir.store_fhir(self.conn, self.state.id, found, self.now, ids)

    def _references(self) -> None:
        """Those that tokens and calls name are there; what the calls give is for a test to tell."""
        for place, token in enumerate(self.scenario.tokens):
            with below(f"/tokens/{place}"):
                self._somebody(token.persona, "/persona")
                self._client(token.client)
        for place, call in enumerate(self.scenario.try_):
            with below(f"/try/{place}"):
                self._somebody(call.who, "/who")
                self._client(call.client)
                if call.patient is not None:
                    self._person(call.patient, "/patient")

    def _person(self, person_id: str, pointer: str) -> Person:
        found = registers.person_by_id(self.conn, self.state.id, person_id)
        if found is None:
            raise invalid(pointer, "there is no person with that id in the scenario or what it is built on")
        return found

    def _somebody(self, who: str | None, pointer: str) -> None:
        """A persona that is an id; numbers, ``hpr:`` and the machine may log in without standing in a register."""
        name = "" if who is None else who.split(" ", 1)[0]
        if not name or name == MACHINE or name.isdigit() or ":" in name:
            return
        if registers.practitioner_by_id(self.conn, self.state.id, name) is None:
            self._person(name, pointer)

    def _client(self, client_id: str | None) -> None:
        if client_id is not None and clients.find(self.conn, self.state.id, client_id) is None:
            raise invalid("/client", "there is no client with that id in the scenario or what it is built on")

    def _ids(self, purpose: str) -> SeededIds:
        return SeededIds("\x1f".join((self.state.seed, self.scenario.name, self.scenario.seed, purpose)))

    def number_of(self, person_id: str) -> str | None:
        found = registers.person_by_id(self.conn, self.state.id, person_id)
        return None if found is None else found.nin

    def pid_of(self, practitioner_id: str) -> str | None:
        found = registers.practitioner_by_id(self.conn, self.state.id, practitioner_id)
        return None if found is None else found.pid

    def hpr_of(self, practitioner_id: str) -> str | None:
        found = registers.practitioner_by_id(self.conn, self.state.id, practitioner_id)
        return None if found is None else found.hpr

    def orgnr_of(self, organisation_id: str) -> str | None:
        found = registers.organisation_by_id(self.conn, self.state.id, organisation_id)
        return None if found is None else found.orgnr


MACHINE: Final = "machine"
_NAMED: Final[Mapping[str, Callable[[_Work, str], str | None]]] = {
    "nin": _Work.number_of,
    "pid": _Work.pid_of,
    "hpr": _Work.hpr_of,
    "orgnr": _Work.orgnr_of,
    "report": lambda work, name: work.reports[name][0] if name in work.reports else None,
    "requisition": lambda work, name: work.reports[name][1] if name in work.reports else None,
}
_KNOWN: Final = (*(f"${name}:<id>" for name in _NAMED), "$now", "$now-P1D", "$today", "$today+P1D")


def _entry(entry: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    members = dict(entry)
    name = members.pop("id", None)
    if not isinstance(name, str):
        raise invalid("/id", "the entry needs an id")
    return name, members


def _born(age: int, today: date) -> date:
    return generate.birth_dates(age, age, today)[1] - _BEFORE_BIRTHDAY


def _registrations(entry: ClientEntry) -> list[Client]:
    if entry.client is not None:
        with below("/client"):
            return [read_client(entry.client)]
    if entry.preset is None or entry.preset not in PRESETS:
        raise invalid("/preset", f"the presets are {', '.join(PRESETS)}")
    with below("/jwks"):
        return [read_client({**each.dump(), "jwks": entry.jwks}) for each in PRESETS[entry.preset]]


def _with_results(spec: ReportSpec, entry: ReportEntry, place: Place) -> ReportSpec:
    if not entry.results:
        return spec
    sample = spec.samples[0].id if spec.samples else ""
    items = tuple(
        Analysis(
            code=each.code,
            name=each.name,
            number=each.number or "",
            unit=each.unit,
            reference=each.reference,
            text=each.text,
            id=place.result_id(item),
            sample=sample,
        )
        for item, each in enumerate(entry.results, start=1)
    )
    return replace(spec, items=items)
