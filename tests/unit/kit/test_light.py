"""The kit is light to load, and its plugin costs nothing where nobody uses it."""

from __future__ import annotations

import doctest
import importlib
import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sandkasse
from app.directory import SERVICES
from sandkasse.sandbox import Sandbox
from sandkasse.services import MOUNTS

_HEAVY = ("app", "fastapi", "starlette", "sqlalchemy", "pydantic", "orjson", "lxml", "typer", "jinja2", "yaml")
MODULES = sorted(each.name for each in pkgutil.iter_modules(sandkasse.__path__, "sandkasse."))


def _loaded_by(code: str) -> set[str]:
    script = f"import sys, json; {code}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_all_of_it_loads_nothing_of_the_server() -> None:
    loaded = _loaded_by("import " + ", ".join(each for each in MODULES if each != "sandkasse.pytest_plugin"))
    assert {"sandkasse.sandbox", "httpx", "joserfc"} <= loaded
    assert not {name for name in loaded if name.partition(".")[0] in _HEAVY}


def test_the_plugin_alone_loads_neither_httpx_nor_joserfc() -> None:
    loaded = _loaded_by("import sandkasse.pytest_plugin")
    assert not {name for name in loaded if name.partition(".")[0] in (*_HEAVY, "httpx", "joserfc", "cryptography")}


def test_every_name_it_offers_is_there() -> None:
    assert {getattr(sandkasse, name).__name__.rpartition(".")[2] for name in sandkasse.__all__} == set(
        sandkasse.__all__
    )
    with pytest.raises(AttributeError, match="nothing"):
        sandkasse.nothing  # noqa: B018 - the access is what is tested


def test_the_services_are_where_the_address_book_says() -> None:
    assert dict(MOUNTS) == {service.name: service.mount for service in SERVICES}


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_the_documentation_are_true(module: str) -> None:
    found = importlib.import_module(module)
    assert doctest.testmod(found, extraglobs={"httpx": importlib.import_module("httpx")}).failed == 0


class TestThePage:
    PAGE = (Path(__file__).parents[3] / "docs" / "kit.md").read_text(encoding="utf-8")

    def test_its_code_is_python(self) -> None:
        blocks = re.findall(r"```python\n(.*?)```", self.PAGE, re.DOTALL)
        assert len(blocks) == 4
        for block in blocks:
            compile(block, "kit.md", "exec")

    def test_what_it_names_is_there(self) -> None:
        with Sandbox.connect() as sandbox:
            for first, second in re.findall(r"sandbox\.(\w+)(?:\.(\w+))?", self.PAGE):
                part = getattr(sandbox, first)
                assert not second or second == "nin" or hasattr(part, second), f"{first}.{second}"
