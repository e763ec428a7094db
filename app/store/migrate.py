"""Bring a database to the form this version of the code needs; one chain of revisions for SQLite and PostgreSQL.

The embedded default is upgraded when the service starts, any other database by ``sandkasse db upgrade``. All
pending revisions run in one transaction under a lock, so several processes may start at once and a failed
upgrade leaves the database as it was. There is no way down: restore a copy instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, inspect, text

from app.store import tables
from app.store.engine import Store

if TYPE_CHECKING:
    from alembic.config import Config

_LOCATION: Final = "app.store:migrations"  # package data: found when installed, too
_LOCK: Final = 0x53414E44  # an arbitrary number that names our advisory lock in PostgreSQL


class DatabaseUnfit(Exception):
    """The database cannot be used by this version. The message says what to do; the service must not start."""


@dataclass(frozen=True, slots=True)
class Status:
    """``current`` is the revision the database stands at (``None``: empty), ``head`` the one the code needs."""

    current: str | None
    head: str

    @property
    def pending(self) -> bool:
        return self.current != self.head


def prepare(store: Store) -> None:
    """At start: upgrade an embedded database, and demand that any other has been upgraded.

    Raises ``DatabaseUnfit``.
    """
    if store.embedded:
        upgrade(store)
    else:
        store.write_now(_demand_head)


def upgrade(store: Store) -> Status:
    """Run the pending revisions; the status it was at before. Raises ``DatabaseUnfit``."""
    return store.write_now(_upgrade)


def status(store: Store) -> Status:
    """Where the database stands. Raises ``DatabaseUnfit`` when it is newer than the code, or not ours."""
    return store.write_now(_status)


def _upgrade(connection: Connection) -> Status:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    before = _status(connection)
    if before.pending:
        _run_pending(connection)
    _demand_complete(connection)
    return before


def _run_pending(connection: Connection) -> None:
    from alembic import command  # a tenth of a second, and a start seldom needs it

    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _demand_head(connection: Connection) -> None:
    found = _status(connection)
    if found.pending:
        stands = "is empty" if found.current is None else f"stands at revision {found.current}"
        raise DatabaseUnfit(f"The database {stands}, this version needs {found.head}. Run: sandkasse db upgrade")
    _demand_complete(connection)


def _status(connection: Connection) -> Status:
    known = revisions()
    head = known[-1]
    heads = _heads(connection)
    if len(heads) > 1:
        raise DatabaseUnfit(
            f"The database claims several revisions at once ({', '.join(sorted(heads))}): it was changed by hand. "
            "Restore a copy, or start with an empty one."
        )
    if not heads:
        _demand_empty(connection)
        return Status(None, head)
    if heads[0] not in known:
        raise DatabaseUnfit(
            f"The database stands at revision {heads[0]}, which this version does not know: it was made by a newer "
            "one. Install that version, or point SANDKASSE_DATABASE_URL at another database."
        )
    return Status(heads[0], head)


def revisions() -> Sequence[str]:
    """The revisions of this version, the first one first: their files begin with them (``0001_initial.py``)."""
    files = resources.files("app.store.migrations").joinpath("versions").iterdir()
    return sorted(found.group(1) for file in files if (found := re.match(r"(\d{4})_\w+\.py$", file.name)))


def _heads(connection: Connection) -> Sequence[str]:
    if not inspect(connection).has_table("alembic_version"):
        return ()
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()


def _demand_empty(connection: Connection) -> None:
    ours = set(inspect(connection).get_table_names()) & set(tables.metadata.tables)
    if ours:
        raise DatabaseUnfit(
            f"The database has tables of ours ({', '.join(sorted(ours)[:3])} …) but no revision: it was made half, or "
            "by hand. Start with an empty one, or restore a copy."
        )


def _demand_complete(connection: Connection) -> None:
    """A database at the right revision that lacks a table or a column was changed by hand."""
    found = inspect(connection)
    present = set(found.get_table_names())
    missing = [name for name in tables.metadata.tables if name not in present]
    for name, table in tables.metadata.tables.items():
        if name in present:
            columns = {column["name"] for column in found.get_columns(name)}
            missing.extend(f"{name}.{column.name}" for column in table.columns if column.name not in columns)
    if missing:
        raise DatabaseUnfit(
            f"The database says it is at the newest revision but lacks {', '.join(missing[:5])}: it was changed by "
            "hand. Restore a copy, or start with an empty one."
        )


def alembic_config() -> Config:
    """Where the revisions are; no file and no environment is read."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", _LOCATION)
    config.set_main_option("path_separator", "os")
    return config
