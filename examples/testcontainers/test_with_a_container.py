"""Tests against the sandbox in a container, with testcontainers.

    make image
    pip install testcontainers
    pytest examples/testcontainers

The fixture has the name of the kit's, so that all other fixtures of the kit work with the container.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from sandkasse import Sandbox
from sandkasse.pytest_plugin import Persona
from sandkasse.server import Server

containers = pytest.importorskip("testcontainers.core.container", reason="needs: pip install testcontainers")

IMAGE = "sandkasse:local"
PORT = 8000
ADMIN_KEY = "of-this-test-run"  # the container listens on every address, so its control API demands one
START_SECONDS = 60.0


@pytest.fixture(scope="session")
def sandkasse_server() -> Iterator[Server]:
    """A container for the whole test run, on a free port."""
    wanted = containers.DockerContainer(IMAGE).with_env("SANDKASSE_ADMIN_KEY", ADMIN_KEY).with_exposed_ports(PORT)
    with wanted as container:
        url = f"http://{container.get_container_host_ip()}:{container.get_exposed_port(PORT)}"
        wait_for(f"{url}/healthz")
        yield Server(url, ADMIN_KEY)


def wait_for(url: str) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > end:
            raise TimeoutError(f"{url} did not answer")
        time.sleep(0.2)


def test_a_patient_in_the_container(sandbox: Sandbox, persona: Persona) -> None:
    headers = {"person-id": sandbox.patient("P01").nin, "X-Correlation-Id": "test"}
    answer = persona("H01").post("/DiagnosticReport/_search", headers=headers, data={"_count": "0"})
    assert answer.json()["total"] == 73
