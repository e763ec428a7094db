"""initial."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("service", sa.String(length=20), nullable=False),
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("recorded", sa.Float(), nullable=False),
        sa.Column("patient", sa.String(length=64), nullable=True),
        sa.Column("decision_ref", sa.String(length=255), nullable=True),
        sa.Column("elevated", sa.Boolean(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sandbox", "service", "seq"),
    )
    op.create_index("ix_audit_patient", "audit", ["sandbox", "patient", "recorded"], unique=False)
    op.create_index(
        "ix_audit_ref",
        "audit",
        ["sandbox", "decision_ref"],
        unique=False,
        sqlite_where=sa.text("decision_ref IS NOT NULL"),
        postgresql_where=sa.text("decision_ref IS NOT NULL"),
    )
    op.create_table(
        "audit_checkpoint",
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("service", sa.String(length=20), nullable=False),
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sandbox", "service", "seq"),
    )
    op.create_table(
        "audit_head",
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("service", sa.String(length=20), nullable=False),
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("recorded", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("sandbox", "service"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "client",
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=120), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sandbox", "id"),
    )
    op.create_table(
        "content",
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sandbox", "sha256", "chunk"),
    )
    op.create_table(
        "exchange",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("service", sa.String(length=20), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("client", sa.String(length=120), nullable=True),
        sa.Column("patient", sa.String(length=64), nullable=True),
        sa.Column("method", sa.String(length=16), nullable=True),
        sa.Column("path", sa.String(length=255), nullable=True),
        sa.Column("operation", sa.String(length=120), nullable=True),
        sa.Column("rule", sa.String(length=40), nullable=True),
        sa.Column("millis", sa.Float(), nullable=True),
        sa.Column("summary", sa.String(length=255), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_exchange_id", "exchange", ["sandbox", "id"], unique=True)
    op.create_index("ix_exchange_order", "exchange", ["sandbox", "seq", "size"], unique=False)
    op.create_table(
        "installation",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "lease",
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("key", sa.String(length=160), nullable=False),
        sa.Column("expires", sa.Float(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sandbox", "kind", "key"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_lease_expires", "lease", ["expires"], unique=False)
    op.create_table(
        "organisation",
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("orgnr", sa.String(length=9), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sandbox", "orgnr"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("topic", sa.String(length=60), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "part",
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("patient", sa.String(length=64), nullable=False),
        sa.Column("service", sa.String(length=20), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("generated", sa.Float(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sandbox", "patient", "service", "id"),
    )
    op.create_index("ix_part_key", "part", ["sandbox", "service", "key"], unique=False)
    op.create_table(
        "person",
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("nin", sa.String(length=11), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sandbox", "id"),
    )
    op.create_table(
        "person_identifier",
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("value", sa.String(length=12), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("sandbox", "value"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "practitioner",
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("pid", sa.String(length=11), nullable=False),
        sa.Column("hpr", sa.String(length=9), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sandbox", "id"),
    )
    op.create_index("ix_practitioner_hpr", "practitioner", ["sandbox", "hpr"], unique=False)
    op.create_index("ix_practitioner_pid", "practitioner", ["sandbox", "pid"], unique=False)
    op.create_table(
        "received",
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("service", sa.String(length=20), nullable=False),
        sa.Column("sender", sa.String(length=120), nullable=False),
        sa.Column("message", sa.String(length=255), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("sandbox", "service", "sender", "message"),
    )
    op.create_table(
        "rendition",
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("patient", sa.String(length=64), nullable=False),
        sa.Column("service", sa.String(length=20), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sandbox", "patient", "service", "type", "id", "name"),
    )
    op.create_table(
        "replay",
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.Column("value", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("sandbox", "kind", "key"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_replay_until", "replay", ["until"], unique=False)
    op.create_table(
        "resource",
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("patient", sa.String(length=64), nullable=False),
        sa.Column("service", sa.String(length=20), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("part_of", sa.String(length=64), nullable=False),
        sa.Column("effective", sa.Float(), nullable=False),
        sa.Column("updated", sa.Float(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sandbox", "patient", "service", "type", "id"),
    )
    op.create_index("ix_resource_id", "resource", ["sandbox", "service", "type", "id"], unique=False)
    op.create_index(
        "ix_resource_order", "resource", ["sandbox", "patient", "service", "type", "effective", "id"], unique=False
    )
    op.create_table(
        "resource_history",
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("patient", sa.String(length=64), nullable=False),
        sa.Column("service", sa.String(length=20), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated", sa.Float(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sandbox", "patient", "service", "type", "id", "version"),
    )
    op.create_table(
        "sandbox",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("seed", sa.String(length=200), nullable=False),
        sa.Column("seeded_at", sa.Float(), nullable=True),
        sa.Column("clock_offset", sa.Float(), nullable=False),
        sa.Column("clock_frozen", sa.Float(), nullable=True),
        sa.Column("expires", sa.Float(), nullable=True),
        sa.Column("issuer_key", sa.String(length=40), nullable=True),
        sa.Column("config", sa.LargeBinary(), nullable=False),
        sa.Column("admin_key", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_sandbox_expires", "sandbox", ["expires"], unique=False)
    op.create_table(
        "search_index",
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("patient", sa.String(length=64), nullable=False),
        sa.Column("service", sa.String(length=20), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("param", sa.String(length=40), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.Column("system", sa.String(length=255), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("low", sa.Float(), nullable=True),
        sa.Column("high", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("sandbox", "patient", "service", "type", "param", "value", "system", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "setting",
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("service", sa.String(length=20), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sandbox", "person", "service", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "signing_key",
        sa.Column("owner", sa.String(length=40), nullable=False),
        sa.Column("kid", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("made", sa.Float(), nullable=False),
        sa.Column("jwk", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "kid"),
    )
    op.create_table(
        "snapshot",
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("copy", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("sandbox", "name"),
    )
    op.create_table(
        "fault_hit",
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("rule", sa.String(length=40), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("sandbox", "rule"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "client_template",
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=120), nullable=False),
        sa.Column("api_key", sa.String(length=64), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sandbox", "id"),
    )
    op.create_table(
        "stamp",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_client_template_key", "client_template", ["sandbox", "api_key"], unique=False)
    op.create_table(
        "client_draft",
        sa.Column("sandbox", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sandbox", "id"),
    )
