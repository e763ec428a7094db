"""The privacy settings of the citizens of a sandbox: one row a setting, with its sequence number and times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import orjson
from sqlalchemy import Connection, delete, insert, select, update

from app.store import tables
from app.trust.facts import Setting, SettingKind

_CACHED: Final = 4096
_CLINICAL: Final = (tables.resource, tables.rendition, tables.resource_history, tables.search_index, tables.part)


@dataclass(frozen=True, slots=True)
class StoredSetting:
    """A setting as stored. ``sequence`` counts its changes from 1; times are epoch seconds on the sandbox clock.

    personvern.md section 2.3: sekvensnummer, opprettetTidspunkt, sistEndretTidspunkt.
    """

    setting: Setting
    sequence: int
    created: float
    changed: float


def put_setting(conn: Connection, sandbox: str, person_id: str, setting: Setting, now: float) -> StoredSetting:
    """Store a setting; the person's setting with the same id is replaced and its sequence number grows.

    Storing what is already there changes nothing. A reservation in force takes the person's data in its
    service away with it: nothing registered is kept (pps.md section 4.2).
    """
    if setting.kind is SettingKind.RESERVATION and setting.active(now):
        purge(conn, sandbox, person_id, setting.service)
    columns = tables.setting.c
    same = (columns.sandbox == sandbox, columns.person == person_id, columns.id == setting.id)
    body = conn.execute(select(columns.body).where(*same)).scalar()
    if body is None:
        stored = StoredSetting(setting, 1, now, now)
        conn.execute(
            insert(tables.setting).values(
                sandbox=sandbox, person=person_id, service=setting.service, id=setting.id, body=encode(stored)
            )
        )
        return stored
    known = decode(body)
    if known.setting == setting:
        return known
    stored = StoredSetting(setting, known.sequence + 1, known.created, now)
    conn.execute(update(tables.setting).where(*same).values(service=setting.service, body=encode(stored)))
    return stored


def purge(conn: Connection, sandbox: str, person_id: str, service: str) -> None:
    """Take away everything stored of a person in a service, its history too (ruling S46)."""
    for table in _CLINICAL:
        columns = table.c
        conn.execute(
            delete(table).where(columns.sandbox == sandbox, columns.patient == person_id, columns.service == service)
        )


def remove_setting(conn: Connection, sandbox: str, person_id: str, setting_id: str) -> bool:
    """Take a setting away; tells whether there was one."""
    columns = tables.setting.c
    gone = conn.execute(
        delete(tables.setting).where(columns.sandbox == sandbox, columns.person == person_id, columns.id == setting_id)
    )
    return gone.rowcount > 0


def replace_settings(
    conn: Connection, sandbox: str, person_id: str, base: str, settings: Sequence[Setting], now: float
) -> list[StoredSetting]:
    """Make ``settings`` all that is stored under ``base``: the ids equal to it, or that begin with it and a dot."""
    kept = {setting.id for setting in settings}
    for old in settings_of(conn, sandbox, person_id):
        known = old.setting.id
        if known not in kept and (known == base or known.startswith(base + ".")):
            remove_setting(conn, sandbox, person_id, known)
    return [put_setting(conn, sandbox, person_id, setting, now) for setting in settings]


def settings_of(conn: Connection, sandbox: str, person_id: str, *, service: str | None = None) -> list[StoredSetting]:
    """All settings of a person, active or not, of one service or of all."""
    columns = tables.setting.c
    statement = select(columns.body).where(columns.sandbox == sandbox, columns.person == person_id)
    if service is not None:
        statement = statement.where(columns.service == service)
    return [decode(row[0]) for row in conn.execute(statement.order_by(columns.service, columns.id))]


def encode(stored: StoredSetting) -> bytes:
    setting = stored.setting
    return orjson.dumps(
        {
            "sequence": stored.sequence,
            "created": stored.created,
            "changed": stored.changed,
            "setting": {
                "id": setting.id,
                "service": setting.service,
                "kind": setting.kind.value,
                "subjects": sorted(setting.subjects),
                "objects": sorted(setting.objects),
                "level": setting.level,
                "code": setting.code,
                "until": setting.until,
                "active_from": setting.active_from,
                "active_to": setting.active_to,
            },
        }
    )


@lru_cache(maxsize=_CACHED)
def decode(body: bytes) -> StoredSetting:
    """The value of stored bytes; the same bytes give the same value, so it is remembered."""
    data: dict[str, Any] = orjson.loads(body)
    members = data.pop("setting")
    members["kind"] = SettingKind(members["kind"])
    for name in ("subjects", "objects"):
        members[name] = frozenset((kind, value) for kind, value in members[name])
    return StoredSetting(Setting(**members), **data)
