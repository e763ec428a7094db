"""``sandkasse scenario``: what needs no server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.commands.scenario import app, content_of


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_the_list_names_every_scenario_with_its_title() -> None:
    found = run("list")
    assert found.exit_code == 0
    assert "stage-i" in found.stdout
    assert "Everything has expired" in found.stdout


def test_own_ones_are_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\ntitle: Mine\n")
    monkeypatch.setenv("SANDKASSE_SCENARIO_DIR", str(tmp_path))
    assert "Mine (own)" in run("list").stdout


def test_what_is_shown_passes_the_check(tmp_path: Path) -> None:
    file = tmp_path / "stage-e.yaml"
    file.write_text(run("show", "stage-e").stdout, encoding="utf-8")
    checked = run("check", str(file))
    assert (checked.exit_code, checked.stdout.strip()) == (0, f"{file}: nothing is wrong")
    unknown = run("show", "nobody")
    assert unknown.exit_code == 1
    assert "no scenario nobody" in unknown.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: x\ntitle: t\ncolour: red\n", "line 3: /colour: "),
        ("name: x\ntitle: t\nreports:\n- {id: r, person: P99}\n", "line 4: /reports/0/person: "),
        ("name: x\nname: y\n", "line 2: /name: "),
        ("name: [\n", "line 2: /: "),
        ('{"name": "x", "title": "t", "base": "y"}', "line 1: /base: "),
    ],
)
def test_each_fault_has_its_line_and_place(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    checked = run("check", str(file))
    assert checked.exit_code == 1
    assert checked.stderr.startswith(f"{file}: {told}")
    assert not checked.stdout


def test_a_file_that_is_not_there() -> None:
    checked = run("check", "nowhere.yaml")
    assert checked.exit_code == 1
    assert "nowhere.yaml" in checked.stderr


def test_the_schema_is_json() -> None:
    assert json.loads(run("schema").stdout)["properties"]["try"]


def test_a_name_stays_a_name_and_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("name: x\ntitle: 2026-12-01\n")
    assert content_of("gp-office") == "gp-office"
    assert content_of(str(file)) == {"name": "x", "title": "2026-12-01"}
