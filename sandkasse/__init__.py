"""The vendor's kit of the sandbox: make an isolated one for each test, arrange it, run your client, see what it saw.

    from sandkasse import Sandbox

    with Sandbox.create("http://localhost:8000") as sandbox:
        sandbox.settings.block("P01")
        ...
        sandbox.journal.expect(service="pps-v2", reason="GENERAL_BLOCK")

Names are loaded when they are first used, so that the pytest plugin costs nothing where nobody uses it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sandkasse import attest, effects
    from sandkasse.epj import AsyncEpjClient, EpjClient, LoginFailed, Started, Tokens
    from sandkasse.errors import ControlError, KitError, NotSeen, UnexpectedAnswer
    from sandkasse.keys import SigningKey
    from sandkasse.proofs import ClientAssertion, DPoPAuth, Fresh, make_proof
    from sandkasse.sandbox import AsyncSandbox, Sandbox

__all__ = [
    "AsyncEpjClient",
    "AsyncSandbox",
    "ClientAssertion",
    "ControlError",
    "DPoPAuth",
    "EpjClient",
    "Fresh",
    "KitError",
    "LoginFailed",
    "NotSeen",
    "Sandbox",
    "SigningKey",
    "Started",
    "Tokens",
    "UnexpectedAnswer",
    "attest",
    "effects",
    "make_proof",
]

_HOME: Final = {
    "AsyncEpjClient": "epj",
    "AsyncSandbox": "sandbox",
    "ClientAssertion": "proofs",
    "ControlError": "errors",
    "DPoPAuth": "proofs",
    "EpjClient": "epj",
    "Fresh": "proofs",
    "KitError": "errors",
    "LoginFailed": "epj",
    "NotSeen": "errors",
    "Sandbox": "sandbox",
    "SigningKey": "keys",
    "Started": "epj",
    "Tokens": "epj",
    "UnexpectedAnswer": "errors",
    "make_proof": "proofs",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"sandkasse.{_HOME[name]}"), name)
    if name in __all__:
        return importlib.import_module(f"sandkasse.{name}")
    raise AttributeError(f"module 'sandkasse' has no attribute {name!r}")
