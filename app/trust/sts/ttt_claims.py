"""The claims of a test token (trust.md section 6). Pure: what the registers say and the time are in ``World``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.directory import API_BY_AUDIENCE
from app.identity import HPR_SYSTEM, ORGNR_SYSTEM, SYSTEM_OF, IdType
from app.ids import IdSource, new_hex
from app.trust.facts import OrganisationRecord, Person, PractitionerRecord
from app.trust.sts.attest import AUTHORITIES
from app.trust.sts.care_codes import coded
from app.trust.sts.personas import Organisation, Persona
from app.trust.sts.structures import ATTEST_TYPE
from app.trust.sts.subject import pseudonym
from app.trust.sts.ttt_request import (
    ATTEST_PARAMETERS,
    CLIENT_CLAIMS,
    LEGACY_AMR_CLAIM,
    TENANCY_CLAIM,
    USER_CLAIMS,
    AttestRequest,
    TokenRequest,
    TttError,
)

PID: Final = USER_CLAIMS["pid"]
HPR: Final = USER_CLAIMS["hprNumber"]
PARENT: Final = CLIENT_CLAIMS["orgnrParent"]
CHILD: Final = CLIENT_CLAIMS["orgnrChild"]


@dataclass(frozen=True, slots=True)
class World:
    """What surrounds a request: this sandbox's issuer, its clock (epoch seconds), and what its registers say.

    ``person`` and ``practitioner`` are those of the pid the token will have (see ``effective_pid``).
    """

    issuer: str
    now: int
    ids: IdSource
    secret: bytes
    sandbox: str
    attest_max_age: int = 3600
    person: Person | None = None
    practitioner: PractitionerRecord | None = None
    organisations: Mapping[str, OrganisationRecord] | None = None


def effective_pid(request: TokenRequest) -> str | None:
    """The pid the token will carry, None for a machine's token."""
    given = request.user.get(PID) if request.user_source.given else None
    return given or (request.persona.pid if request.user_source.default else None)


def organisations_named(request: TokenRequest) -> frozenset[str]:
    """Organisation numbers the request gives, whose names the registers may know."""
    values = dict(request.attest.values) if request.attest is not None else {}
    named = [value for name, value in values.items() if name.endswith(("LegalEntityId", "PointOfCareId"))]
    return frozenset([*named, *(value for name, value in request.client.items() if name in (PARENT, CHILD))])


def token_claims(request: TokenRequest, world: World) -> dict[str, Any]:
    """All claims without any fault but those of the attest. Raises ``TttError`` when a look-up finds nobody."""
    claims: dict[str, Any] = {
        "iss": world.issuer,
        "nbf": world.now,
        "iat": world.now,
        "exp": world.now + request.lifetime,
        "aud": request.audience,
        "jti": new_hex(world.ids),
    }
    if request.client_source.default:
        claims |= _default_client(request.audience, request.persona)
    if request.client_source.given:
        claims |= request.client
    if request.user_source.default and request.persona.pid is not None:
        claims |= _default_user(request.persona, world)
    if request.user_source.given:
        claims |= request.user
    _from_registers(claims, request, world)
    if request.cnf_jkt is not None:
        claims["cnf"] = {"jkt": request.cnf_jkt}
    if request.act is not None:
        claims["act"] = {
            "iss": request.act["issuer"] or world.issuer,
            "client_id": request.act["clientId"] or "sandkasse-token-exchange",
            PARENT: request.act["orgnrParent"] or request.persona.parent.orgnr,
        }
    if request.attest is not None:
        attest = _attest(request.attest, request.persona, claims, world)
        if request.toa_age is not None:
            attest["toa"] = world.now - request.toa_age
        _break_attest(attest, request.faults, claims)
        claims[ATTEST_TYPE] = attest
    for name, value in request.api_claims:
        given_before = [other for other, _ in request.api_claims].count(name) > 1
        claims[name] = [item for other, item in request.api_claims if other == name] if given_before else value
    return claims


# ---- client and user ----


def _default_client(audience: str, persona: Persona) -> dict[str, Any]:
    api = API_BY_AUDIENCE.get(audience)
    return {
        "scope": list(api.scopes) if api is not None else [],
        "client_id": "sandkasse-test-token",
        CLIENT_CLAIMS["clientName"]: "Sandkasse test-token",
        "client_amr": "private_key_jwt",
        LEGACY_AMR_CLAIM: "private_key_jwt",
        TENANCY_CLAIM: "single-tenant",
        PARENT: persona.parent.orgnr,
        CHILD: persona.child.orgnr,
    }


def _default_user(persona: Persona, world: World) -> dict[str, Any]:
    claims: dict[str, Any] = {
        PID: persona.pid,
        "name": f"{persona.given} {persona.family}",
        "given_name": persona.given,
        "middle_name": "",
        "family_name": persona.family,
        "idp": "testidp-oidc",
        "amr": ["pwd"],
        "auth_time": world.now,
        USER_CLAIMS["securityLevel"]: "4",
        USER_CLAIMS["assuranceLevel"]: "high",
        USER_CLAIMS["network"]: "helsenett",
        "sub": pseudonym(world.secret, world.sandbox, str(persona.pid)),
        "sid": new_hex(world.ids),
    }
    if persona.hpr is not None:
        claims[HPR] = persona.hpr
    return claims


def _from_registers(claims: dict[str, Any], request: TokenRequest, world: World) -> None:
    needs_pid = (
        request.person_from_register, request.hpr_from_register, request.set_pseudonym, request.set_subject
    )  # fmt: skip
    pid = claims.get(PID)
    if any(needs_pid) and not pid:
        raise TttError("userClaimsParameters.pid must have a value for this")
    if request.person_from_register:
        _name(claims, request, world)
    if request.hpr_from_register:
        record = world.practitioner
        claims.pop(HPR, None)
        # Ruling R41: without an active authorisation the issuer gives no HPR number.
        if record is not None and record.authorizations:
            claims[HPR] = record.hpr
    if request.set_pseudonym:
        claims[USER_CLAIMS["pidPseudonym"]] = pseudonym(world.secret, world.sandbox, str(pid))
    if request.set_subject:
        claims["sub"] = pseudonym(world.secret, world.sandbox, str(pid))


def _name(claims: dict[str, Any], request: TokenRequest, world: World) -> None:
    found = world.person or world.practitioner
    if found is None:
        raise TttError("the person is not in Persontjenesten of this sandbox")
    given, family = found.given or "", found.family or ""
    names = {"given_name": given, "middle_name": "", "family_name": family}
    claims["name"] = " ".join(part for part in (given, family) if part)
    for claim, value in names.items():
        if request.only_name:
            claims.pop(claim, None)
        else:
            claims[claim] = value


# ---- attest ----

_RESH: Final = "urn:oid:2.16.578.1.12.4.1.4.102"
_AUTHORIZATION_SYSTEM: Final = "urn:oid:2.16.578.1.12.4.1.1.9060"
_PURPOSE_SYSTEM: Final = "urn:oid:2.16.840.1.113883.1.11.20448"
_DETAILS_SYSTEM: Final = "urn:AuditEventHL7Norway/CodeSystem/carerelation"
_PATHS: Final[Mapping[str, tuple[str, str]]] = {
    "practitionerIdentifier": ("practitioner", "identifier"),
    "practitionerHprNr": ("practitioner", "hpr_nr"),
    "practitionerAuthorization": ("practitioner", "authorization"),
    "practitionerLegalEntity": ("practitioner", "legal_entity"),
    "practitionerPointOfCare": ("practitioner", "point_of_care"),
    "practitionerDepartment": ("practitioner", "department"),
    "careRelationshipHealthcareService": ("care_relationship", "healthcare_service"),
    "careRelationshipHealthcare": ("care_relationship", "healthcare_service"),
    "careRelationshipPurposeOfUse": ("care_relationship", "purpose_of_use"),
    "careRelationshipPurposeOfUseDetails": ("care_relationship", "purpose_of_use_details"),
    "careRelationshipDecisionRef": ("care_relationship", "decision_ref"),
    "patientsIdentifier": ("patients", "identifier"),
    "patientsPointOfCare": ("patients", "point_of_care"),
    "patientsDepartment": ("patients", "department"),
}
_LEFT_OUT: Final[Mapping[str, str]] = {
    "PractitionerHprNr": "practitionerHprNr",
    "PractitionerAuthorization": "practitionerAuthorization",
    "PractitionerDepartment": "practitionerDepartment",
    "CareRelationshipHealthcareService": "careRelationshipHealthcareService",
    "CareRelationshipPurposeOfUseDetails": "careRelationshipPurposeOfUseDetails",
    "PatientsPointOfCare": "patientsPointOfCare",
    "PatientsDepartment": "patientsDepartment",
}


def _attest(request: AttestRequest, persona: Persona, claims: Mapping[str, Any], world: World) -> dict[str, Any]:
    tree = _default_attest(persona, claims, world)
    for group, endings in ATTEST_PARAMETERS.items():
        part, name = _PATHS[group]
        for ending in endings:
            value = request.values.get(group + ending)
            if value is not None:
                tree[part].setdefault(name, {})[ending.lower()] = value
    _fill_texts(tree, request, world)
    for switch in request.leave_out:
        part, name = _PATHS[_LEFT_OUT[switch]]
        tree[part].pop(name, None)
    tree["care_relationship"]["decision_ref"]["user_selected"] = request.user_selected
    return {**tree, "patients": [tree["patients"]]}


def _default_attest(persona: Persona, claims: Mapping[str, Any], world: World) -> dict[str, Any]:
    """The attest that goes with the token's own person and organisations (D5)."""
    practitioner: dict[str, Any] = {}
    if claims.get(PID):
        practitioner["identifier"] = _person(str(claims[PID]), str(claims.get("name", "")))
    if claims.get(HPR):
        practitioner["hpr_nr"] = {"id": claims[HPR], "system": HPR_SYSTEM, "authority": AUTHORITIES[HPR_SYSTEM]}
    if persona.authorization is not None:
        practitioner["authorization"] = coded("authorization", _AUTHORIZATION_SYSTEM, persona.authorization)
    parent = claims.get(PARENT) or persona.parent.orgnr
    child = claims.get(CHILD) or (parent if parent != persona.parent.orgnr else persona.child.orgnr)
    practitioner["legal_entity"] = _organisation(str(parent), persona, world)
    practitioner["point_of_care"] = _organisation(str(child), persona, world)
    practitioner["department"] = _department()
    relationship = {
        "healthcare_service": coded("healthcare_service", persona.service.system, persona.service.code),
        "purpose_of_use": coded("purpose_of_use", _PURPOSE_SYSTEM, persona.purpose),
        "decision_ref": {"id": new_hex(world.ids)},
    }
    if persona.details is not None:
        relationship["purpose_of_use_details"] = coded(
            "purpose_of_use_details", persona.details.system, persona.details.code
        )
    patient = {"point_of_care": _organisation(str(child), persona, world), "department": _department()}
    return {"practitioner": practitioner, "care_relationship": relationship, "patients": patient}


def _fill_texts(tree: dict[str, Any], request: AttestRequest, world: World) -> None:
    """Give what a request replaced by id or code alone the rest of its members."""
    for group, endings in ATTEST_PARAMETERS.items():
        part, name = _PATHS[group]
        node = tree[part].get(name)
        if "Code" in endings and group + "Code" in request.values:
            system = node.setdefault("system", _DETAILS_SYSTEM)
            fresh = coded(name, system, node["code"])
            for ending, sent in (("text", group + "Text"), ("assigner", _assigner_of(group))):
                if sent not in request.values:
                    node[ending] = fresh[ending]
        elif "Id" in endings and group + "Id" in request.values and name != "decision_ref":
            fallback = SYSTEM_OF[IdType.FNR] if name == "identifier" else ORGNR_SYSTEM
            system = node.setdefault("system", _RESH if name == "department" else fallback)
            if group + "Name" not in request.values:
                record = (world.organisations or {}).get(node["id"])
                node["name"] = record.name if record is not None else node["id"]
            if group + "Authority" not in request.values:
                node["authority"] = AUTHORITIES.get(system, "")


def _assigner_of(group: str) -> str:
    return {"careRelationshipHealthcareService": "careRelationshipHealthcareAssigner"}.get(group, group + "Assigner")


def _person(pid: str, name: str) -> dict[str, str]:
    system = SYSTEM_OF[IdType.DNR if pid[:1] in "4567" else IdType.FNR]
    return {"id": pid, "name": name, "system": system, "authority": AUTHORITIES[system]}


def _organisation(orgnr: str, persona: Persona, world: World) -> dict[str, str]:
    record = (world.organisations or {}).get(orgnr)
    known = {own.orgnr: own.name for own in (persona.parent, persona.child)}
    name = record.name if record is not None else known.get(orgnr, orgnr)
    return {"id": orgnr, "name": name, "system": ORGNR_SYSTEM, "authority": AUTHORITIES[ORGNR_SYSTEM]}


def _department() -> dict[str, str]:
    return {"id": "4990001", "name": "SANDKASSE AVDELING", "system": _RESH, "authority": AUTHORITIES[_RESH]}


_OTHER_PERSON: Final = ("16867649135", "02828049251")
_OTHER_ORGANISATION: Final = (
    Organisation("315500206", "RAUS DAL HELSEFORETAK (SANDKASSE)"),
    Organisation("315500109", "FRISK FJORD HELSEFORETAK (SANDKASSE)"),
)


def _break_attest(attest: dict[str, Any], faults: frozenset[str], claims: Mapping[str, Any]) -> None:
    practitioner, relationship = attest["practitioner"], attest["care_relationship"]
    if "identifierMismatch" in faults:
        other = next(pid for pid in _OTHER_PERSON if pid != claims.get(PID))
        practitioner["identifier"] = _person(other, "EN ANNEN")
    if "legalEntityMismatch" in faults:
        organisation = next(other for other in _OTHER_ORGANISATION if other.orgnr != claims.get(PARENT))
        practitioner["legal_entity"] |= {"id": organisation.orgnr, "name": organisation.name}
    if "unknownAuthorization" in faults:
        practitioner["authorization"] = coded("authorization", _AUTHORIZATION_SYSTEM, "ZZ")
    if "unknownPurposeOfUse" in faults:
        relationship["purpose_of_use"] |= {"code": "XYZ", "text": ""}
    if "userSelectedAsString" in faults:
        relationship["decision_ref"]["user_selected"] = str(relationship["decision_ref"]["user_selected"]).lower()
    if "bothServiceAndDetailsMissing" in faults:
        relationship.pop("healthcare_service", None)
        relationship.pop("purpose_of_use_details", None)
