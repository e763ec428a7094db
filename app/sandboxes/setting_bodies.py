"""Privacy settings as JSON, in four forms: our own short one, PVK's, and the two of PTS."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, ConfigDict, Discriminator, Field, Tag

from app.sandboxes.forms import Body, Id, Nin, Service, Text
from app.trust.facts import SettingKind


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
