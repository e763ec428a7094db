"""The examples hold what they say: CI files, containers, and the commands they name."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import yaml

from app.settings import Settings
from tests.support.commands import fault_of

_ROOT = Path(__file__).parents[2]
_CI = _ROOT / "examples" / "ci"
_CONTAINER = _ROOT / "examples" / "testcontainers" / "test_with_a_container.py"


def scripts(document: Any) -> Iterator[str]:
    """Every line a CI file runs."""
    for job in document.get("jobs", document).values():
        for step in job.get("steps", ()):
            yield from step.get("run", "").splitlines()
        yield from job.get("before_script", ())
        yield from job.get("script", ())


@pytest.mark.parametrize("path", sorted(_CI.glob("*.yml")), ids=lambda path: path.name)
def test_a_ci_file_starts_the_sandbox_tests_and_checks(path: Path) -> None:
    lines = list(scripts(yaml.safe_load(path.read_text(encoding="utf-8"))))
    order = ["sandkasse serve", "/healthz", "sandkasse sandbox create", "pytest -n", "sandkasse check"]
    places = [next(number for number, line in enumerate(lines) if wanted in line) for wanted in order]
    assert places == sorted(places)
    assert "--format junit > checks.xml" in lines[places[-1]]
    assert "checks.xml" in path.read_text(encoding="utf-8").split(lines[places[-1]])[1]


@pytest.mark.parametrize("path", sorted(_CI.glob("*.yml")), ids=lambda path: path.name)
def test_the_commands_of_a_ci_file_exist(path: Path) -> None:
    found = 0
    for line in scripts(yaml.safe_load(path.read_text(encoding="utf-8"))):
        if line.startswith("sandkasse "):
            assert fault_of(line) is None
            found += 1
    assert found >= 3


class Container:
    """What the example asks testcontainers for."""

    asked: dict[str, Any]

    def __init__(self, image: str) -> None:
        type(self).asked = {"image": image, "env": {}, "ports": []}

    def with_env(self, name: str, value: str) -> Container:
        self.asked["env"][name] = value
        return self

    def with_exposed_ports(self, *ports: int) -> Container:
        self.asked["ports"] += ports
        return self

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_error: object) -> None:
        self.asked["stopped"] = True

    def get_container_host_ip(self) -> str:
        return "localhost"

    def get_exposed_port(self, port: int) -> int:
        return port + 40000


def test_the_container_example_fits_image_and_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = ModuleType("testcontainers.core.container")
    vars(fake)["DockerContainer"] = Container
    for name in ("testcontainers", "testcontainers.core"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, fake.__name__, fake)
    answered: list[str] = []

    def answer(url: str, **_options: Any) -> httpx.Response:
        answered.append(url)
        return httpx.Response(200)

    monkeypatch.setattr(httpx, "get", answer)
    spec = importlib.util.spec_from_file_location("container_example", _CONTAINER)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    started = example.sandkasse_server.__wrapped__()
    server = next(started)
    assert (server.url, server.admin_key) == ("http://localhost:48000", example.ADMIN_KEY)
    assert answered == ["http://localhost:48000/healthz"]
    with pytest.raises(StopIteration):
        next(started)
    assert Container.asked["stopped"]

    dockerfile = (_ROOT / "Dockerfile").read_text(encoding="utf-8")
    exposed = re.search(r"^EXPOSE (.*)$", dockerfile, re.MULTILINE)
    assert exposed is not None
    assert {str(port) for port in Container.asked["ports"]} <= set(exposed[1].split())
    assert Container.asked["ports"] == [Settings.model_fields["port"].default]
    assert f"--tag {Container.asked['image']} " in (_ROOT / "Makefile").read_text(encoding="utf-8")
    names = {name.removeprefix("SANDKASSE_").lower() for name in Container.asked["env"]}
    assert names <= set(Settings.model_fields)
