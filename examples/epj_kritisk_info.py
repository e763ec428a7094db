"""A small EPJ with its own copy of patients' critical information, kept in step with kjernejournal by polling.

It knows nothing of the sandbox but its addresses. Against the sandbox, with ready persons and no login page:

    sandkasse serve &
    sandkasse client key sandkasse-epj > epj.jwk.json
    python examples/epj_kritisk_info.py --key epj.jwk.json --login-hint H01

Run it again and nothing is read, since nothing has changed. To see two EPJs meet, give each a copy of its own; the
second changes a record, and the first then changes it too, from a copy that is behind:

    python examples/epj_kritisk_info.py --key epj.jwk.json --copy one.db
    python examples/epj_kritisk_info.py --key epj.jwk.json --copy two.db --note "Spurt igjen"
    python examples/epj_kritisk_info.py --key epj.jwk.json --copy one.db --note "Bekreftet" --no-poll

What it shows: the status is asked for first, by the system itself, without a health worker; only the types that have
changed are read; a copy is replaced when its version is another; what has disappeared or is gone is removed; a change
goes out on the version that was read, and on conflict the record is read again, the change made again and sent again.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx

from sandkasse import EpjClient, LoginFailed, attest

Resource = dict[str, Any]
Change = Callable[[Resource], Resource]
"""Makes the record as it shall be from the record as it is; run once more on what others have made of it."""

AUDIENCE, SCOPE = "nhn:critical-information", "nhn:critical-information/api"
SOURCE_SYSTEM: Final = "Sandkasse-EPJ 1.0"
FHIR: Final = "application/fhir+json; charset=UTF-8"
CODES: Final = "http://nhn.no/kj/fhir/CodeSystem"
STRUCTURES: Final = "http://nhn.no/kj/fhir/StructureDefinition"

TYPE_OF: Final[Mapping[str, str]] = {
    "allergyIntoleranceDate": "AllergyIntolerance",
    "conditionComplicationsOfAnesthesiaDate": "Condition",
    "conditionCriticalMedicalConditionDate": "Condition",
    "conditionInfectionDate": "Condition",
    "conditionTransplantsAndOtherForeignBodiesDate": "Condition",
    "procedureDate": "Procedure",
    "deviceUseStatementDate": "DeviceUseStatement",
    "flagDate": "Flag",
    "consentDate": "Consent",
}
"""The members of ``dateChanged``, and what to read when one of them has moved."""

_TRIES: Final = 5


class NotGranted(Exception):
    """The service said no; the text is what it said."""


@dataclass(frozen=True, slots=True)
class Writer:
    """The health worker at the keyboard: HPR number, name, role of list 9060, and where they work."""

    hpr: str
    name: str
    role: str
    orgnr: str
    organisation: str
    role_name: str = "Lege"


@dataclass(frozen=True, slots=True)
class Synced:
    """What a round of polling came to: the types that were read, and how many copies were replaced and removed."""

    read: tuple[str, ...] = ()
    replaced: int = 0
    removed: int = 0


class Copy:
    """The EPJ's own copy of the records, and the times of change it is good for."""

    def __init__(self, path: str | Path) -> None:
        self._db = sqlite3.connect(path)
        self._db.executescript(
            """
            CREATE TABLE IF NOT EXISTS record (
                patient TEXT, type TEXT, id TEXT, version INTEGER, body TEXT, PRIMARY KEY (patient, type, id)
            );
            CREATE TABLE IF NOT EXISTS seen (patient TEXT, name TEXT, at TEXT, PRIMARY KEY (patient, name));
            """
        )

    def close(self) -> None:
        self._db.close()

    def records(self, patient: str) -> list[Resource]:
        """All the patient's records, in the order of type and id."""
        rows = self._db.execute("SELECT body FROM record WHERE patient = ? ORDER BY type, id", (patient,))
        return [json.loads(body) for (body,) in rows]

    def get(self, patient: str, type_: str, id_: str) -> Resource | None:
        wanted = (patient, type_, id_)
        row = self._db.execute("SELECT body FROM record WHERE patient = ? AND type = ? AND id = ?", wanted).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, patient: str, resource: Resource) -> None:
        with self._db:
            self._put(patient, resource)

    def remove(self, patient: str, type_: str, id_: str) -> None:
        with self._db:
            self._remove(patient, type_, id_)

    def replace(self, patient: str, type_: str, now_there: Iterable[Resource]) -> tuple[int, int]:
        """Make the copies of a type those that are there now; how many were replaced, and how many removed."""
        rows = self._db.execute("SELECT id, version FROM record WHERE patient = ? AND type = ?", (patient, type_))
        held: dict[str, int] = dict(rows.fetchall())
        there = {resource["id"]: resource for resource in now_there}
        other = [each for id_, each in there.items() if held.get(id_) != version_of(each)]
        gone = held.keys() - there.keys()
        with self._db:  # all or nothing: a program that stops here begins again with what it had
            for resource in other:
                self._put(patient, resource)
            for id_ in gone:
                self._remove(patient, type_, id_)
        return len(other), len(gone)

    def forget(self, patient: str) -> int:
        """Remove everything about a patient; how many records it was."""
        with self._db:
            self._db.execute("DELETE FROM seen WHERE patient = ?", (patient,))
            return self._db.execute("DELETE FROM record WHERE patient = ?", (patient,)).rowcount

    def seen(self, patient: str) -> dict[str, str]:
        """The times of change at the last good poll, by their names in ``dateChanged``."""
        return dict(self._db.execute("SELECT name, at FROM seen WHERE patient = ?", (patient,)).fetchall())

    def remember(self, patient: str, dates: Mapping[str, str]) -> None:
        with self._db:
            self._db.execute("DELETE FROM seen WHERE patient = ?", (patient,))
            rows = [(patient, name, at) for name, at in dates.items()]
            self._db.executemany("INSERT INTO seen VALUES (?, ?, ?)", rows)

    def _put(self, patient: str, resource: Resource) -> None:
        row = (patient, resource["resourceType"], resource["id"], version_of(resource), json.dumps(resource))
        self._db.execute("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?)", row)

    def _remove(self, patient: str, type_: str, id_: str) -> None:
        self._db.execute("DELETE FROM record WHERE patient = ? AND type = ? AND id = ?", (patient, type_, id_))


@dataclass(frozen=True)
class Epj:
    """Keeps ``copy`` in step with the service at ``base``, and sends the writer's changes to it.

    ``machine`` proves the system's own token, which may only ask for status; ``user`` the health worker's.
    """

    copy: Copy
    base: str
    user: httpx.Client
    machine: httpx.Client
    writer: Writer
    basis: str = "SAMTYKKE"
    tell: Callable[[str], None] = field(default=lambda _text: None)

    def sync(self, patient: str) -> Synced:
        """Poll once. Raises ``NotGranted``, and then the copy is as it was and the next poll tries again."""
        status = self._status(patient)
        if status["hasKjernejournalReservation"]:
            return Synced(removed=self.copy.forget(patient))
        dates, seen = status["dateChanged"], self.copy.seen(patient)
        moved = {name for name in dates.keys() | seen.keys() if dates.get(name) != seen.get(name)}
        types = tuple(sorted({TYPE_OF[name] for name in moved if name in TYPE_OF}))
        replaced = removed = 0
        for type_ in types:
            bundle = _body(self._ask("GET", f"/{type_}", patient))
            more, fewer = self.copy.replace(patient, type_, [entry["resource"] for entry in bundle.get("entry", ())])
            replaced, removed = replaced + more, removed + fewer
        # Only now, and the times from before the reading: a change made meanwhile has a later one, and is read next.
        self.copy.remember(patient, dates)
        return Synced(types, replaced, removed)

    def create(self, patient: str, resource: Resource) -> Resource:
        """Send a new record; it gets its id from the service. Raises ``NotGranted``."""
        made = {**resource, "contained": [person(self.writer, "recorderRef"), *resource.get("contained", ())]}
        stored = _body(self._ask("POST", f"/{resource['resourceType']}", patient, made))
        self.copy.put(patient, stored)
        return stored

    def edit(self, patient: str, type_: str, id_: str, change: Change) -> Resource | None:
        """Change a record of the copy; what is stored now, or None when somebody has deleted it.

        Raises ``NotGranted``, also when others keep getting in between.
        """
        for _ in range(_TRIES):
            held = self.copy.get(patient, type_, id_)
            if held is None:
                return None
            answer = self._ask("PUT", f"/{type_}/{id_}", patient, changed_by(self.writer, change(held)))
            if answer.status_code not in (404, 409, 410):
                stored = _body(answer)
                self.copy.put(patient, stored)
                return stored
            self._read_again(patient, held, answer)
        raise NotGranted(f"{type_}/{id_} is changed by others all the time")

    def delete(self, patient: str, type_: str, id_: str) -> bool:
        """Delete a record that was entered in error; whether it was this that deleted it. Raises ``NotGranted``."""
        for _ in range(_TRIES):
            held = self.copy.get(patient, type_, id_)
            if held is None:
                return False
            answer = self._ask("DELETE", f"/{type_}/{id_}/_history/{version_of(held)}", patient)
            if answer.status_code not in (404, 409, 410):
                _require_granted(answer)
                self.copy.remove(patient, type_, id_)
                return True
            self._read_again(patient, held, answer)
        raise NotGranted(f"{type_}/{id_} is changed by others all the time")

    def _status(self, patient: str) -> Resource:
        headers = {"nhn-source-system": SOURCE_SYSTEM}
        return _body(self.machine.post(f"{self.base}/status", json={"nin": patient}, headers=headers))

    def _read_again(self, patient: str, held: Resource, refused: httpx.Response) -> None:
        """Bring one copy up to date. Raises ``NotGranted`` if it was: then the refusal was of something else."""
        type_, id_ = held["resourceType"], held["id"]
        answer = self._ask("GET", f"/{type_}/{id_}", patient)
        if answer.status_code in (404, 410):
            self.tell(f"{type_}/{id_} was deleted by somebody else; the copy is removed")
            self.copy.remove(patient, type_, id_)
            return
        found = _body(answer)
        if version_of(found) == version_of(held):
            _require_granted(refused)
        self.tell(f"{type_}/{id_} was at version {version_of(found)}, not {version_of(held)}; read again")
        self.copy.put(patient, found)

    def _ask(self, method: str, path: str, patient: str, body: Resource | None = None) -> httpx.Response:
        role = {"system": "urn:oid:2.16.578.1.12.4.1.1.9060", "code": self.writer.role}
        headers = {
            "nhn-user-role": quote(json.dumps(role)),
            "nhn-source-system": SOURCE_SYSTEM,
            "nhn-access-basis": self.basis,
            "nhn-patient-nin": patient,
            "Content-Type": FHIR,
        }
        content = None if body is None else json.dumps(body)
        return self.user.request(method, self.base + path, headers=headers, content=content)


def version_of(resource: Resource) -> int:
    return int(resource["meta"]["versionId"])


def changed_by(writer: Writer, resource: Resource) -> Resource:
    """The body of a PUT: the record with who changes it. When it was changed is for the service to say."""
    rest = [each for each in resource["contained"] if each["id"] != "updaterRef"]
    extensions = [each for each in resource.get("extension", ()) if not each["url"].endswith("/KjUpdatedDateTime")]
    made = {name: value for name, value in resource.items() if name != "extension"}
    made |= {"contained": [*rest, person(writer, "updaterRef")]}
    return made | {"extension": extensions} if extensions else made


def person(writer: Writer, id_: str) -> Resource:
    """The contained PractitionerRole of who records or changes."""
    hpr = {"system": "urn:oid:2.16.578.1.12.4.1.4.4", "value": writer.hpr}
    orgnr = {"system": "urn:oid:2.16.578.1.12.4.1.4.101", "value": writer.orgnr}
    role = {"system": f"{CODES}/CategoriesOfHealthProfessionals", "code": writer.role, "display": writer.role_name}
    return {
        "resourceType": "PractitionerRole",
        "id": id_,
        "practitioner": {"identifier": hpr, "display": writer.name},
        "organization": {"identifier": orgnr, "display": writer.organisation},
        "code": [{"coding": [role]}],
    }


def with_note(resource: Resource, text: str) -> Resource:
    """A record with one more note; Flag and Consent have an extension for it."""
    if resource["resourceType"] in ("Flag", "Consent"):
        note = {"url": f"{STRUCTURES}/KjText", "valueString": text}
        return {**resource, "extension": [*resource.get("extension", ()), note]}
    return {**resource, "note": [*resource.get("note", ()), {"text": text}]}


def _body(answer: httpx.Response) -> Resource:
    _require_granted(answer)
    body: Resource = answer.json()
    return body


def _require_granted(answer: httpx.Response) -> None:
    if answer.status_code >= 400:
        said = answer.headers.get("nhn-error-code", "")
        path = answer.request.url.path
        raise NotGranted(f"{answer.request.method} {path}: {answer.status_code} {said} {answer.text}")


# the program


def main() -> int:
    options = _options()
    key = json.loads(options.key.read_text())
    organisation = [_acting_for(options)]
    copy = Copy(options.copy)
    with EpjClient(options.helseid, options.client_id, key) as client:
        machine = client.machine(SCOPE, resource=AUDIENCE, details=organisation)
        user = client.login(SCOPE, hint=options.login_hint, resource=AUDIENCE, details=organisation)
    workplace = (options.point_of_care, options.workplace)
    writer = Writer(options.hpr, options.name, options.role, *workplace, options.role_name)
    with httpx.Client(timeout=30, auth=user.auth()) as person_web, httpx.Client(timeout=30, auth=machine.auth()) as web:
        epj = Epj(copy, options.service, person_web, web, writer, options.basis, tell=lambda text: print(f"  {text}"))
        for patient in options.patient:
            print(f"Patient {patient[:6]}*****")
            show(epj, patient, options.note, poll=not options.no_poll)
    copy.close()
    return 0


def _acting_for(options: argparse.Namespace) -> Mapping[str, Any]:
    """The organisation the tokens are for: a client of one customer names the sub-unit alone."""
    if options.legal_entity is None:
        return attest.sub_unit(options.point_of_care)
    return attest.customer(options.legal_entity, options.point_of_care)


def show(epj: Epj, patient: str, note: str | None, *, poll: bool) -> None:
    """Bring a patient's copies up to date, and add a note to the first of them if there is one to add."""
    if poll:
        told(epj.sync(patient))
    held = epj.copy.records(patient)
    for resource in held:
        print(f"  {resource['resourceType']}/{resource['id']} version {version_of(resource)}")
    if note is not None and held:
        stored = epj.edit(patient, held[0]["resourceType"], held[0]["id"], lambda found: with_note(found, note))
        print("  not changed: it is deleted" if stored is None else f"  changed: version {version_of(stored)}")


def told(synced: Synced) -> None:
    if synced.read:
        print(f"  read {', '.join(synced.read)}: {synced.replaced} replaced, {synced.removed} removed")
    elif synced.removed:
        print(f"  the patient is not in kjernejournal: {synced.removed} removed")
    else:
        print("  nothing has changed, nothing was read")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    root = "http://localhost:8000"
    parser.add_argument("--helseid", default=f"{root}/helseid", help="issuer")
    parser.add_argument(
        "--service",
        default=f"{root}/critical-information/api/critical-information/v1",
        help="base URL of critical-information v1",
    )
    parser.add_argument("--client-id", default="sandkasse-epj")
    parser.add_argument(
        "--key", type=Path, required=True, help="the client's private JWK; `sandkasse client key` has it"
    )
    parser.add_argument("--copy", type=Path, default=Path("epj-kritisk-info.db"), help="the SQLite file of the copy")
    parser.add_argument("--legal-entity", help="organisation number of the customer, for a client of several")
    parser.add_argument("--point-of-care", default="315500303", help="organisation number of the sub-unit")
    parser.add_argument("--workplace", default="FRISK FJORD SYKEHUS, SOMATIKK", help="name of the sub-unit")
    parser.add_argument("--login-hint", default="H01", help="person to log in without a page (sandbox only)")
    parser.add_argument("--hpr", default="222250101", help="HPR number of that person")
    parser.add_argument("--name", default="LEGEROT, ÅRVÅKEN", help="name of that person")
    parser.add_argument("--role", default="LE", help="code of list 9060 the health worker acts by")
    parser.add_argument("--role-name", default="Lege", help="what the code is called")
    parser.add_argument("--basis", default="SAMTYKKE", help="access basis the records are read by")
    parser.add_argument("--note", help="add this note to the patient's first record")
    parser.add_argument("--no-poll", action="store_true", help="work on the copy as it is")
    parser.add_argument("patient", nargs="*", default=["14838449698", "20828349954"], help="patients' numbers")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (LoginFailed, NotGranted) as refusal:
        sys.exit(f"Not granted. {refusal}")
