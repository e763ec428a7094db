"""The service on PostgreSQL with two workers: refused before the upgrade, whole after it, no proof taken twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from app.cli import app
from tests.support.live import SEARCH, Session
from tools.live_server import live_server, start

pytestmark = pytest.mark.postgres


def test_upgrade_serve_search_and_verify(
    postgres: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres()
    monkeypatch.setenv("SANDKASSE_DATABASE_URL", url)
    environment = {"SANDKASSE_DATABASE_URL": url}
    with pytest.raises(RuntimeError, match="sandkasse db upgrade"):
        start(tmp_path, environment=environment)
    assert "upgraded from empty" in CliRunner().invoke(app, ["db", "upgrade"]).stdout

    with live_server(tmp_path, "--workers", "2", environment=environment) as server:
        session = Session(server.url)
        assert session.search("on-postgresql").json()["total"] == 73
        assert _statuses_of_one_proof(server.url, session) == [200, 401, 401, 401, 401, 401, 401, 401]

    verified = CliRunner().invoke(app, ["audit", "verify"])
    assert verified.exit_code == 0
    assert "intact default/PPS: " in verified.stdout


def _statuses_of_one_proof(url: str, session: Session) -> list[int]:
    """The same proof again and again, each on a connection of its own, so that both workers see it."""
    headers = session.headers("twice")
    return [httpx.post(url + SEARCH, headers=headers, data={"_count": "1"}).status_code for _ in range(8)]
