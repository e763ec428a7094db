"""What can be done with a sandbox, by subject. Each operation is written once, for sync and async."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sandkasse.answers import (
    Advice,
    Client,
    ClockReading,
    Exchange,
    Explanation,
    FaultRule,
    Organisation,
    Person,
    Practitioner,
    Setting,
    read,
    wire_name,
)
from sandkasse.calls import Steps, operation, temporary
from sandkasse.effects import Effect
from sandkasse.errors import NotSeen
from sandkasse.keys import SigningKey, public_part
from sandkasse.place import AsyncGroup, Group, SyncGroup

_LOOKED_AT: Final = 200
_MARGIN: Final = 10.0  # seconds the server may take beyond what it was asked to wait
_NOT_TAKEN_OVER: Final = frozenset({"keys", "made", "template", "blocked"})
_NONCE_DANCE: Final = "use_dpop_nonce"


class _ClockSteps(Group):
    @operation
    def read(self) -> Steps[ClockReading]:
        """What the clock shows."""
        return read(ClockReading, (yield from self._control("GET", "/clock")))

    @operation
    def now(self) -> Steps[datetime]:
        """The sandbox's time."""
        return read(ClockReading, (yield from self._control("GET", "/clock"))).now

    @operation
    def set(self, now: datetime, *, frozen: bool = False, force: bool = False) -> Steps[ClockReading]:
        """Set it to ``now`` (with time zone); ``force`` goes back even past what has been issued and recorded."""
        return (yield from self._put({"now": now.isoformat(), "frozen": frozen, "force": force}))

    @operation
    def freeze(self, at: datetime | None = None) -> Steps[ClockReading]:
        """Stop it, where it is or ``at`` an instant."""
        if at is not None:
            return (yield from self._put({"now": at.isoformat(), "frozen": True}))
        return (yield from self._move({"frozen": True}))

    @operation
    def start(self) -> Steps[ClockReading]:
        """Let a frozen clock go on from where it stands."""
        return (yield from self._move({"frozen": False}))

    @operation
    def advance(self, by: timedelta | float) -> Steps[ClockReading]:
        """Move it on, by a duration or seconds; a frozen clock stays frozen."""
        return (yield from self._move({"advance": by.total_seconds() if isinstance(by, timedelta) else by}))

    @operation
    def follow(self, *, force: bool = False) -> Steps[ClockReading]:
        """Follow the real clock again."""
        return (yield from self._put({"now": "real", "force": force}))

    def _put(self, body: Mapping[str, Any]) -> Steps[ClockReading]:
        return read(ClockReading, (yield from self._control("PUT", "/clock", body)))

    def _move(self, body: Mapping[str, Any]) -> Steps[ClockReading]:
        return read(ClockReading, (yield from self._control("PATCH", "/clock", body)))


class _FaultsSteps(Group):
    def _add(self, /, effect: Effect, *, note: str | None = None, **match: Any) -> Steps[FaultRule]:
        body = {"match": _camel(match), "effect": dict(effect), **({"note": note} if note else {})}
        return read(FaultRule, (yield from self._control("POST", "/faults", body)))

    def _remove(self, rule: FaultRule | str) -> Steps[None]:
        name = rule if isinstance(rule, str) else rule.id
        yield from self._control("DELETE", f"/faults/{name}")

    @operation
    def add(self, /, effect: Effect, *, note: str | None = None, **match: Any) -> Steps[FaultRule]:
        """Do ``effect`` (``sandkasse.effects``) to the calls that ``match``: any of ``service``, ``method``, ``path``
        (with ``*``), ``patient`` (an id), ``client``, and ``nth``, ``every``, ``probability``, ``seed``, ``count``.

        Raises ``ControlError``: at least one of the first five must be named.
        """
        return (yield from self._add(effect, note=note, **match))

    @operation
    def remove(self, rule: FaultRule | str) -> Steps[None]:
        """Take a rule, or the one with that id, away."""
        yield from self._remove(rule)

    during = temporary(_add, _remove)
    """As ``add``, for the length of a ``with`` block."""

    @operation
    def get(self, rule: FaultRule | str) -> Steps[FaultRule]:
        """The rule as it is now, with its hits."""
        name = rule if isinstance(rule, str) else rule.id
        return read(FaultRule, (yield from self._control("GET", f"/faults/{name}")))

    @operation
    def list(self) -> Steps[tuple[FaultRule, ...]]:
        """Every rule."""
        body = yield from self._control("GET", "/faults")
        return tuple(read(FaultRule, rule) for rule in body["rules"])

    @operation
    def break_dependencies(self, /, **ways: Literal["timeout", "down"]) -> Steps[None]:
        """Let what the services need fail for every call, ``privacy="timeout"``; the others work again."""
        yield from self._control("PUT", "/faults", {"dependencies": ways})

    @operation
    def clear(self) -> Steps[None]:
        """Take every rule away, and let every dependency work."""
        yield from self._control("DELETE", "/faults")


class _PersonsSteps(Group):
    @operation
    def list(self) -> Steps[tuple[Person, ...]]:
        """Every person."""
        body = yield from self._control("GET", "/persons")
        return tuple(read(Person, person) for person in body["persons"])

    @operation
    def get(self, person: str) -> Steps[Person]:
        """One person by id, such as ``P01``."""
        return read(Person, (yield from self._control("GET", f"/persons/{person}")))

    @operation
    def put(self, /, person: str, **members: Any) -> Steps[Person]:
        """Put a person; without ``nin`` a synthetic number is made from ``birth_date`` and ``gender``."""
        return read(Person, (yield from self._control("PUT", f"/persons/{person}", _camel(members))))

    @operation
    def change(self, /, person: str, **members: Any) -> Steps[Person]:
        """Change some members; None takes one away."""
        return read(Person, (yield from self._control("PATCH", f"/persons/{person}", _camel(members))))

    @operation
    def remove(self, person: str) -> Steps[None]:
        """Take a person away with all data."""
        yield from self._control("DELETE", f"/persons/{person}")

    @operation
    def generate(self, /, count: int, **criteria: Any) -> Steps[tuple[Person, ...]]:
        """Make synthetic persons: ``seed``, ``age_from``, ``age_to``, ``gender``, ``municipality``, ``d_number``,
        ``address_protection``, ``status``, ``gp_hpr``, ``prefix`` of their ids."""
        body = yield from self._control("POST", "/persons/generate", {"count": count, **_camel(criteria)})
        return tuple(read(Person, person) for person in body["persons"])

    @operation
    def relations(self, person: str) -> Steps[Mapping[str, Any]]:
        """Parents, children, guardian and powers of attorney."""
        related: Mapping[str, Any] = yield from self._control("GET", f"/persons/{person}/relations")
        return related


class _PractitionersSteps(Group):
    @operation
    def list(self) -> Steps[tuple[Practitioner, ...]]:
        """Every health worker."""
        body = yield from self._control("GET", "/practitioners")
        return tuple(read(Practitioner, each) for each in body["practitioners"])

    @operation
    def get(self, practitioner: str) -> Steps[Practitioner]:
        """One health worker by id, such as ``H01``."""
        return read(Practitioner, (yield from self._control("GET", f"/practitioners/{practitioner}")))

    @operation
    def put(self, /, practitioner: str, **members: Any) -> Steps[Practitioner]:
        """Put a health worker: ``nin``, ``hpr``, ``authorizations``."""
        path = f"/practitioners/{practitioner}"
        return read(Practitioner, (yield from self._control("PUT", path, _camel(members))))

    @operation
    def change(self, /, practitioner: str, **members: Any) -> Steps[Practitioner]:
        """Change some members; ``authorizations=[]`` withdraws them."""
        path = f"/practitioners/{practitioner}"
        return read(Practitioner, (yield from self._control("PATCH", path, _camel(members))))

    @operation
    def patients(self, practitioner: str) -> Steps[tuple[str, ...]]:
        """Ids of those on the general practitioner's list."""
        body = yield from self._control("GET", f"/practitioners/{practitioner}/patients")
        return tuple(body["persons"])

    @operation
    def set_patients(self, practitioner: str, persons: Sequence[str]) -> Steps[tuple[str, ...]]:
        """Put these, and only these, on the list."""
        path = f"/practitioners/{practitioner}/patients"
        body = yield from self._control("PUT", path, {"persons": [*persons]})
        return tuple(body["persons"])


class _OrganisationsSteps(Group):
    @operation
    def list(self) -> Steps[tuple[Organisation, ...]]:
        """Every organisation."""
        body = yield from self._control("GET", "/organisations")
        return tuple(read(Organisation, each) for each in body["organisations"])

    @operation
    def get(self, organisation: str) -> Steps[Organisation]:
        """One organisation by id, such as ``O01``."""
        return read(Organisation, (yield from self._control("GET", f"/organisations/{organisation}")))

    @operation
    def put(self, /, organisation: str, **members: Any) -> Steps[Organisation]:
        """Put an organisation: ``orgnr``, ``name``, ``kind``, ``parent_orgnr``."""
        path = f"/organisations/{organisation}"
        return read(Organisation, (yield from self._control("PUT", path, _camel(members))))


class _SettingsSteps(Group):
    def _add(self, /, person: str, **members: Any) -> Steps[Setting]:
        body = yield from self._control("POST", f"/persons/{person}/settings", _camel(members))
        return _setting(person, body["settings"][0])

    def _remove(self, setting: Setting) -> Steps[None]:
        yield from self._control("DELETE", f"/persons/{setting.person}/settings/{setting.id}")

    @operation
    def list(self, person: str) -> Steps[tuple[Setting, ...]]:
        """What a person has set."""
        body = yield from self._control("GET", f"/persons/{person}/settings")
        return tuple(_setting(person, each) for each in body["settings"])

    @operation
    def add(self, /, person: str, **members: Any) -> Steps[Setting]:
        """Set what a body in the short form, or that of PVK or PTS, stands for; names in snake_case."""
        return (yield from self._add(person, **members))

    during = temporary(_add, _remove)
    """As ``add``, for the length of a ``with`` block."""

    @operation
    def block(self, person: str, *, service: str = "PPS", against: str | None = None) -> Steps[Setting]:
        """Block all health personnel, or the one ``against`` names by id."""
        if against is None:
            return (yield from self._add(person, svc=service, kind="general_block"))
        return (yield from self._add(person, svc=service, kind="specific_block", hpr_ref=against))

    @operation
    def reserve(self, person: str, *, service: str = "PPS") -> Steps[Setting]:
        """Reserve against registration in a service."""
        return (yield from self._add(person, svc=service, kind="reservation"))

    @operation
    def delay(self, person: str, report: str, until: datetime, *, service: str = "PPS") -> Steps[Setting]:
        """Hold a report (``Svarrapport`` id) back from the citizen ``until`` an instant (NORU)."""
        about = [{"type": "Svarrapport", "value": report}]
        members = {"svc": service, "kind": "pts_safety", "code": "NORU", "objects": about, "until": until.isoformat()}
        return (yield from self._add(person, **members))

    @operation
    def remove(self, setting: Setting) -> Steps[None]:
        """Take a setting away."""
        yield from self._remove(setting)


class _ClientsSteps(Group):
    @operation
    def list(self) -> Steps[tuple[Client, ...]]:
        """Every client of the issuer."""
        body = yield from self._control("GET", "/clients")
        return tuple(read(Client, each) for each in body["clients"])

    @operation
    def get(self, client: str) -> Steps[Client]:
        """One client by id."""
        return read(Client, (yield from self._control("GET", f"/clients/{client}")))

    @operation
    def register(
        self, /, client: str, key: SigningKey | Mapping[str, Any], *, like: str = "sandkasse-epj", **members: Any
    ) -> Steps[Client]:
        """Register your own client; only the public part of ``key`` is sent.

        It gets the scopes and organisations of ``like``, and ``members`` (as the control API names them) over them.
        """
        model = yield from self._control("GET", f"/clients/{like}")
        public = key.public if isinstance(key, SigningKey) else public_part(key)
        taken = {name: value for name, value in model.items() if name not in _NOT_TAKEN_OVER}
        body = {**taken, "id": client, "name": client, "jwks": [public], **members}
        return read(Client, (yield from self._control("POST", "/clients", body)))

    @operation
    def key(self, client: str = "sandkasse-epj") -> Steps[SigningKey]:
        """The private key of a seeded client."""
        return SigningKey((yield from self._control("GET", f"/clients/{client}/key")))

    @operation
    def remove(self, client: str) -> Steps[None]:
        """Take a client away."""
        yield from self._control("DELETE", f"/clients/{client}")


class _JournalSteps(Group):
    def _list(self, /, **filters: Any) -> Steps[tuple[Exchange, ...]]:
        patience = filters["wait"] + _MARGIN if filters.get("wait") else None
        body = yield from self._control("GET", "/exchanges", params=_query(filters), patience=patience)
        return tuple(read(Exchange, row) for row in body["exchanges"])

    def _last_refused(self) -> Steps[Exchange | None]:
        rows = yield from self._list(limit=_LOOKED_AT)
        return next((row for row in rows if row.refused and _NONCE_DANCE not in (row.summary or "")), None)

    @operation
    def list(self, /, **filters: Any) -> Steps[tuple[Exchange, ...]]:
        """Exchanges, newest first: ``service``, ``status``, ``reason``, ``client``, ``patient``, ``operation``,
        ``method``, ``path``, ``since``, ``until``, ``after`` (an id), ``limit``, ``wait`` (seconds for one to come)."""
        return (yield from self._list(**filters))

    @operation
    def expect(
        self, /, *, count: int = 1, timeout: float = 5, after: str | None = None, **match: Any
    ) -> Steps[tuple[Exchange, ...]]:
        """Wait up to ``timeout`` seconds until ``count`` exchanges ``match`` (``service``, ``status``, ``reason`` …).

        Raises ``NotSeen``, an ``AssertionError`` whose text says what came instead.
        """
        wanted = {"match": _camel(match), "count": count, "timeout": timeout, **({"after": after} if after else {})}
        body = yield from self._control("POST", "/exchanges/expect", wanted, patience=timeout + _MARGIN)
        found = tuple(read(Exchange, row) for row in body["exchanges"])
        if body["satisfied"]:
            return found
        came = yield from self._list(limit=10)
        raise NotSeen(_instead(match, count, found, came))

    @operation
    def explain(self, exchange: Exchange | str) -> Steps[Explanation]:
        """Why an exchange was answered as it was; a string is the answer's ``Sandbox-Exchange`` header."""
        name = exchange if isinstance(exchange, str) else exchange.id
        body = yield from self._control("GET", f"/exchanges/{name}")
        return read(Explanation, {**body, "body": body})

    @operation
    def ways(self, exchange: Exchange | str) -> Steps[Advice]:
        """The smallest changes that would let a refused exchange pass."""
        name = exchange if isinstance(exchange, str) else exchange.id
        return read(Advice, (yield from self._control("GET", f"/exchanges/{name}/ways")))

    @operation
    def last_refused(self) -> Steps[Exchange | None]:
        """The newest exchange in which somebody was told no."""
        return (yield from self._last_refused())

    @operation
    def har(self) -> Steps[Mapping[str, Any]]:
        """The journal as HAR 1.2, without secrets."""
        log: Mapping[str, Any] = yield from self._control("GET", "/exchanges/export")
        return log

    @operation
    def clear(self) -> Steps[None]:
        """Forget what has been."""
        yield from self._control("DELETE", "/exchanges")


class Clock(_ClockSteps, SyncGroup):
    """The sandbox's clock."""


class AsyncClock(_ClockSteps, AsyncGroup):
    """The sandbox's clock."""


class Faults(_FaultsSteps, SyncGroup):
    """What goes wrong on purpose."""


class AsyncFaults(_FaultsSteps, AsyncGroup):
    """What goes wrong on purpose."""


class Persons(_PersonsSteps, SyncGroup):
    """The register of persons."""


class AsyncPersons(_PersonsSteps, AsyncGroup):
    """The register of persons."""


class Practitioners(_PractitionersSteps, SyncGroup):
    """The register of health personnel."""


class AsyncPractitioners(_PractitionersSteps, AsyncGroup):
    """The register of health personnel."""


class Organisations(_OrganisationsSteps, SyncGroup):
    """The register of organisations."""


class AsyncOrganisations(_OrganisationsSteps, AsyncGroup):
    """The register of organisations."""


class Settings(_SettingsSteps, SyncGroup):
    """What persons have set."""


class AsyncSettings(_SettingsSteps, AsyncGroup):
    """What persons have set."""


class Clients(_ClientsSteps, SyncGroup):
    """Clients of the issuer."""


class AsyncClients(_ClientsSteps, AsyncGroup):
    """Clients of the issuer."""


class Journal(_JournalSteps, SyncGroup):
    """What was asked of the sandbox, what was answered, and why."""


class AsyncJournal(_JournalSteps, AsyncGroup):
    """What was asked of the sandbox, what was answered, and why."""


def _setting(person: str, body: Mapping[str, Any]) -> Setting:
    return read(Setting, {**body, "person": person})


def _camel(members: Mapping[str, Any]) -> dict[str, Any]:
    return {wire_name(name): value for name, value in members.items()}


def _query(filters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in filters.items()}


def _instead(match: Mapping[str, Any], count: int, found: Sequence[Exchange], came: Sequence[Exchange]) -> str:
    wanted = ", ".join(f"{name}={value!r}" for name, value in match.items()) or "anything"
    lines = [f"expected {count} exchange(s) with {wanted}; saw {len(found)}. Newest first, there were:"]
    lines += [f"  {row.id} {row.service} {row.status} {row.summary or row.reason or ''}".rstrip() for row in came]
    return "\n".join(lines if came else [*lines, "  none at all"])
