"""What the service has, the documentation has: settings, reasons, commands, operations, addresses, people."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main
import yaml

from app.cli import app
from app.directory import SERVICES, Service
from app.errors import Reason
from app.settings import Settings
from tests.support.commands import calls, fault_of
from tools import generate_docs
from tools.pages import command_line, control_api

_ROOT = Path(__file__).parents[2]
_DOCS = _ROOT / "docs"


def _page(name: str) -> str:
    return (_DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_documented(name: str) -> None:
    assert f"`SANDKASSE_{name.upper()}`" in _page("settings.md")
    assert Settings.model_fields[name].description


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_documented(reason: Reason) -> None:
    assert f"| `{reason}` |" in _page("errors.md")


def test_every_command_is_documented_with_a_help_text() -> None:
    found = dict(command_line.commands(typer.main.get_command(app), "sandkasse"))
    assert {"sandkasse serve", "sandkasse db upgrade", "sandkasse client import", "sandkasse audit verify"} <= set(
        found
    )
    for name, command in found.items():
        assert f"## `{name}`" in _page("cli.md")
        assert command.help, f"{name} says nothing of itself"


def test_every_control_operation_is_documented_with_a_summary() -> None:
    found = list(control_api.operations(control_api.description()))
    assert len(found) > 20
    for method, path, operation in found:
        assert f"| `{method.upper()} {path}` |" in _page("control-api.md")
        assert operation.get("summary"), f"{method} {path} says nothing of itself"


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_every_address_is_documented(service: Service) -> None:
    assert f"| `{service.mount}` |" in _page("addresses.md")


@pytest.mark.parametrize("name", sorted(generate_docs.PAGES))
def test_generated_pages_are_up_to_date(name: str) -> None:
    assert _page(name) == generate_docs.PAGES[name](), "run: make docs"


def test_every_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r"[\w/-]+\.md", yaml.safe_dump(yaml.safe_load((_ROOT / "mkdocs.yml").read_text())["nav"])))
    assert listed == {path.relative_to(_DOCS).as_posix() for path in _DOCS.rglob("*.md")}


@pytest.mark.parametrize("path", sorted([_ROOT / "README.md", *_DOCS.rglob("*.md")]), ids=lambda path: path.name)
def test_commands_and_options_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [fault for fault in map(fault_of, calls(text)) if fault is not None] == []
    targets = set(re.findall(r"^([a-z0-9]+):", (_ROOT / "Makefile").read_text(), re.MULTILINE))
    for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL):
        assert set(re.findall(r"^(?:\$ )?make ([a-z0-9]+)", block, re.MULTILINE)) <= targets


def test_a_command_or_option_that_is_not_there_is_found() -> None:
    page = "```text\n$ sandkasse serve --nowhere\nsandkasse fly\n```\nor `sandkasse check --client my-epj`"
    assert [fault_of(call) is None for call in calls(page)] == [False, False, True]
    assert fault_of("sandkasse explain --json curl -X POST http://localhost:8000/pps/v2 -H 'a: b' | less -R") is None


def test_the_makefile_has_at_most_eight_commands_and_says_what_each_does() -> None:
    text = (_ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: help (.*)$", text, re.MULTILINE)
    assert phony is not None
    commands = phony.group(1).split()
    assert len(commands) <= 8
    assert sorted(commands) == sorted(re.findall(r"^([a-z0-9]+):.*##", text, re.MULTILINE))
