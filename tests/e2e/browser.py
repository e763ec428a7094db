"""A real browser for the pages: the system's Chromium, driven by Playwright, with axe for accessibility.

The browser lives as long as one test module. While it runs it holds the thread's event loop, so a module that
uses it has synchronous tests only.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS: Final = ("--no-sandbox", "--disable-gpu")
_IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
_SIZE: Final = (1280, 900)
_PATIENCE: Final = 20_000.0  # milliseconds: machines that run tests are slow at times
_GRAVE: Final = frozenset({"serious", "critical"})
_ANSWERED_AN_ERROR: Final = "Failed to load resource"  # how Chromium notes any answer of 400 and above


def find_chromium() -> str | None:
    """The browser: the file ``SANDKASSE_CHROMIUM`` names, else the first of the usual names on the path."""
    named = os.environ.get("SANDKASSE_CHROMIUM")
    return named or next((found for name in _NAMES if (found := shutil.which(name))), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser, without a window. Tests are skipped where there is none."""
    executable = find_chromium()
    if executable is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} is on the path, and SANDKASSE_CHROMIUM names none")
    expect.set_options(timeout=_PATIENCE)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=executable, args=list(_ARGUMENTS))
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page in English, with storage of its own. A script error or a breach of the page's CSP fails the test."""
    faults: list[str] = []
    width, height = _SIZE
    context = browser.new_context(locale="en-GB", viewport={"width": width, "height": height})
    context.set_default_timeout(_PATIENCE)
    opened = context.new_page()
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda message: faults.extend(_fault(message)))
    yield opened
    context.close()
    assert not faults, "\n".join(faults)


def check_accessible(page: Page) -> None:
    """Fails when axe finds a serious or critical violation on the page as it stands."""
    found = Axe().run(page).response["violations"]
    grave = [violation for violation in found if violation["impact"] in _GRAVE]
    assert not grave, "\n".join(
        f"{violation['id']}: {violation['help']}\n  " + "\n  ".join(str(node["html"]) for node in violation["nodes"])
        for violation in grave
    )


def screenshot(page: Page, name: str) -> None:
    """The page as ``docs/images/<name>.png``; only when ``SANDKASSE_SCREENSHOTS`` is set."""
    if os.environ.get("SANDKASSE_SCREENSHOTS"):
        _IMAGES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=_IMAGES / f"{name}.png")


def _fault(message: ConsoleMessage) -> list[str]:
    grave = message.type == "error" and not message.text.startswith(_ANSWERED_AN_ERROR)
    return [message.text] if grave else []
