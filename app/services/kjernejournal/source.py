"""What the portal page shows of one patient, as the release asks for it (``app.trust.release.Source``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from app.services.kjernejournal.entries import page_of
from app.services.kjernejournal.port import CriticalInformation
from app.store.engine import Connection
from app.trust.facts import Person
from app.trust.policy import ObjectFacts
from app.trust.release import Answer


@dataclass(frozen=True, slots=True)
class PageSource:
    """All critical information of a patient, on a day in Norway."""

    sandbox: str
    info: CriticalInformation
    today: date

    def objects(self, conn: Connection, person: Person) -> Sequence[ObjectFacts]:
        """Every record that is not deleted."""
        return [ObjectFacts(f"{each.type}/{each.id}") for each in self.info.latest(conn, self.sandbox, person.id)]

    def search(self, conn: Connection, person: Person, dropped: frozenset[str]) -> Answer:
        """The groups with their entries, as JSON."""
        found = [
            each for each in self.info.latest(conn, self.sandbox, person.id) if f"{each.type}/{each.id}" not in dropped
        ]
        ids = tuple([f"{each.type}/{each.id}" for each in found])
        return Answer(page_of(found, self.info, self.today), ids, len(found), media_type="application/json")
