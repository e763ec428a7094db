"""What a scenario file holds: the model, its JSON schema, and how the YAML is read (design section 8).

A scenario is a whole sandbox on one page: people, their settings and results, the clock, what fails, and the calls
that show it. In settings and FHIR, texts that begin with a dollar sign stand for what is known when it is loaded:
``$nin:P01``, ``$pid:H01``, ``$hpr:H01``, ``$orgnr:O01``, ``$report:<id>``, ``$requisition:<id>``, ``$now``,
``$now-P3D``, ``$today+P1Y``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AwareDatetime,
    ConfigDict,
    Field,
    RootModel,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from app.errors import Reason
from app.sandboxes.config import Overrides
from app.sandboxes.faults import DEPENDENCIES, MOST_RULES, RuleDraft
from app.sandboxes.forms import Body, Id, Text
from app.sandboxes.register_bodies import Criteria, OrganisationBody, PersonBody, PractitionerBody
from app.sandboxes.setting_bodies import AnySetting

_DURATION: Final = TypeAdapter(timedelta)
_MOMENT: Final = TypeAdapter[date | AwareDatetime](date | AwareDatetime)

ScenarioName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
EntryId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,63}$")]
Long = Annotated[str, Field(max_length=2000)]
Duration = Annotated[timedelta, Field(description="ISO 8601, such as `P1D` or `-PT2H`.")]


class Texts(Body):
    """A text in both languages."""

    nb: Long
    en: Long


def _json(schema: Mapping[str, Any]) -> WithJsonSchema:
    return WithJsonSchema(dict(schema))


class ScenarioClock(Body):
    """What the clock shows when the scenario is loaded: a fixed instant, or one counted from the real time."""

    now: AwareDatetime | None = Field(None, description="The instant, such as `2026-12-01T08:00:00Z`.")
    advance: Duration = timedelta(0)
    frozen: bool = Field(False, description="Whether it stands still.")

    @model_validator(mode="after")
    def _one(self) -> ScenarioClock:
        if self.now is not None and self.advance:
            raise ValueError("give one of now and advance")
        return self


class PersonEntry(PersonBody):
    """A person to put, or, when the base has one with the id, what to change of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": "F01", "age": 44, "gender": "female"}]})

    id: Id
    age: int | None = Field(None, ge=0, le=120, description="In place of birthDate: whole years on the clock.")

    @model_validator(mode="after")
    def _one(self) -> PersonEntry:
        if self.age is not None and self.birth_date is not None:
            raise ValueError("give one of age and birthDate")
        return self


class PrivacyEntry(Body):
    """A privacy setting of a person, in any form the control API takes."""

    person: Id
    setting: Annotated[dict[str, Any], _json({"$comment": "setting"})]


class ClientEntry(Body):
    """A client of the issuer: one of the presets, or a registration as the control API takes it."""

    preset: Text | None = Field(None, description="A name that `sandkasse client import` takes.")
    jwks: Annotated[list[dict[str, Any]], Field(max_length=20)] = Field(
        default_factory=list, description="Public keys of the preset's clients."
    )
    client: dict[str, Any] | None = Field(None, description="As in `POST /clients`.")

    @model_validator(mode="after")
    def _one(self) -> ClientEntry:
        if (self.preset is None) == (self.client is None):
            raise ValueError("give one of preset and client")
        return self


class ResultEntry(Body):
    """One line of a report, in place of those its kind has."""

    code: Annotated[str, Field(max_length=20)] = Field("", description="A code of the national list (7280).")
    name: Text
    number: Annotated[str, Field(pattern=r"^-?[0-9]{1,9}(\.[0-9]{1,6})?$")] | None = None
    unit: Annotated[str, Field(max_length=40)] = ""
    reference: Annotated[str, Field(max_length=60)] = ""
    text: Annotated[str, Field(max_length=2000)] = ""


class ReportEntry(Body):
    """A laboratory or radiology report, sent in as the message it would have come in."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": "f01-blood", "person": "F01", "kind": "CLIN"}]})

    id: EntryId
    person: Id
    kind: Text = Field("CLIN", description="`CLIN`, `MBIO-virus`, `HIST`, `RTG` …: the kinds the seed is made of.")
    at: Text = Field("-P7D", description="The day of the sample: a date, or counted from the clock, such as `-P30D`.")
    results: Annotated[list[ResultEntry], Field(max_length=50)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _when(self) -> ReportEntry:
        day(self.at, date(2026, 1, 1))
        return self


class ResourceEntry(Body):
    """FHIR for a service's store, past the national formats."""

    service: Annotated[str, Field(pattern=r"^[A-Za-z-]{1,20}$")] = "PPS"
    content: dict[str, Any] | list[dict[str, Any]] = Field(description="A resource, a Bundle, or a list of resources.")


class FaultEntries(Body):
    """What fails: dependencies for every call, and rules."""

    dependencies: Annotated[
        dict[str, str],
        Field(max_length=10),
        _json(
            {
                "type": "object",
                "additionalProperties": False,
                "properties": {name: {"enum": list(ways)} for name, ways in DEPENDENCIES.items()},
            }
        ),
    ] = Field(default_factory=dict)
    rules: Annotated[list[RuleDraft], Field(max_length=MOST_RULES)] = Field(default_factory=list)


class TokenHint(Body):
    """A token worth having in this scenario: what to order from `POST /tokens`."""

    title: Long | Texts
    persona: Id | None = None
    client: Annotated[str, Field(max_length=120)] | None = None
    scopes: Annotated[list[Text], Field(max_length=50)] = Field(default_factory=list)
    attest: dict[str, Any] | None = None


class Expected(Body):
    """What a call shall give. What is left out may be anything."""

    status: Annotated[int, Field(ge=100, le=599)]
    reason: Reason | None = Field(None, description="The reason in the journal; none when data are given.")
    rule: Annotated[str, Field(max_length=10)] | None = Field(None, description="The deciding rule, such as `F2`.")
    matches: Annotated[int, Field(ge=0)] | None = Field(None, description="Resources found.")
    obligations: Annotated[list[Text], Field(max_length=20)] = Field(
        default_factory=list, description="Obligations the decision has, among others."
    )


class TryCall(Body):
    """A call that shows what the scenario is for, with what it gives. Every one of the library is run by a test."""

    title: Long | Texts
    who: Text | None = Field(
        None, description="Who logs in: `H01`, `P15`, `H01 level:3`, `machine`. None sends no token."
    )
    client: Annotated[str, Field(max_length=120)] | None = None
    token: dict[str, Any] = Field(default_factory=dict, description="Further members of the token order.")
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    path: Annotated[str, Field(pattern=r"^/[!-~]{1,300}$")] = "/pps/v2/DiagnosticReport/_search"
    patient: Id | None = Field(None, description="Whose number stands in the header the service names its patient in.")
    headers: dict[str, Text | None] = Field(default_factory=dict, description="Further headers; null takes one away.")
    body: Annotated[str, Field(max_length=2000)] = Field("", description="Form fields, such as `_count=5`.")
    wait: Duration = Field(timedelta(0), description="How far the clock is moved between the token and the call.")
    expect: Expected


def _few(most: int) -> Any:
    return Field(default_factory=list, max_length=most)


class Scenario(Body):
    """A whole sandbox: what is in it, what it shows, and the calls to try."""

    model_config = ConfigDict(json_schema_extra={"$schema": "https://json-schema.org/draft/2020-12/schema"})

    name: ScenarioName
    title: Long | Texts
    description: Long | Texts = ""
    base: ScenarioName = Field(
        "default",
        description="What it is built on: `default` (everybody the sandbox is seeded with), `empty` (the seeded "
        "clients, no people and no results), or another scenario.",
    )
    seed: Text = Field("", description="Another seed gives other generated persons.")
    settings: Annotated[dict[str, Any], _json(Overrides.model_json_schema())] = Field(default_factory=dict)
    clock: ScenarioClock | None = None
    persons: list[PersonEntry] = _few(500)
    generate: list[Criteria] = _few(10)
    practitioners: list[Annotated[dict[str, Any], _json({"$comment": "practitioner"})]] = _few(200)
    organisations: list[Annotated[dict[str, Any], _json({"$comment": "organisation"})]] = _few(200)
    clients: list[ClientEntry] = _few(50)
    reports: list[ReportEntry] = _few(200)
    resources: list[ResourceEntry] = _few(20)
    privacy: list[PrivacyEntry] = _few(500)
    faults: FaultEntries = FaultEntries()
    tokens: list[TokenHint] = _few(50)
    try_: list[TryCall] = Field(default_factory=list, max_length=100, alias="try")


@dataclass(frozen=True, slots=True)
class Listed:
    """A scenario as the list shows it; ``source`` tells whether it came with the service or from a folder."""

    name: str
    title: Texts
    base: str
    source: Literal["library", "folder"]


class SettingForm(RootModel[AnySetting]):
    """A privacy setting in one of its four forms."""


def both(text: str | Texts) -> Texts:
    """A text in both languages; one that was written once stands for both."""
    return text if isinstance(text, Texts) else Texts(nb=text, en=text)


def schema() -> dict[str, Any]:
    """The JSON schema of a scenario file (draft 2020-12)."""
    made = Scenario.model_json_schema(by_alias=True)
    definitions = made["$defs"]
    for name, model in (("practitioner", PractitionerBody), ("organisation", OrganisationBody)):
        part = model.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
        definitions |= part.pop("$defs", {})
        part["properties"] = {"id": {"type": "string", "maxLength": 64}, **part["properties"]}
        part["required"] = ["id"]  # the rest may stand in the base
        definitions[f"{name.title()}Entry"] = part
    setting = SettingForm.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
    definitions |= setting.pop("$defs", {})
    definitions["Setting"] = setting
    places = {"setting": "Setting", "practitioner": "PractitionerEntry", "organisation": "OrganisationEntry"}
    placed: dict[str, Any] = _with_places(made, places)
    return placed


def day(text: str, today: date) -> date:
    """A date, or a duration counted from today. Raises ``ValueError``."""
    return moved(text, today) if text[:1] in ("+", "-") else date.fromisoformat(text)


def moved(by: str, start: date) -> date:
    """``start`` moved by a signed duration. Raises ``ValueError``."""
    try:
        return start + _DURATION.validate_python(by)
    except (ValidationError, OverflowError):
        raise ValueError("a duration is written P1D, -P3M, +PT2H …") from None


def duration(text: str) -> timedelta:
    """An ISO 8601 duration with or without a sign. Raises ``ValueError``."""
    try:
        return _DURATION.validate_python(text)
    except ValidationError:
        raise ValueError("a duration is written P1D, -P3M, PT2H …") from None


def _with_places(value: Any, places: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_with_places(each, places) for each in value]
    if not isinstance(value, Mapping):
        return value
    named = places.get(str(value.get("$comment", "")))
    if named is not None:
        return {"$ref": f"#/$defs/{named}"}
    return {name: _with_places(each, places) for name, each in value.items()}
