"""What the control API takes, as models: unknown members are refused, names are camelCase on the wire."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from app.sandboxes.config import Overrides
from app.sandboxes.faults import DEPENDENCIES
from app.sandboxes.forms import Body, Text

OwnSettings = Annotated[dict[str, Any], WithJsonSchema(Overrides.model_json_schema())]
Faults = Annotated[
    dict[str, str],
    Field(max_length=10),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {name: {"enum": list(ways)} for name, ways in DEPENDENCIES.items()},
        }
    ),
]


def _scenario(value: Any) -> Any:
    if value is not None and not isinstance(value, str | dict):
        raise PydanticCustomError("scenario", "a scenario is its name, or an object")
    return value


AnyScenario = Annotated[
    Any,
    AfterValidator(_scenario),
    Field(description="What fills it: the name of a scenario, or a scenario."),
    WithJsonSchema({"anyOf": [{"type": "string", "maxLength": 200}, {"type": "object"}, {"type": "null"}]}),
]
Seconds = Annotated[float, Field(gt=0, le=315_360_000, allow_inf_nan=False)]


class NewSandbox(Body):
    """A sandbox to make. Without a name it gets one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "team-a", "expiresIn": 3600, "settings": {"profile": "strict"}},
                {"content": "empty"},
                {"scenario": "gp-office", "expiresIn": 600},
            ]
        }
    )

    name: Text | None = Field(None, description="1-40 of a-z, 0-9 and -.")
    seed: Text | None = Field(None, description="Seed of what is made for it; the installation's when left out.")
    content: Literal["seeded", "empty"] | None = Field(
        None, description="`seeded`, as when left out: the people and results of the default scenario."
    )
    scenario: AnyScenario = None
    expires_in: Seconds | None = Field(None, description="Seconds of real time it lives; for ever when left out.")
    settings: OwnSettings = Field(default_factory=dict)
    faults: Faults = Field(default_factory=dict)


class ResetSandbox(Body):
    """How to fill the sandbox anew."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"content": "empty"}, {"scenario": "gp-office"}]})

    content: Literal["seeded", "empty"] | None = None
    scenario: AnyScenario = None


class CloneSandbox(Body):
    """A sandbox with the state of another. Without a name it gets one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "team-b", "expiresIn": 3600}]})

    name: Text | None = Field(None, description="1-40 of a-z, 0-9 and -.")
    expires_in: Seconds | None = Field(None, description="Seconds of real time it lives; for ever when left out.")


class NewSnapshot(Body):
    """A snapshot to take. Without a name it gets one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "before-admission"}]})

    name: Text | None = Field(None, description="1-40 of a-z, 0-9 and -.")


class SandboxChange(Body):
    """Own settings to merge (null gives the installation's value back), faults to replace."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"settings": {"mode": "ehds"}, "faults": {"privacy": "timeout"}}]}
    )

    settings: OwnSettings | None = None
    faults: Faults | None = None


class ClockSetting(Body):
    """The instant the clock is set to."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"now": "2026-12-01T08:00:00Z", "frozen": True}]})

    now: AwareDatetime | Literal["real"] = Field(description="`real` follows the real clock again.")
    frozen: bool = False
    force: bool = Field(False, description="Go back even past the newest token or audit record.")


class ClockMove(Body):
    """A change relative to what the clock shows."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"advance": "P1D"}, {"frozen": True}]})

    advance: timedelta = Field(timedelta(0), description="Seconds, or an ISO 8601 duration.")
    frozen: bool | None = None
    force: bool = False


class TokenOrder(Body):
    """A token to mint. ``persona`` is a practitioner's or person's id, a synthetic number or ``hpr:…``, with
    ``level:3`` or ``network:internett`` behind it if wanted (R26); none gives a machine token.

    With ``url`` the answer has ready ``Authorization`` and ``DPoP`` headers for one request.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"persona": "H01", "client": "sandkasse-epj", "scopes": ["nhn:pps/provesvar-read"], "method": "POST"}
            ]
        }
    )

    persona: Text | None = None
    client: Annotated[str, Field(max_length=120)] | None = None
    scopes: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=50)] = Field(default_factory=list)
    method: Annotated[str, Field(pattern=r"^[A-Z]{1,10}$")] | None = None
    url: Annotated[str, Field(max_length=2000)] | None = None
    attest: dict[str, Any] | None = Field(None, description="Values of the attest; none sends no attest.")
    claims: Annotated[dict[str, Any], Field(max_length=50)] | None = Field(
        None, description="Claims laid over those the issuer would give; null takes one away."
    )
    fault: Annotated[str, Field(max_length=80)] | None = Field(
        None, description="A way to break token or proof, named as in a batch of the test-token service."
    )
