"""``sandkasse health``: whether a sandbox answers."""

from __future__ import annotations

from typing import Final

import httpx

from app.commands.calling import HOME, Url
from app.commands.common import single, stop

app: Final = single()


@app.command()
def health(url: Url = HOME) -> None:
    """Exit status 0 when the sandbox answers; for container health checks."""
    try:
        answer = httpx.get(f"{url}/healthz", timeout=3.0)
    except httpx.HTTPError as error:
        stop(f"{url} does not answer: {error}")
    if answer.status_code != 200:
        stop(f"{url} answered {answer.status_code}")
