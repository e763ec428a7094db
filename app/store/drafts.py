"""Client templates with their API keys, and drafts of clients (selvbetjening.md sections 1 and 4)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, delete, func, insert, select, update

from app.store.tables import client_draft, client_template

_ID_LENGTH: Final = 36


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """A template as stored; ``has_key`` tells whether it has an API key, which is kept as a hash only."""

    id: str
    has_key: bool
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DraftRow:
    """A draft as stored. ``at`` is when it came, epoch seconds on the sandbox clock."""

    id: str
    state: str
    at: float
    body: Mapping[str, Any]


def put_template(conn: Connection, sandbox: str, template_id: str, api_key: str, body: Mapping[str, Any]) -> None:
    """Store the template, or replace the one with its id, its key too."""
    conn.execute(delete(client_template).where(_template(sandbox, template_id)))
    values = {"sandbox": sandbox, "id": template_id, "api_key": _hash(api_key), "body": orjson.dumps(dict(body))}
    conn.execute(insert(client_template).values(values))


def template(conn: Connection, sandbox: str, template_id: str) -> TemplateRow | None:
    """The template, None when there is none. ``template_id`` may be any text somebody sent."""
    if not template_id.isprintable():  # PostgreSQL takes no NUL
        return None
    row = conn.execute(select(client_template).where(_template(sandbox, template_id))).first()
    return None if row is None else TemplateRow(row.id, row.api_key is not None, orjson.loads(row.body))


def templates(conn: Connection, sandbox: str) -> Sequence[TemplateRow]:
    """Every template, by id."""
    rows = conn.execute(
        select(client_template).where(client_template.c.sandbox == sandbox).order_by(client_template.c.id)
    )
    return [TemplateRow(row.id, row.api_key is not None, orjson.loads(row.body)) for row in rows]


def template_of_key(conn: Connection, sandbox: str, api_key: str) -> TemplateRow | None:
    """The template an API key belongs to; None for a key that is unknown or was revoked."""
    hashed = _hash(api_key)
    rows = conn.execute(
        select(client_template).where(client_template.c.sandbox == sandbox, client_template.c.api_key == hashed)
    ).all()
    # The index finds it by a hash nobody can steer; the comparison that decides takes the same time for any value.
    found = next((row for row in rows if hmac.compare_digest(str(row.api_key), hashed)), None)
    return None if found is None else TemplateRow(found.id, True, orjson.loads(found.body))


def revoke_key(conn: Connection, sandbox: str, template_id: str) -> bool:
    """Take the template's API key away; whether it had one. ``template_id`` may be any text somebody sent."""
    if not template_id.isprintable():
        return False
    had_one = (_template(sandbox, template_id), client_template.c.api_key.is_not(None))
    return conn.execute(update(client_template).where(*had_one).values(api_key=None)).rowcount > 0


def add_draft(conn: Connection, sandbox: str, row: DraftRow) -> None:
    conn.execute(
        insert(client_draft).values(
            sandbox=sandbox, id=row.id, state=row.state, at=row.at, body=orjson.dumps(dict(row.body))
        )
    )


def draft(conn: Connection, sandbox: str, draft_id: str) -> DraftRow | None:
    """The draft, None when there is none. ``draft_id`` may be any text somebody sent."""
    if len(draft_id) != _ID_LENGTH or not draft_id.isprintable():
        return None
    row = conn.execute(
        select(client_draft).where(client_draft.c.sandbox == sandbox, client_draft.c.id == draft_id)
    ).first()
    return None if row is None else DraftRow(row.id, row.state, row.at, orjson.loads(row.body))


def drafts(conn: Connection, sandbox: str) -> Sequence[DraftRow]:
    """Every draft, the newest first."""
    rows = conn.execute(
        select(client_draft)
        .where(client_draft.c.sandbox == sandbox)
        .order_by(client_draft.c.at.desc(), client_draft.c.id)
    )
    return [DraftRow(row.id, row.state, row.at, orjson.loads(row.body)) for row in rows]


def count_drafts(conn: Connection, sandbox: str, state: str, since: float) -> int:
    """How many drafts in ``state`` came after ``since``."""
    where = (client_draft.c.sandbox == sandbox, client_draft.c.state == state, client_draft.c.at > since)
    return conn.execute(select(func.count()).select_from(client_draft).where(*where)).scalar_one()


def settle_draft(conn: Connection, sandbox: str, draft_id: str, before: str, after: str) -> bool:
    """Give a draft in the state ``before`` the state ``after``; False when it was not in that state."""
    where = (client_draft.c.sandbox == sandbox, client_draft.c.id == draft_id, client_draft.c.state == before)
    return conn.execute(update(client_draft).where(*where).values(state=after)).rowcount > 0


def _template(sandbox: str, template_id: str) -> Any:
    return (client_template.c.sandbox == sandbox) & (client_template.c.id == template_id)


def _hash(api_key: str) -> str:
    return hashlib.sha256(api_key.encode()).hexdigest()
