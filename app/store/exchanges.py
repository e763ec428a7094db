"""The request journal: one row an exchange, its explanation as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, select

from app.store.tables import exchange


def get(conn: Connection, sandbox: str, exchange_id: str) -> dict[str, Any] | None:
    """One exchange with its explanation, or None."""
    body = conn.execute(
        select(exchange.c.body).where(exchange.c.sandbox == sandbox, exchange.c.id == exchange_id)
    ).scalar()
    return None if body is None else orjson.loads(body)


def query(
    conn: Connection,
    sandbox: str,
    *,
    service: str | None = None,
    status: int | None = None,
    reason: str | None = None,
    client: str | None = None,
    patient: str | None = None,
    since: float | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """The newest exchanges first, without bodies and explanations."""
    columns = exchange.c
    statement = select(
        columns.id, columns.service, columns.at, columns.status, columns.reason, columns.client, columns.patient
    ).where(columns.sandbox == sandbox)
    wanted: Mapping[str, Any] = {
        "service": service,
        "status": status,
        "reason": reason,
        "client": client,
        "patient": patient,
    }
    for name, value in wanted.items():
        if value is not None:
            statement = statement.where(columns[name] == value)
    if since is not None:
        statement = statement.where(columns.at >= since)
    rows = conn.execute(statement.order_by(columns.at.desc(), columns.id.desc()).limit(limit))
    return [dict(row._mapping) for row in rows]
