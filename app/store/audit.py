"""The audit chains: read in order, filtered, and their signed checkpoints. Appending is the writer's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from app.store.tables import audit, audit_checkpoint, audit_head


@dataclass(frozen=True, slots=True)
class Link:
    """One stored record: its place, the hash written with it and the canonical bytes."""

    seq: int
    hash: bytes
    recorded: float
    body: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed statement that the chain's record ``seq`` had ``hash``."""

    seq: int
    hash: bytes
    at: float
    signature: str


def query(
    conn: Connection,
    sandbox: str,
    *,
    service: str | None = None,
    patient: str | None = None,
    decision_ref: str | None = None,
    elevated: bool | None = None,
    since: float | None = None,
    until: float | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Records newest first. ``patient`` is the index key (``app.trust.audit.patient_key``), never a number."""
    columns = audit.c
    statement = select(columns.body, columns.hash).where(columns.sandbox == sandbox)
    if service is not None:
        statement = statement.where(columns.service == service)
    if patient is not None:
        statement = statement.where(columns.patient == patient)
    if decision_ref is not None:
        statement = statement.where(columns.decision_ref == decision_ref)
    if elevated is not None:
        statement = statement.where(columns.elevated == elevated)
    if since is not None:
        statement = statement.where(columns.recorded >= since)
    if until is not None:
        statement = statement.where(columns.recorded < until)
    rows = conn.execute(statement.order_by(columns.recorded.desc(), columns.seq.desc()).limit(limit))
    return [{**orjson.loads(row[0]), "hash": row[1].hex()} for row in rows]


def chains(conn: Connection, sandbox: str | None = None) -> list[tuple[str, str]]:
    """Every chain as ``(sandbox, service)``."""
    statement = select(audit_head.c.sandbox, audit_head.c.service)
    if sandbox is not None:
        statement = statement.where(audit_head.c.sandbox == sandbox)
    return [(row[0], row[1]) for row in conn.execute(statement.order_by(audit_head.c.sandbox, audit_head.c.service))]


def head(conn: Connection, sandbox: str, service: str) -> tuple[int, bytes] | None:
    """Where the chain ends, as the head row says."""
    row = conn.execute(
        select(audit_head.c.seq, audit_head.c.hash).where(
            audit_head.c.sandbox == sandbox, audit_head.c.service == service
        )
    ).first()
    return None if row is None else (row[0], row[1])


def links(conn: Connection, sandbox: str, service: str, first: int = 1, last: int | None = None) -> Iterator[Link]:
    """The chain's records in order, a thousand fetched at a time."""
    columns = audit.c
    statement = (
        select(columns.seq, columns.hash, columns.recorded, columns.body)
        .where(columns.sandbox == sandbox, columns.service == service, columns.seq >= first)
        .order_by(columns.seq)
    )
    if last is not None:
        statement = statement.where(columns.seq <= last)
    for row in conn.execution_options(yield_per=1000).execute(statement):
        yield Link(row[0], row[1], row[2], row[3])


def checkpoints(conn: Connection, sandbox: str, service: str) -> list[Checkpoint]:
    columns = audit_checkpoint.c
    rows = conn.execute(
        select(columns.seq, columns.hash, columns.at, columns.signature)
        .where(columns.sandbox == sandbox, columns.service == service)
        .order_by(columns.seq)
    )
    return [Checkpoint(row[0], row[1], row[2], row[3]) for row in rows]


def put_checkpoint(conn: Connection, sandbox: str, service: str, checkpoint: Checkpoint) -> None:
    """Store a checkpoint; one that another process made of the same record stays."""
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    conn.execute(
        dialect.insert(audit_checkpoint)
        .values(
            sandbox=sandbox,
            service=service,
            seq=checkpoint.seq,
            hash=checkpoint.hash,
            at=checkpoint.at,
            signature=checkpoint.signature,
        )
        .on_conflict_do_nothing()
    )
