"""What a sandbox may choose for itself: settings laid over the installation's, and what is made to go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from app.errors import Reason, Refusal
from app.sandboxes.faults import DEPENDENCIES, Rule
from app.settings import Settings

OVERRIDABLE: Final = (
    "profile",
    "proof_window",
    "attest_schema",
    "attest_binding",
    "search_params",
    "mode",
    "docs_aliases",
    "nin_rule",
    "v1_metadata_bug",
    "plaintext_errors",
    "ki_bearer",
    "parent_same_address_rule",
    "privacy_timeout",
    "access_token_seconds",
    "id_token_seconds",
    "refresh_token_seconds",
    "rotate_refresh_tokens",
    "code_seconds",
    "par_seconds",
    "nonce_seconds",
    "attest_max_age",
    "activation_delay",
    "key_days",
    "max_client_keys",
    "draft_hours",
    "max_open_drafts",
    "confirming_person",
)
"""Settings a sandbox may have its own value of; the rest belong to the installation."""


@dataclass(frozen=True, slots=True)
class Config:
    """A sandbox's own choices, as stored in its row."""

    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    faults: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    rules: tuple[Rule, ...] = ()

    def dump(self) -> bytes:
        stored = {
            "settings": dict(self.settings),
            "faults": dict(self.faults),
            "rules": [rule.stored() for rule in self.rules],
        }
        return orjson.dumps(stored, option=orjson.OPT_SORT_KEYS)


def load(body: bytes) -> Config:
    """The choices in a sandbox's row, checked when they were stored."""
    data = orjson.loads(body)
    return Config(data["settings"], data["faults"], tuple(Rule.model_validate(each) for each in data.get("rules", ())))


def checked_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in ``values`` with their types checked; None means: as the installation has it.

    Raises ``Refusal(CONTENT_INVALID)`` for one that is unknown, not a sandbox's to choose, or ill-valued.
    """
    try:
        known = Overrides.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        raise Refusal(
            Reason.CONTENT_INVALID, f"{name}: {first['msg']}", extra={"pointer": f"/settings/{name}"}
        ) from error
    return known.model_dump(exclude_unset=True)


def checked_faults(values: Mapping[str, str], place: str = "/faults") -> dict[str, str]:
    """The faults in ``values``, which stand at the JSON pointer ``place``.

    Raises ``Refusal(CONTENT_INVALID)`` for a dependency or way that is unknown.
    """
    for name, way in values.items():
        ways = DEPENDENCIES.get(name)
        if ways is None or way not in ways:
            known = ", ".join(f"{each}: {' or '.join(some)}" for each, some in DEPENDENCIES.items())
            raise Refusal(
                Reason.CONTENT_INVALID, f"unknown fault; known are {known}", extra={"pointer": f"{place}/{name}"}
            )
    return dict(values)


def overlay(base: Settings, config: Config) -> Settings:
    """The installation's settings with the sandbox's own laid over."""
    return base.model_copy(update=dict(config.settings)) if config.settings else base


def _overrides() -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for name in OVERRIDABLE:
        info = copy(Settings.model_fields[name])
        annotation: Any = info.annotation
        info.default = None
        fields[name] = (annotation | None, info)
    model: type[BaseModel] = create_model(
        "SandboxSettings", __config__=ConfigDict(extra="forbid", strict=True), **fields
    )
    return model


Overrides: Final = _overrides()
"""The settings of a sandbox as a model, each optional, with the limits they have for the installation."""
