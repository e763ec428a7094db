"""What the control API takes, as models: unknown members are refused, names are camelCase on the wire."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Discriminator, Field, Tag, WithJsonSchema
from pydantic.alias_generators import to_camel

from app.sandboxes.config import FAULTS, Overrides
from app.trust.facts import SettingKind

Nin = Annotated[str, Field(max_length=40, description="National identity number, synthetic.")]
Hpr = Annotated[str, Field(max_length=20, description="HPR number, 1-9 digits.")]
Orgnr = Annotated[str, Field(max_length=20, description="Organisation number, 9 digits.")]
Id = Annotated[str, Field(max_length=64)]
Text = Annotated[str, Field(max_length=200)]
Service = Annotated[str, Field(pattern=r"^([A-Z][A-Z_-]{0,19}|\*)$", description="`PPS`, `KJ`, `PJD` …; `*` is all.")]
Ids = Annotated[list[Id], Field(max_length=100)]
OwnSettings = Annotated[dict[str, Any], WithJsonSchema(Overrides.model_json_schema())]
Faults = Annotated[
    dict[str, str],
    Field(max_length=10),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {name: {"enum": list(ways)} for name, ways in FAULTS.items()},
        }
    ),
]


class Body(BaseModel):
    """Common to all bodies."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, frozen=True)


class NewSandbox(Body):
    """A sandbox to make. Without a name it gets one."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "team-a", "expiresIn": 3600, "settings": {"profile": "strict"}}]}
    )

    name: Text | None = Field(None, description="1-40 of a-z, 0-9 and -.")
    seed: Text | None = Field(None, description="Seed of the sandbox's ids.")
    content: Literal["seeded", "empty"] = Field("seeded", description="Whether people and results are put in.")
    expires_in: float | None = Field(None, gt=0, le=315_360_000, description="Seconds of real time it lives.")
    settings: OwnSettings = Field(default_factory=dict)
    faults: Faults = Field(default_factory=dict)


class ResetSandbox(Body):
    """How to fill the sandbox anew."""

    content: Literal["seeded", "empty"] = "seeded"


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


class PersonBody(Body):
    """A person of the register. Without ``nin`` a synthetic number is made from birth date and gender."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"given": "RASK", "family": "REV", "birthDate": "1984-03-14", "gender": "male"}]
        }
    )

    nin: Nin | None = None
    previous_nins: Annotated[list[Nin], Field(max_length=10)] = Field(
        default_factory=list, description="Discontinued numbers that lead to the person."
    )
    birth_date: date | None = None
    gender: Literal["female", "male", "unknown"] | None = None
    address_protection: Literal["Unclassified", "Confidential", "StrictlyConfidential"] = "Unclassified"
    status: Literal["Resident", "Temporary", "Deceased", "Emigrated", "Unknown"] = "Resident"
    deceased_date: date | None = None
    parents: Ids = Field(default_factory=list, description="Ids of those with parental responsibility.")
    address_group: Text | None = Field(None, description="Persons of one group share an address.")
    guardian: Id | None = None
    fullmakt_to: Ids = Field(default_factory=list)
    youth_consent: bool = False
    given: Text | None = None
    family: Text | None = None
    municipality: Annotated[str, Field(pattern=r"^[0-9]{4}$")] | None = None
    gp_hpr: Hpr | None = Field(None, description="HPR number of the general practitioner.")


class PractitionerBody(Body):
    """A health worker; no authorisation means withdrawn."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"nin": "02828049251", "hpr": "222250101", "authorizations": ["LE"]}]}
    )

    nin: Nin
    hpr: Hpr
    authorizations: Annotated[list[Annotated[str, Field(pattern=r"^[A-Z0-9]{1,5}$")]], Field(max_length=20)] = Field(
        default_factory=list, description="Codes of list 9060 held now."
    )
    given: Text | None = None
    family: Text | None = None


class OrganisationBody(Body):
    """A legal entity, a place of care or a supplier."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"orgnr": "315500109", "name": "FRISK FJORD", "kind": "legal_entity"}]}
    )

    orgnr: Orgnr
    name: Text
    parent_orgnr: Orgnr | None = None
    kind: Literal["legal_entity", "point_of_care", "supplier"] = "legal_entity"
    delegated_by: Annotated[list[Orgnr], Field(max_length=100)] = Field(default_factory=list)
    helsenett_member: bool = True
    her_id: Annotated[str, Field(pattern=r"^[0-9]{1,10}$")] | None = None
    resh_id: Annotated[str, Field(pattern=r"^[0-9]{1,10}$")] | None = None


class Subject(Body):
    """Whom a setting is aimed at."""

    type: Literal["HPR", "PID", "ORGNR"]
    value: Annotated[str, Field(max_length=20)]


class Target(Body):
    """What a setting is about."""

    type: Literal["Svarrapport", "Rekvisisjon", "Dokument"]
    value: Annotated[str, Field(min_length=1, max_length=255)]


Subjects = Annotated[list[Subject], Field(max_length=100)]
Targets = Annotated[list[Target], Field(max_length=100)]


class ShortSetting(Body):
    """The sandbox's own short form. ``hprRef`` and ``orgRef`` name persons of the registers, e.g. ``H02``, ``O02``."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"svc": "PPS", "kind": "general_block"},
                {"svc": "PPS", "kind": "specific_block", "hprRef": "H02"},
            ]
        }
    )

    svc: Service
    kind: SettingKind
    subjects: Subjects = Field(default_factory=list, description="None means all.")
    hpr_ref: Id | None = None
    org_ref: Id | None = None
    objects: Targets = Field(default_factory=list, description="None means all.")
    level: Literal["Soft", "Hard"] | None = None
    code: Annotated[str, Field(max_length=40)] | None = Field(None, description="9603 code or consent level.")
    module: Annotated[str, Field(max_length=40)] | None = None
    until: AwareDatetime | None = Field(None, description="End of a delay towards the citizen.")
    from_: AwareDatetime | None = Field(None, alias="from")
    to: AwareDatetime | None = None


class PvkPeriod(Body):
    """Days in Norway, both included."""

    fra: date | None = None
    til: date | None = None


class PvkMetadata(Body):
    """The citizen's own choices."""

    aktorer: Subjects = Field(default_factory=list)
    objekter: Targets = Field(default_factory=list)
    perioder: Annotated[list[PvkPeriod], Field(max_length=20)] = Field(default_factory=list)
    nivaa: Literal["alle", "angitte"] | None = None


class PvkSetting(Body):
    """SettInnbyggersPersonvernInnstilling (personvern.md section 2.4)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "innbyggerFnr": "30816549910",
                    "definisjonGuid": "a06367fa-45c9-5cd6-af7b-109af059bf55",
                    "typePi": "reservasjon",
                    "aktiv": True,
                }
            ]
        }
    )

    innbygger_fnr: Nin
    definisjon_guid: Id
    definisjon_navn: Text | None = None
    part_kode: Text | None = None
    type_pi: Literal["samtykke", "reservasjon", "tilgangsbegrensning"]
    aktiv: bool
    tidspunkt: AwareDatetime | None = None
    innbygger_metadata: PvkMetadata = PvkMetadata()


class ObjectScope(Body):
    """``All``, or those named."""

    type: Literal["All", "Specified"]
    identifiers: Targets = Field(default_factory=list)


class SubjectScope(Body):
    """``All`` personnel, or those named."""

    type: Literal["All", "Specified"]
    identifiers: Subjects = Field(default_factory=list)


class TimeScope(Body):
    """From, inclusive, to, exclusive."""

    from_: AwareDatetime | None = Field(None, alias="from")
    to: AwareDatetime | None = None


class PatientPrivacy(Body):
    """PTS patient-privacy (personvern.md section 3.2)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "offId": "07877749961",
                    "privacyType": "Block",
                    "privacyLevel": "Hard",
                    "restrictionDomain": "PPS",
                    "objectScope": {"type": "All"},
                    "subjectScope": {"type": "Specified", "identifiers": [{"type": "HPR", "value": "222250102"}]},
                }
            ]
        }
    )

    off_id: Nin
    privacy_type: Literal["Shield", "Block"]
    privacy_level: Literal["Soft", "Hard"]
    restriction_domain: Text
    object_scope: ObjectScope
    subject_scope: SubjectScope
    time_scope: Annotated[list[TimeScope], Field(max_length=20)] = Field(default_factory=list)


class SafetyPerson(Body):
    """Whom a patient-safety rule is about."""

    off_id: Nin


class SafetyTarget(Body):
    """The requisition or report."""

    type: Literal["Rekvisisjon", "Svarrapport"]
    value: Annotated[str, Field(min_length=1, max_length=255)]


class SafetyObject(Body):
    """Person and object of a patient-safety rule."""

    person: SafetyPerson
    confidential_object_id: SafetyTarget


class PatientSafety(Body):
    """PTS patient-safety (personvern.md section 3.1)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "patientSafetyObject": {
                        "person": {"offId": "07819149881"},
                        "confidentialObjectId": {
                            "type": "Rekvisisjon",
                            "value": "5ede44e1-3b3c-45f2-9f49-cf73c1d7e5fc",
                        },
                    },
                    "delayDays": 14,
                    "confidentialityCode": "NORU",
                }
            ]
        }
    )

    patient_safety_object: SafetyObject
    confidentiality_code: Annotated[str, Field(max_length=20)]
    delay_days: Annotated[int, Field(le=36_500)] | None = None
    delay_delivery_until: AwareDatetime | None = None
    delay_from_time: AwareDatetime | None = None


def _form(value: Any) -> str:
    names = value if isinstance(value, dict) else ()
    if "innbyggerFnr" in names or "definisjonGuid" in names:
        return "pvk"
    if "patientSafetyObject" in names:
        return "patient-safety"
    return "patient-privacy" if "privacyType" in names or "offId" in names else "short"


AnySetting = Annotated[
    Annotated[ShortSetting, Tag("short")]
    | Annotated[PvkSetting, Tag("pvk")]
    | Annotated[PatientPrivacy, Tag("patient-privacy")]
    | Annotated[PatientSafety, Tag("patient-safety")],
    Discriminator(_form),
]
"""A setting in one of the four forms, told apart by its members."""


class TokenOrder(Body):
    """A token to mint. ``persona`` is a practitioner's or person's id; none gives a machine token.

    With ``url`` the answer has ready ``Authorization`` and ``DPoP`` headers for one request.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"persona": "H01", "client": "sandkasse-epj", "scopes": ["nhn:pps/provesvar-read"], "method": "POST"}
            ]
        }
    )

    persona: Id | None = None
    client: Annotated[str, Field(max_length=120)] | None = None
    scopes: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=50)] = Field(default_factory=list)
    method: Annotated[str, Field(pattern=r"^[A-Z]{1,10}$")] | None = None
    url: Annotated[str, Field(max_length=2000)] | None = None
    attest: dict[str, Any] | None = Field(None, description="Values of the attest; none sends no attest.")
