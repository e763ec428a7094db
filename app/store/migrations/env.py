"""Run by alembic for each command; ``app.store.migrate`` opens the connection and holds the transaction."""

from __future__ import annotations

from alembic import context

from app.store import tables

context.configure(connection=context.config.attributes["connection"], target_metadata=tables.metadata)
context.run_migrations()
