"""Sessions in the store: what is spent is spent, and what is ended stays ended."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine

from app.services.kjernejournal import sessions, tickets
from app.services.kjernejournal.sessions import Session, s256
from app.store import tables
from app.trust.principal import Basis

BOX, NOW = "default", 1_795_000_000.0
CLAIMS = {"client_id": "epj", "helseid://claims/identity/pid": "02828049251", "exp": NOW + 600}
SESSION = Session("session-1", "14838449698", "LE", Basis.SAMTYKKE, CLAIMS, "jkt", NOW + 600)


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[Connection]:
    engine = create_engine(f"sqlite:///{tmp_path}/sessions.db")
    tables.metadata.create_all(engine)
    with engine.begin() as connection:
        sessions.create(connection, BOX, SESSION, "code", s256("verifier"), NOW)
        yield connection
    engine.dispose()


def test_a_code_opens_once(conn: Connection) -> None:
    assert sessions.redeem(conn, BOX, "code", "verifier", "cookie", NOW) == SESSION
    assert sessions.redeem(conn, BOX, "code", "verifier", "cookie", NOW) is None
    assert sessions.of_browser(conn, BOX, "cookie", NOW) == SESSION
    assert sessions.of_browser(conn, "another", "cookie", NOW) is None
    assert sessions.of_browser(conn, BOX, "cookie", NOW + 600) is None


@pytest.mark.parametrize(("code", "verifier"), [("code", "another"), ("another", "verifier")])
def test_a_wrong_attempt(conn: Connection, code: str, verifier: str) -> None:
    assert sessions.redeem(conn, BOX, code, verifier, "cookie", NOW) is None
    assert sessions.of_browser(conn, BOX, "cookie", NOW) is None


def test_a_refresh_keeps_what_was_opened(conn: Connection) -> None:
    assert sessions.unlock(conn, BOX, "session-1", Basis.FORHOYET_AKUTT, NOW)
    newer = {**CLAIMS, "exp": NOW + 900}
    assert sessions.refresh(conn, BOX, "session-1", newer, "other", NOW)
    expected = replace(SESSION, claims=newer, jkt="other", expires=NOW + 900, opened=Basis.FORHOYET_AKUTT)
    assert sessions.find(conn, BOX, "session-1", CLAIMS, NOW + 700) == expected


def test_what_is_ended_stays_ended(conn: Connection) -> None:
    sessions.end(conn, BOX, "session-1")
    assert not sessions.unlock(conn, BOX, "session-1", Basis.FORHOYET_AKUTT, NOW)
    assert not sessions.refresh(conn, BOX, "session-1", CLAIMS, None, NOW)
    assert sessions.find(conn, BOX, "session-1", CLAIMS, NOW) is None
    assert sessions.redeem(conn, BOX, "code", "verifier", "cookie", NOW) is None


def test_secrets_are_not_stored(conn: Connection) -> None:
    sessions.redeem(conn, BOX, "code", "verifier", "cookie-1", NOW)
    tickets.keep(conn, BOX, "the-ticket", "315500109", "14838449698", None, NOW)
    stored = str(conn.execute(tables.lease.select()).all())
    for secret in ("'code'", "cookie-1", "the-ticket"):
        assert secret not in stored
