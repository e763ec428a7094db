"""A citizen's own data, as the release to citizens asks for them (``app.trust.release.Source``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.fhir import bundle
from app.services.citizen import log
from app.services.citizen.log import Wanted
from app.services.citizen.port import Records
from app.store import audit, registers
from app.store.engine import Connection
from app.trust.audit import patient_key
from app.trust.facts import Person
from app.trust.policy import ObjectFacts
from app.trust.release import Answer


@dataclass(frozen=True, slots=True)
class RecordsSource:
    """All critical information of a person, the stored bytes. ``base`` is the public address of the service."""

    sandbox: str
    base: str
    records: Records

    def objects(self, conn: Connection, person: Person) -> Sequence[ObjectFacts]:
        return self.records.objects(conn, self.sandbox, person)

    def search(self, conn: Connection, person: Person, dropped: frozenset[str]) -> Answer:
        """A searchset, last changed first."""
        found = [
            each
            for each in self.records.latest(conn, self.sandbox, person.id)
            if f"{each.type}/{each.id}" not in dropped
        ]
        body = bundle.searchset(
            base=self.base,
            total=len(found),
            links=self._links(),
            matches=[(each.type, each.id, each.body) for each in found],
        )
        ids = tuple([f"{each.type}/{each.id}/_history/{each.version}" for each in found])
        return Answer(body, ids, len(found))

    def empty(self) -> bytes:
        """The searchset of nothing."""
        return bundle.searchset(base=self.base, total=0, links=self._links())

    def _links(self) -> list[tuple[str, str]]:
        return [("self", f"{self.base}/critical-information")]


@dataclass(frozen=True, slots=True)
class LogSource:
    """Who has read or changed a person's data. ``index_key`` is what records are found by (``release.index_key``)."""

    sandbox: str
    wanted: Wanted
    index_key: bytes

    def objects(self, conn: Connection, person: Person) -> Sequence[ObjectFacts]:
        return ()

    def search(self, conn: Connection, person: Person, dropped: frozenset[str]) -> Answer:
        """The log as JSON, newest first."""
        wanted = self.wanted
        found = [
            record
            for number, _ in registers.identifiers_of(conn, self.sandbox, person.id)
            for record in audit.query(
                conn,
                self.sandbox,
                service=wanted.service,
                patient=patient_key(number, self.index_key),
                elevated=wanted.elevated,
                since=wanted.since,
                until=wanted.until,
                limit=log.MOST,
            )
        ]
        numbers = {number for record in found for number in log.organisations_of(record)}
        known = [registers.organisation(conn, self.sandbox, number) for number in sorted(numbers)]
        names = {each.orgnr: each.name for each in known if each is not None}
        body, total = log.page(found, wanted, names)
        return Answer(body, (), total, media_type="application/json")
