"""A call of the command line reads what it needs and no more."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
import typer

from app.cli import _WORDS


@pytest.mark.parametrize("word", _WORDS)
def test_each_word_is_a_module_of_its_name(word: str) -> None:
    assert isinstance(importlib.import_module(f"app.commands.{word}").app, typer.Typer)


@pytest.mark.parametrize(
    ("words", "unread"),
    [
        (["--version"], ["sqlalchemy", "httpx", "fastapi", "app.commands.serve"]),
        (["serve", "--help"], ["httpx", "fastapi", "alembic", "app.commands.curl"]),
        (["health", "--help"], ["fastapi", "alembic", "app.main"]),
    ],
)
def test_what_is_not_needed_is_not_read(words: list[str], unread: list[str]) -> None:
    program = (
        "import sys; from app.cli import app\n"
        f"try: app({words!r})\n"
        f"finally: print('READ', [name for name in {unread!r} if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert "READ []" in told.stdout, told.stdout


def test_the_service_starts_without_the_models_of_the_control_api() -> None:
    """They are a fifth of the time of a start: ``app.control_plane`` is read after the first answers."""
    program = "import sys, app.main; print([name for name in sys.modules if name.startswith('app.routers.control')])"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
