"""The stored records of one patient, as the release asks for them (``app.trust.release.Source``)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import orjson

from app.errors import Reason, Refusal
from app.fhir import bundle
from app.services.kritiskinfo import records
from app.services.kritiskinfo.categories import INFO_TYPES, category
from app.services.kritiskinfo.records import Record
from app.services.kritiskinfo.status import instant
from app.store.engine import Connection
from app.trust.facts import Person
from app.trust.policy import ObjectFacts, Op
from app.trust.release import Answer

INFO_TYPE: Final = "criticalInfoType"


@dataclass(frozen=True, slots=True)
class Search:
    """All latest records of a type; ``info_type`` is a value of ``criticalInfoType``."""

    type: str
    info_type: str | None = None


@dataclass(frozen=True, slots=True)
class Everything:
    """All latest records of every type."""


@dataclass(frozen=True, slots=True)
class Read:
    """One record, in its latest version or in ``version``."""

    type: str
    id: str
    version: int | None = None


@dataclass(frozen=True, slots=True)
class History:
    """All versions of one record."""

    type: str
    id: str


Asked = Search | Everything | Read | History


def op_of(asked: Asked) -> Op:
    """What the policy knows the question as."""
    return "search" if isinstance(asked, Search | Everything) else "read"


@dataclass(frozen=True, slots=True)
class RecordSource:
    """Reads for one request. ``base`` is the public address that the resource types stand below."""

    sandbox: str
    base: str
    asked: Asked

    def objects(self, conn: Connection, person: Person) -> Sequence[ObjectFacts]:
        return objects_of(conn, self.sandbox, person)

    def search(self, conn: Connection, person: Person, dropped: frozenset[str]) -> Answer:
        """A Bundle or one resource.

        Raises ``Refusal(NOT_FOUND)`` for a record or version the patient does not have, and ``Refusal(GONE)`` for a
        deleted one, with its remaining form in ``extra["body"]`` (ruling S20).
        """
        match self.asked:
            case Search(type_, info_type):
                found = records.latest(conn, self.sandbox, person.id, type_)
                return self._searchset(_of_info_type(found, type_, info_type), dropped)
            case Everything():
                return self._searchset(records.latest(conn, self.sandbox, person.id), dropped)
            case Read(type_, id_, version):
                return self._one(self._versions(conn, person, type_, id_, version is not None, dropped), version)
            case History(type_, id_):
                return self._history(self._versions(conn, person, type_, id_, True, dropped))

    def _versions(
        self, conn: Connection, person: Person, type_: str, id_: str, all_: bool, dropped: frozenset[str]
    ) -> Sequence[Record]:
        if all_:
            found = records.versions(conn, self.sandbox, person.id, type_, id_)
        else:
            last = records.current(conn, self.sandbox, person.id, type_, id_)
            found = [] if last is None else [last]
        if not found or found[0].key in dropped:
            raise _unknown("the patient has no such record")
        return found

    def _one(self, found: Sequence[Record], version: int | None) -> Answer:
        record = next((each for each in found if version in (None, each.version)), None)
        if record is None:
            raise _unknown("the record has no such version")
        if record.state == "deleted":
            raise records.deleted(record)
        return Answer(record.body, (record.place,), 1)

    def _history(self, found: Sequence[Record]) -> Answer:
        if found[0].state == "deleted":
            raise records.deleted(found[0])
        return Answer(_history(self.base, found), tuple([record.place for record in found]), len(found))

    def _searchset(self, found: Iterable[Record], dropped: frozenset[str]) -> Answer:
        shown = [record for record in found if record.key not in dropped]
        body = bundle.searchset(
            base=self.base,
            total=len(shown),
            links=[("self", self.url)],
            matches=[(record.type, record.id, record.body) for record in shown],
        )
        return Answer(body, tuple([record.place for record in shown]), len(shown))

    def empty(self) -> bytes:
        """The searchset of nothing."""
        return bundle.searchset(base=self.base, total=0, links=[("self", self.url)])

    @property
    def url(self) -> str:
        """The canonical address of the question, whatever alias it came by."""
        match self.asked:
            case Search(type_, None):
                return f"{self.base}/{type_}"
            case Search(type_, info_type):
                return f"{self.base}/{type_}?{urlencode({INFO_TYPE: info_type})}"
            case Everything():
                return f"{self.base}/Patient/$everything"
            case Read(type_, id_, None):
                return f"{self.base}/{type_}/{id_}"
            case Read(type_, id_, version):
                return f"{self.base}/{type_}/{id_}/_history/{version}"
            case History(type_, id_):
                return f"{self.base}/{type_}/{id_}/_history"


def objects_of(conn: Connection, sandbox: str, person: Person) -> Sequence[ObjectFacts]:
    """Every record of a patient that is not deleted, as the policy judges them."""
    return [ObjectFacts(head.key) for head in records.heads(conn, sandbox, person.id) if head.state != "deleted"]


def require_info_type(type_: str, value: str | None) -> str | None:
    """``value`` when the type has such a ``criticalInfoType``. Raises ``Refusal(PARAMETER_INVALID)`` (ruling S21)."""
    known = INFO_TYPES.get(type_, {})
    if value is None or value in known:
        return value
    allowed = f"one of {', '.join(known)}" if known else "left out"
    raise Refusal(Reason.PARAMETER_INVALID, f"{INFO_TYPE} of {type_} must be {allowed}", source="ruling S21")


def _of_info_type(found: Sequence[Record], type_: str, info_type: str | None) -> Sequence[Record]:
    if info_type is None:
        return found
    return [record for record in found if category(type_, record.category).info_type == info_type]


def _unknown(detail: str) -> Refusal:
    return Refusal(Reason.NOT_FOUND, detail, source="ruling S18")


def _history(base: str, found: Sequence[Record]) -> bytes:
    """A Bundle of type history, newest first; the bodies are joined, never parsed."""
    head = found[0]
    entries = []
    for record in found:
        told = {
            "request": {"method": "POST" if record.version == 1 else "PUT", "url": record.key},
            "response": {
                "status": "201" if record.version == 1 else "200",
                "etag": f'W/"{record.version}"',
                "lastModified": instant(record.updated),
            },
        }
        full = orjson.dumps(f"{base}/{record.key}")
        entries.append(b'{"fullUrl":' + full + b',"resource":' + record.body + b"," + orjson.dumps(told)[1:])
    link = orjson.dumps([{"relation": "self", "url": f"{base}/{head.key}/_history"}])
    start = b'{"resourceType":"Bundle","type":"history","total":%d,"link":%b,"entry":[' % (len(found), link)
    return start + b",".join(entries) + b"]}"
