"""The tables. Clinical ones are keyed ``(sandbox, patient, …)`` first, so that one patient's data lie together.

On SQLite the small rows found by text keys are stored in the key's own tree (``sqlite_with_rowid=False``): one look
and one write instead of two.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()

_Seq = BigInteger().with_variant(Integer, "sqlite")

sandbox = Table(
    "sandbox",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("created", Float, nullable=False),
    Column("seed", String(200), nullable=False),
    Column("seeded_at", Float),
    Column("clock_offset", Float, nullable=False, default=0.0),
    Column("clock_frozen", Float),
    Column("expires", Float),
    Column("issuer_key", String(40)),
    Column("config", LargeBinary, nullable=False),
    Column("admin_key", String(64)),  # SHA-256 of its own admin key, hex
    Index("ix_sandbox_expires", "expires"),
)

installation = Table(
    "installation",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

person = Table(
    "person",
    metadata,
    Column("sandbox", String(40), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("nin", String(11), nullable=False),
    Column("body", LargeBinary, nullable=False),
)

person_identifier = Table(
    "person_identifier",
    metadata,
    Column("sandbox", String(40), primary_key=True),
    Column("value", String(12), primary_key=True),
    Column("person", String(64), nullable=False),
    Column("current", Boolean, nullable=False),
    sqlite_with_rowid=False,
)

practitioner = Table(
    "practitioner",
    metadata,
    Column("sandbox", String(40), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("pid", String(11), nullable=False),
    Column("hpr", String(9)),
    Column("body", LargeBinary, nullable=False),
    Index("ix_practitioner_pid", "sandbox", "pid"),
    Index("ix_practitioner_hpr", "sandbox", "hpr"),
)

organisation = Table(
    "organisation",
    metadata,
    Column("sandbox", String(40), primary_key=True),
    Column("orgnr", String(9), primary_key=True),
    Column("id", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
)

setting = Table(
    "setting",
    metadata,
    Column("sandbox", String(40), primary_key=True),
    Column("person", String(64), primary_key=True),
    Column("service", String(20), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("body", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

resource = Table(
    "resource",
    metadata,
    Column("sandbox", String(40), primary_key=True),
    Column("patient", String(64), primary_key=True),
    Column("service", String(20), primary_key=True),
    Column("type", String(40), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("part_of", String(64), nullable=False),  # the unit it came with: a report, a document set
    Column("effective", Float, nullable=False),
    Column("updated", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("ix_resource_order", "sandbox", "patient", "service", "type", "effective", "id"),
    Index("ix_resource_id", "sandbox", "service", "type", "id"),
)

rendition = Table(
    "rendition",
    metadata,
    Column("sandbox", String(40), primary_key=True),
    Column("patient", String(64), primary_key=True),
    Column("service", String(20), primary_key=True),
    Column("type", String(40), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("name", String(20), primary_key=True),  # masked, gone, ips: the full one is resource.body (S48)
    Column("body", LargeBinary, nullable=False),
)

resource_history = Table(
    "resource_history",
    metadata,
    Column("sandbox", String(40), primary_key=True),
    Column("patient", String(64), primary_key=True),
    Column("service", String(20), primary_key=True),
    Column("type", String(40), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("updated", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

search_index = Table(
    "search_index",
    metadata,
    Column("sandbox", String(40), primary_key=True),
    Column("patient", String(64), primary_key=True),
    Column("service", String(20), primary_key=True),
    Column("type", String(40), primary_key=True),
    Column("param", String(40), primary_key=True),
    Column("value", String(255), primary_key=True),
    Column("system", String(255), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("low", Float),
    Column("high", Float),
    sqlite_with_rowid=False,
)

part = Table(
    "part",
    metadata,
    Column("sandbox", String(40), primary_key=True),
    Column("patient", String(64), primary_key=True),
    Column("service", String(20), primary_key=True),
    Column("id", String(64), primary_key=True),  # e.g. the DiagnosticReport.id of a report
    Column("key", String(255), nullable=False),
    Column("generated", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),  # what the policy needs of it: object ids, codes
    Index("ix_part_key", "sandbox", "service", "key"),
)

received = Table(
    "received",
    metadata,
    Column("sandbox", String(40), primary_key=True),
    Column("service", String(20), primary_key=True),
    Column("sender", String(120), primary_key=True),
    Column("message", String(255), primary_key=True),
    Column("at", Float, nullable=False),
)

content = Table(
    "content",
    metadata,
    Column("sandbox", String(40), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("chunk", Integer, primary_key=True),  # 256 KiB each (S49)
    Column("media_type", String(100), nullable=False),
    Column("body", LargeBinary, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("sandbox", String(40), primary_key=True),
    Column("service", String(20), primary_key=True),
    Column("seq", _Seq, primary_key=True, autoincrement=False),
    Column("recorded", Float, nullable=False),
    Column("patient", String(64)),
    Column("decision_ref", String(255)),
    Column("elevated", Boolean, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("ix_audit_patient", "sandbox", "patient", "recorded"),
    Index(
        "ix_audit_ref",
        "sandbox",
        "decision_ref",
        sqlite_where=text("decision_ref IS NOT NULL"),
        postgresql_where=text("decision_ref IS NOT NULL"),
    ),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("sandbox", String(40), primary_key=True),
    Column("service", String(20), primary_key=True),
    Column("seq", _Seq, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("recorded", Float, nullable=False),
    sqlite_with_rowid=False,
)

audit_checkpoint = Table(
    "audit_checkpoint",
    metadata,
    Column("sandbox", String(40), primary_key=True),
    Column("service", String(20), primary_key=True),
    Column("seq", _Seq, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
    Column("at", Float, nullable=False),
    Column("signature", Text, nullable=False),
)

exchange = Table(
    "exchange",
    metadata,
    Column("seq", _Seq, primary_key=True, autoincrement=True),  # in the order rows came to be seen, never used again
    Column("sandbox", String(40), nullable=False),
    Column("id", String(26), nullable=False),
    Column("service", String(20), nullable=False),
    Column("at", Float, nullable=False),
    Column("status", Integer, nullable=False),
    Column("reason", String(40)),
    Column("client", String(120)),
    Column("patient", String(64)),
    Column("method", String(16)),
    Column("path", String(255)),  # below the service's address, redacted
    Column("operation", String(120)),
    Column("rule", String(40)),
    Column("millis", Float),
    Column("summary", String(255)),
    Column("size", Integer, nullable=False, default=0),  # bytes of the body
    Column("body", LargeBinary, nullable=False),
    Index("ix_exchange_id", "sandbox", "id", unique=True),
    Index("ix_exchange_order", "sandbox", "seq", "size"),
    sqlite_autoincrement=True,
)

replay = Table(
    "replay",
    metadata,
    Column("sandbox", String(40), primary_key=True),
    Column("kind", String(12), primary_key=True),
    Column("key", String(120), primary_key=True),
    Column("until", Float, nullable=False),  # real time
    Column("value", String(120), nullable=False, default=""),
    Index("ix_replay_until", "until"),
    sqlite_with_rowid=False,
)

lease = Table(
    "lease",
    metadata,
    Column("sandbox", String(40), primary_key=True),
    Column("kind", String(24), primary_key=True),
    Column("key", String(160), primary_key=True),
    Column("expires", Float, nullable=False),  # sandbox time
    Column("body", LargeBinary, nullable=False),
    Index("ix_lease_expires", "expires"),
    sqlite_with_rowid=False,
)

client = Table(
    "client",
    metadata,
    Column("sandbox", String(40), primary_key=True),
    Column("id", String(120), primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

signing_key = Table(
    "signing_key",
    metadata,
    Column("owner", String(40), primary_key=True),  # '' for the installation, else the sandbox that rotated
    Column("kid", String(64), primary_key=True),
    Column("state", String(10), nullable=False),  # current, next, expired, or the name of another use
    Column("made", Float, nullable=False),
    Column("jwk", LargeBinary, nullable=False),
)

snapshot = Table(
    "snapshot",
    metadata,
    Column("sandbox", String(40), primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("at", Float, nullable=False),  # real time
    Column("copy", String(40), nullable=False),  # the hidden sandbox that holds the rows
)

fault_hit = Table(
    "fault_hit",
    metadata,
    Column("sandbox", String(40), primary_key=True),
    Column("rule", String(40), primary_key=True),
    Column("seen", Integer, nullable=False),  # calls that matched
    Column("hits", Integer, nullable=False),  # calls it took effect on
    sqlite_with_rowid=False,
)

client_template = Table(
    "client_template",
    metadata,
    Column("sandbox", String(40), primary_key=True),
    Column("id", String(120), primary_key=True),
    Column("api_key", String(64)),  # SHA-256, hex
    Column("body", LargeBinary, nullable=False),
    Index("ix_client_template_key", "sandbox", "api_key"),
)

client_draft = Table(
    "client_draft",
    metadata,
    Column("sandbox", String(40), primary_key=True),
    Column("id", String(36), primary_key=True),  # the client_id it will have
    Column("state", String(12), nullable=False),
    Column("at", Float, nullable=False),  # sandbox time
    Column("body", LargeBinary, nullable=False),
)

stamp = Table(
    "stamp",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("value", BigInteger, nullable=False),  # moved by every change of content
    sqlite_with_rowid=False,
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", _Seq, primary_key=True, autoincrement=True),
    Column("sandbox", String(40), nullable=False),
    Column("topic", String(60), nullable=False),
    Column("at", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
)


OF_SANDBOX: tuple[Table, ...] = tuple(table for table in metadata.sorted_tables if "sandbox" in table.c)
"""Every table whose rows belong to one sandbox; reset and delete go over these."""
