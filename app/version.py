"""The version of the service, the package takes it from here; and what tells two builds of one version apart."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

VERSION = "0.1.0"
_DATA: Final = (".py", ".json", ".yaml")


@cache
def fingerprint() -> str:
    """A hash over the code and data of the package. It takes some milliseconds, once in a process."""
    total = hashlib.sha256()
    _add(total, resources.files(__package__))
    return total.hexdigest()


def _add(total: hashlib._Hash, folder: Traversable) -> None:
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            _add(total, entry)
        elif entry.name.endswith(_DATA):
            total.update(entry.name.encode() + b"\0" + entry.read_bytes())
