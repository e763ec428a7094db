"""The chain of revisions makes the tables the code uses, and a database that is not fit stops the start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from app.clock import ManualClock
from app.store import migrate, tables
from app.store.engine import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = _open(tmp_path)
    yield opened
    opened.close()


def test_the_revisions_make_the_tables_the_code_uses(store: Store) -> None:
    assert migrate.upgrade(store) == migrate.Status(None, migrate.status(store).head)
    assert store.write_now(lambda conn: compare_metadata(MigrationContext.configure(conn), tables.metadata)) == []


def test_the_names_of_the_files_tell_the_chain_that_alembic_reads_in_them() -> None:
    chain = ScriptDirectory.from_config(migrate.alembic_config())
    assert migrate.revisions() == [revision.revision for revision in reversed(list(chain.walk_revisions()))]
    assert migrate.revisions()[-1] == chain.get_current_head()


def test_indexes_and_keys_are_those_of_the_tables(store: Store) -> None:
    migrate.upgrade(store)

    def compare(connection: Connection) -> None:
        found = inspect(connection)
        for name, table in tables.metadata.tables.items():
            assert found.get_pk_constraint(name)["constrained_columns"] == [column.name for column in table.primary_key]
            assert {index["name"] for index in found.get_indexes(name)} == {str(index.name) for index in table.indexes}

    store.write_now(compare)


def test_an_upgrade_of_a_current_database_changes_nothing(store: Store) -> None:
    migrate.upgrade(store)
    assert not migrate.upgrade(store).pending


def test_several_processes_may_start_at_once(tmp_path: Path) -> None:
    def start(_number: int) -> None:
        opened = _open(tmp_path)
        try:
            migrate.prepare(opened)
        finally:
            opened.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, range(4)))


def test_a_database_newer_than_the_code_stops_the_start(store: Store) -> None:
    migrate.upgrade(store)
    _run(store, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(migrate.DatabaseUnfit, match=r"9999.*newer"):
        migrate.prepare(store)


def test_tables_without_a_revision_stop_the_start(store: Store) -> None:
    store.write_now(tables.metadata.create_all)
    with pytest.raises(migrate.DatabaseUnfit, match="made half"):
        migrate.prepare(store)


@pytest.mark.parametrize(
    ("damage", "named"),
    [("DROP TABLE lease", "lease"), ("ALTER TABLE sandbox DROP COLUMN seeded_at", r"sandbox\.seeded_at")],
)
def test_a_database_that_lacks_something_stops_the_start(store: Store, damage: str, named: str) -> None:
    migrate.upgrade(store)
    _run(store, damage)
    with pytest.raises(migrate.DatabaseUnfit, match=named):
        migrate.prepare(store)


def test_two_revisions_at_once_stop_the_start(store: Store) -> None:
    migrate.upgrade(store)
    _run(store, "INSERT INTO alembic_version VALUES ('0000')")
    with pytest.raises(migrate.DatabaseUnfit, match="several revisions"):
        migrate.prepare(store)


def test_a_failed_upgrade_leaves_the_database_as_it_was(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: Any) -> None:
        raise migrate.DatabaseUnfit("made to fail")

    monkeypatch.setattr(migrate, "_demand_complete", fail)
    with pytest.raises(migrate.DatabaseUnfit):
        migrate.upgrade(store)
    assert store.write_now(lambda conn: inspect(conn).get_table_names()) == []


def test_another_database_is_upgraded_by_command_only(store: Store) -> None:
    store.embedded = False
    with pytest.raises(migrate.DatabaseUnfit, match=r"is empty.*sandkasse db upgrade"):
        migrate.prepare(store)
    migrate.upgrade(store)
    migrate.prepare(store)


@pytest.mark.postgres
def test_the_same_chain_serves_postgresql(postgres: Callable[[], str]) -> None:
    opened = Store(postgres(), ManualClock(0.0))
    try:
        with pytest.raises(migrate.DatabaseUnfit, match="sandkasse db upgrade"):
            migrate.prepare(opened)
        migrate.upgrade(opened)
        migrate.prepare(opened)
        assert opened.write_now(lambda conn: compare_metadata(MigrationContext.configure(conn), tables.metadata)) == []
    finally:
        opened.close()


def _open(folder: Path) -> Store:
    return Store(f"sqlite:///{folder}/sandkasse.db", ManualClock(0.0))


def _run(store: Store, statement: str) -> None:
    store.write_now(lambda conn: conn.execute(text(statement)))
