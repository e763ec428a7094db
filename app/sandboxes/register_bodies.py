"""Persons, health workers and organisations as JSON: in the control API and in scenario files."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from app.sandboxes.forms import Body, Hpr, Id, Ids, Nin, Orgnr, Text


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
    own_entries: bool = Field(False, description="Has made entries of their own in kjernejournal (symbol 3).")


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
    kj_access: bool = Field(True, description="Whether it may use kjernejournal.")


class PatientList(Body):
    """Everybody on the list of a general practitioner."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"persons": ["P01", "P02"]}]})

    persons: Annotated[list[Id], Field(max_length=5000, description="Ids; who is not here is taken off the list.")]


class Criteria(Body):
    """Synthetic persons to make. The same criteria and seed in an equal sandbox give the same persons."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"count": 20, "ageFrom": 67, "ageTo": 90, "municipality": "4601", "gpHpr": "222250101"}]
        }
    )

    count: int = Field(ge=1, le=1000, description="How many.")
    seed: Text = Field("", description="Another seed gives other persons.")
    age_from: int = Field(0, ge=0, le=150, description="Least age in whole years, on the sandbox clock.")
    age_to: int = Field(100, ge=0, le=150, description="Greatest age.")
    gender: Literal["female", "male"] | None = Field(None, description="None gives both.")
    municipality: Annotated[str, Field(pattern=r"^[0-9]{4}$")] | None = None
    d_number: bool = Field(False, description="D-numbers in place of birth numbers.")
    address_protection: Literal["Unclassified", "Confidential", "StrictlyConfidential"] = "Unclassified"
    status: Literal["Resident", "Temporary", "Deceased", "Emigrated", "Unknown"] | None = Field(
        None, description="Resident when left out, Temporary with a D-number. The deceased get a date of death."
    )
    gp_hpr: Hpr | None = Field(None, description="HPR number of their general practitioner.")
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,29}$")] = Field(
        "G", description="What their ids begin with: `G` gives G0001, G0002 …"
    )
