"""The facade's answers over one patient's records, as the release asks for them (``app.trust.release.Source``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Final

import orjson

from app.errors import Reason, Refusal
from app.fhir import bundle
from app.fhir.search import DateTest
from app.services.fhirfacade.mapping import Resource, resources_of
from app.services.fhirfacade.port import Record, Records, key_of, place_of
from app.services.fhirfacade.rules import Asked, Read, Search, Summary
from app.services.fhirfacade.summary import document
from app.store.engine import Connection
from app.trust.facts import Person
from app.trust.policy import ObjectFacts
from app.trust.release import Answer


@dataclass(frozen=True, slots=True)
class FacadeSource:
    """Reads for one request on a day in Norway. ``base`` is the facade's public address."""

    sandbox: str
    base: str
    records: Records
    asked: Asked
    today: date

    def objects(self, conn: Connection, person: Person) -> Sequence[ObjectFacts]:
        return self.records.objects(conn, self.sandbox, person)

    def search(self, conn: Connection, person: Person, dropped: frozenset[str]) -> Answer:
        """A searchset, one resource or the document. Raises ``Refusal(NOT_FOUND)`` for a resource there is not."""
        records = [each for each in self.records.latest(conn, self.sandbox, person.id) if key_of(each) not in dropped]
        match self.asked:
            case Search():
                return self._searchset(self.asked, records, person)
            case Read():
                return self._one(self.asked, records, person)
            case Summary():
                return self._document(self.asked, records, person)

    def _searchset(self, search: Search, records: Sequence[Record], person: Person) -> Answer:
        wanted = [each for each in records if _changed(each, search.changed)]
        found = [
            (record, resource)
            for record, resource in self._rendered(wanted, person)
            if resource["resourceType"] == search.type and (search.ids is None or resource["id"] in search.ids)
        ]
        matches = [(each["resourceType"], each["id"], orjson.dumps(each)) for _, each in found]
        body = bundle.searchset(base=self.base, total=len(matches), links=self._links(search), matches=matches)
        return Answer(body, tuple([place_of(record) for record, _ in found]), len(found))

    def _one(self, read: Read, records: Sequence[Record], person: Person) -> Answer:
        for record, resource in self._rendered(records, person):
            if (resource["resourceType"], resource["id"]) == (read.type, read.id):
                return Answer(orjson.dumps(resource), (place_of(record),), 1)
        raise Refusal(Reason.NOT_FOUND, "the patient has no such resource", source="ruling S17")

    def _document(self, summary: Summary, records: Sequence[Record], person: Person) -> Answer:
        # Refuted records leave the summary (#60).
        kept = [each for each in records if each.state != "refuted"]
        found = [resource for _, resource in self._rendered(kept, person)]
        body = document(self.base, summary.id, summary.now, person, found, "unavailable")
        return Answer(body, tuple([place_of(record) for record in kept]), len(kept))

    def _rendered(self, records: Sequence[Record], person: Person) -> list[tuple[Record, Resource]]:
        return [(each, resource) for each in records for resource in resources_of(each, person.id, self.today)]

    def empty(self, search: Search) -> bytes:
        """The searchset of nothing."""
        return bundle.searchset(base=self.base, total=0, links=self._links(search))

    def _links(self, search: Search) -> list[tuple[str, str]]:
        # Without parameters: the patient's number never stands in an address that is answered.
        return [("self", f"{self.base}/{search.type}/_search")]


_COMPARISONS: Final[Mapping[str, Callable[[float, DateTest], bool]]] = MappingProxyType(
    {
        "eq": lambda at, test: test.low <= at < test.high,
        "ne": lambda at, test: not test.low <= at < test.high,
        "gt": lambda at, test: at >= test.high,
        "lt": lambda at, test: at < test.low,
        "ge": lambda at, test: at >= test.low,
        "le": lambda at, test: at < test.high,
    }
)


def _changed(record: Record, tests: Sequence[DateTest]) -> bool:
    return all(_COMPARISONS[test.prefix](record.updated, test) for test in tests)
